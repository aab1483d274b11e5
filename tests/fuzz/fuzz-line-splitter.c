/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes in pieces: however they are cut, the lines are those of the whole. The input is a byte that says how
 * many sizes of pieces follow, these, and text in which 1, N, C stands for C written 40 × N times. */

#include "fuzz.h"
#include "source/line-splitter.h"

/* All of the text, to compare with. */
static char text[512 * 1024];

static size_t make_text(Span in) {
        size_t n = 0;

        while (in.size > 0 && n < sizeof(text)) {
                char c = (char) fuzz_byte(&in);
                size_t times = 1;

                if (c == 1) {
                        times = (size_t) fuzz_byte(&in) * 40;
                        c = (char) fuzz_byte(&in);
                }
                times = MIN(times, sizeof(text) - n);
                memset(text + n, c, times);
                n += times;
        }
        return n;
}

typedef struct Lines {
        Span rest;   /* of the text */
        size_t done; /* bytes of the whole lines seen */
} Lines;

/* What the next line has to be. Returns false when it is not complete. */
static bool next(Lines *l, Span *ret, bool *ret_cut) {
        const char *newline = l->rest.size > 0 ? memchr(l->rest.data, '\n', l->rest.size) : NULL;
        size_t size = newline ? (size_t) (newline - l->rest.data) : l->rest.size;

        *ret_cut = size > LINE_MAX_BYTES;
        *ret = span_make(l->rest.data, MIN(size, LINE_MAX_BYTES));
        if (!newline && !*ret_cut)
                return false;
        if (!*ret_cut && size > 0 && newline[-1] == '\r')
                ret->size--;
        l->rest = span_skip(l->rest, newline ? size + 1 : size);
        l->done += newline ? size + 1 : 0;
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(line_splitter_done) LineSplitter s;
        Span in = span_make((const char *) data, size), sizes, line, wanted;
        size_t buffer, fed = 0, all;
        bool cut, wanted_cut;
        Lines lines = {0};

        buffer = (2 + fuzz_byte(&in) % 4) * LINE_MAX_BYTES;
        sizes = fuzz_span(&in, fuzz_byte(&in) % 16);
        all = make_text(in);
        lines.rest = span_make(text, all);
        MUST(line_splitter_init(&s, buffer) >= 0);
        for (size_t i = 0; fed < all; i++) {
                unsigned b = sizes.size > 0 ? (uint8_t) sizes.data[i % sizes.size] : UINT8_MAX;
                size_t room, n;
                char *space = line_splitter_space(&s, &room);

                n = MIN(MIN((size_t) b * b / 2 + 1, room), all - fed);
                MUST(n > 0);
                memcpy(space, text + fed, n);
                line_splitter_fill(&s, n);
                fed += n;
                while (line_splitter_next(&s, &line, &cut)) {
                        MUST(next(&lines, &wanted, &wanted_cut));
                        MUST(cut == wanted_cut && span_equal(line, wanted));
                        MUST(cut || line.data[line.size] == '\n' || line.data[line.size] == '\r');
                        /* a position is never in the middle of a line; of a cut one the end is not known */
                        MUST(s.taken <= lines.done && (cut || s.taken == lines.done));
                }
                MUST(s.taken + s.held + (s.end - s.begin) == fed);
        }
        MUST(!next(&lines, &wanted, &wanted_cut) && s.taken == lines.done);
        return 0;
}
