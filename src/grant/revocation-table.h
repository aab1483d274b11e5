/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What was taken away, and from when on a login may bring it back: by address, by user, or everything. A
 * revocation is overcome by a login whose own time is later; reading the log again never overcomes one. */

#include "basic/time-util.h"
#include "model/network-set.h"
#include "state/bytes.h"

/* How long an address is barred. */
#define BAR_SECONDS (24 * 3600)

/* Revocations that are kept. Only an administrator, and MaxUsersPerAddress=, make them. */
#define REVOCATION_TABLE_MAX 100000

typedef struct Revocation {
        IpNetwork network;
        usec_t at;
        uint64_t barred_until; /* seconds; until then no login overcomes it; 0: not barred */
        uint64_t keep_until;   /* seconds; until then a login line from before `at` may still turn up */
        usec_t back_at;        /* the clock was set back behind `at` then; 0: it was not */
} Revocation;

typedef struct RevocationTable RevocationTable;

int revocation_table_new(RevocationTable **ret);
RevocationTable *revocation_table_free(RevocationTable *t);

DEFINE_CLEANUP(RevocationTable *, revocation_table_free)

/* Revokes a network from now on. Returns 0, -ENOMEM or -ENOSPC. */
int revocation_table_put(RevocationTable *t, const Revocation *revocation);
/* Ends the revocation of this very network, if there is one. */
void revocation_table_remove(RevocationTable *t, const IpNetwork *network);

/* Revokes all logins of a user so far; with `block` those to come too, until user_unblock. Returns 0 or
 * -errno. */
int revocation_table_put_user(RevocationTable *t, Span user, usec_t at, bool block, uint64_t keep_until);
/* Returns false if the user was not blocked. */
bool revocation_table_unblock(RevocationTable *t, Span user);
/* Revokes all logins so far. */
void revocation_table_put_all(RevocationTable *t, usec_t at);

/* Why a login at `time` from `host` may not be granted, or NULL. */
const char *revocation_table_refuses(
        const RevocationTable *t, const IpNetwork *host, Span user, usec_t time, uint64_t now);

/* True if a login at `time` of this user may not be granted because of the user. */
bool revocation_table_refuses_user(const RevocationTable *t, Span user, usec_t time, uint64_t now);

/* The clock was set, or may have been before the start, and is `now` (seconds). What was revoked while it
 * was ahead is refused until now, and no more until then; but what was logged while it was ahead stays
 * refused, and so is all of it again should the clock come there once more. Nothing is forgotten before
 * `keep_until`. Returns true if there were such, which are to be saved. */
bool revocation_table_clock_set(RevocationTable *t, uint64_t now, bool stepped, uint64_t keep_until);

/* Forgets those that are over; `is_covered` says of a network whether something wider is published, in which
 * case its revocation goes on. */
void revocation_table_expire(RevocationTable *t, uint64_t now,
        bool (*is_covered)(void *userdata, const IpNetwork *network), void *userdata);

/* True if any network of this length, as in IpNetwork, is revoked. */
bool revocation_table_has_length(const RevocationTable *t, bool v4, unsigned length);
/* True if this very network is revoked. */
bool revocation_table_has(const RevocationTable *t, const IpNetwork *network);
uint32_t revocation_table_count(const RevocationTable *t);
const Revocation *revocation_table_get(const RevocationTable *t, uint32_t i);

void revocation_table_encode(const RevocationTable *t, ByteWriter *w);
/* Takes a saved table back into an empty one. Returns false when the bytes make no sense. */
bool revocation_table_decode(RevocationTable *t, Span bytes);
