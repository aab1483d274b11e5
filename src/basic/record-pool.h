/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Room for a million small records of different sizes, each known by a number of 32 bits, without
 * malloc(3)'s price for each. A record's room is used again for one of its size. */

#include "basic/chunk-array.h"

#define RECORD_POOL_NONE UINT32_MAX
#define RECORD_POOL_MAX_BYTES 512u

/* Records are aligned to this, and numbered by it. */
#define RECORD_POOL_STEP_BYTES 4u

typedef struct RecordPool {
        ChunkArray steps;
        uint32_t n;                                                        /* steps that were ever used */
        uint32_t free[RECORD_POOL_MAX_BYTES / RECORD_POOL_STEP_BYTES + 1]; /* steps -> the first one; + 1 */
} RecordPool;

#define RECORD_POOL_INIT ((RecordPool){.steps = CHUNK_ARRAY_INIT(uint32_t)})

/* Room for a record of 1 to RECORD_POOL_MAX_BYTES bytes, of which nothing is said. Returns its number or
 * RECORD_POOL_NONE: no memory. */
uint32_t record_pool_add(RecordPool *p, size_t size);
/* Gives it back; `size` is what record_pool_add() was told. */
void record_pool_remove(RecordPool *p, uint32_t number, size_t size);
void record_pool_done(RecordPool *p);

/* The record, which stays where it is. */
static inline void *record_pool_at(const RecordPool *p, uint32_t number) {
        return chunk_array_at(&p->steps, number);
}
