/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What fuzzers share. Each is one LLVMFuzzerTestOneInput(); libFuzzer drives it, or run-corpus.c. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "basic/span.h"
#include "basic/time-util.h"

#define FUZZ_NOW (UINT64_C(1795222923) * USEC_PER_SEC)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input is; not assert(), which a build may leave out. */
#define MUST(e)                                                                                             \
        do {                                                                                                \
                if (!(e))                                                                                   \
                        abort();                                                                            \
        } while (0)

/* A file in memory with these bytes. Returns its path, good until the next call. */
static inline const char *fuzz_file(const uint8_t *data, size_t size) {
        static char path[32];
        static int fd = -1;

        if (fd < 0) {
                fd = memfd_create("fuzz", MFD_CLOEXEC);
                MUST(fd >= 0 && snprintf(path, sizeof(path), "/proc/self/fd/%d", fd) > 0);
        }
        MUST(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t) size);
        return path;
}
