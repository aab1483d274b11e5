/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Included before everything: what the analyser cannot follow as it is. */

#include <stdint.h>
#include <string.h>

/* memchr(): each position is a case of its own, or it would not be known that what stands before the
 * position and what stands behind it are together the whole. */
static inline void *split_memchr(const void *s, int c, size_t n) {
        static volatile int found;
        const unsigned char *p = s;

        //@ loop unroll n;
        for (size_t i = 0; i < n; i++) {
                (void) (p[i] == (unsigned char) c); /* it is read, and nothing is learnt of it */
                if (found)
                        return (void *) (p + i);
        }
        return NULL;
}

#define memchr split_memchr

/* Frama-C's <string.h> lacks it. */
void *memmem(const void *text, size_t size, const void *part, size_t part_size);

/* Sums and products of uint64_t that may not fit: what comes out is anything, fitting or not. */
/*@ requires \valid(result);
    assigns *result, \result \from \nothing;
    ensures 0 <= \result <= 1;
    ensures \initialized(result); */
int any_arithmetic(uint64_t *result);

#define __builtin_add_overflow(a, b, result) ((void) (a), (void) (b), any_arithmetic(result))
#define __builtin_mul_overflow(a, b, result) ((void) (a), (void) (b), any_arithmetic(result))
