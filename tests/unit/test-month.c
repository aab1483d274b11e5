/* SPDX-License-Identifier: Apache-2.0 */
/* A month of virtual time in the rooms that keep something of each login: grants, users, sessions,
 * revocations, what is published and what is said. Each day is like the one before it, with other addresses
 * and other users, so that after the first ones nothing may need more memory than before. */
#include "check.h"

#include <malloc.h>

#include "grant/grant-table.h"
#include "publish/event-log.h"
#include "publish/publisher.h"
#include "record-builder.h"

#define DAYS 30u
#define MINUTES (24 * 60u)
#define LOGINS_A_MINUTE 10u
/* By then each table has been as full as it gets: a revocation is kept for a day. */
#define FULL_DAY 3u
#define TTL 1800u

/* What malloc(3) rounds up and keeps at hand differs a little; six bytes an hour that are lost are as much.
 */
#define SLACK_BYTES (4 * 1024)
/* What it has got from the kernel: the holes between what is in use may not grow either. How many changes
 * wait, and so how large they are, depends on how fast the machine is. */
#define SLACK_HEAP_BYTES (1024 * 1024)

/* What is said is not looked at here. */
void __wrap_log_line(int priority, const char *format, ...);

void __wrap_log_line(_unused_ int priority, _unused_ const char *format, ...) {
}

/* Of the address sanitizer, under which mallinfo2(3) knows nothing. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

typedef struct Host {
        Policy policy;
        GrantTable *table;
        Publisher *publisher;
        EventLog *log;
        uint64_t now; /* seconds */
        unsigned heard[_GRANT_EVENT_TYPE_MAX], outcomes[GRANT_STALE + 1];
} Host;

static void on_event(void *userdata, const GrantEvent *event) {
        Host *h = userdata;
        RelayEntry entry;

        h->heard[event->type]++;
        if (grant_table_record_of(h->table, event, &entry))
                assert_ok(publisher_put(h->publisher, &entry));
        event_log_grant(h->log, event, h->now * USEC_PER_SEC);
}

typedef struct Snapshot {
        PublisherSink *sink;
} Snapshot;

static int on_record(void *userdata, const RelayEntry *entry) {
        return publisher_sink_add(((Snapshot *) userdata)->sink, entry);
}

static int on_snapshot(void *userdata, PublisherSink *sink) {
        Host *h = userdata;

        return grant_table_each_record(h->table, h->now, on_record, &(Snapshot){sink});
}

static void login(Host *h, const char *address, const char *user, const char *key) {
        Login l = test_login(address, user, h->now * USEC_PER_SEC);
        int r;

        l.key = span_from_string(key);
        r = grant_table_login(h->table, &l, h->now);
        assert_in_range(r, 0, GRANT_STALE);
        h->outcomes[r]++;
}

/* One of the many logins of a day. */
static void login_of(Host *h, unsigned day, unsigned n) {
        char address[64], user[32], key[32];
        unsigned which = n % LOGINS_A_MINUTE;

        (void) snprintf(address, sizeof(address), "11.%u.%u.%u", day, n >> 8, n & 255);
        (void) snprintf(user, sizeof(user), "u%0*u", 6 + (int) (n % 19), (day + 100) * 100000 + n);
        (void) snprintf(key, sizeof(key), "%u-%u", day, n);
        switch (which) {
        case 0:
        case 1:
        case 2: /* telephones, whose session stays open for some minutes, or for days */
                return login(h, address, user, key);
        case 3:
        case 4: /* POP3 */
                return login(h, address, user, NULL);
        case 5:
                (void) snprintf(address, sizeof(address), "2001:db8:%x:%x::1", day, n);
                return login(h, address, user, key);
        case 6: /* a network behind one address */
                (void) snprintf(address, sizeof(address), "12.%u.0.1", day);
                (void) snprintf(user, sizeof(user), "office%u-%u", day + 100, n / LOGINS_A_MINUTE % 45);
                return login(h, address, user, NULL);
        case 7: /* again, after a while */
                (void) snprintf(address, sizeof(address), "11.%u.%u.%u", day, (n - n / 2 % 50) >> 8,
                        (n - n / 2 % 50) & 255);
                return login(h, address, user, NULL);
        case 8: /* refused */
                (void) snprintf(address, sizeof(address), "10.%u.%u.%u", day, n >> 8, n & 255);
                return login(h, address, user, key);
        default: /* a password that was stolen */
                (void) snprintf(user, sizeof(user), "thief%u", day + 100);
                return login(h, address, user, NULL);
        }
}

static void logout_of(Host *h, unsigned day, unsigned n) {
        char key[32];
        Login l = test_login("0.0.0.0", "", h->now * USEC_PER_SEC);

        (void) snprintf(key, sizeof(key), "%u-%u", day, n);
        l.verdict = MATCH_LOGOUT;
        l.key = span_from_string(key);
        grant_table_logout(h->table, &l, h->now);
}

/* What somebody does by hand, and the server that is started anew. */
static void hour(Host *h, unsigned day, unsigned n) {
        usec_t now = h->now * USEC_PER_SEC;
        ByteWriter state = BYTE_WRITER_INIT;
        const char *reason;
        IpNetwork network;
        char text[64];
        uint64_t until;

        (void) snprintf(text, sizeof(text), "13.%u.%u.0/24", day, n);
        assert_ok(ip_network_parse(span_from_string(text), &network));
        assert_ok(
                grant_table_add(h->table, &network, 3 * 3600, SPAN_LITERAL("admin"), now, &until, &reason));
        (void) snprintf(text, sizeof(text), "13.%u.%u.7", day, n);
        assert_ok(ip_network_parse(span_from_string(text), &network));
        assert_ok(grant_table_revoke(h->table, &network, now));
        (void) snprintf(text, sizeof(text), "11.%u.%u.0/28", day, (n * 600 - 100) >> 8 & 255);
        assert_ok(ip_network_parse(span_from_string(text), &network));
        assert_ok(grant_table_revoke(h->table, &network, now));
        (void) snprintf(text, sizeof(text), "office%u-%u", day + 100, n);
        assert_ok(grant_table_revoke_user(h->table, span_from_string(text), n % 2 > 0, now));
        (void) grant_table_unblock(h->table, span_from_string(text));
        if (n == 12) {
                Login l = test_login("0.0.0.0", "", now);

                l.verdict = MATCH_RESTART;
                grant_table_restart(h->table, &l, h->now);
        }
        grant_table_encode(h->table, &state);
        assert_false(state.failed);
        byte_writer_done(&state);
}

static void live_a_day(Host *h, unsigned day) {
        for (unsigned minute = 0; minute < MINUTES; minute++) {
                h->now += 60;
                time_set_fake(h->now * USEC_PER_SEC);
                grant_table_expire(h->table, h->now);
                for (unsigned i = 0; i < LOGINS_A_MINUTE; i++)
                        login_of(h, day, minute * LOGINS_A_MINUTE + i);
                /* not those of the first kind, whose ends nobody hears of */
                for (unsigned i = 1; i < LOGINS_A_MINUTE && minute >= 7; i++)
                        logout_of(h, day, (minute - 7) * LOGINS_A_MINUTE + i);
                if (minute % 60 == 59)
                        hour(h, day, minute / 60);
                if (minute % 10 == 9)
                        assert_ok(publisher_flush(h->publisher));
        }
}

static size_t in_use(void) {
        struct mallinfo2 m = mallinfo2();

        return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes()
                                                       : m.uordblks + m.hblkhd;
}

static size_t from_kernel(void) {
        struct mallinfo2 m = mallinfo2();

        return m.arena + m.hblkhd;
}

static void test_month(_unused_ void **state) {
        PublisherConfig config = {.path = "relay.cdb", .ttl = TTL, .snapshot = on_snapshot};
        size_t used = 0, heap = 0;
        Host h = {.now = TEST_NOW / USEC_PER_SEC};

        /* of valgrind's malloc mallinfo2(3) knows nothing */
        if (getenv("AUTHRELAY_SLOW"))
                return;
        config.userdata = &h;
        /* nothing goes back, so that the largest that it has been is measured */
        (void) mallopt(M_TRIM_THRESHOLD, INT_MAX);
        time_set_fake(TEST_NOW);
        assert_ok(policy_init(&h.policy));
        h.policy.ttl = TTL;
        assert_ok(grant_table_new(&h.policy, on_event, &h, &h.table));
        assert_ok(publisher_new(&config, &h.publisher));
        assert_ok(event_log_new(false, &h.log));
        for (unsigned day = 1; day <= DAYS; day++) {
                live_a_day(&h, day);
                /* how many changes wait for a new base depends on how fast the machine is */
                assert_ok(publisher_rewrite(h.publisher));
                if (day == FULL_DAY) {
                        used = in_use();
                        heap = from_kernel();
                }
        }
        print_message("# %u grants, %u extended, %u expired, %u revoked, %u refused; %u sessions open\n",
                h.outcomes[GRANT_NEW], h.outcomes[GRANT_EXTENDED], h.heard[GRANT_EVENT_EXPIRED],
                h.heard[GRANT_EVENT_REVOKED], h.outcomes[GRANT_REFUSED],
                grant_table_count_sessions(h.table));
        print_message("# %zu bytes in use after %u days, %zu after %u; %zu and %zu of the heap\n", used,
                FULL_DAY, in_use(), DAYS, heap, from_kernel());
        assert_true(used > 0 || __sanitizer_get_current_allocated_bytes);
        assert_true(in_use() <= used + SLACK_BYTES);
        assert_true(from_kernel() <= heap + SLACK_HEAP_BYTES);
        /* all of it has happened, and often */
        assert_true(h.heard[GRANT_EVENT_EXPIRED] > DAYS * MINUTES);
        assert_true(h.heard[GRANT_EVENT_REVOKED] > DAYS * 24);
        assert_true(h.outcomes[GRANT_REFUSED] > DAYS * MINUTES);
        assert_true(h.outcomes[GRANT_EXTENDED] > DAYS * MINUTES);
        assert_true(grant_table_count_sessions(h.table) > 0);
        event_log_free(h.log);
        publisher_free(h.publisher);
        grant_table_free(h.table);
        policy_done(&h.policy);
        time_set_fake(0);
}

int main(_unused_ int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                in_directory(test_month),
        };

        /* what is free must count as free, not as kept at hand for the next that asks */
        if (!getenv("GLIBC_TUNABLES") && !getenv("AUTHRELAY_SLOW")) {
                (void) setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0", 1);
                (void) execv("/proc/self/exe", argv);
        }
        return cmocka_run_group_tests_name("month", tests, NULL, NULL);
}
