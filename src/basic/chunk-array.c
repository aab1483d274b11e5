/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks of as many items each; only the list of chunks is ever copied. It never shrinks. */

#include "basic/chunk-array.h"

#include <errno.h>

static int add_chunk(ChunkArray *a) {
        uint32_t n = a->n_chunks;

        /* the list is full at each power of two */
        if ((n & (n - 1)) == 0) {
                char **more = reallocarray(a->chunks, MAX(1u, 2 * n), sizeof(char *));

                if (!more)
                        return -ENOMEM;
                a->chunks = more;
        }
        a->chunks[n] = malloc((size_t) CHUNK_ARRAY_ITEMS * a->item_bytes);
        if (!a->chunks[n])
                return -ENOMEM;
        a->n_chunks++;
        return 0;
}

int chunk_array_reserve(ChunkArray *a, uint32_t n) {
        while ((uint64_t) a->n_chunks * CHUNK_ARRAY_ITEMS < n) {
                int r = add_chunk(a);

                if (r < 0)
                        return r;
        }
        return 0;
}

void chunk_array_done(ChunkArray *a) {
        for (uint32_t i = 0; i < a->n_chunks; i++)
                free(a->chunks[i]);
        free(a->chunks);
        *a = (ChunkArray){.item_bytes = a->item_bytes};
}
