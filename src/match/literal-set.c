/* SPDX-License-Identifier: Apache-2.0 */
/* Literals that share a byte which is rare in mail logs are looked for by it, with memchr(3). Where there is
 * none that all have, every few bytes of the text are looked at for a pair that stands in one of them: each
 * literal has so many pairs in a row, its rarest ones, that one of them is met. memmem(3) sets up a table
 * for each call, which costs more than the search. */

#include "match/literal-set.h"

#include <errno.h>

typedef struct Literal {
        Span text;
        size_t offset; /* of its rare byte */
        char byte;
} Literal;

/* Two bytes of a literal. */
typedef struct Pair {
        const Literal *literal;
        size_t offset;
        uint16_t next; /* of those that have the same key; 0: none */
} Pair;

/* Pairs of bytes by their key, of which some share one. */
#define KEYS 4096

/* More pairs of a literal are more common ones. */
#define STRIDE_MAX ((size_t) 4)

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

static size_t pair_key(const char *p) {
        return ((unsigned char) p[0] ^ (size_t) (unsigned char) p[1] << 4) % KEYS;
}

/* How common the bytes are that `stride` pairs in a row consist of. */
static int commonness_of_pairs(const char *p, size_t stride) {
        int sum = 0;

        for (size_t i = 0; i <= stride; i++)
                sum += commonness(p[i]);
        return sum;
}

/* Its rarest pairs. */
static void add_pairs(LiteralSet *s, size_t *n, const Literal *l) {
        size_t rarest = 0;

        for (size_t i = 1; i + s->stride < l->text.size; i++)
                if (commonness_of_pairs(l->text.data + i, s->stride) <
                        commonness_of_pairs(l->text.data + rarest, s->stride))
                        rarest = i;
        for (size_t i = rarest; i < rarest + s->stride; i++) {
                uint16_t *first = &s->first[pair_key(l->text.data + i)];

                s->pairs[(*n)++] = (Pair){l, i, *first};
                *first = (uint16_t) *n;
        }
}

static int make_pairs(LiteralSet *s, size_t shortest) {
        size_t n = 0;

        if (s->n == 0 || shortest < 2 || s->literals[0].byte == s->literals[s->n - 1].byte ||
                s->n > UINT16_MAX / STRIDE_MAX)
                return 0;
        s->stride = MIN(shortest - 1, STRIDE_MAX);
        s->pairs = calloc(s->n * s->stride, sizeof(Pair));
        s->first = calloc(KEYS, sizeof(uint16_t));
        if (!s->pairs || !s->first)
                return -ENOMEM;
        /* what is asked first is what was put in last */
        for (size_t i = s->n; i > 0; i--)
                add_pairs(s, &n, &s->literals[i - 1]);
        return 0;
}

int literal_set_init(LiteralSet *s, char *const *texts) {
        size_t n = 0, shortest = SIZE_MAX;

        while (texts && texts[n])
                n++;
        *s = (LiteralSet){.literals = calloc(n + 1, sizeof(Literal)), .n = n};
        if (!s->literals)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                s->literals[i] = make_literal(texts[i]);
                shortest = MIN(shortest, s->literals[i].text.size);
        }
        group(s->literals, n);
        if (make_pairs(s, shortest) < 0) {
                literal_set_done(s);
                return -ENOMEM;
        }
        return 0;
}

void literal_set_done(LiteralSet *s) {
        free(s->literals);
        free(s->pairs);
        free(s->first);
        *s = (LiteralSet){0};
}

/* Whether a literal stands with its byte `offset` at `at`. */
static bool stands_at(const Literal *l, size_t offset, Span text, size_t at) {
        return offset <= at && l->text.size - offset <= text.size - at &&
               text.data[at] == l->text.data[offset] &&
               memcmp(text.data + at - offset, l->text.data, l->text.size) == 0;
}

static bool matches_by_pairs(const LiteralSet *s, Span text) {
        for (size_t at = 0; at + 2 <= text.size; at += s->stride)
                for (size_t i = s->first[pair_key(text.data + at)]; i > 0; i = s->pairs[i - 1].next)
                        if (stands_at(s->pairs[i - 1].literal, s->pairs[i - 1].offset, text, at))
                                return true;
        return false;
}

static bool one_stands_at(const Literal *literals, size_t n, Span text, size_t at) {
        for (size_t i = 0; i < n; i++)
                if (stands_at(&literals[i], literals[i].offset, text, at))
                        return true;
        return false;
}

bool literal_set_matches(const LiteralSet *s, Span text) {
        if (s->stride > 0)
                return matches_by_pairs(s, text);
        for (size_t i = 0, next; i < s->n; i = next) {
                const char *p = strempty(text.data), *end = p + text.size;

                for (next = i + 1; next < s->n && s->literals[next].byte == s->literals[i].byte;)
                        next++;
                if (s->literals[i].text.size == 0)
                        return true;
                for (; p < end && (p = memchr(p, s->literals[i].byte, (size_t) (end - p))); p++)
                        if (one_stands_at(&s->literals[i], next - i, text, (size_t) (p - text.data)))
                                return true;
        }
        return false;
}
