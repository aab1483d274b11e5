/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A bar on standard error for who waits for a large file. */

#include "basic/time-util.h"

typedef struct Progress {
        uint64_t size; /* of the file; 0: it has none */
        uint64_t done;
        usec_t started, shown;
        bool visible;
} Progress;

/* Starts. It will be seen only if it is wanted, standard error is a terminal, and `fd` a large file. */
void progress_init(Progress *p, int fd, bool wanted);
/* True if the size was known: the end will come. */
bool progress_is_bounded(const Progress *p);
/* So many bytes more are done. */
void progress_add(Progress *p, size_t n);
/* Takes the bar away. */
void progress_done(Progress *p);
