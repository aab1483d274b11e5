/* SPDX-License-Identifier: Apache-2.0 */
/* Taking grants away: by network, by user, all. What was taken is noted before it ends, so that no login
 * from before brings it back. */

#include "grant/grant-table-internal.h"

#include <errno.h>

/* At least: a line older than TTL= is stale anyway, but TTL= may be set longer later. */
#define KEEP_SECONDS (24 * 3600)

static uint64_t keep_until(const GrantTable *t, uint64_t now) {
        return now + MAX(t->policy->ttl, (uint32_t) KEEP_SECONDS);
}

/* A grant of this second can bear the next one, see grant_table_login(). Once it is taken away it must not
 * come back from the state as a later one: then the revocation bears it, too. */
static usec_t bear(uint32_t last, usec_t now) {
        usec_t at = (usec_t) last * USEC_PER_SEC;

        return at > now && at <= now + USEC_PER_SEC ? at : now;
}

/* Of a grant, or of what has ended (NULL). */
static usec_t revocation_time(const GrantTable *t, const Grant *g, usec_t now) {
        return MAX(bear(t->ended_ahead, now), g ? bear(g->last, now) : 0);
}

/* True if there is a grant of this number, and it lies in the network (NULL: any). */
static bool is_inside(const GrantTable *t, uint32_t i, const IpNetwork *network) {
        const Grant *g = grant_store_at(t, i);
        IpNetwork own;

        if (grant_store_is_free(g))
                return false;
        own = grant_store_network(t, g);
        return !network || ip_network_contains(network, &own);
}

/* Of all grants of a network, or of all (NULL). */
static usec_t revocation_time_inside(const GrantTable *t, const IpNetwork *network, usec_t now) {
        usec_t at = revocation_time(t, NULL, now);

        for (uint32_t i = 0; i < t->n; i++)
                if (is_inside(t, i, network))
                        at = MAX(at, bear(grant_store_at(t, i)->last, now));
        return at;
}

void grant_table_take_away(GrantTable *t, uint32_t i, const char *reason, usec_t now, int *error) {
        const Grant *g = grant_store_at(t, i);
        Revocation revocation = {grant_store_network(t, g), revocation_time(t, g, now), 0,
                keep_until(t, now / USEC_PER_SEC), 0};
        int r = revocation_table_put(t->revocations, &revocation);

        if (r < 0)
                *error = r;
        grant_table_end(t, i, GRANT_EVENT_REVOKED, reason);
}

static int revoke_inside(GrantTable *t, const IpNetwork *network) {
        int ended = 0;

        for (uint32_t i = 0; i < t->n; i++)
                if (is_inside(t, i, network)) {
                        grant_table_end(t, i, GRANT_EVENT_REVOKED, "by hand");
                        ended++;
                }
        return ended;
}

int grant_table_revoke(GrantTable *t, const IpNetwork *network, usec_t now) {
        /* an IPv6 client, or a part of its prefix, stands for the prefix that was granted */
        IpNetwork own = policy_network_of(t->policy, &network->addr);
        IpNetwork target = network->length > own.length ? own : *network;
        Revocation revocation = {target, 0, 0, keep_until(t, now / USEC_PER_SEC), 0};
        uint32_t i = grant_store_find(t, &target);
        GrantEvent event = {
                .type = GRANT_EVENT_REVOKED,
                .network = target,
                .service = "",
                .pattern = "",
                .source = "",
                .reason = "by hand",
        };
        int r, ended = 0;

        if (target.length < 128)
                revocation.at = revocation_time_inside(t, &target, now);
        else
                revocation.at = revocation_time(t, i == HASH_INDEX_NONE ? NULL : grant_store_at(t, i), now);
        /* if it can't be noted, what there is ends all the same */
        r = revocation_table_put(t->revocations, &revocation);
        if (target.length < 128)
                ended = revoke_inside(t, &target);
        else if (i != HASH_INDEX_NONE) {
                grant_table_end(t, i, GRANT_EVENT_REVOKED, "by hand");
                ended = 1;
        }
        /* told even if there was no grant: it may lie in a wider one */
        if (i == HASH_INDEX_NONE)
                t->listener(t->userdata, &event);
        return r < 0 ? r : ended;
}

void grant_table_end_forgotten(GrantTable *t, uint32_t i, usec_t now, int *error) {
        if (manual_table_get(&t->manual, i) > now / USEC_PER_SEC) {
                grant_table_fall_back(t, i);
                grant_table_publish(t, i, now / USEC_PER_SEC, GRANT_EVENT_EXTENDED);
        } else
                grant_table_take_away(t, i,
                        "a user was revoked by hand, and since a crash its own is not known", now, error);
}

/* Ends the grants whose last login was the user's, and those that may be. Returns how many. */
static int revoke_named(GrantTable *t, Span user, usec_t now, int *error) {
        uint32_t number = user_table_find(t->users, user);
        bool forgotten = now / USEC_PER_SEC < t->forgotten_until;
        int ended = 0;

        for (uint32_t i = 0; (number != USER_NONE || forgotten) && i < t->n; i++) {
                const Grant *g = grant_store_at(t, i);

                if (grant_store_is_free(g))
                        continue;
                if (number != USER_NONE && g->user == number)
                        grant_table_take_away(t, i, "its user was revoked by hand", now, error);
                else if (forgotten && g->forgotten)
                        grant_table_end_forgotten(t, i, now, error);
                else
                        continue;
                ended++;
                number = user_table_find(t->users, user);
        }
        return ended;
}

int grant_table_revoke_user(GrantTable *t, Span user, bool block, usec_t now) {
        uint32_t number, i;
        int r = revocation_table_put_user(t->revocations, user, revocation_time(t, NULL, now), block,
                    keep_until(t, now / USEC_PER_SEC)),
            ended;

        if (r == -EINVAL)
                return r;
        if (t->behind)
                t->user_revoked_at = now;
        /* a shared user has no leases, and a grant may name a user whose lease was not kept */
        ended = revoke_named(t, user, now, &r);
        while ((number = user_table_find(t->users, user)) != USER_NONE &&
                (i = user_table_first_grant(t->users, number)) != GRANT_NONE) {
                grant_table_take_away(t, i, "its user was revoked by hand", now, &r);
                ended++;
        }
        return r < 0 ? r : ended;
}

int grant_table_revoke_all(GrantTable *t, usec_t now) {
        int ended = (int) t->used;

        revocation_table_put_all(t->revocations, revocation_time_inside(t, NULL, now));
        for (uint32_t i = 0; i < t->n; i++)
                if (is_inside(t, i, NULL))
                        grant_table_end(t, i, GRANT_EVENT_REVOKED, "all were revoked by hand");
        return ended;
}

bool grant_table_unblock(GrantTable *t, Span user) {
        return revocation_table_unblock(t->revocations, user);
}

bool grant_table_clock_set(GrantTable *t, uint64_t now, bool stepped) {
        return revocation_table_clock_set(t->revocations, now, stepped, keep_until(t, now));
}
