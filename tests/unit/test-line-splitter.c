/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes to lines, in pieces of any size: the lines are the same, and no part of an over-long one is one. */
#include "check.h"

#include "source/line-splitter.h"

#define SIZE (2 * LINE_MAX_BYTES)

typedef struct Lines {
        char text[100000];
        size_t n, lines, cut;
} Lines;

static void drain(LineSplitter *s, Lines *l) {
        Span line;
        bool cut;

        while (line_splitter_next(s, &line, &cut)) {
                assert_true(line.size <= LINE_MAX_BYTES);
                assert_null(memchr(line.data, '\n', line.size));
                if (cut) {
                        l->cut++;
                        continue;
                }
                memcpy(l->text + l->n, line.data, line.size);
                l->n += line.size;
                l->text[l->n++] = '|';
                l->lines++;
        }
}

static void feed(LineSplitter *s, Lines *l, const char *data, size_t size, size_t piece) {
        while (size > 0) {
                size_t room, n;
                char *space = line_splitter_space(s, &room);

                assert_true(room > 0);
                n = MIN(MIN(piece, room), size);
                memcpy(space, data, n);
                line_splitter_fill(s, n);
                data += n;
                size -= n;
                drain(s, l);
        }
}

static void check_lines(const char *data, size_t size, const char *expected, size_t cut, size_t whole) {
        static const size_t pieces[] = {1, 2, 3, 7, 100, 4096, 8191, 8192, 8193, 100000};

        for (size_t i = 0; i < ELEMENTSOF(pieces); i++) {
                _cleanup_(line_splitter_done) LineSplitter s;
                Lines l = {.n = 0};

                assert_ok(line_splitter_init(&s, SIZE));
                feed(&s, &l, data, size, pieces[i]);
                assert_int_equal(l.n, strlen(expected));
                assert_memory_equal(l.text, expected, l.n);
                assert_int_equal(l.cut, cut);
                assert_int_equal(s.taken, whole);
        }
}

static void test_lines(_unused_ void **state) {
        check_lines("", 0, "", 0, 0);
        check_lines("a", 1, "", 0, 0);
        check_lines("a\n", 2, "a|", 0, 2);
        check_lines("\n\na\n\nb", 6, "||a||", 0, 5);
        check_lines("a\r\nb\r\r\n\r\nc\rd\n", 13, "a|b\r||c\rd|", 0, 13);
}

/* A line of `size` bytes between two short ones. */
static void check_long(size_t size, bool cut) {
        _cleanup_free_ char *data = malloc(size + 100), *expected = malloc(size + 100);

        assert_true(data && expected);
        memcpy(data, "before\n", 7);
        memset(data + 7, 'x', size);
        /* what is behind the bound looks like a line's beginning */
        if (size > LINE_MAX_BYTES + 20)
                memcpy(data + 7 + LINE_MAX_BYTES, "Nov 21 01:02:03 mx", 18);
        memcpy(data + 7 + size, "\nafter\n", 7);
        (void) sprintf(expected, "before|%.*s%safter|", (int) (cut ? 0 : size), data + 7, cut ? "" : "|");
        check_lines(data, size + 14, expected, cut, size + 14);
}

static void test_long_lines(_unused_ void **state) {
        check_long(LINE_MAX_BYTES - 1, false);
        check_long(LINE_MAX_BYTES, false);
        check_long(LINE_MAX_BYTES + 1, true);
        check_long(LINE_MAX_BYTES + 30, true);
        check_long(2 * LINE_MAX_BYTES - 1, true);
        check_long(2 * LINE_MAX_BYTES, true);
        check_long(3 * LINE_MAX_BYTES, true);
        check_long(10 * LINE_MAX_BYTES + 17, true);
}

/* Within an over-long line nothing counts as taken: a position there is in the middle of a line. */
static void test_taken(_unused_ void **state) {
        _cleanup_(line_splitter_done) LineSplitter s;
        static char xs[3 * LINE_MAX_BYTES];
        Lines l = {.n = 0};

        memset(xs, 'x', sizeof(xs));
        assert_ok(line_splitter_init(&s, SIZE));
        feed(&s, &l, "a\n", 2, 10);
        assert_int_equal(s.taken, 2);
        feed(&s, &l, xs, sizeof(xs), 5000);
        assert_int_equal(s.taken, 2);
        assert_int_equal(l.cut, 1);
        feed(&s, &l, "y\nb\n", 4, 10);
        assert_int_equal(s.taken, 2 + sizeof(xs) + 4);
        assert_int_equal(l.lines, 2);
        feed(&s, &l, xs, sizeof(xs), 5000);
        line_splitter_reset(&s);
        feed(&s, &l, "c\n", 2, 10);
        assert_int_equal(s.taken, 2);
        assert_int_equal(l.lines, 3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_long_lines),
                cmocka_unit_test(test_taken),
        };

        return cmocka_run_group_tests_name("line-splitter", tests, NULL, NULL);
}
