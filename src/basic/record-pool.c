/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks of steps, in which no record goes over the end of its chunk. What is free is in lists, one for each
 * size; the first word of free room is the number of the next, plus one. */

#include "basic/record-pool.h"

static uint32_t steps_of(size_t size) {
        assert(size > 0 && size <= RECORD_POOL_MAX_BYTES);
        return (uint32_t) ((size + RECORD_POOL_STEP_BYTES - 1) / RECORD_POOL_STEP_BYTES);
}

static void add_free(RecordPool *p, uint32_t number, uint32_t steps) {
        *(uint32_t *) record_pool_at(p, number) = p->free[steps];
        p->free[steps] = number + 1;
}

uint32_t record_pool_add(RecordPool *p, size_t size) {
        uint32_t steps = steps_of(size), number = p->free[steps], left;

        if (number > 0) {
                number--;
                p->free[steps] = *(uint32_t *) record_pool_at(p, number);
                return number;
        }
        left = CHUNK_ARRAY_ITEMS - p->n % CHUNK_ARRAY_ITEMS;
        if (p->n > RECORD_POOL_NONE - 2 * CHUNK_ARRAY_ITEMS ||
                chunk_array_reserve(&p->steps, p->n + (left < steps ? left : 0) + steps) < 0)
                return RECORD_POOL_NONE;
        if (left < steps) {
                add_free(p, p->n, left);
                p->n += left;
        }
        number = p->n;
        p->n += steps;
        return number;
}

void record_pool_remove(RecordPool *p, uint32_t number, size_t size) {
        add_free(p, number, steps_of(size));
}

void record_pool_done(RecordPool *p) {
        chunk_array_done(&p->steps);
        *p = RECORD_POOL_INIT;
}
