/* SPDX-License-Identifier: Apache-2.0 */
/* Base and delta of every age beside each other, and which belongs to which. */
#include "check.h"

#include <sys/resource.h>

#include "publish/left-pair.h"
#include "publish/relay-writer.h"

#define BASE "relay.cdb"
#define DELTA "relay-delta.cdb"
#define KEPT ".relay-delta.cdb.old"

/* A file of this generation; of none: it is not there. */
static void write_file(const char *path, uint64_t generation) {
        RelayHeader header = {.generation = generation, .written = 1795222923, .ttl = 1600};
        RelayWriter w = RELAY_WRITER_INIT;

        if (generation == 0) {
                (void) unlink(path);
                return;
        }
        assert_ok(relay_writer_open(&w, path, &header, streq(path, DELTA), true));
        assert_ok(relay_writer_finish(&w));
        assert_ok(relay_writer_commit(&w));
        relay_writer_done(&w);
}

/* `kept` is made as it is in life: the delta is given the name, and then replaced. */
static void write_files(uint64_t base, uint64_t delta, uint64_t kept) {
        (void) unlink(KEPT);
        write_file(BASE, base);
        write_file(DELTA, kept);
        if (kept > 0)
                left_pair_keep(DELTA);
        write_file(DELTA, delta);
        assert_int_equal(access(KEPT, F_OK), kept > 0 ? 0 : -1);
}

/* NULL: none belongs to the base. */
static void expect(uint64_t base, uint64_t delta, uint64_t kept, const char *found) {
        char path[RELAY_PATH_BYTES];

        write_files(base, delta, kept);
        assert_int_equal(left_pair_find_delta(BASE, path), found ? 1 : 0);
        if (found)
                assert_string_equal(path, found);
}

static void test_find(_unused_ void **state) {
        expect(7, 7, 0, DELTA);
        /* killed between the renames of a new base and its delta */
        expect(8, 7, 0, DELTA);
        /* between those of a new pair, the delta first */
        expect(7, 8, 7, KEPT);
        expect(8, 9, 7, KEPT);
        /* tried again and again before the base could be replaced */
        expect(7, 20, 7, KEPT);
        /* what belongs together goes before what was kept */
        expect(8, 8, 7, DELTA);
        expect(8, 7, 8, DELTA);
        /* none of them */
        expect(7, 8, 0, NULL);
        expect(9, 7, 0, NULL);
        expect(7, 9, 8, NULL);
        expect(7, 9, 5, NULL);
        /* what is missing or damaged is told by whoever reads it */
        expect(0, 7, 0, DELTA);
        expect(7, 0, 7, DELTA);
        expect(0, 0, 0, DELTA);
        write_files(7, 7, 0);
        put_text(BASE, "rubbish");
        assert_int_equal(left_pair_find_delta(BASE, (char[RELAY_PATH_BYTES]){""}), 1);
        write_files(7, 9, 7);
        assert_int_equal(truncate(KEPT, 100), 0);
        assert_int_equal(left_pair_find_delta(BASE, (char[RELAY_PATH_BYTES]){""}), 0);
}

/* Short of descriptors is not the same as not there. */
static void test_shortage(_unused_ void **state) {
        char path[RELAY_PATH_BYTES];
        struct rlimit old, none;

        write_files(7, 9, 7);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        none = (struct rlimit){0, old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        assert_int_equal(left_pair_find_delta(BASE, path), -EMFILE);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(left_pair_find_delta(BASE, path), 1);
        assert_int_equal(left_pair_find_delta("", path), -EINVAL);
}

static void test_take_over(_unused_ void **state) {
        write_files(0, 0, 0);
        assert_int_equal(left_pair_take_over(BASE), 0);
        write_files(7, 9, 7);
        assert_int_equal(left_pair_take_over(BASE), 9);
        assert_int_equal(access(KEPT, F_OK), 0);
        /* killed before it was dropped */
        write_files(9, 9, 7);
        assert_int_equal(left_pair_take_over(BASE), 9);
        assert_int_equal(access(KEPT, F_OK), -1);
        /* a delta of which nothing is known belongs to none */
        write_files(1, 0, 1);
        assert_int_equal(left_pair_take_over(BASE), 1);
        assert_int_equal(access(KEPT, F_OK), 0);
        /* no number that leaves room to count on */
        write_files(RELAY_GENERATION_MAX, 3, 0);
        assert_int_equal(left_pair_take_over(BASE), 3);
}

/* The first one that is kept is the one that belongs to the base. */
static void test_keep(_unused_ void **state) {
        char path[RELAY_PATH_BYTES];

        write_files(7, 8, 7);
        left_pair_keep(DELTA);
        assert_int_equal(left_pair_find_delta(BASE, path), 1);
        assert_string_equal(path, KEPT);
        left_pair_drop(DELTA);
        left_pair_drop(DELTA);
        assert_int_equal(left_pair_find_delta(BASE, path), 0);
        left_pair_keep("nowhere/" DELTA);
        left_pair_drop("nowhere/" DELTA);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_find),
                in_directory(test_shortage),
                in_directory(test_take_over),
                in_directory(test_keep),
        };

        return cmocka_run_group_tests_name("left-pair", tests, NULL, NULL);
}
