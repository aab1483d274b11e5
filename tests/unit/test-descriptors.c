/* SPDX-License-Identifier: Apache-2.0 */
/* The test is what systemd would have started: the descriptors from 3 on are its own to make. */
#include "daemon/descriptors.h"
#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/unix-socket.h"

#define FIRST 3

static void pass(int number, int fd) {
        assert_true(fd >= 0);
        assert_int_equal(dup2(fd, number), number);
        if (fd != number)
                (void) close(fd);
}

static void pass_listening(int number, int type) {
        char path[32];

        (void) snprintf(path, sizeof(path), "socket%d", number);
        pass(number, unix_socket_open(path, type, 0600));
}

static void receive(int n, const char *names, Descriptors *ret) {
        char text[16];

        (void) snprintf(text, sizeof(text), "%d", (int) getpid());
        (void) setenv("LISTEN_PID", text, true);
        (void) snprintf(text, sizeof(text), "%d", n);
        (void) setenv("LISTEN_FDS", text, true);
        if (names)
                (void) setenv("LISTEN_FDNAMES", names, true);
        assert_ok(descriptors_receive(ret));
}

/* Whoever may look up an address is not obeyed because of a line that is missing in a unit. */
static void test_only_the_control_socket_is_obeyed(void **state) {
        _cleanup_(descriptors_done) Descriptors d = {0};

        (void) state;
        for (int i = 0; i < 5; i++)
                pass_listening(FIRST + i, SOCK_STREAM);
        receive(5, "authrelay-lookup-out.socket:lookup:authrelay.socket:stored:control", &d);
        assert_int_equal(d.n, 3);
        assert_int_equal(fcntl(FIRST, F_GETFD), -1); /* closed */
        assert_int_equal(descriptors_take(&d, DESCRIPTOR_CONTROL), FIRST + 2);
        assert_int_equal(descriptors_take(&d, DESCRIPTOR_LOOKUP), FIRST + 1);
        assert_int_equal(descriptors_take(&d, DESCRIPTOR_LOOKUP), -1);
        assert_int_equal(descriptors_take(&d, DESCRIPTOR_CONTROL), FIRST + 4);
        assert_int_equal(descriptors_take(&d, DESCRIPTOR_CONTROL), -1);
        for (int i = 0; i < 5; i++)
                (void) close(FIRST + i);
}

static void test_without_names(void **state) {
        _cleanup_(descriptors_done) Descriptors d = {0};

        (void) state;
        pass_listening(FIRST, SOCK_STREAM);
        (void) unsetenv("LISTEN_FDNAMES");
        receive(1, NULL, &d);
        assert_int_equal(descriptors_take(&d, DESCRIPTOR_CONTROL), FIRST);
        assert_int_equal(close(FIRST), 0);
}

static void test_kinds(void **state) {
        _cleanup_(descriptors_done) Descriptors d = {0};
        int pair[2];

        (void) state;
        pass_listening(FIRST, SOCK_SEQPACKET);
        pass_listening(FIRST + 1, SOCK_DGRAM);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        pass(FIRST + 2, fcntl(pair[0], F_DUPFD_CLOEXEC, 20));
        assert_int_equal(mkfifo("fifo", 0600), 0);
        pass(FIRST + 3, open("fifo", O_RDWR | O_CLOEXEC));
        pass(FIRST + 4, open("/dev/null", O_RDONLY | O_CLOEXEC));
        receive(5, "authrelay-login.socket:authrelay-syslog.socket:login-connection:fifo:lookup", &d);
        assert_int_equal(d.n, 4); /* a name alone makes nothing of anything */
        assert_int_equal(descriptors_take(&d, DESCRIPTOR_LOGIN), FIRST);
        assert_int_equal(descriptors_take(&d, DESCRIPTOR_SYSLOG), FIRST + 1);
        assert_int_equal(descriptors_take(&d, DESCRIPTOR_LOGIN_CONNECTION), FIRST + 2);
        assert_true(descriptors_close_stored(&d));
        assert_int_equal(fcntl(FIRST + 3, F_GETFD), -1);
        for (int i = 0; i < 3; i++)
                (void) close(FIRST + i);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_only_the_control_socket_is_obeyed),
                in_directory(test_without_names),
                in_directory(test_kinds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
