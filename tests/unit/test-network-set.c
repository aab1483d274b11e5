/* SPDX-License-Identifier: Apache-2.0 */
/* The longest network of a set, against a list that is searched from end to end. */
#include "check.h"

#include "model/network-set.h"

static IpNetwork net(const char *text) {
        IpNetwork n;

        assert_ok(ip_network_parse(span_from_string(text), &n));
        return n;
}

static int longest(const NetworkSet *s, const char *text) {
        IpNetwork n = net(text);

        return network_set_longest(s, &n);
}

static void test_families(_unused_ void **state) {
        NetworkSet s = {0};
        IpNetwork n;

        assert_int_equal(longest(&s, "192.0.2.7"), -1);
        n = net("::/0");
        assert_ok(network_set_add(&s, &n));
        assert_int_equal(longest(&s, "2001:db8::1"), 0);
        assert_int_equal(longest(&s, "192.0.2.7"), -1);
        n = net("0.0.0.0/0");
        assert_ok(network_set_add(&s, &n));
        assert_int_equal(longest(&s, "192.0.2.7"), 96);
        assert_int_equal(longest(&s, "0.0.0.0/0"), 96);
        n = net("192.0.2.0/24");
        assert_ok(network_set_add(&s, &n));
        assert_ok(network_set_add(&s, &n));
        assert_int_equal(s.n, 3);
        assert_int_equal(longest(&s, "192.0.2.0/24"), 120);
        assert_int_equal(longest(&s, "192.0.2.0/23"), 96);
        assert_int_equal(longest(&s, "192.0.3.1"), 96);
        assert_int_equal(longest(&s, "::ffff:192.0.2.9"), 120);
        assert_int_equal(longest(&s, "::192.0.2.9"), 0);
        network_set_done(&s);
        assert_int_equal(longest(&s, "192.0.2.7"), -1);
}

static void test_model(_unused_ void **state) {
        NetworkSet s = {0};
        IpNetwork list[2000];
        uint64_t seed = 11;
        unsigned found = 0;

        for (unsigned i = 0; i < ELEMENTSOF(list); i++) {
                uint64_t r = next_random(&seed);
                IpAddr addr = i % 2 ? net("10.0.0.0").addr : net("2001:db8::").addr;

                memcpy(addr.bytes + 13, &r, 3);
                list[i] = ip_network_of(&addr, 104 + (unsigned) (r >> 32) % 25);
                assert_ok(network_set_add(&s, &list[i]));
                assert_true(network_set_has(&s, &list[i]));
        }
        for (unsigned i = 0; i < 2000; i++) {
                uint64_t r = next_random(&seed);
                IpNetwork host = ip_network_of(&list[i].addr, 128);
                int expected = -1;

                memcpy(host.addr.bytes + 14, &r, 2);
                for (unsigned k = 0; k < ELEMENTSOF(list); k++)
                        if (ip_network_contains(&list[k], &host))
                                expected = MAX(expected, list[k].length);
                assert_int_equal(network_set_longest(&s, &host), expected);
                found += expected > 0;
        }
        assert_true(found > 500);
        network_set_done(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_families),
                cmocka_unit_test(test_model),
        };

        return cmocka_run_group_tests_name("network-set", tests, NULL, NULL);
}
