/* SPDX-License-Identifier: Apache-2.0 */
/* Users and leases, linked by numbers: a million of each must stay small. A user has few leases
 * (MaxAddressesPerUser=), so these are searched from the user's side; a grant may have many. A grant's first
 * lease is in the grant and goes by the grant's number, the others are ours. */

#include "grant/user-table.h"

#include <errno.h>

#include "basic/hash-chain.h"
#include "basic/record-pool.h"
#include "model/relay-entry.h"

#define NONE UINT32_MAX

/* A lease's number: a grant's, whose first it is, or with this bit the one of a further lease. */
#define FURTHER (UINT32_C(1) << 31)

typedef struct User {
        uint32_t link;  /* of the hash */
        uint32_t first; /* lease */
        uint32_t refs;  /* leases and grants that name it */
        char name[];    /* as first logged */
} User;

typedef struct FurtherLease {
        uint32_t grant;
        uint32_t user;
        uint32_t next_of_user, last;
        uint32_t next_of_grant; /* or the next free one */
        uint32_t n;             /* how many there are from here on */
} FurtherLease;

struct UserTable {
        RecordPool users;
        HashChain by_name;
        ChunkArray leases; /* FurtherLease */
        uint32_t n_leases, free_lease;
        LeaseList *(*list_of)(const void *userdata, uint32_t grant);
        const void *userdata;
};

/* ---- users ---- */

static char folded(char c) {
        return (char) (c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static Span fold(char buf[static RELAY_USER_MAX_BYTES], Span name) {
        size_t size = MIN(name.size, (size_t) RELAY_USER_MAX_BYTES);

        for (size_t i = 0; i < size; i++)
                buf[i] = folded(name.data[i]);
        return span_make(buf, size);
}

static_assert(RELAY_USER_MAX_BYTES <= HASH_CHAIN_KEY_BYTES, "a name is folded into a key's room");

static User *user_at(const UserTable *t, uint32_t user) {
        return record_pool_at(&t->users, user);
}

static Span on_key(const void *items, uint32_t number, char buf[static HASH_CHAIN_KEY_BYTES]) {
        return fold(buf, span_from_string(user_at(items, number)->name));
}

/* A key of a stranger may have a NUL in it, and then it is nobody's. */
static bool on_equal(const void *items, uint32_t number, Span key) {
        const char *name = user_at(items, number)->name;
        size_t i = 0;

        while (i < key.size && name[i] != 0 && folded(name[i]) == key.data[i])
                i++;
        return i == key.size && name[i] == 0;
}

static uint32_t *on_link(const void *items, uint32_t number) {
        return &user_at(items, number)->link;
}

static const HashChainOps by_name_ops = {on_key, on_equal, on_link, 2};

int user_table_new(
        LeaseList *(*list_of)(const void *userdata, uint32_t grant), const void *userdata, UserTable **ret) {
        UserTable *t = calloc(1, sizeof(UserTable));

        if (!t)
                return -ENOMEM;
        t->users = RECORD_POOL_INIT;
        t->by_name = HASH_CHAIN_INIT(&by_name_ops);
        t->leases = CHUNK_ARRAY_INIT(FurtherLease);
        t->free_lease = LEASE_OTHERS_NONE;
        t->list_of = list_of;
        t->userdata = userdata;
        *ret = t;
        return 0;
}

UserTable *user_table_free(UserTable *t) {
        if (!t)
                return NULL;
        record_pool_done(&t->users);
        hash_chain_done(&t->by_name);
        chunk_array_done(&t->leases);
        free(t);
        return NULL;
}

void user_table_reserve(UserTable *t, uint32_t users) {
        (void) hash_chain_reserve(&t->by_name, users);
}

uint32_t user_table_expect(const UserTable *t, Span name) {
        char buf[RELAY_USER_MAX_BYTES];

        return hash_chain_expect(&t->by_name, fold(buf, name));
}

void user_table_expect_item(const UserTable *t, uint32_t hash) {
        hash_chain_expect_item(&t->by_name, t, hash);
}

uint32_t user_table_find(const UserTable *t, Span name) {
        char buf[RELAY_USER_MAX_BYTES];

        return name.size == 0 ? USER_NONE : hash_chain_find(&t->by_name, t, fold(buf, name));
}

bool user_table_is_called(const UserTable *t, uint32_t user, Span name) {
        char buf[RELAY_USER_MAX_BYTES];

        return user == USER_NONE ? name.size == 0 : on_equal(t, user, fold(buf, name));
}

static size_t record_size(size_t name_size) {
        return offsetof(User, name) + name_size + 1;
}

static uint32_t add_user(UserTable *t, Span name) {
        size_t size = MIN(name.size, (size_t) RELAY_USER_MAX_BYTES);
        uint32_t i;
        User *u;

        /* a NUL in a name would end it early in every comparison */
        if (memchr(name.data, 0, name.size))
                return USER_NONE;
        i = record_pool_add(&t->users, record_size(size));
        if (i == RECORD_POOL_NONE)
                return USER_NONE;
        u = user_at(t, i);
        *u = (User){.first = NONE};
        memcpy(u->name, name.data, size);
        u->name[size] = 0;
        if (hash_chain_add(&t->by_name, t, i) < 0) {
                record_pool_remove(&t->users, i, record_size(size));
                return USER_NONE;
        }
        return i;
}

uint32_t user_table_intern(UserTable *t, Span name) {
        uint32_t user;

        if (name.size == 0)
                return USER_NONE;
        user = user_table_find(t, name);
        if (user == USER_NONE)
                user = add_user(t, name);
        if (user != USER_NONE)
                user_at(t, user)->refs++;
        return user;
}

void user_table_unref(UserTable *t, uint32_t user) {
        User *u;

        if (user == USER_NONE)
                return;
        u = user_at(t, user);
        assert(u->refs > 0);
        if (--u->refs > 0)
                return;
        hash_chain_remove(&t->by_name, t, user);
        record_pool_remove(&t->users, user, record_size(strlen(u->name)));
}

Span user_table_name(const UserTable *t, uint32_t user) {
        return user == USER_NONE ? SPAN_NONE : span_from_string(user_at(t, user)->name);
}

/* ---- leases ---- */

static FurtherLease *further_at(const UserTable *t, uint32_t i) {
        return chunk_array_at(&t->leases, i & ~FURTHER);
}

static LeaseList *list_at(const UserTable *t, uint32_t grant) {
        return t->list_of(t->userdata, grant);
}

static uint32_t grant_of(const UserTable *t, uint32_t lease) {
        return lease & FURTHER ? further_at(t, lease)->grant : lease;
}

static uint32_t *last_of(const UserTable *t, uint32_t lease) {
        return lease & FURTHER ? &further_at(t, lease)->last : &list_at(t, lease)->last;
}

static uint32_t *next_of_user(const UserTable *t, uint32_t lease) {
        return lease & FURTHER ? &further_at(t, lease)->next_of_user : &list_at(t, lease)->next_of_user;
}

uint32_t user_table_count_leases(const UserTable *t, const LeaseList *list) {
        if (list->user == USER_NONE)
                return 0;
        return list->others == LEASE_OTHERS_NONE ? 1 : 1 + further_at(t, list->others)->n;
}

/* Where the user's list names this lease. */
static uint32_t *link_to(const UserTable *t, uint32_t user, uint32_t lease) {
        uint32_t *link = &user_at(t, user)->first;

        while (*link != lease)
                link = next_of_user(t, *link);
        return link;
}

/* Takes a lease out of its user's list. */
static void unlink_lease(UserTable *t, uint32_t user, uint32_t lease) {
        *link_to(t, user, lease) = *next_of_user(t, lease);
        user_table_unref(t, user);
}

static void push_further(UserTable *t, LeaseList *list, uint32_t i) {
        FurtherLease *l = further_at(t, i);

        l->next_of_grant = list->others;
        l->n = list->others == LEASE_OTHERS_NONE ? 1 : further_at(t, list->others)->n + 1;
        list->others = i & LEASE_OTHERS_NONE;
}

static void free_further(UserTable *t, uint32_t i) {
        further_at(t, i)->next_of_grant = t->free_lease;
        t->free_lease = i;
}

/* Drops the first lease; one of the others takes its place. */
static void drop_first(UserTable *t, uint32_t grant) {
        LeaseList *list = list_at(t, grant);
        uint32_t i = list->others;
        FurtherLease *l;

        unlink_lease(t, list->user, grant);
        list->user = USER_NONE;
        if (i == LEASE_OTHERS_NONE)
                return;
        l = further_at(t, i);
        *link_to(t, l->user, i | FURTHER) = grant;
        list->user = l->user;
        list->next_of_user = l->next_of_user;
        list->last = l->last;
        list->others = l->next_of_grant & LEASE_OTHERS_NONE;
        free_further(t, i);
}

/* The user's leases that still count. Those that do not stay until their grants end, which then goes through
 * them anyway. */
static uint32_t count_alive(const UserTable *t, uint32_t user, uint32_t alive_from) {
        uint32_t n = 0;

        for (uint32_t i = user_at(t, user)->first; i != NONE; i = *next_of_user(t, i))
                n += *last_of(t, i) >= alive_from;
        return n;
}

static int add_further(UserTable *t, LeaseList *list, const FurtherLease *lease, uint32_t *ret) {
        uint32_t i = t->free_lease;

        if (i != LEASE_OTHERS_NONE)
                t->free_lease = further_at(t, i)->next_of_grant;
        else {
                if (t->n_leases == LEASE_OTHERS_NONE || chunk_array_reserve(&t->leases, t->n_leases + 1) < 0)
                        return -ENOMEM;
                i = t->n_leases++;
        }
        *further_at(t, i) = *lease;
        push_further(t, list, i);
        *ret = i | FURTHER;
        return 0;
}

int user_table_lease(
        UserTable *t, uint32_t user, uint32_t grant, uint32_t time, uint32_t alive_from, uint32_t max) {
        LeaseList *list = list_at(t, grant);
        User *u = user_at(t, user);
        uint32_t i;

        for (i = u->first; i != NONE; i = *next_of_user(t, i))
                if (grant_of(t, i) == grant) {
                        *last_of(t, i) = MAX(*last_of(t, i), time);
                        return 0;
                }
        if (count_alive(t, user, alive_from) >= max)
                return -EDQUOT;
        if (list->user == USER_NONE) {
                list->user = user;
                list->next_of_user = u->first;
                list->last = time;
                i = grant;
        } else {
                FurtherLease lease = {.grant = grant, .user = user, .next_of_user = u->first, .last = time};
                int r = add_further(t, list, &lease, &i);

                if (r < 0)
                        return r;
        }
        u->first = i;
        u->refs++;
        return 1;
}

void user_table_touch(UserTable *t, LeaseList *list, uint32_t time) {
        if (list->user == USER_NONE)
                return;
        list->last = MAX(list->last, time);
        for (uint32_t i = list->others; i != LEASE_OTHERS_NONE; i = further_at(t, i)->next_of_grant)
                further_at(t, i)->last = MAX(further_at(t, i)->last, time);
}

void user_table_prune(UserTable *t, uint32_t grant, uint32_t alive_from) {
        LeaseList *list = list_at(t, grant);
        uint32_t i = list->others, next;

        if (list->user == USER_NONE)
                return;
        list->others = LEASE_OTHERS_NONE;
        for (; i != LEASE_OTHERS_NONE; i = next) {
                next = further_at(t, i)->next_of_grant;
                if (further_at(t, i)->last >= alive_from) {
                        push_further(t, list, i);
                        continue;
                }
                unlink_lease(t, further_at(t, i)->user, i | FURTHER);
                free_further(t, i);
        }
        if (list->last < alive_from)
                drop_first(t, grant);
}

void user_table_release(UserTable *t, uint32_t grant) {
        while (list_at(t, grant)->user != USER_NONE)
                drop_first(t, grant);
}

uint32_t user_table_first_grant(const UserTable *t, uint32_t user) {
        uint32_t first = user_at(t, user)->first;

        return first == NONE ? GRANT_NONE : grant_of(t, first);
}

void user_table_each_lease(const UserTable *t, const LeaseList *list,
        void (*each)(void *userdata, uint32_t user, uint32_t last), void *userdata) {
        if (list->user == USER_NONE)
                return;
        each(userdata, list->user, list->last);
        for (uint32_t i = list->others; i != LEASE_OTHERS_NONE; i = further_at(t, i)->next_of_grant)
                each(userdata, further_at(t, i)->user, further_at(t, i)->last);
}
