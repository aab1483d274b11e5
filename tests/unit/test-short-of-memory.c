/* SPDX-License-Identifier: Apache-2.0 */
/* Each allocation fails once, of grants, revocations, torn streams, the state and the published files: what
 * could not be done has not been done, what was taken away is gone all the same, and then it goes on. */
#include "check.h"

#include "cdb/relay-lookup.h"
#include "grant/grant-table.h"
#include "grant/revocation-table.h"
#include "match/stream-state.h"
#include "publish/publisher.h"
#include "record-builder.h"
#include "state/state-file.h"

#define T0 (TEST_NOW / USEC_PER_SEC)
#define AT(s) ((usec_t) (s) *USEC_PER_SEC)
#define TTL 1600u

/* ---- memory that is short once ---- */

static unsigned fail_at; /* the allocation with this number fails; 0: none */
static unsigned faults;  /* so many have failed in all */

static bool fails(void) {
        if (fail_at == 0 || --fail_at > 0)
                return false;
        faults++;
        errno = ENOMEM;
        return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t size) {
        return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
        return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
        return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
        return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s) {
        return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n) {
        return fails() ? NULL : __real_strndup(s, n);
}

/* Runs it once for each of its allocations, which fails then; where all is slow, for each seventh. */
static void run(const char *what, void (*scenario)(void)) {
        unsigned before = faults, n = 0, step = getenv("AUTHRELAY_SLOW") ? 7 : 1;

        do {
                fail_at = n += step;
                scenario();
        } while (fail_at == 0);
        fail_at = 0;
        assert_true(step * (faults - before) > 5);
        print_message("# %u allocations failed: %s\n", faults - before, what);
}

/* ---- scenarios ---- */

static Policy policy;

static void hear(_unused_ void *userdata, _unused_ const GrantEvent *event) {
}

static IpNetwork net(const char *text) {
        IpNetwork n;

        assert_ok(ip_network_parse(span_from_string(text), &n));
        return n;
}

static bool has(const GrantTable *t, const char *text) {
        IpNetwork n = net(text);
        GrantView view;

        return grant_table_find(t, &n, &view);
}

static int login(GrantTable *t, const char *address, const char *user, const char *key) {
        Login made = test_login(address, user, AT(T0));

        made.key = span_from_string(key);
        return grant_table_login(t, &made, T0);
}

static int ignore(_unused_ void *userdata, _unused_ const RelayEntry *entry) {
        return 0;
}

/* Whatever has failed, all of it can be gone through, and ends. */
static void end_all(GrantTable *t) {
        assert_ok(grant_table_each_record(t, T0, ignore, NULL));
        grant_table_expire(t, T0 + 100 * TTL);
        assert_int_equal(grant_table_count(t), 0);
        assert_int_equal(grant_table_count_sessions(t), 0);
}

static void scenario_grants(void) {
        _cleanup_(grant_table_freep) GrantTable *t = NULL;
        IpNetwork wide = net("203.0.113.0/24"), one = net("192.0.2.3");
        bool is_revoked[2];
        const char *reason;
        uint64_t until;

        if (grant_table_new(&policy, hear, NULL, &t) < 0)
                return;
        for (unsigned i = 0; i < 40; i++) {
                char address[32], user[16], key[16];
                int r;

                (void) snprintf(address, sizeof(address), "192.0.2.%u", i);
                (void) snprintf(user, sizeof(user), "user%u", i % 20);
                (void) snprintf(key, sizeof(key), "k%u", i);
                r = login(t, address, user, key);
                assert_int_equal(r == GRANT_NEW, has(t, address));
                if (r != GRANT_NEW)
                        assert_true(r == -ENOMEM || r == GRANT_REFUSED);
        }
        if (grant_table_add(t, &wide, 2 * TTL, SPAN_LITERAL("root"), AT(T0), &until, &reason) < 0)
                assert_false(has(t, "203.0.113.0/24"));
        is_revoked[0] = grant_table_revoke(t, &one, AT(T0 + 1)) >= 0;
        assert_false(has(t, "192.0.2.3"));
        is_revoked[1] = grant_table_revoke_user(t, SPAN_LITERAL("user5"), true, AT(T0 + 1)) >= 0;
        assert_false(has(t, "192.0.2.5") || has(t, "192.0.2.25"));
        /* what was acknowledged holds */
        if (is_revoked[0])
                assert_int_equal(login(t, "192.0.2.3", "user3", ""), GRANT_REFUSED);
        if (is_revoked[1])
                assert_int_equal(login(t, "192.0.2.77", "user5", ""), GRANT_REFUSED);
        end_all(t);
}

static void on_section(void *userdata, const char *name, Span bytes, const char *damage) {
        GrantTable *t = userdata;

        assert_null(damage);
        if (streq(name, "revocations"))
                /* the first section, and nothing is let in without it */
                assert_true(
                        grant_table_decode_revocations(t, bytes) || grant_table_revoke_all(t, AT(T0)) >= 0);
        else if (streq(name, "manual"))
                (void) grant_table_decode_manual(t, bytes, AT(T0));
        else
                (void) grant_table_decode(t, bytes, AT(T0));
}

/* Made without a fault, then saved and loaded with one. */
static void scenario_state(void) {
        static GrantTable *full;
        _cleanup_(byte_writer_done) ByteWriter revocations = BYTE_WRITER_INIT, manual = BYTE_WRITER_INIT,
                                               grants = BYTE_WRITER_INIT;
        _cleanup_(grant_table_freep) GrantTable *t = NULL;
        unsigned n = fail_at;
        const char *reason;

        fail_at = 0;
        if (!full) {
                IpNetwork wide = net("203.0.113.0/24"), one = net("192.0.2.1");
                uint64_t until;

                assert_ok(grant_table_new(&policy, hear, NULL, &full));
                for (unsigned i = 1; i < 30; i++) {
                        char address[32];

                        (void) snprintf(address, sizeof(address), "192.0.2.%u", i);
                        assert_int_equal(login(full, address, address, address), GRANT_NEW);
                }
                grant_table_encode(full, &grants);
                assert_ok(grant_table_add(
                        full, &wide, 2 * TTL, SPAN_LITERAL("root"), AT(T0), &until, &reason));
                assert_int_equal(grant_table_revoke(full, &one, AT(T0)), 1);
                assert_int_equal(grant_table_revoke_user(full, SPAN_LITERAL("192.0.2.2"), true, AT(T0)), 1);
                byte_writer_done(&grants);
        }
        fail_at = n;
        grant_table_encode_revocations(full, &revocations);
        grant_table_encode_manual(full, &manual);
        grant_table_encode(full, &grants);
        if (!revocations.failed && !manual.failed && !grants.failed) {
                StateSection sections[] = {
                        {"revocations", span_make(revocations.data, revocations.size)},
                        {"manual", span_make(manual.data, manual.size)},
                        {"grants", span_make(grants.data, grants.size)},
                };

                /* without it the one from before stays, which is as good here */
                (void) state_file_save("state", sections, ELEMENTSOF(sections));
        }
        if (grant_table_new(&policy, hear, NULL, &t) < 0)
                return;
        if (state_file_load("state", on_section, t, &reason) >= 0)
                assert_false(has(t, "192.0.2.1") || has(t, "192.0.2.2"));
        end_all(t);
        if (fail_at > 0)
                full = grant_table_free(full);
}

/* What may be torn is dropped, whether it could be remembered or not. */
static void scenario_streams(void) {
        _cleanup_(stream_state_freep) StreamState *s = NULL, *again = NULL;
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        IpAddr address = net("192.0.2.7").addr, got;

        if (stream_state_new(&s) < 0)
                return;
        for (unsigned i = 0; i < 100; i++) {
                char key[16] = "a";

                (void) snprintf(key + 2, sizeof(key) - 2, "s%u", i);
                stream_state_connect(s, span_make(key, sizeof(key)), &address, AT(T0));
                if (stream_state_connected(s, span_make(key, sizeof(key)), AT(T0), &got))
                        assert_true(ip_addr_equal(&address, &got));
                assert_true(stream_state_is_torn(s, "a", span_make(key, sizeof(key)), 504, 504));
        }
        stream_state_gap(s, "b");
        stream_state_encode(s, &w);
        if (w.failed || stream_state_new(&again) < 0 ||
                !stream_state_decode(again, span_make(w.data, w.size)))
                return; /* and all sources are as after a gap */
        for (unsigned i = 0; i < 100; i++) {
                char key[16] = "a";

                (void) snprintf(key + 2, sizeof(key) - 2, "s%u", i);
                assert_true(stream_state_is_torn(s, "a", span_make(key, sizeof(key)), 10, 504));
                assert_true(stream_state_is_torn(again, "a", span_make(key, sizeof(key)), 10, 504));
                key[0] = 'b';
                assert_true(stream_state_is_torn(again, "b", span_make(key, sizeof(key)), 10, 504));
        }
}

#define HOSTS 80
static bool is_allowed[HOSTS];

static RelayEntry entry_of(unsigned i) {
        return (RelayEntry){
                .network = ip_network_of(&(IpAddr){{[10] = 0xff, 0xff, 192, 0, 2, (uint8_t) i}}, 128),
                .verdict = is_allowed[i] ? RELAY_ALLOW : RELAY_REVOKED,
                .until = is_allowed[i] ? T0 + TTL : 0,
                .how = SPAN_LITERAL("test"),
                .user = SPAN_LITERAL("somebody"),
        };
}

static int snapshot(_unused_ void *userdata, PublisherSink *sink) {
        int r = 0;

        for (unsigned i = 0; i < HOSTS && r >= 0; i++) {
                RelayEntry entry = entry_of(i);

                if (is_allowed[i])
                        r = publisher_sink_add(sink, &entry);
        }
        return r;
}

static void expect_published(void) {
        for (unsigned i = 0; i < HOSTS; i++) {
                IpAddr address = entry_of(i).network.addr;
                RelayAnswer answer;

                assert_int_equal(relay_lookup("relay.cdb", &address, T0, &answer),
                        is_allowed[i] ? RELAY_RESULT_GRANTED : RELAY_RESULT_ABSENT);
        }
}

/* A flush that succeeds has published all, also what there was no memory to note. */
static void scenario_publisher(void) {
        PublisherConfig config = {
                .path = "relay.cdb", .ttl = TTL, .publish_users = true, .snapshot = snapshot};
        _cleanup_(publisher_freep) Publisher *p = NULL;

        memset(is_allowed, 0, sizeof(is_allowed));
        if (publisher_new(&config, &p) < 0)
                return;
        for (unsigned round = 0; round < 6; round++) {
                for (unsigned i = round; i < HOSTS; i += 2) {
                        RelayEntry entry;

                        is_allowed[i] = !is_allowed[i];
                        entry = entry_of(i);
                        (void) publisher_put(p, &entry);
                }
                if (round == 3)
                        publisher_set_options(p, TTL, false);
                if (publisher_flush(p) >= 0)
                        expect_published();
        }
        if (fail_at == 0) {
                assert_ok(publisher_flush(p));
                expect_published();
        }
}

/* ---- tests ---- */

static int set_up(void **state) {
        time_set_fake(AT(T0));
        if (policy_init(&policy) < 0)
                return -1;
        policy.ttl = TTL;
        policy.max_session = 10 * TTL;
        return enter_directory(state);
}

static int tear_down(void **state) {
        policy_done(&policy);
        return leave_directory(state);
}

static void test_grants(_unused_ void **state) {
        run("grants", scenario_grants);
}

static void test_state(_unused_ void **state) {
        run("state", scenario_state);
}

static void test_streams(_unused_ void **state) {
        run("torn streams", scenario_streams);
}

static void test_publisher(_unused_ void **state) {
        run("publisher", scenario_publisher);
}

#define memory_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                memory_test(test_grants),
                memory_test(test_state),
                memory_test(test_streams),
                memory_test(test_publisher),
        };

        return cmocka_run_group_tests_name("short-of-memory", tests, NULL, NULL);
}
