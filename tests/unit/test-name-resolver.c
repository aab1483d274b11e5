/* SPDX-License-Identifier: Apache-2.0 */
/* Who is counted as one when names are looked for; host-names.sh has a real resolver. */
#include "check.h"

#include "daemon/name-resolver.c"

static bool is_one(const char *a, const char *b) {
        return is_same_account(span_from_string(a), span_from_string(b));
}

static void test_plus_addressing_is_one_user(_unused_ void **state) {
        assert_true(is_one("mallory", "MALLORY"));
        assert_true(is_one("mallory+1", "mallory+2"));
        assert_true(is_one("mallory", "mallory+"));
        assert_true(is_one("mallory+1@example.org", "mallory+a+b@Example.org"));
        assert_true(is_one("mallory-1", "mallory"));
        assert_false(is_one("mallory+1@example.org", "mallory+1@example.net"));
        assert_false(is_one("mallory", "mallory@example.net"));
        assert_false(is_one("mallory", "bob"));
        assert_false(is_one("mallory1", "mallory2"));
        /* nobody is not somebody */
        assert_false(is_one("", ""));
        assert_false(is_one("", "mallory"));
}

static void test_domains(_unused_ void **state) {
        static const char *const domains[][2] = {{"pc.example.net", "example.net"},
                {"example.net", "example.net"}, {"a.b.c.d.example.net.", "example.net"},
                {"pc.example.co.uk", "example.co.uk"}, {"example.co.uk", "example.co.uk"},
                {"co.uk", "co.uk"}, {"net", "net"}, {"", ""}, {".", ""}, {"a.b.c", "a.b.c"},
                {"x.a.b.c", "a.b.c"}, {"..", "."}};

        for (size_t i = 0; i < ELEMENTSOF(domains); i++) {
                Span domain = domain_of(span_from_string(domains[i][0]));

                if (!span_equal_string(domain, domains[i][1]))
                        fail_msg("%s: %.*s", domains[i][0], (int) domain.size, domain.data);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plus_addressing_is_one_user),
                cmocka_unit_test(test_domains),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
