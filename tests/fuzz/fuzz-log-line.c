/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a log file, in pieces: lines, heads, stamps; each line as a datagram of the syslog protocol, too.
 * The first byte is the size of the pieces. */

#include "fuzz.h"
#include "model/log-line.h"
#include "source/line-splitter.h"
#include "source/log-stamp.h"

static void see(Span line) {
        LogClock clock = {.zone = (char *) "Europe/Berlin"};
        LogLine l;
        usec_t t;

        MUST(line.size <= LINE_MAX_BYTES && (line.size == 0 || !memchr(line.data, '\n', line.size)));
        for (LogHead h = 0; h < _LOG_HEAD_MAX; h++)
                if (log_line_parse(line, h, &l)) {
                        MUST(l.message.data + l.message.size == line.data + line.size);
                        if (log_stamp_parse(&clock, l.stamp, FUZZ_NOW, &t) >= 0)
                                MUST(t > 0 && t <= FUZZ_NOW && clock.latest >= t);
                }
        if (log_line_parse_datagram(line, &l)) {
                MUST(l.message.size == 0 || l.message.data + l.message.size == line.data + line.size);
                MUST(l.host.size <= 256 && l.identifier.size <= 128 && l.pid.size <= 128);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(line_splitter_done) LineSplitter s;
        size_t piece = size > 0 ? (size_t) data[0] * 64 + 1 : 1, fed = 1;
        Span line;
        bool cut;

        MUST(line_splitter_init(&s, 2 * LINE_MAX_BYTES) >= 0);
        while (fed < size) {
                size_t room, n;
                char *space = line_splitter_space(&s, &room);

                n = MIN(MIN(piece, room), size - fed);
                MUST(n > 0);
                memcpy(space, data + fed, n);
                line_splitter_fill(&s, n);
                fed += n;
                while (line_splitter_next(&s, &line, &cut))
                        see(line);
                MUST(s.taken + s.held <= fed - 1);
        }
        return 0;
}
