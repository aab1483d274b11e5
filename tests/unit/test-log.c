/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "basic/log.h"

static void test_text(_unused_ void **state) {
        char buf[LOG_TEXT_BYTES], longest[400];

        assert_string_equal(log_text(buf, SPAN_NONE), "");
        assert_string_equal(log_text(buf, SPAN_LITERAL("plain 'text' ~")), "plain 'text' ~");
        assert_string_equal(log_text(buf, span_make("a\0b\n\x1b[31m\\\xc3\xa4\x7f", 13)),
                "a\\x00b\\x0a\\x1b[31m\\x5c\\xc3\\xa4\\x7f");
        for (size_t n = 200; n < sizeof(longest); n++) {
                memset(longest, n % 2 ? 'a' : '\n', sizeof(longest));
                (void) log_text(buf, span_make(longest, n));
                assert_true(strlen(buf) < LOG_TEXT_BYTES);
                if (n > LOG_TEXT_BYTES)
                        assert_string_equal(buf + strlen(buf) - 3, "...");
        }
}

/* What one call writes to standard error. */
static void capture(char *buf, size_t size, void (*f)(void)) {
        int fds[2], saved = dup(STDERR_FILENO);
        ssize_t n;

        assert_int_equal(pipe(fds), 0);
        assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
        f();
        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        (void) close(fds[1]);
        (void) close(saved);
        n = read(fds[0], buf, size - 1);
        assert_true(n >= 0);
        buf[n] = 0;
        (void) close(fds[0]);
}

static void write_plain(void) {
        log_warning("a%sb", "\n\x01");
}

static void write_error(void) {
        assert_int_equal(log_errno(LOG_ERR, -ENOENT, "cannot open %s", "x"), -ENOENT);
}

static void write_quiet(void) {
        log_debug("no");
}

static void write_long(void) {
        static char text[5000];

        memset(text, 'x', sizeof(text) - 1);
        (void) log_errno(LOG_ERR, -EIO, "%s", text);
}

/* JOURNAL_STREAM may be an ancestor's, with standard error elsewhere since. */
static void test_journal(_unused_ void **state) {
        char text[64];
        struct stat st;

        (void) unsetenv("JOURNAL_STREAM");
        assert_false(log_is_journal());
        assert_int_equal(setenv("JOURNAL_STREAM", "1:2", true), 0);
        assert_false(log_is_journal());
        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        (void) snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino);
        assert_int_equal(setenv("JOURNAL_STREAM", text, true), 0);
        assert_true(log_is_journal());
        (void) unsetenv("JOURNAL_STREAM");
}

static void test_lines(_unused_ void **state) {
        char buf[8192];

        errno = 77;
        capture(buf, sizeof(buf), write_plain);
        assert_string_equal(buf, "test-log: a??b\n");
        capture(buf, sizeof(buf), write_error);
        assert_string_equal(buf, "test-log: cannot open x: No such file or directory\n");
        capture(buf, sizeof(buf), write_quiet);
        assert_string_equal(buf, "");
        log_set_max_level(LOG_DEBUG);
        capture(buf, sizeof(buf), write_quiet);
        assert_string_equal(buf, "test-log: no\n");
        log_set_max_level(LOG_INFO);
        capture(buf, sizeof(buf), write_long);
        assert_in_range(strlen(buf), 1000, 2048);
        assert_int_equal(buf[strlen(buf) - 1], '\n');
}

/* Whoever reads the log of the daemon stands still: it does not. */
static void test_full_pipe(_unused_ void **state) {
        static char bytes[1 << 20];
        int fds[2], saved = dup(STDERR_FILENO), flags;
        char buf[200] = {0};
        ssize_t full;

        assert_int_equal(pipe(fds), 0);
        flags = fcntl(fds[1], F_GETFL);
        assert_int_equal(fcntl(fds[1], F_SETFL, flags | O_NONBLOCK), 0);
        full = write(fds[1], bytes, sizeof(bytes));
        assert_true(full > 0);
        assert_int_equal(fcntl(fds[1], F_SETFL, flags), 0);
        assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
        log_set_never_waits();
        for (int i = 0; i < 3; i++)
                log_warning("nobody reads this");
        while (full > 0)
                full -= read(fds[0], bytes, (size_t) full);
        log_warning("one");
        log_warning("two");
        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        (void) close(saved);
        (void) close(fds[1]);
        assert_true(read(fds[0], buf, sizeof(buf) - 1) > 0);
        (void) close(fds[0]);
        assert_string_equal(buf, "test-log: (3 lines that nobody read are left out) one\ntest-log: two\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_journal),
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_full_pipe),
        };

        (void) unsetenv("JOURNAL_STREAM");
        return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
