/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <inttypes.h>

#include "model/login.h"
#include "model/relay-entry.h"

static void check_value(RelayVerdict verdict, uint64_t until, Span how, Span user, const char *text) {
        RelayEntry entry = {.verdict = verdict, .until = until, .how = how, .user = user}, back = {0};
        char buf[RELAY_VALUE_BYTES], name[RELAY_USER_MAX_BYTES];
        size_t n = relay_value_format(buf, &entry);
        int size;

        assert_int_equal(n, strlen(text));
        assert_string_equal(buf, text);
        assert_ok(relay_value_parse(span_make(buf, n), &back));
        assert_int_equal(back.verdict, verdict);
        assert_int_equal(back.until, until);
        assert_in_range(back.how.size, 1, RELAY_HOW_MAX_BYTES);
        size = relay_user_decode(back.user, name);
        assert_int_equal(size, (int) user.size);
        assert_memory_equal(name, user.data, user.size);
}

static void test_values(_unused_ void **state) {
        check_value(RELAY_ALLOW, 1795226523, SPAN_LITERAL("dovecot"), SPAN_LITERAL(""),
                "allow 1795226523 dovecot");
        check_value(RELAY_NEVER, 0, SPAN_LITERAL("host"), SPAN_LITERAL(""), "never 0 host");
        check_value(RELAY_REVOKED, 0, SPAN_LITERAL("manual"), SPAN_LITERAL(""), "revoked 0 manual");
        check_value(RELAY_ALLOW, UINT64_MAX, SPAN_LITERAL("a.b_c-9"), SPAN_LITERAL("Alice@example.org"),
                "allow 18446744073709551615 a.b_c-9 Alice@example.org");
        check_value(RELAY_ALLOW, 5, SPAN_LITERAL("x"), SPAN_LITERAL("a b%\n\xc3\xa4+"),
                "allow 5 x a%20b%25%0A%C3%A4%2B");
        check_value(RELAY_ALLOW, 5, SPAN_LITERAL("x"), span_make("\0", 1), "allow 5 x %00");
        /* what is not a HOW is made one */
        check_value(RELAY_ALLOW, 5, SPAN_LITERAL("My Pattern!"), SPAN_LITERAL(""), "allow 5 my_pattern_");
        check_value(RELAY_ALLOW, 5, SPAN_LITERAL(""), SPAN_LITERAL(""), "allow 5 -");
}

static void test_longest_value(_unused_ void **state) {
        char how[200], user[500], buf[RELAY_VALUE_BYTES], name[RELAY_USER_MAX_BYTES];
        RelayEntry entry = {.verdict = RELAY_REVOKED,
                           .until = UINT64_MAX,
                           .how = {how, sizeof(how)},
                           .user = {user, sizeof(user)}},
                   back = {0};
        size_t n;

        memset(how, 'h', sizeof(how));
        memset(user, ' ', sizeof(user));
        n = relay_value_format(buf, &entry);
        assert_true(n < sizeof(buf));
        assert_ok(relay_value_parse(span_make(buf, n), &back));
        assert_int_equal(back.how.size, RELAY_HOW_MAX_BYTES);
        assert_int_equal(relay_user_decode(back.user, name), RELAY_USER_MAX_BYTES);
}

static void test_bad_values(_unused_ void **state) {
        static const char *const bad[] = {"", " ", "allow", "allow ", "allow 5", "allow 5 ", "Allow 5 x",
                "allow  5 x", " allow 5 x", "allow 5 x ", "allow 5  x", "allow -5 x", "allow +5 x",
                "allow 05 x", "allow 0x5 x", "allow 18446744073709551616 x", "allow 5 X", "allow 5 x/y",
                "allow 5 x\n", "grant 5 x", "allowed 5 x", "allow 5 x a b", "allow 5 x %", "allow 5 x %4",
                "allow 5 x %zz", "allow 5 x %c3", "allow 5 x %41", "allow 5 x a%", "allow 5 x \xc3",
                "allow\t5 x"};
        char how[RELAY_HOW_MAX_BYTES + 20], user[400];
        RelayEntry entry = {.until = 77};

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(relay_value_parse(span_from_string(bad[i]), &entry), -EBADMSG);
        assert_int_equal(relay_value_parse(SPAN_NONE, &entry), -EBADMSG);
        assert_int_equal(relay_value_parse(span_make("allow 5\0x", 9), &entry), -EBADMSG);
        (void) snprintf(how, sizeof(how), "allow 5 %0*d", RELAY_HOW_MAX_BYTES + 1, 7);
        assert_int_equal(relay_value_parse(span_from_string(how), &entry), -EBADMSG);
        (void) snprintf(user, sizeof(user), "allow 5 x %0*d", RELAY_USER_MAX_BYTES + 1, 7);
        assert_int_equal(relay_value_parse(span_from_string(user), &entry), -EBADMSG);
        assert_int_equal(entry.until, 77);
}

static void check_header(const RelayHeader *header, const char *text) {
        char buf[RELAY_HEADER_BYTES];
        RelayHeader back = {0};
        size_t n = relay_header_format(buf, header);

        assert_int_equal(n, strlen(buf));
        if (text)
                assert_string_equal(buf, text);
        assert_ok(relay_header_parse(span_make(buf, n), &back));
        assert_memory_equal(&back.lengths, &header->lengths, sizeof(back.lengths));
        assert_int_equal(back.generation, header->generation);
        assert_int_equal(back.written, header->written);
        assert_int_equal(back.ttl, header->ttl);
        assert_int_equal(back.count, header->count);
}

static void add_length(RelayHeader *header, const char *text) {
        IpNetwork n;

        assert_ok(ip_network_parse(span_from_string(text), &n));
        relay_lengths_add(&header->lengths, &n);
}

static void test_headers(_unused_ void **state) {
        RelayHeader header = {.generation = 3, .written = 1795222923, .ttl = 1800};

        check_header(&header, "1 3 1795222923 1800 0 -");
        header.count = 3;
        add_length(&header, "192.0.2.7");
        add_length(&header, "10.0.0.0/8");
        add_length(&header, "2001:db8::/64");
        check_header(&header, "1 3 1795222923 1800 3 4/8,4/32,6/64");
        header = (RelayHeader){.generation = RELAY_GENERATION_MAX,
                .written = RELAY_WRITTEN_MAX,
                .ttl = RELAY_TTL_MAX,
                .count = UINT32_MAX};
        memset(&header.lengths, true, sizeof(header.lengths));
        check_header(&header, NULL);
}

static void test_bad_headers(_unused_ void **state) {
        static const char *const bad[] = {"", "1", "1 3", "1 3 5 7 9", "1 3 5 7 9 ", "1 3 5 7 9 4",
                "1 3 5 7 9 4/", "1 3 5 7 9 4/33", "1 3 5 7 9 6/129", "1 3 5 7 9 5/1", "1 3 5 7 9 4/8,",
                "1 3 5 7 9 ,4/8", "1 3 5 7 9 4/32,4/8", "1 3 5 7 9 6/64,4/8", "1 3 5 7 9 4/8,4/8",
                "1 3 5 7 9 4/08", "1 3 5 7 9 4/8 x", "1 3 5 7 9 - x", "1 3 5 7 9 -,4/8", "1  3 5 7 9 -",
                " 1 3 5 7 9 -", "01 3 5 7 9 -", "x 3 5 7 9 -", "1 9223372036854775808 5 7 9 -",
                "1 3 9223372036854775808 7 9 -", "1 3 5 316224001 9 -", "1 3 5 7 4294967296 -",
                "1 3 5 7 -1 -"};
        char large[2 * RELAY_HEADER_BYTES];
        RelayHeader header = {.ttl = 77};

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(relay_header_parse(span_from_string(bad[i]), &header), -EBADMSG);
        assert_int_equal(relay_header_parse(SPAN_LITERAL("2 3 5 7 9 -"), &header), -EPROTONOSUPPORT);
        assert_int_equal(relay_header_parse(SPAN_LITERAL("2 of another make"), &header), -EPROTONOSUPPORT);
        memset(large, '1', sizeof(large));
        assert_int_equal(relay_header_parse(span_make(large, sizeof(large)), &header), -EBADMSG);
        assert_int_equal(header.ttl, 77);
}

static void test_verdict_names(_unused_ void **state) {
        for (int i = 0; i < _MATCH_VERDICT_MAX; i++)
                assert_true(strlen(match_verdict_to_string((MatchVerdict) i)) > 0);
        assert_string_equal(match_verdict_to_string(MATCH_LOGIN), "login");
        assert_string_equal(match_verdict_to_string(MATCH_UNTRUSTED), "refused");
}

static void test_numbers(_unused_ void **state) {
        uint64_t power = 1;

        for (unsigned digits = 1; digits <= 20; digits++, power *= 10)
                for (int k = -1; k <= 1; k++) {
                        RelayEntry entry = {
                                .until = power + (uint64_t) (int64_t) k, .how = SPAN_LITERAL("test")};
                        char buf[RELAY_VALUE_BYTES], expected[64];

                        (void) snprintf(expected, sizeof(expected), "allow %" PRIu64 " test", entry.until);
                        assert_int_equal(relay_value_format(buf, &entry), strlen(expected));
                        assert_string_equal(buf, expected);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_longest_value),
                cmocka_unit_test(test_bad_values),
                cmocka_unit_test(test_headers),
                cmocka_unit_test(test_bad_headers),
                cmocka_unit_test(test_verdict_names),
        };

        return cmocka_run_group_tests_name("relay-entry", tests, NULL, NULL);
}
