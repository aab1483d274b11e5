/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Is one of several literals in a text? Asked for every line of a mail log and answered "no" for nearly all.
 */

#include "basic/span.h"

typedef struct LiteralSet {
        struct Literal *literals; /* those with the same rare byte stand together */
        size_t n;
        size_t stride; /* of the look at pairs of bytes; 0: there is one rare byte, or too short a literal */
        struct Pair *pairs;
        uint16_t *first; /* pair of bytes -> the first of its `pairs`, counted from 1; 0: there is none */
} LiteralSet;

/* Makes a set of texts, NULL-terminated and borrowed; an empty one is in every text. Returns 0 or -ENOMEM.
 */
int literal_set_init(LiteralSet *s, char *const *texts);
void literal_set_done(LiteralSet *s);

bool literal_set_matches(const LiteralSet *s, Span text);
