/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An identifier as a cache of identifiers sees it: a few words that are all of one of up to 32 bytes
 * ("postfix/submission/smtpd" has 24), so that finding it again takes neither a call nor a loop. */

#include "basic/span.h"

typedef struct IdentifierKey {
        uint64_t first[2], last[2]; /* its bytes from both ends, which may overlap; 0 where it has none */
        size_t size;
} IdentifierKey;

#define IDENTIFIER_KEY_BYTES ((size_t) 32)

/* How many pairs of places a cache has: two identifiers will meet. A mail host logs under a few dozen; a
 * stranger's can make the cache useless and no more. */
#define IDENTIFIER_KEY_PAIRS 256

/* Of a longer one what stands between its ends is lost. */
static inline IdentifierKey identifier_key(Span identifier) {
        IdentifierKey k = {.size = identifier.size};
        const char *p = identifier.data;

        if (k.size >= 16) {
                memcpy(k.first, p, 16);
                memcpy(k.last, p + k.size - 16, 16);
        } else if (k.size >= 8) {
                memcpy(k.first, p, 8);
                memcpy(k.last, p + k.size - 8, 8);
        } else
                for (size_t i = 0; i < k.size; i++)
                        k.first[0] |= (uint64_t) (unsigned char) p[i] << 8 * i;
        return k;
}

static inline bool identifier_key_equal(const IdentifierKey *a, const IdentifierKey *b) {
        return ((a->first[0] ^ b->first[0]) | (a->first[1] ^ b->first[1]) | (a->last[0] ^ b->last[0]) |
                       (a->last[1] ^ b->last[1]) | (a->size ^ b->size)) == 0;
}

/* The pair that it belongs to, below IDENTIFIER_KEY_PAIRS. */
static inline size_t identifier_key_pair(const IdentifierKey *k) {
        uint64_t mixed = k->first[0] ^ k->first[1] ^ (k->last[0] ^ k->last[1]) << 1 ^ k->size;

        return mixed * UINT64_C(0x9e3779b97f4a7c15) >> 56;
}
