/* SPDX-License-Identifier: Apache-2.0 */
/* A mapped file that is cut short reads as zeros from then on, and that is told once. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "source/bus-guard.h"

#define PAGES 4

static volatile const char *map_file(size_t page, int *ret_fd) {
        _cleanup_free_ char *text = malloc(PAGES * page);
        void *map;
        int fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600);

        assert_true(fd >= 0);
        assert_non_null(text);
        memset(text, 'x', PAGES * page);
        assert_int_equal(write(fd, text, PAGES * page), PAGES * page);
        map = mmap(NULL, PAGES * page, PROT_READ, MAP_SHARED, fd, 0);
        assert_true(map != MAP_FAILED);
        *ret_fd = fd;
        return map;
}

static void test_cut_file(_unused_ void **state) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE);
        volatile const char *map;
        int fd;

        bus_guard_install();
        map = map_file(page, &fd);
        assert_int_equal(map[3 * page + 7], 'x');
        assert_false(bus_guard_has_happened());
        assert_int_equal(ftruncate(fd, (off_t) page), 0);
        assert_int_equal(map[3 * page + 7], 0);
        assert_true(bus_guard_has_happened());
        assert_int_equal(map[page], 0);
        assert_true(bus_guard_take());
        assert_false(bus_guard_take());
        assert_false(bus_guard_has_happened());
        /* pages that are there are left alone, and those replaced are read again without a word */
        assert_int_equal(map[0], 'x');
        assert_int_equal(map[3 * page], 0);
        assert_false(bus_guard_take());
        assert_int_equal(munmap((void *) (uintptr_t) map, PAGES * page), 0);
        (void) close(fd);
}

/* Somebody sent it: that is no fault of a file. */
static void test_other_kind(_unused_ void **state) {
        pid_t child;
        int status;

        bus_guard_install();
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void) raise(SIGBUS);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_cut_file),
                cmocka_unit_test(test_other_kind),
        };

        return cmocka_run_group_tests_name("bus-guard", tests, NULL, NULL);
}
