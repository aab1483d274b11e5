/* SPDX-License-Identifier: Apache-2.0 */
/* Policy: who may be granted, and which records follow from it. */
#include "check.h"

#include "grant/policy.h"

static int begin(void **state) {
        Policy *p = calloc(1, sizeof(Policy));

        *state = p;
        return p ? policy_init(p) : -1;
}

static int end(void **state) {
        policy_done(*state);
        free(*state);
        return 0;
}

#define with_policy(f) cmocka_unit_test_setup_teardown(f, begin, end)

static IpNetwork net(const char *text) {
        IpNetwork n;

        assert_ok(ip_network_parse(span_from_string(text), &n));
        return n;
}

static void put(NetworkSet *s, const char *text) {
        IpNetwork n = net(text);

        assert_ok(network_set_add(s, &n));
}

static bool refused(const Policy *p, const char *address, const char *user) {
        IpNetwork n = net(address);

        return policy_refuses(p, &n.addr, span_from_string(user)) != NULL;
}

static bool refused_by_hand(const Policy *p, const char *network) {
        IpNetwork n = net(network);

        return policy_refuses_manual(p, &n) != NULL;
}

static void check_network(const Policy *p, const char *address, const char *expected) {
        IpNetwork host = net(address), n = policy_network_of(p, &host.addr);
        char text[IP_TEXT_BYTES];

        assert_string_equal(ip_network_format(text, &n), expected);
}

static void test_networks(void **state) {
        Policy *p = *state;

        check_network(p, "192.0.2.7", "192.0.2.7");
        check_network(p, "2001:db8::7", "2001:db8::/64");
        put(&p->host_networks, "2001:db8::/64");
        check_network(p, "2001:db8::7", "2001:db8::7");
        check_network(p, "2001:db8:0:1::7", "2001:db8:0:1::/64");
        p->ipv6_prefix = 48;
        check_network(p, "2001:db8:1:1::7", "2001:db8:1::/48");
}

/* Behind a translator a prefix is everybody: single hosts, and the IPv4 rules for the address inside. */
static void test_translated(void **state) {
        Policy *p = *state;

        check_network(p, "64:ff9b::203.0.113.5", "64:ff9b::cb00:7105");
        check_network(p, "64:ff9b:1::203.0.113.5", "64:ff9b:1::cb00:7105");
        check_network(p, "2001:0:4136:e378::1", "2001:0:4136:e378::1");
        check_network(p, "::7f00:2", "::127.0.0.2");
        assert_false(refused(p, "64:ff9b::203.0.113.5", "alice"));
        assert_true(refused(p, "64:ff9b::127.0.0.1", "alice"));
        assert_true(refused(p, "64:ff9b::10.0.0.1", "alice"));
        put(&p->host, "203.0.113.1");
        assert_true(refused(p, "64:ff9b::203.0.113.1", "alice"));
}

/* A never beats a grant of any length; an Always= beats a never only if it is strictly longer. */
static void test_never_and_always(void **state) {
        Policy *p = *state;

        put(&p->host, "198.51.100.7");
        assert_true(refused(p, "198.51.100.7", ""));
        put(&p->always, "198.51.100.7");
        assert_true(refused(p, "198.51.100.7", "") && refused_by_hand(p, "198.51.100.7"));
        put(&p->never, "203.0.113.0/24");
        put(&p->always, "203.0.112.0/23");
        assert_true(refused(p, "203.0.113.9", "") && refused_by_hand(p, "203.0.113.9") &&
                    refused_by_hand(p, "203.0.113.0/25"));
        put(&p->always, "203.0.113.8/29");
        assert_false(refused(p, "203.0.113.9", "") || refused_by_hand(p, "203.0.113.9"));
        /* and a never inside the exception takes it back */
        put(&p->never, "203.0.113.9");
        assert_true(refused(p, "203.0.113.9", ""));
        assert_false(refused(p, "203.0.113.10", ""));
        put(&p->always, "127.0.0.53");
        assert_false(refused(p, "127.0.0.53", ""));
        assert_true(refused(p, "127.0.0.1", ""));
        /* something wide that has a never inside is not itself never */
        assert_false(refused_by_hand(p, "203.0.112.0/23"));
}

static void test_widths(void **state) {
        Policy *p = *state;

        assert_true(refused_by_hand(p, "0.0.0.0/0") && refused_by_hand(p, "8.0.0.0/7") &&
                    refused_by_hand(p, "::/0"));
        assert_true(refused_by_hand(p, "2000::/3") && refused_by_hand(p, "2001:db8::/31"));
        assert_false(refused_by_hand(p, "8.0.0.0/8") || refused_by_hand(p, "2001:db8::/32"));
        assert_false(refused_by_hand(p, "10.0.0.0/8")); /* whoever does it by hand knows */
}

static void test_private(void **state) {
        Policy *p = *state;

        assert_true(refused(p, "10.1.2.3", "") && refused(p, "fd00::1", ""));
        put(&p->always, "10.1.0.0/16");
        assert_false(refused(p, "10.1.2.3", ""));
        assert_true(refused(p, "10.2.2.3", ""));
        p->private_mode = POLICY_PRIVATE_NETWORKS;
        assert_true(refused(p, "10.2.2.3", ""));
        put(&p->private_networks, "10.2.0.0/16");
        assert_false(refused(p, "10.2.2.3", ""));
        p->private_mode = POLICY_PRIVATE_YES;
        assert_false(refused(p, "192.168.1.1", "") || refused(p, "fd00::1", ""));
}

static void test_users(void **state) {
        static const struct {
                const char *glob, *user;
                bool matches;
        } cases[] = {
                {"alice", "alice", true},
                {"alice", "ALICE", true},
                {"Alice", "alice", true},
                {"alice", "alice2", false},
                {"alice", "", false},
                {"*", "", true},
                {"*@example.org", "a@EXAMPLE.ORG", true},
                {"*@example.org", "a@example.org.evil", false},
                {"a?c", "abc", true},
                {"[ab]*", "bx", true},
                {"a\\*", "a*", false},
                {"a/*", "a/b/c", true},
                {".*", ".x", true},
                {"*", ".x", true},
        };
        Policy *p = *state;
        IpNetwork host = net("192.0.2.7");
        char name[400];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_ok(string_list_add(&p->deny_users, span_from_string(cases[i].glob)));
                if (refused(p, "192.0.2.7", cases[i].user) != cases[i].matches)
                        fail_msg("%s and %s", cases[i].glob, cases[i].user);
                string_list_done(&p->deny_users);
                assert_ok(string_list_add(&p->users, span_from_string(cases[i].glob)));
                assert_int_equal(refused(p, "192.0.2.7", cases[i].user), !cases[i].matches);
                string_list_done(&p->users);
                assert_ok(string_list_add(&p->shared_users, span_from_string(cases[i].glob)));
                assert_int_equal(
                        policy_is_shared_user(p, span_from_string(cases[i].user)), cases[i].matches);
                string_list_done(&p->shared_users);
        }
        /* names are cut at 255 bytes, not run over */
        memset(name, 'x', sizeof(name));
        assert_ok(string_list_add(&p->deny_users, SPAN_LITERAL("x*x")));
        assert_non_null(policy_refuses(p, &host.addr, span_make(name, sizeof(name))));
}

typedef struct Records {
        char text[2048];
} Records;

static int on_record(void *userdata, const IpNetwork *network, bool always) {
        Records *r = userdata;
        char text[IP_TEXT_BYTES];

        (void) sprintf(
                r->text + strlen(r->text), "%c%s ", always ? '+' : '-', ip_network_format(text, network));
        return 0;
}

static bool is_covered(void *userdata, const IpNetwork *network) {
        IpNetwork wide = net("203.0.113.0/24");

        (void) userdata;
        return network->length > wide.length && ip_network_contains(&wide, network);
}

static int stop(_unused_ void *userdata, _unused_ const IpNetwork *network, _unused_ bool always) {
        return -EIO;
}

/* What is never granted is told of wherever something wider may be allowed. */
static void test_records(void **state) {
        Policy *p = *state;
        IpNetwork mine = net("192.0.2.7"), other = net("192.0.2.6");
        Records r = {""};

        assert_ok(policy_each_static(p, NULL, on_record, &r));
        assert_string_equal(r.text, "-:: -::1 ");
        r.text[0] = 0;
        put(&p->always, "198.51.100.0/24");
        put(&p->never, "198.51.100.9");
        put(&p->host, "198.51.100.7");
        put(&p->host, "203.0.113.7");
        put(&p->host, "192.0.2.7");
        put(&p->host, "2001:db8::7");
        put(&p->never, "198.51.100.0/24"); /* as long as the exception: that one has no effect */
        put(&p->always, "192.0.2.0/29");
        assert_ok(policy_each_static(p, is_covered, on_record, &r));
        assert_non_null(strstr(r.text, "+192.0.2.0/29 "));
        assert_non_null(strstr(r.text, "-192.0.2.7 "));
        assert_non_null(strstr(r.text, "-203.0.113.7 "));
        assert_non_null(strstr(r.text, "-2001:db8::7 "));
        assert_null(strstr(r.text, "+198.51.100.0/24 "));
        assert_null(strstr(r.text, "127.0.0.0/8"));
        assert_int_equal(policy_each_static(p, NULL, stop, NULL), -EIO);
        assert_true(policy_is_static(p, &mine));
        assert_false(policy_is_static(p, &other));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                with_policy(test_networks),
                with_policy(test_translated),
                with_policy(test_never_and_always),
                with_policy(test_widths),
                with_policy(test_private),
                with_policy(test_users),
                with_policy(test_records),
        };

        return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
