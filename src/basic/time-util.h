/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Time in microseconds since the epoch, and the one place that reads the clock. A test puts its own time in
 * the place of the real one; nothing else in the tree may call clock_gettime() for the wall clock. */

#include <inttypes.h>
#include <stdint.h>

#include "basic/macro.h"

typedef uint64_t usec_t;

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_INFINITY UINT64_MAX

/* The wall clock now, clock_gettime(2) CLOCK_REALTIME, or what time_set_fake() said. */
usec_t time_now(void);

/* A clock that nobody sets, clock_gettime(2) CLOCK_MONOTONIC: for how long to wait. */
usec_t time_monotonic(void);
/* Time since the machine was booted, sleep included, clock_gettime(2) CLOCK_BOOTTIME: the same for all
 * processes, and nobody sets it. Or what time_set_fake_boot() said. */
usec_t time_boot(void);

/* Makes time_now() answer `t` until it is called again; 0 goes back to the real clock. For tests. */
void time_set_fake(usec_t t);
/* The same for time_boot(). */
void time_set_fake_boot(usec_t t);

/* Parses a time span as systemd.time(7) has it: "30min", "1h 30s", "90" (seconds), "infinity".
 * Returns 0 and sets *ret_usec, -EINVAL for anything else, -ERANGE when it does not fit. */
int time_span_parse(const char *s, usec_t *ret_usec);

/* Longest text that time_span_format() and time_stamp_format() make, NUL included. */
#define TIME_TEXT_BYTES 64

/* Writes a span for people, two units at the most: "29min 59s", "2d 3h", "0s". Returns buf. */
const char *time_span_format(char buf[static TIME_TEXT_BYTES], usec_t span);

/* Writes a stamp in local time, RFC 3339: "2026-11-21T01:02:03+01:00". Returns buf. */
const char *time_stamp_format(char buf[static TIME_TEXT_BYTES], usec_t t);
