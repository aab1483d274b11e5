/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the harnesses share: values that are all values at once, through all of which the analyser goes. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*@ assigns \result \from \nothing;
    ensures 0 <= \result <= 1; */
int any_bool(void);

/*@ requires min <= max;
    assigns \result \from min, max;
    ensures min <= \result <= max; */
uint64_t any_number(uint64_t min, uint64_t max);

/* Fills n bytes with anything. */
/*@ requires \valid((char *) p + (0 .. n - 1));
    assigns ((char *) p)[0 .. n - 1] \from \nothing;
    ensures \initialized((char *) p + (0 .. n - 1)); */
void any_bytes(void *p, size_t n);

/* Reads n bytes. */
/*@ requires \valid_read((const char *) p + (0 .. n - 1));
    requires \initialized((const char *) p + (0 .. n - 1));
    assigns \nothing; */
void read_bytes(const void *p, size_t n);
