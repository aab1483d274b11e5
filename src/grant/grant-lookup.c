/* SPDX-License-Identifier: Apache-2.0 */
/* May an address relay: what the published files say, said from memory. The records are those that
 * policy_each_static() and grant_table_each_record() give to the publisher, and they are gone through as
 * cdb/relay-lookup.c does: the longest first. A never-network of the policy is taken into account even where
 * it needs no record because nothing wider is allowed; that changes no answer. */

#include "grant/grant-table-internal.h"

static bool set_has(const NetworkSet *s, const IpNetwork *n) {
        return (ip_network_is_v4(n) ? s->v4 : s->v6)[n->length] && network_set_has(s, n);
}

/* What is published of this very network at `now`. Returns false when that is nothing. */
static bool find_record(const GrantTable *t, const IpNetwork *network, uint64_t now, RelayEntry *ret) {
        const Policy *p = t->policy;
        const Grant *g;
        uint32_t i;

        *ret = (RelayEntry){.network = *network, .verdict = RELAY_NEVER};
        if (set_has(&p->never, network) || set_has(&p->host, network))
                return true;
        if (set_has(&p->always, network)) {
                ret->verdict = RELAY_ALLOW;
                ret->how = SPAN_LITERAL("always");
                return true;
        }
        i = grant_store_find(t, network);
        if (i == HASH_INDEX_NONE)
                return revocation_table_has(t->revocations, network) &&
                       grant_table_is_inside_wider(t, network);
        g = grant_store_at(t, i);
        if (g->published <= now)
                return false;
        ret->verdict = RELAY_ALLOW;
        ret->until = g->published;
        ret->how = span_from_string(t->names.items[g->pattern]);
        ret->user = user_table_name(t->users, g->user);
        return true;
}

/* Whether there can be a record of this length. */
static bool has_length(const GrantTable *t, bool v4, unsigned length) {
        const Policy *p = t->policy;

        if (t->lengths[v4][length] > 0 || revocation_table_has_length(t->revocations, v4, length))
                return true;
        return v4 ? p->never.v4[length] || p->host.v4[length] || p->always.v4[length]
                  : p->never.v6[length] || p->host.v6[length] || p->always.v6[length];
}

bool grant_table_allows(const GrantTable *t, const IpAddr *address, uint64_t now, RelayEntry *ret) {
        bool v4 = ip_addr_is_v4(address);

        for (unsigned length = 128 + 1; length-- > (v4 ? 96u : 0u);) {
                IpNetwork network;
                RelayEntry entry;

                if (!has_length(t, v4, length))
                        continue;
                network = ip_network_of(address, length);
                if (!find_record(t, &network, now, &entry))
                        continue;
                /* further ahead than any grant may be: the clock was set back */
                if (entry.verdict != RELAY_ALLOW ||
                        (entry.until != 0 && entry.until - now > t->policy->ttl + t->policy->ttl / 16))
                        return false;
                *ret = entry;
                return true;
        }
        return false;
}
