/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The ends that grants were given by hand. Few grants have one, so that it is not in all of them. Grants are
 * known by number. */

#include "basic/hash-index.h"

typedef struct ManualTable {
        struct ManualEnd *items;
        uint32_t n;
        HashIndex index;
} ManualTable;

#define MANUAL_TABLE_INIT ((ManualTable){.index = HASH_INDEX_INIT})

/* Sets the end (seconds) of a grant. Returns 0 or -ENOMEM. */
int manual_table_put(ManualTable *t, uint32_t grant, uint32_t until);
/* The end of a grant, 0 if it has none. */
uint32_t manual_table_get(const ManualTable *t, uint32_t grant);
/* Forgets a grant, if it is there. */
void manual_table_remove(ManualTable *t, uint32_t grant);
void manual_table_done(ManualTable *t);
