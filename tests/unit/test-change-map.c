/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "publish/change-map.h"

#define KEYS 500u

static RelayEntry entry_of(unsigned key, uint64_t until, const char *user) {
        RelayEntry entry = {.verdict = RELAY_ALLOW, .until = until, .how = key % 2 ? SPAN_LITERAL("odd") : SPAN_LITERAL("even"),
                .user = span_from_string(user)};
        char text[32];

        (void) snprintf(text, sizeof(text), "10.0.%u.%u", key / 256, key % 256);
        assert_ok(ip_network_parse(span_from_string(text), &entry.network));
        return entry;
}

typedef struct Seen {
        uint64_t until[KEYS]; /* 0: not seen */
        unsigned n;
} Seen;

static int see(void *userdata, const RelayEntry *entry) {
        unsigned key = entry->network.addr.bytes[14] * 256u + entry->network.addr.bytes[15];
        Seen *seen = userdata;

        assert_int_equal(seen->until[key], 0);
        assert_true(span_equal_string(entry->how, key % 2 ? "odd" : "even"));
        if (entry->user.size > 0)
                assert_true(span_equal_string(entry->user, "alice"));
        seen->until[key] = entry->until;
        seen->n++;
        return 0;
}

static bool keep_late(void *userdata, const RelayEntry *entry, _unused_ uint32_t stamp) {
        return entry->until >= *(uint64_t *) userdata;
}

/* Any sequence of puts and filters, against an array. */
static void test_against_model(_unused_ void **state) {
        uint64_t model[KEYS] = {0}, seed = 3;
        ChangeMap map = CHANGE_MAP_INIT;
        unsigned largest = 0;

        for (uint64_t step = 1; step < 20000; step++) {
                unsigned key = (unsigned) (next_random(&seed) % KEYS);
                RelayEntry entry = entry_of(key, step, next_random(&seed) % 2 ? "alice" : "");

                assert_ok(change_map_put(&map, &entry, true, (uint32_t) (step / 1000)));
                model[key] = step;
                if (next_random(&seed) % 200 == 0) {
                        uint64_t since = step - next_random(&seed) % 800 + (next_random(&seed) % 8 == 0 ? 900 : 0);
                        Seen seen = {0};

                        change_map_filter(&map, keep_late, &since);
                        for (unsigned i = 0; i < KEYS; i++)
                                if (model[i] < since)
                                        model[i] = 0;
                        assert_ok(change_map_each(&map, 0, see, &seen));
                        assert_memory_equal(seen.until, model, sizeof(model));
                        assert_int_equal(map.n, seen.n);
                        largest = MAX(largest, seen.n);
                }
        }
        assert_true(largest > KEYS / 3);
        change_map_done(&map);
}

static void test_stamps(_unused_ void **state) {
        ChangeMap map = CHANGE_MAP_INIT;
        RelayEntry entry = entry_of(1, 5, "alice");
        Seen seen = {0};

        assert_ok(change_map_put(&map, &entry, false, 1));
        entry = entry_of(2, 6, "bob");
        assert_ok(change_map_put(&map, &entry, false, 2));
        assert_ok(change_map_each(&map, 2, see, &seen));
        assert_int_equal(seen.n, 1);
        assert_int_equal(seen.until[2], 6);
        entry = entry_of(1, 7, "bob");
        assert_ok(change_map_put(&map, &entry, false, 3));
        seen = (Seen){0};
        assert_ok(change_map_each(&map, 3, see, &seen));
        assert_int_equal(seen.until[1], 7);
        assert_int_equal(map.n, 2);
        change_map_done(&map);
}

/* After a burst the memory goes back, also when some changes have come since. */
static void test_shrinks(_unused_ void **state) {
        ChangeMap map = CHANGE_MAP_INIT;
        uint64_t since = 2;

        for (unsigned i = 0; i < KEYS; i++) {
                RelayEntry entry = entry_of(i, i % 50 == 0 ? 2 : 1, "alice");

                assert_ok(change_map_put(&map, &entry, true, 0));
        }
        assert_true(map.allocated >= KEYS);
        change_map_filter(&map, keep_late, &since);
        assert_int_equal(map.n, KEYS / 50);
        assert_int_equal(map.allocated, map.n);
        for (unsigned i = 0; i < KEYS; i++) {
                RelayEntry entry = entry_of(i, 3, "");

                assert_ok(change_map_put(&map, &entry, true, 0));
        }
        assert_int_equal(map.n, KEYS);
        since = 4;
        change_map_filter(&map, keep_late, &since);
        assert_int_equal(map.allocated, 0);
        assert_null(map.items);
        change_map_done(&map);
}

/* With only one change left it grows again. */
static void test_grows_from_one(_unused_ void **state) {
        ChangeMap map = CHANGE_MAP_INIT;
        uint64_t since = 2;

        for (unsigned i = 0; i < KEYS; i++) {
                RelayEntry entry = entry_of(i, i == 0 ? 2 : 1, "alice");

                assert_ok(change_map_put(&map, &entry, true, 0));
        }
        change_map_filter(&map, keep_late, &since);
        assert_int_equal(map.n, 1);
        for (unsigned i = 1; i < KEYS; i++) {
                RelayEntry entry = entry_of(i, 3, "");

                assert_ok(change_map_put(&map, &entry, true, 0));
                assert_true(map.n <= map.allocated);
        }
        change_map_done(&map);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_against_model),
                cmocka_unit_test(test_stamps),
                cmocka_unit_test(test_shrinks),
                cmocka_unit_test(test_grows_from_one),
        };

        return cmocka_run_group_tests_name("change-map", tests, NULL, NULL);
}
