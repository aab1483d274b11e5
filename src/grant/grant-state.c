/* SPDX-License-Identifier: Apache-2.0 */
/* Saving the grants and taking them back: from the state, and from what was published since. Whatever comes
 * back is judged as if it had just been made. */

#include "grant/grant-table-internal.h"

#include <errno.h>

typedef struct LeaseEncoding {
        const GrantTable *t;
        ByteWriter *w;
} LeaseEncoding;

static void encode_lease(void *userdata, uint32_t user, uint32_t last) {
        LeaseEncoding *e = userdata;

        byte_writer_text(e->w, user_table_name(e->t->users, user));
        byte_writer_u32(e->w, last);
}

/* All who have logged in there count for MaxUsersPerAddress= and MaxAddressesPerUser= after a restart, too.
 */
static void encode_leases(const GrantTable *t, const LeaseList *leases, ByteWriter *w) {
        byte_writer_u32(w, leases->n);
        user_table_each_lease(t->users, leases, encode_lease, &(LeaseEncoding){t, w});
}

static bool decode_leases(GrantTable *t, const Grant *saved, ByteReader *r) {
        uint32_t n = byte_reader_u32(r), grant = grant_store_find(t, &saved->network);

        for (uint32_t i = 0; i < n && !r->failed; i++) {
                Span name = byte_reader_text(r);
                uint32_t last = byte_reader_u32(r), user;

                if (r->failed || grant == HASH_INDEX_NONE || policy_is_shared_user(t->policy, name))
                        continue;
                user = user_table_intern(t->users, name);
                if (user == USER_NONE)
                        continue;
                (void) user_table_lease(t->users, user, grant, &t->grants[grant].leases,
                        MIN(last, t->grants[grant].last), 0, UINT32_MAX);
                user_table_unref(t->users, user);
        }
        return !r->failed;
}

void grant_table_encode(const GrantTable *t, ByteWriter *w) {
        byte_writer_u32(w, (uint32_t) t->names.n);
        for (size_t i = 0; i < t->names.n; i++)
                byte_writer_text(w, span_from_string(t->names.items[i]));
        session_table_encode_seed(t->sessions, w);
        byte_writer_u32(w, t->used);
        for (uint32_t i = 0; i < t->n; i++) {
                const Grant *g = &t->grants[i];

                if (g->network.length == FREE_LENGTH)
                        continue;
                byte_writer_raw(w, &g->network, sizeof(g->network));
                byte_writer_u32(w, g->manual);
                byte_writer_u32(w, g->service);
                byte_writer_u32(w, g->pattern);
                byte_writer_u32(w, g->source);
                byte_writer_u32(w, g->until);
                byte_writer_u32(w, g->since);
                byte_writer_u32(w, g->last);
                byte_writer_text(w, user_table_name(t->users, g->user));
                session_table_encode_list(t->sessions, &g->sessions, w);
                encode_leases(t, &g->leases, w);
        }
}

void grant_table_encode_revocations(const GrantTable *t, ByteWriter *w) {
        revocation_table_encode(t->revocations, w);
}

bool grant_table_decode_revocations(GrantTable *t, Span bytes) {
        return revocation_table_decode(t->revocations, bytes);
}

/* Puts one saved grant back, if it may still be. */
static bool restore(GrantTable *t, const Grant *saved, Span user, const char *refused, uint64_t now) {
        IpNetwork host = ip_network_of(&saved->network.addr, 128);
        uint32_t i;
        Grant *g;

        if (saved->until <= now || saved->network.length > 128 ||
                grant_store_find(t, &saved->network) != HASH_INDEX_NONE ||
                t->used >= t->policy->max_grants || refused ||
                revocation_table_refuses(
                        t->revocations, &host, user, (usec_t) saved->last * USEC_PER_SEC, now))
                return true;
        if (grant_store_add(t, &saved->network, saved->until, &i) < 0)
                return false;
        g = &t->grants[i];
        g->manual = saved->manual;
        g->service = saved->service;
        g->pattern = saved->pattern;
        g->source = saved->source;
        g->since = saved->since;
        /* a clock that was wrong when it was written must not make anything last longer */
        if (saved->last > now + 1) /* one ahead is grant_table_login()'s doing */
                g->last = (uint32_t) now;
        else
                g->last = saved->last;
        if (!g->manual)
                g->until = grant_table_publishable(t, g, now);
        g->published = grant_table_publishable(t, g, now);
        grant_store_sift(t, g->heap);
        grant_table_set_user(t, g, user);
        if (g->manual)
                (void) grant_table_note_wide(t, i);
        else if (g->user != USER_NONE && !policy_is_shared_user(t->policy, user))
                (void) user_table_lease(t->users, g->user, i, &g->leases, g->last, 0, UINT32_MAX);
        return true;
}

static bool decode_names(GrantTable *t, ByteReader *r, uint16_t numbers[static NAMES_MAX], uint32_t *ret_n) {
        *ret_n = byte_reader_u32(r);
        if (*ret_n > NAMES_MAX)
                return false;
        for (uint32_t i = 0; i < *ret_n; i++) {
                Span name = byte_reader_text(r);

                if (r->failed || name.size > 4096 || (name.size > 0 && memchr(name.data, 0, name.size)))
                        return false;
                numbers[i] = grant_store_name(t, name);
        }
        return true;
}

/* The sessions of a grant that was just put back, or was not: then they are read and forgotten. */
static bool decode_sessions(GrantTable *t, const Grant *saved, ByteReader *r,
        const uint16_t numbers[static NAMES_MAX], uint32_t n_names, uint64_t now) {
        uint32_t n = byte_reader_u32(r), grant = grant_store_find(t, &saved->network);

        for (uint32_t i = 0; i < n && !r->failed; i++) {
                uint64_t name = byte_reader_u64(r);
                uint32_t pattern = byte_reader_u32(r), source = byte_reader_u32(r),
                         machine = byte_reader_u32(r), opened = byte_reader_u32(r);

                if (r->failed || pattern >= n_names || source >= n_names)
                        return false;
                if (grant != HASH_INDEX_NONE && t->policy->max_session > 0)
                        (void) session_table_open(t->sessions, name,
                                (SessionScope){numbers[pattern], numbers[source], machine}, grant,
                                &t->grants[grant].sessions, (uint32_t) MIN((uint64_t) opened, now));
        }
        if (grant != HASH_INDEX_NONE && !t->grants[grant].manual) {
                Grant *g = &t->grants[grant];

                g->until = MIN(saved->until, grant_table_longest(t, g));
                g->published = grant_table_publishable(t, g, now);
                grant_store_sift(t, g->heap);
        }
        return !r->failed;
}

bool grant_table_decode(GrantTable *t, Span bytes, usec_t now) {
        ByteReader r = BYTE_READER(bytes);
        uint16_t numbers[NAMES_MAX];
        uint32_t n_names, n;

        if (!decode_names(t, &r, numbers, &n_names))
                return false;
        session_table_decode_seed(t->sessions, &r);
        n = byte_reader_u32(&r);
        for (uint32_t i = 0; i < n; i++) {
                Grant g = {.user = USER_NONE, .leases = LEASE_LIST_INIT, .sessions = SESSION_LIST_INIT};
                uint32_t service, pattern, source;
                Span user;

                byte_reader_raw(&r, &g.network, sizeof(g.network));
                g.manual = byte_reader_u32(&r) != 0;
                service = byte_reader_u32(&r);
                pattern = byte_reader_u32(&r);
                source = byte_reader_u32(&r);
                g.until = byte_reader_u32(&r);
                g.since = byte_reader_u32(&r);
                g.last = byte_reader_u32(&r);
                user = byte_reader_text(&r);
                if (r.failed || service >= n_names || pattern >= n_names || source >= n_names ||
                        g.network.length > 128)
                        return false;
                g.service = numbers[service];
                g.pattern = numbers[pattern];
                g.source = numbers[source];
                if (!restore(t, &g, user, grant_table_judge_again(t, &g, user), now / USEC_PER_SEC) ||
                        !decode_sessions(t, &g, &r, numbers, n_names, now / USEC_PER_SEC) ||
                        !decode_leases(t, &g, &r))
                        return false;
        }
        return byte_reader_complete(&r);
}

void grant_table_restore(GrantTable *t, const RelayEntry *entry, uint64_t now) {
        Grant g = {
                .network = entry->network,
                .user = USER_NONE,
                .leases = LEASE_LIST_INIT,
                .sessions = SESSION_LIST_INIT,
                .since = (uint32_t) now,
                .until = (uint32_t) MIN(entry->until, (uint64_t) UINT32_MAX - 1),
        };
        char name[RELAY_USER_MAX_BYTES];
        int size = relay_user_decode(entry->user, name);
        Span user = size > 0 ? span_make(name, (size_t) size) : SPAN_NONE;
        bool by_user = t->policy->users.n > 0 || t->policy->deny_users.n > 0;
        uint32_t i;

        if (entry->verdict != RELAY_ALLOW || entry->until == 0)
                return;
        g.pattern = grant_store_name(t, entry->how);
        g.manual = span_equal_string(entry->how, "manual");
        g.last = g.until > t->policy->ttl ? g.until - t->policy->ttl : 0;
        i = grant_store_find(t, &g.network);
        if (i == HASH_INDEX_NONE) {
                /* one without a name can't be judged by it; the log since the state was saved is read again
                 */
                if (user.size > 0 || g.manual || !by_user)
                        (void) restore(t, &g, user, grant_table_judge_again(t, &g, user), now);
                return;
        }
        /* the state knew it, but not its latest login */
        if (g.until <= t->grants[i].until || g.until > now + t->policy->ttl + 1)
                return;
        if (g.manual) {
                t->grants[i].manual = true;
                t->grants[i].pattern = g.pattern;
                (void) grant_table_note_wide(t, i);
        }
        t->grants[i].until = g.until;
        t->grants[i].last = MAX(t->grants[i].last, g.last);
        t->grants[i].published = grant_table_publishable(t, &t->grants[i], now);
        grant_store_sift(t, t->grants[i].heap);
}
