/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "basic/unix-socket.h"

#include <sys/socket.h>
#include <sys/un.h>

static void expect_mode(const char *path, mode_t mode) {
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISSOCK(st.st_mode));
        assert_int_equal(st.st_mode & 0777, mode);
}

static void test_each_type(_unused_ void **state) {
        static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                int fd = unix_socket_open("socket", types[i], 0660), again, credentials = -1;
                socklen_t size = sizeof(credentials);

                assert_true(fd >= 0);
                assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PASSCRED, &credentials, &size), 0);
                assert_int_equal(credentials, types[i] != SOCK_STREAM);
                assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
                assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
                expect_mode("socket", 0660);
                assert_int_equal(unix_socket_open("socket", types[i], 0600), -EADDRINUSE);
                close(fd);
                /* left behind */
                again = unix_socket_open("socket", types[i], 0600);
                assert_true(again >= 0);
                expect_mode("socket", 0600);
                close(again);
                assert_int_equal(unlink("socket"), 0);
        }
}

/* The umask neither opens nor closes it. */
static void test_umask(_unused_ void **state) {
        mode_t old = umask(0777);
        int fd = unix_socket_open("socket", SOCK_STREAM, 0660);

        (void) umask(old);
        assert_true(fd >= 0);
        expect_mode("socket", 0660);
        close(fd);
}

/* Nothing but a socket is removed, and only one of the same type. */
static void test_what_is_there(_unused_ void **state) {
        int fd;

        put_text("file", "precious");
        assert_int_equal(unix_socket_open("file", SOCK_STREAM, 0660), -EADDRINUSE);
        assert_int_equal(access("file", F_OK), 0);
        fd = unix_socket_open("datagram", SOCK_DGRAM, 0600);
        assert_true(fd >= 0);
        assert_int_equal(unix_socket_open("datagram", SOCK_STREAM, 0660), -EADDRINUSE);
        close(fd);
        assert_int_equal(unix_socket_open("no/such/directory", SOCK_STREAM, 0660), -ENOENT);
}

static void test_long_path(_unused_ void **state) {
        char path[sizeof(((struct sockaddr_un *) NULL)->sun_path) + 1];

        memset(path, 'x', sizeof(path) - 1);
        path[sizeof(path) - 1] = 0;
        assert_int_equal(unix_socket_open(path, SOCK_STREAM, 0660), -ENAMETOOLONG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_each_type),
                in_directory(test_umask),
                in_directory(test_what_is_there),
                in_directory(test_long_path),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
