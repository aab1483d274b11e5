/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "basic/chunk-array.h"

#define ITEMS (5 * CHUNK_ARRAY_ITEMS + 1)

/* Items stay where they are and as they are while it grows. */
static void test_growing(_unused_ void **state) {
        static uint32_t *places[ITEMS];
        ChunkArray a = CHUNK_ARRAY_INIT(uint32_t);

        for (uint32_t i = 0; i < ITEMS; i++) {
                assert_ok(chunk_array_reserve(&a, i + 1));
                places[i] = chunk_array_at(&a, i);
                *places[i] = i;
        }
        assert_int_equal(a.n_chunks, 6);
        assert_ok(chunk_array_reserve(&a, 3));
        assert_int_equal(a.n_chunks, 6);
        for (uint32_t i = 0; i < ITEMS; i++) {
                assert_ptr_equal(chunk_array_at(&a, i), places[i]);
                assert_int_equal(*places[i], i);
        }
        chunk_array_done(&a);
        assert_ok(chunk_array_reserve(&a, 0));
        assert_null(a.chunks);
        assert_ok(chunk_array_reserve(&a, 1));
        assert_int_equal(a.item_bytes, sizeof(uint32_t));
        chunk_array_done(&a);
}

/* Beside one another, without a gap or an overlap, in each chunk. */
static void test_items(_unused_ void **state) {
        ChunkArray a = {.item_bytes = 36};

        assert_ok(chunk_array_reserve(&a, 2 * CHUNK_ARRAY_ITEMS));
        for (uint32_t i = 0; i < 2 * CHUNK_ARRAY_ITEMS; i++)
                memset(chunk_array_at(&a, i), (int) (i % 251), 36);
        for (uint32_t i = 0; i < 2 * CHUNK_ARRAY_ITEMS; i++)
                for (unsigned k = 0; k < 36; k++)
                        assert_int_equal(((uint8_t *) chunk_array_at(&a, i))[k], i % 251);
        chunk_array_done(&a);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_growing),
                cmocka_unit_test(test_items),
        };

        return cmocka_run_group_tests_name("chunk-array", tests, NULL, NULL);
}
