/* SPDX-License-Identifier: Apache-2.0 */
/* The state file: cut at each byte, with each bit flipped, no section is ever taken for another or for
 * whole. */
#include "check.h"

#include "state/state-file.h"

static const StateSection sections[] = {
        {"grants", {"the bytes\0of the grants", 23}},
        {"empty", {NULL, 0}},
        {"source:/var/log/mail.log", {"position", 8}},
};

typedef struct Loaded {
        unsigned whole, damaged, wrong;
        bool seen[ELEMENTSOF(sections)];
} Loaded;

static void on_section(void *userdata, const char *name, Span bytes, bool damaged) {
        Loaded *l = userdata;

        if (damaged) {
                assert_int_equal(bytes.size, 0);
                l->damaged++;
                return;
        }
        l->whole++;
        for (size_t i = 0; i < ELEMENTSOF(sections); i++)
                if (streq(name, sections[i].name) && span_equal(bytes, sections[i].bytes)) {
                        assert_false(l->seen[i]);
                        l->seen[i] = true;
                        return;
                }
        l->wrong++;
}

static void test_round_trip(_unused_ void **state) {
        Loaded l = {0};
        struct stat st;

        assert_int_equal(state_file_load("state", on_section, &l), -ENOENT);
        assert_ok(state_file_save("state", sections, ELEMENTSOF(sections)));
        assert_ok(state_file_load("state", on_section, &l));
        assert_int_equal(l.whole, ELEMENTSOF(sections));
        assert_int_equal(l.damaged + l.wrong, 0);
        assert_int_equal(stat("state", &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_ok(state_file_save("state", sections, 1));
        l = (Loaded){0};
        assert_ok(state_file_load("state", on_section, &l));
        assert_int_equal(l.whole, 1);
        assert_int_equal(state_file_save("not-there/state", sections, 1), -ENOENT);
}

static void test_damage(_unused_ void **state) {
        _cleanup_free_ char *data = NULL, *copy = NULL;
        unsigned refused = 0, partial = 0;
        size_t size;

        assert_ok(state_file_save("state", sections, ELEMENTSOF(sections)));
        assert_ok(read_file("state", 4096, &data, &size));
        copy = malloc(size);
        assert_non_null(copy);
        for (size_t n = 0; n < size; n++) {
                Loaded l = {0};
                int r;

                put_file("cut", data, n);
                r = state_file_load("cut", on_section, &l);
                assert_true(r == 0 || r == -EBADMSG);
                assert_int_equal(l.wrong, 0);
                assert_true(l.whole < ELEMENTSOF(sections));
                refused += r < 0;
                partial += l.whole > 0;
        }
        assert_int_equal(refused, 18);
        assert_true(partial > 50);
        for (size_t bit = 0; bit < size * 8; bit++) {
                Loaded l = {0};
                int r;

                memcpy(copy, data, size);
                copy[bit / 8] ^= (char) (1 << bit % 8);
                put_file("flipped", copy, size);
                r = state_file_load("flipped", on_section, &l);
                assert_true(r == 0 || r == -EBADMSG);
                assert_int_equal(l.wrong, 0);
                assert_true(l.whole < ELEMENTSOF(sections));
                if (r == 0)
                        assert_true(l.damaged > 0);
        }
}

/* A section under another's name would be decoded as what it is not. */
static void test_names(_unused_ void **state) {
        StateSection swapped[] = {sections[0], sections[2]};
        _cleanup_free_ char *data = NULL;
        Loaded l = {0};
        size_t size;
        char *name;

        swapped[1].name = "others";
        assert_ok(state_file_save("state", swapped, 2));
        assert_ok(read_file("state", 4096, &data, &size));
        name = memmem(data, size, "others", 6);
        assert_non_null(name);
        memcpy(name, "grants", 6);
        put_file("state", data, size);
        assert_ok(state_file_load("state", on_section, &l));
        assert_int_equal(l.whole, 1);
        assert_int_equal(l.damaged, 1);
}

static void test_other_files(_unused_ void **state) {
        Loaded l = {0};

        put_text("state", "");
        assert_int_equal(state_file_load("state", on_section, &l), -EBADMSG);
        put_text("state", "authrelay state 2\n");
        assert_int_equal(state_file_load("state", on_section, &l), -EBADMSG);
        put_text("state", "authrelay state 1\n");
        assert_ok(state_file_load("state", on_section, &l));
        assert_int_equal(l.whole + l.damaged, 0);
        put_text("state", "authrelay state 1\n\xff\xff\xff\xff\xff\xff\xff\xff");
        assert_ok(state_file_load("state", on_section, &l));
        assert_int_equal(l.damaged, 1);
        assert_int_equal(mkdir("directory", 0755), 0);
        assert_true(state_file_load("directory", on_section, &l) < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_round_trip),
                in_directory(test_damage),
                in_directory(test_names),
                in_directory(test_other_files),
        };

        return cmocka_run_group_tests_name("state-file", tests, NULL, NULL);
}
