/* SPDX-License-Identifier: Apache-2.0 */
/* One log file and its position: whatever happens to the file, no line begins where none began. */
#include "check.h"

#include "source/file-tail.h"

static void append(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_ok(write_all(fd, text, strlen(text)));
        assert_int_equal(close(fd), 0);
}

/* As copytruncate does: the same file, emptied, and written to again. */
static void refill(const char *path, const char *text) {
        assert_int_equal(truncate(path, 0), 0);
        append(path, text);
}

static void check_next(FileTail *t, const char *expected) {
        Span line = SPAN_NONE;
        bool cut = true;

        assert_int_equal(file_tail_next(t, &line, &cut), FILE_TAIL_MORE);
        assert_false(cut);
        if (!span_equal_string(line, expected))
                fail_msg("\"%.*s\", not \"%s\"", (int) line.size, line.data, expected);
}

static int next(FileTail *t) {
        Span line;
        bool cut;

        return file_tail_next(t, &line, &cut);
}

static void test_lines(_unused_ void **state) {
        _cleanup_(file_tail_done) FileTail t = FILE_TAIL_INIT;

        put_text("log", "a\nb\npart");
        assert_ok(file_tail_open(&t, "log"));
        check_next(&t, "a");
        check_next(&t, "b");
        assert_int_equal(next(&t), FILE_TAIL_END);
        assert_int_equal(t.position.offset, 4);
        assert_int_equal(next(&t), FILE_TAIL_END);
        append("log", "ial");
        assert_int_equal(next(&t), FILE_TAIL_END);
        append("log", "\n\n");
        check_next(&t, "partial");
        check_next(&t, "");
        assert_int_equal(next(&t), FILE_TAIL_END);
        assert_int_equal(t.position.offset, 13);
        assert_int_equal(t.position.head_size, 13);
        assert_memory_equal(t.position.before, "a\nb\npartial\n\n", 13);
}

static void test_not_a_file(_unused_ void **state) {
        FileTail t;

        assert_int_equal(file_tail_open(&t, "log"), -ENOENT);
        file_tail_done(&t);
        assert_int_equal(mkdir("directory", 0755), 0);
        assert_true(file_tail_open(&t, "directory") < 0);
        file_tail_done(&t);
        assert_int_equal(mkfifo("fifo", 0600), 0);
        assert_int_equal(file_tail_open(&t, "fifo"), -EINVAL);
        file_tail_done(&t);
        assert_int_equal(file_tail_open(&t, "/dev/zero"), -EINVAL);
        file_tail_done(&t);
}

/* Read `first`, put `second` in its place. It must be noticed. */
static void check_replaced(const char *first, const char *second) {
        _cleanup_(file_tail_done) FileTail t = FILE_TAIL_INIT;
        Span line;
        bool cut;

        put_text("log", first);
        assert_ok(file_tail_open(&t, "log"));
        while (next(&t) == FILE_TAIL_MORE)
                ;
        refill("log", second);
        assert_int_equal(next(&t), FILE_TAIL_REPLACED);
        assert_ok(file_tail_rewind(&t));
        for (const char *p = second; strchr(p, '\n'); p = strchr(p, '\n') + 1) {
                assert_int_equal(file_tail_next(&t, &line, &cut), FILE_TAIL_MORE);
                assert_memory_equal(line.data, p, line.size);
        }
        assert_int_equal(next(&t), FILE_TAIL_END);
}

static void test_replaced(_unused_ void **state) {
        char longer[5000];

        check_replaced("first\n", "");
        check_replaced("first\n", "2\n");
        check_replaced("first\n", "other\n");
        check_replaced("first\n", "fIrst\n");
        check_replaced("first\n", "another, and longer than the first\n");
        /* in the middle of what a client chose */
        check_replaced("first\n", "user=Nov 21 01:02:03 mx a: forged\n");
        /* no whole line had been read */
        check_replaced("partial", "");
        check_replaced("partial", "PARTIAL and more\n");
        check_replaced("partial", "another, and longer than the first\n");
        check_replaced("first\npartial", "first\nPARTIAL\n");
        check_replaced("first\npartial", "first\n");
        /* the same beginning, or the same before the position */
        memset(longer, 'x', sizeof(longer) - 2);
        memcpy(longer + sizeof(longer) - 2, "\n", 2);
        for (size_t i = 99; i < sizeof(longer); i += 100)
                longer[i] = '\n';
        longer[sizeof(longer) - 1] = 0;
        longer[sizeof(longer) - 2] = '\n';
        {
                char changed[sizeof(longer)];

                memcpy(changed, longer, sizeof(longer));
                changed[10] = 'y';
                check_replaced(longer, changed);
                changed[10] = 'x';
                changed[sizeof(longer) - 10] = 'y';
                check_replaced(longer, changed);
        }
}

/* Replaced between the reading of a line and the look at where it ended. */
static void test_replaced_while_reading(_unused_ void **state) {
        _cleanup_(file_tail_done) FileTail t = FILE_TAIL_INIT;

        put_text("log", "first\n");
        assert_ok(file_tail_open(&t, "log"));
        check_next(&t, "first");
        refill("log", "a user=Nov 21 01:02:03 mx a: forged\n");
        assert_int_equal(next(&t), FILE_TAIL_REPLACED);
        assert_ok(file_tail_rewind(&t));
        check_next(&t, "a user=Nov 21 01:02:03 mx a: forged");
        refill("log", "b\n");
        assert_int_equal(next(&t), FILE_TAIL_REPLACED);
}

/* With lines of the very same sizes: a position is made of what was read, not of what is there by then. */
static void test_replaced_by_the_same_sizes(_unused_ void **state) {
        _cleanup_(file_tail_done) FileTail t = FILE_TAIL_INIT;

        put_text("log", "1a\n1b\n");
        assert_ok(file_tail_open(&t, "log"));
        check_next(&t, "1a");
        check_next(&t, "1b");
        refill("log", "2a\n2b\n");
        assert_ok(file_tail_sync(&t));
        assert_memory_equal(t.position.before, "1a\n1b\n", 6);
        assert_int_equal(next(&t), FILE_TAIL_REPLACED);
        assert_ok(file_tail_rewind(&t));
        check_next(&t, "2a");
}

/* Half a line is compared to its end: what a client sends may be as long as a name may be. */
static void test_half_line_replaced_late(_unused_ void **state) {
        _cleanup_(file_tail_done) FileTail t = FILE_TAIL_INIT;
        char text[1024];

        memset(text, 'x', 600);
        strcpy(text + 600, "user=<alice>, rip=192.0.2.");
        put_text("log", text);
        assert_ok(file_tail_open(&t, "log"));
        assert_int_equal(next(&t), FILE_TAIL_END);
        strcpy(text + 600, "user=<mallory>, rip=192.0.2.7\n");
        refill("log", text);
        assert_int_equal(next(&t), FILE_TAIL_REPLACED);
}

static void test_long_lines(_unused_ void **state) {
        _cleanup_(file_tail_done) FileTail t = FILE_TAIL_INIT;
        static char xs[300000];
        Span line;
        bool cut;

        memset(xs, 'x', sizeof(xs) - 1);
        put_text("log", "a\n");
        append("log", xs);
        assert_ok(file_tail_open(&t, "log"));
        check_next(&t, "a");
        assert_int_equal(file_tail_next(&t, &line, &cut), FILE_TAIL_MORE);
        assert_true(cut);
        assert_int_equal(next(&t), FILE_TAIL_END);
        /* a position within it would be in the middle of a line */
        assert_int_equal(t.position.offset, 2);
        append("log", "\nb\n");
        check_next(&t, "b");
        assert_int_equal(next(&t), FILE_TAIL_END);
        assert_int_equal(t.position.offset, 2 + sizeof(xs) - 1 + 3);
}

/* Nothing but the beginning of an over-long line was there, and then the file was emptied. */
static void test_long_line_replaced(_unused_ void **state) {
        _cleanup_(file_tail_done) FileTail t = FILE_TAIL_INIT;
        static char xs[300000];
        Span line;
        bool cut;

        memset(xs, 'x', sizeof(xs) - 1);
        put_text("log", xs);
        assert_ok(file_tail_open(&t, "log"));
        assert_int_equal(file_tail_next(&t, &line, &cut), FILE_TAIL_MORE);
        assert_true(cut);
        assert_int_equal(next(&t), FILE_TAIL_END);
        refill("log", "a\n");
        assert_int_equal(next(&t), FILE_TAIL_REPLACED);
        assert_ok(file_tail_rewind(&t));
        check_next(&t, "a");
}

static FilePosition position_after(const char *text) {
        _cleanup_(file_tail_done) FileTail t = FILE_TAIL_INIT;

        put_text("log", text);
        assert_ok(file_tail_open(&t, "log"));
        while (next(&t) == FILE_TAIL_MORE)
                ;
        return t.position;
}

static bool matches(const FilePosition *p) {
        _cleanup_(file_tail_done) FileTail t = FILE_TAIL_INIT;

        return file_tail_open(&t, "log") >= 0 && file_tail_matches(&t, p);
}

static void test_positions(_unused_ void **state) {
        FilePosition p = position_after("first\nsecond\npart"), other;
        _cleanup_(file_tail_done) FileTail t = FILE_TAIL_INIT;

        append("log", "ial\nthird\n");
        assert_true(matches(&p));
        assert_ok(file_tail_open(&t, "log"));
        assert_ok(file_tail_seek(&t, &p));
        check_next(&t, "partial");
        check_next(&t, "third");
        /* another file, other content, nothing to compare */
        other = p;
        other.inode++;
        assert_false(matches(&other));
        other = p;
        other.device++;
        assert_false(matches(&other));
        other = p;
        other.head_size = 0;
        assert_false(matches(&other));
        other = p;
        other.before_size = 0;
        assert_false(matches(&other));
        other = (FilePosition){.device = p.device, .inode = p.inode};
        assert_false(matches(&other));
        refill("log", "first\nsecond\n");
        assert_true(matches(&p));
        refill("log", "first\nsecond");
        assert_false(matches(&p));
        refill("log", "first\nSecond\n");
        assert_false(matches(&p));
        refill("log", "longer and forged: Nov 21 01:02:03 mx a: b\n");
        assert_false(matches(&p));
}

static void test_encoding(_unused_ void **state) {
        FilePosition p = position_after("first\nsecond\n"), back = {0};
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        _cleanup_free_ char *copy = NULL;
        ByteReader r;

        file_position_encode(&p, &w);
        assert_false(w.failed);
        r = BYTE_READER(span_make(w.data, w.size));
        assert_true(file_position_decode(&back, &r));
        assert_true(byte_reader_complete(&r));
        assert_memory_equal(&back, &p, sizeof(p));
        assert_true(matches(&back));
        copy = malloc(w.size);
        assert_non_null(copy);
        for (size_t n = 0; n < w.size; n++) {
                memcpy(copy, w.data, n);
                r = BYTE_READER(span_make(copy, n));
                assert_false(file_position_decode(&back, &r));
        }
        for (size_t bit = 0; bit < w.size * 8; bit++) {
                memcpy(copy, w.data, w.size);
                copy[bit / 8] ^= (char) (1 << bit % 8);
                r = BYTE_READER(span_make(copy, w.size));
                if (!file_position_decode(&back, &r) || !byte_reader_complete(&r))
                        continue;
                /* all but the time of writing must be what it was */
                if (back.modified == p.modified)
                        assert_false(matches(&back));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_lines),
                in_directory(test_not_a_file),
                in_directory(test_replaced),
                in_directory(test_replaced_while_reading),
                in_directory(test_replaced_by_the_same_sizes),
                in_directory(test_half_line_replaced_late),
                in_directory(test_long_lines),
                in_directory(test_long_line_replaced),
                in_directory(test_positions),
                in_directory(test_encoding),
        };

        return cmocka_run_group_tests_name("file-tail", tests, NULL, NULL);
}
