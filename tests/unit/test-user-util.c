/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <sys/resource.h>

#include "basic/user-util.h"

static void test_find(_unused_ void **state) {
        uid_t uid = 1;

        assert_ok(user_find("root", &uid));
        assert_int_equal(uid, 0);
        assert_int_equal(user_find("no-such-user-here", &uid), -ENOENT);
        assert_int_equal(user_find("", &uid), -ENOENT);
        assert_int_equal(uid, 0);
}

/* A pattern that is read in such a moment must not lose its UID=root. */
static void test_no_descriptors(_unused_ void **state) {
        struct rlimit before, none = {0, 0};
        uid_t uid = 1;
        int r;

        /* valgrind keeps this limit to itself, and opens for us what we may not */
        if (getenv("AUTHRELAY_SLOW"))
                return;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none.rlim_max = before.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        r = user_find("root", &uid);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(r, -EMFILE);
        assert_int_equal(uid, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_find),
                cmocka_unit_test(test_no_descriptors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
