/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the daemon says of itself: names with numbers, names with texts, its sources, its patterns. Filled by
 * the daemon, carried over the control socket, shown by authrelayctl, all three without knowing each other's
 * names. */

#include "basic/span.h"

typedef struct ControlNumber {
        char *name;
        uint64_t value;
} ControlNumber;

typedef struct ControlText {
        char *name, *value;
} ControlText;

typedef struct ControlSource {
        const char *name;  /* "journal", a path */
        const char *state; /* "ok", or what troubles it */
        uint64_t records;
        bool forgeable, in_trouble;
} ControlSource;

typedef struct ControlPattern {
        const char *name;
        const char *trust; /* "unit" or "users" */
        uint64_t logins, hints, torn, untrusted, refused;
} ControlPattern;

/* Owns all that was added to it. */
typedef struct ControlStatus {
        ControlNumber *numbers;
        ControlText *texts;
        ControlSource *sources;
        ControlPattern *patterns;
        size_t n_numbers, n_texts, n_sources, n_patterns;
        bool failed; /* out of memory: something is missing */
} ControlStatus;

/* Append; all text is copied and may hold any byte but NUL. Out of memory sets `failed`.
 *
 * authrelayctl knows these names and shows them well; it shows others as they are. Numbers: grants,
 * max_grants, sessions, revocations, users, ttl (seconds), generation, written (seconds since the epoch),
 * base_records, delta_records, tcprules (rules in that file), tcprules_left_out, stale, suppressed,
 * expired, refused_by_policy, started (seconds); login_connections and claims_refused, of the login socket.
 * What sources or patterns count is not to be repeated as a sum. Texts: version; state, "ok" or "degraded";
 * publish_error, tcprules_error and problem, absent when there is none; last_login, "ADDRESS USER PATTERN";
 * last_login_at goes with it as a number, seconds since the epoch. */
void control_status_number(ControlStatus *s, const char *name, uint64_t value);
void control_status_text(ControlStatus *s, const char *name, Span value);
void control_status_source(ControlStatus *s, const ControlSource *source);
void control_status_pattern(ControlStatus *s, const ControlPattern *pattern);

void control_status_done(ControlStatus *s);
