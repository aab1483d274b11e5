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

/* As the words say, and not as ip_network_contains() does. */
static bool contains(const IpNetwork *outer, const IpNetwork *inner) {
        IpNetwork cut;

        if (outer->length > inner->length || ip_network_is_v4(outer) != ip_network_is_v4(inner))
                return false;
        cut = ip_network_of(&inner->addr, outer->length);
        return ip_addr_equal(&cut.addr, &outer->addr);
}

/* Returns how often something was found. */
static unsigned check_set_of(unsigned n, uint64_t seed) {
        NetworkSet s = {0};
        IpNetwork list[2000];
        unsigned found = 0;

        for (unsigned i = 0; i < n; i++) {
                uint64_t r = next_random(&seed);
                IpAddr addr = i % 2 ? net("10.0.0.0").addr : net("2001:db8::").addr;

                memcpy(addr.bytes + 13, &r, 3);
                list[i] = ip_network_of(&addr, 104 + (unsigned) (r >> 32) % 25);
                assert_ok(network_set_add(&s, &list[i]));
                assert_true(network_set_has(&s, &list[i]));
        }
        for (unsigned i = 0; i < 2000; i++) {
                uint64_t r = next_random(&seed);
                IpNetwork asked = ip_network_of(&list[i % n].addr, 128);
                int expected = -1;
                bool there = false;

                memcpy(asked.addr.bytes + 14, &r, 2);
                asked = ip_network_of(&asked.addr, 128 - (unsigned) (r >> 32) % 4);
                for (unsigned k = 0; k < n; k++) {
                        bool inside = contains(&list[k], &asked);

                        assert_int_equal(ip_network_contains(&list[k], &asked), inside);
                        if (inside)
                                expected = MAX(expected, list[k].length);
                        there |= ip_network_equal(&list[k], &asked);
                }
                assert_int_equal(network_set_longest(&s, &asked), expected);
                assert_int_equal(network_set_has(&s, &asked), there);
                found += expected > 0;
        }
        network_set_done(&s);
        return found;
}

static void test_model(_unused_ void **state) {
        unsigned found = 0;

        /* a few are looked through, many are looked up */
        for (unsigned n = 1; n < 40; n++)
                found += check_set_of(n, n);
        assert_true(found > 39 * 500);
        assert_true(check_set_of(2000, 11) > 500);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_families),
                cmocka_unit_test(test_model),
        };

        return cmocka_run_group_tests_name("network-set", tests, NULL, NULL);
}
