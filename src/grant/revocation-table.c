/* SPDX-License-Identifier: Apache-2.0 */
/* Revocations. There are few of them, made by hand; a table that is searched by address, and a list of
 * users. */

#include "grant/revocation-table.h"

#include <errno.h>
#include <strings.h>

#include "model/relay-entry.h"

#define USERS_MAX 10000

typedef struct RevokedUser {
        char *name;
        usec_t at;
        bool blocked;
        uint64_t keep_until;
} RevokedUser;

struct RevocationTable {
        Revocation *items;
        uint32_t n, room;
        HashIndex index;
        RevokedUser *users;
        uint32_t n_users;
        usec_t all_at;
};

int revocation_table_new(RevocationTable **ret) {
        RevocationTable *t = calloc(1, sizeof(RevocationTable));

        if (!t)
                return -ENOMEM;
        *ret = t;
        return 0;
}

static void clear(RevocationTable *t) {
        free(t->items);
        hash_index_done(&t->index);
        for (uint32_t i = 0; i < t->n_users; i++)
                free(t->users[i].name);
        free(t->users);
        *t = (RevocationTable){0};
}

RevocationTable *revocation_table_free(RevocationTable *t) {
        if (!t)
                return NULL;
        clear(t);
        free(t);
        return NULL;
}

static Span key_of(const IpNetwork *n) {
        return span_make((const char *) n, sizeof(IpNetwork));
}

static bool revocation_equal(const void *items, uint32_t index, Span key) {
        return ip_network_equal(
                &((const Revocation *) items)[index].network, (const IpNetwork *) (const void *) key.data);
}

static uint32_t find(const RevocationTable *t, const IpNetwork *n) {
        return hash_index_find(&t->index, key_of(n), revocation_equal, t->items);
}

bool revocation_table_has(const RevocationTable *t, const IpNetwork *network) {
        return find(t, network) != HASH_INDEX_NONE;
}

int revocation_table_put(RevocationTable *t, const Revocation *revocation) {
        uint32_t i = find(t, &revocation->network);
        Revocation *more;

        if (i != HASH_INDEX_NONE) {
                t->items[i].at = MAX(t->items[i].at, revocation->at);
                t->items[i].barred_until = MAX(t->items[i].barred_until, revocation->barred_until);
                t->items[i].keep_until = MAX(t->items[i].keep_until, revocation->keep_until);
                return 0;
        }
        if (t->n == REVOCATION_TABLE_MAX)
                return -ENOSPC;
        if (t->n == t->room) {
                uint32_t room = t->room == 0 ? 16 : 2 * t->room;

                more = realloc(t->items, room * sizeof(Revocation));
                if (!more)
                        return -ENOMEM;
                t->items = more;
                t->room = room;
        }
        if (hash_index_add(&t->index, key_of(&revocation->network), t->n) < 0)
                return -ENOMEM;
        t->items[t->n++] = *revocation;
        return 0;
}

static void remove_at(RevocationTable *t, uint32_t i) {
        uint32_t last = t->n - 1;

        hash_index_remove(&t->index, key_of(&t->items[i].network), i);
        if (i != last) {
                hash_index_remove(&t->index, key_of(&t->items[last].network), last);
                t->items[i] = t->items[last];
                /* there is room: two were just taken out */
                (void) hash_index_add(&t->index, key_of(&t->items[i].network), i);
        }
        t->n--;
}

void revocation_table_remove(RevocationTable *t, const IpNetwork *network) {
        uint32_t i = find(t, network);

        if (i != HASH_INDEX_NONE)
                remove_at(t, i);
}

static RevokedUser *find_user(const RevocationTable *t, Span user) {
        size_t size = MIN(user.size, (size_t) RELAY_USER_MAX_BYTES);

        for (uint32_t i = 0; i < t->n_users; i++)
                if (strlen(t->users[i].name) == size && strncasecmp(t->users[i].name, user.data, size) == 0)
                        return &t->users[i];
        return NULL;
}

int revocation_table_put_user(RevocationTable *t, Span user, usec_t at, bool block, uint64_t keep_until) {
        RevokedUser *u = user.size > 0 ? find_user(t, user) : NULL, *more;
        char *name;

        if (user.size == 0 || memchr(user.data, 0, user.size))
                return -EINVAL;
        if (!u) {
                if (t->n_users == USERS_MAX)
                        return -ENOSPC;
                name = strndup(user.data, MIN(user.size, (size_t) RELAY_USER_MAX_BYTES));
                more = name ? realloc(t->users, (t->n_users + 1) * sizeof(RevokedUser)) : NULL;
                if (!more) {
                        free(name);
                        return -ENOMEM;
                }
                t->users = more;
                u = &t->users[t->n_users++];
                *u = (RevokedUser){.name = name};
        }
        u->at = MAX(u->at, at);
        u->blocked |= block;
        u->keep_until = MAX(u->keep_until, keep_until);
        return 0;
}

bool revocation_table_unblock(RevocationTable *t, Span user) {
        RevokedUser *u = user.size > 0 ? find_user(t, user) : NULL;

        if (!u || !u->blocked)
                return false;
        u->blocked = false;
        return true;
}

void revocation_table_put_all(RevocationTable *t, usec_t at) {
        t->all_at = MAX(t->all_at, at);
}

const char *revocation_table_refuses(
        const RevocationTable *t, const IpNetwork *host, Span user, usec_t time, uint64_t now) {
        const RevokedUser *u = user.size > 0 ? find_user(t, user) : NULL;

        if (time <= t->all_at)
                return "all grants were revoked after this login";
        if (u && u->blocked)
                return "its user is blocked";
        if (u && time <= u->at)
                return "its user's grants were revoked after this login";
        for (int length = 128; t->n > 0 && length >= 0; length--) {
                IpNetwork wider = ip_network_of(&host->addr, (unsigned) length);
                uint32_t i = find(t, &wider);

                if (i == HASH_INDEX_NONE || ip_network_is_v4(&wider) != ip_network_is_v4(host))
                        continue;
                if (now < t->items[i].barred_until)
                        return "the address is barred for a day: too many users logged in from it";
                if (time <= t->items[i].at)
                        return "the address was revoked after this login";
        }
        return NULL;
}

bool revocation_table_refuses_user(const RevocationTable *t, Span user, usec_t time) {
        const RevokedUser *u = user.size > 0 ? find_user(t, user) : NULL;

        return u && (u->blocked || time <= u->at);
}

void revocation_table_expire(RevocationTable *t, uint64_t now,
        bool (*is_covered)(void *userdata, const IpNetwork *network), void *userdata) {
        for (uint32_t i = t->n; i-- > 0;)
                if (now >= t->items[i].keep_until && now >= t->items[i].barred_until &&
                        !is_covered(userdata, &t->items[i].network))
                        remove_at(t, i);
        for (uint32_t i = t->n_users; i-- > 0;)
                if (now >= t->users[i].keep_until && !t->users[i].blocked) {
                        free(t->users[i].name);
                        t->users[i] = t->users[--t->n_users];
                }
}

uint32_t revocation_table_count(const RevocationTable *t) {
        return t->n;
}

const Revocation *revocation_table_get(const RevocationTable *t, uint32_t i) {
        return &t->items[i];
}

void revocation_table_encode(const RevocationTable *t, ByteWriter *w) {
        byte_writer_u64(w, t->all_at);
        byte_writer_u32(w, t->n);
        for (uint32_t i = 0; i < t->n; i++) {
                byte_writer_raw(w, &t->items[i].network, sizeof(IpNetwork));
                byte_writer_u64(w, t->items[i].at);
                byte_writer_u64(w, t->items[i].barred_until);
                byte_writer_u64(w, t->items[i].keep_until);
        }
        byte_writer_u32(w, t->n_users);
        for (uint32_t i = 0; i < t->n_users; i++) {
                byte_writer_text(w, span_from_string(t->users[i].name));
                byte_writer_u64(w, t->users[i].at);
                byte_writer_u32(w, t->users[i].blocked);
                byte_writer_u64(w, t->users[i].keep_until);
        }
}

static bool decode(RevocationTable *t, ByteReader *r) {
        uint32_t n;

        t->all_at = byte_reader_u64(r);
        n = byte_reader_u32(r);
        for (uint32_t i = 0; i < n && !r->failed; i++) {
                Revocation item;

                byte_reader_raw(r, &item.network, sizeof(IpNetwork));
                item.at = byte_reader_u64(r);
                item.barred_until = byte_reader_u64(r);
                item.keep_until = byte_reader_u64(r);
                if (r->failed || !ip_network_is_canonical(&item.network) ||
                        revocation_table_put(t, &item) < 0)
                        return false;
        }
        n = byte_reader_u32(r);
        for (uint32_t i = 0; i < n && !r->failed; i++) {
                Span name = byte_reader_text(r);
                usec_t at = byte_reader_u64(r);
                bool blocked = byte_reader_u32(r) != 0;
                uint64_t keep_until = byte_reader_u64(r);

                if (r->failed || revocation_table_put_user(t, name, at, blocked, keep_until) < 0)
                        return false;
        }
        return byte_reader_complete(r);
}

bool revocation_table_decode(RevocationTable *t, Span bytes) {
        ByteReader r = BYTE_READER(bytes);

        if (decode(t, &r))
                return true;
        clear(t);
        return false;
}
