/* SPDX-License-Identifier: Apache-2.0 */
/* Keys against a model of tcpserver's look-up: no key of a network is found for an address outside of it, and where
 * all are said to be covered, one is found for each inside. */
#include "check.h"

#include "publish/tcprules-key.h"

typedef struct Keys {
        char items[2 * TCPRULES_PARTS_MAX][IP_TEXT_BYTES];
        unsigned n;
} Keys;

static int add_key(void *userdata, Span key) {
        Keys *k = userdata;

        assert_in_range(k->n, 0, ELEMENTSOF(k->items) - 1);
        (void) snprintf(k->items[k->n++], IP_TEXT_BYTES, "%.*s", (int) key.size, key.data);
        return 0;
}

static IpNetwork network_of(const char *text) {
        IpNetwork n;

        assert_ok(ip_network_parse(span_from_string(text), &n));
        return n;
}

static void test_keys(_unused_ void **state) {
        static const struct {
                const char *network;
                TcprulesCoverage coverage;
                const char *keys; /* the first and the last one, or all */
        } rows[] = {
                {"192.0.2.7", TCPRULES_COVERS_ALL, "192.0.2.7"},
                {"192.0.2.0/24", TCPRULES_COVERS_ALL, "192.0.2."},
                {"10.0.0.0/8", TCPRULES_COVERS_ALL, "10."},
                {"172.16.0.0/12", TCPRULES_COVERS_ALL, "172.16. 172.31."},
                {"192.0.2.4/30", TCPRULES_COVERS_ALL, "192.0.2.4 192.0.2.7"},
                {"0.0.0.0/0", TCPRULES_COVERS_NONE, ""},
                {"2001:db8::7", TCPRULES_COVERS_ALL, "2001:db8::7"},
                /* tcpserver shortens a single zero group, too */
                {"2001:db8:0:1:1:1:1:1", TCPRULES_COVERS_ALL, "2001:db8::1:1:1:1:1"},
                {"::1", TCPRULES_COVERS_ALL, "::1"},
                {"2001:db8:1:2::/64", TCPRULES_COVERS_ALL, "2001:db8:1:2:"},
                {"2001:db8:1::/64", TCPRULES_COVERS_ALL, "2001:db8:1:: 2001:db8:1:0:"},
                {"2001:db8::/32", TCPRULES_COVERS_ALL, "2001:db8:"},
                {"2001:db8:1::/47", TCPRULES_COVERS_NONE, NULL},
                {"2001:db8:4:100::/56", TCPRULES_COVERS_ALL, "2001:db8:4:100: 2001:db8:4:1ff:"},
                {"2001:db8:4::/40", TCPRULES_COVERS_NONE, NULL},
                /* "2001:db8::5:" is the beginning of 2001:db8::5:1 as well */
                {"2001:db8:0:5::/64", TCPRULES_COVERS_SOME, "2001:db8:0:5:"},
                {"2001:db8::/64", TCPRULES_COVERS_SOME, "2001:db8:0:0:"},
                /* found for each address that begins like this */
                {"2001:db8::", TCPRULES_COVERS_NONE, ""},
                {"2001:db8:1:2:3:4:5:0", TCPRULES_COVERS_NONE, ""},
                {"2000::/3", TCPRULES_COVERS_NONE, ""},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Keys keys = {.n = 0};
                char text[2 * IP_TEXT_BYTES] = "";
                IpNetwork n;

                if (!rows[i].keys)
                        continue; /* bits behind the length */
                n = network_of(rows[i].network);
                assert_int_equal(tcprules_keys(&n, add_key, &keys), rows[i].coverage);
                assert_true(keys.n <= tcprules_keys_count(&n));
                if (keys.n == 1)
                        (void) snprintf(text, sizeof(text), "%s", keys.items[0]);
                else if (keys.n > 1)
                        (void) snprintf(text, sizeof(text), "%s %s", keys.items[0], keys.items[keys.n - 1]);
                assert_string_equal(text, rows[i].keys);
        }
}

/* As tcpserver of ucspi-tcp-ipv6 goes through its rules. */
static bool is_found(const char *address, const Keys *keys) {
        for (unsigned i = 0; i < keys->n; i++) {
                size_t n = strlen(keys->items[i]);
                char end = n > 0 ? keys->items[i][n - 1] : 0;

                if (streq(address, keys->items[i]) ||
                        ((end == '.' || end == ':') && strncmp(address, keys->items[i], n) == 0))
                        return true;
        }
        return false;
}

/* Few values and many zeros: that is where "::" wanders. */
static IpAddr random_address(uint64_t *seed, bool is_v4) {
        IpAddr a = {{[10] = 0xff, [11] = 0xff}};

        if (is_v4)
                for (unsigned i = 12; i < 16; i++)
                        a.bytes[i] = (uint8_t) (next_random(seed) >> 40 & 3);
        else
                for (unsigned i = 0; i < 16; i += 2) {
                        a.bytes[i] = 0;
                        a.bytes[i + 1] = (uint8_t) (next_random(seed) >> 40 & 1);
                        if (i == 0)
                                a.bytes[0] = 0x20;
                }
        return a;
}

static void test_no_stranger(_unused_ void **state) {
        uint64_t seed = 4711;
        unsigned found = 0;

        for (unsigned i = 0; i < 4000; i++) {
                bool is_v4 = i % 4 == 0;
                IpAddr a = random_address(&seed, is_v4);
                unsigned length = is_v4 ? 104 + (unsigned) (next_random(&seed) >> 40) % 25
                                        : 24 + (unsigned) (next_random(&seed) >> 40) % 105;
                IpNetwork n = ip_network_of(&a, length);
                Keys keys = {.n = 0};
                int coverage = tcprules_keys(&n, add_key, &keys);

                assert_true(coverage >= 0 && keys.n <= tcprules_keys_count(&n));
                for (unsigned k = 0; k < keys.n; k++) {
                        IpNetwork of_key;

                        assert_true(tcprules_key_network(span_from_string(keys.items[k]), &of_key));
                        assert_true(ip_network_contains(&n, &of_key));
                }
                for (unsigned k = 0; k < 50; k++) {
                        IpAddr b = random_address(&seed, is_v4);
                        IpNetwork host;
                        char text[IP_TEXT_BYTES];

                        if (k % 2) /* one inside */
                                for (unsigned bit = 0; bit < length; bit++) {
                                        uint8_t mask = (uint8_t) (0x80 >> bit % 8);

                                        b.bytes[bit / 8] = (uint8_t) ((b.bytes[bit / 8] & ~mask) |
                                                                      (a.bytes[bit / 8] & mask));
                                }
                        host = ip_network_of(&b, 128);
                        (void) tcprules_address_format(text, &b);
                        if (is_found(text, &keys)) {
                                found++;
                                if (!ip_network_contains(&n, &host))
                                        fail_msg("%s is found for a network of length %u", text, length);
                        } else if (coverage == TCPRULES_COVERS_ALL && ip_network_contains(&n, &host))
                                fail_msg("%s is not found for a network of length %u", text, length);
                }
        }
        assert_true(found > 10000);
}

/* Whatever begins like a key lies in its network. */
static void test_key_network(_unused_ void **state) {
        static const char *const none[] = {"", "10", "10.0.0.0/8", "10..", "010.", "256.", "1.2.3.4.", "x", "a@10.0.0.1",
                "2001:DB8::1", "2001:0db8:", "2001:db8:0:0::1", "::ffff:10.0.0.1", "2001:db8:x:", "20011:",
                "1:2:3:4:5:6:7:8:"};
        uint64_t seed = 42;
        IpNetwork n;

        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                if (tcprules_key_network(span_from_string(none[i]), &n))
                        fail_msg("'%s' has a network", none[i]);
        for (unsigned i = 0; i < 20000; i++) {
                IpAddr a = random_address(&seed, i % 4 == 0);
                IpNetwork host = ip_network_of(&a, 128);
                char text[IP_TEXT_BYTES];

                (void) tcprules_address_format(text, &a);
                for (size_t k = strlen(text); k > 0; k--) {
                        if (k < strlen(text) && text[k - 1] != '.' && text[k - 1] != ':')
                                continue;
                        if (tcprules_key_network(span_make(text, k), &n))
                                assert_true(ip_network_contains(&n, &host));
                        else
                                assert_true(k == 1); /* ":" */
                }
        }
}

static void test_format(_unused_ void **state) {
        /* as tcpserver -6 and tcpclient of Debian's ucspi-tcp-ipv6 write them */
        static const char *const rows[][2] = {
                {"192.0.2.7", "192.0.2.7"},
                {"::ffff:192.0.2.7", "192.0.2.7"},
                {"2001:db8::7", "2001:db8::7"},
                {"2001:db8:0:0:5::", "2001:db8:0:0:5::"},
                {"2001:db8:0:0:1::2", "2001:db8::1:0:0:2"},
                {"2001:0:1:0:1:0:1:1", "2001::1:0:1:0:1:1"},
                {"::", "::"},
                {"::192.0.2.7", "::c000:207"},
                {"1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7::"},
                {"0:2:3:4:5:6:7:8", "::2:3:4:5:6:7:8"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char text[IP_TEXT_BYTES];
                IpAddr a;

                assert_ok(ip_addr_parse(span_from_string(rows[i][0]), &a));
                assert_string_equal(tcprules_address_format(text, &a), rows[i][1]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_keys),
                cmocka_unit_test(test_no_stranger),
                cmocka_unit_test(test_key_network),
                cmocka_unit_test(test_format),
        };

        return cmocka_run_group_tests_name("tcprules-key", tests, NULL, NULL);
}
