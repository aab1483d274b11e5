/* SPDX-License-Identifier: Apache-2.0 */
/* The publisher against the reader: whatever is published, and before and after every single rename,
 * relay_lookup() must give the state that was last acknowledged or the present one, as a whole. */
#include "check.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "basic/time-util.h"
#include "cdb/cdb-file.h"
#include "cdb/relay-lookup.h"
#include "publish/left-pair.h"
#include "publish/publisher.h"

#define START (UINT64_C(1795222923) * USEC_PER_SEC)
#define TTL 1600u
#define HOSTS 24u

/* 10.0.0.0 … 10.0.0.23, and three networks around some of them */
static const char *const networks[] = {"10.0.0.0/28", "10.0.0.0/30", "10.0.0.8/29"};
#define KEYS (HOSTS + ELEMENTSOF(networks))

typedef struct State {
        struct {
                bool there;
                RelayVerdict verdict;
                uint64_t until;
        } keys[KEYS];
} State;

static State current, acknowledged;
static unsigned filler;            /* further records of the snapshot, 172.16.0.0 and on */
static PublisherReport last;       /* report */
static unsigned reports, failures; /* all; those with an error */
static bool may_doubt;

static uint64_t now_sec(void) {
        return time_now() / USEC_PER_SEC;
}

static IpNetwork network_of(unsigned key) {
        char text[32];
        IpNetwork n;

        (void) snprintf(text, sizeof(text), "10.0.0.%u", key);
        assert_ok(ip_network_parse(span_from_string(key < HOSTS ? text : networks[key - HOSTS]), &n));
        return n;
}

static RelayEntry entry_of(const State *state, unsigned key) {
        return (RelayEntry){
                .network = network_of(key),
                .verdict = state->keys[key].there ? state->keys[key].verdict : RELAY_REVOKED,
                .until = state->keys[key].until,
                .how = SPAN_LITERAL("test"),
                .user = SPAN_LITERAL("alice"),
        };
}

static int snapshot(_unused_ void *userdata, PublisherSink *sink) {
        int r = 0;

        for (unsigned i = 0; i < KEYS && r >= 0; i++) {
                RelayEntry entry = entry_of(&current, i);

                if (current.keys[i].there)
                        r = publisher_sink_add(sink, &entry);
        }
        for (unsigned i = 0; i < filler && r >= 0; i++) {
                IpAddr addr = {{[10] = 0xff,
                        0xff,
                        172,
                        (uint8_t) (16 + i / 65536),
                        (uint8_t) (i / 256),
                        (uint8_t) i}};
                RelayEntry entry = {.network = ip_network_of(&addr, 128),
                        .until = now_sec() + TTL,
                        .how = SPAN_LITERAL("filler")};

                r = publisher_sink_add(sink, &entry);
        }
        return r;
}

static bool is_granted(const State *state, unsigned host) {
        IpNetwork addr = network_of(host);
        int best = -1;
        unsigned length = 0;

        for (unsigned i = 0; i < KEYS; i++) {
                IpNetwork n = network_of(i);

                if (state->keys[i].there &&
                        (state->keys[i].until == 0 || state->keys[i].until > now_sec()) &&
                        ip_network_contains(&n, &addr) && n.length >= length) {
                        best = (int) i;
                        length = n.length;
                }
        }
        return best >= 0 && state->keys[best].verdict == RELAY_ALLOW;
}

/* Whether readers now see just this state. */
static bool is_visible(const State *state) {
        for (unsigned i = 0; i < HOSTS; i++) {
                IpAddr addr = network_of(i).addr;
                RelayAnswer answer;
                RelayResult result = relay_lookup("relay.cdb", &addr, now_sec(), &answer);

                if (result == RELAY_RESULT_DOUBT) {
                        if (!may_doubt)
                                fail_msg("doubt: %s", answer.reason);
                        return false;
                }
                if ((result == RELAY_RESULT_GRANTED) != is_granted(state, i))
                        return false;
        }
        return true;
}

static void assert_consistent(void) {
        if (may_doubt)
                return;
        if (!is_visible(&acknowledged) && !is_visible(&current))
                fail_msg("readers see neither the old nor the new state");
}

/* Long enough that a failure is seen before it is mended. */
#define RETRY_USEC (50 * USEC_PER_MSEC)

static unsigned renames, renames_of_base;
static const char *fail_suffix; /* renames of files that end so fail … */
static unsigned fail_percent;   /* … this often */
static unsigned fail_at;        /* the rename with this number fails; 0: none */
static useconds_t stalled;      /* so long is the next rename */
static uint64_t seed = 1;

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

int __wrap_rename(const char *from, const char *to) {
        int r;

        if (!strstr(to, ".cdb"))
                return __real_rename(from, to);
        assert_consistent();
        if (fail_at > 0 && renames + 1 == fail_at) {
                fail_at = 0;
                errno = EIO;
                return -1;
        }
        if (fail_suffix && strlen(to) >= strlen(fail_suffix) &&
                streq(to + strlen(to) - strlen(fail_suffix), fail_suffix) &&
                next_random(&seed) % 100 < fail_percent) {
                errno = EIO;
                return -1;
        }
        (void) usleep(stalled);
        stalled = 0;
        r = __real_rename(from, to);
        renames++;
        renames_of_base += strstr(to, "-delta") == NULL;
        assert_consistent();
        return r;
}

static unsigned unsynced_at; /* so many syncs of a directory later one fails; 0: none */

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd) {
        struct stat st;

        if (unsynced_at > 0 && fstat(fd, &st) >= 0 && S_ISDIR(st.st_mode) && --unsynced_at == 0) {
                errno = EIO;
                return -1;
        }
        return __real_fsync(fd);
}

static void on_published(_unused_ void *userdata, const PublisherReport *report) {
        reports++;
        failures += report->error < 0;
        last = *report;
}

static Publisher *make(sd_event *event) {
        PublisherConfig config = {.path = "relay.cdb",
                .ttl = TTL,
                .snapshot = snapshot,
                .on_published = on_published,
                .retry = RETRY_USEC};
        Publisher *p;

        assert_ok(publisher_new(&config, &p));
        if (event)
                assert_ok(publisher_attach(p, event));
        return p;
}

/* The first flush, at which the files of nobody may be in place. */
static void start(Publisher *p) {
        may_doubt = true;
        assert_ok(publisher_flush(p));
        may_doubt = false;
        acknowledged = current;
        assert_true(is_visible(&current));
}

static void change(Publisher *p, unsigned key, bool there, RelayVerdict verdict, uint64_t until) {
        RelayEntry entry;

        current.keys[key].there = there;
        current.keys[key].verdict = verdict;
        current.keys[key].until = until;
        entry = entry_of(&current, key);
        assert_ok(publisher_put(p, &entry));
}

static void change_something(Publisher *p) {
        unsigned key = (unsigned) (next_random(&seed) % KEYS);
        uint64_t until = next_random(&seed) % 3 == 0 ? 0 : now_sec() + 1 + next_random(&seed) % TTL;

        change(p, key, next_random(&seed) % 3 != 0, next_random(&seed) % 4 == 0 ? RELAY_NEVER : RELAY_ALLOW,
                until);
}

static void grant(Publisher *p, unsigned key) {
        change(p, key, true, RELAY_ALLOW, now_sec() + TTL);
}

static bool is_in_file(const char *path, const char *key) {
        _cleanup_(cdb_file_close) CdbFile f = CDB_FILE_INIT;
        char value[RELAY_VALUE_BYTES];
        size_t size;

        return cdb_file_open(&f, path) >= 0 &&
               cdb_file_find(&f, span_from_string(key), value, sizeof(value), &size) > 0;
}

static int set_up(void **state) {
        current = acknowledged = (State){0};
        last = (PublisherReport){0};
        filler = reports = failures = renames = renames_of_base = fail_percent = fail_at = unsynced_at = 0;
        fail_suffix = NULL;
        may_doubt = true;
        seed = 1;
        time_set_fake(START);
        return enter_directory(state);
}

#define publisher_test(f) cmocka_unit_test_setup_teardown(f, set_up, leave_directory)

static void test_first_flush(_unused_ void **state) {
        _cleanup_(publisher_freep) Publisher *p = NULL;

        p = make(NULL);
        grant(p, 1);
        assert_int_equal(access("relay.cdb", F_OK), -1);
        start(p);
        assert_int_equal(last.generation, 1);
        assert_int_equal(last.base_records, 1);
        assert_int_equal(last.delta_records, 0);
        assert_int_equal(last.written, now_sec());
        assert_int_equal(renames, 2);
        assert_ok(publisher_flush(p));
        assert_int_equal(renames, 2); /* there was nothing to do */
        grant(p, 2);
        assert_ok(publisher_flush(p));
        assert_int_equal(last.delta_records, 1);
        assert_true(is_visible(&current));
        p = publisher_free(p);
        /* the next one goes on counting, and does not believe what it finds */
        current = (State){0};
        p = make(NULL);
        start(p);
        assert_int_equal(last.generation, 2);
        assert_int_equal(last.base_records, 0);
}

/* At a start the delta goes first: until the base is there too, the old delta is what belongs to the old
 * base. */
static void test_first_flush_fails(_unused_ void **state) {
        _cleanup_(publisher_freep) Publisher *p = make(NULL);
        char delta[RELAY_PATH_BYTES];

        grant(p, 1);
        start(p);
        grant(p, 2);
        assert_ok(publisher_flush(p));
        p = publisher_free(p);
        may_doubt = true;
        for (unsigned i = 0; i < 2; i++) {
                p = make(NULL);
                fail_at = renames + 2;
                assert_int_equal(publisher_flush(p), -EIO);
                assert_int_equal(left_pair_find_delta("relay.cdb", delta), 1);
                assert_string_equal(delta, ".relay-delta.cdb.old");
                assert_true(is_in_file(delta, "10.0.0.2"));
                /* again, and then killed */
                fail_at = renames + 2;
                assert_int_equal(publisher_flush(p), -EIO);
                assert_true(is_in_file(delta, "10.0.0.2"));
                p = publisher_free(p);
        }
        p = make(NULL);
        start(p);
        assert_int_equal(access(delta, F_OK), -1);
}

/* Random changes, flushes and failures; the clock goes on, so that grants expire. */
static void run_random(unsigned steps, const char *failing, unsigned percent) {
        _cleanup_(publisher_freep) Publisher *p = make(NULL);
        unsigned succeeded = 0, failed = 0;

        start(p);
        fail_suffix = failing;
        fail_percent = percent;
        for (unsigned i = 0; i < steps; i++) {
                for (uint64_t n = next_random(&seed) % 8; n > 0; n--)
                        change_something(p);
                if (next_random(&seed) % 4 == 0)
                        time_set_fake(time_now() + next_random(&seed) % (TTL / 4) * USEC_PER_SEC);
                if (next_random(&seed) % 16 == 0)
                        publisher_set_options(p, TTL, i % 2);
                if (publisher_flush(p) >= 0) {
                        acknowledged = current;
                        succeeded++;
                        assert_true(is_visible(&current));
                } else {
                        failed++;
                        assert_consistent();
                }
        }
        assert_true(succeeded > steps / 10);
        assert_true(percent == 0 || failing == NULL || failures > 0);
        assert_true(strempty(failing)[0] != '-' || failed > 0);
        assert_true(renames_of_base >= (fail_percent > 0 ? 1 : 3));
        /* when writing works again, all is well after one flush */
        fail_percent = 0;
        assert_ok(publisher_flush(p));
        assert_true(is_visible(&current));
}

static void test_random(_unused_ void **state) {
        run_random(MORE(700), NULL, 0);
}

static void test_random_delta_fails(_unused_ void **state) {
        run_random(MORE(300), "-delta.cdb", 30);
}

static void test_random_base_fails(_unused_ void **state) {
        run_random(MORE(300), "relay.cdb", 70);
}

static void test_random_all_fail(_unused_ void **state) {
        run_random(MORE(300), "cdb", 40);
}

/* The new base is in place and its delta cannot be: readers are right all the same, and it is made good. */
static void test_delta_fails_after_base(_unused_ void **state) {
        _cleanup_(publisher_freep) Publisher *p = make(NULL);

        grant(p, 1);
        start(p);
        grant(p, 2);
        publisher_set_options(p, TTL, false);
        fail_at = renames + 3; /* delta, base, delta */
        assert_ok(publisher_flush(p));
        assert_int_equal(last.generation, 2);
        assert_int_equal(last.error, -EIO);
        acknowledged = current;
        assert_true(is_visible(&current));
        assert_ok(publisher_flush(p));
        assert_int_equal(last.error, 0);
        assert_int_equal(renames_of_base, 2);
        grant(p, 3);
        assert_ok(publisher_flush(p));
        assert_true(is_visible(&current));
}

static uint64_t generation_in_place(void) {
        _cleanup_(cdb_file_close) CdbFile file = CDB_FILE_INIT;
        char value[RELAY_HEADER_BYTES];
        RelayHeader header;
        size_t size;

        assert_ok(cdb_file_open(&file, "relay.cdb"));
        assert_int_equal(
                cdb_file_find(&file, SPAN_LITERAL(RELAY_HEADER_KEY), value, sizeof(value), &size), 1);
        assert_ok(relay_header_parse(span_make(value, size), &header));
        return header.generation;
}

/* A base that is in place and could not be made durable has its number: were the next one to have it too, a
 * reader that has opened the first would take the delta of the second for its own, and miss all changes
 * between them. */
static void test_directory_not_synced(_unused_ void **state) {
        _cleanup_(publisher_freep) Publisher *p = make(NULL);

        start(p);
        for (unsigned round = 0; round < 21; round++) {
                uint64_t before = generation_in_place();

                grant(p, round);
                unsynced_at = 1 + round % 2;
                if (round % 3 == 2) {
                        may_doubt = true;
                        unsynced_at = 1;
                        assert_int_equal(publisher_rewrite(p), -EIO);
                        may_doubt = false;
                } else {
                        /* what cannot be made durable is the delta, or a base and its delta after it */
                        publisher_set_options(p, TTL, false);
                        assert_int_equal(publisher_flush(p), round % 2 == 0 ? -EIO : 0);
                }
                assert_int_equal(unsynced_at, 0);
                assert_int_equal(last.error, -EIO);
                assert_int_equal(last.generation, generation_in_place());
                acknowledged = current;
                assert_ok(publisher_flush(p));
                assert_int_equal(last.error, 0);
                assert_int_equal(last.generation, generation_in_place());
                assert_true(last.generation == before + 1);
                assert_true(is_visible(&current));
        }
}

/* Runs the loop until `done`, or for a minute. */
static void run_until(sd_event *event, bool (*done)(void)) {
        usec_t end = time_monotonic() + USEC_PER_MINUTE;

        while (!done() && time_monotonic() < end)
                assert_ok(sd_event_run(event, 10 * USEC_PER_MSEC));
        assert_true(done());
}

static bool is_current_visible(void) {
        return is_visible(&current);
}

static bool is_generation_2(void) {
        return last.generation >= 2 && last.error == 0;
}

static bool is_in_trouble(void) {
        return last.error < 0;
}

static bool is_well(void) {
        return last.error == 0;
}

static void test_loop_coalesces(_unused_ void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(publisher_freep) Publisher *p = NULL;

        assert_ok(sd_event_new(&event));
        p = make(event);
        grant(p, 0);
        assert_ok(sd_event_run(event, 0));
        assert_int_equal(renames, 0); /* not before the first flush */
        start(p);
        for (unsigned i = 0; i < 200; i++)
                grant(p, i % HOSTS);
        assert_int_equal(renames, 2);
        run_until(event, is_current_visible);
        assert_int_equal(renames, 3);
        assert_int_equal(last.delta_records, HOSTS);
        acknowledged = current;
        /* nothing is left to be done */
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(sd_event_run(event, 10 * USEC_PER_MSEC), 0);
        assert_int_equal(renames, 3);
}

/* Stopped for a while in the middle of a delta, as by a debugger or with its machine. */
static void test_stalled(_unused_ void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(publisher_freep) Publisher *p = NULL;
        usec_t begin;

        assert_ok(sd_event_new(&event));
        p = make(event);
        start(p);
        stalled = 1000000;
        grant(p, 1);
        run_until(event, is_current_visible);
        assert_int_equal(stalled, 0);
        acknowledged = current;
        begin = time_monotonic();
        grant(p, 2);
        run_until(event, is_current_visible);
        /* and not for four times as long as it had stood still */
        assert_true(time_monotonic() - begin < 3 * USEC_PER_SEC);
}

/* A large base comes from a child, while changes go on. */
static void test_forked_base(_unused_ void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(publisher_freep) Publisher *p = NULL;
        uint64_t generation;
        IpAddr addr;
        RelayAnswer answer;

        filler = 40000;
        assert_ok(sd_event_new(&event));
        p = make(event);
        start(p);
        assert_int_equal(last.base_records, filler);
        for (unsigned round = 0; round < 5; round++) {
                unsigned meanwhile = 0;

                generation = last.generation;
                publisher_set_options(p, TTL, false);
                for (unsigned i = 0; last.generation == generation && i < 5000; i++) {
                        change_something(p);
                        if (i % 3 == 0) {
                                assert_ok(publisher_flush(p));
                                acknowledged = current;
                                assert_true(is_visible(&current));
                        } else {
                                unsigned before = reports;

                                assert_ok(sd_event_run(event, USEC_PER_MSEC));
                                if (reports > before)
                                        acknowledged = current;
                        }
                        meanwhile += last.generation == generation && last.delta_records > 0;
                }
                assert_int_equal(last.generation, generation + 1);
                assert_true(meanwhile > 1);
                run_until(event, is_current_visible);
                acknowledged = current;
        }
        assert_int_equal(failures, 0);
        assert_ok(ip_addr_parse(SPAN_LITERAL("172.16.100.7"), &addr));
        assert_int_equal(relay_lookup("relay.cdb", &addr, now_sec(), &answer), RELAY_RESULT_GRANTED);
        assert_string_equal(answer.how, "filler");
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

/* A child that is under way is ended with its publisher, and leaves nothing behind. */
static void test_freed_while_building(_unused_ void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(publisher_freep) Publisher *p = NULL;

        filler = 60000;
        assert_ok(sd_event_new(&event));
        p = make(event);
        start(p);
        publisher_set_options(p, TTL, false);
        while (access(".relay.cdb.tmp", F_OK) < 0)
                assert_ok(sd_event_run(event, USEC_PER_MSEC));
        p = publisher_free(p);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(access(".relay.cdb.tmp", F_OK), -1);
        assert_true(is_visible(&current));
        /* and a rewrite in between takes over */
        p = make(event);
        start(p);
        publisher_set_options(p, TTL, false);
        while (access(".relay.cdb.tmp", F_OK) < 0)
                assert_ok(sd_event_run(event, USEC_PER_MSEC));
        grant(p, 3);
        may_doubt = true;
        assert_ok(publisher_rewrite(p));
        may_doubt = false;
        assert_true(is_visible(&current));
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* There is no room for a base, but for a delta: changes are seen all the same, and the error is. */
static void test_base_fails_in_child(_unused_ void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(publisher_freep) Publisher *p = NULL;
        struct rlimit limit;
        unsigned before;

        filler = 10000;
        assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
        assert_ok(sd_event_new(&event));
        p = make(event);
        start(p);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){100000, limit.rlim_max}), 0);
        publisher_set_options(p, TTL, false);
        run_until(event, is_in_trouble);
        assert_int_equal(last.error, -EFBIG);
        before = failures;
        grant(p, 5);
        run_until(event, is_current_visible);
        acknowledged = current;
        assert_int_equal(last.error, -EFBIG); /* still: the base is due */
        grant(p, 6);
        assert_ok(publisher_flush(p));
        assert_true(is_visible(&current));
        acknowledged = current;
        assert_true(failures - before <= 2);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        run_until(event, is_generation_2); /* tried again after a while */
        assert_true(is_visible(&current));
        assert_true(signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
}

static void test_directory_missing(_unused_ void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(publisher_freep) Publisher *p = NULL;
        PublisherConfig config = {.path = "run/relay.cdb",
                .ttl = TTL,
                .snapshot = snapshot,
                .on_published = on_published,
                .retry = RETRY_USEC};
        unsigned n;

        assert_ok(sd_event_new(&event));
        assert_ok(publisher_new(&config, &p));
        assert_ok(publisher_attach(p, event));
        assert_int_equal(publisher_flush(p), -ENOENT);
        assert_int_equal(last.error, -ENOENT);
        n = reports;
        grant(p, 1);
        assert_int_equal(publisher_flush(p), -ENOENT);
        assert_int_equal(publisher_flush(p), -ENOENT);
        assert_int_equal(reports, n); /* said once */
        assert_int_equal(mkdir("run", 0755), 0);
        run_until(event, is_well);
        assert_int_equal(last.base_records, 1);
        /* the directory vanishes: what comes now fails, until it is there again */
        assert_int_equal(rename("run", "away"), 0);
        grant(p, 2);
        run_until(event, is_in_trouble);
        n = reports;
        for (unsigned i = 0; i < 5; i++) {
                grant(p, 3 + i);
                assert_ok(sd_event_run(event, USEC_PER_MSEC));
        }
        assert_int_equal(reports, n);
        assert_int_equal(rename("away", "run"), 0);
        run_until(event, is_well);
        assert_int_equal(chdir("run"), 0);
        may_doubt = false;
        assert_true(is_visible(&current));
}

/* Somebody removes or spoils the files; the clock is set back. */
static void test_rewrite(_unused_ void **state) {
        _cleanup_(publisher_freep) Publisher *p = make(NULL);

        grant(p, 1);
        start(p);
        grant(p, 2);
        assert_ok(publisher_flush(p));
        acknowledged = current;
        may_doubt = true;
        assert_int_equal(unlink("relay-delta.cdb"), 0);
        put_text("relay.cdb", "rubbish");
        assert_ok(publisher_rewrite(p));
        may_doubt = false;
        assert_true(is_visible(&current));
        time_set_fake(START - 3600 * USEC_PER_SEC);
        may_doubt = true;
        assert_false(is_visible(&current));
        for (unsigned i = 0; i < KEYS; i++)
                current.keys[i].until = now_sec() + TTL;
        assert_ok(publisher_rewrite(p));
        may_doubt = false;
        assert_true(is_visible(&current));
}

/* Nothing lasts longer than readers believe, whatever was put, and the user stands there only if wanted. */
static void test_options(_unused_ void **state) {
        _cleanup_(publisher_freep) Publisher *p = make(NULL);
        IpAddr addr = network_of(1).addr;
        RelayAnswer answer;

        change(p, 1, true, RELAY_ALLOW, now_sec() + 1000 * TTL);
        start(p);
        assert_int_equal(relay_lookup("relay.cdb", &addr, now_sec(), &answer), RELAY_RESULT_GRANTED);
        assert_int_equal(answer.until, now_sec() + TTL + TTL / 16);
        assert_int_equal(answer.user_size, 0);
        publisher_set_options(p, 60, true);
        change(p, 1, true, RELAY_ALLOW, now_sec() + 1000 * TTL);
        assert_ok(publisher_flush(p));
        assert_int_equal(relay_lookup("relay.cdb", &addr, now_sec(), &answer), RELAY_RESULT_GRANTED);
        assert_int_equal(answer.until, now_sec() + 63);
        assert_string_equal(answer.user, "alice");
        assert_int_equal(last.generation, 2); /* the base was written anew, too */
}

/* Bases fail and fail while addresses come and go: the changes do not pile up. */
static void test_changes_stay_bounded(_unused_ void **state) {
        _cleanup_(publisher_freep) Publisher *p = make(NULL);
        uint64_t most = 0;

        change(p, 1, true, RELAY_ALLOW, 0);
        start(p);
        change(p, 1, false, RELAY_ALLOW, 0); /* hides a record of the base: must stay */
        assert_ok(publisher_flush(p));
        acknowledged = current;
        fail_suffix = "relay.cdb";
        fail_percent = 100;
        for (unsigned i = 0; i < 300000; i++) {
                IpAddr addr = {{0x20, 1, 0xd, 0xb8, (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i}};
                RelayEntry entry = {.network = ip_network_of(&addr, 64),
                        .until = now_sec() + 10,
                        .how = SPAN_LITERAL("x")};

                assert_ok(publisher_put(p, &entry));
                if (i % 10000 == 0) {
                        assert_ok(publisher_flush(p));
                        time_set_fake(time_now() + 5 * USEC_PER_SEC);
                        most = MAX(most, last.delta_records);
                }
        }
        assert_ok(publisher_flush(p));
        assert_in_range(most, 60000, 90000);
        assert_int_equal(last.generation, 1);
        assert_true(is_visible(&current));
        fail_percent = 0;
}

/* Real readers beside the writer: they never doubt, and never see what was not so. */
static void test_concurrent_readers(_unused_ void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(publisher_freep) Publisher *p = NULL;
        int status, fds[2];
        pid_t pid;

        time_set_fake(0);
        filler = 3000;
        assert_ok(sd_event_new(&event));
        p = make(event);
        grant(p, 1);
        start(p);
        may_doubt = true; /* the checks at each rename would slow it down */
        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                IpAddr there = network_of(1).addr, absent = network_of(2).addr;
                unsigned n = 0;
                char c;

                (void) close(fds[1]);
                while (read(fds[0], &c, 1) < 0 || n < 100) { /* until the writer closes its end */
                        RelayAnswer answer;

                        if (relay_lookup("relay.cdb", &there, now_sec(), &answer) != RELAY_RESULT_GRANTED)
                                _exit(1);
                        if (relay_lookup("relay.cdb", &absent, now_sec(), &answer) != RELAY_RESULT_ABSENT)
                                _exit(2);
                        n++;
                }
                _exit(0);
        }
        for (usec_t end = time_now() + 20 * USEC_PER_SEC; time_now() < end && last.generation < 40;) {
                grant(p, 1);
                change(p, 2, false, RELAY_ALLOW, 0);
                grant(p, 3 + (unsigned) (next_random(&seed) % 4));
                if (next_random(&seed) % 8 == 0)
                        publisher_set_options(p, TTL, false);
                assert_ok(publisher_flush(p));
                assert_ok(sd_event_run(event, 100));
        }
        (void) close(fds[0]);
        (void) close(fds[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_true(last.generation > 5);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                publisher_test(test_first_flush),
                publisher_test(test_first_flush_fails),
                publisher_test(test_random),
                publisher_test(test_random_delta_fails),
                publisher_test(test_random_base_fails),
                publisher_test(test_random_all_fail),
                publisher_test(test_delta_fails_after_base),
                publisher_test(test_directory_not_synced),
                publisher_test(test_loop_coalesces),
                publisher_test(test_stalled),
                publisher_test(test_forked_base),
                publisher_test(test_freed_while_building),
                publisher_test(test_base_fails_in_child),
                publisher_test(test_directory_missing),
                publisher_test(test_rewrite),
                publisher_test(test_options),
                publisher_test(test_changes_stay_bounded),
                publisher_test(test_concurrent_readers),
        };

        return cmocka_run_group_tests_name("publisher", tests, NULL, NULL);
}
