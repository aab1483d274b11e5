/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* May this address relay, by the published files? The one look-up that relaylock, `authrelayctl check` and
 * the daemon's self-test share. */

#include <limits.h> /* PATH_MAX, for callers that keep paths of their own */

#include "model/relay-entry.h"

typedef enum RelayResult {
        RELAY_RESULT_ABSENT,  /* there is no record of it */
        RELAY_RESULT_GRANTED, /* it may relay; the only one that says so */
        RELAY_RESULT_NEVER,   /* barred */
        RELAY_RESULT_EXPIRED, /* there was a record, and its time is over */
        RELAY_RESULT_DOUBT,   /* the files cannot be believed; `reason` says why */
        _RELAY_RESULT_MAX,
        _RELAY_RESULT_INVALID = -22,
} RelayResult;

/* "absent", "granted", … Static text. */
const char *relay_result_to_string(RelayResult result);

typedef struct RelayAnswer {
        RelayResult result;
        IpNetwork network; /* the record that decided; GRANTED, NEVER and EXPIRED only */
        uint64_t until;    /* its end in seconds since the epoch; 0: for ever */
        char how[RELAY_HOW_MAX_BYTES + 1];
        char user[RELAY_USER_MAX_BYTES + 1]; /* decoded, may hold any byte; "" when none is published */
        size_t user_size;
        const char *reason; /* static text; for DOUBT, else NULL */
        int error;          /* -errno behind the reason, or 0 */
} RelayAnswer;

/* Longest path of a delta, NUL included. Less than PATH_MAX, since a page of stack costs as much as five
 * reads. */
#define RELAY_PATH_BYTES 512

/* Writes the path of the delta that belongs to a base: X-delta.cdb beside X.cdb. Returns 0, -EINVAL for an
 * empty path or -ENAMETOOLONG. */
int relay_delta_path(char buf[static RELAY_PATH_BYTES], const char *path);

/* Looks the address up in the base at `path` and its delta, at the time `now` (seconds since the epoch).
 * Opens both anew; allocates nothing; is bounded in time, and only if base and delta do not belong together
 * it waits for the writer, about 30 ms in all. Whatever the files hold, RELAY_RESULT_GRANTED needs a
 * well-formed `allow` in a well-formed pair that may be believed at this time. Fills *ret and returns its
 * result. */
RelayResult relay_lookup(const char *path, const IpAddr *addr, uint64_t now, RelayAnswer *ret);
