/* SPDX-License-Identifier: Apache-2.0 */
/* Users and leases, against lists that are searched from end to end. */
#include "check.h"

#include "grant/user-table.h"

#define USERS 20u
#define GRANTS 30u

static LeaseList lists[GRANTS];

static LeaseList *list_of(_unused_ const void *userdata, uint32_t grant) {
        return &lists[grant];
}

static void test_names(_unused_ void **state) {
        _cleanup_(user_table_freep) UserTable *t = NULL;
        uint32_t alice, bob, long_one;
        char name[400];

        assert_ok(user_table_new(list_of, NULL, &t));
        assert_int_equal(user_table_find(t, SPAN_LITERAL("alice")), USER_NONE);
        assert_int_equal(user_table_intern(t, SPAN_NONE), USER_NONE);
        assert_int_equal(user_table_intern(t, span_make("a\0b", 3)), USER_NONE);
        alice = user_table_intern(t, SPAN_LITERAL("Alice"));
        bob = user_table_intern(t, SPAN_LITERAL("bob"));
        assert_int_not_equal(alice, bob);
        assert_int_equal(user_table_intern(t, SPAN_LITERAL("aLICE")), alice);
        assert_true(user_table_is_called(t, alice, SPAN_LITERAL("aliCE")));
        assert_false(user_table_is_called(t, alice, SPAN_LITERAL("bob")));
        assert_false(user_table_is_called(t, alice, SPAN_LITERAL("alic")));
        assert_false(user_table_is_called(t, alice, SPAN_NONE));
        assert_true(user_table_is_called(t, USER_NONE, SPAN_NONE));
        assert_false(user_table_is_called(t, USER_NONE, SPAN_LITERAL("alice")));
        assert_true(span_equal_string(user_table_name(t, alice), "Alice"));
        assert_null(user_table_name(t, USER_NONE).data);
        /* only ASCII is folded: '[' and '{' are not a letter, nor is what lies above */
        assert_int_equal(user_table_find(t, SPAN_LITERAL("bob\xc4")), USER_NONE);
        memset(name, 'x', sizeof(name));
        long_one = user_table_intern(t, span_make(name, 300));
        assert_int_equal(user_table_find(t, span_make(name, 255)), long_one);
        assert_int_equal(user_table_find(t, span_make(name, 400)), long_one);
        assert_int_equal(user_table_find(t, span_make(name, 254)), USER_NONE);
        user_table_unref(t, alice);
        assert_int_equal(user_table_find(t, SPAN_LITERAL("alice")), alice);
        user_table_unref(t, alice);
        assert_int_equal(user_table_find(t, SPAN_LITERAL("alice")), USER_NONE);
        assert_int_equal(user_table_find(t, SPAN_LITERAL("bob")), bob);
        user_table_unref(t, USER_NONE);
        user_table_unref(t, bob);
        user_table_unref(t, long_one);
}

static void test_folding(_unused_ void **state) {
        _cleanup_(user_table_freep) UserTable *t = NULL;
        uint32_t numbers[256];

        assert_ok(user_table_new(list_of, NULL, &t));
        for (int c = 1; c < 256; c++) {
                char name[] = {(char) c};

                numbers[c] = user_table_intern(t, span_make(name, 1));
        }
        for (int a = 1; a < 256; a++)
                for (int b = 1; b < a; b++)
                        assert_int_equal(numbers[a] == numbers[b], a - b == 32 && b >= 'A' && b <= 'Z');
}

typedef struct Count {
        unsigned n;
} Count;

static void on_lease(void *userdata, _unused_ uint32_t user, _unused_ uint32_t last) {
        ((Count *) userdata)->n++;
}

static void test_leases(_unused_ void **state) {
        _cleanup_(user_table_freep) UserTable *t = NULL;
        uint32_t last[USERS][GRANTS] = {0}, users[USERS];
        uint64_t seed = 3;
        unsigned full = 0;

        assert_ok(user_table_new(list_of, NULL, &t));
        for (unsigned u = 0; u < USERS; u++) {
                char name[8];

                (void) snprintf(name, sizeof(name), "u%u", u);
                users[u] = user_table_intern(t, span_from_string(name));
        }
        for (unsigned g = 0; g < GRANTS; g++)
                lists[g] = LEASE_LIST_INIT;
        for (uint32_t now = 1000; now < 6000; now++) {
                uint64_t r = next_random(&seed);
                unsigned u = (unsigned) (r >> 8) % USERS, g = (unsigned) (r >> 16) % GRANTS, alive = 0,
                         n = 0;
                Count count = {0};

                for (unsigned k = 0; k < GRANTS; k++)
                        alive += last[u][k] >= now - 500;
                switch (r % 16) {
                case 0:
                        user_table_release(t, g);
                        for (unsigned k = 0; k < USERS; k++)
                                last[k][g] = 0;
                        break;
                case 1:
                        user_table_prune(t, g, now - 300);
                        for (unsigned k = 0; k < USERS; k++)
                                last[k][g] = last[k][g] >= now - 300 ? last[k][g] : 0;
                        break;
                default: {
                        int expected = last[u][g] ? 0 : alive >= 8 ? -EDQUOT : 1;

                        assert_int_equal(user_table_lease(t, users[u], g, now, now - 500, 8), expected);
                        full += expected == -EDQUOT;
                        if (expected >= 0)
                                last[u][g] = now;
                }
                }
                for (unsigned k = 0; k < USERS; k++)
                        n += last[k][g] != 0;
                assert_int_equal(user_table_count_leases(t, &lists[g]), n);
                user_table_each_lease(t, &lists[g], on_lease, &count);
                assert_int_equal(count.n, n);
                if (user_table_first_grant(t, users[u]) != GRANT_NONE)
                        assert_int_not_equal(last[u][user_table_first_grant(t, users[u])], 0);
        }
        assert_true(full > 50);
        for (unsigned g = 0; g < GRANTS; g++)
                user_table_release(t, g);
        for (unsigned u = 0; u < USERS; u++) {
                assert_int_equal(user_table_first_grant(t, users[u]), GRANT_NONE);
                user_table_unref(t, users[u]);
        }
        assert_int_equal(user_table_find(t, SPAN_LITERAL("u0")), USER_NONE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_folding),
                cmocka_unit_test(test_leases),
        };

        return cmocka_run_group_tests_name("user-table", tests, NULL, NULL);
}
