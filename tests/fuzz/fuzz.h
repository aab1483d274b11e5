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

/* Takes values out of an input, for targets whose input says what to do; at its end everything is 0. */
static inline uint8_t fuzz_byte(Span *input) {
        uint8_t b;

        if (input->size == 0)
                return 0;
        b = (uint8_t) input->data[0];
        *input = span_skip(*input, 1);
        return b;
}

static inline uint64_t fuzz_number(Span *input, unsigned bytes) {
        uint64_t n = 0;

        for (unsigned i = 0; i < bytes; i++)
                n = n << 8 | fuzz_byte(input);
        return n;
}

/* At most `size` bytes. */
static inline Span fuzz_span(Span *input, size_t size) {
        Span s = span_make(input->data, MIN(size, input->size));

        *input = span_skip(*input, s.size);
        return s;
}

/* Up to the next newline, which is taken, too. */
static inline Span fuzz_line(Span *input) {
        const char *newline = input->size > 0 ? memchr(input->data, '\n', input->size) : NULL;
        Span line = fuzz_span(input, newline ? (size_t) (newline - input->data) : input->size);

        (void) fuzz_span(input, 1);
        return line;
}

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
