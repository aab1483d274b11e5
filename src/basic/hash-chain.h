/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Finds an item of a large table by its key: a hash that grows by one bucket at a time, so that no addition
 * takes longer than others, in a link in each item and 4 bytes for each bucket. Smaller tables are better
 * off with a HashIndex, which looks at fewer items. */

#include "basic/chunk-array.h"
#include "basic/span.h"

#define HASH_CHAIN_NONE UINT32_MAX
#define HASH_CHAIN_KEY_BYTES 256

/* What the hash asks of the table, which is passed on as `items`. */
typedef struct HashChainOps {
        /* An item's key, which may be made in `buf`. */
        Span (*key)(const void *items, uint32_t number, char buf[static HASH_CHAIN_KEY_BYTES]);
        /* Whether the item has this key. */
        bool (*equal)(const void *items, uint32_t number, Span key);
        /* Where the item has room for a link, which is the hash's while the item is in it. */
        uint32_t *(*link)(const void *items, uint32_t number);
        uint32_t load; /* items a bucket: a look-up that finds nothing looks at so many, on the average */
} HashChainOps;

typedef struct HashChain {
        const HashChainOps *ops;
        ChunkArray heads; /* bucket -> number of its first item */
        uint32_t n_heads, used;
} HashChain;

#define HASH_CHAIN_INIT(o) ((HashChain){.ops = (o), .heads = CHUNK_ARRAY_INIT(uint32_t)})

/* Looks a key up. Returns the item's number or HASH_CHAIN_NONE. */
uint32_t hash_chain_find(const HashChain *h, const void *items, Span key);

/* Look-ups of many keys wait for memory twice each, unless it is asked for some look-ups before: first the
 * bucket, then, when that has come, its first item. `hash` is what hash_chain_expect() has returned. */
uint32_t hash_chain_expect(const HashChain *h, Span key);
void hash_chain_expect_item(const HashChain *h, const void *items, uint32_t hash);

/* Makes the buckets that so many items need at once, while there is none yet: those who come are not shared
 * out again. Returns 0 or -ENOMEM; one that has items already stays as it is. */
int hash_chain_reserve(HashChain *h, uint32_t items);

/* Adds an item whose key is not there yet. Returns 0 or -ENOMEM, which leaves all as it was. */
int hash_chain_add(HashChain *h, const void *items, uint32_t number);

/* Removes an item, which must be there. */
void hash_chain_remove(HashChain *h, const void *items, uint32_t number);

void hash_chain_done(HashChain *h);
