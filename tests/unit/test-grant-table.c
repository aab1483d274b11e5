/* SPDX-License-Identifier: Apache-2.0 */
/* Grants against virtual time: how long, how many, what takes them away and what does not bring them back.
 */
#include "check.h"

#include "grant/grant-table.h"
#include "grant/revocation-table.h"
#include "record-builder.h"

#define T0 (TEST_NOW / USEC_PER_SEC)
#define AT(s) ((usec_t) (s) *USEC_PER_SEC)
#define TTL 1600u
#define GRACE (TTL / 16)

typedef struct Heard {
        unsigned n[_GRANT_EVENT_TYPE_MAX];
        GrantEvent last;
        char network[IP_TEXT_BYTES], user[256], reason[256];
        uint64_t now; /* what is published may never be further ahead */
        uint32_t ttl;
} Heard;

static void hear(void *userdata, const GrantEvent *event) {
        Heard *h = userdata;

        h->n[event->type]++;
        h->last = *event;
        (void) ip_network_format(h->network, &event->network);
        (void) snprintf(
                h->user, sizeof(h->user), "%.*s", (int) event->user.size, strempty(event->user.data));
        (void) snprintf(h->reason, sizeof(h->reason), "%s", strempty(event->reason));
        if (event->type == GRANT_EVENT_GRANTED || event->type == GRANT_EVENT_EXTENDED) {
                assert_true(event->published <= event->until);
                if (h->now > 0) /* readers allow for a 16th more */
                        assert_true(event->published <= h->now + h->ttl + h->ttl / 16);
        }
}

typedef struct Fixture {
        Policy policy;
        GrantTable *table;
        Heard heard;
        bool forgotten; /* logins may be of sources that can't be read again */
} Fixture;

static void renew(Fixture *f) {
        grant_table_free(f->table);
        assert_ok(grant_table_new(&f->policy, hear, &f->heard, &f->table));
}

static int begin(void **state) {
        Fixture *f = calloc(1, sizeof(Fixture));

        if (!f || policy_init(&f->policy) < 0)
                return -1;
        f->policy.ttl = TTL;
        renew(f);
        *state = f;
        return 0;
}

static int end(void **state) {
        Fixture *f = *state;

        grant_table_free(f->table);
        policy_done(&f->policy);
        free(f);
        return 0;
}

#define with_table(f) cmocka_unit_test_setup_teardown(f, begin, end)

static IpNetwork net(const char *text) {
        IpNetwork n;

        assert_ok(ip_network_parse(span_from_string(text), &n));
        return n;
}

static int login_at(Fixture *f, const char *address, const char *user, uint64_t at, uint64_t now) {
        Login login = test_login(address, user, AT(at));

        f->heard.now = now;
        f->heard.ttl = f->policy.ttl;
        return grant_table_login(f->table, &login, now);
}

static bool has(Fixture *f, const char *network, GrantView *ret) {
        GrantView view;
        IpNetwork n = net(network);

        return grant_table_find(f->table, &n, ret ? ret : &view);
}

static void expire(Fixture *f, uint64_t now) {
        f->heard.now = now;
        f->heard.ttl = f->policy.ttl;
        grant_table_expire(f->table, now);
        assert_true(grant_table_next_due(f->table) > now);
}

static int take(Fixture *f, const char *network, uint64_t now) {
        IpNetwork n = net(network);

        return grant_table_revoke(f->table, &n, AT(now));
}

static int add(Fixture *f, const char *network, uint64_t ttl, uint64_t now, uint64_t *ret_until) {
        IpNetwork n = net(network);
        const char *reason;
        uint64_t until;

        f->heard.now = now;
        f->heard.ttl = f->policy.ttl;
        return grant_table_add(
                f->table, &n, ttl, SPAN_LITERAL("root"), AT(now), ret_until ? ret_until : &until, &reason);
}

static void reload_behind(Fixture *f, uint64_t now, bool behind) {
        ByteWriter grants = BYTE_WRITER_INIT, revocations = BYTE_WRITER_INIT;

        grant_table_encode(f->table, &grants);
        grant_table_encode_revocations(f->table, &revocations);
        assert_false(grants.failed || revocations.failed);
        renew(f);
        if (behind)
                grant_table_expect_more(f->table);
        assert_true(grant_table_decode_revocations(f->table, span_make(revocations.data, revocations.size)));
        assert_true(grant_table_decode(f->table, span_make(grants.data, grants.size), AT(now)));
        byte_writer_done(&grants);
        byte_writer_done(&revocations);
}

static void reload(Fixture *f, uint64_t now) {
        reload_behind(f, now, false);
}

/* ---- time ---- */

static void test_life(void **state) {
        Fixture *f = *state;
        GrantView view;

        assert_int_equal(grant_table_next_due(f->table), UINT64_MAX);
        assert_int_equal(login_at(f, "192.0.2.7", "Alice", T0, T0), GRANT_NEW);
        assert_int_equal(f->heard.n[GRANT_EVENT_GRANTED], 1);
        assert_string_equal(f->heard.network, "192.0.2.7");
        assert_string_equal(f->heard.user, "Alice");
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, T0 + TTL);
        assert_int_equal(view.published, T0 + TTL);
        assert_int_equal(view.since, T0);
        assert_int_equal(view.last, T0);
        assert_string_equal(view.service, "imap");
        assert_string_equal(view.pattern, "dovecot");
        assert_string_equal(view.source, "journal");
        assert_false(view.manual);
        assert_int_equal(grant_table_next_due(f->table), T0 + TTL);
        expire(f, T0 + TTL - 1);
        assert_int_equal(grant_table_count(f->table), 1);
        expire(f, T0 + TTL);
        assert_int_equal(grant_table_count(f->table), 0);
        assert_int_equal(f->heard.n[GRANT_EVENT_EXPIRED], 1);
        assert_string_equal(f->heard.user, "Alice");
}

static void test_stale(void **state) {
        Fixture *f = *state;

        assert_int_equal(login_at(f, "192.0.2.7", "a", T0 - TTL, T0), GRANT_STALE);
        assert_int_equal(login_at(f, "192.0.2.7", "a", 0, T0), GRANT_STALE);
        assert_int_equal(grant_table_count(f->table), 0);
        assert_int_equal(login_at(f, "192.0.2.7", "a", T0 - TTL + 1, T0), GRANT_NEW);
        assert_int_equal(f->heard.last.until, T0 + 1);
        /* an older line, read later, takes nothing away */
        assert_int_equal(login_at(f, "192.0.2.7", "a", T0, T0), GRANT_EXTENDED);
        assert_int_equal(login_at(f, "192.0.2.7", "a", T0 - 500, T0), GRANT_EXTENDED);
        assert_int_equal(f->heard.last.until, T0 + TTL);
}

/* A client that polls each minute costs nothing, and the world never thinks that it is over. */
static void test_extension(void **state) {
        Fixture *f = *state;
        GrantView view;

        assert_int_equal(login_at(f, "192.0.2.7", "a", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.7", "a", T0 + GRACE, T0 + GRACE), GRANT_EXTENDED);
        assert_int_equal(f->heard.n[GRANT_EVENT_EXTENDED], 0);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, T0 + GRACE + TTL);
        assert_int_equal(view.published, T0 + TTL);
        /* due before the published end, since the real one is later */
        assert_int_equal(grant_table_next_due(f->table), T0 + TTL - TTL / 32);
        assert_int_equal(login_at(f, "192.0.2.7", "a", T0 + GRACE + 1, T0 + GRACE + 1), GRANT_EXTENDED);
        assert_int_equal(f->heard.n[GRANT_EVENT_EXTENDED], 1);
        assert_int_equal(f->heard.last.published, T0 + GRACE + 1 + TTL);
        assert_int_equal(login_at(f, "192.0.2.7", "a", T0 + GRACE + 50, T0 + GRACE + 50), GRANT_EXTENDED);
        assert_int_equal(f->heard.n[GRANT_EVENT_EXTENDED], 1);
        expire(f, T0 + GRACE + 1 + TTL - TTL / 32);
        assert_int_equal(f->heard.n[GRANT_EVENT_EXTENDED], 2);
        assert_int_equal(f->heard.last.published, T0 + GRACE + 50 + TTL);
        expire(f, T0 + GRACE + 50 + TTL);
        assert_int_equal(f->heard.n[GRANT_EVENT_EXPIRED], 1);
}

static void test_manual(void **state) {
        Fixture *f = *state;
        uint64_t until, now = T0;
        IpNetwork inside = net("203.0.113.9");
        GrantView view;

        assert_ok(add(f, "203.0.113.0/24", 10 * TTL, T0, &until));
        assert_int_equal(until, T0 + 10 * TTL);
        assert_int_equal(f->heard.last.published, T0 + TTL);
        assert_true(grant_table_is_covered(f->table, &inside));
        /* never published far ahead, and never thought to be over before it is */
        while (grant_table_count(f->table) > 0) {
                assert_true(has(f, "203.0.113.0/24", &view));
                assert_true(view.published > now && view.published <= now + TTL);
                now = grant_table_next_due(f->table);
                assert_true(now <= view.published);
                expire(f, now);
        }
        assert_int_equal(now, T0 + 10 * TTL);
        assert_false(grant_table_is_covered(f->table, &inside));
        assert_ok(add(f, "203.0.113.9", 0, T0, &until));
        assert_int_equal(until, T0 + TTL);
        assert_ok(add(f, "203.0.113.9", UINT64_MAX, T0, &until));
        assert_int_equal(until, T0 + (UINT64_C(1) << 31));
        /* a login of its client leaves it what it is */
        assert_int_equal(login_at(f, "203.0.113.9", "a", T0, T0), GRANT_EXTENDED);
        assert_true(has(f, "203.0.113.9", &view));
        assert_true(view.manual);
        assert_string_equal(view.pattern, "manual");
        assert_int_equal(add(f, "10.0.0.0/7", 0, T0, NULL), -EPERM);
        assert_int_equal(add(f, "2001:db8::/31", 0, T0, NULL), -EPERM);
        assert_int_equal(add(f, "127.0.0.1", 0, T0, NULL), -EPERM);
        assert_ok(add(f, "10.0.0.0/8", 0, T0, NULL));
}

/* ---- limits ---- */

static void test_max_grants(void **state) {
        Fixture *f = *state;

        f->policy.max_grants = 2;
        assert_int_equal(login_at(f, "192.0.2.1", "a", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.2", "b", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.3", "c", T0, T0), GRANT_REFUSED);
        assert_non_null(strstr(f->heard.reason, "MaxGrants="));
        assert_int_equal(add(f, "192.0.2.3", 0, T0, NULL), -EPERM);
        assert_int_equal(login_at(f, "192.0.2.1", "c", T0 + 10, T0 + 10), GRANT_EXTENDED);
        expire(f, T0 + TTL);
        assert_int_equal(login_at(f, "192.0.2.3", "c", T0 + TTL, T0 + TTL), GRANT_NEW);
}

static void test_addresses_per_user(void **state) {
        Fixture *f = *state;
        char text[32];

        f->policy.max_addresses_per_user = 3;
        assert_ok(string_list_add(&f->policy.shared_users, SPAN_LITERAL("scan*")));
        assert_int_equal(login_at(f, "192.0.2.1", "alice", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.2", "Alice", T0 + 1, T0 + 1), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.3", "ALICE", T0 + 2, T0 + 2), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.4", "alice", T0 + 3, T0 + 3), GRANT_REFUSED);
        assert_non_null(strstr(f->heard.reason, "MaxAddressesPerUser="));
        assert_false(has(f, "192.0.2.4", NULL));
        /* also at a grant that somebody else has: it is not extended */
        assert_int_equal(login_at(f, "192.0.2.4", "bob", T0 + 4, T0 + 4), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.4", "alice", T0 + 100, T0 + 100), GRANT_REFUSED);
        assert_true(has(f, "192.0.2.4", &(GrantView){0}));
        /* known addresses go on */
        assert_int_equal(login_at(f, "192.0.2.3", "alice", T0 + 5, T0 + 5), GRANT_EXTENDED);
        /* no name, shared names: not counted */
        for (int i = 10; i < 30; i++) {
                (void) snprintf(text, sizeof(text), "192.0.2.%d", i);
                assert_int_equal(login_at(f, text, "", T0, T0), GRANT_NEW);
                (void) snprintf(text, sizeof(text), "198.51.100.%d", i);
                assert_int_equal(login_at(f, text, "Scanner", T0, T0), GRANT_NEW);
        }
        /* others keep her grants alive; her own leases there are stale and count no more */
        assert_int_equal(login_at(f, "192.0.2.1", "bob", T0 + TTL, T0 + TTL), GRANT_EXTENDED);
        assert_int_equal(login_at(f, "192.0.2.2", "bob", T0 + TTL, T0 + TTL), GRANT_EXTENDED);
        expire(f, T0 + TTL + 3);
        assert_int_equal(login_at(f, "192.0.2.5", "alice", T0 + TTL + 3, T0 + TTL + 3), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.6", "alice", T0 + TTL + 3, T0 + TTL + 3), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.7", "alice", T0 + TTL + 3, T0 + TTL + 3), GRANT_REFUSED);
}

static void test_users_per_address(void **state) {
        Fixture *f = *state;
        IpNetwork many = net("198.51.100.0/24");
        char user[32];

        f->policy.max_users_per_address = 60;
        assert_ok(network_set_add(&f->policy.many_users, &many));
        for (int i = 0; i < 59; i++) {
                (void) snprintf(user, sizeof(user), "u%d", i);
                assert_true(login_at(f, "192.0.2.7", user, T0, T0) <= GRANT_EXTENDED);
                assert_int_equal(f->heard.n[GRANT_EVENT_CROWDED], i >= 49);
        }
        /* the same users again are no news */
        assert_int_equal(login_at(f, "192.0.2.7", "u3", T0 + 1, T0 + 1), GRANT_EXTENDED);
        assert_int_equal(f->heard.n[GRANT_EVENT_CROWDED], 1);
        assert_int_equal(login_at(f, "192.0.2.7", "one-more", T0 + 5, T0 + 5), GRANT_REFUSED);
        assert_int_equal(f->heard.n[GRANT_EVENT_REVOKED], 1);
        assert_false(has(f, "192.0.2.7", NULL));
        /* barred for a day, whoever logs in, and over a restart */
        assert_int_equal(login_at(f, "192.0.2.7", "u3", T0 + 3600, T0 + 3600), GRANT_REFUSED);
        assert_non_null(strstr(f->heard.reason, "barred"));
        reload(f, T0 + 3600);
        expire(f, T0 + 3600);
        assert_int_equal(login_at(f, "192.0.2.7", "u3", T0 + 3600, T0 + 3600), GRANT_REFUSED);
        assert_int_equal(login_at(f, "192.0.2.7", "u3", T0 + 86404, T0 + 86404), GRANT_REFUSED);
        assert_int_equal(login_at(f, "192.0.2.7", "u3", T0 + 86405, T0 + 86405), GRANT_NEW);
        for (int i = 0; i < 100; i++) {
                (void) snprintf(user, sizeof(user), "u%d", i);
                assert_true(login_at(f, "198.51.100.1", user, T0, T0) <= GRANT_EXTENDED);
        }
}

/* Users who were there long ago do not add up to a crowd. */
static void test_users_come_and_go(void **state) {
        Fixture *f = *state;
        char user[32];

        f->policy.max_users_per_address = 5;
        for (unsigned i = 0; i < 100; i++) {
                (void) snprintf(user, sizeof(user), "u%u", i);
                assert_true(login_at(f, "192.0.2.7", user, T0 + i * (TTL / 3), T0 + i * (TTL / 3)) <=
                            GRANT_EXTENDED);
        }
        assert_int_equal(f->heard.n[GRANT_EVENT_REVOKED], 0);
}

/* A number of users that stays at the mark is told of when it is reached, not at each login. */
static void test_crowd_is_told_once(void **state) {
        Fixture *f = *state;
        char user[32];

        for (int i = 0; i < 50; i++) {
                (void) snprintf(user, sizeof(user), "u%d", i);
                assert_true(login_at(f, "192.0.2.7", user, T0, T0) <= GRANT_EXTENDED);
        }
        for (unsigned i = 1; i < 20; i++)
                assert_int_equal(login_at(f, "192.0.2.7", "u7", T0 + i, T0 + i), GRANT_EXTENDED);
        assert_int_equal(f->heard.n[GRANT_EVENT_CROWDED], 1);
}

/* ---- where ---- */

static void check_refused(Fixture *f, const char *address, const char *reason) {
        unsigned before = f->heard.n[GRANT_EVENT_REFUSED];

        assert_int_equal(login_at(f, address, "a", T0, T0), GRANT_REFUSED);
        assert_int_equal(f->heard.n[GRANT_EVENT_REFUSED], before + 1);
        assert_non_null(strstr(f->heard.reason, reason));
}

static void test_places(void **state) {
        static const char *const never[] = {"127.0.0.1", "127.255.255.255", "0.0.0.0", "0.1.2.3",
                "169.254.3.4", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1",
                "fe80::1", "febf::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:7f00:1"};
        static const char *const private[] = {"10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
                "100.64.0.1", "100.127.255.255", "fd00::1", "fc00::1", "::ffff:10.1.2.3"};
        static const char *const public[] = {"9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0",
                "192.167.255.255", "192.169.0.0", "100.63.255.255", "100.128.0.0", "fbff::1", "fec0::1",
                "126.255.255.255", "128.0.0.0", "2001:db8::1", "::ffff:192.0.2.1"};
        Fixture *f = *state;
        IpNetwork n;

        for (size_t i = 0; i < ELEMENTSOF(never); i++)
                check_refused(f, never[i], "never granted");
        for (size_t i = 0; i < ELEMENTSOF(private); i++)
                check_refused(f, private[i], "Private=");
        for (size_t i = 0; i < ELEMENTSOF(public); i++)
                assert_int_equal(login_at(f, public[i], "a", T0, T0), i < 16 ? GRANT_NEW : GRANT_EXTENDED);
        assert_int_equal(grant_table_count(f->table), ELEMENTSOF(public));
        n = net("198.51.100.7");
        assert_ok(network_set_add(&f->policy.host, &n));
        check_refused(f, "198.51.100.7", "this host");
        n = net("203.0.113.0/24");
        assert_ok(network_set_add(&f->policy.never, &n));
        check_refused(f, "203.0.113.77", "never granted");
        /* an exception must be longer than what it is an exception from */
        assert_ok(network_set_add(&f->policy.always, &n));
        check_refused(f, "203.0.113.77", "never granted");
        n = net("203.0.113.64/26");
        assert_ok(network_set_add(&f->policy.always, &n));
        assert_int_equal(login_at(f, "203.0.113.77", "a", T0, T0), GRANT_NEW);
        check_refused(f, "203.0.113.128", "never granted");
        f->policy.private_mode = POLICY_PRIVATE_NETWORKS;
        n = net("10.1.0.0/16");
        assert_ok(network_set_add(&f->policy.private_networks, &n));
        assert_int_equal(login_at(f, "10.1.2.3", "a", T0, T0), GRANT_NEW);
        check_refused(f, "10.2.2.3", "Private=");
        f->policy.private_mode = POLICY_PRIVATE_YES;
        assert_int_equal(
                login_at(f, "10.2.2.3", "a", T0, T0), GRANT_REFUSED); /* the 17th address of this user */
        assert_int_equal(login_at(f, "10.2.2.3", "b", T0, T0), GRANT_NEW);
        check_refused(f, "127.0.0.1", "never granted");
}

static void test_ipv6_prefix(void **state) {
        Fixture *f = *state;
        IpNetwork n = net("2001:db8:1::/64");

        assert_int_equal(login_at(f, "2001:db8::1:2", "a", T0, T0), GRANT_NEW);
        assert_string_equal(f->heard.network, "2001:db8::/64");
        assert_int_equal(login_at(f, "2001:db8::ffff:1", "b", T0 + 1, T0 + 1), GRANT_EXTENDED);
        assert_int_equal(login_at(f, "2001:db8:0:1::1", "a", T0, T0), GRANT_NEW);
        /* neighbours in a network of the host's own are hosts */
        assert_ok(network_set_add(&f->policy.host_networks, &n));
        assert_int_equal(login_at(f, "2001:db8:1::7", "a", T0, T0), GRANT_NEW);
        assert_string_equal(f->heard.network, "2001:db8:1::7");
        f->policy.ipv6_prefix = 48;
        assert_int_equal(login_at(f, "2001:db8:2:3::1", "a", T0, T0), GRANT_NEW);
        assert_string_equal(f->heard.network, "2001:db8:2::/48");
}

static void test_user_lists(void **state) {
        Fixture *f = *state;

        assert_ok(string_list_add(&f->policy.users, SPAN_LITERAL("*@example.org")));
        assert_ok(string_list_add(&f->policy.deny_users, SPAN_LITERAL("Root@*")));
        assert_int_equal(login_at(f, "192.0.2.1", "alice@EXAMPLE.org", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.2", "alice@example.com", T0, T0), GRANT_REFUSED);
        assert_int_equal(login_at(f, "192.0.2.3", "root@example.org", T0, T0), GRANT_REFUSED);
        assert_int_equal(login_at(f, "192.0.2.4", "", T0, T0), GRANT_REFUSED);
        /* and they come back after a restart */
        reload(f, T0 + 1);
        assert_true(has(f, "192.0.2.1", NULL));
}

/* ---- revoking ---- */

static void test_revoke_host(void **state) {
        Fixture *f = *state;

        assert_int_equal(login_at(f, "192.0.2.7", "a", T0, T0), GRANT_NEW);
        assert_int_equal(take(f, "192.0.2.7", T0 + 10), 1);
        assert_int_equal(f->heard.n[GRANT_EVENT_REVOKED], 1);
        assert_int_equal(grant_table_count(f->table), 0);
        /* reading the log again, from any place, as often as one likes */
        for (unsigned i = 0; i <= 10; i++)
                assert_int_equal(login_at(f, "192.0.2.7", "a", T0 + i, T0 + 20 + i), GRANT_REFUSED);
        reload(f, T0 + 30);
        assert_int_equal(login_at(f, "192.0.2.7", "a", T0 + 10, T0 + 40), GRANT_REFUSED);
        expire(f, T0 + 10 + TTL - 1);
        assert_int_equal(login_at(f, "192.0.2.7", "a", T0 + 10, T0 + 10 + TTL - 1), GRANT_REFUSED);
        assert_int_equal(login_at(f, "192.0.2.7", "a", T0 + 11, T0 + 40), GRANT_NEW);
        /* told although there is no grant: it may lie in something wider */
        assert_int_equal(take(f, "192.0.2.99", T0), 0);
        assert_int_equal(f->heard.n[GRANT_EVENT_REVOKED], 2);
        assert_string_equal(f->heard.network, "192.0.2.99");
}

/* A connection that began before the revocation and logs in afterwards: whoever is revoked connects anew. */
static void test_revoked_while_connected(void **state) {
        Fixture *f = *state;
        Login login = test_login("192.0.2.7", "a", AT(T0 + 20));
        IpNetwork network = net("192.0.2.0/24");

        f->heard.now = T0 + 20;
        f->heard.ttl = f->policy.ttl;
        login.since = AT(T0);
        assert_int_equal(take(f, "192.0.2.7", T0 + 10), 0);
        assert_int_equal(grant_table_login(f->table, &login, T0 + 20), GRANT_REFUSED);
        login.since = AT(T0 + 10);
        assert_int_equal(grant_table_login(f->table, &login, T0 + 20), GRANT_REFUSED);
        login.since = AT(T0 + 10) + 1;
        assert_int_equal(grant_table_login(f->table, &login, T0 + 20), GRANT_NEW);
        assert_int_equal(grant_table_revoke(f->table, &network, AT(T0 + 12)), 1);
        login.since = AT(T0 + 11);
        assert_int_equal(grant_table_login(f->table, &login, T0 + 20), GRANT_REFUSED);
        login.since = AT(T0 + 13);
        assert_int_equal(grant_table_login(f->table, &login, T0 + 20), GRANT_NEW);
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("A"), false, AT(T0 + 14)), 1);
        assert_int_equal(grant_table_login(f->table, &login, T0 + 20), GRANT_REFUSED);
        login.since = AT(T0 + 15);
        assert_int_equal(grant_table_login(f->table, &login, T0 + 20), GRANT_NEW);
        assert_int_equal(grant_table_revoke_all(f->table, AT(T0 + 16)), 1);
        assert_int_equal(grant_table_login(f->table, &login, T0 + 20), GRANT_REFUSED);
        /* a stamp that is later than the login is none */
        login.since = AT(T0 + 30);
        login.time = AT(T0 + 16);
        assert_int_equal(grant_table_login(f->table, &login, T0 + 20), GRANT_REFUSED);
}

static void test_revoke_network(void **state) {
        Fixture *f = *state;

        assert_int_equal(login_at(f, "192.0.2.7", "a", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.8", "b", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.3.7", "c", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "2001:db8::1", "d", T0, T0), GRANT_NEW);
        assert_ok(add(f, "192.0.2.0/25", 0, T0, NULL));
        assert_int_equal(take(f, "192.0.2.0/24", T0 + 10), 3);
        assert_true(has(f, "192.0.3.7", NULL));
        assert_int_equal(login_at(f, "192.0.2.200", "e", T0 + 10, T0 + 20), GRANT_REFUSED);
        assert_int_equal(login_at(f, "192.0.2.200", "e", T0 + 11, T0 + 20), GRANT_NEW);
        /* a whole family */
        assert_int_equal(take(f, "::/0", T0 + 20), 1);
        assert_true(has(f, "192.0.3.7", NULL));
        assert_int_equal(login_at(f, "2001:db8::1", "d", T0, T0 + 20), GRANT_REFUSED);
        assert_int_equal(take(f, "0.0.0.0/0", T0 + 20), 2);
        assert_int_equal(login_at(f, "192.0.3.7", "c", T0, T0 + 20), GRANT_REFUSED);
        assert_int_equal(grant_table_count(f->table), 0);
}

/* The address, or any part, of an IPv6 client stands for its prefix; nothing that lies inside stays open. */
static void test_revoke_ipv6(void **state) {
        static const char *const parts[] = {
                "2001:db8::1", "2001:db8::77", "2001:db8::/80", "2001:db8::/64", "2001:db8::/32"};
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                renew(f);
                assert_int_equal(login_at(f, "2001:db8::1", "a", T0, T0), GRANT_NEW);
                assert_ok(add(f, "2001:db8::5", 0, T0, NULL));
                assert_int_equal(take(f, parts[i], T0 + 1), 2);
                assert_int_equal(grant_table_count(f->table), 0);
                assert_int_equal(login_at(f, "2001:db8::9", "a", T0, T0 + 2), GRANT_REFUSED);
        }
}

static void test_revoke_user(void **state) {
        Fixture *f = *state;

        assert_ok(string_list_add(&f->policy.shared_users, SPAN_LITERAL("shared")));
        assert_int_equal(login_at(f, "192.0.2.1", "alice", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.2", "alice", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.2", "bob", T0, T0), GRANT_EXTENDED); /* he was the last */
        assert_int_equal(login_at(f, "192.0.2.3", "bob", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.4", "shared", T0, T0), GRANT_NEW);
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("ALICE"), false, AT(T0 + 5)), 2);
        assert_false(has(f, "192.0.2.1", NULL) || has(f, "192.0.2.2", NULL));
        assert_int_equal(login_at(f, "192.0.2.9", "alice", T0 + 5, T0 + 6), GRANT_REFUSED);
        assert_int_equal(login_at(f, "192.0.2.2", "bob", T0, T0 + 6), GRANT_REFUSED);
        assert_int_equal(login_at(f, "192.0.2.9", "alice", T0 + 6, T0 + 6), GRANT_NEW);
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("shared"), false, AT(T0 + 7)), 1);
        /* blocked: until unblocked, over a restart */
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("bob"), true, AT(T0 + 10)), 1);
        reload(f, T0 + 10);
        expire(f, T0 + 10 * 86400);
        assert_int_equal(login_at(f, "192.0.2.3", "Bob", T0 + 10 * 86400, T0 + 10 * 86400), GRANT_REFUSED);
        assert_false(grant_table_unblock(f->table, SPAN_LITERAL("carol")));
        assert_true(grant_table_unblock(f->table, SPAN_LITERAL("BOB")));
        assert_false(grant_table_unblock(f->table, SPAN_LITERAL("bob")));
        assert_int_equal(login_at(f, "192.0.2.3", "Bob", T0 + 10 * 86400, T0 + 10 * 86400), GRANT_NEW);
        assert_true(grant_table_revoke_user(f->table, SPAN_NONE, false, AT(T0)) < 0);
}

static void test_revoke_all(void **state) {
        Fixture *f = *state;

        assert_int_equal(login_at(f, "192.0.2.1", "a", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "2001:db8::1", "b", T0, T0), GRANT_NEW);
        assert_ok(add(f, "203.0.113.0/24", 0, T0, NULL));
        assert_int_equal(grant_table_revoke_all(f->table, AT(T0 + 5)), 3);
        assert_int_equal(f->heard.n[GRANT_EVENT_REVOKED], 3);
        reload(f, T0 + 6);
        assert_int_equal(login_at(f, "192.0.2.1", "a", T0 + 5, T0 + 6), GRANT_REFUSED);
        assert_int_equal(login_at(f, "198.51.100.1", "z", T0 + 5, T0 + 6), GRANT_REFUSED);
        assert_int_equal(login_at(f, "192.0.2.1", "a", T0 + 6, T0 + 6), GRANT_NEW);
}

typedef struct Records {
        unsigned allow, never;
        char last_never[IP_TEXT_BYTES];
} Records;

static int on_record(void *userdata, const RelayEntry *entry) {
        Records *r = userdata;

        assert_true(entry->verdict == RELAY_ALLOW || entry->verdict == RELAY_NEVER);
        if (entry->verdict == RELAY_NEVER)
                (void) ip_network_format(r->last_never, &entry->network);
        *(entry->verdict == RELAY_ALLOW ? &r->allow : &r->never) += 1;
        return 0;
}

/* Inside something wider a revoked host must be told of as one, for as long as that lasts. */
static void test_revoke_inside_wider(void **state) {
        Fixture *f = *state;
        Records records = {0};

        assert_ok(add(f, "203.0.113.0/24", 100 * 86400, T0, NULL));
        assert_int_equal(take(f, "203.0.113.9", T0 + 1), 0);
        assert_int_equal(take(f, "198.51.100.9", T0 + 1), 0);
        assert_ok(grant_table_each_record(f->table, T0 + 2, on_record, &records));
        assert_int_equal(records.allow, 1);
        assert_int_equal(records.never, 1);
        assert_string_equal(records.last_never, "203.0.113.9");
        expire(f, T0 + 20 * 86400);
        assert_int_equal(grant_table_count_revocations(f->table), 1);
        records = (Records){0};
        assert_ok(grant_table_each_record(f->table, T0 + 20 * 86400, on_record, &records));
        assert_int_equal(records.never, 1);
        expire(f, T0 + 101 * 86400);
        assert_int_equal(grant_table_count_revocations(f->table), 0);
}

/* ---- sessions ---- */

static int login_with(Fixture *f, const char *address, const char *key, uint64_t at, uint64_t now) {
        Login login = test_login(address, "a", AT(at));

        login.key = span_from_string(key);
        f->heard.now = now;
        f->heard.ttl = f->policy.ttl;
        return grant_table_login(f->table, &login, now);
}

static void logout(Fixture *f, const char *key, uint64_t at, uint64_t now) {
        Login login = test_login("192.0.2.7", "a", AT(at));

        login.verdict = MATCH_LOGOUT;
        login.key = span_from_string(key);
        f->heard.now = now;
        grant_table_logout(f->table, &login, now);
}

static void test_sessions(void **state) {
        Fixture *f = *state;
        uint64_t now = T0, end = T0 + 20 * TTL;
        GrantView view;

        f->policy.max_session = 20 * TTL;
        assert_int_equal(login_with(f, "192.0.2.7", "k1", T0, T0), GRANT_NEW);
        assert_int_equal(f->heard.last.published, T0 + TTL);
        /* kept, told of in time, at most MaxSession= */
        while (has(f, "192.0.2.7", &view)) {
                assert_true(view.published > now && view.published <= now + TTL);
                now = grant_table_next_due(f->table);
                expire(f, now);
        }
        assert_int_equal(now, end);
        /* TTL= counts from the last logout */
        assert_int_equal(login_with(f, "192.0.2.7", "k1", T0, T0), GRANT_NEW);
        assert_int_equal(login_with(f, "192.0.2.7", "k2", T0 + 10, T0 + 10), GRANT_EXTENDED);
        expire(f, T0 + 3 * TTL);
        logout(f, "k1", T0 + 3 * TTL, T0 + 3 * TTL);
        logout(f, "nobody's", T0 + 3 * TTL, T0 + 3 * TTL);
        expire(f, T0 + 5 * TTL);
        assert_true(has(f, "192.0.2.7", NULL));
        reload(f, T0 + 5 * TTL);
        logout(f, "k2", T0 + 5 * TTL, T0 + 5 * TTL);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, T0 + 6 * TTL);
        expire(f, T0 + 6 * TTL);
        assert_int_equal(grant_table_count(f->table), 0);
        /* a logout makes no grant */
        logout(f, "k2", T0 + 6 * TTL, T0 + 6 * TTL);
        assert_int_equal(grant_table_count(f->table), 0);
}

static int login_of(Fixture *f, const char *machine, const char *address, uint64_t now) {
        Login login = test_login(address, "a", AT(now));

        login.key = SPAN_LITERAL("k");
        login.machine = span_from_string(machine);
        f->heard.now = now;
        f->heard.ttl = f->policy.ttl;
        return grant_table_login(f->table, &login, now);
}

/* Many machines through one source: what one says of its sessions is nothing to another's. */
static void test_sessions_of_machines(void **state) {
        Login end = test_login("192.0.2.1", "a", AT(T0 + 2));
        Fixture *f = *state;

        f->policy.max_session = 20 * TTL;
        assert_int_equal(login_of(f, "mx1", "192.0.2.1", T0), GRANT_NEW);
        assert_int_equal(login_of(f, "mx2", "192.0.2.2", T0), GRANT_NEW);
        assert_int_equal(login_of(f, "", "192.0.2.3", T0), GRANT_NEW);
        assert_int_equal(grant_table_count_sessions(f->table), 3);
        end.key = SPAN_LITERAL("k");
        end.machine = SPAN_LITERAL("mx3");
        f->heard.now = T0 + 2;
        end.verdict = MATCH_RESTART;
        grant_table_restart(f->table, &end, T0 + 2);
        end.verdict = MATCH_LOGOUT;
        grant_table_logout(f->table, &end, T0 + 2);
        assert_int_equal(grant_table_count_sessions(f->table), 3);
        end.machine = SPAN_LITERAL("mx2");
        grant_table_logout(f->table, &end, T0 + 2);
        assert_int_equal(grant_table_count_sessions(f->table), 2);
        reload(f, T0 + 3);
        f->heard.now = T0 + 3;
        end.machine = SPAN_LITERAL("mx1");
        end.verdict = MATCH_RESTART;
        grant_table_restart(f->table, &end, T0 + 3);
        assert_int_equal(grant_table_count_sessions(f->table), 1);
        end.machine = SPAN_NONE;
        grant_table_restart(f->table, &end, T0 + 3);
        assert_int_equal(grant_table_count_sessions(f->table), 0);
}

/* A server may log the end of a session before its beginning. */
static void test_end_before_beginning(void **state) {
        Fixture *f = *state;
        GrantView view;
        char key[16];

        f->policy.max_session = 20 * TTL;
        logout(f, "k1", T0, T0);
        assert_int_equal(login_with(f, "192.0.2.7", "k1", T0, T0), GRANT_NEW);
        assert_int_equal(grant_table_count_sessions(f->table), 0);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, T0 + TTL);
        /* not the end of another one, nor of one that uses the name again later */
        assert_int_equal(login_with(f, "192.0.2.7", "k2", T0, T0), GRANT_EXTENDED);
        assert_int_equal(grant_table_count_sessions(f->table), 1);
        assert_int_equal(login_with(f, "192.0.2.8", "k1", T0 + 11, T0 + 11), GRANT_NEW);
        assert_int_equal(grant_table_count_sessions(f->table), 2);
        /* many at a time are remembered, and not more than a few */
        for (unsigned i = 0; i < 1100; i++) {
                (void) snprintf(key, sizeof(key), "n%u", i);
                logout(f, key, T0, T0);
        }
        assert_int_equal(login_with(f, "192.0.2.9", "n100", T0, T0), GRANT_NEW);
        assert_int_equal(grant_table_count_sessions(f->table), 2);
        assert_int_equal(login_with(f, "192.0.2.9", "n0", T0, T0), GRANT_EXTENDED);
        assert_int_equal(grant_table_count_sessions(f->table), 3);
}

/* A log that is restored or edited in place is read again, and the end of a session may not be in it any
 * more: its login counts for no longer than it did. */
static void test_login_again_after_its_end(void **state) {
        Fixture *f = *state;
        GrantView view;

        f->policy.max_session = 20 * TTL;
        assert_int_equal(login_with(f, "192.0.2.7", "k1", T0, T0), GRANT_NEW);
        assert_int_equal(grant_table_count_sessions(f->table), 1);
        logout(f, "k1", T0 + 10, T0 + 10);
        assert_int_equal(login_with(f, "192.0.2.7", "k1", T0, T0 + 20), GRANT_EXTENDED);
        assert_int_equal(grant_table_count_sessions(f->table), 0);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, T0 + 10 + TTL);
        /* a later one of the same name is another session */
        assert_int_equal(login_with(f, "192.0.2.7", "k1", T0 + 11, T0 + 21), GRANT_EXTENDED);
        assert_int_equal(grant_table_count_sessions(f->table), 1);
}

/* However short TTL= is, there is time to tell of an open session's grant before the world thinks it over.
 */
static void test_short_ttl(void **state) {
        Fixture *f = *state;

        for (uint32_t ttl = 1; ttl <= 80; ttl++) {
                uint64_t now = T0;
                GrantView view;
                unsigned told;

                f->policy.ttl = ttl;
                f->policy.max_session = 20 * ttl;
                renew(f);
                assert_int_equal(login_with(f, "192.0.2.7", "k", T0, T0), GRANT_NEW);
                for (told = 0; has(f, "192.0.2.7", &view); told++) {
                        uint64_t due = grant_table_next_due(f->table);

                        assert_true(due > now && due <= view.published);
                        if (ttl > 1 && view.published < T0 + 20 * ttl)
                                assert_true(due < view.published);
                        now = due;
                        expire(f, now);
                }
                assert_int_equal(now, T0 + 20 * ttl);
                assert_true(told <= 40);
        }
}

/* A session that was revoked stays closed, even when its address has logged in again since. */
static void test_revoked_session(void **state) {
        Fixture *f = *state;
        GrantView view;

        f->policy.max_session = 20 * TTL;
        assert_int_equal(login_with(f, "192.0.2.7", "k1", T0, T0), GRANT_NEW);
        assert_int_equal(take(f, "192.0.2.7", T0 + 10), 1);
        assert_int_equal(login_with(f, "192.0.2.7", "", T0 + 20, T0 + 20), GRANT_NEW);
        assert_int_equal(login_with(f, "192.0.2.7", "k1", T0, T0 + 30), GRANT_REFUSED);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, T0 + 20 + TTL);
}

/* After a start a session that was open may be over, in what is still to be read: it is vouched for no
 * longer than it was when the state was saved. */
static void test_session_over_start(void **state) {
        Fixture *f = *state;
        const uint64_t saved = T0 + 3 * TTL, start = saved + TTL / 2;
        RelayEntry entry = {
                .network = net("192.0.2.7"), .verdict = RELAY_ALLOW, .how = SPAN_LITERAL("dovecot")};
        GrantView view;

        f->policy.max_session = 20 * TTL;
        for (unsigned i = 0; i < 3; i++) {
                renew(f);
                assert_int_equal(login_with(f, "192.0.2.7", "k1", T0, T0), GRANT_NEW);
                expire(f, saved);
                grant_table_note_read(f->table, saved);
                reload_behind(f, start, true);
                assert_true(has(f, "192.0.2.7", &view));
                assert_int_equal(view.published, saved + TTL);
                /* that is all, however long it takes to read on */
                expire(f, saved + 2 * TTL);
                assert_true(has(f, "192.0.2.7", &view));
                assert_int_equal(view.published, saved + TTL);
                if (i == 0) {
                        /* it was open all the time */
                        grant_table_note_read(f->table, saved + 2 * TTL);
                        assert_true(has(f, "192.0.2.7", &view));
                        assert_int_equal(view.published, saved + 3 * TTL);
                } else if (i == 1) {
                        /* it ended a while ago */
                        logout(f, "k1", saved + TTL + 10, saved + 2 * TTL);
                        expire(f, saved + 2 * TTL);
                        assert_true(has(f, "192.0.2.7", &view));
                        assert_int_equal(view.published, saved + 2 * TTL + 10);
                } else {
                        /* it ended long ago */
                        logout(f, "k1", saved + 10, saved + 2 * TTL);
                        assert_false(has(f, "192.0.2.7", NULL));
                }
        }
        /* what was saved before all was read knows no more than it did */
        renew(f);
        assert_int_equal(login_with(f, "192.0.2.7", "k1", T0, T0), GRANT_NEW);
        expire(f, saved);
        grant_table_note_read(f->table, saved);
        reload_behind(f, start, true);
        reload_behind(f, start + 10, true);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.published, saved + TTL);
        /* but whoever wrote the published files did */
        entry.until = saved + TTL + 60;
        grant_table_restore(f->table, &entry, TTL, false, start + 10);
        assert_int_equal(login_with(f, "192.0.2.7", "", T0 + 1, start + 10), GRANT_STALE);
        assert_int_equal(login_with(f, "192.0.2.7", "", saved - TTL / 4, start + 10), GRANT_EXTENDED);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.published, saved + TTL + 60);
}

/* ---- state ---- */

static void test_round_trip(void **state) {
        Fixture *f = *state;
        GrantView before, after;

        assert_int_equal(login_at(f, "192.0.2.7", "Alice@x", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "2001:db8::1", "", T0 + 1, T0 + 1), GRANT_NEW);
        assert_ok(add(f, "203.0.113.0/24", 10 * TTL, T0, NULL));
        assert_true(has(f, "192.0.2.7", &before));
        reload(f, T0 + 2);
        assert_int_equal(grant_table_count(f->table), 3);
        assert_true(has(f, "192.0.2.7", &after));
        assert_int_equal(after.until, before.until);
        assert_int_equal(after.since, before.since);
        assert_int_equal(after.last, before.last);
        assert_true(span_equal_string(after.user, "Alice@x"));
        assert_string_equal(after.service, "imap");
        assert_true(has(f, "203.0.113.0/24", &after));
        assert_true(after.manual);
        assert_int_equal(after.until, T0 + 10 * TTL);
        assert_true(after.published <= T0 + 2 + TTL);
        assert_true(grant_table_is_covered(f->table, &(IpNetwork){net("203.0.113.9").addr, 128}));
        /* users are counted as before */
        f->policy.max_addresses_per_user = 1;
        assert_int_equal(login_at(f, "192.0.2.8", "alice@X", T0 + 3, T0 + 3), GRANT_REFUSED);
        /* what is over does not come back, and what came back ends */
        reload(f, T0 + TTL);
        assert_int_equal(grant_table_count(f->table), 2);
        expire(f, T0 + TTL + 1);
        assert_int_equal(grant_table_count(f->table), 1);
        expire(f, T0 + 10 * TTL);
        assert_int_equal(grant_table_count(f->table), 0);
}

/* What the state says is judged by the policy and the revocations of today. */
static void test_state_is_judged(void **state) {
        Fixture *f = *state;
        ByteWriter w = BYTE_WRITER_INIT;
        IpNetwork never = net("192.0.2.1");

        assert_int_equal(login_at(f, "192.0.2.1", "a", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.2", "denied", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.3", "c", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.4", "d", T0 + 9, T0 + 9), GRANT_NEW);
        grant_table_encode(f->table, &w);
        renew(f);
        assert_ok(network_set_add(&f->policy.never, &never));
        assert_ok(string_list_add(&f->policy.deny_users, SPAN_LITERAL("denied")));
        assert_int_equal(take(f, "192.0.2.3", T0 + 5), 0);
        assert_int_equal(take(f, "192.0.2.4", T0 + 5), 0);
        assert_true(grant_table_decode(f->table, span_make(w.data, w.size), AT(T0 + 10)));
        assert_int_equal(grant_table_count(f->table), 1);
        assert_true(has(f, "192.0.2.4", NULL));
        byte_writer_done(&w);
}

/* A clock that was wrong when the state was written opens nothing for longer than TTL=. */
static void test_state_from_the_future(void **state) {
        Fixture *f = *state;
        GrantView view;

        assert_int_equal(login_at(f, "192.0.2.1", "a", T0 + 900000, T0 + 900000), GRANT_NEW);
        reload(f, T0);
        assert_true(has(f, "192.0.2.1", &view));
        assert_true(view.until <= T0 + TTL && view.published <= T0 + TTL);
}

static void test_damaged_state(void **state) {
        Fixture *f = *state;
        ByteWriter w = BYTE_WRITER_INIT;
        char *copy;

        assert_int_equal(login_at(f, "192.0.2.1", "alice", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "2001:db8::1", "bob", T0, T0), GRANT_NEW);
        grant_table_encode(f->table, &w);
        copy = malloc(w.size);
        assert_non_null(copy);
        for (size_t n = 0; n < w.size; n++) {
                memcpy(copy, w.data, n);
                renew(f);
                assert_false(grant_table_decode(f->table, span_make(copy, n), AT(T0)));
                assert_int_equal(grant_table_count(f->table), 0);
        }
        /* whatever a flipped bit makes of it: no grant where none may be */
        for (size_t bit = 0; bit < w.size * 8; bit++) {
                GrantView view;

                memcpy(copy, w.data, w.size);
                copy[bit / 8] ^= (char) (1 << bit % 8);
                renew(f);
                (void) grant_table_decode(f->table, span_make(copy, w.size), AT(T0));
                expire(f, T0);
                for (uint32_t i = 0; (i = grant_table_next(f->table, i, &view)) != UINT32_MAX; i++) {
                        assert_true(view.until > T0);
                        assert_true(view.published <= T0 + TTL);
                        if (!view.manual) {
                                assert_true(view.until <= T0 + TTL);
                                assert_true(
                                        view.network.length >= (ip_network_is_v4(&view.network) ? 128 : 64));
                        }
                        assert_null(policy_refuses_manual(&f->policy, &view.network));
                }
                expire(f, T0 + TTL);
        }
        free(copy);
        byte_writer_done(&w);
}

static void test_restore(void **state) {
        Fixture *f = *state;
        RelayEntry entry = {.network = net("192.0.2.7"),
                .verdict = RELAY_ALLOW,
                .until = T0 + 500,
                .how = SPAN_LITERAL("dovecot")};
        GrantView view;

        grant_table_restore(f->table, &entry, f->policy.ttl, false, T0);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, T0 + 500);
        assert_int_equal(view.last, T0 + 500 - TTL);
        assert_int_equal(f->heard.n[GRANT_EVENT_GRANTED], 0);
        /* the state's grant, with a later login that only the file knows; never a shorter one */
        entry.until = T0 + 700;
        grant_table_restore(f->table, &entry, f->policy.ttl, false, T0);
        entry.until = T0 + 600;
        grant_table_restore(f->table, &entry, f->policy.ttl, false, T0);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, T0 + 700);
        assert_int_equal(grant_table_next_due(f->table), T0 + 700);
        /* nothing of these */
        entry.network = net("192.0.2.8");
        entry.until = 0;
        grant_table_restore(f->table, &entry, f->policy.ttl, false, T0);
        entry.until = T0;
        grant_table_restore(f->table, &entry, f->policy.ttl, false, T0);
        entry.until = T0 + 10;
        entry.verdict = RELAY_NEVER;
        grant_table_restore(f->table, &entry, f->policy.ttl, false, T0);
        entry.verdict = RELAY_ALLOW;
        entry.network = net("127.0.0.1");
        grant_table_restore(f->table, &entry, f->policy.ttl, false, T0);
        entry.network = net("192.0.2.0/24");
        grant_table_restore(f->table, &entry, f->policy.ttl, false, T0);
        assert_int_equal(grant_table_count(f->table), 1);
        /* revoked, and the crash came before the file was written again */
        assert_int_equal(take(f, "192.0.2.9", T0), 0);
        entry.network = net("192.0.2.9");
        entry.until = T0 + TTL - 5;
        grant_table_restore(f->table, &entry, f->policy.ttl, false, T0);
        assert_false(has(f, "192.0.2.9", NULL));
}

/* DenyUsers= was set while the daemon was down: the published record has no name and must not come back. */
static void test_restore_denied(void **state) {
        Fixture *f = *state;
        RelayEntry entry = {.network = net("192.0.2.7"),
                .verdict = RELAY_ALLOW,
                .until = T0 + 500,
                .how = SPAN_LITERAL("dovecot")};

        assert_ok(string_list_add(&f->policy.deny_users, SPAN_LITERAL("eve")));
        grant_table_restore(f->table, &entry, f->policy.ttl, false, T0);
        assert_false(has(f, "192.0.2.7", NULL));
        entry.user = SPAN_LITERAL("eve");
        grant_table_restore(f->table, &entry, f->policy.ttl, false, T0);
        assert_false(has(f, "192.0.2.7", NULL));
        entry.user = SPAN_LITERAL("alice");
        grant_table_restore(f->table, &entry, f->policy.ttl, false, T0);
        assert_true(has(f, "192.0.2.7", NULL));
}

/* A restart must not let a stolen account, or a proxy, begin to count anew. */
static void test_leases_saved(void **state) {
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        Fixture *f = *state;

        f->policy.max_users_per_address = 3;
        assert_int_equal(login_at(f, "192.0.2.7", "a", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.7", "b", T0, T0), GRANT_EXTENDED);
        grant_table_encode(f->table, &w);
        renew(f);
        assert_true(grant_table_decode(f->table, span_make(w.data, w.size), AT(T0 + 1)));
        assert_int_equal(login_at(f, "192.0.2.7", "a", T0 + 1, T0 + 1), GRANT_EXTENDED);
        assert_int_equal(login_at(f, "192.0.2.7", "c", T0 + 1, T0 + 1), GRANT_REFUSED);
        assert_false(has(f, "192.0.2.7", NULL));
}

/* ---- another policy ---- */

static void test_set_policy(void **state) {
        Fixture *f = *state;
        Policy policy;
        IpNetwork n = net("192.0.2.1");
        GrantView view;

        assert_int_equal(login_at(f, "192.0.2.1", "a", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.2", "b", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.3", "c", T0 + 400, T0 + 400), GRANT_NEW);
        assert_int_equal(login_at(f, "2001:db8::1", "d", T0 + 400, T0 + 400), GRANT_NEW);
        assert_ok(add(f, "203.0.113.0/24", 10 * TTL, T0, NULL));
        assert_ok(policy_init(&policy));
        policy.ttl = 320;
        assert_ok(network_set_add(&policy.never, &n));
        f->heard.now = T0 + 410;
        f->heard.ttl = policy.ttl;
        grant_table_set_policy(f->table, &policy, T0 + 410);
        assert_int_equal(f->heard.n[GRANT_EVENT_REVOKED], 1);
        assert_int_equal(f->heard.n[GRANT_EVENT_EXPIRED], 1); /* b: T0 + 320 */
        assert_true(has(f, "192.0.2.3", &view));
        assert_int_equal(view.until, T0 + 400 + 320);
        assert_true(has(f, "203.0.113.0/24", &view));
        assert_int_equal(view.until, T0 + 10 * TTL);
        assert_int_equal(view.published, T0 + 410 + 320);
        assert_int_equal(grant_table_next_due(f->table), T0 + 720);
        /* a shorter prefix than the policy's could hold a never-network that nobody publishes */
        assert_true(has(f, "2001:db8::/64", NULL));
        policy.ipv6_prefix = 128;
        grant_table_set_policy(f->table, &policy, T0 + 411);
        assert_false(has(f, "2001:db8::/64", NULL));
        assert_int_equal(f->heard.n[GRANT_EVENT_REVOKED], 2);
        grant_table_set_policy(f->table, &f->policy, T0 + 411);
        policy_done(&policy);
}

/* ---- against a naive model ---- */

#define HOSTS 200u

typedef struct Model {
        uint64_t until[HOSTS], revoked[HOSTS];
} Model;

static void compare(Fixture *f, const Model *m, uint64_t now) {
        unsigned alive = 0;
        uint64_t due = UINT64_MAX;

        for (unsigned i = 0; i < HOSTS; i++) {
                char text[32];
                GrantView view;

                (void) snprintf(text, sizeof(text), "192.0.2.%u", i);
                assert_int_equal(has(f, text, &view), m->until[i] > now);
                if (m->until[i] <= now)
                        continue;
                alive++;
                assert_int_equal(view.until, m->until[i]);
                assert_true(view.published > now && view.published <= view.until);
                assert_true(view.published + GRACE >= view.until || view.published >= now + TTL);
                due = MIN(due, view.published < view.until ? view.published - TTL / 32 : view.until);
        }
        assert_int_equal(grant_table_count(f->table), alive);
        assert_int_equal(grant_table_next_due(f->table), due);
}

static void test_model(void **state) {
        Fixture *f = *state;
        Model m = {0};
        uint64_t seed = 42, now = T0;
        unsigned outcomes[4] = {0};

        f->policy.max_addresses_per_user = HOSTS;
        for (unsigned step = 0; step < 20000; step++) {
                uint64_t r = next_random(&seed);
                unsigned host = (unsigned) (r >> 8) % HOSTS;
                char text[32], user[16];

                (void) snprintf(text, sizeof(text), "192.0.2.%u", host);
                (void) snprintf(user, sizeof(user), "u%u", (unsigned) (r >> 40) % 30);
                if (r % 100 < 80) {
                        uint64_t at = now - (r >> 20) % (TTL + TTL / 8);
                        int outcome = login_at(f, text, user, at, now);
                        bool stale = at + TTL <= now, refused = !stale && at <= m.revoked[host];

                        assert_in_range(outcome, 0, 3);
                        outcomes[outcome]++;
                        if (stale)
                                assert_int_equal(outcome, GRANT_STALE);
                        else if (refused)
                                assert_int_equal(outcome, GRANT_REFUSED);
                        else {
                                assert_int_equal(outcome, m.until[host] > now ? GRANT_EXTENDED : GRANT_NEW);
                                m.until[host] = MAX(m.until[host], at + TTL);
                        }
                } else if (r % 100 < 84) {
                        assert_int_equal(take(f, text, now), m.until[host] > now);
                        m.until[host] = 0;
                        m.revoked[host] = now;
                } else {
                        now += (r >> 30) % 60;
                        expire(f, now);
                }
                for (unsigned i = 0; i < HOSTS; i++)
                        m.until[i] = m.until[i] > now ? m.until[i] : 0;
                if (step % 50 == 0)
                        compare(f, &m, now);
                if (step % 4001 == 4000)
                        reload(f, now);
        }
        for (unsigned i = 0; i < ELEMENTSOF(outcomes); i++)
                assert_true(outcomes[i] > 100);
        compare(f, &m, now);
}

/* Everything ends in the order of its time, whatever the order in which it came. */
static void test_due_order(void **state) {
        Fixture *f = *state;
        uint64_t seed = 7, last = 0;
        unsigned n = 0;

        for (unsigned i = 0; i < 3000; i++) {
                char text[32];

                (void) snprintf(text, sizeof(text), "198.18.%u.%u", i / 256, i % 256);
                assert_int_equal(login_at(f, text, "", T0 - next_random(&seed) % TTL + 0, T0), GRANT_NEW);
        }
        while (grant_table_count(f->table) > 0) {
                uint64_t due = grant_table_next_due(f->table);

                assert_true(due > last);
                expire(f, due);
                assert_int_equal(f->heard.last.until, due);
                last = due;
                n++;
        }
        assert_true(n > 500);
        assert_int_equal(f->heard.n[GRANT_EVENT_EXPIRED], 3000);
}

/* A login in the second of the revocation that it overcomes is not lost with the next restart. */
static void test_same_second(void **state) {
        Fixture *f = *state;
        IpNetwork n = net("192.0.2.7");
        Login login = test_login("192.0.2.7", "alice", AT(T0) + 600000), earlier = login;

        assert_int_equal(login_at(f, "192.0.2.7", "alice", T0 - 1, T0), GRANT_NEW);
        assert_int_equal(grant_table_revoke(f->table, &n, AT(T0) + 500000), 1);
        earlier.time = AT(T0) + 400000;
        assert_int_equal(grant_table_login(f->table, &earlier, T0), GRANT_REFUSED);
        assert_int_equal(grant_table_login(f->table, &login, T0), GRANT_NEW);
        reload(f, T0 + 1);
        assert_true(has(f, "192.0.2.7", NULL));
        assert_int_equal(grant_table_login(f->table, &earlier, T0), GRANT_REFUSED);
        reload(f, T0 + TTL - 1);
        assert_true(has(f, "192.0.2.7", NULL));
        /* it is taken for one of the next second */
        reload(f, T0 + TTL + 1);
        assert_false(has(f, "192.0.2.7", NULL));
}

/* Revoked, granted and revoked again in one second: the state from between brings nothing back. */
static void test_revoked_twice_in_a_second(void **state) {
        Fixture *f = *state;
        IpNetwork host = net("192.0.2.7"), around = net("192.0.2.0/24");
        Login login = test_login("192.0.2.7", "alice", AT(T0) + 600000);

        for (int how = 0; how < 4; how++) {
                _cleanup_(byte_writer_done) ByteWriter saved = BYTE_WRITER_INIT, w = BYTE_WRITER_INIT;

                renew(f);
                assert_ok(grant_table_revoke_all(f->table, AT(T0) + 500000));
                assert_int_equal(grant_table_login(f->table, &login, T0), GRANT_NEW);
                grant_table_encode(f->table, &saved);
                assert_int_equal(how == 0   ? grant_table_revoke(f->table, &host, AT(T0) + 700000)
                                 : how == 1 ? grant_table_revoke(f->table, &around, AT(T0) + 700000)
                                 : how == 2 ? grant_table_revoke_all(f->table, AT(T0) + 700000)
                                            : grant_table_revoke_user(f->table, SPAN_LITERAL("alice"), false,
                                                      AT(T0) + 700000),
                        1);
                grant_table_encode_revocations(f->table, &w);
                renew(f);
                assert_true(grant_table_decode_revocations(f->table, span_make(w.data, w.size)));
                assert_true(grant_table_decode(f->table, span_make(saved.data, saved.size), AT(T0 + 1)));
                assert_false(has(f, "192.0.2.7", NULL));
        }
}

/* The state knew a shorter one by hand than was published since. */
static void test_restore_manual(void **state) {
        Fixture *f = *state;
        RelayEntry entry = {
                .network = net("192.0.2.7"), .verdict = RELAY_ALLOW, .how = SPAN_LITERAL("manual")};
        const char *reason;
        GrantView view;
        uint64_t until;

        assert_ok(grant_table_add(f->table, &entry.network, 0, SPAN_LITERAL(""), AT(T0), &until, &reason));
        entry.until = until + 100;
        grant_table_restore(f->table, &entry, f->policy.ttl, false, T0 + 100);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, until + 100);
}

/* Kept as one of the next second, it was saved, ended for another reason, and so was not there when it was
 * revoked: after a crash it came back. */
static void test_same_second_ended_before(void **state) {
        for (int by_user = 0; by_user < 2; by_user++) {
                _cleanup_(byte_writer_done) ByteWriter saved = BYTE_WRITER_INIT,
                                                       revocations = BYTE_WRITER_INIT;
                Fixture *f = *state;
                Login login = test_login("192.0.2.7", "alice", AT(T0) + 600000);

                renew(f);
                assert_ok(grant_table_revoke_all(f->table, AT(T0) + 500000));
                assert_int_equal(grant_table_login(f->table, &login, T0), GRANT_NEW);
                grant_table_encode(f->table, &saved);
                assert_ok(string_list_add(&f->policy.deny_users, SPAN_LITERAL("alice")));
                grant_table_set_policy(f->table, &f->policy, T0);
                assert_false(has(f, "192.0.2.7", NULL));
                if (by_user)
                        assert_ok(grant_table_revoke_user(
                                f->table, SPAN_LITERAL("alice"), false, AT(T0) + 700000));
                else
                        assert_ok(grant_table_revoke_all(f->table, AT(T0) + 700000));
                grant_table_encode_revocations(f->table, &revocations);
                string_list_done(&f->policy.deny_users);
                renew(f);
                assert_true(grant_table_decode_revocations(
                        f->table, span_make(revocations.data, revocations.size)));
                assert_true(grant_table_decode(f->table, span_make(saved.data, saved.size), AT(T0 + 2)));
                assert_false(has(f, "192.0.2.7", NULL));
        }
}

/* Nor does it make somebody else's revocation count for longer. */
static void test_same_second_of_another(void **state) {
        Fixture *f = *state;
        Login alice = test_login("192.0.2.7", "alice", AT(T0) + 300000),
              bob = test_login("192.0.2.8", "bob", AT(T0) + 900000);

        assert_ok(grant_table_revoke_user(f->table, SPAN_LITERAL("alice"), false, AT(T0) + 100000));
        assert_int_equal(grant_table_login(f->table, &alice, T0), GRANT_NEW);
        assert_ok(grant_table_revoke_user(f->table, SPAN_LITERAL("bob"), false, AT(T0) + 500000));
        assert_int_equal(grant_table_login(f->table, &bob, T0), GRANT_NEW);
}

/* What is left of it after a crash is what was published: that must be later than the revocation, too. */
static void test_same_second_restored(void **state) {
        Fixture *f = *state;
        IpNetwork n = net("192.0.2.7"), other = net("192.0.2.8");
        Login login = test_login("192.0.2.7", "alice", AT(T0) + 600000);
        RelayEntry entry = {.network = n, .verdict = RELAY_ALLOW, .how = SPAN_LITERAL("test")};
        const char *reason;
        uint64_t until;
        GrantView view;

        assert_ok(grant_table_revoke_all(f->table, AT(T0) + 500000));
        assert_int_equal(grant_table_login(f->table, &login, T0), GRANT_NEW);
        entry.until = f->heard.last.published;
        assert_ok(grant_table_add(f->table, &other, 0, SPAN_LITERAL(""), AT(T0) + 700000, &until, &reason));
        /* twice within that second */
        for (int i = 0; i < 2; i++) {
                _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;

                grant_table_encode_revocations(f->table, &w);
                renew(f);
                assert_true(grant_table_decode_revocations(f->table, span_make(w.data, w.size)));
                grant_table_restore(f->table, &entry, f->policy.ttl, false, T0);
                assert_true(has(f, "192.0.2.7", &view));
                entry.network = other;
                entry.how = SPAN_LITERAL("manual");
                grant_table_restore(f->table, &entry, f->policy.ttl, false, T0);
                assert_true(has(f, "192.0.2.8", NULL));
                entry.until = view.published;
                entry.network = n;
                entry.how = SPAN_LITERAL("test");
        }
}

/* ---- after a crash: what is by hand, what is not known any more ---- */

/* Takes a crash: what is done by hand is saved, the rest is what was saved at some time. */
static void crash(Fixture *f, const ByteWriter *grants, uint64_t now) {
        _cleanup_(byte_writer_done) ByteWriter revocations = BYTE_WRITER_INIT, manual = BYTE_WRITER_INIT;

        grant_table_encode_revocations(f->table, &revocations);
        grant_table_encode_manual(f->table, &manual);
        assert_false(revocations.failed || manual.failed);
        renew(f);
        assert_true(grant_table_decode_revocations(f->table, span_make(revocations.data, revocations.size)));
        assert_true(grant_table_decode_manual(f->table, span_make(manual.data, manual.size), AT(now)));
        if (grants)
                assert_true(grant_table_decode(f->table, span_make(grants->data, grants->size), AT(now)));
}

static void published(Fixture *f, const char *network, const char *user, uint64_t until, uint64_t now) {
        RelayEntry entry = {.network = net(network),
                .verdict = RELAY_ALLOW,
                .until = until,
                .how = SPAN_LITERAL("dovecot"),
                .user = span_from_string(user)};

        grant_table_restore(f->table, &entry, f->policy.ttl, f->forgotten, now);
}

/* A grant by hand for longer than TTL= lasted after a crash only as long as it had been published. */
static void test_manual_outlives_crash(void **state) {
        _cleanup_(byte_writer_done) ByteWriter before = BYTE_WRITER_INIT;
        Fixture *f = *state;
        GrantView view;

        grant_table_encode(f->table, &before);
        assert_ok(add(f, "203.0.113.0/24", 10 * TTL, T0, NULL));
        assert_ok(add(f, "192.0.2.7", 10 * TTL, T0, NULL));
        crash(f, &before, T0 + 2 * TTL);
        assert_true(has(f, "203.0.113.0/24", &view));
        assert_true(view.manual);
        assert_int_equal(view.until, T0 + 10 * TTL);
        assert_int_equal(view.since, T0);
        assert_int_equal(view.published, T0 + 3 * TTL);
        assert_true(span_equal_string(view.user, "root"));
        assert_true(grant_table_is_covered(f->table, &(IpNetwork){net("203.0.113.9").addr, 128}));
        assert_true(has(f, "192.0.2.7", NULL));
        /* it was revoked, or is over */
        assert_int_equal(take(f, "203.0.113.0/24", T0 + 3 * TTL), 1);
        crash(f, &before, T0 + 10 * TTL);
        assert_int_equal(grant_table_count(f->table), 0);
}

/* What an earlier state knew of a grant by hand counts no more, but for a login there. */
static void test_manual_made_shorter(void **state) {
        _cleanup_(byte_writer_done) ByteWriter before = BYTE_WRITER_INIT, manual = BYTE_WRITER_INIT;
        Fixture *f = *state;
        GrantView view;

        assert_ok(add(f, "192.0.2.7", 100 * TTL, T0, NULL));
        assert_ok(add(f, "192.0.2.8", 100 * TTL, T0, NULL));
        assert_int_equal(login_at(f, "192.0.2.8", "alice", T0 + TTL, T0 + TTL), GRANT_EXTENDED);
        assert_ok(add(f, "203.0.113.0/24", 100 * TTL, T0, NULL));
        grant_table_encode(f->table, &before);
        assert_ok(add(f, "192.0.2.7", TTL / 2, T0 + TTL, NULL));
        assert_ok(add(f, "192.0.2.8", TTL / 2, T0 + TTL, NULL));
        assert_ok(add(f, "203.0.113.0/24", TTL / 2, T0 + TTL, NULL));
        grant_table_encode_manual(f->table, &manual);
        crash(f, &before, T0 + TTL);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, T0 + TTL + TTL / 2);
        assert_true(has(f, "203.0.113.0/24", &view));
        assert_int_equal(view.until, T0 + TTL + TTL / 2);
        assert_true(has(f, "192.0.2.8", &view));
        assert_int_equal(view.until, T0 + 2 * TTL);
        /* later they are over, and the earlier state does not bring them back */
        renew(f);
        assert_true(grant_table_decode_manual(
                f->table, span_make(manual.data, manual.size), AT(T0 + TTL + TTL / 2)));
        assert_true(
                grant_table_decode(f->table, span_make(before.data, before.size), AT(T0 + TTL + TTL / 2)));
        assert_false(has(f, "192.0.2.7", NULL));
        assert_false(has(f, "203.0.113.0/24", NULL));
        assert_true(has(f, "192.0.2.8", &view));
        assert_int_equal(view.until, T0 + 2 * TTL);
        assert_false(view.manual);
}

/* A login had made a grant by hand longer, and of it a crash left nothing but the time. */
static void test_login_at_manual_after_crash(void **state) {
        _cleanup_(byte_writer_done) ByteWriter before = BYTE_WRITER_INIT, after = BYTE_WRITER_INIT;
        Fixture *f = *state;
        GrantView view;

        assert_ok(add(f, "192.0.2.7", TTL / 2, T0, NULL));
        assert_int_equal(login_at(f, "192.0.2.7", "alice", T0 + 50, T0 + 50), GRANT_EXTENDED);
        grant_table_encode(f->table, &before);
        crash(f, &before, T0 + 60);
        assert_true(has(f, "192.0.2.7", &view));
        assert_true(view.manual);
        assert_int_equal(view.until, T0 + 50 + TTL);
        assert_int_equal(view.last, T0 + 50);
        assert_true(span_equal_string(view.user, "alice"));
        assert_string_equal(view.service, "imap");
        assert_string_equal(view.source, "journal");
        /* also when another has made it longer by then, her lease is counted */
        assert_int_equal(login_at(f, "192.0.2.7", "bob", T0 + 70, T0 + 70), GRANT_EXTENDED);
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("alice"), false, AT(T0 + 80)), 1);
        /* given anew by hand, it is not longer than that: the login was before */
        assert_ok(add(f, "192.0.2.7", TTL / 2, T0 + 90, NULL));
        crash(f, &before, T0 + 95);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, T0 + 90 + TTL / 2);
        /* which holds for an address that was revoked in between, too */
        assert_int_equal(take(f, "192.0.2.7", T0 + 100), 1);
        assert_ok(add(f, "192.0.2.7", TTL / 2, T0 + 110, NULL));
        crash(f, &before, T0 + 115);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, T0 + 110 + TTL / 2);
        /* of a user who was not, either */
        assert_int_equal(login_at(f, "192.0.2.8", "carol", T0 + 115, T0 + 115), GRANT_NEW);
        grant_table_encode(f->table, &after);
        assert_int_equal(take(f, "192.0.2.8", T0 + 120), 1);
        assert_ok(add(f, "192.0.2.8", TTL / 2, T0 + 125, NULL));
        crash(f, &after, T0 + 130);
        assert_true(has(f, "192.0.2.8", &view));
        assert_int_equal(view.until, T0 + 125 + TTL / 2);
}

/* A login that nobody may have any more made a grant by hand longer all the same. */
static void test_revoked_login_at_manual(void **state) {
        _cleanup_(byte_writer_done) ByteWriter before = BYTE_WRITER_INIT, manual = BYTE_WRITER_INIT;
        Fixture *f = *state;
        GrantView view;

        assert_ok(add(f, "192.0.2.7", TTL / 2, T0, NULL));
        grant_table_encode_manual(f->table, &manual);
        assert_int_equal(login_at(f, "192.0.2.7", "alice", T0 + 50, T0 + 50), GRANT_EXTENDED);
        grant_table_encode(f->table, &before);
        renew(f);
        assert_ok(string_list_add(&f->policy.deny_users, SPAN_LITERAL("alice")));
        assert_true(grant_table_decode_manual(f->table, span_make(manual.data, manual.size), AT(T0 + 60)));
        assert_true(grant_table_decode(f->table, span_make(before.data, before.size), AT(T0 + 60)));
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, T0 + TTL / 2);
}

/* The login of a user who is denied since had made a grant by hand longer, and it stayed so. */
static void test_denied_login_at_manual(void **state) {
        _cleanup_(byte_writer_done) ByteWriter before = BYTE_WRITER_INIT;
        Fixture *f = *state;
        GrantView view;

        assert_ok(add(f, "192.0.2.7", TTL / 2, T0, NULL));
        assert_ok(add(f, "192.0.2.8", TTL / 2, T0, NULL));
        assert_int_equal(login_at(f, "192.0.2.7", "alice", T0 + 50, T0 + 50), GRANT_EXTENDED);
        assert_int_equal(login_at(f, "192.0.2.8", "bob", T0 + 50, T0 + 50), GRANT_EXTENDED);
        assert_ok(string_list_add(&f->policy.deny_users, SPAN_LITERAL("alice")));
        grant_table_set_policy(f->table, &f->policy, T0 + 60);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, T0 + TTL / 2);
        assert_int_equal(view.published, T0 + TTL / 2);
        assert_int_equal(view.user.size, 0);
        assert_true(has(f, "192.0.2.8", &view));
        assert_int_equal(view.until, T0 + 50 + TTL);
        /* nor is it longer after a crash */
        grant_table_encode(f->table, &before);
        crash(f, &before, T0 + 70);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.until, T0 + TTL / 2);
        /* once what was given is over, nothing is left */
        assert_ok(string_list_add(&f->policy.deny_users, SPAN_LITERAL("bob")));
        grant_table_set_policy(f->table, &f->policy, T0 + TTL / 2);
        assert_int_equal(grant_table_count(f->table), 0);
}

/* ---- steps of the clock ---- */

#define YEARS (10 * 365 * UINT64_C(86400))

/* What the daemon does at a step, by the one clock that it has. */
static uint64_t set_clock(Fixture *f, uint64_t to) {
        uint64_t now;

        time_set_fake(AT(to));
        now = time_now() / USEC_PER_SEC;
        f->heard.now = now;
        (void) grant_table_clock_set(f->table, now, true);
        grant_table_set_policy(f->table, &f->policy, now);
        return now;
}

static void test_clock_steps(void **state) {
        static const int64_t steps[] = {3600, -3600, (int64_t) YEARS, -(int64_t) YEARS};
        Fixture *f = *state;
        IpAddr host = net("192.0.2.1").addr;

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                uint64_t then = T0 + (uint64_t) steps[i], now;
                RelayEntry entry;
                GrantView view;

                renew(f);
                assert_int_equal(login_at(f, "192.0.2.1", "a", T0, T0), GRANT_NEW);
                assert_int_equal(login_at(f, "192.0.2.2", "b", T0, T0), GRANT_NEW);
                assert_ok(add(f, "192.0.2.3", 2 * TTL, T0, NULL));
                assert_int_equal(take(f, "192.0.2.2", T0 + 1), 1);
                now = set_clock(f, then);
                /* ahead, all of it is over; behind, it lasts as long as it would have */
                assert_int_equal(grant_table_allows(f->table, &host, now, &entry), steps[i] < 0);
                assert_int_equal(has(f, "192.0.2.3", &view), steps[i] < 0);
                if (steps[i] < 0) {
                        assert_true(view.until <= now + 2 * TTL);
                        assert_true(has(f, "192.0.2.1", &view));
                        assert_true(view.until <= now + TTL && view.published <= now + TTL);
                }
                reload(f, now);
                /* read again */
                if (steps[i] < 0)
                        assert_int_equal(login_at(f, "192.0.2.2", "b", T0, now), GRANT_REFUSED);
                assert_int_equal(login_at(f, "192.0.2.2", "b", then - 10, now),
                        steps[i] < 0 ? GRANT_REFUSED : GRANT_NEW);
                /* a login from now on grants */
                assert_int_equal(login_at(f, "192.0.2.2", "b", now + 2, now + 2),
                        steps[i] < 0 ? GRANT_NEW : GRANT_EXTENDED);
                assert_true(has(f, "192.0.2.2", &view));
                assert_true(view.until <= now + 2 + TTL);
                reload(f, now + 3);
                assert_true(has(f, "192.0.2.2", NULL));
                /* and back: no revocation was forgotten, nothing lasts longer */
                now = set_clock(f, T0 + 5);
                assert_int_equal(login_at(f, "192.0.2.2", "b", T0 + 1, now), GRANT_REFUSED);
                for (uint32_t k = 0; (k = grant_table_next(f->table, k, &view)) != UINT32_MAX; k++)
                        assert_true(view.until <= now + 2 * TTL && view.published <= now + TTL);
        }
        time_set_fake(0);
}

/* Who grants by hand may do it for a blocked user; a restart is no reason to take that back. */
static void test_manual_of_blocked_user(void **state) {
        Fixture *f = *state;

        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("root"), true, AT(T0)), 0);
        assert_ok(add(f, "192.0.2.7", 2 * TTL, T0 + 1, NULL)); /* by root */
        reload(f, T0 + 2);
        assert_true(has(f, "192.0.2.7", NULL));
        /* revoked later, it is gone */
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("root"), false, AT(T0 + 3)), 1);
        reload(f, T0 + 4);
        assert_false(has(f, "192.0.2.7", NULL));
}

static void test_damaged_manual(void **state) {
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        Fixture *f = *state;

        assert_ok(add(f, "203.0.113.0/24", 10 * TTL, T0, NULL));
        assert_ok(add(f, "192.0.2.7", 10 * TTL, T0, NULL));
        grant_table_encode_manual(f->table, &w);
        for (size_t n = 1; n < w.size; n++) {
                renew(f);
                /* both are of one size */
                assert_int_equal(
                        grant_table_decode_manual(f->table, span_make(w.data, n), AT(T0)), n * 2 == w.size);
                assert_int_equal(grant_table_count(f->table), n * 2 == w.size);
        }
        /* bits behind the length */
        w.data[15] = 1;
        renew(f);
        assert_false(grant_table_decode_manual(f->table, span_make(w.data, w.size), AT(T0)));
        assert_int_equal(grant_table_count(f->table), 0);
}

/* The grants of the last minute before a crash are published without their users, unless PublishUsers=yes:
 * revoking a user missed those. What came from a FIFO or a socket is not read again. */
static void test_revoke_user_after_crash(void **state) {
        _cleanup_(byte_writer_done) ByteWriter before = BYTE_WRITER_INIT;
        Fixture *f = *state;

        assert_int_equal(login_at(f, "192.0.2.1", "alice", T0, T0), GRANT_NEW);
        assert_int_equal(login_at(f, "192.0.2.2", "carol", T0, T0), GRANT_NEW);
        grant_table_encode(f->table, &before);
        crash(f, &before, T0 + 200);
        f->forgotten = true;
        /* bob's, or dave's, nobody knows: a new address, and one that was alice's before */
        published(f, "192.0.2.3", "", T0 + 100 + TTL, T0 + 200);
        published(f, "192.0.2.4", "", T0 + 100 + TTL, T0 + 200);
        published(f, "192.0.2.1", "", T0 + 100 + TTL, T0 + 200);
        published(f, "192.0.2.2", "", T0 + TTL, T0 + 200);
        published(f, "192.0.2.5", "dave", T0 + 100 + TTL, T0 + 200);
        /* the log is read again, and what it tells is known */
        assert_int_equal(login_at(f, "192.0.2.4", "dave", T0 + 100, T0 + 200), GRANT_EXTENDED);
        /* a login from now on says nothing of those before it */
        assert_int_equal(login_at(f, "192.0.2.3", "dave", T0 + 210, T0 + 210), GRANT_EXTENDED);
        reload(f, T0 + 215);
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("bob"), false, AT(T0 + 220)), 2);
        assert_false(has(f, "192.0.2.1", NULL) || has(f, "192.0.2.3", NULL));
        assert_true(has(f, "192.0.2.2", NULL) && has(f, "192.0.2.4", NULL) && has(f, "192.0.2.5", NULL));
        /* it stays so, whatever is left of them */
        reload(f, T0 + 230);
        published(f, "192.0.2.3", "", T0 + 100 + TTL, T0 + 230);
        assert_false(has(f, "192.0.2.3", NULL));
}

/* The log tells whose they were, even if that is after the user was revoked; nobody else's are touched. */
static void test_revoke_user_before_log_is_read(void **state) {
        Fixture *f = *state;

        published(f, "192.0.2.1", "", T0 + 100 + TTL, T0 + 200);
        published(f, "192.0.2.2", "", T0 + 100 + TTL, T0 + 200);
        /* an open session's is published for longer than the login said */
        published(f, "192.0.2.3", "", T0 + 190 + TTL, T0 + 200);
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("bob"), false, AT(T0 + 210)), 0);
        assert_int_equal(login_at(f, "192.0.2.1", "bob", T0 + 100, T0 + 211), GRANT_REFUSED);
        assert_int_equal(login_at(f, "192.0.2.2", "carol", T0 + 100, T0 + 211), GRANT_EXTENDED);
        assert_int_equal(login_at(f, "192.0.2.3", "bob", T0 + 90, T0 + 211), GRANT_REFUSED);
        assert_false(has(f, "192.0.2.1", NULL) || has(f, "192.0.2.3", NULL));
        assert_int_equal(login_at(f, "192.0.2.2", "bob", T0 + 90, T0 + 211), GRANT_REFUSED);
        assert_true(has(f, "192.0.2.2", NULL));
        /* nor what was published after a user was blocked */
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("mallory"), true, AT(T0 + 50)), 0);
        published(f, "192.0.2.5", "", T0 + 100 + TTL, T0 + 200);
        assert_int_equal(login_at(f, "192.0.2.5", "mallory", T0 + 40, T0 + 211), GRANT_REFUSED);
        assert_true(has(f, "192.0.2.5", NULL));
        /* a blocked user's next try says nothing of who was there before */
        published(f, "192.0.2.4", "", T0 + 100 + TTL, T0 + 200);
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("eve"), true, AT(T0 + 210)), 0);
        assert_int_equal(login_at(f, "192.0.2.4", "eve", T0 + 220, T0 + 220), GRANT_REFUSED);
        assert_true(has(f, "192.0.2.4", NULL));
}

/* Once the logins before the crash have lost their force, others' grants are not touched any more. */
static void test_unnamed_no_longer(void **state) {
        Fixture *f = *state;

        f->forgotten = true;
        published(f, "192.0.2.3", "", T0 + 100 + TTL, T0 + 200);
        assert_int_equal(login_at(f, "192.0.2.3", "dave", T0 + TTL, T0 + TTL), GRANT_EXTENDED);
        assert_int_equal(
                grant_table_revoke_user(f->table, SPAN_LITERAL("bob"), false, AT(T0 + 100 + TTL)), 0);
        assert_true(has(f, "192.0.2.3", NULL));
}

/* The grant is that of a login after the revocation; the log is read again from before it. */
static void test_unnamed_after_revocation(void **state) {
        Fixture *f = *state;

        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("carol"), false, AT(T0 + 50)), 0);
        published(f, "192.0.2.3", "", T0 + 100 + TTL, T0 + 200);
        assert_true(has(f, "192.0.2.3", NULL));
        assert_int_equal(login_at(f, "192.0.2.3", "carol", T0 + 40, T0 + 201), GRANT_REFUSED);
        assert_true(has(f, "192.0.2.3", NULL));
        assert_int_equal(login_at(f, "192.0.2.3", "carol", T0 + 100, T0 + 201), GRANT_EXTENDED);
        /* and once more, now that the name is known */
        assert_int_equal(login_at(f, "192.0.2.3", "carol", T0 + 40, T0 + 202), GRANT_REFUSED);
        assert_true(has(f, "192.0.2.3", NULL));
}

/* Users= or DenyUsers= came by a reload, and what nobody can be asked of stayed. */
static void test_judged_by_user_after_crash(void **state) {
        Fixture *f = *state;
        Login logout = test_login("192.0.2.4", "alice", AT(T0 + 120));

        f->policy.max_session = 20 * TTL;
        grant_table_expect_more(f->table);
        for (unsigned i = 1; i <= 5; i++) {
                char text[32];

                (void) snprintf(text, sizeof(text), "192.0.2.%u", i);
                published(f, text, "", T0 + 100 + TTL, T0 + 200);
        }
        published(f, "192.0.2.6", "alice", T0 + 100 + TTL, T0 + 200);
        assert_ok(add(f, "192.0.2.7", 0, T0 + 200, NULL));
        /* the log tells of some: a login, one with a session that was still open, one that has logged out */
        assert_int_equal(login_at(f, "192.0.2.1", "alice", T0 + 100, T0 + 201), GRANT_EXTENDED);
        assert_int_equal(login_with(f, "192.0.2.3", "k3", T0 + 50, T0 + 201), GRANT_EXTENDED);
        assert_int_equal(login_with(f, "192.0.2.4", "k4", T0 + 50, T0 + 201), GRANT_EXTENDED);
        logout.key = SPAN_LITERAL("k4");
        grant_table_logout(f->table, &logout, T0 + 201);
        grant_table_note_read(f->table, T0 + 202);
        assert_int_equal(login_at(f, "192.0.2.5", "alice", T0 + 210, T0 + 210), GRANT_EXTENDED);
        assert_ok(string_list_add(&f->policy.deny_users, SPAN_LITERAL("eve")));
        grant_table_set_policy(f->table, &f->policy, T0 + 220);
        assert_int_equal(f->heard.n[GRANT_EVENT_REVOKED], 1);
        assert_string_equal(f->heard.network, "192.0.2.2");
        assert_true(strstr(f->heard.reason, "not known") != NULL);
        assert_int_equal(grant_table_count(f->table), 6);
        /* nor does a state from before bring it back */
        published(f, "192.0.2.2", "", T0 + 100 + TTL, T0 + 230);
        reload(f, T0 + 230);
        assert_int_equal(grant_table_count(f->table), 6);
}

/* A state that was saved before such a reload. */
static void test_unnamed_saved(void **state) {
        _cleanup_(byte_writer_done) ByteWriter saved = BYTE_WRITER_INIT;
        Fixture *f = *state;

        published(f, "192.0.2.1", "", T0 + 100 + TTL, T0 + 200);
        assert_int_equal(login_at(f, "192.0.2.2", "alice", T0 + 100, T0 + 200), GRANT_NEW);
        grant_table_encode(f->table, &saved);
        assert_ok(string_list_add(&f->policy.deny_users, SPAN_LITERAL("eve")));
        crash(f, &saved, T0 + 220);
        assert_false(has(f, "192.0.2.1", NULL));
        assert_true(has(f, "192.0.2.2", NULL));
        /* and it is not longer for somebody unknown */
        published(f, "192.0.2.2", "", T0 + 150 + TTL, T0 + 220);
        grant_table_note_read(f->table, T0 + 220);
        expire(f, T0 + 100 + TTL);
        assert_false(has(f, "192.0.2.2", NULL));
}

/* The line has gone, so it may have been anybody's: a revoked user's, too. */
static void test_line_has_gone(void **state) {
        Fixture *f = *state;

        grant_table_expect_more(f->table);
        published(f, "192.0.2.1", "", T0 + 100 + TTL, T0 + 200);
        published(f, "192.0.2.2", "", T0 + 100 + TTL, T0 + 200);
        assert_int_equal(login_at(f, "192.0.2.2", "alice", T0 + 100, T0 + 201), GRANT_EXTENDED);
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("bob"), false, AT(T0 + 201)), 0);
        assert_true(has(f, "192.0.2.1", NULL)); /* its line may say that it is somebody else's */
        grant_table_note_read(f->table, T0 + 202);
        assert_false(has(f, "192.0.2.1", NULL));
        assert_true(has(f, "192.0.2.2", NULL));
        /* from then on at once */
        grant_table_expect_more(f->table);
        published(f, "192.0.2.3", "", T0 + 300 + TTL, T0 + 400);
        grant_table_note_read(f->table, T0 + 401);
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("bob"), false, AT(T0 + 402)), 1);
        assert_false(has(f, "192.0.2.3", NULL));
}

/* Published as given by hand, but it was a login that had made it longer. */
static void test_unnamed_at_manual(void **state) {
        for (int way = 0; way < 4; way++) {
                RelayEntry entry = {.network = net("192.0.2.1"),
                        .verdict = RELAY_ALLOW,
                        .until = T0 + 100 + TTL,
                        .how = SPAN_LITERAL("manual")};
                bool is_over = way % 2; /* what was given by hand */
                uint64_t now = T0 + (is_over ? TTL / 2 + 1 : 200);
                Fixture *f = *state;
                GrantView view;

                renew(f);
                f->heard.now = 0;
                assert_ok(add(f, "192.0.2.1", TTL / 2, T0, NULL));
                f->heard.now = 0;
                crash(f, NULL, now);
                grant_table_expect_more(f->table);
                grant_table_restore(f->table, &entry, TTL, false, now);
                assert_true(has(f, "192.0.2.1", &view));
                assert_int_equal(view.until, T0 + 100 + TTL);
                grant_table_note_read(f->table, now + 1);
                if (way / 2 == 0)
                        (void) grant_table_revoke_user(f->table, SPAN_LITERAL("bob"), false, AT(now + 2));
                else {
                        assert_ok(string_list_add(&f->policy.deny_users, SPAN_LITERAL("eve")));
                        grant_table_set_policy(f->table, &f->policy, now + 2);
                        string_list_done(&f->policy.deny_users);
                }
                assert_true(has(f, "192.0.2.1", &view) == !is_over);
                assert_true(is_over || (view.until == T0 + TTL / 2 && view.manual));
        }
}

/* Whose it is is known again: given by hand, by a published name, but not by another one's session. */
static void test_named_again(void **state) {
        Fixture *f = *state;

        published(f, "192.0.2.1", "", T0 + 100 + TTL, T0 + 200);
        published(f, "192.0.2.2", "", T0 + 100 + TTL, T0 + 200);
        reload_behind(f, T0 + 201, true);
        published(f, "192.0.2.2", "alice", T0 + 150 + TTL, T0 + 202);
        grant_table_note_read(f->table, T0 + 203);
        assert_ok(add(f, "192.0.2.1", 0, T0 + 204, NULL));
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("bob"), false, AT(T0 + 205)), 0);
        f->policy.max_session = TTL + 200;
        grant_table_expect_more(f->table);
        assert_int_equal(login_with(f, "192.0.2.3", "k", T0, T0 + 206), GRANT_NEW);
        published(f, "192.0.2.3", "", T0 + 1000 + TTL, T0 + 1200);
        grant_table_note_read(f->table, T0 + 1201);
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("bob"), false, AT(T0 + 1202)), 1);
        assert_false(has(f, "192.0.2.3", NULL));
}

/* TTL= had changed, and the same login was taken for a later one of somebody else. */
static void test_same_login_other_ttl(void **state) {
        _cleanup_(byte_writer_done) ByteWriter saved = BYTE_WRITER_INIT;
        RelayEntry entry = {.network = net("192.0.2.1"),
                .verdict = RELAY_ALLOW,
                .until = T0 + TTL,
                .how = SPAN_LITERAL("dovecot")};
        Fixture *f = *state;
        GrantView view;

        assert_int_equal(login_at(f, "192.0.2.1", "alice", T0, T0), GRANT_NEW);
        grant_table_encode(f->table, &saved);
        f->policy.ttl = TTL - 32;
        crash(f, &saved, T0 + 40);
        grant_table_restore(f->table, &entry, TTL, true, T0 + 40);
        assert_true(has(f, "192.0.2.1", &view));
        assert_int_equal(view.until, T0 + TTL - 32);
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("bob"), false, AT(T0 + 50)), 0);
}

/* With PublishUsers=yes the record tells of a later user than the state. */
static void test_published_user(void **state) {
        _cleanup_(byte_writer_done) ByteWriter before = BYTE_WRITER_INIT;
        Fixture *f = *state;

        assert_int_equal(login_at(f, "192.0.2.1", "alice", T0, T0), GRANT_NEW);
        grant_table_encode(f->table, &before);
        crash(f, &before, T0 + 200);
        published(f, "192.0.2.1", "bob", T0 + 150 + TTL, T0 + 200);
        assert_int_equal(grant_table_revoke_user(f->table, SPAN_LITERAL("BOB"), false, AT(T0 + 220)), 1);
        assert_false(has(f, "192.0.2.1", NULL));
}

/* A login of the second of a revocation is kept as one of the next; with a TTL= of less than 16 seconds
 * there is no TTL/16 in which the published record could say so. It is lost in a crash, and never the
 * revocation. */
static void test_same_second_and_tiny_ttl(void **state) {
        Fixture *f = *state;
        Login login = test_login("192.0.2.7", "alice", AT(T0) + 600000);
        uint64_t until;

        f->policy.ttl = 15;
        renew(f);
        assert_ok(grant_table_revoke_all(f->table, AT(T0) + 500000));
        f->heard.now = T0;
        f->heard.ttl = 15;
        assert_int_equal(grant_table_login(f->table, &login, T0), GRANT_NEW);
        until = f->heard.last.published;
        assert_int_equal(until, T0 + 15);
        reload(f, T0 + 1);
        assert_true(has(f, "192.0.2.7", NULL));
        crash(f, NULL, T0 + 1);
        published(f, "192.0.2.7", "", until, T0 + 1);
        assert_false(has(f, "192.0.2.7", NULL));
        /* its line, read again, is still the later one */
        f->heard.now = T0 + 1;
        assert_int_equal(grant_table_login(f->table, &login, T0 + 1), GRANT_NEW);
}

/* A session that is in no state and was opened longer ago than TTL= is not known after a crash: whether it
 * has ended since is in the rest of the log, and until then relaying would be open. */
static void test_old_session_after_crash(void **state) {
        _cleanup_(byte_writer_done) ByteWriter saved = BYTE_WRITER_INIT;
        Fixture *f = *state;

        f->policy.max_session = 20 * TTL;
        assert_int_equal(login_with(f, "192.0.2.7", "k", T0, T0), GRANT_NEW);
        grant_table_encode(f->table, &saved);
        crash(f, NULL, T0 + 2 * TTL);
        published(f, "192.0.2.7", "", T0 + 2 * TTL + 100, T0 + 2 * TTL);
        assert_int_equal(login_with(f, "192.0.2.7", "k", T0, T0 + 2 * TTL), GRANT_STALE);
        assert_int_equal(grant_table_count_sessions(f->table), 0);
        expire(f, T0 + 2 * TTL + 100);
        assert_false(has(f, "192.0.2.7", NULL));
        crash(f, &saved, T0 + 2 * TTL);
        assert_int_equal(grant_table_count_sessions(f->table), 1);
        assert_true(has(f, "192.0.2.7", NULL));
}

/* ---- what is full ---- */

/* With no room for another revocation, the user's later grants stayed. */
static void test_revoke_user_without_room(void **state) {
        Fixture *f = *state;
        char text[32];

        for (unsigned i = 0; i < REVOCATION_TABLE_MAX - 1; i++) {
                (void) snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
                assert_int_equal(take(f, text, T0), 0);
        }
        for (unsigned i = 1; i <= 10; i++) {
                (void) snprintf(text, sizeof(text), "192.0.2.%u", i);
                assert_int_equal(login_at(f, text, "alice", T0 + 1, T0 + 1), GRANT_NEW);
        }
        assert_int_equal(login_at(f, "192.0.2.99", "carol", T0 + 1, T0 + 1), GRANT_NEW);
        assert_int_equal(
                grant_table_revoke_user(f->table, SPAN_LITERAL("alice"), true, AT(T0 + 2)), -ENOSPC);
        assert_int_equal(grant_table_count(f->table), 1);
        assert_int_equal(f->heard.n[GRANT_EVENT_REVOKED], REVOCATION_TABLE_MAX - 1 + 10);
        /* what could be noted holds: the name */
        assert_int_equal(login_at(f, "192.0.2.1", "alice", T0 + 3, T0 + 3), GRANT_REFUSED);
        /* and a network, too, is taken away first of all */
        assert_int_equal(take(f, "192.0.2.99", T0 + 4), -ENOSPC);
        assert_int_equal(grant_table_count(f->table), 0);
        assert_true(grant_table_revoke_user(f->table, SPAN_LITERAL(""), true, AT(T0 + 5)) == -EINVAL);
}

/* Names of services that somebody else chose took the room of patterns and sources, whose sessions were then
 * taken for each other's. */
static void test_names_are_full(void **state) {
        Fixture *f = *state;
        GrantView view;

        f->policy.max_session = 20 * TTL;
        for (unsigned i = 0; i < 3000; i++) {
                Login login = test_login("192.0.2.1", "mallory", AT(T0));
                char service[16];

                (void) snprintf(service, sizeof(service), "s%u", i);
                login.service = span_from_string(service);
                assert_in_range(grant_table_login(f->table, &login, T0), GRANT_NEW, GRANT_EXTENDED);
        }
        assert_true(has(f, "192.0.2.1", &view));
        assert_string_equal(view.service, "");
        for (unsigned i = 0; i < 200; i++) {
                Login login = test_login("192.0.2.2", "alice", AT(T0));
                char pattern[16], source[32];

                (void) snprintf(pattern, sizeof(pattern), "pattern%u", i);
                (void) snprintf(source, sizeof(source), "/var/log/%u", i);
                login.pattern = pattern;
                login.source = source;
                login.key = SPAN_LITERAL("k");
                assert_in_range(grant_table_login(f->table, &login, T0), GRANT_NEW, GRANT_EXTENDED);
                assert_true(has(f, "192.0.2.2", &view));
                assert_string_equal(view.pattern, pattern);
                assert_string_equal(view.source, source);
        }
        assert_int_equal(grant_table_count_sessions(f->table), 200);
        /* one server's restart ends its own session alone */
        {
                Login restart = {.verdict = MATCH_RESTART,
                        .pattern = "pattern7",
                        .source = "/var/log/7",
                        .time = AT(T0 + 1)};

                grant_table_restart(f->table, &restart, T0 + 1);
        }
        assert_int_equal(grant_table_count_sessions(f->table), 199);
        /* what is in use no more does not survive a restart */
        expire(f, T0 + 30 * TTL);
        reload(f, T0 + 30 * TTL);
        assert_int_equal(login_at(f, "192.0.2.1", "alice", T0 + 30 * TTL, T0 + 30 * TTL), GRANT_NEW);
        assert_true(has(f, "192.0.2.1", &view));
        assert_string_equal(view.service, "imap");
}

/* TTL= was made longer while the daemon was down: the login was still after the revocation. */
static void test_restore_other_ttl(void **state) {
        Fixture *f = *state;
        RelayEntry entry = {.network = net("192.0.2.7"),
                .verdict = RELAY_ALLOW,
                .until = T0 + 10 + TTL,
                .how = SPAN_LITERAL("dovecot")};
        GrantView view;

        assert_int_equal(take(f, "192.0.2.7", T0), 0);
        f->policy.ttl = 2 * TTL;
        grant_table_restore(f->table, &entry, TTL, false, T0 + 20);
        assert_true(has(f, "192.0.2.7", &view));
        assert_int_equal(view.last, T0 + 10);
        assert_int_equal(view.until, T0 + 10 + TTL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                with_table(test_login_at_manual_after_crash),
                with_table(test_revoked_login_at_manual),
                with_table(test_denied_login_at_manual),
                with_table(test_clock_steps),
                with_table(test_restore_other_ttl),
                with_table(test_life),
                with_table(test_stale),
                with_table(test_extension),
                with_table(test_manual),
                with_table(test_same_second),
                with_table(test_same_second_ended_before),
                with_table(test_same_second_of_another),
                with_table(test_same_second_restored),
                with_table(test_revoked_twice_in_a_second),
                with_table(test_restore_manual),
                with_table(test_max_grants),
                with_table(test_addresses_per_user),
                with_table(test_users_per_address),
                with_table(test_users_come_and_go),
                with_table(test_crowd_is_told_once),
                with_table(test_places),
                with_table(test_ipv6_prefix),
                with_table(test_user_lists),
                with_table(test_revoke_host),
                with_table(test_revoked_while_connected),
                with_table(test_revoke_network),
                with_table(test_revoke_ipv6),
                with_table(test_revoke_user),
                with_table(test_revoke_all),
                with_table(test_revoke_inside_wider),
                with_table(test_sessions),
                with_table(test_sessions_of_machines),
                with_table(test_end_before_beginning),
                with_table(test_login_again_after_its_end),
                with_table(test_short_ttl),
                with_table(test_revoked_session),
                with_table(test_session_over_start),
                with_table(test_round_trip),
                with_table(test_state_is_judged),
                with_table(test_state_from_the_future),
                with_table(test_damaged_state),
                with_table(test_restore),
                with_table(test_restore_denied),
                with_table(test_leases_saved),
                with_table(test_set_policy),
                with_table(test_model),
                with_table(test_due_order),
                with_table(test_manual_outlives_crash),
                with_table(test_manual_made_shorter),
                with_table(test_manual_of_blocked_user),
                with_table(test_damaged_manual),
                with_table(test_revoke_user_after_crash),
                with_table(test_revoke_user_before_log_is_read),
                with_table(test_unnamed_no_longer),
                with_table(test_unnamed_after_revocation),
                with_table(test_judged_by_user_after_crash),
                with_table(test_unnamed_saved),
                with_table(test_line_has_gone),
                with_table(test_unnamed_at_manual),
                with_table(test_named_again),
                with_table(test_same_login_other_ttl),
                with_table(test_published_user),
                with_table(test_same_second_and_tiny_ttl),
                with_table(test_old_session_after_crash),
                with_table(test_revoke_user_without_room),
                with_table(test_names_are_full),
        };

        return cmocka_run_group_tests_name("grant-table", tests, NULL, NULL);
}
