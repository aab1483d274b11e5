/* SPDX-License-Identifier: Apache-2.0 */
/* Where grants are kept: an array of small records whose numbers stay as long as they do, a hash that finds
 * one by its network, and a heap that knows which is due first. Addresses of IPv6, of which there are fewer,
 * have an array of their own. What a grant means is grant-table.c's business. */

#include "grant/grant-table-internal.h"

#include <errno.h>

static uint16_t find_or_add_name(GrantTable *t, Span name, uint32_t likely, size_t max) {
        if (likely > 0 && span_equal_string(name, t->names.items[likely]))
                return (uint16_t) likely;
        for (size_t i = 0; i < t->names.n; i++)
                if (span_equal_string(name, t->names.items[i]))
                        return (uint16_t) i;
        if (t->names.n >= max || string_list_add(&t->names, name) < 0)
                return 0;
        return (uint16_t) (t->names.n - 1);
}

uint16_t grant_store_name(GrantTable *t, Span name, uint32_t likely) {
        return find_or_add_name(t, name, likely, NAMES_MAX);
}

uint16_t grant_store_service(GrantTable *t, Span name, uint32_t likely) {
        return find_or_add_name(t, name, likely, NAMES_WITH_SERVICES_MAX);
}

void grant_store_set_service(Grant *g, uint16_t name) {
        /* one that is a pattern's name, too, may have a number that there are no bits for */
        g->service = name < NAMES_WITH_SERVICES_MAX ? name & (NAMES_WITH_SERVICES_MAX - 1u) : 0;
}

void grant_store_set_pattern(Grant *g, uint16_t name) {
        g->pattern = name & (NAMES_MAX - 1u);
}

void grant_store_set_source(Grant *g, uint16_t name) {
        g->source = name & (NAMES_MAX - 1u);
}

/* ---- the heap ---- */

bool grant_store_is_unsure(const GrantTable *t, const Grant *g) {
        return t->behind && !g->manual && !session_list_is_empty(&g->sessions);
}

uint32_t grant_store_due(const GrantTable *t, uint32_t i) {
        const Grant *g = grant_store_at(t, i);
        uint32_t ttl = t->policy->ttl;
        /* time enough to write it, also where TTL= is a few seconds; never as long as TTL= itself */
        uint32_t early = MAX(ttl / 32, MIN(2U, ttl / 2));

        return g->published < g->until && !grant_store_is_unsure(t, g)
                       ? g->published - MIN(early, g->published)
                       : g->until;
}

static uint32_t *heap_at(const GrantTable *t, uint32_t place) {
        return chunk_array_at(&t->heap, place);
}

static void heap_set(GrantTable *t, uint32_t place, uint32_t grant) {
        *heap_at(t, place) = grant;
        grant_store_at(t, grant)->heap = place;
}

static uint32_t due_at(const GrantTable *t, uint32_t place) {
        return grant_store_due(t, *heap_at(t, place));
}

uint32_t grant_store_first(const GrantTable *t) {
        return *heap_at(t, 0);
}

/* Moves the grant at this place to where its due time belongs. */
void grant_store_sift(GrantTable *t, uint32_t place) {
        uint32_t grant = *heap_at(t, place), when = grant_store_due(t, grant), before = place;

        while (place > 0 && due_at(t, (place - 1) / 2) > when) {
                heap_set(t, place, *heap_at(t, (place - 1) / 2));
                place = (place - 1) / 2;
        }
        for (;;) {
                uint32_t child = place * 2 + 1;

                if (child >= t->used)
                        break;
                if (child + 1 < t->used && due_at(t, child + 1) < due_at(t, child))
                        child++;
                if (due_at(t, child) >= when)
                        break;
                heap_set(t, place, *heap_at(t, child));
                place = child;
        }
        if (place != before)
                heap_set(t, place, grant);
}

/* Orders the heap anew, when everything may be due at another time than before. */
void grant_store_sift_all(GrantTable *t) {
        uint32_t n = t->used;

        for (t->used = 1; t->used <= n; t->used++)
                grant_store_sift(t, t->used - 1);
        t->used = n;
}

/* ---- networks ---- */

/* What a grant's length says: up to 128 it is one of IPv6, behind that come those of IPv4. */
#define LENGTH_V4 129
#define LENGTH_FREE 255

static IpAddr *address_at(const GrantTable *t, uint32_t i) {
        return chunk_array_at(&t->addresses, i);
}

static int add_address(GrantTable *t, const IpAddr *address, uint32_t *ret) {
        uint32_t i = t->free_address;

        if (i != NONE)
                memcpy(&t->free_address, address_at(t, i), sizeof(uint32_t));
        else {
                if (chunk_array_reserve(&t->addresses, t->n_addresses + 1) < 0)
                        return -ENOMEM;
                i = t->n_addresses++;
        }
        *address_at(t, i) = *address;
        *ret = i;
        return 0;
}

static uint8_t length_of(const IpNetwork *n) {
        return (uint8_t) (ip_network_is_v4(n) ? LENGTH_V4 + n->length - 96 : n->length);
}

static int set_network(GrantTable *t, Grant *g, const IpNetwork *network) {
        g->leases.length = length_of(network);
        if (g->leases.length < LENGTH_V4)
                return add_address(t, &network->addr, &g->address);
        memcpy(&g->address, network->addr.bytes + 12, sizeof(g->address));
        return 0;
}

/* The grant is free now. */
static void unset_network(GrantTable *t, Grant *g) {
        if (g->leases.length < LENGTH_V4) {
                memcpy(address_at(t, g->address), &t->free_address, sizeof(uint32_t));
                t->free_address = g->address;
        }
        g->leases.length = LENGTH_FREE;
}

bool grant_store_is_free(const Grant *g) {
        return g->leases.length == LENGTH_FREE;
}

IpNetwork grant_store_network(const GrantTable *t, const Grant *g) {
        IpNetwork n = {.addr = {{[10] = 0xff, 0xff}}};

        if (g->leases.length < LENGTH_V4)
                return (IpNetwork){*address_at(t, g->address), g->leases.length};
        memcpy(n.addr.bytes + 12, &g->address, sizeof(g->address));
        n.length = (uint8_t) (96 + g->leases.length - LENGTH_V4);
        return n;
}

/* ---- grants ---- */

static_assert(sizeof(IpNetwork) == 17, "its bytes are hashed, so it must have no padding");

static Span on_key(const void *items, uint32_t number, char buf[static HASH_CHAIN_KEY_BYTES]) {
        IpNetwork network = grant_store_network(items, grant_store_at(items, number));

        memcpy(buf, &network, sizeof(network));
        return span_make(buf, sizeof(network));
}

static bool on_equal(const void *items, uint32_t number, Span key) {
        const IpNetwork *network = (const IpNetwork *) (const void *) key.data;
        const Grant *g = grant_store_at(items, number);

        if (g->leases.length != length_of(network))
                return false;
        if (g->leases.length < LENGTH_V4)
                return ip_addr_equal(address_at(items, g->address), &network->addr);
        return memcmp(&g->address, network->addr.bytes + 12, sizeof(g->address)) == 0;
}

static uint32_t *on_link(const void *items, uint32_t number) {
        return &grant_store_at(items, number)->link;
}

static const HashChainOps by_network_ops = {on_key, on_equal, on_link, 1};

static LeaseList *list_of(const void *userdata, uint32_t grant) {
        return &grant_store_at(userdata, grant)->leases;
}

int grant_store_init(GrantTable *t) {
        t->grants = CHUNK_ARRAY_INIT(Grant);
        t->addresses = CHUNK_ARRAY_INIT(IpAddr);
        t->heap = CHUNK_ARRAY_INIT(uint32_t);
        t->by_network = HASH_CHAIN_INIT(&by_network_ops);
        t->free = t->free_address = NONE;
        return user_table_new(list_of, t, &t->users);
}

void grant_store_done(GrantTable *t) {
        user_table_free(t->users);
        manual_table_done(&t->manual);
        hash_chain_done(&t->by_network);
        chunk_array_done(&t->heap);
        chunk_array_done(&t->addresses);
        chunk_array_done(&t->grants);
}

uint32_t grant_store_find(const GrantTable *t, const IpNetwork *n) {
        return hash_chain_find(&t->by_network, t, span_make((const char *) n, sizeof(IpNetwork)));
}

void grant_store_reserve(GrantTable *t, uint32_t grants) {
        (void) hash_chain_reserve(&t->by_network, grants);
        user_table_reserve(t->users, grants);
}

/* Leases tell grants from others by the highest bit. */
#define GRANTS_MAX (UINT32_C(1) << 31)

int grant_store_add(GrantTable *t, const IpNetwork *network, uint32_t until, uint32_t *ret) {
        uint32_t i = t->free != NONE ? t->free : t->n, next_free;
        Grant *g;
        int r;

        if (i >= GRANTS_MAX || chunk_array_reserve(&t->grants, i + 1) < 0 ||
                chunk_array_reserve(&t->heap, t->used + 1) < 0)
                return -ENOMEM;
        g = grant_store_at(t, i);
        next_free = i < t->n ? g->heap : NONE;
        *g = (Grant){
                .user = USER_NONE,
                .until = until,
                .published = until,
                .leases = LEASE_LIST_INIT,
                .sessions = SESSION_LIST_INIT,
                .heap = next_free,
        };
        r = set_network(t, g, network);
        if (r >= 0) {
                r = hash_chain_add(&t->by_network, t, i);
                if (r < 0)
                        unset_network(t, g);
        }
        if (r < 0) {
                g->leases.length = LENGTH_FREE;
                return r;
        }
        if (i == t->n)
                t->n++;
        else
                t->free = next_free;
        t->lengths[ip_network_is_v4(network)][network->length]++;
        heap_set(t, t->used, i);
        t->used++;
        grant_store_sift(t, t->used - 1);
        *ret = i;
        return 0;
}

void grant_store_remove(GrantTable *t, uint32_t i) {
        Grant *g = grant_store_at(t, i);
        IpNetwork network = grant_store_network(t, g);
        uint32_t place = g->heap;

        hash_chain_remove(&t->by_network, t, i);
        user_table_release(t->users, i);
        session_table_close_all(t->sessions, &g->sessions);
        user_table_unref(t->users, g->user);
        for (uint32_t k = 0; g->manual && k < t->n_wide; k++)
                if (t->wide[k] == i) {
                        t->wide[k] = t->wide[--t->n_wide];
                        break;
                }
        if (g->manual)
                manual_table_remove(&t->manual, i);
        t->lengths[ip_network_is_v4(&network)][network.length]--;
        t->used--;
        if (place < t->used) {
                heap_set(t, place, *heap_at(t, t->used));
                grant_store_sift(t, place);
        }
        unset_network(t, g);
        g->heap = t->free;
        t->free = i;
}
