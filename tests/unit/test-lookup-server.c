/* SPDX-License-Identifier: Apache-2.0 */
/* The look-up server in a process of its own, and clients that behave or do not. */
#include "check.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "basic/time-util.h"
#include "basic/unix-socket.h"
#include "control/lookup-server.h"
#include "control/socketmap.h"
#include "loop/turn.h"

/* ---- a server that lets 192.0.2.7 relay, and counts troubles in a file ---- */

/* Ten seconds would test nothing else. */
#define PATIENCE_USEC (2 * USEC_PER_SEC)

static bool on_allows(void *userdata _unused_, const IpAddr *address, Span *ret_user) {
        static const uint8_t granted[4] = {192, 0, 2, 7};

        *ret_user = SPAN_LITERAL("al ice");
        return ip_addr_is_v4(address) && memcmp(address->bytes + 12, granted, 4) == 0;
}

static void on_trouble(void *userdata _unused_, LookupTrouble trouble, uid_t uid) {
        int fd = open("troubles", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        char letter = (char) (uid == getuid() ? 'A' + (int) trouble : '?');

        (void) !write(fd, &letter, 1);
        close_fd(fd);
}

/* It goes when the server does. */
static int on_fork(_unused_ sd_event_source *source, _unused_ const struct signalfd_siginfo *si,
        _unused_ void *userdata) {
        pid_t child = fork();

        if (child == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) pause();
                _exit(0);
        }
        put_text("forked", "");
        return child < 0 ? -errno : 0;
}

static const LookupHandlers handlers = {on_allows, on_trouble, PATIENCE_USEC};

static _noreturn_ void serve(rlim_t descriptors) {
        struct rlimit limit = {descriptors, descriptors};
        LookupServer *s;
        sd_event *event;
        sigset_t forks;
        int fd = unix_socket_open("lookup", SOCK_STREAM, 0660);

        (void) sigemptyset(&forks);
        (void) sigaddset(&forks, SIGUSR1);

        /* a test that has failed does not stop it */
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) alarm(300);
        (void) sigprocmask(SIG_BLOCK, &forks, NULL);
        if (fd < 0 || sd_event_new(&event) < 0 ||
                sd_event_add_signal(event, NULL, SIGUSR1, on_fork, NULL) < 0 ||
                lookup_server_new(event, &handlers, NULL, &s) < 0 || lookup_server_listen(s, fd) < 0)
                _exit(1);
        (void) setrlimit(RLIMIT_NOFILE, &limit);
        put_text("ready", "");
        (void) sd_event_loop(event);
        _exit(0);
}

static pid_t start(rlim_t descriptors) {
        struct rlimit limit = {8192, 8192};
        pid_t pid = fork();

        (void) setrlimit(RLIMIT_NOFILE, &limit);
        assert_true(pid >= 0);
        if (pid == 0)
                serve(descriptors);
        for (unsigned i = 0; i < 1000 && access("ready", F_OK) < 0; i++)
                (void) usleep(10000);
        return pid;
}

static void stop(pid_t pid) {
        int status;

        (void) kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        /* it was still there to be killed */
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static int dial(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "lookup"};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return fd;
}

/* Reads until there are `size` bytes, the end, or nothing for a while. */
static size_t receive(int fd, char *buf, size_t size, int timeout_msec) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        size_t n = 0;

        while (n < size && poll(&p, 1, timeout_msec) > 0) {
                ssize_t k = read(fd, buf + n, size - n);

                if (k <= 0)
                        break;
                n += (size_t) k;
        }
        return n;
}

static void ask(int fd, const char *request, const char *expected) {
        char text[SOCKETMAP_REQUEST_MAX_BYTES + 20], reply[SOCKETMAP_REPLY_BYTES + 1];
        int n = snprintf(text, sizeof(text), "%zu:%s,", strlen(request), request);
        size_t got;

        assert_ok(write_all(fd, text, (size_t) n));
        n = snprintf(text, sizeof(text), "%zu:%s,", strlen(expected), expected);
        got = receive(fd, reply, (size_t) n, 5000);
        reply[got] = 0;
        assert_string_equal(reply, text);
}

static void assert_ended(int fd) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char c;

        assert_int_equal(poll(&p, 1, 20000), 1);
        assert_true(read(fd, &c, 1) <= 0);
}

static bool has_trouble(char letter) {
        char *data = NULL;
        size_t size = 0;
        bool has;

        if (access("troubles", F_OK) < 0)
                return false;
        assert_ok(read_file("troubles", 1 << 20, &data, &size));
        has = memchr(data, letter, size) != NULL;
        free(data);
        return has;
}

static void test_answers(void **state _unused_) {
        pid_t pid = start(1024);
        int fd = dial();

        ask(fd, "relay 192.0.2.7", "OK OK");
        ask(fd, "relay 192.0.2.8", "NOTFOUND ");
        ask(fd, "relay 192.0.2", "NOTFOUND ");
        ask(fd, "relay-access Connect:192.0.2.7", "OK RELAY");
        ask(fd, "relay-user 192.0.2.7", "OK al%20ice");
        ask(fd, "relay-user 192.0.2.8", "NOTFOUND ");
        ask(fd, "drac 192.0.2.7", "OK OK");
        assert_false(has_trouble('B'));
        ask(fd, "other 192.0.2.7", "PERM there is no such map");
        assert_true(has_trouble('B'));
        ask(fd, "relay", "PERM not a request");
        ask(fd, "relay 192.0.2.7", "OK OK");
        close_fd(fd);
        stop(pid);
}

/* Whatever the pieces are that it comes in. */
static void test_pieces(void **state _unused_) {
        const char *requests = "15:relay 192.0.2.7,15:relay 192.0.2.8,", *replies = "5:OK OK,9:NOTFOUND ,";
        pid_t pid = start(1024);
        int fd = dial();
        char buf[64];

        for (size_t cut = 0; cut <= strlen(requests); cut++) {
                assert_ok(write_all(fd, requests, cut));
                (void) usleep(1000);
                assert_ok(write_all(fd, requests + cut, strlen(requests) - cut));
                assert_int_equal(receive(fd, buf, strlen(replies), 5000), strlen(replies));
                assert_memory_equal(buf, replies, strlen(replies));
        }
        for (const char *p = requests; *p; p++)
                assert_ok(write_all(fd, p, 1));
        /* the answers also come when the client has said that this was all */
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        assert_int_equal(receive(fd, buf, sizeof(buf), 5000), strlen(replies));
        assert_memory_equal(buf, replies, strlen(replies));
        close_fd(fd);
        stop(pid);
}

/* Many at once are answered in their order, also by a client that writes for long before it reads: then the
 * server stops reading. */
static void test_pipeline(void **state _unused_) {
        unsigned n_requests = getenv("AUTHRELAY_SLOW") ? 10000 : 100000;
        pid_t pid = start(1024), writer;
        int fd = dial(), status;
        char request[64], expected[2][16] = {"5:OK OK,", "9:NOTFOUND ,"}, reply[16];

        writer = fork();
        assert_true(writer >= 0);
        if (writer == 0) {
                FILE *f = fdopen(fd, "w");

                for (unsigned i = 0; f && i < n_requests; i++) {
                        int n = snprintf(
                                request, sizeof(request), "relay 192.0.2.%u", i % 3 == 0 ? 7 : i % 200 + 8);

                        (void) fprintf(f, "%d:%s,", n, request);
                }
                _exit(!f || fclose(f) != 0);
        }
        (void) usleep(300000);
        for (unsigned i = 0; i < n_requests; i++) {
                const char *e = expected[i % 3 != 0];

                assert_int_equal(receive(fd, reply, strlen(e), 5000), strlen(e));
                assert_memory_equal(reply, e, strlen(e));
        }
        assert_int_equal(waitpid(writer, &status, 0), writer);
        assert_int_equal(status, 0);
        close_fd(fd);
        stop(pid);
}

static void test_garbage(void **state _unused_) {
        static const char *const bad[] = {"GET / HTTP/1.1\r\n\r\n", "99999999999999999999:", "4097:", "\n",
                "15:relay 192.0.2.7;", "015:relay 192.0.2.7,"};
        pid_t pid = start(1024);
        int good = dial();

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                int fd = dial();
                char reply[16];

                /* what stood before it is answered */
                assert_ok(write_all(fd, "15:relay 192.0.2.7,", 19));
                assert_ok(write_all(fd, bad[i], strlen(bad[i])));
                assert_int_equal(receive(fd, reply, 8, 5000), 8);
                assert_ended(fd);
                close_fd(fd);
        }
        assert_true(has_trouble('A'));
        ask(good, "relay 192.0.2.7", "OK OK");
        close_fd(good);
        stop(pid);
}

/* The longest request is an answer's worth, and no more. */
static void test_longest(void **state _unused_) {
        char request[SOCKETMAP_REQUEST_MAX_BYTES + 1];
        pid_t pid = start(1024);
        int fd = dial();

        (void) memset(request, 'x', sizeof(request) - 1);
        (void) memcpy(request, "relay ", 6);
        request[sizeof(request) - 1] = 0;
        ask(fd, request, "NOTFOUND ");
        ask(fd, "relay 192.0.2.7", "OK OK");
        close_fd(fd);
        stop(pid);
}

/* Half a request, and answers that nobody reads, are waited for only so long. */
static void test_slow(void **state _unused_) {
        pid_t pid = start(1024);
        int half = dial(), deaf = dial(), idle = dial();
        struct pollfd p = {.fd = deaf, .events = POLLOUT};
        usec_t since = time_monotonic();

        assert_ok(write_all(half, "15:relay", 8));
        assert_int_equal(fcntl(deaf, F_SETFL, O_NONBLOCK), 0);
        while (poll(&p, 1, 200) > 0 && !(p.revents & (POLLHUP | POLLERR)))
                (void) send(deaf, "15:relay 192.0.2.7,15:relay 192.0.2.7,", 38, MSG_NOSIGNAL);
        assert_ended(half);
        assert_true(time_monotonic() - since >= PATIENCE_USEC);
        /* which is told of after it was done */
        for (unsigned i = 0; i < 500 && !has_trouble('C'); i++)
                (void) usleep(10000);
        assert_true(has_trouble('C'));
        p.events = 0;
        assert_int_equal(poll(&p, 1, 15000), 1);
        /* who does nothing at all harms nobody */
        ask(idle, "relay 192.0.2.7", "OK OK");
        close_fd(half);
        close_fd(deaf);
        close_fd(idle);
        stop(pid);
}

/* More connections than there is room for: whoever comes is served, and the oldest ones go. */
static void crowd(unsigned n, rlim_t descriptors) {
        pid_t pid;
        int *fds = calloc(n, sizeof(int));
        struct pollfd p = {.events = POLLIN};
        unsigned ended = 0;

        /* valgrind has limits of its own on descriptors; the other runs do this */
        if (getenv("AUTHRELAY_SLOW")) {
                free(fds);
                return;
        }
        pid = start(descriptors);
        for (unsigned i = 0; i < n; i++) {
                fds[i] = dial();
                assert_true(fds[i] >= 0);
                /* the first one goes on being used, and so is not the oldest */
                if (i % 50 == 0 || i == n - 1) {
                        ask(fds[i], "relay 192.0.2.7", "OK OK");
                        ask(fds[0], "relay 192.0.2.8", "NOTFOUND ");
                }
        }
        for (unsigned i = 0; i < n; i++) {
                p.fd = fds[i];
                ended += poll(&p, 1, 0) > 0;
        }
        assert_true(ended >= 100 && ended < n);
        assert_true(has_trouble('D'));
        p.fd = fds[1];
        assert_int_equal(poll(&p, 1, 0), 1);
        ask(fds[n - 1], "relay 192.0.2.7", "OK OK");
        for (unsigned i = 0; i < n; i++)
                close_fd(fds[i]);
        free(fds);
        stop(pid);
}

static void test_crowd(void **state _unused_) {
        crowd(LOOKUP_MAX_CONNECTIONS + 150, 4096);
}

static void test_no_descriptors(void **state _unused_) {
        crowd(300, 64);
}

typedef struct Endless {
        int fds[100]; /* of the clients */
        size_t next;
        unsigned answered, others;
} Endless;

/* Whoever is answered asks again. */
static bool on_endless(void *userdata, _unused_ const IpAddr *address, _unused_ Span *ret_user) {
        Endless *e = userdata;
        int fd = e->fds[e->next++ % ELEMENTSOF(e->fds)];
        char reply[64];

        e->answered++;
        (void) recv(fd, reply, sizeof(reply), MSG_DONTWAIT);
        (void) send(fd, "15:relay 192.0.2.7,", 19, MSG_DONTWAIT | MSG_NOSIGNAL);
        return false;
}

static int on_other(sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *userdata) {
        ((Endless *) userdata)->others++;
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Those who ask without end do not keep the logs from being read. */
static void test_in_turn(void **state _unused_) {
        static const LookupHandlers endless = {on_endless, on_trouble, PATIENCE_USEC};
        sd_event_source *other;
        sd_event *event;
        LookupServer *s;
        Endless e = {0};

        assert_ok(sd_event_new(&event));
        assert_ok(turn_new(event, on_other, &e, &other));
        assert_ok(lookup_server_new(event, &endless, &e, &s));
        assert_ok(lookup_server_listen(s, unix_socket_open("lookup", SOCK_STREAM, 0660)));
        for (size_t i = 0; i < ELEMENTSOF(e.fds); i++) {
                e.fds[i] = dial();
                assert_ok(write_all(e.fds[i], "15:relay 192.0.2.7,", 19));
        }
        while (e.answered < 20 * ELEMENTSOF(e.fds))
                assert_true(sd_event_run(event, 30 * USEC_PER_SEC) > 0);
        assert_true(e.others >= 10);
        assert_int_equal(lookup_server_connections(s), ELEMENTSOF(e.fds));
        for (size_t i = 0; i < ELEMENTSOF(e.fds); i++)
                close_fd(e.fds[i]);
        lookup_server_free(s);
        sd_event_source_disable_unref(other);
        sd_event_unref(event);
}

/* A child that has a copy of a connection, as one that writes a base has, does not keep it watched. */
static void test_copied(void **state _unused_) {
        pid_t pid = start(1024);
        int fd = dial(), other = dial();

        ask(fd, "relay 192.0.2.7", "OK OK");
        assert_int_equal(kill(pid, SIGUSR1), 0);
        for (unsigned i = 0; i < 3000 && access("forked", F_OK) < 0; i++)
                (void) usleep(10000);
        assert_ok(write_all(fd, "\n", 1));
        for (unsigned i = 0; i < 3000 && !has_trouble('A'); i++)
                (void) usleep(10000);
        assert_true(has_trouble('A'));
        for (unsigned i = 0; i < 10; i++) {
                (void) send(fd, "15:relay 192.0.2.7,", 19, MSG_NOSIGNAL);
                ask(other, "relay 192.0.2.7", "OK OK");
        }
        close_fd(fd);
        close_fd(other);
        stop(pid);
}

static void test_not_a_socket(void **state _unused_) {
        sd_event *event = NULL;
        LookupServer *s = NULL;

        assert_ok(sd_event_new(&event));
        assert_ok(lookup_server_new(event, &handlers, NULL, &s));
        assert_int_equal(lookup_server_listen(s, open("/dev/null", O_RDONLY | O_CLOEXEC)), -ENOTSOCK);
        assert_int_equal(lookup_server_listen(s, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), -ENOTSOCK);
        assert_int_equal(lookup_server_listeners(s), 0);
        assert_ok(lookup_server_listen(s, unix_socket_open("lookup", SOCK_STREAM, 0660)));
        assert_int_equal(lookup_server_listeners(s), 1);
        assert_int_equal(lookup_server_connections(s), 0);
        lookup_server_free(s);
        sd_event_unref(event);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_answers),
                in_directory(test_pieces),
                in_directory(test_pipeline),
                in_directory(test_garbage),
                in_directory(test_longest),
                in_directory(test_slow),
                in_directory(test_crowd),
                in_directory(test_no_descriptors),
                in_directory(test_in_turn),
                in_directory(test_copied),
                in_directory(test_not_a_socket),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
