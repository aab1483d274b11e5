/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The time that a log line says of itself. Read only for lines that turn out to be logins. */

#include "basic/time-util.h"
#include "model/record.h"

/* One log's idea of time: its zone, and the latest stamp read, by which a doubled hour is told apart. */
typedef struct LogClock {
        char *zone;    /* IANA name or POSIX TZ; NULL: the host's own */
        usec_t latest; /* 0: none read yet */
        /* the minute of the latest stamp without a zone, as text, and when it began: mktime(3) takes longer
         * than all the rest of a login together */
        char minute[16];
        size_t minute_size;
        usec_t minute_start;
} LogClock;

/* Reads the stamp at the start of a line: RFC 3164 ("Nov 21 01:02:03", the year is the one that puts it
 * nearest before `now`), RFC 3339 and its looser relatives ("2026-11-21 01:02:03[.frac][ ]+0100",
 * "2026/11/21 01:02:03"), or TAI64N ("@4000…"). A stamp without a zone is in the clock's; an hour that a
 * change of the clocks doubles is taken as the reading that does not jump back behind `clock->latest`.
 * Returns 0 and sets *ret, which is never later than `now`; or -EINVAL. */
int log_stamp_parse(LogClock *clock, Span stamp, usec_t now, usec_t *ret);

/* When a record that was just read happened: the earlier of its stamp and its reading, of which the latter
 * counts if it has no stamp; 0 if the stamp can't be read. */
usec_t log_stamp_time(LogClock *clock, const Record *record);
