/* SPDX-License-Identifier: Apache-2.0 */
/* Netstrings, and which keys mean an address. */
#include "check.h"

#include "control/socketmap.h"

static int parse(const char *text, size_t max, Span *ret, size_t *ret_used) {
        return netstring_parse(span_from_string(text), max, ret, ret_used);
}

static void test_netstring(void **state _unused_) {
        Span content = SPAN_NONE;
        size_t used = 0;

        assert_int_equal(parse("5:hello,", 10, &content, &used), 1);
        assert_true(span_equal_string(content, "hello"));
        assert_int_equal(used, 8);
        assert_int_equal(parse("0:,rest", 10, &content, &used), 1);
        assert_int_equal(content.size, 0);
        assert_int_equal(used, 3);
        assert_int_equal(parse("10:0123456789,", 10, &content, &used), 1);
        assert_int_equal(content.size, 10);
        /* NUL, commas and colons are bytes like others */
        assert_int_equal(netstring_parse(span_make("4:,\0:9,", 7), 10, &content, &used), 1);
        assert_memory_equal(content.data, ",\0:9", 4);
}

static void test_beginning(void **state _unused_) {
        const char *whole = "12:relay 1.2.3.4,";
        Span content;
        size_t used;

        for (size_t n = 0; n < strlen(whole) - 1; n++)
                assert_int_equal(netstring_parse(span_make(whole, n), 100, &content, &used), 0);
}

static void test_no_netstring(void **state _unused_) {
        static const char *const bad[] = {":", ",", "x", " 5:hello,", "-1:", "+5:hello,", "05:hello,",
                "00:,", "5 :hello,", "5;hello,", "5:hello;", "5:hello!x", "GET / HTTP/1.1\r\n", "\n", "5\n"};
        Span content;
        size_t used;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse(bad[i], 100, &content, &used), -EBADMSG);
        /* told by the length alone, however long that is */
        assert_int_equal(parse("11", 10, &content, &used), -EMSGSIZE);
        assert_int_equal(parse("11:", 10, &content, &used), -EMSGSIZE);
        assert_int_equal(parse("999999999999999999999999999999", 4096, &content, &used), -EMSGSIZE);
        assert_int_equal(parse("18446744073709551621:hello,", 10, &content, &used), -EMSGSIZE);
}

static void test_format(void **state _unused_) {
        char buf[16];

        assert_int_equal(netstring_format(buf, sizeof(buf), SPAN_LITERAL("OK "), SPAN_LITERAL("OK")), 8);
        assert_memory_equal(buf, "5:OK OK,", 8);
        assert_int_equal(netstring_format(buf, sizeof(buf), SPAN_LITERAL("NOTFOUND "), SPAN_NONE), 12);
        assert_memory_equal(buf, "9:NOTFOUND ,", 12);
        assert_int_equal(netstring_format(buf, 8, SPAN_LITERAL("OK "), SPAN_LITERAL("OK")), 8);
        assert_int_equal(netstring_format(buf, 7, SPAN_LITERAL("OK "), SPAN_LITERAL("OK")), 0);
        assert_int_equal(netstring_format(buf, 2, SPAN_LITERAL("OK "), SPAN_LITERAL("OK")), 0);
}

/* Whether the request asks for this address; NULL: for none. */
static void check(const char *request, SocketmapMap map, const char *address) {
        SocketmapMap got = _SOCKETMAP_MAP_INVALID;
        IpAddr asked, expected;
        int r = socketmap_request_parse(span_from_string(request), &got, &asked);

        if (r != (address != NULL))
                fail_msg("%s: %d", request, r);
        assert_int_equal(got, map);
        if (!address)
                return;
        assert_ok(ip_addr_parse(span_from_string(address), &expected));
        assert_true(ip_addr_equal(&asked, &expected));
}

static void test_relay(void **state _unused_) {
        static const char *const not_an_address[] = {"", " ", "192.0.2", "192.0.2.", "192.0", "192",
                "client.example.org", "unknown", "192.0.2.7.", " 192.0.2.7", "192.0.2.7 ", "192.0.2.07",
                "192.0.2.7/32", "0xc0.0.2.7", "3221225991", "[192.0.2.7]", "::ffff:192.0.2.7",
                "::ffff:c000:207", "2001:DB8::7", "2001:db8:0::7", "2001:db8:0:0:0:0:0:7", "2001:0db8::7",
                "2001:db8::", "2001:db8", "2001:db8::7%eth0", "2001:db8::7/128", "IPv6:2001:db8::7",
                "Connect:192.0.2.7", "192.0.2.7\n", "*", "@authrelay"};

        for (size_t i = 0; i < ELEMENTSOF(not_an_address); i++) {
                char request[100];

                (void) snprintf(request, sizeof(request), "relay %s", not_an_address[i]);
                /* this one is a complete address: the first of its network */
                check(request, SOCKETMAP_RELAY,
                        streq(not_an_address[i], "2001:db8::") ? "2001:db8::" : NULL);
        }
        check("relay 192.0.2.7", SOCKETMAP_RELAY, "192.0.2.7");
        check("relay 2001:db8::7", SOCKETMAP_RELAY, "2001:db8::7");
        check("relay-user 2001:db8::7", SOCKETMAP_RELAY_USER, "2001:db8::7");
        check("relay_user 192.0.2.7", SOCKETMAP_RELAY_USER, "192.0.2.7");
}

static void test_access(void **state _unused_) {
        check("relay-access Connect:192.0.2.7", SOCKETMAP_RELAY_ACCESS, "192.0.2.7");
        check("relay_access Connect:192.0.2.7", SOCKETMAP_RELAY_ACCESS, "192.0.2.7");
        check("relay-access Connect:IPv6:2001:db8:0:0:0:0:0:7", SOCKETMAP_RELAY_ACCESS, "2001:db8::7");
        check("relay-access 192.0.2.7", SOCKETMAP_RELAY_ACCESS, NULL);
        check("relay-access From:192.0.2.7", SOCKETMAP_RELAY_ACCESS, NULL);
        /* in lower case, as sendmail does it if it is not told otherwise */
        check("relay-access connect:192.0.2.7", SOCKETMAP_RELAY_ACCESS, "192.0.2.7");
        check("relay-access connect:ipv6:2001:db8:0:0:0:0:0:7", SOCKETMAP_RELAY_ACCESS, "2001:db8::7");
        check("relay-access connect:ipv6:2001:db8::7", SOCKETMAP_RELAY_ACCESS, NULL);
        check("relay-access Connect:[192.0.2.7]", SOCKETMAP_RELAY_ACCESS, NULL);
        check("relay-access Connect:192.0.2", SOCKETMAP_RELAY_ACCESS, NULL);
        check("relay-access Connect:IPv6:192.0.2.7", SOCKETMAP_RELAY_ACCESS, NULL);
        check("relay-access Connect:2001:db8:0:0:0:0:0:7", SOCKETMAP_RELAY_ACCESS, NULL);
        /* sendmail would ask for this about 2001:db8::1:7 */
        check("relay-access Connect:IPv6:2001:db8::1", SOCKETMAP_RELAY_ACCESS, NULL);
        check("relay-access Connect:IPv6:2001:DB8:0:0:0:0:0:7", SOCKETMAP_RELAY_ACCESS, NULL);
        check("relay-access Connect:IPv6:2001:0db8:0:0:0:0:0:7", SOCKETMAP_RELAY_ACCESS, NULL);
        check("relay-access Connect:IPv6:0:0:0:0:0:ffff:c000:207", SOCKETMAP_RELAY_ACCESS, NULL);
}

/* Whatever sendmail cuts off, nothing of an address that is OK is another one that is OK. */
static void test_parts(void **state _unused_) {
        uint64_t seed = 11;

        for (unsigned i = 0; i < 20000; i++) {
                char key[100] = "relay-access Connect:IPv6:", *address = key + strlen(key), *colon;
                SocketmapMap map;
                IpAddr got;

                for (unsigned k = 0; k < 8; k++) {
                        unsigned group =
                                next_random(&seed) % 3 == 0 ? (unsigned) (next_random(&seed) & 0xffff) : 0;

                        (void) snprintf(
                                key + strlen(key), sizeof(key) - strlen(key), k > 0 ? ":%x" : "%x", group);
                }
                (void) socketmap_request_parse(span_from_string(key), &map, &got);
                while ((colon = strrchr(address, ':'))) {
                        *colon = 0;
                        assert_int_equal(socketmap_request_parse(span_from_string(key), &map, &got), 0);
                }
        }
}

static void test_drac(void **state _unused_) {
        check("drac 192.0.2.7", SOCKETMAP_DRAC, "192.0.2.7");
        check("drac IPv6:2001:db8:0:0:0:0:0:7", SOCKETMAP_DRAC, "2001:db8::7");
        check("drac IPv6:2001:db8::7", SOCKETMAP_DRAC, "2001:db8::7");
        check("drac 2001:db8:0:0:0:0:0:7", SOCKETMAP_DRAC, "2001:db8::7");
        check("drac 2001:db8::7", SOCKETMAP_DRAC, "2001:db8::7");
        check("drac IPv6:192.0.2.7", SOCKETMAP_DRAC, NULL);
        check("drac IPv6:::ffff:192.0.2.7", SOCKETMAP_DRAC, NULL);
        check("drac IPv6:IPv6:2001:db8::7", SOCKETMAP_DRAC, NULL);
        check("drac 192.0.2", SOCKETMAP_DRAC, NULL);
}

static void test_maps(void **state _unused_) {
        static const char *const unknown[] = {
                "", "rela", "relays", "Relay", "relay-", "access", "relay-user2", "relay\n"};
        SocketmapMap map;
        IpAddr address;

        for (int i = 0; i < _SOCKETMAP_MAP_MAX; i++)
                assert_int_equal(
                        socketmap_map_from_name(span_from_string(socketmap_map_to_string((SocketmapMap) i))),
                        i);
        for (size_t i = 0; i < ELEMENTSOF(unknown); i++)
                assert_int_equal(
                        socketmap_map_from_name(span_from_string(unknown[i])), _SOCKETMAP_MAP_INVALID);
        assert_int_equal(socketmap_request_parse(SPAN_LITERAL("x 192.0.2.7"), &map, &address), -ENOENT);
        assert_int_equal(socketmap_request_parse(SPAN_LITERAL(" 192.0.2.7"), &map, &address), -ENOENT);
        assert_int_equal(socketmap_request_parse(SPAN_LITERAL("relay"), &map, &address), -EBADMSG);
        assert_int_equal(socketmap_request_parse(SPAN_NONE, &map, &address), -EBADMSG);
        assert_int_equal(socketmap_request_parse(span_make("relay 192.0.2.7\0", 16), &map, &address), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_netstring),
                cmocka_unit_test(test_beginning),
                cmocka_unit_test(test_no_netstring),
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_relay),
                cmocka_unit_test(test_access),
                cmocka_unit_test(test_parts),
                cmocka_unit_test(test_drac),
                cmocka_unit_test(test_maps),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
