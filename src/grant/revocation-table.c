/* SPDX-License-Identifier: Apache-2.0 */
/* Revocations. There are few of them, made by hand; a table that is searched by address, and a list of
 * users. */

#include "grant/revocation-table.h"

#include <errno.h>
#include <strings.h>

#include "model/relay-entry.h"

#define USERS_MAX 10000
/* A clock that was set back by less than this leaves revocations as they are, seconds. */
#define SLACK 60

typedef struct RevokedUser {
        char *name;
        usec_t at, back_at;
        bool blocked;
        uint64_t keep_until;
} RevokedUser;

struct RevocationTable {
        Revocation *items;
        uint32_t n, room;
        uint32_t lengths[2][129]; /* [is IPv4][length, as in IpNetwork] -> how many networks have it */
        HashIndex index;
        RevokedUser *users;
        uint32_t n_users;
        usec_t all_at, all_back_at;
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

static uint32_t *length_count(RevocationTable *t, const IpNetwork *n) {
        return &t->lengths[ip_network_is_v4(n)][n->length];
}

bool revocation_table_has_length(const RevocationTable *t, bool v4, unsigned length) {
        return t->lengths[v4][length] > 0;
}

bool revocation_table_has(const RevocationTable *t, const IpNetwork *network) {
        return find(t, network) != HASH_INDEX_NONE;
}

/* ---- a revocation's time ---- */

/* Revokes at another time, too. */
static void put_time(usec_t *at, usec_t *back_at, usec_t other) {
        if (other >= *at) {
                *at = other;
                *back_at = 0;
        } else if (*back_at > 0)
                *back_at = MAX(*back_at, other);
}

static bool set_time_back(usec_t at, usec_t *back_at, uint64_t now, bool stepped) {
        usec_t from = (now + SLACK) * USEC_PER_SEC;

        if (at <= from) {
                *back_at = 0;
                return false;
        }
        /* grants since then have been saved, and a start is no reason to end them */
        if (!stepped && *back_at > 0 && *back_at <= from)
                return false;
        /* a login of this second may have been before */
        *back_at = (now + 1) * USEC_PER_SEC - 1;
        return true;
}

/* True if a login at `time` was before the revocation, or may have been. */
static bool is_before(usec_t at, usec_t back_at, usec_t time, uint64_t now) {
        if (time > at)
                return false;
        if (back_at == 0 || at <= (now + SLACK) * USEC_PER_SEC)
                return true;
        /* what is still to come was logged while the clock was ahead */
        return time <= back_at || time >= (now + 2) * USEC_PER_SEC;
}

/* ---- addresses ---- */

int revocation_table_put(RevocationTable *t, const Revocation *revocation) {
        uint32_t i = find(t, &revocation->network);
        Revocation *more;

        if (i != HASH_INDEX_NONE) {
                put_time(&t->items[i].at, &t->items[i].back_at, revocation->at);
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
        (*length_count(t, &revocation->network))++;
        return 0;
}

static void remove_at(RevocationTable *t, uint32_t i) {
        uint32_t last = t->n - 1;

        (*length_count(t, &t->items[i].network))--;
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

/* ---- users ---- */

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
        put_time(&u->at, &u->back_at, at);
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

/* ---- all of it ---- */

void revocation_table_put_all(RevocationTable *t, usec_t at) {
        put_time(&t->all_at, &t->all_back_at, at);
}

const char *revocation_table_refuses(
        const RevocationTable *t, const IpNetwork *host, Span user, usec_t time, uint64_t now) {
        const RevokedUser *u = user.size > 0 ? find_user(t, user) : NULL;
        bool v4 = ip_network_is_v4(host);

        if (is_before(t->all_at, t->all_back_at, time, now))
                return "all grants were revoked after this login";
        if (u && u->blocked)
                return "its user is blocked";
        if (u && is_before(u->at, u->back_at, time, now))
                return "its user's grants were revoked after this login";
        for (int length = 128; t->n > 0 && length >= 0; length--) {
                IpNetwork wider;
                uint32_t i;

                if (t->lengths[v4][length] == 0)
                        continue;
                wider = ip_network_of(&host->addr, (unsigned) length);
                i = find(t, &wider);
                if (i == HASH_INDEX_NONE)
                        continue;
                if (now < t->items[i].barred_until)
                        return "the address is barred for a day: too many users logged in from it";
                if (is_before(t->items[i].at, t->items[i].back_at, time, now))
                        return "the address was revoked after this login";
        }
        return NULL;
}

bool revocation_table_refuses_user(const RevocationTable *t, Span user, usec_t time, uint64_t now) {
        const RevokedUser *u = user.size > 0 ? find_user(t, user) : NULL;

        return u && is_before(u->at, u->back_at, time, now);
}

bool revocation_table_clock_set(RevocationTable *t, uint64_t now, bool stepped, uint64_t keep_until) {
        bool any = set_time_back(t->all_at, &t->all_back_at, now, stepped);

        for (uint32_t i = 0; i < t->n; i++) {
                Revocation *item = &t->items[i];

                any |= set_time_back(item->at, &item->back_at, now, stepped);
                item->barred_until = MIN(item->barred_until, now + BAR_SECONDS);
                item->keep_until = MAX(item->keep_until, keep_until);
        }
        for (uint32_t i = 0; i < t->n_users; i++) {
                any |= set_time_back(t->users[i].at, &t->users[i].back_at, now, stepped);
                t->users[i].keep_until = MAX(t->users[i].keep_until, keep_until);
        }
        return any;
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

/* Only where a clock was set back: a file without them is as it always was. */
static void encode_back(const RevocationTable *t, ByteWriter *w) {
        bool any = t->all_back_at > 0;

        for (uint32_t i = 0; i < t->n; i++)
                any |= t->items[i].back_at > 0;
        for (uint32_t i = 0; i < t->n_users; i++)
                any |= t->users[i].back_at > 0;
        if (!any)
                return;
        byte_writer_u64(w, t->all_back_at);
        for (uint32_t i = 0; i < t->n; i++)
                byte_writer_u64(w, t->items[i].back_at);
        for (uint32_t i = 0; i < t->n_users; i++)
                byte_writer_u64(w, t->users[i].back_at);
}

static void decode_back(RevocationTable *t, ByteReader *r) {
        if (r->failed || r->rest.size == 0)
                return;
        t->all_back_at = byte_reader_u64(r);
        for (uint32_t i = 0; i < t->n; i++)
                t->items[i].back_at = byte_reader_u64(r);
        for (uint32_t i = 0; i < t->n_users; i++)
                t->users[i].back_at = byte_reader_u64(r);
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
        encode_back(t, w);
}

static bool decode(RevocationTable *t, ByteReader *r) {
        uint32_t n;

        t->all_at = byte_reader_u64(r);
        n = byte_reader_u32(r);
        for (uint32_t i = 0; i < n && !r->failed; i++) {
                Revocation item = {0};

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
        decode_back(t, r);
        return byte_reader_complete(r);
}

bool revocation_table_decode(RevocationTable *t, Span bytes) {
        ByteReader r = BYTE_READER(bytes);

        if (decode(t, &r))
                return true;
        clear(t);
        return false;
}
