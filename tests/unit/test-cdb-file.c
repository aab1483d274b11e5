/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "cdb/cdb-file.h"

#define RECORDS 400u

static Span key_of(unsigned i, char buf[static 32]) {
        return span_make(buf, (size_t) snprintf(buf, 32, "10.0.%u.%u", i / 256, i % 256));
}

static Span value_of(unsigned i, char buf[static 64]) {
        return span_make(buf, (size_t) snprintf(buf, 64, "allow %u x%*s", i, (int) (i % 30), ""));
}

static void write_records(const char *path, unsigned n) {
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        _cleanup_(cdb_writer_freep) CdbWriter *w = NULL;

        assert_true(fd >= 0);
        assert_ok(cdb_writer_new(fd, &w));
        for (unsigned i = 0; i < n; i++) {
                char key[32], value[64];

                assert_ok(cdb_writer_add(w, key_of(i, key), value_of(i, value)));
        }
        assert_ok(cdb_writer_finish(w));
}

/* Looks up every key; returns how many were found, each of them with its own value if the file is `sound`. */
static unsigned find_all(const CdbFile *f, unsigned n, bool sound) {
        unsigned found = 0;

        for (unsigned i = 0; i < n; i++) {
                char key[32], value[64], buf[80];
                Span expected = value_of(i, value);
                size_t size = 0;
                int r = cdb_file_find(f, key_of(i, key), buf, sizeof(buf), &size);

                assert_true(r >= 0 || r == -EBADMSG);
                if (r <= 0)
                        continue;
                assert_true(size <= sizeof(buf));
                if (sound)
                        assert_true(span_equal(span_make(buf, size), expected));
                found++;
        }
        return found;
}

static int count_record(void *userdata, Span key, Span value) {
        unsigned *n = userdata;
        volatile char sum = 0;

        for (size_t i = 0; i < key.size; i++)
                sum = (char) (sum + key.data[i]);
        for (size_t i = 0; i < value.size; i++)
                sum = (char) (sum + value.data[i]);
        (*n)++;
        return 0;
}

static void test_round_trip(_unused_ void **state) {
        static const unsigned sizes[] = {0, 1, 2, 255, RECORDS, 65536};

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_(cdb_file_close) CdbFile f = CDB_FILE_INIT;
                char key[32], buf[80];
                unsigned seen = 0;
                size_t size;

                write_records("a.cdb", sizes[i]);
                assert_ok(cdb_file_open(&f, "a.cdb"));
                assert_int_equal(find_all(&f, sizes[i], true), sizes[i]);
                assert_int_equal(cdb_file_find(&f, key_of(sizes[i], key), buf, sizeof(buf), &size), 0);
                assert_int_equal(cdb_file_find(&f, SPAN_LITERAL("10.0.0"), buf, sizeof(buf), &size), 0);
                assert_ok(cdb_file_each(&f, count_record, &seen));
                assert_int_equal(seen, sizes[i]);
        }
}

static int refuse(void *userdata, _unused_ Span key, _unused_ Span value) {
        return --*(int *) userdata == 0 ? -EDOM : 0;
}

static void test_limits(_unused_ void **state) {
        _cleanup_close_ int fd = open("l.cdb", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        _cleanup_(cdb_writer_freep) CdbWriter *w = NULL;
        _cleanup_(cdb_file_close) CdbFile f = CDB_FILE_INIT;
        char data[CDB_VALUE_MAX_BYTES + 1], buf[CDB_VALUE_MAX_BYTES];
        int handled = 2;
        size_t size;

        memset(data, 'x', sizeof(data));
        assert_ok(cdb_writer_new(fd, &w));
        assert_int_equal(cdb_writer_add(w, span_make(data, CDB_KEY_MAX_BYTES + 1), SPAN_LITERAL("v")), -EINVAL);
        assert_int_equal(cdb_writer_add(w, SPAN_LITERAL("k"), span_make(data, CDB_VALUE_MAX_BYTES + 1)), -EINVAL);
        assert_ok(cdb_writer_add(w, span_make(data, CDB_KEY_MAX_BYTES), span_make(data, CDB_VALUE_MAX_BYTES)));
        assert_ok(cdb_writer_add(w, SPAN_LITERAL("two"), SPAN_LITERAL("first")));
        assert_ok(cdb_writer_add(w, SPAN_LITERAL("two"), SPAN_LITERAL("second")));
        assert_ok(cdb_writer_add(w, SPAN_LITERAL("empty"), SPAN_NONE));
        assert_ok(cdb_writer_finish(w));
        assert_true(cdb_writer_add(w, SPAN_LITERAL("late"), SPAN_NONE) < 0);
        assert_ok(cdb_file_open(&f, "l.cdb"));
        assert_int_equal(cdb_file_find(&f, span_make(data, CDB_KEY_MAX_BYTES), buf, sizeof(buf), &size), 1);
        assert_int_equal(size, CDB_VALUE_MAX_BYTES);
        assert_int_equal(cdb_file_find(&f, span_make(data, CDB_KEY_MAX_BYTES), buf, sizeof(buf) - 1, &size), -EBADMSG);
        assert_int_equal(cdb_file_find(&f, SPAN_LITERAL("two"), buf, sizeof(buf), &size), 1);
        assert_true(span_equal_string(span_make(buf, size), "first"));
        assert_int_equal(cdb_file_find(&f, SPAN_LITERAL("empty"), buf, sizeof(buf), &size), 1);
        assert_int_equal(size, 0);
        assert_int_equal(cdb_file_each(&f, refuse, &handled), -EDOM);
}

/* An error of the file is seen, and a writer that is given up writes nothing more. */
static void test_writing_fails(_unused_ void **state) {
        _cleanup_close_ int full = open("/dev/full", O_RDWR | O_CLOEXEC);
        _cleanup_close_ int fd = open("given-up", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        CdbWriter *w = NULL;
        struct stat st;
        int r = 0;

        assert_true(full >= 0);
        assert_ok(cdb_writer_new(full, &w));
        for (unsigned i = 0; i < 1000 && r == 0; i++)
                r = cdb_writer_add(w, SPAN_LITERAL("key"), SPAN_LITERAL("value"));
        assert_int_equal(r, -ENOSPC);
        assert_int_equal(cdb_writer_add(w, SPAN_LITERAL("key"), SPAN_LITERAL("value")), -ENOSPC);
        assert_int_equal(cdb_writer_finish(w), -ENOSPC);
        w = cdb_writer_free(w);
        assert_ok(cdb_writer_new(full, &w));
        assert_int_equal(cdb_writer_finish(w), -ENOSPC);
        w = cdb_writer_free(w);
        assert_ok(cdb_writer_new(fd, &w));
        assert_ok(cdb_writer_add(w, SPAN_LITERAL("key"), SPAN_LITERAL("value")));
        w = cdb_writer_free(w);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, 0);
}

static void test_no_database(_unused_ void **state) {
        char zeros[4096] = {0};
        CdbFile f = CDB_FILE_INIT;

        assert_int_equal(cdb_file_open(&f, "none"), -ENOENT);
        put_file("empty", "", 0);
        assert_int_equal(cdb_file_open(&f, "empty"), -EBADMSG);
        put_file("short", zeros, 2047);
        assert_int_equal(cdb_file_open(&f, "short"), -EBADMSG);
        put_file("zeros", zeros, sizeof(zeros));
        assert_int_equal(cdb_file_open(&f, "zeros"), -EBADMSG);
        assert_int_equal(cdb_file_open(&f, "."), -EBADMSG);
        assert_int_equal(mkfifo("fifo", 0600), 0);
        assert_int_equal(cdb_file_open(&f, "fifo"), -EBADMSG);
        assert_int_equal(cdb_file_open(&f, "/dev/zero"), -EBADMSG);
        assert_int_equal(symlink("loop", "loop"), 0);
        assert_int_equal(cdb_file_open(&f, "loop"), -ELOOP);
        assert_int_equal(truncate("zeros", (off_t) UINT32_MAX + 1), 0); /* sparse */
        assert_int_equal(cdb_file_open(&f, "zeros"), -EBADMSG);
        assert_int_equal(f.fd, -1);
}

/* With any of its ends missing it is no database any more. */
static void test_truncated(_unused_ void **state) {
        _cleanup_free_ char *data = NULL;
        size_t size;

        write_records("t.cdb", RECORDS);
        assert_ok(read_file("t.cdb", 1 << 20, &data, &size));
        assert_true(size > 10000);
        for (size_t n = size; n-- > 0;) {
                CdbFile f = CDB_FILE_INIT;

                assert_int_equal(truncate("t.cdb", (off_t) n), 0);
                assert_int_equal(cdb_file_open(&f, "t.cdb"), -EBADMSG);
        }
}

/* Cut while it is open: never more than what was there, and no signal. */
static void test_truncated_under_hand(_unused_ void **state) {
        _cleanup_free_ char *data = NULL;
        size_t size;

        write_records("t.cdb", RECORDS);
        assert_ok(read_file("t.cdb", 1 << 20, &data, &size));
        for (size_t n = 0; n < size; n += 97) {
                _cleanup_(cdb_file_close) CdbFile f = CDB_FILE_INIT;
                unsigned seen = 0;
                int r;

                put_file("t.cdb", data, size);
                assert_ok(cdb_file_open(&f, "t.cdb"));
                assert_int_equal(truncate("t.cdb", (off_t) n), 0);
                assert_true(find_all(&f, RECORDS, true) < RECORDS);
                r = cdb_file_each(&f, count_record, &seen);
                assert_true(r == -EBADMSG || n >= f.data_end);
        }
}

static void test_bit_flips(_unused_ void **state) {
        _cleanup_free_ char *data = NULL;
        unsigned opened = 0, damaged = 0;
        uint64_t seed = 7;
        size_t size;

        write_records("f.cdb", 60);
        assert_ok(read_file("f.cdb", 1 << 20, &data, &size));
        for (size_t i = 0; i < size; i++) {
                _cleanup_(cdb_file_close) CdbFile f = CDB_FILE_INIT;
                char bit = (char) (1 << next_random(&seed) % 8);
                unsigned seen = 0;

                data[i] ^= bit;
                put_file("f.cdb", data, size);
                data[i] ^= bit;
                if (cdb_file_open(&f, "f.cdb") < 0) {
                        damaged++;
                        continue;
                }
                opened++;
                (void) find_all(&f, 60, false);
                (void) cdb_file_each(&f, count_record, &seen);
                assert_true(seen <= size / 8);
        }
        assert_true(opened > 100);
        assert_true(damaged > 100);
}

static void put_number(char *p, uint64_t v) {
        for (unsigned i = 0; i < 4; i++)
                p[i] = (char) (v >> 8 * i);
}

/* A head that is in bounds and leads to nothing but garbage, which is where a trusting reader gets lost. */
static void test_garbage(_unused_ void **state) {
        static char data[2048 + 4096];
        unsigned opened = 0;
        uint64_t seed = 99;

        for (unsigned round = 0; round < 3000; round++) {
                _cleanup_(cdb_file_close) CdbFile f = CDB_FILE_INIT;
                unsigned seen = 0;

                for (size_t i = 0; i < sizeof(data); i++)
                        /* small numbers are more often taken for something */
                        data[i] = (char) (round % 3 == 0 || i % 4 < 2 ? next_random(&seed) : 0);
                for (size_t i = 0; i < 256; i++) {
                        uint64_t start = 2048 + next_random(&seed) % 4096, room = (sizeof(data) - start) / 8;

                        put_number(data + i * 8, round % 2 ? MAX(start, (uint64_t) 4096) : start);
                        put_number(data + i * 8 + 4, round % 5 ? next_random(&seed) % (room + 1) % 300 : 1);
                        if (round % 2)
                                put_number(data + i * 8 + 4, next_random(&seed) % ((sizeof(data) - 5200) / 8));
                        if (round % 2)
                                put_number(data + i * 8, 4096 + next_random(&seed) % 1000);
                }
                put_file("g.cdb", data, sizeof(data));
                if (cdb_file_open(&f, "g.cdb") < 0)
                        continue;
                opened++;
                (void) find_all(&f, 50, false);
                (void) cdb_file_each(&f, count_record, &seen);
        }
        assert_true(opened > 1000);
}

/* One record, one table that claims to be full of slots with its hash: bounded, and damage. */
static void test_endless_table(_unused_ void **state) {
        _cleanup_(cdb_file_close) CdbFile f = CDB_FILE_INIT;
        _cleanup_free_ char *data = NULL, *grown = NULL;
        const size_t slots = 100000;
        char buf[80], key[32];
        size_t size, at = 0;

        write_records("e.cdb", 1);
        assert_ok(read_file("e.cdb", 1 << 20, &data, &size));
        grown = calloc(1, size + slots * 8);
        assert_non_null(grown);
        memcpy(grown, data, size);
        for (size_t i = 0; i < slots; i++) {
                memset(grown + size + i * 8, 0x5a, 4);
                put_number(grown + size + i * 8 + 4, 2048);
        }
        for (size_t i = 0; i < 256; i++)
                if (memcmp(data + i * 8 + 4, "\0\0\0\0", 4) != 0)
                        at = i * 8;
        put_number(grown + at, size);
        put_number(grown + at + 4, slots);
        put_file("e.cdb", grown, size + slots * 8);
        assert_ok(cdb_file_open(&f, "e.cdb"));
        assert_int_equal(cdb_file_find(&f, key_of(0, key), buf, sizeof(buf), &size), -EBADMSG);
}

/* Neighbouring addresses make long runs of taken slots: no look-up among them may be taken for damage. */
static void test_neighbours(_unused_ void **state) {
        _cleanup_(cdb_file_close) CdbFile f = CDB_FILE_INIT;
        char key[32], buf[80];
        size_t size;

        write_records("n.cdb", 65536);
        assert_ok(cdb_file_open(&f, "n.cdb"));
        for (unsigned i = 65536; i < 3 * 65536; i++)
                assert_int_equal(cdb_file_find(&f, key_of(i, key), buf, sizeof(buf), &size), 0);
}

static void test_closed_descriptors(_unused_ void **state) {
        _cleanup_(cdb_file_close) CdbFile f = CDB_FILE_INIT;
        int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);

        write_records("c.cdb", 1);
        (void) close(STDIN_FILENO);
        assert_ok(cdb_file_open(&f, "c.cdb"));
        assert_true(f.fd > STDERR_FILENO);
        assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), -1);
        assert_int_equal(fcntl(f.fd, F_GETFD), FD_CLOEXEC);
        if (saved >= 0)
                assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
        (void) close_fd(saved);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_round_trip),
                in_directory(test_limits),
                in_directory(test_writing_fails),
                in_directory(test_no_database),
                in_directory(test_truncated),
                in_directory(test_truncated_under_hand),
                in_directory(test_bit_flips),
                in_directory(test_garbage),
                in_directory(test_endless_table),
                in_directory(test_neighbours),
                in_directory(test_closed_descriptors),
        };

        return cmocka_run_group_tests_name("cdb-file", tests, NULL, NULL);
}
