/* SPDX-License-Identifier: Apache-2.0 */
#include "model/login-message.h"
#include "check.h"

static LoginAnnouncement sample(void) {
        LoginAnnouncement a = {.stamp = UINT64_C(0x0102030405060708), .service = "pop3"};

        assert_ok(ip_addr_parse(SPAN_LITERAL("2001:db8::7"), &a.address));
        return a;
}

static void test_announcement(_unused_ void **state) {
        static const uint8_t wanted[LOGIN_ANNOUNCEMENT_BYTES] = {'A', '1', 'p', 'o', 'p', '3', [16] = 8, 7,
                6, 5, 4, 3, 2, 1, [24] = 0x20, 0x01, 0x0d, 0xb8, [39] = 7};
        LoginAnnouncement a = sample(), b;
        uint8_t bytes[LOGIN_ANNOUNCEMENT_BYTES];

        login_announcement_encode(&a, bytes);
        assert_memory_equal(bytes, wanted, sizeof(wanted));
        assert_ok(login_announcement_decode(span_make((char *) bytes, sizeof(bytes)), &b));
        assert_true(b.stamp == a.stamp && ip_addr_equal(&a.address, &b.address));
        assert_string_equal(b.service, "pop3");
}

static void test_other_bytes_are_no_announcement(_unused_ void **state) {
        static const struct {
                size_t at;
                uint8_t byte;
        } changes[] = {{0, 'C'}, {0, 0}, {1, '2'}, {2, 'P'}, {3, '\n'}, {6, ' '}, {7, 'x'}, {15, 'x'}};
        LoginAnnouncement a = sample(), b;
        char bytes[LOGIN_ANNOUNCEMENT_BYTES + 1] = {0};

        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                login_announcement_encode(&a, (uint8_t *) bytes);
                bytes[changes[i].at] = (char) changes[i].byte;
                assert_int_equal(
                        login_announcement_decode(span_make(bytes, LOGIN_ANNOUNCEMENT_BYTES), &b), -EBADMSG);
        }
        login_announcement_encode(&a, (uint8_t *) bytes);
        for (size_t size = 0; size <= sizeof(bytes); size++)
                assert_int_equal(login_announcement_decode(span_make(bytes, size), &b),
                        size == LOGIN_ANNOUNCEMENT_BYTES ? 0 : -EBADMSG);
}

static void test_services(_unused_ void **state) {
        assert_true(login_service_is_valid(""));
        assert_true(login_service_is_valid("pop3"));
        assert_true(login_service_is_valid("managesieve-x1"));
        assert_false(login_service_is_valid("managesieve-x12"));
        assert_false(login_service_is_valid("POP3"));
        assert_false(login_service_is_valid("pop3 "));
        assert_false(login_service_is_valid("a/b"));
}

static void claims(Span name, int wanted) {
        uint8_t bytes[LOGIN_CLAIM_MAX_BYTES];
        Span user;
        int n = login_claim_encode(name, bytes);

        if (wanted < 0) {
                assert_int_equal(n, wanted);
                return;
        }
        assert_int_equal(n, 2 + (int) name.size);
        assert_ok(login_claim_decode(span_make((char *) bytes, (size_t) n), &user));
        assert_true(span_equal(user, name));
}

static void test_claim(_unused_ void **state) {
        char longest[LOGIN_USER_MAX_BYTES + 1];

        memset(longest, 'x', sizeof(longest));
        claims(SPAN_NONE, 0);
        claims(SPAN_LITERAL("alice"), 0);
        claims(SPAN_LITERAL("j\xc3\xbcrgen@example.org"), 0);
        claims(span_make(longest, sizeof(longest) - 1), 0);
        claims(span_make(longest, sizeof(longest)), -ENAMETOOLONG);
        claims(SPAN_LITERAL("a\0b"), -EINVAL);
        claims(SPAN_LITERAL("a\nb"), -EINVAL);
        claims(SPAN_LITERAL("\x7f"), -EINVAL);
}

static void test_other_bytes_are_no_claim(_unused_ void **state) {
        static const Span bytes[] = {
                {"", 0}, {"C", 1}, {"A1x", 3}, {"C2x", 3}, {"c1x", 3}, {"C1\0", 3}, {"C1a\x1b", 4}};
        char huge[LOGIN_CLAIM_MAX_BYTES + 1] = "C1";
        Span user;

        for (size_t i = 0; i < ELEMENTSOF(bytes); i++)
                assert_int_equal(login_claim_decode(bytes[i], &user), -EBADMSG);
        memset(huge + 2, 'x', sizeof(huge) - 2);
        assert_int_equal(login_claim_decode(span_make(huge, sizeof(huge)), &user), -EBADMSG);
        assert_ok(login_claim_decode(span_make(huge, sizeof(huge) - 1), &user));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_announcement),
                cmocka_unit_test(test_other_bytes_are_no_announcement),
                cmocka_unit_test(test_services),
                cmocka_unit_test(test_claim),
                cmocka_unit_test(test_other_bytes_are_no_claim),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
