/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of the pattern set, for its own files only: pattern-set.c loads and finds patterns, pattern-judge.c
 * lets them judge a record. */

#include "basic/hash-index.h"
#include "match/identifier-key.h"
#include "match/pattern-set.h"

#define SERVICE_MAX_BYTES 64

/* One Identifier= of one pattern; those of the same identifier are a list. */
typedef struct Reference {
        Span identifier;
        Pattern *pattern;
        uint32_t next;
} Reference;

/* An identifier that was looked up lately. A host logs under a few dozen; a stranger's can only push others
 * out. Longer ones are looked up each time. */
typedef struct Recent {
        IdentifierKey key; /* size 0: empty */
        uint32_t first;
} Recent;

struct PatternSet {
        Pattern **patterns;
        size_t n_patterns;
        Reference *references;
        uint32_t n_references;
        HashIndex by_identifier;
        Recent recent[IDENTIFIER_KEY_PAIRS][2]; /* the newer one first */
        char service[SERVICE_MAX_BYTES];        /* lower case, of the last match */
        char reason[512];
};

/* The first reference to an identifier, or HASH_INDEX_NONE; the others follow by `next`. */
uint32_t pattern_set_find_identifier(PatternSet *s, Span identifier);
