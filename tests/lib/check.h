/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* cmocka and the few helpers that tests share. Each test gets its own empty directory. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/span.h"

#define assert_ok(e)                                                                                        \
        do {                                                                                                \
                int _r = (e);                                                                               \
                if (_r < 0)                                                                                 \
                        fail_msg("%s: %s", #e, strerror(-_r));                                              \
        } while (0)

static inline int remove_one(
        const char *path, _unused_ const struct stat *st, _unused_ int type, _unused_ struct FTW *ftw) {
        return remove(path);
}

/* Where directories of tests are made: in memory where that will do, since a disk that others write to as
 * well takes seconds for each fsync(2). */
static inline const char *directories(void) {
        const char *said = getenv("TMPDIR");
        struct statvfs fs;

        if (said)
                return said;
        if (access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &fs) == 0 && !(fs.f_flag & ST_NOEXEC) &&
                (uint64_t) fs.f_bavail * fs.f_frsize >= 512 * 1024 * 1024)
                return "/dev/shm";
        return "/tmp";
}

/* Set-up: makes a directory, which is *state, a string, and the working directory. */
static inline int enter_directory(void **state) {
        char *path = NULL;

        if (asprintf(&path, "%s/authrelay-test-XXXXXX", directories()) < 0 || !mkdtemp(path))
                return -1;
        *state = path;
        return chdir(path);
}

static inline int leave_directory(void **state) {
        int r;

        (void) !chdir("/");
        r = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
        free(*state);
        return r;
}

#define in_directory(f) cmocka_unit_test_setup_teardown(f, enter_directory, leave_directory)

/* How often something is repeated that is tried at random: ten times as often in the long runs. */
#define MORE(n) (getenv("AUTHRELAY_LONG") ? 10 * (n) : (n))

static inline void put_file(const char *path, const void *data, size_t size) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_ok(write_all(fd, data, size));
        assert_int_equal(close(fd), 0);
}

static inline void put_text(const char *path, const char *text) {
        put_file(path, text, strlen(text));
}

/* A generator whose numbers are the same on every machine (xorshift64*). */
static inline uint64_t next_random(uint64_t *seed) {
        *seed ^= *seed >> 12;
        *seed ^= *seed << 25;
        *seed ^= *seed >> 27;
        return *seed * UINT64_C(2685821657736338717);
}
