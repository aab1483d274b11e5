/* SPDX-License-Identifier: Apache-2.0 */
/* Each literal is looked for by the byte of it that is rarest in mail logs, with memchr(3), and literals
 * that share that byte are looked for together. memmem(3) sets up a table for each call, which costs more
 * than the search. */

#include "match/literal-set.h"

#include <errno.h>

typedef struct Literal {
        Span text;
        size_t offset; /* of its rare byte */
        char byte;
} Literal;

/* How common a byte is in the lines of mail servers, roughly. */
static int commonness(char c) {
        if (c == ' ')
                return 9;
        if (strchr("etaonisr", c))
                return 8;
        if ((c >= '0' && c <= '9') || strchr(".:=,-/@", c))
                return 7;
        if (c >= 'a' && c <= 'z' && !strchr("jqxzkvyw", c))
                return 6;
        if (strchr("[]<>", c))
                return 5;
        if (c >= 'A' && c <= 'F')
                return 4;
        return c >= 'a' && c <= 'z' ? 3 : 2;
}

static Literal make_literal(const char *text) {
        Literal l = {.text = span_from_string(text)};

        for (size_t i = 1; i < l.text.size; i++)
                if (commonness(text[i]) < commonness(text[l.offset]))
                        l.offset = i;
        l.byte = text[l.offset];
        return l;
}

/* Puts those with the same byte together, in the order of the first of them: whoever lists literals begins
 * with what is most often found. */
static void group(Literal *literals, size_t n) {
        for (size_t i = 0, next; i < n; i = next) {
                next = i + 1;
                for (size_t k = next; k < n; k++)
                        if (literals[k].byte == literals[i].byte) {
                                Literal other = literals[next];

                                literals[next++] = literals[k];
                                literals[k] = other;
                        }
        }
}

int literal_set_init(LiteralSet *s, char *const *texts) {
        size_t n = 0;

        while (texts && texts[n])
                n++;
        *s = (LiteralSet){.literals = calloc(n + 1, sizeof(Literal)), .n = n};
        if (!s->literals)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                s->literals[i] = make_literal(texts[i]);
        group(s->literals, n);
        return 0;
}

void literal_set_done(LiteralSet *s) {
        free(s->literals);
        *s = (LiteralSet){0};
}

/* Whether one of n literals stands with its rare byte at `at`. */
static bool stands_at(const Literal *literals, size_t n, Span text, size_t at) {
        for (size_t i = 0; i < n; i++) {
                const Literal *l = &literals[i];

                if (l->offset <= at && l->text.size - l->offset <= text.size - at &&
                        text.data[at - l->offset] == l->text.data[0] &&
                        memcmp(text.data + at - l->offset, l->text.data, l->text.size) == 0)
                        return true;
        }
        return false;
}

bool literal_set_matches(const LiteralSet *s, Span text) {
        for (size_t i = 0, next; i < s->n; i = next) {
                const char *p = strempty(text.data), *end = p + text.size;

                for (next = i + 1; next < s->n && s->literals[next].byte == s->literals[i].byte;)
                        next++;
                if (s->literals[i].text.size == 0)
                        return true;
                for (; p < end && (p = memchr(p, s->literals[i].byte, (size_t) (end - p))); p++)
                        if (stands_at(&s->literals[i], next - i, text, (size_t) (p - text.data)))
                                return true;
        }
        return false;
}
