/* SPDX-License-Identifier: Apache-2.0 */
/* The grants as others see them: one by one, and as the records that are published. */

#include "grant/grant-table-internal.h"

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
        const Grant *g = grant_store_at(t, i);

        *ret = (GrantView){
                .network = grant_store_network(t, g),
                .until = grant_table_shown_until(g),
                .since = g->since,
                .last = g->last,
                .published = g->published,
                .user = user_table_name(t->users, g->user),
                .service = t->names.items[g->service],
                .pattern = t->names.items[g->pattern],
                .source = t->names.items[g->source],
                .manual = g->manual,
                .sessions = session_table_count_list(t->sessions, &g->sessions),
        };
}

uint32_t grant_table_next(const GrantTable *t, uint32_t from, GrantView *ret) {
        for (uint32_t i = from; i < t->n; i++)
                if (!grant_store_is_free(grant_store_at(t, i))) {
                        view(t, i, ret);
                        return i;
                }
        return GRANT_NONE;
}

bool grant_table_find(const GrantTable *t, const IpNetwork *network, GrantView *ret) {
        uint32_t i = grant_store_find(t, network);

        if (i == HASH_INDEX_NONE)
                return false;
        view(t, i, ret);
        return true;
}

bool grant_table_is_covered(const GrantTable *t, const IpNetwork *network) {
        for (uint32_t k = 0; k < t->n_wide; k++) {
                IpNetwork wide = grant_store_network(t, grant_store_at(t, t->wide[k]));

                if (wide.length < network->length && ip_network_contains(&wide, network))
                        return true;
        }
        return false;
}

/* True if the network was revoked and would be allowed by something wider. */
static bool is_barred(const GrantTable *t, const IpNetwork *network) {
        return revocation_table_has(t->revocations, network) && grant_table_is_inside_wider(t, network);
}

bool grant_table_record_of(const GrantTable *t, const GrantEvent *event, RelayEntry *ret) {
        RelayEntry barred = {
                .network = event->network, .verdict = RELAY_NEVER, .how = SPAN_LITERAL("revoked")};

        /* a record of the policy stands there already, and for longer */
        if (policy_is_static(t->policy, &event->network))
                return false;
        switch (event->type) {
        case GRANT_EVENT_GRANTED:
        case GRANT_EVENT_EXTENDED:
                *ret = (RelayEntry){
                        .network = event->network,
                        .verdict = RELAY_ALLOW,
                        .until = event->published,
                        .how = span_from_string(event->pattern),
                        .user = event->user,
                };
                return true;
        case GRANT_EVENT_EXPIRED:
                /* it was revoked once, and what is wider came later than the login that overcame that */
                *ret = barred;
                return is_barred(t, &event->network);
        case GRANT_EVENT_REVOKED:
                *ret = barred;
                /* a grant that ended with a wider network, or by a rule, has no revocation of its own */
                if (!is_barred(t, &event->network))
                        ret->verdict = RELAY_REVOKED;
                return true;
        default:
                return false;
        }
}

bool grant_table_has_left_records(const GrantEvent *event) {
        return (event->type == GRANT_EVENT_REVOKED || event->type == GRANT_EVENT_EXPIRED) &&
               event->network.length < 128 && streq(event->pattern, "manual");
}

int grant_table_each_record(const GrantTable *t, uint64_t now,
        int (*each)(void *userdata, const RelayEntry *entry), void *userdata) {
        int r;

        for (uint32_t i = 0; i < t->n; i++) {
                const Grant *g = grant_store_at(t, i);
                RelayEntry entry = {.verdict = RELAY_ALLOW, .until = g->published};

                if (grant_store_is_free(g) || g->published <= now)
                        continue;
                entry.network = grant_store_network(t, g);
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
                if (grant_store_find(t, n) != HASH_INDEX_NONE || !is_barred(t, n))
                        continue;
                r = each(userdata, &entry);
                if (r < 0)
                        return r;
        }
        return 0;
}
