/* SPDX-License-Identifier: Apache-2.0 */
/* patterns: what there is, whether each pattern does what its examples say, and whether it withstands
 * attacks. All patterns are loaded whichever are named: a line goes to all that know its identifier. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "basic/json-writer.h"
#include "basic/log.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "match/attack.h"
#include "match/pattern-lint.h"

/* What a verdict's failure is told with, at most. */
#define FAILURE_BYTES 640

typedef struct Work {
        const Ctl *ctl;
        PatternSet *set;
        JsonWriter json;
        Table *table;
        uint64_t failures;
} Work;

static bool is_named(const Ctl *ctl, const Pattern *p) {
        for (int i = 0; i < ctl->n_arguments; i++)
                if (streq(ctl->arguments[i], p->name))
                        return true;
        return ctl->n_arguments == 0;
}

/* ---- the table ---- */

static void print_words(char *buf, size_t room, const StringList *l) {
        size_t used = 0;

        buf[0] = 0;
        for (size_t i = 0; i < l->n && used < room; i++) {
                int n = snprintf(buf + used, room - used, "%s%s", i > 0 ? " " : "", l->items[i]);

                used += (size_t) MAX(n, 0);
        }
}

static void show(Work *w, const Pattern *p) {
        char identifiers[64];

        print_words(identifiers, sizeof(identifiers), &p->identifiers);
        if (strlen(identifiers) > 40)
                memcpy(identifiers + 37, "...", 4);
        table_cell(w->table, TABLE_BOLD, p->name);
        table_cell(
                w->table, p->trusts_users ? TABLE_YELLOW : TABLE_PLAIN, p->trusts_users ? "users" : "unit");
        table_cell(w->table, TABLE_PLAIN, p->opt_in ? "opt-in" : "yes");
        table_cell(w->table, TABLE_PLAIN, p->journal_only ? "journal" : "any");
        table_cell_untrusted(w->table, TABLE_PLAIN, span_from_string(identifiers));
        table_cell_untrusted(w->table, TABLE_PLAIN, span_from_string(strempty(p->description)));
}

static void show_json(Work *w, const Pattern *p) {
        json_begin_object(&w->json);
        json_key(&w->json, "name");
        json_string(&w->json, p->name);
        json_key(&w->json, "description");
        json_string(&w->json, p->description);
        json_key(&w->json, "file");
        json_string(&w->json, p->path);
        json_key(&w->json, "trust");
        json_string(&w->json, p->trusts_users ? "users" : "unit");
        json_key(&w->json, "opt_in");
        json_bool(&w->json, p->opt_in);
        json_key(&w->json, "journal_only");
        json_bool(&w->json, p->journal_only);
        json_key(&w->json, "identifiers");
        json_begin_array(&w->json);
        for (size_t i = 0; i < p->identifiers.n; i++)
                json_string(&w->json, p->identifiers.items[i]);
        json_end_array(&w->json);
        json_end_object(&w->json);
}

/* ---- figures ---- */

typedef struct Figure {
        const char *key;
        uint64_t value;
        bool should_be_none;
} Figure;

/* A row of figures about one pattern, in the order of the table's columns. */
static void show_figures(Work *w, const Pattern *p, const Figure *figures, size_t n) {
        if (w->ctl->json) {
                json_begin_object(&w->json);
                json_key(&w->json, "name");
                json_string(&w->json, p->name);
        } else
                table_cell(w->table, TABLE_PLAIN, p->name);
        for (size_t i = 0; i < n; i++) {
                const Figure *f = &figures[i];

                if (w->ctl->json) {
                        json_key(&w->json, f->key);
                        json_u64(&w->json, f->value);
                } else if (f->should_be_none)
                        table_cell_format(
                                w->table, f->value > 0 ? TABLE_RED : TABLE_GREEN, "%" PRIu64, f->value);
                else
                        table_cell_u64(w->table, f->value);
        }
        if (w->ctl->json)
                json_end_object(&w->json);
}

/* ---- the examples ---- */

/* Whether the judgement is the one that the example asks for; if not, `reason` says how it differs. */
static bool is_as_wanted(
        const Pattern *p, const Example *e, const Login *login, char reason[static FAILURE_BYTES]) {
        /* what is another pattern's is none of this one's */
        bool own = login->pattern == p->name;
        const char *wanted = match_verdict_to_string(e->verdict);
        const char *got = match_verdict_to_string(own ? login->verdict : MATCH_NONE);
        char address[IP_TEXT_BYTES] = "none", text[LOG_TEXT_BYTES];
        IpAddr want;

        if (login->has_address)
                ip_addr_format(address, &login->address);
        if (!streq(wanted, got) && login->pattern && !own)
                (void) snprintf(reason, FAILURE_BYTES, "verdict is %s of pattern %s, wanted %s",
                        match_verdict_to_string(login->verdict), login->pattern, wanted);
        else if (!streq(wanted, got))
                (void) snprintf(reason, FAILURE_BYTES, "verdict is %s, wanted %s%s%s%s", got, wanted,
                        login->reason ? " (" : "", strempty(login->reason), login->reason ? ")" : "");
        else if (e->address && (ip_addr_parse(span_from_string(e->address), &want) < 0 ||
                                       !login->has_address || !ip_addr_equal(&want, &login->address)))
                (void) snprintf(reason, FAILURE_BYTES, "address is %s, wanted %s", address, e->address);
        else if (e->host && !span_equal_string(login->host, e->host))
                (void) snprintf(reason, FAILURE_BYTES, "host is \"%s\", wanted \"%s\"",
                        log_text(text, login->host), e->host);
        else if (e->user && !span_equal_string(login->user, e->user))
                (void) snprintf(reason, FAILURE_BYTES, "user is \"%s\", wanted \"%s\"",
                        log_text(text, login->user), e->user);
        else if (e->service && !span_equal_string(login->service, e->service))
                (void) snprintf(reason, FAILURE_BYTES, "service is \"%s\", wanted \"%s\"",
                        log_text(text, login->service), e->service);
        else
                return true;
        return false;
}

/* Runs a pattern's examples in their order, as one log. Returns 0 or -ENOMEM. */
static int test(Work *w, const Pattern *p) {
        _cleanup_(line_judge_freep) LineJudge *judge = NULL;
        usec_t now = time_now();
        uint64_t failures = 0;

        if (line_judge_new(w->set, &judge) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < p->n_examples; i++) {
                const Example *e = &p->examples[i];
                char reason[FAILURE_BYTES];
                const Pattern *by;
                Login login;

                for (size_t k = 0; k < e->before.n; k++)
                        line_judge(judge, span_from_string(e->before.items[k]), false, now, &login, &by);
                line_judge(judge, span_from_string(e->line), false, now, &login, &by);
                if (is_as_wanted(p, e, &login, reason))
                        continue;
                failures++;
                if (!w->ctl->json)
                        (void) printf("%s:%u: %s\n", p->path, e->place, reason);
        }
        w->failures += failures;
        show_figures(w, p, (Figure[]){{"examples", p->n_examples, false}, {"failed", failures, true}}, 2);
        return 0;
}

/* ---- attacks ---- */

static void on_attack_failure(
        void *userdata, const Pattern *p, const Example *e, Span line, const Login *login) {
        Work *w = userdata;
        char address[IP_TEXT_BYTES], text[LOG_TEXT_BYTES];

        w->failures++;
        if (w->ctl->json)
                return;
        if (!e)
                (void) printf(
                        "%s: no [Example] of a failure has Client=, which says what a client can write "
                        "into it\n",
                        p->path);
        else if (!login)
                (void) printf(
                        "%s:%u: no Client= says what a client chooses in this line\n", p->path, e->place);
        else if (login->has_address)
                (void) printf("%s:%u: wrong address %s in: %s\n", p->path, e->place,
                        ip_addr_format(address, &login->address), log_text(text, line));
        else
                (void) printf(
                        "%s:%u: lost after a torn message: %s\n", p->path, e->place, log_text(text, line));
}

static int attack(Work *w, const Pattern *p) {
        AttackCounts c;
        const AttackHandlers handlers = {.on_failure = on_attack_failure, .userdata = w};
        int r = attack_pattern(w->set, p, &handlers, &c);

        if (r >= 0) {
                const Figure figures[] = {
                        {"tried", c.tried, false},
                        {"genuine", c.genuine, false},
                        {"none", c.none, false},
                        {"wrong", c.wrong, true},
                        {"lost", c.lost, true},
                        {"undeclared", c.undeclared, true},
                };

                show_figures(w, p, figures, ELEMENTSOF(figures));
        }
        return r;
}

/* ---- the regexes ---- */

static void on_fault(void *userdata, const Pattern *p, unsigned line, const char *fault) {
        Work *w = userdata;

        w->failures++;
        if (!w->ctl->json)
                (void) printf("%s:%u: %s\n", p->path, line, fault);
}

static int lint(Work *w, const Pattern *p) {
        LintCounts c;
        int r = pattern_lint(p, on_fault, w, &c);

        if (r >= 0) {
                const Figure figures[] = {
                        {"tried", c.tried, false},
                        {"most_steps", c.most_steps, false},
                        {"faults", c.faults, true},
                };

                show_figures(w, p, figures, ELEMENTSOF(figures));
        }
        return r;
}

/* ---- */

static int each_pattern(Work *w) {
        size_t n;
        Pattern *const *patterns = pattern_set_patterns(w->set, &n);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (!is_named(w->ctl, patterns[i]))
                        continue;
                if (ctl_has(w->ctl, CTL_OPTION_TEST))
                        r = test(w, patterns[i]);
                else if (ctl_has(w->ctl, CTL_OPTION_ATTACK))
                        r = attack(w, patterns[i]);
                else if (ctl_has(w->ctl, CTL_OPTION_LINT))
                        r = lint(w, patterns[i]);
                else if (w->ctl->json)
                        show_json(w, patterns[i]);
                else
                        show(w, patterns[i]);
        }
        return r;
}

static bool all_are_known(const Ctl *ctl, const PatternSet *set) {
        PatternSelection selection = {0};
        const char *unknown;
        int r = pattern_set_select(set, ctl->arguments, &selection, &unknown);

        pattern_selection_done(&selection);
        if (r == -ENOENT)
                log_error("no pattern %s", unknown);
        else if (r < 0)
                log_errno(LOG_ERR, r, "cannot look at the patterns");
        return r >= 0;
}

int verb_patterns(const Ctl *ctl) {
        static const char *const shown[] = {
                "PATTERN", "TRUST", "ENABLED", "SOURCE", "IDENTIFIERS", "DESCRIPTION", NULL};
        static const char *const tested[] = {"PATTERN", ">EXAMPLES", ">FAILED", NULL};
        static const char *const attacked[] = {
                "PATTERN", ">TRIED", ">GENUINE", ">NONE", ">WRONG", ">LOST", ">UNDECLARED", NULL};
        static const char *const linted[] = {"PATTERN", ">TEXTS", ">STEPS", ">FAULTS", NULL};
        unsigned mode = ctl->options & (CTL_OPTION_TEST | CTL_OPTION_ATTACK | CTL_OPTION_LINT);
        _cleanup_(pattern_set_freep) PatternSet *set = NULL;
        Work w = {.ctl = ctl};
        Table t;
        int r;

        if ((mode & (mode - 1)) != 0) {
                log_error("only one of --test, --attack and --lint");
                return CTL_USAGE;
        }
        if (ctl_load_patterns(ctl, &set) < 0 || !all_are_known(ctl, set))
                return CTL_NO;
        w.set = set;
        w.table = &t;
        table_init(&t, stdout, ctl->color,
                mode == CTL_OPTION_TEST     ? tested
                : mode == CTL_OPTION_ATTACK ? attacked
                : mode == CTL_OPTION_LINT   ? linted
                                            : shown);
        json_writer_init(&w.json, stdout);
        if (ctl->json)
                json_begin_array(&w.json);
        r = each_pattern(&w);
        table_done(&t);
        if (ctl->json) {
                json_end_array(&w.json);
                (void) putchar('\n');
        }
        if (r < 0)
                log_errno(LOG_ERR, r, "cannot go on");
        return r < 0 || w.failures > 0 ? CTL_NO : CTL_OK;
}
