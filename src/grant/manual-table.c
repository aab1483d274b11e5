/* SPDX-License-Identifier: Apache-2.0 */
/* Ends in an array without gaps, found by the grant's number. */

#include "grant/manual-table.h"

#include <errno.h>

typedef struct ManualEnd {
        uint32_t grant, until;
} ManualEnd;

static Span key_of(const uint32_t *grant) {
        return span_make((const char *) grant, sizeof(*grant));
}

static bool end_equal(const void *items, uint32_t index, Span key) {
        return span_equal(key_of(&((const ManualEnd *) items)[index].grant), key);
}

static uint32_t find(const ManualTable *t, uint32_t grant) {
        return hash_index_find(&t->index, key_of(&grant), end_equal, t->items);
}

int manual_table_put(ManualTable *t, uint32_t grant, uint32_t until) {
        uint32_t i = find(t, grant);
        ManualEnd *more;

        if (i != HASH_INDEX_NONE) {
                t->items[i].until = until;
                return 0;
        }
        /* full at each power of two */
        if ((t->n & (t->n - 1)) == 0) {
                more = reallocarray(t->items, MAX(16U, 2 * t->n), sizeof(ManualEnd));
                if (!more)
                        return -ENOMEM;
                t->items = more;
        }
        if (hash_index_add(&t->index, key_of(&grant), t->n) < 0)
                return -ENOMEM;
        t->items[t->n++] = (ManualEnd){grant, until};
        return 0;
}

uint32_t manual_table_get(const ManualTable *t, uint32_t grant) {
        uint32_t i = find(t, grant);

        return i == HASH_INDEX_NONE ? 0 : t->items[i].until;
}

void manual_table_remove(ManualTable *t, uint32_t grant) {
        uint32_t i = find(t, grant), last = t->n - 1;

        if (i == HASH_INDEX_NONE)
                return;
        hash_index_remove(&t->index, key_of(&grant), i);
        if (i != last) {
                hash_index_remove(&t->index, key_of(&t->items[last].grant), last);
                t->items[i] = t->items[last];
                /* there is room: two were just taken out */
                (void) hash_index_add(&t->index, key_of(&t->items[i].grant), i);
        }
        t->n--;
}

void manual_table_done(ManualTable *t) {
        free(t->items);
        hash_index_done(&t->index);
        *t = MANUAL_TABLE_INIT;
}
