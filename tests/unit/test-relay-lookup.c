/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of look-up, one by one, and every interleaving of its opens with a writer's renames. */
#include "check.h"

#include "cdb/cdb-file.h"
#include "basic/time-util.h"
#include "cdb/relay-lookup.h"
#include "publish/relay-writer.h"

#define NOW UINT64_C(1795222923)
#define TTL UINT64_C(1600)

typedef struct Line {
        const char *network;
        RelayVerdict verdict;
        uint64_t until;
} Line;

static RelayEntry entry_of(const Line *line) {
        RelayEntry entry = {.verdict = line->verdict,
                .until = line->until,
                .how = SPAN_LITERAL("test"),
                .user = SPAN_LITERAL("al\nice")};

        assert_ok(ip_network_parse(span_from_string(line->network), &entry.network));
        return entry;
}

static void write_file(
        const char *path, bool is_delta, uint64_t generation, uint64_t written, const Line *lines) {
        RelayHeader header = {.generation = generation, .written = written, .ttl = TTL};
        RelayWriter w = RELAY_WRITER_INIT;

        assert_ok(relay_writer_open(&w, path, &header, is_delta, true));
        for (; lines && lines->network; lines++) {
                RelayEntry entry = entry_of(lines);

                assert_ok(relay_writer_add(&w, &entry));
        }
        assert_ok(relay_writer_finish(&w));
        assert_ok(relay_writer_commit(&w));
        relay_writer_done(&w);
}

static void write_pair(
        uint64_t base_generation, const Line *base, uint64_t delta_generation, const Line *delta) {
        write_file("relay.cdb", false, base_generation, NOW - 10, base);
        write_file("relay-delta.cdb", true, delta_generation, NOW - 5, delta);
}

static RelayAnswer ask_at(const char *address, uint64_t now) {
        RelayAnswer answer = {.result = _RELAY_RESULT_INVALID};
        RelayResult result;
        IpAddr addr;

        assert_ok(ip_addr_parse(span_from_string(address), &addr));
        result = relay_lookup("relay.cdb", &addr, now, &answer);
        assert_int_equal(result, answer.result);
        assert_true((answer.reason != NULL) == (answer.result == RELAY_RESULT_DOUBT));
        return answer;
}

static void expect_at(const char *address, uint64_t now, const char *result) {
        RelayAnswer answer = ask_at(address, now);

        assert_string_equal(relay_result_to_string(answer.result), result);
}

static void expect(const char *address, const char *result) {
        expect_at(address, NOW, result);
}

static void expect_doubt(const char *reason, int error) {
        RelayAnswer answer = ask_at("192.0.2.7", NOW);

        assert_int_equal(answer.result, RELAY_RESULT_DOUBT);
        assert_string_equal(answer.reason, reason);
        assert_int_equal(answer.error, error);
}

static void test_simple(_unused_ void **state) {
        const Line base[] = {{"192.0.2.7", RELAY_ALLOW, NOW + 60},
                {"2001:db8:1:2::/64", RELAY_ALLOW, NOW + 60}, {"10.0.0.0/8", RELAY_ALLOW, 0},
                {"10.1.1.1", RELAY_NEVER, 0}, {"10.2.0.0/16", RELAY_NEVER, NOW + 99999},
                {"10.2.3.4", RELAY_ALLOW, NOW + 60}, {NULL, 0, 0}};
        RelayAnswer answer;

        write_pair(1, base, 1, NULL);
        answer = ask_at("192.0.2.7", NOW);
        assert_int_equal(answer.result, RELAY_RESULT_GRANTED);
        assert_int_equal(answer.until, NOW + 60);
        assert_int_equal(answer.network.length, 128);
        assert_string_equal(answer.how, "test");
        assert_string_equal(answer.user, "al\nice");
        assert_int_equal(answer.user_size, 6);
        expect("::ffff:192.0.2.7", "granted");
        expect("192.0.2.8", "absent");
        expect("2001:db8:1:2:ffff::1", "granted");
        expect("2001:db8:1:3::1", "absent");
        expect("10.9.9.9", "granted");
        expect("10.1.1.1", "never");
        expect("10.2.9.9", "never");
        expect("10.2.3.4", "granted");
        expect("11.0.0.0", "absent");
        expect("::", "absent");
}

static void test_delta_wins(_unused_ void **state) {
        const Line base[] = {{"192.0.2.1", RELAY_ALLOW, NOW + 60}, {"192.0.2.2", RELAY_ALLOW, NOW + 60},
                {"192.0.2.0/24", RELAY_ALLOW, 0}, {"198.51.100.1", RELAY_ALLOW, NOW + 60}, {NULL, 0, 0}};
        const Line delta[] = {{"192.0.2.1", RELAY_NEVER, NOW + 60}, {"192.0.2.2", RELAY_REVOKED, 0},
                {"198.51.100.1", RELAY_REVOKED, 0}, {"203.0.113.0/30", RELAY_ALLOW, NOW + 60}, {NULL, 0, 0}};

        write_pair(5, base, 5, delta);
        expect("192.0.2.1", "never");
        expect("192.0.2.2", "granted"); /* absent at this length, allowed at the next */
        expect("192.0.2.3", "granted");
        expect("198.51.100.1", "absent");
        expect("203.0.113.3", "granted");
        expect("203.0.113.4", "absent");
}

static void test_time(_unused_ void **state) {
        const Line base[] = {{"192.0.2.1", RELAY_ALLOW, NOW + 60}, {"192.0.2.2", RELAY_NEVER, NOW + 60},
                {"192.0.2.2/31", RELAY_ALLOW, 0}, {"192.0.2.9", RELAY_ALLOW, NOW + TTL + TTL / 16 - 10},
                {NULL, 0, 0}};

        write_pair(1, base, 1, NULL);
        expect_at("192.0.2.1", NOW + 59, "granted");
        expect_at("192.0.2.1", NOW + 60, "expired");
        assert_string_equal(ask_at("192.0.2.1", NOW + 999999).how, "test");
        expect_at("192.0.2.2", NOW + 59, "never");
        expect_at("192.0.2.2", NOW + 60, "granted"); /* the bar has ended, the network around it has not */
        expect("192.0.2.9", "granted");
        /* the clock has been set back: first the records last too long, then the files come from the future
         */
        expect_at("192.0.2.9", NOW - 10, "granted");
        expect_at("192.0.2.9", NOW - 11, "doubt");
        expect_at("192.0.2.1", NOW - 10, "granted");
        expect_at("192.0.2.1", NOW - 11, "doubt");
        expect_at("192.0.2.1", 0, "doubt");
}

static void test_future(_unused_ void **state) {
        const Line base[] = {{"192.0.2.7", RELAY_ALLOW, 0}, {NULL, 0, 0}};

        write_file("relay.cdb", false, 1, NOW, base);
        write_file("relay-delta.cdb", true, 1, NOW + 5, NULL);
        expect("192.0.2.7", "granted");
        write_file("relay-delta.cdb", true, 1, NOW + 6, NULL);
        expect_doubt("the delta was written in the future", 0);
        write_file("relay-delta.cdb", true, 1, NOW, NULL);
        write_file("relay.cdb", false, 1, NOW + 6, base);
        expect_doubt("the base was written in the future", 0);
}

/* Each key with its value as it is; for what relay_writer_add() would not write. */
/* Files of before a step of the clock, as relaylock reads them after it: what ends by the clock is over, or
 * nobody believes it. */
static void test_clock_steps(_unused_ void **state) {
        static const int64_t steps[] = {0, 3600, -3600, 3650 * 86400ll, -3650 * 86400ll};
        const Line base[] = {
                {"192.0.2.7", RELAY_ALLOW, NOW + TTL}, {"192.0.2.8", RELAY_ALLOW, 0}, {NULL, 0, 0}};

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                uint64_t now;

                time_set_fake((usec_t) ((int64_t) NOW + steps[i]) * USEC_PER_SEC);
                now = time_now() / USEC_PER_SEC;
                write_pair(1, base, 1, NULL);
                expect_at("192.0.2.7", now,
                        steps[i] < 0               ? "doubt"
                        : steps[i] < (int64_t) TTL ? "granted"
                                                   : "expired");
                expect_at("192.0.2.8", now, steps[i] < 0 ? "doubt" : "granted");
        }
        time_set_fake(0);
}

static void write_raw(const char *path, const char *const (*records)[2]) {
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        CdbWriter *w = NULL;

        assert_true(fd >= 0);
        assert_ok(cdb_writer_new(fd, &w));
        for (; (*records)[0]; records++)
                assert_ok(
                        cdb_writer_add(w, span_from_string((*records)[0]), span_from_string((*records)[1])));
        assert_ok(cdb_writer_finish(w));
        cdb_writer_free(w);
        (void) close(fd);
}

static void expect_raw(const char *path, const char *header, const char *value, const char *reason) {
        const char *const records[][2] = {{"192.0.2.7", value}, {"@authrelay", header}, {NULL, NULL}};
        const Line base[] = {{"192.0.2.7", RELAY_ALLOW, 0}, {NULL, 0, 0}};
        RelayAnswer answer;

        write_pair(1, base, 1, NULL);
        write_raw(path, records);
        answer = ask_at("192.0.2.7", NOW);
        if (reason)
                assert_string_equal(strempty(answer.reason), reason);
        else
                assert_int_equal(answer.result, RELAY_RESULT_GRANTED);
}

static void test_strange_records(_unused_ void **state) {
        const char *const headless[][2] = {{"192.0.2.7", "allow 0 x"}, {NULL, NULL}};

        expect_raw("relay.cdb", "1 1 1795222900 1600 1 4/32", "allow 0 x", NULL);
        expect_raw("relay.cdb", "1 1 1795222900 1600 1 4/32", "allow 1795222999 x", NULL);
        expect_raw("relay-delta.cdb", "1 1 1795222900 1600 1 4/32", "allow 0 x", NULL);
        expect_raw("relay.cdb", "1 1 1795222900 1600 1 4/32", "allow 0", "the base is damaged");
        expect_raw("relay.cdb", "1 1 1795222900 1600 1 4/32", "", "the base is damaged");
        expect_raw("relay.cdb", "1 1 1795222900 1600 1 4/32", "allow 0 x %", "the base is damaged");
        expect_raw("relay.cdb", "1 1 1795222900 1600 1 4/32", "revoked 0 x", "the base is damaged");
        expect_raw("relay-delta.cdb", "1 1 1795222900 1600 1 4/32", "yes", "the delta is damaged");
        expect_raw("relay.cdb", "1 1 1795222900 1600 1 4/32", "allow 1795224624 x",
                "a record of the base lasts longer than any grant may");
        expect_raw("relay-delta.cdb", "1 1 1795222900 1600 1 4/32", "allow 18446744073709551615 x",
                "a record of the delta lasts longer than any grant may");
        expect_raw("relay.cdb", "1 1 1795222900 0 1 4/32", "allow 1795222924 x",
                "a record of the base lasts longer than any grant may");
        expect_raw("relay.cdb", "1 1 1795222900 1600 1", "allow 0 x", "the base has no valid header");
        expect_raw("relay-delta.cdb", "", "allow 0 x", "the delta has no valid header");
        expect_raw("relay-delta.cdb", "2 1 1795222900 1600 1 4/32", "allow 0 x",
                "the delta is of a version unknown here");
        expect_raw("relay.cdb", "2 anything", "allow 0 x", "the base is of a version unknown here");
        expect_raw("relay.cdb", "1 1 1795222929 1600 1 4/32", "allow 0 x",
                "the base was written in the future");
        write_raw("relay.cdb", headless);
        expect_doubt("the base has no valid header", 0);
}

static void test_files_missing(_unused_ void **state) {
        const Line base[] = {{"192.0.2.7", RELAY_ALLOW, 0}, {NULL, 0, 0}};

        expect_doubt("the delta cannot be opened", -ENOENT);
        write_pair(1, base, 1, NULL);
        expect("192.0.2.7", "granted");
        assert_int_equal(unlink("relay-delta.cdb"), 0);
        expect_doubt("the delta cannot be opened", -ENOENT);
        write_pair(1, base, 1, NULL);
        assert_int_equal(unlink("relay.cdb"), 0);
        expect_doubt("the base cannot be opened", -ENOENT);
        assert_int_equal(mkfifo("relay.cdb", 0600), 0);
        expect_doubt("the base is damaged", 0);
        put_text("relay-delta.cdb", "");
        expect_doubt("the delta is damaged", 0);
        assert_int_equal(unlink("relay-delta.cdb"), 0);
        assert_int_equal(mkdir("relay-delta.cdb", 0700), 0);
        expect_doubt("the delta is damaged", 0);
}

static void test_delta_path(_unused_ void **state) {
        char buf[RELAY_PATH_BYTES], path[RELAY_PATH_BYTES + 10];

        assert_ok(relay_delta_path(buf, "/run/authrelay/relay.cdb"));
        assert_string_equal(buf, "/run/authrelay/relay-delta.cdb");
        assert_ok(relay_delta_path(buf, "x"));
        assert_string_equal(buf, "x-delta.cdb");
        assert_ok(relay_delta_path(buf, ".cdb"));
        assert_string_equal(buf, ".cdb-delta.cdb");
        assert_int_equal(relay_delta_path(buf, ""), -EINVAL);
        memset(path, 'a', sizeof(path));
        path[RELAY_PATH_BYTES - 10] = 0;
        assert_int_equal(relay_delta_path(buf, path), -ENAMETOOLONG);
        path[RELAY_PATH_BYTES - 10] = 'a';
        path[sizeof(path) - 1] = 0;
        assert_int_equal(relay_delta_path(buf, path), -ENAMETOOLONG);
}

static void test_generations(_unused_ void **state) {
        const Line base[] = {{"192.0.2.7", RELAY_ALLOW, 0}, {NULL, 0, 0}};

        write_pair(7, base, 7, NULL);
        expect("192.0.2.7", "granted");
        write_pair(8, base, 7, NULL); /* the writer died between the renames */
        expect("192.0.2.7", "granted");
        write_pair(9, base, 7, NULL);
        expect_doubt("base and delta do not belong together", 0);
        write_pair(7, base, 8, NULL);
        expect_doubt("base and delta do not belong together", 0);
        write_pair(RELAY_GENERATION_MAX, base, RELAY_GENERATION_MAX, NULL);
        expect("192.0.2.7", "granted");
        write_pair(0, base, RELAY_GENERATION_MAX, NULL);
        expect_doubt("base and delta do not belong together", 0);
}

/* Nothing that can be done to either file by chance makes more than the truth or doubt. Bit flips in UNTIL
 * may lengthen a record, so the client asked for is one that has none. */
static void test_flips_grant_nobody(_unused_ void **state) {
        const Line base[] = {{"192.0.2.7", RELAY_ALLOW, NOW + 60}, {"198.51.100.0/24", RELAY_NEVER, 0},
                {"203.0.113.0/24", RELAY_ALLOW, 0}, {NULL, 0, 0}};
        const Line delta[] = {
                {"203.0.113.0/24", RELAY_REVOKED, 0}, {"192.0.2.9", RELAY_NEVER, 0}, {NULL, 0, 0}};
        static const char *const paths[] = {"relay.cdb", "relay-delta.cdb"};
        unsigned results[_RELAY_RESULT_MAX] = {0};

        for (size_t which = 0; which < 2; which++) {
                _cleanup_free_ char *data = NULL;
                size_t size;

                write_pair(2, base, 2, delta);
                assert_ok(read_file(paths[which], 1 << 20, &data, &size));
                for (size_t i = 0; i < size * 8; i += 3) {
                        RelayAnswer answer;

                        data[i / 8] ^= (char) (1 << i % 8);
                        put_file(paths[which], data, size);
                        data[i / 8] ^= (char) (1 << i % 8);
                        answer = ask_at("192.0.2.200", NOW);
                        results[answer.result]++;
                        assert_int_not_equal(answer.result, RELAY_RESULT_GRANTED);
                        (void) ask_at("192.0.2.7", NOW);
                }
        }
        assert_true(results[RELAY_RESULT_ABSENT] > 1000);
        assert_true(results[RELAY_RESULT_DOUBT] > 1000);
}

/* Interleavings: the n-th open of the reader is preceded by a step of a writer. */
static unsigned opens, act_before;
static void (*act)(void);

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

static void before_open(const char *path, int flags) {
        if (!act || (flags & O_ACCMODE) != O_RDONLY || !strstr(path, ".cdb"))
                return;
        if (++opens == act_before) {
                void (*f)(void) = TAKE_PTR(act);

                f();
                act = f;
        }
}

int __wrap_open(const char *path, int flags, ...) {
        before_open(path, flags);
        return __real_open(path, flags, 0644);
}

int __wrap_open64(const char *path, int flags, ...) {
        before_open(path, flags);
        return __real_open64(path, flags, 0644);
}

/* Before: 192.0.2.7 is revoked by the delta only. After: it is missing in the new base, and the new delta is
 * empty. What stays granted stays granted, what is revoked stays revoked, at every moment. */
static const Line old_base[] = {
        {"192.0.2.7", RELAY_ALLOW, NOW + 60}, {"192.0.2.8", RELAY_ALLOW, NOW + 60}, {NULL, 0, 0}};
static const Line old_delta[] = {
        {"192.0.2.7", RELAY_REVOKED, 0}, {"192.0.2.9", RELAY_ALLOW, NOW + 60}, {NULL, 0, 0}};
static const Line new_base[] = {
        {"192.0.2.8", RELAY_ALLOW, NOW + 60}, {"192.0.2.9", RELAY_ALLOW, NOW + 60}, {NULL, 0, 0}};

static void replace_base(void) {
        write_file("relay.cdb", false, 2, NOW, new_base);
}

static void replace_both(void) {
        write_file("relay.cdb", false, 2, NOW, new_base);
        write_file("relay-delta.cdb", true, 2, NOW, NULL);
}

static void replace_three_times(void) {
        write_file("relay.cdb", false, 4, NOW, new_base);
        write_file("relay-delta.cdb", true, 4, NOW, NULL);
}

/* The worst that an early delta can do: what was granted when it was opened was revoked, and then the base
 * taken. */
static void revoke_and_replace_base(void) {
        const Line delta[] = {
                {"192.0.2.7", RELAY_REVOKED, 0}, {"192.0.2.9", RELAY_REVOKED, 0}, {NULL, 0, 0}};
        const Line base[] = {{"192.0.2.8", RELAY_ALLOW, NOW + 60}, {NULL, 0, 0}};

        write_file("relay-delta.cdb", true, 1, NOW, delta);
        write_file("relay.cdb", false, 2, NOW, base);
}

static void test_interleavings(_unused_ void **state) {
        static void (*const acts[])(void) = {replace_base, replace_both, replace_three_times};
        unsigned acted = 0;

        for (size_t i = 0; i < ELEMENTSOF(acts); i++)
                for (unsigned at = 1; at <= 6; at++)
                        for (unsigned client = 7; client <= 9; client++) {
                                char address[32];

                                write_pair(1, old_base, 1, old_delta);
                                (void) snprintf(address, sizeof(address), "192.0.2.%u", client);
                                opens = 0;
                                act_before = at;
                                act = acts[i];
                                expect(address, client == 7 ? "absent" : "granted");
                                acted += opens >= at;
                                act = NULL;
                                expect(address, client == 7 ? "absent" : "granted");
                        }
        assert_true(acted >= 2 * 3 * ELEMENTSOF(acts));
}

static void test_early_delta(_unused_ void **state) {
        write_pair(1, old_base, 1, old_delta);
        opens = 0;
        act_before = 2; /* after the delta was opened, before the base is */
        act = revoke_and_replace_base;
        expect("192.0.2.9", "absent");
        assert_true(opens > 2);
        act = NULL;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_simple),
                in_directory(test_delta_wins),
                in_directory(test_time),
                in_directory(test_future),
                in_directory(test_clock_steps),
                in_directory(test_strange_records),
                in_directory(test_files_missing),
                in_directory(test_delta_path),
                in_directory(test_generations),
                in_directory(test_flips_grant_nobody),
                in_directory(test_interleavings),
                in_directory(test_early_delta),
        };

        return cmocka_run_group_tests_name("relay-lookup", tests, NULL, NULL);
}
