/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who may relay, until when, and why. Times are seconds since the epoch unless they are usec_t; `now` is
 * always an argument: nothing here reads a clock. Every change is told to the listener as it happens. */

#include "grant/policy.h"
#include "model/grant-event.h"
#include "model/login.h"
#include "model/relay-entry.h"
#include "state/bytes.h"

typedef struct GrantTable GrantTable;

/* `policy` is borrowed and must outlive the table or be replaced. Returns 0 or -ENOMEM. */
int grant_table_new(const Policy *policy, GrantListener listener, void *userdata, GrantTable **ret);
GrantTable *grant_table_free(GrantTable *t);

DEFINE_CLEANUP(GrantTable *, grant_table_free)

/* Puts another policy in place of the old one and judges every grant again. */
void grant_table_set_policy(GrantTable *t, const Policy *policy, uint64_t now);

typedef enum GrantOutcome {
        GRANT_NEW,
        GRANT_EXTENDED,
        GRANT_REFUSED, /* and the listener heard why */
        GRANT_STALE,   /* older than TTL= */
} GrantOutcome;

/* A login was seen (verdict MATCH_LOGIN). Returns a GrantOutcome, or -ENOMEM. */
int grant_table_login(GrantTable *t, const Login *login, uint64_t now);

/* A session ended (verdict MATCH_LOGOUT): TTL= counts from then if it was the grant's last one. All sessions
 * that a server had have ended (MATCH_RESTART). Neither ever makes a grant. */
void grant_table_logout(GrantTable *t, const Login *login, uint64_t now);
void grant_table_restart(GrantTable *t, const Login *login, uint64_t now);

/* A grant by hand; `ttl` in seconds, 0: TTL=. Ends a revocation of the same network. Returns 0 and the end
 * in *ret_until, or -EPERM and the reason, or -ENOMEM. */
int grant_table_add(GrantTable *t, const IpNetwork *network, uint64_t ttl, Span user, usec_t now,
        uint64_t *ret_until, const char **ret_reason);

/* Takes away the grants of a network and of all that lies in it; all of a user, and those whose users a
 * crash has left unknown; all. Logins until `now` do not bring them back. Return the number of grants that
 * ended, or -EINVAL for no name of a user. After -ENOSPC or -ENOMEM they have ended, too, but not all of it
 * is noted: a login from before, or a state that was saved before, may bring one back. */
int grant_table_revoke(GrantTable *t, const IpNetwork *network, usec_t now);
int grant_table_revoke_user(GrantTable *t, Span user, bool block, usec_t now);
int grant_table_revoke_all(GrantTable *t, usec_t now);
/* Returns false if the user was not blocked. */
bool grant_table_unblock(GrantTable *t, Span user);

/* To be called at each step of the clock, before anything else hears of the new time, and (`stepped` is
 * false) after revocations were taken back: one that was made while the clock was ahead must not refuse its
 * user until then, and none is forgotten for a day. Of grants grant_table_set_policy() takes care. Returns
 * true if revocations changed that are to be saved. */
bool grant_table_clock_set(GrantTable *t, uint64_t now, bool stepped);

/* At a start, before anything is taken back: what happened while nobody read the logs is still to be read.
 * A session that was open then may be over, and is vouched for no longer than TTL= from the time that
 * grant_table_note_read() was told before the state was saved. */
void grant_table_expect_more(GrantTable *t);
/* All that was logged until `now` has been read: to be called when that is so after a start, which extends
 * what is still open, and before a state is saved. */
void grant_table_note_read(GrantTable *t, uint64_t now);

/* Ends what is over at `now` and tells what is to be published for longer. */
void grant_table_expire(GrantTable *t, uint64_t now);
/* When grant_table_expire() has something to do next; UINT64_MAX: never. */
uint64_t grant_table_next_due(const GrantTable *t);

/* One grant as others see it; everything is borrowed until the next change of the table. */
typedef struct GrantView {
        IpNetwork network;
        uint64_t until, since, last, published;
        Span user;
        const char *service, *pattern, *source;
        bool manual;
        uint32_t sessions; /* open ones */
} GrantView;

uint32_t grant_table_count(const GrantTable *t);
uint32_t grant_table_count_revocations(const GrantTable *t);
uint32_t grant_table_count_sessions(const GrantTable *t);

/* The first grant with a number of `from` or more. Returns its number, or GRANT_NONE (UINT32_MAX). Grants
 * keep their numbers while they last. */
uint32_t grant_table_next(const GrantTable *t, uint32_t from, GrantView *ret);
bool grant_table_find(const GrantTable *t, const IpNetwork *network, GrantView *ret);

/* True if a grant by hand that is wider contains the network. */
bool grant_table_is_covered(const GrantTable *t, const IpNetwork *network);

/* The record that is published for an event, borrowed like the event; called by the listener. Returns false
 * when nothing is. */
bool grant_table_record_of(const GrantTable *t, const GrantEvent *event, RelayEntry *ret);

/* True if records of other networks are of no use any more after the event: those that bar what was revoked
 * inside a wider grant, which has ended. A new base leaves them out. */
bool grant_table_has_left_records(const GrantEvent *event);

/* Calls `each` for every record that grants and revocations are published as. Ends early and returns what
 * `each` returned when that is negative. */
int grant_table_each_record(const GrantTable *t, uint64_t now,
        int (*each)(void *userdata, const RelayEntry *entry), void *userdata);

/* May this address relay at `now`? The answer is the one that relay_lookup() has from the published files as
 * soon as they are up to date. Returns true, and the record that allows it, borrowed until the next change
 * of the table. */
bool grant_table_allows(const GrantTable *t, const IpAddr *address, uint64_t now, RelayEntry *ret);

/* All grants; those by hand alone, of which much less is told; the revocations. */
void grant_table_encode(const GrantTable *t, ByteWriter *w);
void grant_table_encode_manual(const GrantTable *t, ByteWriter *w);
void grant_table_encode_revocations(const GrantTable *t, ByteWriter *w);
/* Take back what was saved, before the first login and the revocations first: they decide which grants may
 * come back. What is over or no longer permitted is left out; of a network that has a grant already sessions
 * and users are taken, and a login that is later than that. Return false when the bytes make no sense, and
 * then nothing of them is left.
 */
bool grant_table_decode_revocations(GrantTable *t, Span bytes);
bool grant_table_decode_manual(GrantTable *t, Span bytes, usec_t now);
bool grant_table_decode(GrantTable *t, Span bytes, usec_t now);
/* Takes back a grant that was published since, when TTL= was `ttl` seconds. If its user is not known, a
 * login of the time before will tell when it is read again; `is_forgotten` says that it may be one that is
 * read no more, and then the grant ends with whatever user is revoked until such logins are over. */
void grant_table_restore(
        GrantTable *t, const RelayEntry *entry, uint32_t ttl, bool is_forgotten, uint64_t now);
