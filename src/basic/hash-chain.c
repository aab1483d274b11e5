/* SPDX-License-Identifier: Apache-2.0 */
/* Linear hashing (Litwin, 1980): when there are too many items for the buckets, one bucket more is made and
 * the items of one other are shared between the two. Invariant: bucket i of n holds the items whose hash
 * ends in i, by as many bits as n − 1 has, or by one less where that number is n or more. */

#include "basic/hash-chain.h"

#include <errno.h>

#include "basic/hash-index.h"

static uint32_t *head_at(const HashChain *h, uint32_t bucket) {
        return chunk_array_at(&h->heads, bucket);
}

/* The greatest power of two that is no more than n, which is not 0. */
static uint32_t power_below(uint32_t n) {
        return UINT32_C(1) << (31 - __builtin_clz(n));
}

static uint32_t bucket_of(const HashChain *h, uint32_t hash) {
        uint32_t power = power_below(h->n_heads), bucket = hash & (2 * power - 1);

        return bucket < h->n_heads ? bucket : bucket - power;
}

static uint32_t hash_of_item(const HashChain *h, const void *items, uint32_t number) {
        char buf[HASH_CHAIN_KEY_BYTES];

        return hash_index_hash(h->ops->key(items, number, buf));
}

/* Makes one bucket more, out of the items of the one that they have been in until now. */
static int split(HashChain *h, const void *items) {
        uint32_t made = h->n_heads, power, *from, *to;
        int r = chunk_array_reserve(&h->heads, made + 1);

        if (r < 0)
                return r;
        h->n_heads++;
        to = head_at(h, made);
        *to = HASH_CHAIN_NONE;
        if (made == 0)
                return 0;
        power = power_below(made);
        from = head_at(h, made - power);
        while (*from != HASH_CHAIN_NONE) {
                uint32_t number = *from, *link = h->ops->link(items, number);

                if ((hash_of_item(h, items, number) & power) == 0) {
                        from = link;
                        continue;
                }
                *from = *link;
                *link = *to;
                *to = number;
        }
        return 0;
}

uint32_t hash_chain_find(const HashChain *h, const void *items, Span key) {
        uint32_t number;

        if (h->used == 0)
                return HASH_CHAIN_NONE;
        number = *head_at(h, bucket_of(h, hash_index_hash(key)));
        while (number != HASH_CHAIN_NONE && !h->ops->equal(items, number, key))
                number = *h->ops->link(items, number);
        return number;
}

uint32_t hash_chain_expect(const HashChain *h, Span key) {
        uint32_t hash = hash_index_hash(key);

        if (h->n_heads > 0)
                __builtin_prefetch(head_at(h, bucket_of(h, hash)));
        return hash;
}

void hash_chain_expect_item(const HashChain *h, const void *items, uint32_t hash) {
        uint32_t number = h->n_heads > 0 ? *head_at(h, bucket_of(h, hash)) : HASH_CHAIN_NONE;

        if (number != HASH_CHAIN_NONE)
                __builtin_prefetch(h->ops->link(items, number));
}

int hash_chain_reserve(HashChain *h, uint32_t items) {
        uint32_t n = items / h->ops->load;
        int r;

        if (h->used > 0)
                return 0;
        r = chunk_array_reserve(&h->heads, n);
        if (r < 0)
                return r;
        for (; h->n_heads < n; h->n_heads++)
                *head_at(h, h->n_heads) = HASH_CHAIN_NONE;
        return 0;
}

int hash_chain_add(HashChain *h, const void *items, uint32_t number) {
        uint32_t *head;

        if (h->used >= (uint64_t) h->n_heads * h->ops->load) {
                int r = split(h, items);

                if (r < 0)
                        return r;
        }
        head = head_at(h, bucket_of(h, hash_of_item(h, items, number)));
        *h->ops->link(items, number) = *head;
        *head = number;
        h->used++;
        return 0;
}

void hash_chain_remove(HashChain *h, const void *items, uint32_t number) {
        uint32_t *from = head_at(h, bucket_of(h, hash_of_item(h, items, number)));

        while (*from != number) {
                assert(*from != HASH_CHAIN_NONE);
                from = h->ops->link(items, *from);
        }
        *from = *h->ops->link(items, number);
        h->used--;
}

void hash_chain_done(HashChain *h) {
        chunk_array_done(&h->heads);
        h->n_heads = h->used = 0;
}
