/* SPDX-License-Identifier: Apache-2.0 */
/* atomic-file and fd-util: both are about files that are whole. */
#include "check.h"

#include "basic/atomic-file.h"

static void expect_text(const char *path, const char *text) {
        _cleanup_free_ char *data = NULL;
        size_t size;

        assert_ok(read_file(path, 1000, &data, &size));
        assert_int_equal(size, strlen(text));
        assert_string_equal(data, text);
}

static void test_replacing(_unused_ void **state) {
        AtomicFile f = ATOMIC_FILE_INIT;
        struct stat st;

        put_text("file", "old");
        assert_ok(atomic_file_open(&f, "file", 0640));
        assert_ok(write_all(f.fd, "new!", 4));
        expect_text("file", "old");
        assert_ok(atomic_file_finish(&f));
        expect_text("file", "old");
        assert_ok(atomic_file_commit(&f));
        expect_text("file", "new!");
        assert_int_equal(stat("file", &st), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        assert_int_equal(access(".file.tmp", F_OK), -1);
        atomic_file_done(&f);
        atomic_file_done(&f);
        expect_text("file", "new!");
}

static void test_giving_up(_unused_ void **state) {
        AtomicFile f = ATOMIC_FILE_INIT;

        put_text("file", "old");
        assert_ok(atomic_file_open(&f, "./file", 0600));
        assert_int_equal(access(".file.tmp", F_OK), 0);
        atomic_file_done(&f);
        assert_int_equal(access(".file.tmp", F_OK), -1);
        expect_text("file", "old");
        assert_int_equal(atomic_file_open(&f, "none/file", 0600), -ENOENT);
        assert_int_equal(mkdir("directory", 0755), 0);
        assert_ok(atomic_file_open(&f, "directory", 0600));
        assert_true(atomic_file_commit(&f) < 0);
        atomic_file_done(&f);
        assert_int_equal(access(".directory.tmp", F_OK), -1);
}

/* A left-over may be a link that leads elsewhere: it must go, and what it leads to must stay. */
static void test_left_over(_unused_ void **state) {
        AtomicFile f = ATOMIC_FILE_INIT;

        put_text("elsewhere", "mine");
        assert_int_equal(symlink("elsewhere", ".file.tmp"), 0);
        assert_ok(atomic_file_open(&f, "file", 0600));
        assert_ok(write_all(f.fd, "new", 3));
        assert_ok(atomic_file_commit(&f));
        atomic_file_done(&f);
        expect_text("elsewhere", "mine");
        expect_text("file", "new");
}

static void test_read_file(_unused_ void **state) {
        char *data = NULL;
        size_t size = 5;

        put_text("file", "0123456789");
        assert_int_equal(read_file("file", 9, &data, &size), -EFBIG);
        assert_int_equal(read_file("none", 9, &data, &size), -ENOENT);
        assert_int_equal(read_file(".", 9, &data, &size), -EISDIR);
        assert_null(data);
        assert_ok(read_file("file", 10, &data, &size));
        assert_int_equal(size, 10);
        free(data);
        assert_int_equal(close_fd(-1), -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_replacing),
                in_directory(test_giving_up),
                in_directory(test_left_over),
                in_directory(test_read_file),
        };

        return cmocka_run_group_tests_name("atomic-file", tests, NULL, NULL);
}
