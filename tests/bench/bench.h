/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What several benchmarks need. */

#include <stdio.h>
#include <stdlib.h>

#include "basic/time-util.h"

/* Ends the benchmark with what errno(3) says of `what`. */
static inline _noreturn_ void die(const char *what) {
        perror(what);
        exit(1);
}

/* On the clock that nobody sets. */
static inline double seconds(void) {
        return (double) time_monotonic() / (double) USEC_PER_SEC;
}

/* Of doubles, for qsort(3). */
static inline int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}
