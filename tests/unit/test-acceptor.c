/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/time-util.h"
#include "basic/unix-socket.h"
#include "loop/acceptor.h"
#include "loop/turn.h"

static unsigned accepted;
static int to_give = -1;

static void on_accepted(void *userdata, int fd) {
        assert_ptr_equal(userdata, &accepted);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        accepted++;
        close_fd(fd);
}

static bool on_no_room(_unused_ void *userdata) {
        bool has = to_give >= 0;

        to_give = close_fd(to_give);
        return has;
}

static int dial(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

static void turn(sd_event *event, usec_t usec, unsigned wanted) {
        assert_true(sd_event_run(event, usec) >= 0);
        assert_int_equal(accepted, wanted);
}

static void start(sd_event **event, Acceptor **a) {
        AcceptorSettings settings = {.type = SOCK_SEQPACKET,
                .batch = 2,
                .max_sockets = 1,
                .accepted = on_accepted,
                .make_room = on_no_room,
                .userdata = &accepted};

        accepted = 0;
        assert_true(sd_event_new(event) >= 0);
        assert_ok(acceptor_new(*event, &settings, a));
}

static void test_sockets(_unused_ void **state) {
        sd_event *event;
        Acceptor *a;

        start(&event, &a);
        assert_int_equal(acceptor_listen(a, open("/dev/null", O_RDONLY | O_CLOEXEC)), -ENOTSOCK);
        assert_int_equal(acceptor_listen(a, unix_socket_open("stream", SOCK_STREAM, 0600)), -ENOTSOCK);
        assert_int_equal(acceptor_listen(a, socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)), -ENOTSOCK);
        assert_int_equal(acceptor_sockets(a), 0);
        assert_ok(acceptor_listen(a, unix_socket_open("socket", SOCK_SEQPACKET, 0600)));
        assert_int_equal(acceptor_sockets(a), 1);
        assert_int_equal(acceptor_listen(a, unix_socket_open("more", SOCK_SEQPACKET, 0600)), -E2BIG);
        assert_null(acceptor_free(a));
        sd_event_unref(event);
}

static void test_batch(_unused_ void **state) {
        sd_event *event;
        Acceptor *a;
        int fds[3];

        start(&event, &a);
        assert_ok(acceptor_listen(a, unix_socket_open("socket", SOCK_SEQPACKET, 0600)));
        turn(event, 0, 0);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = dial();
        turn(event, 0, 2);
        turn(event, 0, 3);
        turn(event, 0, 3);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
        acceptor_free(a);
        sd_event_unref(event);
}

static int on_other(sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *userdata) {
        (*(unsigned *) userdata)++;
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Whoever connects without end does not keep the logs from being read. */
static void test_in_turn(_unused_ void **state) {
        sd_event_source *other;
        unsigned others = 0;
        sd_event *event;
        Acceptor *a;
        int fds[20];

        start(&event, &a);
        assert_ok(turn_new(event, on_other, &others, &other));
        assert_ok(acceptor_listen(a, unix_socket_open("socket", SOCK_SEQPACKET, 0600)));
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = dial();
        while (accepted < ELEMENTSOF(fds))
                assert_true(sd_event_run(event, 30 * USEC_PER_SEC) > 0);
        assert_true(others >= ELEMENTSOF(fds) / 2 - 1);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
        acceptor_free(a);
        sd_event_source_disable_unref(other);
        sd_event_unref(event);
}

/* With none to give back, the loop does not spin on the waiting connection; after a second it is looked at.
 */
static void test_no_descriptors(_unused_ void **state) {
        struct rlimit limit, none;
        sd_event *event;
        usec_t paused;
        Acceptor *a;
        int fds[2];

        /* valgrind accepts the connection, and closes it, before it says EMFILE */
        if (getenv("AUTHRELAY_SLOW"))
                return;
        start(&event, &a);
        assert_ok(acceptor_listen(a, unix_socket_open("socket", SOCK_SEQPACKET, 0600)));
        to_give = open("/dev/null", O_RDONLY | O_CLOEXEC);
        fds[0] = dial();
        fds[1] = dial();
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        none = (struct rlimit){(rlim_t) to_give, limit.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        turn(event, 0, 0); /* nothing below the limit is free, but one was given back */
        assert_int_equal(to_give, -1);
        paused = time_monotonic();
        turn(event, 0, 0);                   /* and now there is none to give */
        turn(event, 200 * USEC_PER_MSEC, 0); /* nobody is accepted */
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        while (accepted == 0) /* whatever wakes it meanwhile, and however slow the machine is */
                assert_true(sd_event_run(event, 5 * USEC_PER_SEC) > 0);
        assert_int_equal(accepted, 2);
        assert_true(time_monotonic() - paused >= USEC_PER_SEC / 2);
        close(fds[0]);
        close(fds[1]);
        acceptor_free(a);
        sd_event_unref(event);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_sockets),
                in_directory(test_batch),
                in_directory(test_in_turn),
                in_directory(test_no_descriptors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
