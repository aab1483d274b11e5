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
        byte_writer_u32(w, user_table_count_leases(t->users, leases));
        user_table_each_lease(t->users, leases, encode_lease, &(LeaseEncoding){t, w});
}

enum { SAVED_MANUAL = 1, SAVED_UNNAMED = 2, SAVED_FORGOTTEN = 4, SAVED_ALL = 7 };

static uint32_t flags_of(const Grant *g) {
        return (g->manual ? SAVED_MANUAL : 0u) | (g->unnamed ? SAVED_UNNAMED : 0u) |
               (g->forgotten ? SAVED_FORGOTTEN : 0u);
}

void grant_table_encode(const GrantTable *t, ByteWriter *w) {
        byte_writer_u32(w, (uint32_t) t->names.n);
        for (size_t i = 0; i < t->names.n; i++)
                byte_writer_text(w, span_from_string(t->names.items[i]));
        session_table_encode_seed(t->sessions, w);
        byte_writer_u32(w, t->forgotten_until);
        byte_writer_u32(w, t->read_to);
        byte_writer_u32(w, t->used);
        for (uint32_t i = 0; i < t->n; i++) {
                const Grant *g = grant_store_at(t, i);
                IpNetwork network;

                if (grant_store_is_free(g))
                        continue;
                network = grant_store_network(t, g);
                byte_writer_raw(w, &network, sizeof(network));
                byte_writer_u32(w, flags_of(g));
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

void grant_table_encode_manual(const GrantTable *t, ByteWriter *w) {
        for (uint32_t i = 0; i < t->n; i++) {
                const Grant *g = grant_store_at(t, i);
                IpNetwork network;

                if (grant_store_is_free(g) || !g->manual)
                        continue;
                network = grant_store_network(t, g);
                byte_writer_raw(w, &network, sizeof(network));
                byte_writer_u32(w, manual_table_get(&t->manual, i));
                byte_writer_u32(w, g->since);
                byte_writer_u32(w, g->last);
                byte_writer_text(w, user_table_name(t->users, g->user));
        }
}

void grant_table_encode_revocations(const GrantTable *t, ByteWriter *w) {
        revocation_table_encode(t->revocations, w);
}

bool grant_table_decode_revocations(GrantTable *t, Span bytes) {
        return revocation_table_decode(t->revocations, bytes);
}

/* A grant as it was saved or published. */
typedef struct SavedGrant {
        IpNetwork network;
        bool manual, unnamed, forgotten;
        uint16_t service, pattern, source; /* in the table's names */
        uint32_t until, since, last;
} SavedGrant;

/* Somebody's login was the last. */
static void note_user(GrantTable *t, uint32_t i, Span user) {
        Grant *g = grant_store_at(t, i);

        grant_table_set_user(t, g, user);
        if (g->user != USER_NONE && !policy_is_shared_user(t->policy, user))
                (void) user_table_lease(t->users, g->user, i, g->last, 0, UINT32_MAX);
}

/* A login has made a grant by hand longer, which has been taken back by itself. Whoever gives by hand makes
 * an end of what was before, a revocation included: so none from before that counts. */
static void restore_longer(GrantTable *t, uint32_t i, const SavedGrant *saved, Span user, uint64_t now) {
        Grant *g = grant_store_at(t, i);

        if (!g->manual || saved->manual || saved->last < g->last ||
                (saved->last == g->last && saved->until <= g->until))
                return;
        g->last = (uint32_t) MIN((uint64_t) saved->last, MAX((uint64_t) g->last, now + 1));
        g->until = MAX(g->until, MIN(saved->until, grant_table_longest(t, g)));
        g->published = grant_table_publishable(t, g, now);
        grant_store_set_service(g, saved->service);
        grant_store_set_source(g, saved->source);
        g->unnamed = saved->unnamed;
        g->forgotten = saved->forgotten;
        note_user(t, i, user);
        grant_store_sift(t, g->heap);
}

/* Puts one saved grant back, if it may still be; *ret is its number, or that of the one that is there
 * already, or HASH_INDEX_NONE. Returns false without memory. */
static bool restore(GrantTable *t, const SavedGrant *saved, Span user, uint64_t now, uint32_t *ret) {
        IpNetwork host = ip_network_of(&saved->network.addr, 128);
        uint32_t i = grant_store_find(t, &saved->network);
        Grant *g;

        *ret = i;
        if (saved->until <= now ||
                grant_table_judge_again(t, &saved->network, saved->manual, saved->unnamed, user) ||
                /* who grants by hand may do it for a blocked user, too */
                revocation_table_refuses(t->revocations, &host, saved->manual ? SPAN_NONE : user,
                        (usec_t) saved->last * USEC_PER_SEC, now)) {
                grant_table_note_ended(t, saved->last, now);
                return true;
        }
        if (i != HASH_INDEX_NONE) {
                restore_longer(t, i, saved, user, now);
                return true;
        }
        if (t->used >= t->policy->max_grants)
                return true;
        if (grant_store_add(t, &saved->network, saved->until, &i) < 0)
                return false;
        g = grant_store_at(t, i);
        g->manual = saved->manual;
        g->unnamed = saved->unnamed;
        g->forgotten = saved->forgotten;
        grant_store_set_service(g, saved->service);
        grant_store_set_pattern(g, saved->pattern);
        grant_store_set_source(g, saved->source);
        g->since = saved->since;
        g->last = saved->last;
        if (g->manual && manual_table_put(&t->manual, i, saved->until) < 0) {
                grant_store_remove(t, i);
                return false;
        }
        *ret = i;
        grant_table_bound(t, i, now);
        g->until = g->manual ? manual_table_get(&t->manual, i)
                             : MIN(grant_table_publishable(t, g, now), grant_table_longest(t, g));
        g->published = grant_table_publishable(t, g, now);
        grant_store_sift(t, g->heap);
        if (g->manual) {
                grant_table_set_user(t, g, user);
                (void) grant_table_note_wide(t, i);
        } else
                note_user(t, i, user);
        return true;
}

/* ---- grants by hand ---- */

static void read_manual(ByteReader *r, SavedGrant *ret, Span *ret_user) {
        *ret = (SavedGrant){.manual = true};
        byte_reader_raw(r, &ret->network, sizeof(ret->network));
        ret->until = byte_reader_u32(r);
        ret->since = byte_reader_u32(r);
        ret->last = byte_reader_u32(r);
        *ret_user = byte_reader_text(r);
}

bool grant_table_decode_manual(GrantTable *t, Span bytes, usec_t now) {
        ByteReader all = BYTE_READER(bytes), r = all;
        SavedGrant g;
        uint32_t i;
        Span user;

        while (all.rest.size > 0) {
                read_manual(&all, &g, &user);
                if (all.failed || !ip_network_is_canonical(&g.network))
                        return false;
        }
        while (r.rest.size > 0) {
                read_manual(&r, &g, &user);
                g.pattern = grant_store_name(t, SPAN_LITERAL("manual"), 0);
                if (!restore(t, &g, user, now / USEC_PER_SEC, &i))
                        return false;
        }
        t->manual_known = true;
        return true;
}

/* What the saved grants say of one that was made by hand counts no more once those have been taken back by
 * themselves, but a login there may have come later. */
static void as_login(GrantTable *t, SavedGrant *saved) {
        if (!saved->manual || !t->manual_known)
                return;
        saved->manual = false;
        saved->until = MIN(saved->until, saved->last + t->policy->ttl);
}

/* ---- all grants ---- */

/* The grants that are being read: first only looked at, to see whether they are whole, and then taken, while
 * the look-ups for those that will be taken next are expected. */
typedef enum DecodingMode { DECODING_LOOK, DECODING_EXPECT, DECODING_TAKE } DecodingMode;

/* So many grants ahead, which is time enough for two fetches from memory. */
#define EXPECTED_MAX 16u

typedef struct Expected {
        uint32_t network, user; /* hashes */
} Expected;

typedef struct Decoding {
        GrantTable *t;
        DecodingMode mode;
        ByteReader r;
        Expected expected[EXPECTED_MAX];
        uint32_t n_expected;
        uint64_t now;
        Span names[NAMES_MAX];
        uint16_t numbers[NAMES_MAX]; /* in the table's names; UNNUMBERED: nobody has asked yet */
        uint32_t n_names;
} Decoding;

#define UNNUMBERED UINT16_MAX

static bool decode_names(Decoding *d) {
        d->n_names = byte_reader_u32(&d->r);
        if (d->n_names > NAMES_MAX)
                return false;
        for (uint32_t i = 0; i < d->n_names; i++) {
                Span name = byte_reader_text(&d->r);

                if (d->r.failed || name.size > 4096 || (name.size > 0 && memchr(name.data, 0, name.size)))
                        return false;
                d->names[i] = name;
                d->numbers[i] = UNNUMBERED;
        }
        return true;
}

/* Only names that are in use go over into the table: else one that was full would be so for ever. */
static uint16_t number_of(Decoding *d, uint32_t saved) {
        if (d->numbers[saved] == UNNUMBERED)
                d->numbers[saved] = grant_store_name(d->t, d->names[saved], 0);
        return d->numbers[saved];
}

/* The sessions of the grant `i`; HASH_INDEX_NONE: they are read and forgotten. */
static bool decode_sessions(Decoding *d, const SavedGrant *saved, uint32_t i) {
        uint32_t n = byte_reader_u32(&d->r);
        GrantTable *t = d->t;

        for (uint32_t k = 0; k < n && !d->r.failed; k++) {
                uint64_t name = byte_reader_u64(&d->r);
                uint32_t pattern = byte_reader_u32(&d->r), source = byte_reader_u32(&d->r),
                         machine = byte_reader_u32(&d->r), opened = byte_reader_u32(&d->r);

                if (d->r.failed || pattern >= d->n_names || source >= d->n_names)
                        return false;
                if (i != HASH_INDEX_NONE && t->policy->max_session > 0)
                        (void) session_table_open(t->sessions, name,
                                (SessionScope){number_of(d, pattern), number_of(d, source), machine}, i,
                                &grant_store_at(t, i)->sessions, (uint32_t) MIN((uint64_t) opened, d->now));
        }
        if (i != HASH_INDEX_NONE && !grant_store_at(t, i)->manual) {
                Grant *g = grant_store_at(t, i);

                g->until = MIN(saved->until, grant_table_longest(t, g));
                g->published = grant_table_publishable(t, g, d->now);
                grant_store_sift(t, g->heap);
        }
        return !d->r.failed;
}

/* Whether restore() has noted all there is to know of this lease, as of most. */
static bool has_lease(const GrantTable *t, uint32_t i, Span name) {
        const Grant *g = grant_store_at(t, i);

        return !g->manual && span_equal(name, user_table_name(t->users, g->user));
}

static bool decode_leases(Decoding *d, uint32_t i) {
        uint32_t n = byte_reader_u32(&d->r);
        GrantTable *t = d->t;

        for (uint32_t k = 0; k < n && !d->r.failed; k++) {
                Span name = byte_reader_text(&d->r);
                uint32_t last = byte_reader_u32(&d->r), user;

                if (d->r.failed || i == HASH_INDEX_NONE || policy_is_shared_user(t->policy, name) ||
                        has_lease(t, i, name))
                        continue;
                user = user_table_intern(t->users, name);
                if (user == USER_NONE)
                        continue;
                (void) user_table_lease(
                        t->users, user, i, MIN(last, grant_store_at(t, i)->last), 0, UINT32_MAX);
                user_table_unref(t->users, user);
        }
        return !d->r.failed;
}

/* Once for each grant that will be taken soon. */
static void expect(Decoding *d, const IpNetwork *network, Span user) {
        Expected *now = &d->expected[d->n_expected % EXPECTED_MAX],
                 *before = &d->expected[(d->n_expected + EXPECTED_MAX / 2) % EXPECTED_MAX];

        now->network =
                hash_chain_expect(&d->t->by_network, span_make((const char *) network, sizeof(*network)));
        now->user = user_table_expect(d->t->users, user);
        if (d->n_expected++ < EXPECTED_MAX / 2)
                return;
        hash_chain_expect_item(&d->t->by_network, d->t, before->network);
        user_table_expect_item(d->t->users, before->user);
}

static bool decode_grant(Decoding *d) {
        SavedGrant g = {0};
        uint32_t flags, service, pattern, source, i = HASH_INDEX_NONE;
        Span user;

        byte_reader_raw(&d->r, &g.network, sizeof(g.network));
        flags = byte_reader_u32(&d->r);
        service = byte_reader_u32(&d->r);
        pattern = byte_reader_u32(&d->r);
        source = byte_reader_u32(&d->r);
        g.until = byte_reader_u32(&d->r);
        g.since = byte_reader_u32(&d->r);
        g.last = byte_reader_u32(&d->r);
        user = byte_reader_text(&d->r);
        if (d->r.failed || flags > SAVED_ALL || service >= d->n_names || pattern >= d->n_names ||
                source >= d->n_names || !ip_network_is_canonical(&g.network))
                return false;
        if (d->mode == DECODING_EXPECT)
                expect(d, &g.network, user);
        if (d->mode == DECODING_TAKE) {
                g.manual = flags & SAVED_MANUAL;
                g.unnamed = flags & SAVED_UNNAMED;
                g.forgotten = flags & SAVED_FORGOTTEN;
                g.service = number_of(d, service);
                g.pattern = number_of(d, pattern);
                g.source = number_of(d, source);
                as_login(d->t, &g);
                if (!restore(d->t, &g, user, d->now, &i))
                        return false;
        }
        return decode_sessions(d, &g, i) && decode_leases(d, i);
}

static bool decode(GrantTable *t, Span bytes, uint64_t now, DecodingMode mode) {
        Decoding d = {.t = t, .mode = mode, .r = BYTE_READER(bytes), .now = now}, ahead;
        uint64_t seed[2];
        uint32_t forgotten_until, read_to, n;

        if (!decode_names(&d))
                return false;
        seed[0] = byte_reader_u64(&d.r);
        seed[1] = byte_reader_u64(&d.r);
        forgotten_until = byte_reader_u32(&d.r);
        read_to = byte_reader_u32(&d.r);
        n = byte_reader_u32(&d.r);
        if (mode == DECODING_TAKE && !d.r.failed) {
                session_table_set_seed(t->sessions, seed);
                t->forgotten_until = (uint32_t) MIN((uint64_t) forgotten_until, now + t->policy->ttl);
                t->read_to = read_to;
                grant_store_reserve(t, MIN(n, t->policy->max_grants));
        }
        ahead = d;
        ahead.mode = DECODING_EXPECT;
        for (uint32_t i = 0, k = 0; i < n; i++) {
                for (; mode == DECODING_TAKE && k < n && k < i + EXPECTED_MAX; k++)
                        (void) decode_grant(&ahead);
                if (!decode_grant(&d))
                        return false;
        }
        return byte_reader_complete(&d.r);
}

bool grant_table_decode(GrantTable *t, Span bytes, usec_t now) {
        return decode(t, bytes, now / USEC_PER_SEC, DECODING_LOOK) &&
               decode(t, bytes, now / USEC_PER_SEC, DECODING_TAKE);
}

/* ---- what was published ---- */

/* Published grants come in the order of the saved ones, but for those that have changed. */
static uint32_t find_in_order(GrantTable *t, const IpNetwork *n) {
        uint32_t i = t->next_restored;
        IpNetwork network;

        if (i < t->n && !grant_store_is_free(grant_store_at(t, i))) {
                network = grant_store_network(t, grant_store_at(t, i));
                if (ip_network_equal(&network, n)) {
                        t->next_restored++;
                        return i;
                }
        }
        i = grant_store_find(t, n);
        if (i != HASH_INDEX_NONE)
                t->next_restored = i + 1;
        return i;
}

/* Somebody unknown has logged in at the grant `i`, if there is one; `until` is when that has lost its force.
 */
static void note_unnamed(GrantTable *t, uint32_t i, uint32_t until, bool is_forgotten) {
        if (i == HASH_INDEX_NONE)
                return;
        grant_store_at(t, i)->unnamed = true;
        grant_store_at(t, i)->forgotten |= is_forgotten;
        if (is_forgotten)
                t->forgotten_until = MAX(t->forgotten_until, until);
}

void grant_table_restore(
        GrantTable *t, const RelayEntry *entry, uint32_t ttl, bool is_forgotten, uint64_t now) {
        SavedGrant g = {
                .network = entry->network,
                .since = (uint32_t) now,
                .until = (uint32_t) MIN(entry->until, (uint64_t) UINT32_MAX - 1),
        };
        char name[RELAY_USER_MAX_BYTES];
        int size = relay_user_decode(entry->user, name);
        Span user = size > 0 ? span_make(name, (size_t) size) : SPAN_NONE;
        Grant *known;
        uint32_t i;

        t->restored_at = (uint32_t) now;
        if (entry->verdict != RELAY_ALLOW || entry->until == 0)
                return;
        g.pattern = grant_store_name(t, entry->how, 0);
        /* what was given by hand has been taken back by itself: what is more is a login's */
        g.manual = span_equal_string(entry->how, "manual") && !t->manual_known;
        g.unnamed = !g.manual && user.size == 0;
        g.last = g.until > ttl ? g.until - ttl : 0;
        i = find_in_order(t, &g.network);
        if (i == HASH_INDEX_NONE) {
                (void) restore(t, &g, user, now, &i);
                if (g.unnamed)
                        note_unnamed(t, i, g.until, is_forgotten);
                return;
        }
        known = grant_store_at(t, i);
        /* who vouched for it had read on further than what was saved */
        if (grant_store_is_unsure(t, known) && g.until <= now + t->policy->ttl + 1)
                known->published = MAX(known->published, MIN(g.until, known->until));
        /* the state knew it, but not its latest login */
        if (g.until <= known->until || (!g.manual && g.last <= known->last) ||
                g.until > now + t->policy->ttl + 1 ||
                grant_table_judge_again(t, &g.network, g.manual, g.unnamed, user))
                return;
        if (g.manual) {
                known->manual = true;
                /* without memory it lasts as long as a login's */
                if (!t->manual_known)
                        (void) manual_table_put(&t->manual, i, g.until);
                grant_store_set_pattern(known, g.pattern);
                (void) grant_table_note_wide(t, i);
        }
        known->last = MAX(known->last, g.last);
        grant_table_bound(t, i, now);
        known->until = g.manual ? g.until : MAX(known->until, MIN(g.until, grant_table_longest(t, known)));
        known->published = grant_table_publishable(t, known, now);
        grant_store_sift(t, known->heap);
        if (g.unnamed)
                note_unnamed(t, i, g.until, is_forgotten);
        else if (!g.manual) {
                known->unnamed = false;
                note_user(t, i, user);
        }
}
