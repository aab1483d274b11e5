/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An array that grows without moving: items stay where they are, and growing by one needs room for some
 * more, not for twice as many. Items are of one size and begin with any bytes. */

#include "basic/macro.h"

#define CHUNK_ARRAY_ITEMS 1024u

typedef struct ChunkArray {
        char **chunks;
        uint32_t n_chunks, item_bytes;
} ChunkArray;

#define CHUNK_ARRAY_INIT(type) ((ChunkArray){.item_bytes = sizeof(type)})

/* Makes room for the items 0 to `n` − 1. Returns 0 or -ENOMEM. */
int chunk_array_reserve(ChunkArray *a, uint32_t n);
void chunk_array_done(ChunkArray *a);

/* An item that there is room for; it stays there until chunk_array_done(). */
static inline void *chunk_array_at(const ChunkArray *a, uint32_t i) {
        return a->chunks[i / CHUNK_ARRAY_ITEMS] + (size_t) (i % CHUNK_ARRAY_ITEMS) * a->item_bytes;
}
