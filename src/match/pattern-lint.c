/* SPDX-License-Identifier: Apache-2.0 */
/* The bound on the cost of one match (see regex.c) keeps a slow regex from stopping the daemon; here it is
 * found before it is used, since a login that costs too much is not taken. */

#include "match/pattern-lint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* What is repeated: so much of the example, from the place where it is put in, or one of these. */
static const size_t lengths[] = {1, 2, 3, 5, 8, 13, 21};
static const char fillers[] = "a0 ,:;.@=-<>()[]\"\\/";

/* Twice the text may cost twice as much and a little. */
#define GROWTH_PERCENT 220
#define GROWTH_STEPS 500
/* More than any regex is let to take; nobody needs to know how many more. */
#define STEPS_MAX (2 * REGEX_STEPS_MAX)

/* How a slow text is made: message[0, at), `pump` over and over, message[at, end), a byte that nothing ends
 * with. */
typedef struct Recipe {
        Span message;
        size_t at;
        Span pump;
} Recipe;

typedef struct Worst {
        uint32_t steps;
        Recipe recipe;
} Worst;

typedef struct Lint {
        const Pattern *pattern;
        LintHandler on_fault;
        void *userdata;
        LintCounts counts;
        Worst *worst; /* of each rule */
        char text[2 * LINT_TEXT_BYTES];
} Lint;

/* Writes a text of n bytes, or a little less. */
static Span cook(Lint *l, const Recipe *r, size_t n) {
        Span rest = span_skip(r->message, r->at);
        size_t size = r->at;

        memcpy(l->text, r->message.data, size);
        while (size + r->pump.size + rest.size + 1 <= n) {
                memcpy(l->text + size, r->pump.data, r->pump.size);
                size += r->pump.size;
        }
        memcpy(l->text + size, rest.data, rest.size);
        size += rest.size;
        l->text[size++] = '\x01';
        return span_make(l->text, size);
}

/* ---- looking for the slowest text ---- */

static void try_recipe(Lint *l, const Recipe *recipe) {
        Span text = cook(l, recipe, LINT_TEXT_BYTES);

        for (size_t i = 0; i < l->pattern->n_rules; i++) {
                Regex *regex = l->pattern->rules[i].regex;

                l->counts.tried++;
                if (l->worst[i].steps == STEPS_MAX ||
                        !regex_takes_more_steps(regex, text, l->worst[i].steps))
                        continue;
                l->worst[i].steps = regex_steps(regex, text, STEPS_MAX);
                l->worst[i].recipe = *recipe;
        }
}

static void try_message(Lint *l, Span message) {
        Recipe r = {.message = message};

        if (message.size > LINT_TEXT_BYTES / 2)
                return;
        for (r.at = 0; r.at <= message.size; r.at++) {
                for (size_t i = 0; i < ELEMENTSOF(lengths) && r.at + lengths[i] <= message.size; i++) {
                        r.pump = span_make(message.data + r.at, lengths[i]);
                        try_recipe(l, &r);
                }
                for (size_t i = 0; i < sizeof(fillers) - 1; i++) {
                        r.pump = span_make(&fillers[i], 1);
                        try_recipe(l, &r);
                }
        }
}

/* ---- judging ---- */

static void fault(Lint *l, const Rule *rule, const char *text) {
        l->counts.faults++;
        l->on_fault(l->userdata, l->pattern, rule->line, text);
}

static bool grows_too_fast(uint32_t before, uint32_t after) {
        return after > (uint64_t) before * GROWTH_PERCENT / 100 + GROWTH_STEPS;
}

static void check_cost(Lint *l, const Rule *rule, const Worst *worst) {
        uint32_t half = regex_steps(rule->regex, cook(l, &worst->recipe, LINT_TEXT_BYTES / 2), STEPS_MAX);
        uint32_t twice = regex_steps(rule->regex, cook(l, &worst->recipe, 2 * LINT_TEXT_BYTES), STEPS_MAX);
        char text[256];

        l->counts.most_steps = MAX(l->counts.most_steps, worst->steps);
        if (!grows_too_fast(half, worst->steps) && !grows_too_fast(worst->steps, twice) &&
                twice <= REGEX_STEPS_MAX)
                return;
        (void) snprintf(text, sizeof(text),
                "it takes %" PRIu32 ", %" PRIu32 " and %" PRIu32
                " steps for %zu, %zu and %zu bytes; more than %d are not made",
                half, worst->steps, twice, LINT_TEXT_BYTES / 2, LINT_TEXT_BYTES, 2 * LINT_TEXT_BYTES,
                REGEX_STEPS_MAX);
        fault(l, rule, text);
}

static void check_text(Lint *l, const Rule *rule) {
        size_t at = regex_unbounded_at(rule->regex);
        char text[128];

        if (at == 0)
                return;
        (void) snprintf(text, sizeof(text),
                "text of any length before the address, at character %zu; {1,255} is bounded", at);
        fault(l, rule, text);
}

int pattern_lint(const Pattern *p, LintHandler on_fault, void *userdata, LintCounts *ret) {
        _cleanup_free_ Lint *l = calloc(1, sizeof(Lint));
        _cleanup_free_ Worst *worst = calloc(p->n_rules + 1, sizeof(Worst));

        if (!l || !worst)
                return -ENOMEM;
        l->pattern = p;
        l->on_fault = on_fault;
        l->userdata = userdata;
        l->worst = worst;
        for (size_t i = 0; i < p->n_examples; i++) {
                const Example *e = &p->examples[i];

                for (size_t k = 0; k < e->before.n; k++)
                        try_message(l, pattern_message(p, span_from_string(e->before.items[k])));
                try_message(l, pattern_message(p, span_from_string(e->line)));
        }
        for (size_t i = 0; i < p->n_rules; i++) {
                check_text(l, &p->rules[i]);
                check_cost(l, &p->rules[i], &worst[i]);
        }
        *ret = l->counts;
        return 0;
}
