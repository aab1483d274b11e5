/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <arpa/inet.h>

#include "model/ip-addr.h"

static void test_addresses(_unused_ void **state) {
        static const char *const good[][2] = {
                {"192.0.2.7", "192.0.2.7"},
                {"0.0.0.0", "0.0.0.0"},
                {"::ffff:192.0.2.7", "192.0.2.7"},
                {"::FFFF:c000:207", "192.0.2.7"},
                {"2001:DB8::1", "2001:db8::1"},
                {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
                {"::", "::"},
                {"::1", "::1"},
        };
        static const char *const bad[] = {"", ".", "../x", "999999.1..2", "1.2.3", "1.2.3.4.5", "01.2.3.4",
                "1.2.3.256", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4\n", "0x1.2.3.4", "1", "::g",
                ":::", "fe80::1%eth0", "[::1]", "1:2:3:4:5:6:7:8:9", "::ffff:1.2.3.400", "localhost",
                "1.2.3.4/32"};
        char text[IP_TEXT_BYTES], large[4096];
        IpAddr a, b;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_ok(ip_addr_parse(span_from_string(good[i][0]), &a));
                assert_string_equal(ip_addr_format(text, &a), good[i][1]);
                assert_ok(ip_addr_parse(span_from_string(text), &b));
                assert_true(ip_addr_equal(&a, &b));
                assert_int_equal(ip_addr_is_v4(&a), strchr(good[i][1], '.') != NULL);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(ip_addr_parse(span_from_string(bad[i]), &a), -EINVAL);
        memset(large, '1', sizeof(large));
        assert_int_equal(ip_addr_parse(span_make(large, sizeof(large)), &a), -EINVAL);
        assert_int_equal(ip_addr_parse(span_make("1.2.3.4\0x", 9), &a), -EINVAL);
        assert_int_equal(ip_addr_parse(SPAN_NONE, &a), -EINVAL);
        assert_ok(ip_addr_parse(span_make("1.2.3.45", 7), &a));
        assert_string_equal(ip_addr_format(text, &a), "1.2.3.4");
}

static void test_networks(_unused_ void **state) {
        static const struct {
                const char *text, *canonical;
                int r;
        } cases[] = {
                {"192.0.2.7", "192.0.2.7", 0},
                {"192.0.2.7/32", "192.0.2.7", 0},
                {"10.0.0.0/8", "10.0.0.0/8", 0},
                {"0.0.0.0/0", "0.0.0.0/0", 0},
                {"10.0.0.0/255.0.0.0", "10.0.0.0/8", 0},
                {"10.0.0.0/255.255.255.255", NULL, 0},
                {"0.0.0.0/0.0.0.0", "0.0.0.0/0", 0},
                {"10.0.", "10.0.0.0/16", 0},
                {"10.", "10.0.0.0/8", 0},
                {"192.0.2.", "192.0.2.0/24", 0},
                {"2001:db8::/32", "2001:db8::/32", 0},
                {"2001:db8::/128", "2001:db8::", 0},
                {"::/0", "::/0", 0},
                {"::ffff:10.0.0.0/104", "10.0.0.0/8", 0},
                {"10.0.0.1/8", NULL, -EDOM},
                {"2001:db8::1/64", NULL, -EDOM},
                {"10.0.0.0/33", NULL, -EINVAL},
                {"10.0.0.0/255.0.255.0", NULL, -EINVAL},
                {"10.0.0.0/", NULL, -EINVAL},
                {"10.0.0.0/-1", NULL, -EINVAL},
                {"10.0.0.0/8/8", NULL, -EINVAL},
                {"/8", NULL, -EINVAL},
                {"2001:db8::/129", NULL, -EINVAL},
                {"::ffff:10.0.0.0/8", NULL, -EINVAL},
                {".", NULL, -EINVAL},
                {"1.2.3.4.", NULL, -EINVAL},
                {"10..", NULL, -EINVAL},
                {"256.", NULL, -EINVAL},
                {"01.", NULL, -EINVAL},
                {"", NULL, -EINVAL},
        };
        char text[IP_TEXT_BYTES];
        IpNetwork n, again;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(ip_network_parse(span_from_string(cases[i].text), &n), cases[i].r);
                if (cases[i].r < 0)
                        continue;
                (void) ip_network_format(text, &n);
                if (cases[i].canonical)
                        assert_string_equal(text, cases[i].canonical);
                assert_ok(ip_network_parse(span_from_string(text), &again));
                assert_true(ip_network_equal(&n, &again));
        }
}

static IpNetwork network(const char *text) {
        IpNetwork n = {0};

        assert_ok(ip_network_parse(span_from_string(text), &n));
        return n;
}

static void test_contains(_unused_ void **state) {
        static const struct {
                const char *outer, *inner;
                bool contains;
        } cases[] = {
                {"10.0.0.0/8", "10.1.2.3", true},
                {"10.0.0.0/8", "10.0.0.0/8", true},
                {"10.0.0.0/8", "10.64.0.0/10", true},
                {"10.64.0.0/10", "10.0.0.0/8", false},
                {"10.0.0.0/8", "11.0.0.0", false},
                {"0.0.0.0/0", "255.255.255.255", true},
                {"::/0", "2001:db8::1", true},
                {"::/0", "192.0.2.1", false},
                {"0.0.0.0/0", "::1", false},
                {"2001:db8::/33", "2001:db8:8000::", false},
                {"2001:db8::/33", "2001:db8:7fff::", true},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                IpNetwork outer = network(cases[i].outer), inner = network(cases[i].inner);

                assert_int_equal(ip_network_contains(&outer, &inner), cases[i].contains);
        }
}

/* Every length of an address with all bits set keeps just as many bits. */
static void test_network_of(_unused_ void **state) {
        IpAddr ones;

        memset(&ones, 0xff, sizeof(ones));
        for (unsigned length = 0; length <= 128; length++) {
                IpNetwork n = ip_network_of(&ones, length);
                unsigned bits = 0;

                for (unsigned i = 0; i < 16; i++)
                        bits += (unsigned) __builtin_popcount(n.addr.bytes[i]);
                assert_int_equal(bits, length);
                assert_int_equal(n.length, length);
                assert_true(length == 0 || n.addr.bytes[(length - 1) / 8] & (0x80 >> (length - 1) % 8));
        }
}

/* As inet_ntop(3) writes them. */
static void test_octets(_unused_ void **state) {
        char text[IP_TEXT_BYTES], expected[64];
        IpAddr a = {{[10] = 0xff, 0xff}};

        for (unsigned octet = 0; octet < 256; octet++)
                for (unsigned place = 12; place < 16; place++) {
                        IpNetwork n;

                        a.bytes[place] = (uint8_t) octet;
                        assert_non_null(inet_ntop(AF_INET, a.bytes + 12, expected, sizeof(expected)));
                        assert_string_equal(ip_addr_format(text, &a), expected);
                        for (unsigned length = 96; length < 128; length++) {
                                n = ip_network_of(&a, length);
                                assert_non_null(
                                        inet_ntop(AF_INET, n.addr.bytes + 12, expected, sizeof(expected)));
                                (void) snprintf(expected + strlen(expected), 8, "/%u", length - 96);
                                assert_string_equal(ip_network_format(text, &n), expected);
                        }
                }
        for (unsigned length = 0; length < 128; length++) {
                IpNetwork n = ip_network_of(&(IpAddr){{0x20, 0x01, 0x0d, 0xb8, [15] = 1}}, length);

                assert_non_null(inet_ntop(AF_INET6, n.addr.bytes, expected, sizeof(expected)));
                (void) snprintf(expected + strlen(expected), 8, "/%u", length);
                assert_string_equal(ip_network_format(text, &n), expected);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_octets),
                cmocka_unit_test(test_addresses),
                cmocka_unit_test(test_networks),
                cmocka_unit_test(test_contains),
                cmocka_unit_test(test_network_of),
        };

        return cmocka_run_group_tests_name("ip-addr", tests, NULL, NULL);
}
