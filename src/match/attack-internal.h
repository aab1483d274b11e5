/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of the attacks, for their own files only: attack.c finds the places that a client fills and judges
 * the lines, attack-text.c knows what a client would write there. */

#include "match/attack.h"

/* The attacker's address, which no example may have. */
#define EVIL "6.6.6.6"
/* Beyond the longest line that is read. */
#define TEXT_MAX_BYTES ((size_t) 9 * 1024)

typedef struct Text {
        char data[TEXT_MAX_BYTES];
        size_t size;
} Text;

typedef enum FieldKind {
        FIELD_TEXT,   /* any bytes */
        FIELD_HOST,   /* what DNS, or the resolver, lets through */
        FIELD_SENDER, /* a mail address, whose local part may be quoted */
} FieldKind;

typedef struct Field {
        FieldKind kind;
        size_t begin, end; /* in the line */
        bool everywhere;   /* the server writes it wherever the same text stands */
} Field;

typedef struct Attack {
        PatternSet *set;
        const Pattern *pattern;
        LineJudge *judge;
        const AttackHandlers *handlers;
        AttackCounts counts;
        /* the example at hand */
        const Example *example;
        bool has_genuine; /* else the line is none of a login, and no address may be read */
        IpAddr genuine;
        size_t message;             /* where it begins in the line */
        Text evil;                  /* a message with the attacker's address in it */
        size_t evil_field[2];       /* where the attacked field begins and ends in it */
        Text line, text;            /* what is being built */
        Span head;                  /* instead of the line's own */
        bool brief;                 /* the same place has had all but what is forged out of the model */
        bool needs_replay;          /* lines depend on those before them */
        StringList heads, messages; /* of the other patterns' logins, with the attacker's address */
} Attack;

static inline void text_set(Text *t, Span s) {
        t->size = MIN(s.size, sizeof(t->data));
        if (t->size > 0)
                memcpy(t->data, s.data, t->size);
}

static inline void text_add(Text *t, Span s) {
        size_t n = MIN(s.size, sizeof(t->data) - t->size);

        if (n > 0)
                memcpy(t->data + t->size, s.data, n);
        t->size += n;
}

static inline void text_fill(Text *t, char c, size_t n) {
        n = MIN(n, sizeof(t->data) - t->size);
        memset(t->data + t->size, c, n);
        t->size += n;
}

static inline Span text_span(const Text *t) {
        return span_make(t->data, t->size);
}

static inline Span example_line(const Attack *a) {
        return span_from_string(a->example->line);
}

/* Judges a line, after what the example has before it, and counts what it was taken for. */
void attack_judge(Attack *a, Span line);

/* Writes all that a client would into a field of the example. */
void attack_field(Attack *a, const Field *f);
/* The same for what looks like a login of the other patterns: once for a field, whatever the forged message.
 */
void attack_field_across(Attack *a, const Field *f);
