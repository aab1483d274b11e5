/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "basic/record-pool.h"

#define RECORDS 500u

typedef struct Record {
        uint32_t number;
        size_t size; /* 0: none */
        uint8_t fill;
} Record;

static void check_record(const RecordPool *p, const Record *r) {
        const uint8_t *bytes = record_pool_at(p, r->number);

        for (size_t i = 0; i < r->size; i++)
                assert_int_equal(bytes[i], r->fill);
}

/* Records of any size come and go, and none touches another; and room is used again: when as many have gone
 * as have come, nothing more is taken. */
static void test_coming_and_going(_unused_ void **state) {
        static Record records[RECORDS];
        RecordPool p = RECORD_POOL_INIT;
        uint64_t seed = 7;
        uint32_t early = 0;

        for (unsigned step = 0; step < 200000; step++) {
                Record *r = &records[next_random(&seed) % RECORDS];
                uint64_t random = next_random(&seed);

                if (r->size > 0) {
                        check_record(&p, r);
                        record_pool_remove(&p, r->number, r->size);
                        r->size = 0;
                } else {
                        /* few sizes, so that each comes to its own most soon; the longest and shortest too
                         */
                        static const size_t sizes[] = {1, 4, 5, 30, 31, 255, RECORD_POOL_MAX_BYTES};

                        r->size = sizes[random % ELEMENTSOF(sizes)];
                        r->fill = (uint8_t) (random >> 32);
                        r->number = record_pool_add(&p, r->size);
                        assert_int_not_equal(r->number, RECORD_POOL_NONE);
                        memset(record_pool_at(&p, r->number), r->fill, r->size);
                }
                if (step == 100000)
                        early = p.n;
        }
        for (unsigned i = 0; i < RECORDS; i++)
                check_record(&p, &records[i]);
        /* of each size there can be some more by chance than there ever were before */
        assert_in_range(p.n, early, early + early / 4);
        record_pool_done(&p);
        assert_int_equal(p.n, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_coming_and_going),
        };

        return cmocka_run_group_tests_name("record-pool", tests, NULL, NULL);
}
