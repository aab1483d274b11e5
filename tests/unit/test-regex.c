/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions: what may be written, what is bounded, and that a match is always of the whole
 * message. */
#include "check.h"

#include "match/regex.h"

static Regex *make(const char *text, bool jit) {
        char reason[REGEX_REASON_BYTES] = "";
        Regex *r = NULL;

        if (regex_new(text, jit, &r, reason) < 0)
                fail_msg("%s: %s", text, reason);
        return r;
}

static void check_bad(const char *text, const char *reason) {
        char said[REGEX_REASON_BYTES] = "";
        Regex *r = NULL;

        assert_int_equal(regex_new(text, false, &r, said), -EINVAL);
        assert_null(r);
        if (!strstr(said, reason))
                fail_msg("%s: said \"%s\", not \"%s\"", text, said, reason);
}

static void test_errors(_unused_ void **state) {
        static const char *const unanchored[] = {
                "", "\\A", "\\z", "\\A\\Z", "^a$", "a\\z", "\\Aa", "(?:\\Aa\\z)", "\\za\\A"};

        for (size_t i = 0; i < ELEMENTSOF(unanchored); i++)
                check_bad(unanchored[i], "it must begin with \\A and end with \\z");
        check_bad("\\A(?<name>a)\\z", "unknown group <name>; there are ip, host, user, service and key");
        check_bad("\\A(?<IP>a)\\z", "unknown group <IP>");
        check_bad("\\A(a\\z", "missing closing parenthesis, at character 7");
        check_bad("\\Aa**\\z", "at character");
        check_bad("\\A\\C\\z", "\\C is disabled");
        check_bad("\\A[\\z", "escape sequence is invalid");
        check_bad(
                "\\A(?:(?<ip>1)|(?<ip>2)|(?<ip>3)|(?<ip>4)|(?<ip>5)|(?<ip>6)|(?<ip>7)|(?<ip>8)|(?<ip>9))\\z",
                "group <ip> stands in it more than 8 times");
        regex_free(make("\\A\\z", false));
}

static void check_match(const char *text, const char *subject, int expected) {
        RegexMatch match;

        for (int jit = 0; jit < 2; jit++) {
                _cleanup_(regex_freep) Regex *r = make(text, jit);

                assert_int_equal(regex_match(r, span_from_string(subject), &match), expected);
        }
}

static void test_whole(_unused_ void **state) {
        check_match("\\Aa.c\\z", "abc", 1);
        check_match("\\Aa.c\\z", "abc\n", 0);
        check_match("\\Aa.c\\z", "xabc", 0);
        check_match("\\Aa.c\\z", "abcx", 0);
        check_match("\\A\\z", "", 1);
        /* each alternative by itself is the whole, not only its first beginning and its last end */
        check_match("\\Aab|cd\\z", "ab", 1);
        check_match("\\Aab|cd\\z", "cd", 1);
        check_match("\\Aab|cd\\z", "abx", 0);
        check_match("\\Aab|cd\\z", "xcd", 0);
        /* an end that only looks like one */
        check_match("\\Aab\\\\z", "ab\\zx", 0);
        check_match("\\Aab\\\\z", "ab\\z", 1);
        check_match("\\A(?:ab(*ACCEPT)|x)\\z", "abc", 0);
        check_match("\\A(?m)^ab$\\z", "ab\ncd", 0);
}

static void test_groups(_unused_ void **state) {
        _cleanup_(regex_freep) Regex *r =
                make("\\A(?:from (?<ip>\\S+)|(?<ip>\\S+) is it)(?: by (?<user>.*?))?(?: as(?<key>.*))?\\z",
                        false);
        const char *subject = "192.0.2.7 is it by alice";
        RegexMatch m;

        assert_true(regex_has_group(r, REGEX_GROUP_IP) && regex_has_group(r, REGEX_GROUP_USER));
        assert_false(regex_has_group(r, REGEX_GROUP_SERVICE));
        assert_int_equal(regex_match(r, span_from_string(subject), &m), 1);
        assert_true(span_equal_string(m.group[REGEX_GROUP_IP], "192.0.2.7"));
        assert_ptr_equal(m.group[REGEX_GROUP_IP].data, subject);
        assert_true(span_equal_string(m.group[REGEX_GROUP_USER], "alice"));
        assert_null(m.group[REGEX_GROUP_KEY].data);
        assert_null(m.group[REGEX_GROUP_SERVICE].data);
        assert_int_equal(regex_match(r, SPAN_LITERAL("from ::1 as"), &m), 1);
        assert_true(span_equal_string(m.group[REGEX_GROUP_IP], "::1"));
        assert_null(m.group[REGEX_GROUP_USER].data);
        assert_non_null(m.group[REGEX_GROUP_KEY].data);
        assert_int_equal(m.group[REGEX_GROUP_KEY].size, 0);
}

/* Bytes, not characters: what is no UTF-8 matches all the same; a NUL is a byte. */
static void test_bytes(_unused_ void **state) {
        _cleanup_(regex_freep) Regex *r = make("\\A(?<user>.{3})\\z", false);
        RegexMatch m;

        assert_int_equal(regex_match(r, SPAN_LITERAL("\xff\xc3\x00"), &m), 1);
        assert_int_equal(m.group[REGEX_GROUP_USER].size, 3);
        check_bad("(*UTF)\\Aa\\z", "it must begin with");
}

static void test_limits(_unused_ void **state) {
        static const char *const slow[] = {
                "\\A(?:a+)+b\\z", "\\A(?:a|aa|a?)+b\\z", "\\A(a*)*(a*)*(a*)*b\\z"};
        char as[200];
        RegexMatch m;

        memset(as, 'a', sizeof(as));
        /* what it asks for is there, so that no shortcut finds the answer */
        as[sizeof(as) - 2] = 'b';
        for (size_t i = 0; i < ELEMENTSOF(slow); i++)
                for (int jit = 0; jit < 2; jit++) {
                        _cleanup_(regex_freep) Regex *r = make(slow[i], jit);

                        assert_int_equal(regex_match(r, span_make(as, sizeof(as)), &m), -E2BIG);
                        /* and it still works */
                        assert_int_equal(regex_match(r, SPAN_LITERAL("aab"), &m), 1);
                }
        regex_free(NULL);
}

static void test_unbounded(_unused_ void **state) {
        static const struct {
                const char *text;
                size_t at;
        } cases[] = {
                {"\\Aa(?<ip>.+)b*\\z", 0},
                {"\\Aa*(?<ip>.)\\z", 4},
                {"\\Aa+(?<ip>.)\\z", 4},
                {"\\Aa*+(?<host>.)\\z", 4},
                {"\\A(?:ab){3,}?(?<ip>.)\\z", 9},
                {"\\A(?:ab){3,20}+c?+d??e{3}(?<ip>.)\\z", 0},
                {"\\Aa{,}b{x,}(?<ip>.)\\z", 0},
                {"\\A[*][+*][]*][^]*][\\]*][[:alpha:]*][[:][[:*](?<ip>.)\\z", 0},
                {"\\A[[:alpha:]*]*(?<ip>.)\\z", 15},
                {"\\A\\*\\+\\{1,}(?<ip>.)\\z", 0},
                {"\\A(?:(?<ip>.)|a*)\\z", 0},
                {"\\A(?:(?<ip>.)|a*(?<ip>.))\\z", 16},
                {"\\A(?<user>.*)\\z", 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(regex_freep) Regex *r = make(cases[i].text, false);

                if (regex_unbounded_at(r) != cases[i].at)
                        fail_msg("%s: at %zu", cases[i].text, regex_unbounded_at(r));
        }
}

static void test_steps(_unused_ void **state) {
        _cleanup_(regex_freep) Regex *slow = make("\\A(?:a|a)*b\\z", false);
        _cleanup_(regex_freep) Regex *quick = make("\\Aa*+b\\z", false);
        Span as = SPAN_LITERAL("aaaaaaaaaaaab!");
        uint32_t n = regex_steps(slow, as, 1000000);

        assert_true(n > 2000 && n < 1000000);
        assert_true(regex_takes_more_steps(slow, as, n - 1));
        assert_false(regex_takes_more_steps(slow, as, n));
        assert_int_equal(regex_steps(slow, as, 100), 100);
        assert_true(regex_steps(quick, as, 1000000) < 10);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_whole),
                cmocka_unit_test(test_groups),
                cmocka_unit_test(test_bytes),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_unbounded),
                cmocka_unit_test(test_steps),
        };

        return cmocka_run_group_tests_name("regex", tests, NULL, NULL);
}
