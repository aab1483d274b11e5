/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "grant/manual-table.h"

#define GRANTS 300u

static void test_against_model(_unused_ void **state) {
        ManualTable t = MANUAL_TABLE_INIT;
        uint32_t ends[GRANTS] = {0};
        uint64_t seed = 11;

        assert_int_equal(manual_table_get(&t, 0), 0);
        manual_table_remove(&t, 0);
        for (unsigned step = 0; step < 20000; step++) {
                uint64_t random = next_random(&seed);
                uint32_t grant = (uint32_t) (random >> 8) % GRANTS, n = 0;

                if (random % 3 == 0) {
                        manual_table_remove(&t, grant);
                        ends[grant] = 0;
                } else {
                        ends[grant] = (uint32_t) (random >> 32) | 1;
                        assert_ok(manual_table_put(&t, grant, ends[grant]));
                }
                for (uint32_t i = 0; i < GRANTS; i++) {
                        assert_int_equal(manual_table_get(&t, i), ends[i]);
                        n += ends[i] > 0;
                }
                assert_int_equal(t.n, n);
        }
        manual_table_done(&t);
        assert_int_equal(manual_table_get(&t, 1), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_against_model),
        };

        return cmocka_run_group_tests_name("manual-table", tests, NULL, NULL);
}
