/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "basic/hash-index.h"

/* From the reference implementation: key 00 01 … 0f, message the first n of the bytes 00 01 02 … */
static void test_siphash_vectors(_unused_ void **state) {
        static const struct {
                size_t size;
                uint64_t hash;
        } vectors[] = {
                {0, UINT64_C(0x726fdb47dd0e0e31)},
                {1, UINT64_C(0x74f839c593dc67fd)},
                {2, UINT64_C(0x0d6c8009d9a94f5a)},
                {3, UINT64_C(0x85676696d7fb7e2d)},
                {4, UINT64_C(0xcf2794e0277187b7)},
                {5, UINT64_C(0x18765564cd99a68d)},
                {6, UINT64_C(0xcbc9466e58fee3ce)},
                {7, UINT64_C(0xab0200f58b01d137)},
                {8, UINT64_C(0x93f5f5799a932462)},
                {15, UINT64_C(0xa129ca6149be45e5)},
        };
        const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
        uint8_t message[64];

        for (size_t i = 0; i < sizeof(message); i++)
                message[i] = (uint8_t) i;
        for (size_t i = 0; i < ELEMENTSOF(vectors); i++)
                assert_int_equal(siphash24(message, vectors[i].size, key), vectors[i].hash);
        assert_int_equal(siphash24(NULL, 0, key), vectors[0].hash);
}

/* As CPython 3.11 hashes bytes with PYTHONHASHSEED=0, which is a key of zeroes. */
static void test_siphash13_vectors(_unused_ void **state) {
        const uint64_t key[2] = {0, 0};

        assert_int_equal(siphash13("a", 1, key), UINT64_C(4644417185603328019));
        assert_int_equal(siphash13("hello", 5, key), (uint64_t) INT64_C(-2096571579003691106));
        assert_int_equal(siphash13("abcdefgh", 8, key), UINT64_C(4574395652268504554));
        assert_int_equal(siphash13("0123456789abcdef0", 17, key), (uint64_t) INT64_C(-632549798855044568));
}

#define ITEMS 3000u

static bool item_equal(const void *items, uint32_t index, Span key) {
        return span_equal(span_make((const char *) &((const uint32_t *) items)[index], 4), key);
}

static Span item_key(const uint32_t *items, uint32_t index) {
        return span_make((const char *) &items[index], 4);
}

/* Adding and removing in any order, against an array of what must be there. */
static void test_against_model(_unused_ void **state) {
        static uint32_t items[ITEMS];
        static bool there[ITEMS];
        HashIndex h = HASH_INDEX_INIT;
        uint64_t seed = 42;
        uint32_t n = 0, seen = 0;

        for (uint32_t i = 0; i < ITEMS; i++)
                items[i] = i * 7919;
        assert_int_equal(hash_index_find(&h, item_key(items, 0), item_equal, items), HASH_INDEX_NONE);
        for (unsigned step = 0; step < 200000; step++) {
                uint32_t i = (uint32_t) (next_random(&seed) % ITEMS);
                uint32_t found = hash_index_find(&h, item_key(items, i), item_equal, items);

                assert_int_equal(found, there[i] ? i : HASH_INDEX_NONE);
                if (there[i])
                        hash_index_remove(&h, item_key(items, i), i);
                else
                        assert_ok(hash_index_add(&h, item_key(items, i), i));
                n += there[i] ? -1u : 1u;
                there[i] = !there[i];
                assert_int_equal(h.used, n);
        }
        for (uint32_t i = 0; i < ITEMS; i++) {
                assert_int_equal(hash_index_find(&h, item_key(items, i), item_equal, items) == i, there[i]);
                seen += there[i];
        }
        assert_int_equal(seen, n);
        assert_true(n > ITEMS / 4);
        hash_index_done(&h);
        assert_int_equal(hash_index_find(&h, item_key(items, 0), item_equal, items), HASH_INDEX_NONE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_siphash_vectors),
                cmocka_unit_test(test_siphash13_vectors),
                cmocka_unit_test(test_against_model),
        };

        return cmocka_run_group_tests_name("hash-index", tests, NULL, NULL);
}
