/* SPDX-License-Identifier: Apache-2.0 */
/* The state file: cut at each byte, with each bit flipped, no section is ever taken for another or for
 * whole; and whatever else may stand in its place. */
#include "check.h"

#include <sys/socket.h>
#include <sys/un.h>

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

static void on_section(void *userdata, const char *name, Span bytes, const char *damage) {
        Loaded *l = userdata;

        if (damage) {
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

static int load(const char *path, Loaded *l) {
        const char *reason = NULL;
        int r;

        *l = (Loaded){0};
        r = state_file_load(path, on_section, l, &reason);
        if (r < 0)
                assert_non_null(reason);
        return r;
}

static void test_round_trip(_unused_ void **state) {
        Loaded l = {0};
        struct stat st;

        assert_int_equal(load("state", &l), -ENOENT);
        assert_ok(state_file_save("state", sections, ELEMENTSOF(sections)));
        assert_ok(load("state", &l));
        assert_int_equal(l.whole, ELEMENTSOF(sections));
        assert_int_equal(l.damaged + l.wrong, 0);
        assert_int_equal(stat("state", &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_ok(state_file_save("state", sections, 1));
        assert_ok(load("state", &l));
        assert_int_equal(l.whole, 1);
        assert_int_equal(state_file_save("not-there/state", sections, 1), -ENOENT);
}

static void test_damage(_unused_ void **state) {
        _cleanup_free_ char *data = NULL, *copy = NULL;
        unsigned refused = 0, partial = 0, most = 0;
        size_t size;

        assert_ok(state_file_save("state", sections, ELEMENTSOF(sections)));
        assert_ok(read_file("state", 4096, &data, &size));
        copy = malloc(size);
        assert_non_null(copy);
        for (size_t n = 0; n < size; n++) {
                Loaded l = {0};
                int r;

                put_file("cut", data, n);
                r = load("cut", &l);
                assert_true(r == 0 || r == -EBADMSG);
                assert_int_equal(l.wrong, 0);
                /* also one that ends between two sections */
                if (r == 0)
                        assert_int_equal(l.damaged, 1);
                refused += r < 0;
                partial += l.whole > 0;
                most = MAX(most, l.whole);
        }
        assert_int_equal(refused, 18);
        assert_true(partial > 50);
        assert_int_equal(most, ELEMENTSOF(sections));
        for (size_t bit = 0; bit < size * 8; bit++) {
                Loaded l = {0};
                int r;

                memcpy(copy, data, size);
                copy[bit / 8] ^= (char) (1 << bit % 8);
                put_file("flipped", copy, size);
                r = load("flipped", &l);
                assert_true(r == 0 || r == -EBADMSG);
                assert_int_equal(l.wrong, 0);
                if (r == 0)
                        assert_true(l.damaged > 0);
        }
        print_message("# %zu cuts, %zu flipped bits\n", size, size * 8);
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
        assert_ok(load("state", &l));
        assert_int_equal(l.whole, 1);
        assert_int_equal(l.damaged, 1);
}

static void test_other_versions(_unused_ void **state) {
        _cleanup_free_ char *data = NULL;
        size_t size;
        Loaded l;

        put_text("state", "");
        assert_int_equal(load("state", &l), -EBADMSG);
        put_text("state", "authrelay state 1\n");
        assert_int_equal(load("state", &l), -EBADMSG);
        put_text("state", "authrelay state 2\n");
        assert_ok(load("state", &l));
        assert_int_equal(l.whole, 0);
        assert_int_equal(l.damaged, 1);
        put_text("state", "authrelay state 2\n\xff\xff\xff\xff\xff\xff\xff\xff");
        assert_ok(load("state", &l));
        assert_int_equal(l.damaged, 1);
        /* whatever else it may be, the next version's is not ours to read */
        assert_ok(state_file_save("state", sections, ELEMENTSOF(sections)));
        assert_ok(read_file("state", 4096, &data, &size));
        data[strlen("authrelay state ")]++;
        put_file("newer", data, size);
        assert_int_equal(load("newer", &l), -EBADMSG);
        assert_int_equal(l.whole + l.damaged, 0);
        /* something behind the end */
        data[strlen("authrelay state ")]--;
        data[size] = 0;
        put_file("longer", data, size + 1);
        assert_ok(load("longer", &l));
        assert_int_equal(l.whole, ELEMENTSOF(sections));
        assert_int_equal(l.damaged, 1);
}

/* A log's path can be as long as the system lets it. */
static void test_long_names(_unused_ void **state) {
        char name[STATE_FILE_NAME_MAX_BYTES + 1];
        StateSection many[STATE_FILE_SECTIONS_MAX];
        Loaded l;

        memset(name, 'a', sizeof(name) - 1);
        name[sizeof(name) - 1] = 0;
        for (size_t i = 0; i < ELEMENTSOF(many); i++)
                many[i] = (StateSection){name + i, SPAN_NONE};
        assert_ok(state_file_save("state", many, ELEMENTSOF(many)));
        assert_ok(load("state", &l));
        assert_int_equal(l.whole, ELEMENTSOF(many));
        assert_int_equal(l.damaged, 0);
}

static void be_directory(const char *path) {
        assert_int_equal(mkdir(path, 0700), 0);
}

static void be_fifo(const char *path) {
        assert_int_equal(mkfifo(path, 0600), 0);
}

static void be_socket(const char *path) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un sa = {.sun_family = AF_UNIX};

        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
        assert_int_equal(bind(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        assert_int_equal(close(fd), 0);
}

static void be_link(const char *path) {
        assert_ok(state_file_save("elsewhere", sections, ELEMENTSOF(sections)));
        assert_int_equal(symlink("elsewhere", path), 0);
}

static void be_loop(const char *path) {
        assert_int_equal(symlink(path, path), 0);
}

static void be_device(const char *path) {
        assert_int_equal(symlink("/dev/zero", path), 0);
}

static void be_groups(const char *path) {
        assert_ok(state_file_save(path, sections, ELEMENTSOF(sections)));
        assert_int_equal(chmod(path, 0620), 0);
}

static void be_everybodys(const char *path) {
        assert_ok(state_file_save(path, sections, ELEMENTSOF(sections)));
        assert_int_equal(chmod(path, 0602), 0);
}

/* Only root can make one. */
static void be_anothers(const char *path) {
        assert_ok(state_file_save(path, sections, ELEMENTSOF(sections)));
        if (geteuid() == 0)
                assert_int_equal(chown(path, 65534, 65534), 0);
        else
                be_everybodys(path);
}

static void be_huge(const char *path) {
        assert_ok(state_file_save(path, sections, ELEMENTSOF(sections)));
        assert_int_equal(truncate(path, (off_t) STATE_FILE_MAX_BYTES + 1), 0);
}

static void be_zeroes(const char *path) {
        put_text(path, "");
        assert_int_equal(truncate(path, 1024 * 1024 * 1024), 0);
}

/* What may stand in the file's place: nothing of it is taken, nobody waits, and it can be replaced unless it
 * is a directory. */
static void test_places(_unused_ void **state) {
        static const struct {
                void (*make)(const char *path);
                int error;
                const char *reason;
        } cases[] = {
                {be_directory, -EINVAL, "it is no regular file"},
                {be_fifo, -EINVAL, "it is no regular file"},
                {be_socket, -ENXIO, "No such device or address"},
                {be_link, -ELOOP, "it is a symbolic link"},
                {be_loop, -ELOOP, "it is a symbolic link"},
                {be_device, -ELOOP, "it is a symbolic link"},
                {be_groups, -EPERM, "others may write to it"},
                {be_everybodys, -EPERM, "others may write to it"},
                {be_anothers, -EPERM, NULL},
                {be_huge, -EFBIG, "it is larger than 1 GiB"},
                {be_zeroes, -EBADMSG, "it is not a saved state of this version"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *reason = NULL;
                Loaded l = {0};
                int r;

                cases[i].make("state");
                assert_int_equal(state_file_load("state", on_section, &l, &reason), cases[i].error);
                assert_int_equal(l.whole + l.damaged, 0);
                if (cases[i].reason)
                        assert_string_equal(reason, cases[i].reason);
                r = state_file_save("state", sections, ELEMENTSOF(sections));
                if (cases[i].make == be_directory) {
                        assert_true(r < 0);
                        assert_int_equal(rmdir("state"), 0);
                        continue;
                }
                assert_ok(r);
                assert_ok(load("state", &l));
                assert_int_equal(l.whole, ELEMENTSOF(sections));
                assert_int_equal(unlink("state"), 0);
        }
}

/* A second name, as a backup of hard links has it, is no damage, and keeps what it had. */
static void test_hard_link(_unused_ void **state) {
        Loaded l;

        assert_ok(state_file_save("state", sections, ELEMENTSOF(sections)));
        assert_int_equal(link("state", "backup"), 0);
        assert_ok(load("state", &l));
        assert_int_equal(l.whole, ELEMENTSOF(sections));
        assert_ok(state_file_save("state", sections, 1));
        assert_ok(load("backup", &l));
        assert_int_equal(l.whole, ELEMENTSOF(sections));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_round_trip),
                in_directory(test_damage),
                in_directory(test_names),
                in_directory(test_other_versions),
                in_directory(test_long_names),
                in_directory(test_places),
                in_directory(test_hard_link),
        };

        return cmocka_run_group_tests_name("state-file", tests, NULL, NULL);
}
