/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes to bounded lines. The tail of an over-long line must never look like a line of its own: whoever can
 * make a server log a long name could choose where it begins. */

#include "source/line-splitter.h"

#include <errno.h>

int line_splitter_init(LineSplitter *s, size_t size) {
        assert(size >= 2 * LINE_MAX_BYTES);
        *s = (LineSplitter){.buffer = malloc(size), .size = size};
        return s->buffer ? 0 : -ENOMEM;
}

void line_splitter_done(LineSplitter *s) {
        free(s->buffer);
        *s = (LineSplitter){0};
}

char *line_splitter_space(LineSplitter *s, size_t *ret_size) {
        if (s->begin > 0) {
                memmove(s->buffer, s->buffer + s->begin, s->end - s->begin);
                s->end -= s->begin;
                s->begin = 0;
        }
        *ret_size = s->size - s->end;
        return s->buffer + s->end;
}

void line_splitter_fill(LineSplitter *s, size_t n) {
        assert(n <= s->size - s->end);
        s->end += n;
}

void line_splitter_skip(LineSplitter *s, uint64_t n) {
        assert(s->dropping && s->begin == s->end);
        s->held += n;
}

/* Takes n bytes out; `ends` says that the last of them is a newline. */
static void take(LineSplitter *s, size_t n, bool ends) {
        s->begin += n;
        s->held += n;
        if (!ends)
                return;
        s->taken += s->held;
        s->held = 0;
}

bool line_splitter_next(LineSplitter *s, Span *ret_line, bool *ret_cut) {
        for (;;) {
                const char *start = s->buffer + s->begin;
                size_t have = s->end - s->begin, size;
                const char *newline = have > 0 ? memchr(start, '\n', have) : NULL;

                size = newline ? (size_t) (newline - start) : have;
                if (s->dropping) {
                        take(s, size + (newline ? 1 : 0), newline);
                        if (!newline)
                                return false;
                        s->dropping = false;
                        continue;
                }
                if (size > LINE_MAX_BYTES) {
                        s->dropping = true;
                        *ret_line = span_make(start, LINE_MAX_BYTES);
                        *ret_cut = true;
                        take(s, LINE_MAX_BYTES, false);
                        return true;
                }
                if (!newline)
                        return false;
                take(s, size + 1, true);
                if (size > 0 && start[size - 1] == '\r')
                        size--;
                *ret_line = span_make(start, size);
                *ret_cut = false;
                return true;
        }
}

void line_splitter_reset(LineSplitter *s) {
        s->begin = s->end = s->taken = s->held = 0;
        s->dropping = false;
}
