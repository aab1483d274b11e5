/* SPDX-License-Identifier: Apache-2.0 */
/* The answer from memory against the answer from the files that were published from the same table, for
 * random tables: logins, grants by hand wide and narrow, revocations inside them, networks that may always
 * or never relay, time that passes, and a policy that changes. */
#include "check.h"

#include <time.h>

#include "basic/time-util.h"
#include "cdb/relay-lookup.h"
#include "grant/grant-table.h"
#include "publish/publisher.h"
#include "record-builder.h"

#define TTL 1600u
#define ROUNDS MORE(6)
#define STEPS 60
#define QUESTIONS 150

typedef struct Fixture {
        Policy policies[2];
        const Policy *policy;
        GrantTable *table;
        Publisher *publisher;
        uint64_t now, seed;
        bool left_records;
        unsigned granted, by_length[129], inside; /* answers that were yes, and no inside something wider */
} Fixture;

/* ---- what the daemon does with events and snapshots ---- */

static void on_event(void *userdata, const GrantEvent *event) {
        Fixture *f = userdata;
        RelayEntry entry;

        if (f->publisher && grant_table_record_of(f->table, event, &entry))
                assert_ok(publisher_put(f->publisher, &entry));
        f->left_records = f->left_records || grant_table_has_left_records(event);
}

typedef struct Snapshot {
        Fixture *f;
        PublisherSink *sink;
} Snapshot;

static int add_static(void *userdata, const IpNetwork *network, bool always) {
        Snapshot *s = userdata;
        RelayEntry entry = {.network = *network,
                .verdict = always ? RELAY_ALLOW : RELAY_NEVER,
                .how = SPAN_LITERAL("policy")};

        return publisher_sink_add(s->sink, &entry);
}

static bool is_covered(void *userdata, const IpNetwork *network) {
        return grant_table_is_covered(((Snapshot *) userdata)->f->table, network);
}

static int add_record(void *userdata, const RelayEntry *entry) {
        Snapshot *s = userdata;

        return policy_is_static(s->f->policy, &entry->network) ? 0 : publisher_sink_add(s->sink, entry);
}

static int on_snapshot(void *userdata, PublisherSink *sink) {
        Snapshot s = {userdata, sink};
        int r = policy_each_static(s.f->policy, is_covered, add_static, &s);

        return r < 0 ? r : grant_table_each_record(s.f->table, s.f->now, add_record, &s);
}

/* ---- a small world, so that things meet ---- */

static unsigned below(Fixture *f, unsigned n) {
        return (unsigned) ((next_random(&f->seed) >> 20) % n);
}

static void random_address(Fixture *f, char buf[static IP_TEXT_BYTES]) {
        if (below(f, 2) == 0)
                (void) snprintf(buf, IP_TEXT_BYTES, "10.%u.%u.%u", below(f, 3), below(f, 4), below(f, 8));
        else
                (void) snprintf(
                        buf, IP_TEXT_BYTES, "2001:db8:%x:%x::%x", below(f, 3), below(f, 4), below(f, 5));
}

static IpNetwork random_network(Fixture *f) {
        static const unsigned lengths[2][5] = {{32, 48, 56, 64, 128}, {104, 112, 120, 125, 128}};
        char text[IP_TEXT_BYTES];
        IpAddr address;

        random_address(f, text);
        assert_ok(ip_addr_parse(span_from_string(text), &address));
        return ip_network_of(&address, lengths[ip_addr_is_v4(&address)][below(f, 5)]);
}

static void put(NetworkSet *s, const char *text) {
        IpNetwork n;

        assert_ok(ip_network_parse(span_from_string(text), &n));
        assert_ok(network_set_add(s, &n));
}

static void make_policy(Policy *p, bool with_always) {
        assert_ok(policy_init(p));
        p->ttl = TTL;
        p->private_mode = POLICY_PRIVATE_YES;
        put(&p->never, "10.1.2.0/24");
        put(&p->never, "10.0.0.5");
        put(&p->never, "10.2.1.4/30");
        put(&p->never, "2001:db8:1:2::/64");
        put(&p->never, "2001:db8:0:1::3");
        put(&p->host, "10.2.3.1");
        put(&p->host, "2001:db8:0:2::1");
        put(&p->host_networks, "2001:db8:0:2::/64");
        if (!with_always)
                return;
        put(&p->always, "10.1.0.0/16");
        put(&p->always, "10.1.2.3");
        put(&p->always, "10.0.0.5"); /* never as well, which is stronger */
        put(&p->always, "2001:db8:1::/48");
        put(&p->always, "2001:db8:1:2::4");
}

static void change(Fixture *f) {
        char address[IP_TEXT_BYTES], user[8];
        IpNetwork network = random_network(f);
        const char *reason;
        uint64_t until;
        Login login;

        random_address(f, address);
        (void) snprintf(user, sizeof(user), "u%u", below(f, 6));
        login = test_login(address, user, (f->now - below(f, TTL)) * USEC_PER_SEC);
        switch (below(f, 16)) {
        case 0:
                if (grant_table_add(f->table, &network, below(f, 2) * TTL * below(f, 8),
                            span_from_string(user), f->now * USEC_PER_SEC, &until, &reason) >= 0 &&
                        network.length < 128)
                        assert_ok(publisher_rewrite(f->publisher));
                break;
        case 1:
        case 2:
                assert_true(grant_table_revoke(f->table, &network, f->now * USEC_PER_SEC) >= 0);
                break;
        case 3:
                if (below(f, 4) == 0)
                        assert_true(grant_table_revoke_user(f->table, span_from_string(user), false,
                                            f->now * USEC_PER_SEC) >= 0);
                break;
        case 4:
                f->now += below(f, TTL / 3);
                time_set_fake(f->now * USEC_PER_SEC);
                grant_table_expire(f->table, f->now);
                break;
        case 5:
                if (below(f, 4) > 0)
                        break;
                f->policy = &f->policies[f->policy == f->policies];
                grant_table_set_policy(f->table, f->policy, f->now);
                assert_ok(publisher_rewrite(f->publisher));
                break;
        default:
                assert_true(grant_table_login(f->table, &login, f->now) >= 0);
        }
}

static void compare(Fixture *f, const char *text) {
        char shown[2][IP_TEXT_BYTES];
        RelayAnswer answer;
        RelayEntry entry = {0};
        IpAddr address;
        bool allowed;

        assert_ok(ip_addr_parse(span_from_string(text), &address));
        relay_lookup("relay.cdb", &address, f->now, &answer);
        assert_int_not_equal(answer.result, RELAY_RESULT_DOUBT);
        allowed = grant_table_allows(f->table, &address, f->now, &entry);
        if (allowed != (answer.result == RELAY_RESULT_GRANTED))
                fail_msg("%s: memory says %d, the files say %s", text, allowed,
                        relay_result_to_string(answer.result));
        f->inside += answer.result == RELAY_RESULT_NEVER;
        if (!allowed)
                return;
        f->granted++;
        f->by_length[answer.network.length]++;
        assert_string_equal(
                ip_network_format(shown[0], &entry.network), ip_network_format(shown[1], &answer.network));
        assert_int_equal(entry.until, answer.until);
        /* the user is the last one here, the last one that was worth publishing there */
        assert_int_equal(entry.user.size > 0, answer.user_size > 0);
}

static void compare_all(Fixture *f) {
        char text[IP_TEXT_BYTES];

        if (f->left_records)
                publisher_set_options(f->publisher, TTL, true);
        f->left_records = false;
        assert_ok(publisher_flush(f->publisher));
        for (unsigned i = 0; i < QUESTIONS; i++) {
                random_address(f, text);
                compare(f, text);
        }
        compare(f, "127.0.0.1");
        compare(f, "::1");
        compare(f, "192.0.2.7");
}

static void test_equal(void **state _unused_) {
        PublisherConfig config = {
                .path = "relay.cdb", .ttl = TTL, .publish_users = true, .snapshot = on_snapshot};
        Fixture f = {.now = TEST_NOW / USEC_PER_SEC, .seed = 20261121};

        make_policy(&f.policies[0], true);
        make_policy(&f.policies[1], false);
        for (unsigned round = 0; round < (getenv("AUTHRELAY_SLOW") ? 2 : ROUNDS); round++) {
                time_set_fake(f.now * USEC_PER_SEC);
                f.policy = &f.policies[round % 2];
                config.userdata = &f;
                assert_ok(grant_table_new(f.policy, on_event, &f, &f.table));
                assert_ok(publisher_new(&config, &f.publisher));
                for (unsigned step = 0; step < STEPS; step++) {
                        for (unsigned n = below(&f, 12); n > 0; n--)
                                change(&f);
                        compare_all(&f);
                        /* and when time has passed without anything else */
                        f.now += below(&f, 40);
                        time_set_fake(f.now * USEC_PER_SEC);
                        grant_table_expire(f.table, f.now);
                        compare_all(&f);
                }
                f.publisher = publisher_free(f.publisher);
                f.table = grant_table_free(f.table);
        }
        /* it was not all the same answer */
        assert_true(f.granted > 1000 && f.inside > 1000);
        assert_true(f.by_length[128] > 100 && f.by_length[64] > 100 && f.by_length[112] > 100 &&
                    f.by_length[48] > 100);
        policy_done(&f.policies[0]);
        policy_done(&f.policies[1]);
        time_set_fake(0);
}

/* What the files say when they are not up to date is theirs; the clock's jumps are seen by both. */
static void test_clock(void **state _unused_) {
        Fixture f = {.now = TEST_NOW / USEC_PER_SEC};
        Login login = test_login("192.0.2.7", "alice", TEST_NOW);
        RelayEntry entry;

        make_policy(&f.policies[0], true);
        f.policy = f.policies;
        assert_ok(grant_table_new(f.policy, on_event, &f, &f.table));
        assert_int_equal(grant_table_login(f.table, &login, f.now), GRANT_NEW);
        assert_true(grant_table_allows(f.table, &login.address, f.now, &entry));
        assert_true(grant_table_allows(f.table, &login.address, f.now + TTL - 1, &entry));
        assert_false(grant_table_allows(f.table, &login.address, f.now + TTL, &entry));
        assert_true(grant_table_allows(f.table, &login.address, f.now - TTL / 16, &entry));
        assert_false(grant_table_allows(f.table, &login.address, f.now - TTL / 16 - 1, &entry));
        grant_table_free(f.table);
        policy_done(&f.policies[0]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_equal),
                cmocka_unit_test(test_clock),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
