/* SPDX-License-Identifier: Apache-2.0 */
/* The grants: an array of small records, found by network through a hash and by time through a heap.
 *
 * A grant has two ends. `until` is when it is really over. `published` is what the world was told: the same,
 * or up to TTL/16 earlier (so that a client that polls each minute is not published each minute), or much
 * earlier for a grant that lasts longer than TTL (so that a dead daemon leaves nothing open). A grant is due
 * when it is over, or shortly before the world would think so. */

#include "grant/grant-table-internal.h"

#include <errno.h>
#include <stdio.h>

/* From this many users on an address is worth a warning. */
#define CROWD 50
#define WIDE_MAX 10000

int grant_table_new(const Policy *policy, GrantListener listener, void *userdata, GrantTable **ret) {
        _cleanup_(grant_table_freep) GrantTable *t = calloc(1, sizeof(GrantTable));

        if (!t)
                return -ENOMEM;
        t->policy = policy;
        t->listener = listener;
        t->userdata = userdata;
        if (grant_store_init(t) < 0 || session_table_new(&t->sessions) < 0 ||
                revocation_table_new(&t->revocations) < 0 ||
                string_list_add(&t->names, SPAN_LITERAL("")) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(t);
        return 0;
}

GrantTable *grant_table_free(GrantTable *t) {
        if (!t)
                return NULL;
        grant_store_done(t);
        session_table_free(t->sessions);
        revocation_table_free(t->revocations);
        string_list_done(&t->names);
        free(t->wide);
        free(t);
        return NULL;
}

/* The end as people should see it: nobody knows when an open session ends, only how long it is vouched for.
 */
uint32_t grant_table_shown_until(const Grant *g) {
        return !session_list_is_empty(&g->sessions) && !g->manual ? g->published : g->until;
}

static void tell(GrantTable *t, GrantEventType type, uint32_t i, const char *reason) {
        const Grant *g = grant_store_at(t, i);
        GrantEvent event = {
                .type = type,
                .network = grant_store_network(t, g),
                .until = grant_table_shown_until(g),
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

void grant_table_end(GrantTable *t, uint32_t i, GrantEventType type, const char *reason) {
        tell(t, type, i, reason);
        grant_store_remove(t, i);
}

/* What may be told to the world at `now`. A grant of the second of a revocation, but later, bears the next
 * second: what was published must still tell so after a crash. Readers allow for TTL/16. */
uint32_t grant_table_publishable(const GrantTable *t, const Grant *g, uint64_t now) {
        uint64_t known = grant_store_is_unsure(t, g) ? MIN((uint64_t) t->read_to, now) : now,
                 from = t->policy->ttl >= 16 ? MIN(MAX((uint64_t) g->last, known), now + 1) : known;

        return (uint32_t) MIN((uint64_t) g->until, from + t->policy->ttl);
}

void grant_table_publish(GrantTable *t, uint32_t i, uint64_t now, GrantEventType type) {
        Grant *g = grant_store_at(t, i);
        uint32_t vouched = grant_store_is_unsure(t, g) ? MIN(g->published, g->until) : 0;

        g->published = MAX(vouched, grant_table_publishable(t, g, now));
        grant_store_sift(t, g->heap);
        /* whose session is open counts as if he had just logged in: MaxAddressesPerUser= */
        if (!session_list_is_empty(&g->sessions))
                user_table_touch(t->users, &g->leases, (uint32_t) now + t->policy->ttl / 16);
        tell(t, type, i, NULL);
}

static uint32_t alive_from(const GrantTable *t, uint64_t now) {
        return (uint32_t) (now > t->policy->ttl ? now - t->policy->ttl : 0);
}

void grant_table_set_user(GrantTable *t, Grant *g, Span name) {
        if (user_table_is_called(t->users, g->user, name))
                return;
        user_table_unref(t->users, g->user);
        g->user = user_table_intern(t->users, name);
}

/* Counts the login's user at the address. Returns NULL and the user, or why it may not be. To a user who is
 * not the grant's already there is one reference more then. */
static const char *count_user(
        GrantTable *t, uint32_t i, const Login *login, uint64_t now, uint32_t *ret_user) {
        uint32_t user = grant_store_at(t, i)->user;
        bool is_same = user_table_is_called(t->users, user, login->user);
        int r;

        if (!is_same)
                user = user_table_intern(t->users, login->user);

        if (login->user.size == 0 || policy_is_shared_user(t->policy, login->user)) {
                *ret_user = user;
                return NULL;
        }
        if (user == USER_NONE)
                return "its user can't be counted";
        r = user_table_lease(t->users, user, i, (uint32_t) (login->time / USEC_PER_SEC), alive_from(t, now),
                t->policy->max_addresses_per_user);
        if (r >= 0) {
                *ret_user = user;
                return NULL;
        }
        if (!is_same)
                user_table_unref(t->users, user);
        return r == -EDQUOT ? "its user logs in from too many addresses (MaxAddressesPerUser=): a stolen "
                              "password?"
                            : "its user can't be counted";
}

/* Returns true if the address had to be given up. `before` is how many users it had. */
static bool is_overcrowded(GrantTable *t, uint32_t i, uint32_t before, usec_t at, uint64_t now) {
        const Grant *g = grant_store_at(t, i);
        IpNetwork network = grant_store_network(t, g);
        Revocation bar = {network, at, now + BAR_SECONDS, now + BAR_SECONDS, 0};
        uint32_t users = user_table_count_leases(t->users, &g->leases);

        if (users < MIN((uint32_t) CROWD, t->policy->max_users_per_address) ||
                policy_is_many_users(t->policy, &network))
                return false;
        if (users >= t->policy->max_users_per_address) {
                user_table_prune(t->users, i, alive_from(t, now));
                users = user_table_count_leases(t->users, &g->leases);
                if (users >= t->policy->max_users_per_address) {
                        (void) revocation_table_put(t->revocations, &bar);
                        grant_table_end(t, i, GRANT_EVENT_REVOKED,
                                "too many users log in from it (MaxUsersPerAddress=): barred for a day");
                        return true;
                }
        }
        if (users == CROWD && before < CROWD)
                tell(t, GRANT_EVENT_CROWDED, i,
                        "many users log in from it: a proxy that hides its clients?");
        return false;
}

/* Finds the login's grant or makes one that nobody has heard of yet. */
static int find_or_add(GrantTable *t, const IpNetwork *network, uint32_t until, uint64_t now, uint32_t *ret,
        bool *ret_new) {
        uint32_t i = grant_store_find(t, network);

        *ret_new = i == HASH_INDEX_NONE;
        if (!*ret_new) {
                *ret = i;
                return 0;
        }
        if (t->used >= t->policy->max_grants)
                return -ENOSPC;
        if (grant_store_add(t, network, until, ret) < 0)
                return -ENOMEM;
        grant_store_at(t, *ret)->since = (uint32_t) now;
        return 0;
}

/* How long a grant that was not made by hand may last, by what is known of it. */
uint32_t grant_table_longest(const GrantTable *t, const Grant *g) {
        uint32_t until = g->last + t->policy->ttl;

        if (session_list_is_empty(&g->sessions))
                return until;
        return MAX(until, session_table_youngest(t->sessions, &g->sessions) + t->policy->max_session);
}

static uint64_t name_of_session(const GrantTable *t, const Login *login) {
        return session_table_hash(
                t->sessions, strempty(login->pattern), strempty(login->source), login->machine, login->key);
}

static void open_session(GrantTable *t, uint32_t i, const Login *login) {
        Grant *g = grant_store_at(t, i);
        SessionScope scope = {g->pattern, g->source, session_table_machine(t->sessions, login->machine)};
        uint32_t at = (uint32_t) (login->time / USEC_PER_SEC);
        uint64_t name;

        if (login->key.size == 0 || t->policy->max_session == 0 || g->manual)
                return;
        name = name_of_session(t, login);
        if (session_table_open(t->sessions, name, scope, i, &g->sessions, at) >= 0 &&
                !session_list_is_empty(&g->sessions))
                g->until = MAX(g->until, at + t->policy->max_session);
}

/* Some of its sessions have ended at `time` (seconds): TTL= counts from the last of them. */
static void shorten(GrantTable *t, uint32_t i, uint64_t time, uint64_t now) {
        Grant *g = grant_store_at(t, i);

        if (g->manual)
                return;
        /* it was published for that session */
        if (time >= g->last)
                g->unnamed = false;
        g->last = MAX(g->last, (uint32_t) MIN(time, now));
        g->until = MIN(g->until, grant_table_longest(t, g));
        if (g->until <= now)
                /* the world was told a later end, and is to be told again */
                grant_table_end(t, i, GRANT_EVENT_REVOKED, "its last session has ended more than TTL= ago");
        else if (g->published > g->until)
                grant_table_publish(t, i, now, GRANT_EVENT_EXTENDED);
        else
                grant_store_sift(t, g->heap);
}

void grant_table_logout(GrantTable *t, const Login *login, uint64_t now) {
        uint64_t name;
        uint32_t i;

        if (login->key.size == 0)
                return;
        name = name_of_session(t, login);
        i = session_table_find(t->sessions, name);
        if (i == GRANT_NONE)
                session_table_note_end(t->sessions, name, (uint32_t) (login->time / USEC_PER_SEC));
        else if (session_table_close(t->sessions, &grant_store_at(t, i)->sessions, name)) {
                session_table_note_closed(t->sessions, name, (uint32_t) (login->time / USEC_PER_SEC));
                shorten(t, i, login->time / USEC_PER_SEC, now);
        }
}

void grant_table_restart(GrantTable *t, const Login *login, uint64_t now) {
        SessionScope scope = {
                grant_store_name(t, span_from_string(strempty(login->pattern)), 0),
                grant_store_name(t, span_from_string(strempty(login->source)), 0),
                session_table_machine(t->sessions, login->machine),
        };

        for (uint32_t i = 0; session_table_count(t->sessions) > 0 && i < t->n; i++) {
                Grant *g = grant_store_at(t, i);

                if (!grant_store_is_free(g) && session_table_close_scope(t->sessions, &g->sessions, scope,
                                                       login->time / USEC_PER_SEC))
                        shorten(t, i, login->time / USEC_PER_SEC, now);
        }
}

bool grant_table_is_inside_wider(const GrantTable *t, const IpNetwork *network) {

        return policy_is_inside_always(t->policy, network) || grant_table_is_covered(t, network);
}

static const char *refuses(const GrantTable *t, const Login *login, const IpNetwork *host, uint64_t now) {
        const char *reason = policy_refuses(t->policy, &login->address, login->user);
        /* whoever was connected when he was revoked connects anew */
        usec_t begun = login->since > 0 ? MIN(login->since, login->time) : login->time;

        return reason ? reason : revocation_table_refuses(t->revocations, host, login->user, begun, now);
}

/* A user was revoked after a crash and before the log was read again: it may be his login that the grant was
 * published for, unless that was later than the revocation. */
static void end_unnamed(GrantTable *t, const IpNetwork *network, const Login *login, uint64_t now) {
        uint32_t i = grant_store_find(t, network);
        const Grant *g = i == HASH_INDEX_NONE ? NULL : grant_store_at(t, i);

        if (g && g->unnamed && login->time / USEC_PER_SEC <= t->restored_at &&
                revocation_table_refuses_user(
                        t->revocations, login->user, (usec_t) g->last * USEC_PER_SEC, now))
                grant_table_end(t, i, GRANT_EVENT_REVOKED, "its user was revoked by hand");
}

int grant_table_login(GrantTable *t, const Login *login, uint64_t now) {
        IpNetwork network = policy_network_of(t->policy, &login->address),
                  host = ip_network_of(&login->address, 128);
        uint64_t at = login->time / USEC_PER_SEC, until = at + t->policy->ttl;
        const char *reason;
        bool is_new;
        uint32_t i, user, due, users = 0;
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
                        users = user_table_count_leases(t->users, &grant_store_at(t, i)->leases);
                        reason = count_user(t, i, login, now, &user);
                        if (reason && is_new)
                                grant_store_remove(t, i);
                }
        }
        if (reason) {
                end_unnamed(t, &network, login, now);
                tell_refused(t, &network, login, reason);
                return GRANT_REFUSED;
        }
        /* elsewhere it goes on until it is over: an older login may still be read again */
        if (grant_table_is_inside_wider(t, &network))
                revocation_table_remove(t->revocations, &network);
        g = grant_store_at(t, i);
        due = grant_store_due(t, i);
        if (user != g->user) {
                user_table_unref(t->users, g->user);
                g->user = user;
        }
        grant_store_set_service(g, grant_store_service(t, login->service, g->service));
        grant_store_set_source(g, grant_store_name(t, span_from_string(strempty(login->source)), g->source));
        if (!g->manual)
                grant_store_set_pattern(
                        g, grant_store_name(t, span_from_string(strempty(login->pattern)), g->pattern));
        /* kept in whole seconds, it must still be later than a revocation of its own second: after a restart
         * it is judged by that */
        if (revocation_table_refuses(t->revocations, &host, login->user, at * USEC_PER_SEC, now)) {
                at++;
                until++;
        }
        if (at >= g->last) {
                g->unnamed = false;
                /* read again, it is the one that was published */
                if (at <= t->restored_at)
                        g->forgotten = false;
        }
        g->last = MAX(g->last, (uint32_t) at);
        g->until = MAX(g->until, (uint32_t) until);
        open_session(t, i, login);
        if (is_overcrowded(t, i, users, login->time, now))
                return GRANT_REFUSED;
        if (is_new)
                grant_table_publish(t, i, now, GRANT_EVENT_GRANTED);
        else if (grant_table_publishable(t, g, now) > g->published + t->policy->ttl / 16)
                grant_table_publish(t, i, now, GRANT_EVENT_EXTENDED);
        else if (grant_store_due(t, i) != due)
                grant_store_sift(t, g->heap);
        return is_new ? GRANT_NEW : GRANT_EXTENDED;
}

int grant_table_note_wide(GrantTable *t, uint32_t i) {
        uint32_t *more;

        if (grant_store_network(t, grant_store_at(t, i)).length == 128)
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

/* Notes the end of a grant by hand, and that it may be wide. Returns 0, or -errno, and nothing is noted. */
static int note_manual(GrantTable *t, uint32_t i, uint32_t until) {
        uint32_t before = manual_table_get(&t->manual, i);
        int r = manual_table_put(&t->manual, i, until);

        if (r < 0)
                return r;
        r = grant_table_note_wide(t, i);
        if (r >= 0)
                return 0;
        if (before > 0)
                (void) manual_table_put(&t->manual, i, before); /* it has its place */
        else
                manual_table_remove(&t->manual, i);
        return r;
}

int grant_table_add(GrantTable *t, const IpNetwork *network, uint64_t ttl, Span user, usec_t now,
        uint64_t *ret_until, const char **ret_reason) {
        uint64_t second = now / USEC_PER_SEC,
                 until = second + MIN(ttl > 0 ? ttl : t->policy->ttl, UINT64_C(1) << 31);
        bool is_new;
        uint32_t i;
        Grant *g;
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
        if (note_manual(t, i, (uint32_t) MIN(until, UINT32_MAX - 1)) < 0) {
                if (is_new)
                        grant_store_remove(t, i);
                return -ENOMEM;
        }
        revocation_table_remove(t->revocations, network);
        /* as for a login */
        if (revocation_table_refuses(t->revocations, network, user, second * USEC_PER_SEC, second)) {
                second++;
                until++;
        }
        g = grant_store_at(t, i);
        g->manual = true;
        g->unnamed = g->forgotten = false;
        g->until = (uint32_t) MIN(until, UINT32_MAX - 1);
        (void) manual_table_put(&t->manual, i, g->until); /* it has its place */
        g->last = (uint32_t) second;
        grant_store_set_pattern(g, grant_store_name(t, SPAN_LITERAL("manual"), 0));
        if (user.size > 0)
                grant_table_set_user(t, g, user);
        grant_table_publish(t, i, now / USEC_PER_SEC, is_new ? GRANT_EVENT_GRANTED : GRANT_EVENT_EXTENDED);
        *ret_until = g->until;
        return 0;
}

/* ---- time ---- */

static bool on_covered(void *userdata, const IpNetwork *network) {
        return grant_table_is_inside_wider(userdata, network);
}

void grant_table_expect_more(GrantTable *t) {
        t->behind = true;
}

/* A line that has not come by now has gone, or can't be believed a second time. What was published for an
 * open session has a later end than its line says. */
static void forget_unnamed(GrantTable *t, usec_t now) {
        int error = 0; /* what can't be noted ends all the same */

        for (uint32_t i = 0; i < t->n; i++) {
                Grant *g = grant_store_at(t, i);

                if (grant_store_is_free(g) || !g->unnamed)
                        continue;
                g->unnamed = session_list_is_empty(&g->sessions) ||
                             g->until > session_table_youngest(t->sessions, &g->sessions) +
                                                t->policy->max_session;
                if (!g->unnamed)
                        continue;
                g->forgotten = true;
                t->forgotten_until = MAX(t->forgotten_until, g->until);
                /* it can't be told any more that it was not his */
                if ((usec_t) g->last * USEC_PER_SEC <= t->user_revoked_at)
                        grant_table_end_forgotten(t, i, now, &error);
        }
        t->user_revoked_at = 0;
}

void grant_table_note_read(GrantTable *t, uint64_t now) {
        t->read_to = (uint32_t) now;
        if (!t->behind)
                return;
        t->behind = false;
        forget_unnamed(t, now * USEC_PER_SEC);
        grant_store_sift_all(t);
        for (uint32_t i = 0; session_table_count(t->sessions) > 0 && i < t->n; i++) {
                const Grant *g = grant_store_at(t, i);

                if (!grant_store_is_free(g) &&
                        grant_table_publishable(t, g, now) > g->published + t->policy->ttl / 16)
                        grant_table_publish(t, i, now, GRANT_EVENT_EXTENDED);
        }
}

void grant_table_expire(GrantTable *t, uint64_t now) {
        while (t->used > 0 && grant_store_due(t, grant_store_first(t)) <= now) {
                uint32_t i = grant_store_first(t);

                if (grant_store_at(t, i)->until <= now)
                        grant_table_end(t, i, GRANT_EVENT_EXPIRED, NULL);
                else
                        grant_table_publish(t, i, now, GRANT_EVENT_EXTENDED);
        }
        revocation_table_expire(t->revocations, now, on_covered, t);
}

uint64_t grant_table_next_due(const GrantTable *t) {
        return t->used > 0 ? grant_store_due(t, grant_store_first(t)) : UINT64_MAX;
}

const char *grant_table_judge_again(
        const GrantTable *t, const IpNetwork *network, bool manual, bool unnamed, Span user) {
        if (manual)
                return policy_refuses_manual(t->policy, network);
        /* whatever is never granted inside it is published only as far as its length is the policy's */
        if (network->length < policy_network_of(t->policy, &network->addr).length)
                return "its network is wider than what is granted now (IPv6Prefix=, or a network of this "
                       "host)";
        if (unnamed && policy_is_by_user(t->policy))
                return "since a crash its user is not known, and Users= or DenyUsers= is set";
        return policy_refuses(t->policy, &network->addr, user);
}

void grant_table_bound(GrantTable *t, uint32_t i, uint64_t now) {
        Grant *g = grant_store_at(t, i);
        uint32_t ahead, manual_until;

        if (g->last <= now + 1) /* one ahead is grant_table_login()'s doing */
                return;
        ahead = g->last - (uint32_t) now;
        manual_until = manual_table_get(&t->manual, i);
        if (manual_until > 0) /* so it is there, and there is nothing to fail */
                (void) manual_table_put(&t->manual, i, manual_until - MIN(manual_until, ahead));
        g->last = (uint32_t) now;
}

void grant_table_fall_back(GrantTable *t, uint32_t i) {
        Grant *g = grant_store_at(t, i);

        g->until = manual_table_get(&t->manual, i);
        g->unnamed = g->forgotten = false;
        grant_table_set_user(t, g, SPAN_NONE);
}

void grant_table_note_ended(GrantTable *t, uint32_t last, uint64_t now) {
        if (last > now)
                t->ended_ahead = (uint32_t) now + 1;
}

/* Whose login has made a grant by hand longer may no longer log in there. */
static void judge_longer(GrantTable *t, uint32_t i) {
        Grant *g = grant_store_at(t, i);
        IpNetwork network = grant_store_network(t, g);

        if (g->until <= manual_table_get(&t->manual, i) ||
                !grant_table_judge_again(t, &network, false, g->unnamed, user_table_name(t->users, g->user)))
                return;
        grant_table_fall_back(t, i);
}

void grant_table_set_policy(GrantTable *t, const Policy *policy, uint64_t now) {
        t->policy = policy;
        for (uint32_t i = 0; i < t->n; i++) {
                Grant *g = grant_store_at(t, i);
                const char *reason;
                IpNetwork network;

                if (grant_store_is_free(g))
                        continue;
                network = grant_store_network(t, g);
                reason = grant_table_judge_again(
                        t, &network, g->manual, g->unnamed, user_table_name(t->users, g->user));
                if (reason) {
                        grant_table_note_ended(t, g->last, now);
                        grant_table_end(t, i, GRANT_EVENT_REVOKED, reason);
                        continue;
                }
                if (g->manual)
                        judge_longer(t, i);
                grant_table_bound(t, i, now);
                g->until = MIN(g->until, grant_table_longest(t, g));
                if (g->manual)
                        g->until = MAX(g->until, manual_table_get(&t->manual, i));
                g->published = grant_table_publishable(t, g, now);
        }
        grant_store_sift_all(t);
        grant_table_expire(t, now);
}
