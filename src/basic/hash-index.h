/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Finds an item of an array by its key: a hash of indices, 8 bytes a slot, that owns no item. Keys come from
 * strangers, so they are hashed with SipHash-1-3 under a random seed; nobody can make them collide. */

#include "basic/span.h"

#define HASH_INDEX_NONE UINT32_MAX

typedef struct HashIndex {
        struct HashSlot *slots;
        uint32_t mask; /* number of slots − 1; slots is NULL at first */
        uint32_t used;
} HashIndex;

#define HASH_INDEX_INIT ((HashIndex){NULL, 0, 0})

/* Says whether item `index` of the caller's array has this key. */
typedef bool (*HashIndexEqual)(const void *items, uint32_t index, Span key);

/* Looks a key up. Returns the item's index or HASH_INDEX_NONE. */
uint32_t hash_index_find(const HashIndex *h, Span key, HashIndexEqual equal, const void *items);

/* Adds an index whose key is not there yet. Returns 0 or -ENOMEM, which leaves all as it was. */
int hash_index_add(HashIndex *h, Span key, uint32_t index);

/* Removes the entry with this very index; it must be there. */
void hash_index_remove(HashIndex *h, Span key, uint32_t index);

void hash_index_done(HashIndex *h);

/* The hash of a key, under the seed of this process. */
uint32_t hash_index_hash(Span key);

/* SipHash-2-4 (Aumasson and Bernstein, 2012) of `data` under a 128-bit key; and SipHash-1-3, which takes
 * half the time and is for hashes that nobody gets to see. */
uint64_t siphash24(const void *data, size_t size, const uint64_t key[static 2]);
uint64_t siphash13(const void *data, size_t size, const uint64_t key[static 2]);
