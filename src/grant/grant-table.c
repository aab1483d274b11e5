/* SPDX-License-Identifier: Apache-2.0 */
/* The grants: an array of small records, found by network through a hash and by time through a heap.
 *
 * A grant has two ends. `until` is when it is really over. `published` is what the world was told: the same,
 * or up to TTL/16 earlier (so that a client that polls each minute is not published each minute), or much
 * earlier for a grant that lasts longer than TTL (so that a dead daemon leaves nothing open). A grant is due
 * when it is over, or shortly before the world would think so. */

#include "grant/grant-table.h"

#include <errno.h>
#include <stdio.h>

#include "grant/revocation-table.h"
#include "grant/session-table.h"
#include "grant/user-table.h"

#define NONE UINT32_MAX
/* From this many users on an address is worth a warning. */
#define CROWD 50
#define BAR_SECONDS (24 * 3600)
/* Names of patterns, services and sources together; the regexes bound them, an odd one is "". */
#define NAMES_MAX 1024
#define WIDE_MAX 10000

typedef struct Grant {
        IpNetwork network; /* length 255: free, and then heap is the next free one */
        bool manual;
        uint16_t service, pattern, source; /* in names */
        uint32_t user;                     /* whose login was the last */
        uint32_t until, since, last, published;
        uint32_t heap; /* its place there */
        LeaseList leases;
        SessionList sessions; /* while one is open the grant lasts, for MaxSession= at most */
} Grant;

#define FREE_LENGTH 255

struct GrantTable {
        const Policy *policy;
        GrantListener listener;
        void *userdata;
        Grant *grants;
        uint32_t n, used, free;
        HashIndex index;
        uint32_t *heap; /* grant numbers; the one that is due first comes first */
        StringList names;
        UserTable *users;
        SessionTable *sessions;
        RevocationTable *revocations;
        uint32_t *wide; /* grants by hand for more than one host */
        uint32_t n_wide;
};

/* ---- names ---- */

static uint16_t name_number(GrantTable *t, Span name) {
        for (size_t i = 0; i < t->names.n; i++)
                if (span_equal_string(name, t->names.items[i]))
                        return (uint16_t) i;
        if (t->names.n == NAMES_MAX || string_list_add(&t->names, name) < 0)
                return 0;
        return (uint16_t) (t->names.n - 1);
}

/* ---- the heap ---- */

static uint32_t due(const GrantTable *t, uint32_t i) {
        const Grant *g = &t->grants[i];
        uint32_t early = t->policy->ttl / 32;

        return g->published < g->until ? g->published - MIN(early, g->published) : g->until;
}

static void heap_set(GrantTable *t, uint32_t place, uint32_t grant) {
        t->heap[place] = grant;
        t->grants[grant].heap = place;
}

/* Moves the grant at this place to where its due time belongs. */
static void heap_sift(GrantTable *t, uint32_t place) {
        uint32_t grant = t->heap[place], when = due(t, grant);

        while (place > 0 && due(t, t->heap[(place - 1) / 2]) > when) {
                heap_set(t, place, t->heap[(place - 1) / 2]);
                place = (place - 1) / 2;
        }
        for (;;) {
                uint32_t child = place * 2 + 1;

                if (child >= t->used)
                        break;
                if (child + 1 < t->used && due(t, t->heap[child + 1]) < due(t, t->heap[child]))
                        child++;
                if (due(t, t->heap[child]) >= when)
                        break;
                heap_set(t, place, t->heap[child]);
                place = child;
        }
        heap_set(t, place, grant);
}

/* Orders the heap anew, when everything may be due at another time than before. */
static void build_heap(GrantTable *t) {
        uint32_t n = t->used;

        for (t->used = 1; t->used <= n; t->used++)
                heap_sift(t, t->used - 1);
        t->used = n;
}

/* ---- grants ---- */

static Span key_of(const IpNetwork *n) {
        return span_make((const char *) n, sizeof(IpNetwork));
}

static bool grant_equal(const void *items, uint32_t index, Span key) {
        return ip_network_equal(
                &((const Grant *) items)[index].network, (const IpNetwork *) (const void *) key.data);
}

static uint32_t find(const GrantTable *t, const IpNetwork *n) {
        return hash_index_find(&t->index, key_of(n), grant_equal, t->grants);
}

int grant_table_new(const Policy *policy, GrantListener listener, void *userdata, GrantTable **ret) {
        _cleanup_(grant_table_freep) GrantTable *t = calloc(1, sizeof(GrantTable));

        if (!t)
                return -ENOMEM;
        t->policy = policy;
        t->listener = listener;
        t->userdata = userdata;
        t->free = NONE;
        if (user_table_new(&t->users) < 0 || session_table_new(&t->sessions) < 0 ||
                revocation_table_new(&t->revocations) < 0 ||
                string_list_add(&t->names, SPAN_LITERAL("")) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(t);
        return 0;
}

GrantTable *grant_table_free(GrantTable *t) {
        if (!t)
                return NULL;
        user_table_free(t->users);
        session_table_free(t->sessions);
        revocation_table_free(t->revocations);
        string_list_done(&t->names);
        hash_index_done(&t->index);
        free(t->grants);
        free(t->heap);
        free(t->wide);
        free(t);
        return NULL;
}

/* Makes room for one more in both arrays. */
static int reserve(GrantTable *t) {
        uint64_t room = t->n == 0 ? 16 : (uint64_t) t->n * 2;
        Grant *grants;
        uint32_t *heap;

        if (t->free != NONE || (t->n > 0 && (t->n < 16 || (t->n & (t->n - 1)) != 0)))
                return 0;
        grants = realloc(t->grants, room * sizeof(Grant));
        if (!grants)
                return -ENOMEM;
        t->grants = grants;
        heap = realloc(t->heap, room * sizeof(uint32_t));
        if (!heap)
                return -ENOMEM;
        t->heap = heap;
        return 0;
}

static int add(GrantTable *t, const IpNetwork *network, uint32_t until, uint32_t *ret) {
        uint32_t i;
        int r = reserve(t);

        if (r < 0)
                return r;
        i = t->free != NONE ? t->free : t->n;
        r = hash_index_add(&t->index, key_of(network), i);
        if (r < 0)
                return r;
        if (i == t->n)
                t->n++;
        else
                t->free = t->grants[i].heap;
        t->grants[i] = (Grant){
                .network = *network,
                .user = USER_NONE,
                .until = until,
                .published = until,
                .leases = LEASE_LIST_INIT,
                .sessions = SESSION_LIST_INIT,
        };
        heap_set(t, t->used, i);
        t->used++;
        heap_sift(t, t->used - 1);
        *ret = i;
        return 0;
}

static void remove_grant(GrantTable *t, uint32_t i) {
        Grant *g = &t->grants[i];
        uint32_t place = g->heap;

        hash_index_remove(&t->index, key_of(&g->network), i);
        user_table_release(t->users, &g->leases);
        session_table_close_all(t->sessions, &g->sessions);
        user_table_unref(t->users, g->user);
        for (uint32_t k = 0; g->manual && k < t->n_wide; k++)
                if (t->wide[k] == i) {
                        t->wide[k] = t->wide[--t->n_wide];
                        break;
                }
        t->used--;
        if (place < t->used) {
                heap_set(t, place, t->heap[t->used]);
                heap_sift(t, place);
        }
        g->network.length = FREE_LENGTH;
        g->heap = t->free;
        t->free = i;
}

/* The end as people should see it: nobody knows when an open session ends, only how long it is vouched for.
 */
static uint32_t shown_until(const Grant *g) {
        return g->sessions.n > 0 && !g->manual ? g->published : g->until;
}

static void tell(GrantTable *t, GrantEventType type, uint32_t i, const char *reason) {
        const Grant *g = &t->grants[i];
        GrantEvent event = {
                .type = type,
                .network = g->network,
                .until = shown_until(g),
                .published = g->published,
                .user = user_table_name(t->users, g->user),
                .service = t->names.items[g->service],
                .pattern = t->names.items[g->pattern],
                .source = t->names.items[g->source],
                .reason = reason,
        };

        t->listener(t->userdata, &event);
}

static void tell_refused(GrantTable *t, const IpNetwork *network, const Login *login, const char *reason) {
        char service[64];
        GrantEvent event = {
                .type = GRANT_EVENT_REFUSED,
                .network = *network,
                .user = login->user,
                .service = service,
                .pattern = strempty(login->pattern),
                .source = strempty(login->source),
                .reason = reason,
        };

        (void) snprintf(service, sizeof(service), "%.*s",
                (int) MIN(login->service.size, sizeof(service) - 1), strempty(login->service.data));
        t->listener(t->userdata, &event);
}

static void end_grant(GrantTable *t, uint32_t i, GrantEventType type, const char *reason) {
        tell(t, type, i, reason);
        remove_grant(t, i);
}

/* What may be told to the world at `now`. */
static uint32_t publishable(const GrantTable *t, const Grant *g, uint64_t now) {
        return (uint32_t) MIN((uint64_t) g->until, now + t->policy->ttl);
}

static void publish(GrantTable *t, uint32_t i, uint64_t now, GrantEventType type) {
        Grant *g = &t->grants[i];

        g->published = publishable(t, g, now);
        heap_sift(t, g->heap);
        /* whose session is open counts as if he had just logged in: MaxAddressesPerUser= */
        if (g->sessions.n > 0)
                user_table_touch(t->users, &g->leases, (uint32_t) now + t->policy->ttl / 16);
        tell(t, type, i, NULL);
}

static uint32_t alive_from(const GrantTable *t, uint64_t now) {
        return (uint32_t) (now > t->policy->ttl ? now - t->policy->ttl : 0);
}

static void set_user(GrantTable *t, Grant *g, Span name) {
        uint32_t user = user_table_intern(t->users, name);

        user_table_unref(t->users, g->user);
        g->user = user;
}

/* Counts the login's user at the address. Returns NULL, or why it may not be. */
static const char *count_user(GrantTable *t, uint32_t i, const Login *login, uint64_t now) {
        Grant *g = &t->grants[i];
        uint32_t user;
        int r;

        if (login->user.size == 0 || policy_is_shared_user(t->policy, login->user))
                return NULL;
        user = user_table_intern(t->users, login->user);
        if (user == USER_NONE)
                return "its user can't be counted";
        r = user_table_lease(t->users, user, i, &g->leases, (uint32_t) (login->time / USEC_PER_SEC),
                alive_from(t, now), t->policy->max_addresses_per_user);
        user_table_unref(t->users, user);
        if (r == -EDQUOT)
                return "its user logs in from too many addresses (MaxAddressesPerUser=): a stolen password?";
        return r < 0 ? "its user can't be counted" : NULL;
}

/* Returns true if the address had to be given up. `before` is how many users it had. */
static bool is_overcrowded(GrantTable *t, uint32_t i, uint32_t before, usec_t at, uint64_t now) {
        Grant *g = &t->grants[i];
        Revocation bar = {g->network, at, now + BAR_SECONDS, now + BAR_SECONDS};

        if (g->leases.n < MIN((uint32_t) CROWD, t->policy->max_users_per_address) ||
                policy_is_many_users(t->policy, &g->network))
                return false;
        if (g->leases.n >= t->policy->max_users_per_address) {
                user_table_prune(t->users, &g->leases, alive_from(t, now));
                if (g->leases.n >= t->policy->max_users_per_address) {
                        (void) revocation_table_put(t->revocations, &bar);
                        end_grant(t, i, GRANT_EVENT_REVOKED,
                                "too many users log in from it (MaxUsersPerAddress=): barred for a day");
                        return true;
                }
        }
        if (g->leases.n == CROWD && before < CROWD)
                tell(t, GRANT_EVENT_CROWDED, i,
                        "many users log in from it: a proxy that hides its clients?");
        return false;
}

/* Finds the login's grant or makes one that nobody has heard of yet. */
static int find_or_add(GrantTable *t, const IpNetwork *network, uint32_t until, uint64_t now, uint32_t *ret,
        bool *ret_new) {
        uint32_t i = find(t, network);

        *ret_new = i == HASH_INDEX_NONE;
        if (!*ret_new) {
                *ret = i;
                return 0;
        }
        if (t->used >= t->policy->max_grants)
                return -ENOSPC;
        if (add(t, network, until, ret) < 0)
                return -ENOMEM;
        t->grants[*ret].since = (uint32_t) now;
        return 0;
}

/* How long a grant that was not made by hand may last, by what is known of it. */
static uint32_t longest(const GrantTable *t, const Grant *g) {
        uint32_t until = g->last + t->policy->ttl;

        return g->sessions.n == 0 ? until
                                  : MAX(until, session_table_youngest(t->sessions, &g->sessions) +
                                                       t->policy->max_session);
}

static void open_session(GrantTable *t, uint32_t i, const Login *login) {
        Grant *g = &t->grants[i];
        SessionScope scope = {g->pattern, g->source};
        uint32_t at = (uint32_t) (login->time / USEC_PER_SEC);
        uint64_t name;

        if (login->key.size == 0 || t->policy->max_session == 0 || g->manual)
                return;
        name = session_table_hash(
                t->sessions, strempty(login->pattern), strempty(login->source), login->key);
        if (session_table_open(t->sessions, name, scope, i, &g->sessions, at) >= 0 && g->sessions.n > 0)
                g->until = MAX(g->until, at + t->policy->max_session);
}

/* Some of its sessions have ended at `time` (seconds): TTL= counts from the last of them. */
static void shorten(GrantTable *t, uint32_t i, uint64_t time, uint64_t now) {
        Grant *g = &t->grants[i];

        if (g->manual)
                return;
        g->last = MAX(g->last, (uint32_t) MIN(time, now));
        g->until = MIN(g->until, longest(t, g));
        if (g->until <= now)
                /* the world was told a later end, and is to be told again */
                end_grant(t, i, GRANT_EVENT_REVOKED, "its last session has ended more than TTL= ago");
        else if (g->published > g->until)
                publish(t, i, now, GRANT_EVENT_EXTENDED);
        else
                heap_sift(t, g->heap);
}

void grant_table_logout(GrantTable *t, const Login *login, uint64_t now) {
        uint64_t name;
        uint32_t i;

        if (login->key.size == 0)
                return;
        name = session_table_hash(
                t->sessions, strempty(login->pattern), strempty(login->source), login->key);
        i = session_table_find(t->sessions, name);
        if (i != GRANT_NONE && session_table_close(t->sessions, &t->grants[i].sessions, name))
                shorten(t, i, login->time / USEC_PER_SEC, now);
}

void grant_table_restart(GrantTable *t, const Login *login, uint64_t now) {
        SessionScope scope = {
                name_number(t, span_from_string(strempty(login->pattern))),
                name_number(t, span_from_string(strempty(login->source))),
        };

        for (uint32_t i = 0; session_table_count(t->sessions) > 0 && i < t->n; i++) {
                uint32_t n = t->grants[i].sessions.n;

                if (t->grants[i].network.length == FREE_LENGTH || n == 0)
                        continue;
                session_table_close_scope(
                        t->sessions, &t->grants[i].sessions, scope, login->time / USEC_PER_SEC);
                if (t->grants[i].sessions.n < n)
                        shorten(t, i, login->time / USEC_PER_SEC, now);
        }
}

static bool is_covered_by_anything(const GrantTable *t, const IpNetwork *network) {

        return policy_is_inside_always(t->policy, network) || grant_table_is_covered(t, network);
}

static const char *refuses(const GrantTable *t, const Login *login, const IpNetwork *host, uint64_t now) {
        const char *reason = policy_refuses(t->policy, &login->address, login->user);

        return reason ? reason
                      : revocation_table_refuses(t->revocations, host, login->user, login->time, now);
}

int grant_table_login(GrantTable *t, const Login *login, uint64_t now) {
        IpNetwork network = policy_network_of(t->policy, &login->address),
                  host = ip_network_of(&login->address, 128);
        uint64_t at = login->time / USEC_PER_SEC, until = at + t->policy->ttl;
        const char *reason;
        bool is_new;
        uint32_t i, users = 0;
        Grant *g;
        int r;

        if (until <= now)
                return GRANT_STALE;
        reason = refuses(t, login, &host, now);
        if (!reason) {
                r = find_or_add(t, &network, (uint32_t) until, now, &i, &is_new);
                if (r == -ENOMEM)
                        return r;
                if (r == -ENOSPC)
                        reason = "there are too many grants (MaxGrants=)";
                else {
                        users = t->grants[i].leases.n;
                        reason = count_user(t, i, login, now);
                        if (reason && is_new)
                                remove_grant(t, i);
                }
        }
        if (reason) {
                tell_refused(t, &network, login, reason);
                return GRANT_REFUSED;
        }
        /* elsewhere it goes on until it is over: an older login may still be read again */
        if (is_covered_by_anything(t, &network))
                revocation_table_remove(t->revocations, &network);
        g = &t->grants[i];
        set_user(t, g, login->user);
        g->service = name_number(t, login->service);
        g->source = name_number(t, span_from_string(strempty(login->source)));
        if (!g->manual)
                g->pattern = name_number(t, span_from_string(strempty(login->pattern)));
        g->last = MAX(g->last, (uint32_t) at);
        g->until = MAX(g->until, (uint32_t) until);
        open_session(t, i, login);
        if (is_overcrowded(t, i, users, login->time, now))
                return GRANT_REFUSED;
        if (is_new)
                publish(t, i, now, GRANT_EVENT_GRANTED);
        else if (publishable(t, g, now) > g->published + t->policy->ttl / 16)
                publish(t, i, now, GRANT_EVENT_EXTENDED);
        else
                heap_sift(t, g->heap);
        return is_new ? GRANT_NEW : GRANT_EXTENDED;
}

static int note_wide(GrantTable *t, uint32_t i) {
        uint32_t *more;

        if (t->grants[i].network.length == 128)
                return 0;
        for (uint32_t k = 0; k < t->n_wide; k++)
                if (t->wide[k] == i)
                        return 0;
        if (t->n_wide == WIDE_MAX)
                return -ENOSPC;
        more = realloc(t->wide, (t->n_wide + 1) * sizeof(uint32_t));
        if (!more)
                return -ENOMEM;
        t->wide = more;
        t->wide[t->n_wide++] = i;
        return 0;
}

int grant_table_add(GrantTable *t, const IpNetwork *network, uint64_t ttl, Span user, usec_t now,
        uint64_t *ret_until, const char **ret_reason) {
        uint64_t second = now / USEC_PER_SEC,
                 until = second + MIN(ttl > 0 ? ttl : t->policy->ttl, UINT64_C(1) << 31);
        bool is_new;
        uint32_t i;
        int r;

        *ret_reason = policy_refuses_manual(t->policy, network);
        if (*ret_reason)
                return -EPERM;
        r = find_or_add(t, network, (uint32_t) MIN(until, UINT32_MAX - 1), second, &i, &is_new);
        if (r == -ENOSPC) {
                *ret_reason = "there are too many grants (MaxGrants=)";
                return -EPERM;
        }
        if (r < 0)
                return r;
        if (note_wide(t, i) < 0) {
                if (is_new)
                        remove_grant(t, i);
                return -ENOMEM;
        }
        revocation_table_remove(t->revocations, network);
        t->grants[i].manual = true;
        t->grants[i].until = (uint32_t) MIN(until, UINT32_MAX - 1);
        t->grants[i].last = (uint32_t) second;
        t->grants[i].pattern = name_number(t, SPAN_LITERAL("manual"));
        if (user.size > 0)
                set_user(t, &t->grants[i], user);
        publish(t, i, second, is_new ? GRANT_EVENT_GRANTED : GRANT_EVENT_EXTENDED);
        *ret_until = t->grants[i].until;
        return 0;
}

/* ---- revoking ---- */

static uint64_t keep_until(const GrantTable *t, usec_t now) {
        /* a line older than TTL= is stale anyway; a day, because TTL= may be set longer later */
        return now / USEC_PER_SEC + MAX(t->policy->ttl, (uint32_t) BAR_SECONDS);
}

static int revoke_inside(GrantTable *t, const IpNetwork *network) {
        int ended = 0;

        for (uint32_t i = 0; i < t->n; i++)
                if (t->grants[i].network.length != FREE_LENGTH &&
                        ip_network_contains(network, &t->grants[i].network)) {
                        end_grant(t, i, GRANT_EVENT_REVOKED, "by hand");
                        ended++;
                }
        return ended;
}

int grant_table_revoke(GrantTable *t, const IpNetwork *network, usec_t now) {
        /* an IPv6 client, or a part of its prefix, stands for the prefix that was granted */
        IpNetwork own = policy_network_of(t->policy, &network->addr);
        IpNetwork target = network->length > own.length ? own : *network;
        Revocation revocation = {target, now, 0, keep_until(t, now)};
        uint32_t i = find(t, &target);
        GrantEvent event = {
                .type = GRANT_EVENT_REVOKED,
                .network = target,
                .service = "",
                .pattern = "",
                .source = "",
                .reason = "by hand",
        };
        int r = revocation_table_put(t->revocations, &revocation);

        if (r < 0)
                return r;
        if (target.length < 128)
                r = revoke_inside(t, &target);
        else if (i != HASH_INDEX_NONE) {
                end_grant(t, i, GRANT_EVENT_REVOKED, "by hand");
                r = 1;
        }
        /* told even if there was no grant: it may lie in a wider one */
        if (i == HASH_INDEX_NONE)
                t->listener(t->userdata, &event);
        return r;
}

int grant_table_revoke_user(GrantTable *t, Span user, bool block, usec_t now) {
        uint32_t number;
        int r = revocation_table_put_user(t->revocations, user, now, block, keep_until(t, now)), ended = 0;

        if (r < 0)
                return r;
        number = user_table_find(t->users, user);
        /* a shared user has no leases, and a grant may name a user whose lease was not kept */
        for (uint32_t i = 0; number != USER_NONE && i < t->n; i++) {
                Revocation revocation = {t->grants[i].network, now, 0, keep_until(t, now)};

                if (t->grants[i].network.length == FREE_LENGTH || t->grants[i].user != number)
                        continue;
                r = revocation_table_put(t->revocations, &revocation);
                if (r < 0)
                        return r;
                end_grant(t, i, GRANT_EVENT_REVOKED, "its user was revoked by hand");
                ended++;
                number = user_table_find(t->users, user);
        }
        while ((number = user_table_find(t->users, user)) != USER_NONE) {
                uint32_t i = user_table_first_grant(t->users, number);
                Revocation revocation;

                if (i == GRANT_NONE)
                        break;
                revocation = (Revocation){t->grants[i].network, now, 0, keep_until(t, now)};
                r = revocation_table_put(t->revocations, &revocation);
                if (r < 0)
                        return r;
                end_grant(t, i, GRANT_EVENT_REVOKED, "its user was revoked by hand");
                ended++;
        }
        return ended;
}

int grant_table_revoke_all(GrantTable *t, usec_t now) {
        int ended = (int) t->used;

        revocation_table_put_all(t->revocations, now);
        for (uint32_t i = 0; i < t->n; i++)
                if (t->grants[i].network.length != FREE_LENGTH)
                        end_grant(t, i, GRANT_EVENT_REVOKED, "all were revoked by hand");
        return ended;
}

bool grant_table_unblock(GrantTable *t, Span user) {
        return revocation_table_unblock(t->revocations, user);
}

/* ---- time ---- */

static bool on_covered(void *userdata, const IpNetwork *network) {
        return is_covered_by_anything(userdata, network);
}

void grant_table_expire(GrantTable *t, uint64_t now) {
        while (t->used > 0 && due(t, t->heap[0]) <= now) {
                uint32_t i = t->heap[0];

                if (t->grants[i].until <= now)
                        end_grant(t, i, GRANT_EVENT_EXPIRED, NULL);
                else
                        publish(t, i, now, GRANT_EVENT_EXTENDED);
        }
        revocation_table_expire(t->revocations, now, on_covered, t);
}

uint64_t grant_table_next_due(const GrantTable *t) {
        return t->used > 0 ? due(t, t->heap[0]) : UINT64_MAX;
}

/* Without its user (`user_known` is false) a grant can't be judged by Users= again, but it was when it was made. */
static const char *judge_again(const GrantTable *t, const Grant *g, Span user, bool user_known) {
        if (g->manual)
                return policy_refuses_manual(t->policy, &g->network);
        /* whatever is never granted inside it is published only as far as its length is the policy's */
        if (g->network.length < policy_network_of(t->policy, &g->network.addr).length)
                return "its network is wider than what is granted now (IPv6Prefix=, or a network of this "
                       "host)";
        return user_known ? policy_refuses(t->policy, &g->network.addr, user)
                          : policy_refuses_address(t->policy, &g->network.addr);
}

void grant_table_set_policy(GrantTable *t, const Policy *policy, uint64_t now) {
        t->policy = policy;
        for (uint32_t i = 0; i < t->n; i++) {
                Grant *g = &t->grants[i];
                const char *reason;

                if (g->network.length == FREE_LENGTH)
                        continue;
                reason = judge_again(t, g, user_table_name(t->users, g->user), true);
                if (reason) {
                        end_grant(t, i, GRANT_EVENT_REVOKED, reason);
                        continue;
                }
                /* a clock that was set back must not make anything last longer */
                g->last = (uint32_t) MIN((uint64_t) g->last, now);
                if (!g->manual)
                        g->until = MIN(g->until, longest(t, g));
                g->published = publishable(t, g, now);
        }
        build_heap(t);
        grant_table_expire(t, now);
}

/* ---- looking at it ---- */

uint32_t grant_table_count(const GrantTable *t) {
        return t->used;
}

uint32_t grant_table_count_revocations(const GrantTable *t) {
        return revocation_table_count(t->revocations);
}

uint32_t grant_table_count_sessions(const GrantTable *t) {
        return session_table_count(t->sessions);
}

static void view(const GrantTable *t, uint32_t i, GrantView *ret) {
        const Grant *g = &t->grants[i];

        *ret = (GrantView){
                .network = g->network,
                .until = shown_until(g),
                .since = g->since,
                .last = g->last,
                .published = g->published,
                .user = user_table_name(t->users, g->user),
                .service = t->names.items[g->service],
                .pattern = t->names.items[g->pattern],
                .source = t->names.items[g->source],
                .manual = g->manual,
                .sessions = g->sessions.n,
        };
}

uint32_t grant_table_next(const GrantTable *t, uint32_t from, GrantView *ret) {
        for (uint32_t i = from; i < t->n; i++)
                if (t->grants[i].network.length != FREE_LENGTH) {
                        view(t, i, ret);
                        return i;
                }
        return GRANT_NONE;
}

bool grant_table_find(const GrantTable *t, const IpNetwork *network, GrantView *ret) {
        uint32_t i = find(t, network);

        if (i == HASH_INDEX_NONE)
                return false;
        view(t, i, ret);
        return true;
}

bool grant_table_is_covered(const GrantTable *t, const IpNetwork *network) {
        for (uint32_t k = 0; k < t->n_wide; k++) {
                const IpNetwork *wide = &t->grants[t->wide[k]].network;

                if (wide->length < network->length && ip_network_contains(wide, network))
                        return true;
        }
        return false;
}

int grant_table_each_record(const GrantTable *t, uint64_t now,
        int (*each)(void *userdata, const RelayEntry *entry), void *userdata) {
        int r;

        for (uint32_t i = 0; i < t->n; i++) {
                const Grant *g = &t->grants[i];
                RelayEntry entry = {.network = g->network, .verdict = RELAY_ALLOW, .until = g->published};

                if (g->network.length == FREE_LENGTH || g->published <= now)
                        continue;
                entry.how = span_from_string(t->names.items[g->pattern]);
                entry.user = user_table_name(t->users, g->user);
                r = each(userdata, &entry);
                if (r < 0)
                        return r;
        }
        for (uint32_t i = 0; i < revocation_table_count(t->revocations); i++) {
                const IpNetwork *n = &revocation_table_get(t->revocations, i)->network;
                RelayEntry entry = {.network = *n, .verdict = RELAY_NEVER, .how = SPAN_LITERAL("revoked")};

                /* an address that logged in again has a grant in its revocation's place */
                if (find(t, n) != HASH_INDEX_NONE || !is_covered_by_anything(t, n))
                        continue;
                r = each(userdata, &entry);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- state ---- */

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
                find(t, &saved->network) != HASH_INDEX_NONE || t->used >= t->policy->max_grants || refused ||
                revocation_table_refuses(
                        t->revocations, &host, user, (usec_t) saved->last * USEC_PER_SEC, now))
                return true;
        if (add(t, &saved->network, saved->until, &i) < 0)
                return false;
        g = &t->grants[i];
        g->manual = saved->manual;
        g->service = saved->service;
        g->pattern = saved->pattern;
        g->source = saved->source;
        g->since = saved->since;
        /* a clock that was wrong when it was written must not make anything last longer */
        g->last = (uint32_t) MIN((uint64_t) saved->last, now);
        if (!g->manual)
                g->until = (uint32_t) MIN((uint64_t) g->until, now + t->policy->ttl);
        g->published = publishable(t, g, now);
        heap_sift(t, g->heap);
        set_user(t, g, user);
        if (g->manual)
                (void) note_wide(t, i);
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
                numbers[i] = name_number(t, name);
        }
        return true;
}

/* The sessions of a grant that was just put back, or was not: then they are read and forgotten. */
static bool decode_sessions(GrantTable *t, const Grant *saved, ByteReader *r,
        const uint16_t numbers[static NAMES_MAX], uint32_t n_names, uint64_t now) {
        uint32_t n = byte_reader_u32(r), grant = find(t, &saved->network);

        for (uint32_t i = 0; i < n && !r->failed; i++) {
                uint64_t name = byte_reader_u64(r);
                uint32_t pattern = byte_reader_u32(r), source = byte_reader_u32(r),
                         opened = byte_reader_u32(r);

                if (r->failed || pattern >= n_names || source >= n_names)
                        return false;
                if (grant != HASH_INDEX_NONE && t->policy->max_session > 0)
                        (void) session_table_open(t->sessions, name,
                                (SessionScope){numbers[pattern], numbers[source]}, grant,
                                &t->grants[grant].sessions, (uint32_t) MIN((uint64_t) opened, now));
        }
        if (grant != HASH_INDEX_NONE && !t->grants[grant].manual) {
                Grant *g = &t->grants[grant];

                g->until = MIN(saved->until, longest(t, g));
                g->published = publishable(t, g, now);
                heap_sift(t, g->heap);
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
                if (!restore(t, &g, user, judge_again(t, &g, user, true), now / USEC_PER_SEC) ||
                        !decode_sessions(t, &g, &r, numbers, n_names, now / USEC_PER_SEC))
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
        const char *refused;
        uint32_t i;

        if (entry->verdict != RELAY_ALLOW || entry->until == 0)
                return;
        g.pattern = name_number(t, entry->how);
        g.manual = span_equal_string(entry->how, "manual");
        g.last = g.until > t->policy->ttl ? g.until - t->policy->ttl : 0;
        refused = judge_again(t, &g, user, user.size > 0);
        i = find(t, &g.network);
        if (i == HASH_INDEX_NONE) {
                (void) restore(t, &g, user, refused, now);
                return;
        }
        /* the state knew it, but not its latest login */
        if (g.until <= t->grants[i].until || t->grants[i].manual || g.until > now + t->policy->ttl)
                return;
        t->grants[i].until = g.until;
        t->grants[i].last = MAX(t->grants[i].last, g.last);
        t->grants[i].published = publishable(t, &t->grants[i], now);
        heap_sift(t, t->grants[i].heap);
}
