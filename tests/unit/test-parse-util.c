/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "basic/parse-util.h"

static void test_u64(_unused_ void **state) {
        static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1e3", "१", "1\n"};
        uint64_t v = 99;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_u64(span_from_string(bad[i]), UINT64_MAX, &v), -EINVAL);
        assert_int_equal(parse_u64(span_make("1\0002", 3), UINT64_MAX, &v), -EINVAL);
        assert_int_equal(parse_u64(SPAN_LITERAL("18446744073709551616"), UINT64_MAX, &v), -ERANGE);
        assert_int_equal(parse_u64(SPAN_LITERAL("99999999999999999999999"), UINT64_MAX, &v), -ERANGE);
        assert_int_equal(parse_u64(SPAN_LITERAL("256"), 255, &v), -ERANGE);
        assert_int_equal(v, 99);
        assert_ok(parse_u64(SPAN_LITERAL("18446744073709551615"), UINT64_MAX, &v));
        assert_int_equal(v, UINT64_MAX);
        assert_ok(parse_u64(SPAN_LITERAL("0"), 0, &v));
        assert_int_equal(v, 0);
        assert_ok(parse_u64(SPAN_LITERAL("007"), 7, &v));
        assert_int_equal(v, 7);
        /* nothing behind the span is looked at */
        assert_ok(parse_u64(span_make("123", 2), 255, &v));
        assert_int_equal(v, 12);
}

static void test_boolean(_unused_ void **state) {
        static const char *const yes[] = {"yes", "TRUE", "On", "1", "y", "t"};
        static const char *const no[] = {"no", "FALSE", "Off", "0", "n", "f"};
        static const char *const bad[] = {"", "2", "yes ", "maybe", "ye"};
        bool v;

        for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
                v = false;
                assert_ok(parse_boolean(yes[i], &v));
                assert_true(v);
                assert_ok(parse_boolean(no[i], &v));
                assert_false(v);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_boolean(bad[i], &v), -EINVAL);
}

static void test_word(_unused_ void **state) {
        Span s = SPAN_LITERAL("  one \ttwo\t"), word;

        assert_true(parse_word(&s, &word));
        assert_true(span_equal_string(word, "one"));
        assert_true(parse_word(&s, &word));
        assert_true(span_equal_string(word, "two"));
        assert_false(parse_word(&s, &word));
        s = SPAN_NONE;
        assert_false(parse_word(&s, &word));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_u64),
                cmocka_unit_test(test_boolean),
                cmocka_unit_test(test_word),
        };

        return cmocka_run_group_tests_name("parse-util", tests, NULL, NULL);
}
