/* SPDX-License-Identifier: Apache-2.0 */
/* A set of networks: one hash look-up for each length that occurs, however many networks there are; a few
 * are looked through, which is faster. */

#include "model/network-set.h"

#include <errno.h>

/* Up to here a look through all takes less than one hash of a key. */
#define FEW 16

static Span key_of(const IpNetwork *n) {
        return span_make((const char *) n, sizeof(IpNetwork));
}

static bool network_equal(const void *items, uint32_t index, Span key) {
        return ip_network_equal(
                (const IpNetwork *) items + index, (const IpNetwork *) (const void *) key.data);
}

bool network_set_has(const NetworkSet *s, const IpNetwork *n) {
        if (s->n <= FEW) {
                for (uint32_t i = 0; i < s->n; i++)
                        if (ip_network_equal(&s->items[i], n))
                                return true;
                return false;
        }
        return hash_index_find(&s->index, key_of(n), network_equal, s->items) != HASH_INDEX_NONE;
}

int network_set_add(NetworkSet *s, const IpNetwork *n) {
        IpNetwork *more;

        if (network_set_has(s, n))
                return 0;
        more = realloc(s->items, (s->n + 1) * sizeof(IpNetwork));
        if (!more)
                return -ENOMEM;
        s->items = more;
        if (hash_index_add(&s->index, key_of(n), s->n) < 0)
                return -ENOMEM;
        s->items[s->n++] = *n;
        (ip_network_is_v4(n) ? s->v4 : s->v6)[n->length] = true;
        return 0;
}

void network_set_done(NetworkSet *s) {
        free(s->items);
        hash_index_done(&s->index);
        *s = (NetworkSet){0};
}

static int longest_of_few(const NetworkSet *s, const IpNetwork *n) {
        int longest = -1;

        for (uint32_t i = 0; i < s->n; i++)
                if (s->items[i].length > longest && ip_network_contains(&s->items[i], n))
                        longest = s->items[i].length;
        return longest;
}

int network_set_longest(const NetworkSet *s, const IpNetwork *n) {
        const bool *lengths = ip_network_is_v4(n) ? s->v4 : s->v6;

        if (s->n <= FEW)
                return longest_of_few(s, n);
        for (int length = n->length; length >= 0; length--) {
                IpNetwork wider;

                if (!lengths[length])
                        continue;
                wider = ip_network_of(&n->addr, (unsigned) length);
                if (network_set_has(s, &wider))
                        return length;
        }
        return -1;
}
