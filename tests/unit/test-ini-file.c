/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "basic/ini-file.h"

/* What was delivered, one line each. */
typedef struct Seen {
        char text[4096];
        const char *refuse; /* the key at which the handler fails */
} Seen;

static int see(void *userdata, const IniPlace *place, const char *section, const char *key, const char *value,
        IniError *error) {
        Seen *seen = userdata;
        size_t n = strlen(seen->text);

        if (key && seen->refuse && streq(key, seen->refuse))
                return ini_error_set(error, place, -EDOM, "not %s", value);
        if (key)
                (void) snprintf(seen->text + n, sizeof(seen->text) - n, "%u [%s] %s=%s|\n", place->line, section, key, value);
        else
                (void) snprintf(seen->text + n, sizeof(seen->text) - n, "%u [%s]\n", place->line, section);
        return 0;
}

static void test_delivery(_unused_ void **state) {
        Seen seen = {0};
        IniError error = {""};

        put_text("a.conf", "# comment\n; too = no\n\n[One]\n Key = a ; b # c \\\nKey=\r\nx==y=\n[Two]\n[One]\nLast=\xc3\xa4");
        assert_ok(ini_file_parse("a.conf", see, &seen, &error));
        assert_string_equal(seen.text, "4 [One]\n5 [One] Key=a ; b # c \\|\n6 [One] Key=|\n7 [One] x==y=|\n"
                                       "8 [Two]\n9 [One]\n10 [One] Last=\xc3\xa4|\n");
        assert_string_equal(error.text, "");
}

static void expect_error(const char *path, const char *data, size_t size, int r, const char *text) {
        Seen seen = {.refuse = "bad"};
        IniError error = {""};

        if (data)
                put_file(path, data, size);
        assert_int_equal(ini_file_parse(path, see, &seen, &error), r);
        assert_string_equal(error.text, text);
}

static void test_errors(_unused_ void **state) {
        static char big[INI_FILE_MAX_BYTES + 2], long_line[INI_FILE_LINE_MAX_BYTES + 10];
        char text[200];

        expect_error("e.conf", "[A\n", 3, -EBADMSG, "e.conf:1: a section's head must look like [Name]");
        expect_error("e.conf", "[]\n", 3, -EBADMSG, "e.conf:1: a section's head must look like [Name]");
        expect_error("e.conf", "\nk=v\n", 5, -EBADMSG, "e.conf:2: an assignment before the first [Section]");
        expect_error("e.conf", "[A]\nword\n", 9, -EBADMSG, "e.conf:2: neither [Section], Key=value nor a comment");
        expect_error("e.conf", "[A]\n =v\n", 8, -EBADMSG, "e.conf:2: no key before '='");
        expect_error("e.conf", "[A]\nk=\0v\n", 9, -EBADMSG, "e.conf:2: a NUL byte in the line");
        expect_error("e.conf", "[A]\nbad=this\n", 13, -EDOM, "e.conf:2: not this");
        expect_error("none.conf", NULL, 0, -ENOENT, "none.conf: cannot be read: No such file or directory");
        memset(long_line, 'a', sizeof(long_line));
        (void) snprintf(text, sizeof(text), "e.conf:1: line longer than %zu bytes", INI_FILE_LINE_MAX_BYTES);
        expect_error("e.conf", long_line, sizeof(long_line), -EBADMSG, text);
        memset(big, '\n', sizeof(big));
        expect_error("e.conf", big, sizeof(big), -EFBIG, "e.conf: cannot be read: File too large");
}

static void test_drop_ins(_unused_ void **state) {
        Seen seen = {0};
        IniError error = {""};

        assert_ok(ini_file_parse_directory("d", see, &seen, &error));
        assert_int_equal(mkdir("d", 0755), 0);
        put_text("d/20.conf", "[B]\n");
        put_text("d/10.conf", "[A]\n");
        put_text("d/.hidden.conf", "nonsense");
        put_text("d/readme", "nonsense");
        put_text("d/.conf", "nonsense");
        assert_ok(ini_file_parse_directory("d", see, &seen, &error));
        assert_string_equal(seen.text, "1 [A]\n1 [B]\n");
        put_text("d/15.conf", "nonsense");
        assert_int_equal(ini_file_parse_directory("d", see, &seen, &error), -EBADMSG);
        assert_string_equal(error.text, "d/15.conf:1: neither [Section], Key=value nor a comment");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_delivery),
                in_directory(test_errors),
                in_directory(test_drop_ins),
        };

        return cmocka_run_group_tests_name("ini-file", tests, NULL, NULL);
}
