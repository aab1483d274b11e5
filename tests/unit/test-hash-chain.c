/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "basic/hash-chain.h"

#define ITEMS 3000u

typedef struct Item {
        uint32_t key, link;
} Item;

static Item items[ITEMS];

static Span on_key(const void *all, uint32_t number, char buf[static HASH_CHAIN_KEY_BYTES]) {
        memcpy(buf, &((const Item *) all)[number].key, 4);
        return span_make(buf, 4);
}

static bool on_equal(const void *all, uint32_t number, Span key) {
        return span_equal(span_make((const char *) &((const Item *) all)[number].key, 4), key);
}

static uint32_t *on_link(const void *all, uint32_t number) {
        return &((Item *) all)[number].link;
}

static const HashChainOps dense = {on_key, on_equal, on_link, 1}, full = {on_key, on_equal, on_link, 5};

static uint32_t find(const HashChain *h, uint32_t i) {
        return hash_chain_find(h, items, span_make((const char *) &items[i].key, 4));
}

/* Adding and removing in any order, against an array of what must be there. */
static void check_against_model(const HashChainOps *ops, uint32_t reserved) {
        static bool there[ITEMS];
        HashChain h = HASH_CHAIN_INIT(ops);
        uint64_t seed = 42;
        uint32_t n = 0, most = 0, seen = 0;

        memset(there, 0, sizeof(there));
        for (uint32_t i = 0; i < ITEMS; i++)
                items[i].key = i * 7919;
        assert_ok(hash_chain_reserve(&h, reserved));
        assert_int_equal(h.n_heads, reserved / ops->load);
        assert_int_equal(find(&h, 0), HASH_CHAIN_NONE);
        for (unsigned step = 0; step < 200000; step++) {
                uint32_t i = (uint32_t) (next_random(&seed) % ITEMS);

                assert_int_equal(find(&h, i), there[i] ? i : HASH_CHAIN_NONE);
                if (there[i])
                        hash_chain_remove(&h, items, i);
                else
                        assert_ok(hash_chain_add(&h, items, i));
                n += there[i] ? -1u : 1u;
                most = MAX(most, n);
                there[i] = !there[i];
                assert_int_equal(h.used, n);
        }
        for (uint32_t i = 0; i < ITEMS; i++) {
                assert_int_equal(find(&h, i) == i, there[i]);
                seen += there[i];
        }
        assert_int_equal(seen, n);
        assert_true(n > ITEMS / 4);
        /* no bucket more than there were ever items for, or room was made for */
        assert_int_equal(h.n_heads, MAX((most + ops->load - 1) / ops->load, reserved / ops->load));
        assert_ok(hash_chain_reserve(&h, 2 * ITEMS));
        assert_true(h.n_heads <= ITEMS);
        hash_chain_done(&h);
        assert_int_equal(find(&h, 0), HASH_CHAIN_NONE);
        assert_ok(hash_chain_add(&h, items, 0));
        assert_int_equal(find(&h, 0), 0);
        hash_chain_done(&h);
}

static void test_against_model(_unused_ void **state) {
        check_against_model(&dense, 0);
        check_against_model(&dense, 1000);
        check_against_model(&full, 0);
        check_against_model(&full, ITEMS);
}

/* At every size all buckets are in use, and evenly: a look-up does not become longer as it grows. */
static void test_even(_unused_ void **state) {
        HashChain h = HASH_CHAIN_INIT(&dense);
        unsigned longest = 0;

        for (uint32_t i = 0; i < ITEMS; i++) {
                items[i].key = i;
                assert_ok(hash_chain_add(&h, items, i));
        }
        for (uint32_t bucket = 0; bucket < h.n_heads; bucket++) {
                unsigned n = 0;

                for (uint32_t i = *(uint32_t *) chunk_array_at(&h.heads, bucket); i != HASH_CHAIN_NONE;
                        i = items[i].link)
                        n++;
                longest = MAX(longest, n);
        }
        /* Poisson: 20 in one of 3,000 happen once in 10^15 times, also where a bucket waits to be shared */
        assert_in_range(longest, 2, 20);
        hash_chain_done(&h);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_against_model),
                cmocka_unit_test(test_even),
        };

        return cmocka_run_group_tests_name("hash-chain", tests, NULL, NULL);
}
