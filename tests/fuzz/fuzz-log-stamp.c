/* SPDX-License-Identifier: Apache-2.0 */
/* Stamps, one a line, as one log has them: none is later than the reading, and what is remembered of the one
 * before makes no line newer than it is. The first byte is the zone. */

#include <errno.h>

#include "fuzz.h"
#include "source/log-stamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const zones[] = {NULL, "Europe/Berlin", "Australia/Lord_Howe", "Africa/Monrovia",
                "Pacific/Apia", "X0:00:30", "UTC", "no such zone"};
        Span in = span_make((const char *) data, size);
        LogClock clock = {.zone = (char *) zones[fuzz_byte(&in) % ELEMENTSOF(zones)]};

        while (in.size > 0) {
                Span stamp = fuzz_line(&in);
                LogClock forgetful = clock;
                usec_t latest = clock.latest, t, alone;
                int r;

                forgetful.minute_size = 0;
                r = log_stamp_parse(&clock, stamp, FUZZ_NOW, &t);
                MUST(r == log_stamp_parse(&forgetful, stamp, FUZZ_NOW, &alone));
                MUST(r == 0 || r == -EINVAL);
                if (r < 0) {
                        MUST(clock.latest == latest);
                        continue;
                }
                MUST(t > 0 && t <= FUZZ_NOW && clock.latest == MAX(latest, t));
                /* an hour that there is twice is the first one for longer, and that is all */
                MUST(t == alone || t + 30 * USEC_PER_MINUTE <= alone);
        }
        return 0;
}
