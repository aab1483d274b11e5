/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of the grant table, for its own files only: grant-store.c keeps the grants, grant-table.c makes and
 * ends them, grant-revoke.c takes them away, grant-view.c shows them, grant-lookup.c
 * says who may relay, grant-state.c saves them. */

#include "basic/hash-chain.h"
#include "grant/grant-table.h"
#include "grant/manual-table.h"
#include "grant/revocation-table.h"
#include "grant/session-table.h"
#include "grant/user-table.h"

#define NONE UINT32_MAX

/* Names of patterns, sources and services together. The configuration bounds the patterns and sources; a
 * service may be what somebody else chose, and leaves room for those. */
#define NAMES_MAX 1024
#define NAMES_WITH_SERVICES_MAX 512

/* A million of them must stay small: see docs/performance.md before anything is added. */
typedef struct Grant {
        /* what a look-up reads, as a rule in one line of a cache */
        uint32_t address; /* IPv4: it is this; IPv6: its place among the addresses */
        uint32_t link;    /* of the hash */
        LeaseList leases; /* and the network's length, as grant_store_network() knows it */

        uint32_t service : 9, pattern : 10, source : 10; /* in names */
        uint32_t manual : 1;
        /* published before a crash, and it is not known for whom: a log will tell; or none can */
        uint32_t unnamed : 1, forgotten : 1;
        uint32_t user; /* whose login was the last */
        uint32_t until, since, last, published;
        uint32_t heap;        /* its place there; of a free one: the next free one */
        SessionList sessions; /* while one is open the grant lasts, for MaxSession= at most */
} Grant;

static_assert(NAMES_MAX == 1 << 10 && NAMES_WITH_SERVICES_MAX == 1 << 9, "the numbers fit into their bits");
static_assert(sizeof(Grant) == 56, "a million of them must stay small");

struct GrantTable {
        const Policy *policy;
        GrantListener listener;
        void *userdata;
        ChunkArray grants;
        uint32_t n, used, free;
        ChunkArray addresses; /* of IPv6; a free one begins with the number of the next */
        uint32_t n_addresses, free_address;
        HashChain by_network;
        uint32_t lengths[2][129]; /* [is IPv4][length, as in IpNetwork] -> how many grants have it */
        ChunkArray heap;          /* grant numbers; the one that is due first comes first */
        ManualTable manual;       /* the ends that were given by hand; `until` is later where a login is */
        StringList names;
        UserTable *users;
        SessionTable *sessions;
        RevocationTable *revocations;
        uint32_t *wide; /* grants by hand for more than one host */
        uint32_t n_wide;
        bool manual_known;        /* the grants by hand have been taken back, all of them */
        uint32_t ended_ahead;     /* seconds: the next one, if a grant that bore it has ended */
        usec_t user_revoked_at;   /* the last user who was, before the log was read; 0: none */
        uint32_t restored_at;     /* seconds: when the published files were merged in */
        uint32_t next_restored;   /* the number of the grant that may be the next of those */
        uint32_t forgotten_until; /* seconds: then logins from before that have lost their force */
        uint32_t read_to;         /* seconds: nothing is known of the logs after that, if `behind` */
        bool behind;              /* since the start they have not been read to their end */
};

/* ---- grant-store.c: an array of grants, found by network through a hash and by time through a heap ---- */

/* What is needed before the first grant; and after the last one. Returns 0 or -ENOMEM. */
int grant_store_init(GrantTable *t);
void grant_store_done(GrantTable *t);

/* The number of a name, which is added if it is new; 0, the number of "", when there is no room. `likely` is
 * one that may be it, and is looked at first. The name of a service never takes the last room. */
uint16_t grant_store_name(GrantTable *t, Span name, uint32_t likely);
uint16_t grant_store_service(GrantTable *t, Span name, uint32_t likely);
void grant_store_set_service(Grant *g, uint16_t name);
void grant_store_set_pattern(Grant *g, uint16_t name);
void grant_store_set_source(Grant *g, uint16_t name);

/* A grant, which stays where it is as long as it lasts. */
static inline Grant *grant_store_at(const GrantTable *t, uint32_t i) {
        return chunk_array_at(&t->grants, i);
}

bool grant_store_is_free(const Grant *g);
IpNetwork grant_store_network(const GrantTable *t, const Grant *g);
uint32_t grant_store_find(const GrantTable *t, const IpNetwork *n);
/* Makes room for so many grants at once, while there is none. Without memory they get it one by one. */
void grant_store_reserve(GrantTable *t, uint32_t grants);
/* Adds a grant that nobody has heard of yet. Returns 0 or -ENOMEM. */
int grant_store_add(GrantTable *t, const IpNetwork *network, uint32_t until, uint32_t *ret);
/* Removes it, its leases and its sessions. */
void grant_store_remove(GrantTable *t, uint32_t i);

/* Whether its session may be over, for all that has been read. */
bool grant_store_is_unsure(const GrantTable *t, const Grant *g);
/* When the grant is over, or shortly before the world would think so. */
uint32_t grant_store_due(const GrantTable *t, uint32_t i);
/* The number of the grant that is due first; there is one. */
uint32_t grant_store_first(const GrantTable *t);
/* Moves the grant at this place of the heap to where its due time belongs. */
void grant_store_sift(GrantTable *t, uint32_t place);
/* Orders the heap anew, when everything may be due at another time than before. */
void grant_store_sift_all(GrantTable *t);

/* ---- grant-table.c ---- */

/* The end as people should see it. */
uint32_t grant_table_shown_until(const Grant *g);
/* How long a grant that was not made by hand may last, by what is known of it. */
uint32_t grant_table_longest(const GrantTable *t, const Grant *g);
/* What may be told to the world at `now`. */
uint32_t grant_table_publishable(const GrantTable *t, const Grant *g, uint64_t now);
void grant_table_set_user(GrantTable *t, Grant *g, Span name);
/* A clock that was ahead when the grant was made must not make it last longer: it counts as made `now`. */
void grant_table_bound(GrantTable *t, uint32_t i, uint64_t now);
/* Notes a grant by hand for more than one host. Returns 0 or -errno. */
int grant_table_note_wide(GrantTable *t, uint32_t i);
/* Ends a grant that its own revocation keeps from coming back. One that can't be noted ends all the same,
 * and *error says so. */
void grant_table_take_away(GrantTable *t, uint32_t i, const char *reason, usec_t now, int *error);
/* A user was revoked, and a login of nobody knows whom may be his: ends the grant, or leaves of it what was
 * given by hand. */
void grant_table_end_forgotten(GrantTable *t, uint32_t i, usec_t now, int *error);
/* A login has made a grant by hand longer, and does not count any more: what was given by hand is left. */
void grant_table_fall_back(GrantTable *t, uint32_t i);
/* Publishes it, as long as it may be. */
void grant_table_publish(GrantTable *t, uint32_t i, uint64_t now, GrantEventType type);
/* A grant of this `last` is no more, and no revocation says so: a later one must. */
void grant_table_note_ended(GrantTable *t, uint32_t last, uint64_t now);
/* Tells the listener that the grant has ended, and removes it. */
void grant_table_end(GrantTable *t, uint32_t i, GrantEventType type, const char *reason);
/* Why a grant may no longer be, or NULL; of one by hand, what was given by hand. `unnamed`: the user is not
 * known. */
const char *grant_table_judge_again(
        const GrantTable *t, const IpNetwork *network, bool manual, bool unnamed, Span user);
/* True if something wider than the network is allowed. */
bool grant_table_is_inside_wider(const GrantTable *t, const IpNetwork *network);
