/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One published record: the key and value of relay.cdb, as authrelay.cdb(5) describes them. Shared by the
 * writer, relaylock and everything that reads the files. */

#include "model/ip-addr.h"

typedef enum RelayVerdict {
        RELAY_ALLOW,
        RELAY_NEVER,
        RELAY_REVOKED, /* in a delta only: absent at this length */
        _RELAY_VERDICT_MAX,
        _RELAY_VERDICT_INVALID = -22,
} RelayVerdict;

/* Longest HOW, [a-z0-9._-]+, and longest user name before percent-encoding. */
#define RELAY_HOW_MAX_BYTES 64
#define RELAY_USER_MAX_BYTES 255
#define RELAY_USER_ENCODED_BYTES (3 * RELAY_USER_MAX_BYTES)

typedef struct RelayEntry {
        IpNetwork network;
        RelayVerdict verdict;
        uint64_t until; /* seconds since the epoch; 0: for ever */
        Span how;       /* borrowed; the pattern's name, "always", "manual", "host", … */
        Span user;      /* borrowed, decoded by the caller; empty: not published */
} RelayEntry;

/* Longest value text, NUL included. */
#define RELAY_VALUE_BYTES (16 + 24 + RELAY_HOW_MAX_BYTES + RELAY_USER_ENCODED_BYTES)

/* Writes the value "VERDICT UNTIL HOW [USER]", the user percent-encoded (RFC 3986, unreserved characters and
 * '@' as they are). Too long a HOW or user is cut; in HOW other bytes become '_' and an empty one is "-".
 * Returns its length. */
size_t relay_value_format(char buf[static RELAY_VALUE_BYTES], const RelayEntry *entry);

/* Reads a value into verdict, until, how and user of *ret; how and user point into `value`, the user still
 * encoded. Returns 0 or -EBADMSG for anything that relay_value_format() would not have written. */
int relay_value_parse(Span value, RelayEntry *ret);

/* Percent-encodes a user as it stands there. Returns the number of bytes put into buf, without a NUL. */
size_t relay_user_encode(char buf[static RELAY_USER_ENCODED_BYTES], Span user);

/* Undoes the percent-encoding of a user. Returns the number of bytes put into buf, or -EBADMSG. */
int relay_user_decode(Span encoded, char buf[static RELAY_USER_MAX_BYTES]);

/* Key of the record that describes a file. */
#define RELAY_HEADER_KEY "@authrelay"
#define RELAY_HEADER_VERSION 1
#define RELAY_HEADER_BYTES 1280

/* The set of prefix lengths that a file holds records of. */
typedef struct RelayLengths {
        bool v4[33];
        bool v6[129];
} RelayLengths;

/* Limits of a header's numbers: no sum of them can overflow. A TTL beyond ten years is a mistake. */
#define RELAY_GENERATION_MAX ((uint64_t) INT64_MAX)
#define RELAY_WRITTEN_MAX ((uint64_t) INT64_MAX)
#define RELAY_TTL_MAX (UINT64_C(3660) * 24 * 60 * 60)

typedef struct RelayHeader {
        uint64_t generation; /* of the base; in a delta that of the base it belongs to */
        uint64_t written;    /* seconds since the epoch */
        uint64_t ttl;        /* seconds */
        uint64_t count;      /* records beside this one */
        RelayLengths lengths;
} RelayHeader;

/* Notes that there is a record of this network. */
void relay_lengths_add(RelayLengths *lengths, const IpNetwork *network);

/* Writes "VERSION GENERATION WRITTEN TTL COUNT LENGTHS", LENGTHS as "4/32,6/64" or "-". Returns its length.
 */
size_t relay_header_format(char buf[static RELAY_HEADER_BYTES], const RelayHeader *header);

/* Reads it. Returns 0, -EPROTONOSUPPORT for another version, -EBADMSG for anything else that is not a
 * header. */
int relay_header_parse(Span value, RelayHeader *ret);
