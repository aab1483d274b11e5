/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Bytes to lines, without copying: the caller reads into the splitter's own buffer and takes lines out of
 * it. A line longer than LINE_MAX_BYTES is never delivered in pieces: its beginning is delivered once,
 * marked as cut, and all of the rest up to the newline is dropped. */

#include "basic/span.h"

/* No server writes a login anywhere near this long; journald and rsyslog cut at 8 kB by default. */
#define LINE_MAX_BYTES ((size_t) 8 * 1024)

typedef struct LineSplitter {
        char *buffer;
        size_t size;    /* of the buffer */
        size_t begin;   /* of what was not yet taken */
        size_t end;     /* of what was read */
        uint64_t taken; /* bytes of the whole lines taken out so far, newlines included */
        uint64_t held;  /* bytes taken out since: of an over-long line that has not ended yet */
        bool dropping;  /* inside an over-long line */
} LineSplitter;

/* `size` is the buffer's, at least 2 × LINE_MAX_BYTES. Returns 0 or -ENOMEM. */
int line_splitter_init(LineSplitter *s, size_t size);
void line_splitter_done(LineSplitter *s);

/* Where to read to, and how much fits (never 0 once all lines were taken). */
char *line_splitter_space(LineSplitter *s, size_t *ret_size);
/* Says how much was put there. */
void line_splitter_fill(LineSplitter *s, size_t n);

/* Inside an over-long line, and with nothing buffered: passes over n bytes without a newline. */
void line_splitter_skip(LineSplitter *s, uint64_t n);

/* Takes the next line, its newline (and a CR before it) left out but still standing behind it; borrowed
 * until the next line_splitter_space(). Returns true and sets *ret_cut for the beginning of an over-long
 * line; false when more is to be read first. */
bool line_splitter_next(LineSplitter *s, Span *ret_line, bool *ret_cut);

/* Forgets what is buffered: the file was replaced. */
void line_splitter_reset(LineSplitter *s);
