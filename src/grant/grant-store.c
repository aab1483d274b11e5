/* SPDX-License-Identifier: Apache-2.0 */
/* Where grants are kept: an array of small records whose numbers stay as long as they do, a hash that finds
 * one by its network, and a heap that knows which is due first. What a grant means is grant-table.c's
 * business. */

#include "grant/grant-table-internal.h"

#include <errno.h>

static uint16_t find_or_add_name(GrantTable *t, Span name, size_t max) {
        for (size_t i = 0; i < t->names.n; i++)
                if (span_equal_string(name, t->names.items[i]))
                        return (uint16_t) i;
        if (t->names.n >= max || string_list_add(&t->names, name) < 0)
                return 0;
        return (uint16_t) (t->names.n - 1);
}

uint16_t grant_store_name(GrantTable *t, Span name) {
        return find_or_add_name(t, name, NAMES_MAX);
}

uint16_t grant_store_service(GrantTable *t, Span name) {
        return find_or_add_name(t, name, NAMES_WITH_SERVICES_MAX);
}

/* ---- the heap ---- */

uint32_t grant_store_due(const GrantTable *t, uint32_t i) {
        const Grant *g = &t->grants[i];
        uint32_t ttl = t->policy->ttl;
        /* time enough to write it, also where TTL= is a few seconds; never as long as TTL= itself */
        uint32_t early = MAX(ttl / 32, MIN(2U, ttl / 2));

        return g->published < g->until ? g->published - MIN(early, g->published) : g->until;
}

static void heap_set(GrantTable *t, uint32_t place, uint32_t grant) {
        t->heap[place] = grant;
        t->grants[grant].heap = place;
}

/* Moves the grant at this place to where its due time belongs. */
void grant_store_sift(GrantTable *t, uint32_t place) {
        uint32_t grant = t->heap[place], when = grant_store_due(t, grant);

        while (place > 0 && grant_store_due(t, t->heap[(place - 1) / 2]) > when) {
                heap_set(t, place, t->heap[(place - 1) / 2]);
                place = (place - 1) / 2;
        }
        for (;;) {
                uint32_t child = place * 2 + 1;

                if (child >= t->used)
                        break;
                if (child + 1 < t->used &&
                        grant_store_due(t, t->heap[child + 1]) < grant_store_due(t, t->heap[child]))
                        child++;
                if (grant_store_due(t, t->heap[child]) >= when)
                        break;
                heap_set(t, place, t->heap[child]);
                place = child;
        }
        heap_set(t, place, grant);
}

/* Orders the heap anew, when everything may be due at another time than before. */
void grant_store_sift_all(GrantTable *t) {
        uint32_t n = t->used;

        for (t->used = 1; t->used <= n; t->used++)
                grant_store_sift(t, t->used - 1);
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

uint32_t grant_store_find(const GrantTable *t, const IpNetwork *n) {
        return hash_index_find(&t->index, key_of(n), grant_equal, t->grants);
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

int grant_store_add(GrantTable *t, const IpNetwork *network, uint32_t until, uint32_t *ret) {
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
        t->lengths[ip_network_is_v4(network)][network->length]++;
        heap_set(t, t->used, i);
        t->used++;
        grant_store_sift(t, t->used - 1);
        *ret = i;
        return 0;
}

void grant_store_remove(GrantTable *t, uint32_t i) {
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
        t->lengths[ip_network_is_v4(&g->network)][g->network.length]--;
        t->used--;
        if (place < t->used) {
                heap_set(t, place, t->heap[t->used]);
                grant_store_sift(t, place);
        }
        g->network.length = FREE_LENGTH;
        g->heap = t->free;
        t->free = i;
}
