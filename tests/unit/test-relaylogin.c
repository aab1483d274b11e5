/* SPDX-License-Identifier: Apache-2.0 */
/* relaylogin, both halves run for real in front of static-probe. Usage: test-relaylogin RELAYLOGIN PROBE */
#include "check.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "basic/unix-socket.h"
#include "model/login-message.h"

static const char *relaylogin, *probe;

typedef struct Run {
        const char *environment[10];
        const char *options[8]; /* of the first one */
        bool single;            /* one relaylogin, not two */
        bool bare;              /* nothing follows the options */
        void (*before)(void);   /* in the child */
} Run;

static int status;        /* exit status of the last run; -1: a signal */
static char *said, *seen; /* what it wrote to stderr, what the probe wrote */
static usec_t took;
static int listener = -1;

static _noreturn_ void run_child(const Run *run, int error_pipe) {
        const char *argv[24] = {"relaylogin"};
        size_t n = 1;

        for (size_t i = 0; run->options[i]; i++)
                argv[n++] = run->options[i];
        if (!run->bare) {
                argv[n++] = "-f";
                argv[n++] = "login";
                if (!run->single)
                        argv[n++] = relaylogin;
                argv[n++] = probe;
                argv[n++] = "seen";
        }
        argv[n] = NULL;
        (void) dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
        (void) dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        (void) dup2(error_pipe, STDERR_FILENO);
        (void) close_range(3, ~0u, 0);
        (void) signal(SIGPIPE, SIG_DFL);
        if (run->before)
                run->before();
        (void) execve(
                relaylogin, (char *const *) (uintptr_t) argv, (char *const *) (uintptr_t) run->environment);
        _exit(99);
}

static void run(const Run *r) {
        static char buf[4096];
        size_t n = 0, size;
        int fds[2], s;
        ssize_t k;
        pid_t pid;

        (void) unlink("seen");
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        took = time_boot();
        pid = fork();
        if (pid == 0)
                run_child(r, fds[1]);
        (void) close(fds[1]);
        while (n < sizeof(buf) - 1 && (k = read(fds[0], buf + n, sizeof(buf) - 1 - n)) > 0)
                n += (size_t) k;
        (void) close(fds[0]);
        buf[n] = 0;
        said = buf;
        assert_int_equal(waitpid(pid, &s, 0), pid);
        took = time_boot() - took;
        status = WIFEXITED(s) ? WEXITSTATUS(s) : -1;
        seen = (free(seen), NULL);
        (void) read_file("seen", 100000, &seen, &size);
}

#define RUN(...) run(&(Run){__VA_ARGS__})
#define ENV(...) .environment = {__VA_ARGS__, NULL}
#define OPTIONS(...) .options = {__VA_ARGS__, NULL}

/* The server ran, with no descriptor of ours and no variable. */
static void assert_ran(void) {
        assert_int_equal(status, 0);
        assert_non_null(seen);
        assert_non_null(strstr(seen, "fd 0 open\n"));
        assert_non_null(strstr(seen, "sigpipe default\n"));
        assert_null(strstr(seen, "RELAYLOGIN"));
}

static void assert_said(const char *part) {
        char *end = strchr(said, '\n');

        assert_non_null(strstr(said, part));
        assert_int_equal(strncmp(said, "relaylogin: ", 12), 0);
        assert_true(end && end[1] == 0); /* one line */
}

static int set_up(void **state) {
        if (enter_directory(state) < 0)
                return -1;
        listener = unix_socket_open("login", SOCK_SEQPACKET, 0600);
        return listener < 0 ? -1 : 0;
}

static int tear_down(void **state) {
        listener = close_fd(listener);
        return leave_directory(state);
}

/* What the daemon got: an announcement of this address, or nothing; a claim for this user, or NULL: none. */
static void assert_got(const char *address, const char *service, const char *user) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        char buf[LOGIN_CLAIM_MAX_BYTES + 1], text[IP_TEXT_BYTES];
        LoginAnnouncement a;
        Span name;
        ssize_t n;

        if (!address) {
                assert_true(fd < 0 && errno == EAGAIN);
                return;
        }
        assert_true(fd >= 0);
        n = recv(fd, buf, sizeof(buf), 0);
        assert_true(n > 0);
        assert_ok(login_announcement_decode(span_make(buf, (size_t) n), &a));
        assert_string_equal(ip_addr_format(text, &a.address), address);
        assert_string_equal(a.service, service);
        assert_in_range(a.stamp, time_boot() - USEC_PER_MINUTE, time_boot());
        n = recv(fd, buf, sizeof(buf), 0);
        if (user) {
                assert_true(n > 0);
                assert_ok(login_claim_decode(span_make(buf, (size_t) n), &name));
                assert_true(span_equal_string(name, user));
                n = recv(fd, buf, sizeof(buf), 0);
        }
        assert_int_equal(n, 0); /* and both have closed it */
        (void) close(fd);
}

static void test_both_halves(_unused_ void **state) {
        RUN(ENV("TCPREMOTEIP=192.0.2.7", "USER=alice", "A=b"), OPTIONS("-s", "pop3"));
        assert_ran();
        assert_string_equal(said, "");
        assert_non_null(strstr(seen, "env A=b\n"));
        assert_got("192.0.2.7", "pop3", "alice");
        RUN(ENV("REMOTE_ADDR=::ffff:192.0.2.7"));
        assert_ran();
        assert_got("192.0.2.7", "", "");
        RUN(ENV("TCPREMOTEIP=2001:db8::7", "USER=root", "AUTHENTICATED=dave@example.org"));
        assert_ran();
        assert_got("2001:db8::7", "", "dave@example.org");
        RUN(ENV("TCPREMOTEIP=2001:db8::7", "USER=bob", "AUTHENTICATED="));
        assert_got("2001:db8::7", "", "bob");
}

static void test_first_half(_unused_ void **state) {
        RUN(ENV("TCPREMOTEIP=192.0.2.7", "USER=alice"), .single = true);
        assert_int_equal(status, 90); /* the probe has seen a descriptor: the connection */
        assert_got("192.0.2.7", "", NULL);
}

static void test_dovecot(_unused_ void **state) {
        RUN(ENV("IP=192.0.2.7", "USER=alice", "AUTHENTICATED=x", "TCPREMOTEIP=192.0.2.8"),
                OPTIONS("-d", "-s", "imap"), .single = true);
        assert_ran();
        assert_string_equal(said, "");
        assert_got("192.0.2.7", "imap", "alice");
        RUN(ENV("USER=alice", "TCPREMOTEIP=192.0.2.8"), OPTIONS("-d"), .single = true);
        assert_ran();
        assert_said("there is no IP in the environment");
        assert_got(NULL, NULL, NULL);
        RUN(ENV("USER=alice", "IP=x\033y"), OPTIONS("-d"), .single = true);
        assert_ran();
        assert_said("IP is not an address: 'x\\x1by'");
        assert_got(NULL, NULL, NULL);
}

static void test_clients_that_are_none(_unused_ void **state) {
        RUN(ENV("TCPREMOTEIP=", "REMOTE_ADDR=192.0.2.7"));
        assert_ran();
        assert_said("TCPREMOTEIP is not an address: ''");
        RUN(ENV("TCPREMOTEIP=192.0.2.7", "RELAYPEER=x"));
        assert_ran();
        assert_said("the address is that of a proxy");
        RUN(ENV("A=b"));
        assert_ran();
        assert_said("no peer of descriptor 0");
        assert_got(NULL, NULL, NULL);
}

static void test_names_that_are_none(_unused_ void **state) {
        char name[400] = "USER=";

        memset(name + 5, 'x', LOGIN_USER_MAX_BYTES + 1);
        RUN(ENV("TCPREMOTEIP=192.0.2.7", name));
        assert_ran();
        assert_said("File name too long");
        assert_got("192.0.2.7", "", NULL);
        name[5 + LOGIN_USER_MAX_BYTES] = 0;
        RUN(ENV("TCPREMOTEIP=192.0.2.7", name));
        assert_ran();
        assert_got("192.0.2.7", "", name + 5);
        RUN(ENV("TCPREMOTEIP=192.0.2.7", "USER=a\nb"));
        assert_ran();
        assert_said("the login of 'a\\x0ab' is not noticed");
        assert_got("192.0.2.7", "", NULL);
}

static void test_no_daemon(_unused_ void **state) {
        listener = close_fd(listener);
        RUN(ENV("TCPREMOTEIP=192.0.2.7"));
        assert_ran();
        assert_said("login: Connection refused"); /* by the first half alone */
        (void) unlink("login");
        RUN(ENV("TCPREMOTEIP=192.0.2.7"));
        assert_ran();
        assert_said("login: No such file or directory");
        put_text("login", "x");
        RUN(ENV("TCPREMOTEIP=192.0.2.7"));
        assert_ran();
        assert_said("login: Connection refused");
}

static void test_a_full_queue(_unused_ void **state) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "login"};
        int fds[3];

        assert_int_equal(listen(listener, 0), 0);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                fds[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                (void) connect(fds[i], (struct sockaddr *) &address, sizeof(address));
        }
        RUN(ENV("TCPREMOTEIP=192.0.2.7"));
        assert_ran();
        assert_said("login: Resource temporarily unavailable");
        assert_in_range(took, 50 * USEC_PER_MSEC, 5 * USEC_PER_SEC);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                (void) close(fds[i]);
}

static void close_stdin(void) {
        (void) close(STDIN_FILENO);
}

static void leave_ten_descriptors(void) {
        (void) setrlimit(RLIMIT_NOFILE, &(struct rlimit){10, 10});
}

static void take_descriptor_ten(void) {
        (void) dup2(STDOUT_FILENO, 10);
        (void) fcntl(10, F_SETFD, FD_CLOEXEC);
}

/* softlimit -m 3000000 */
static void leave_three_megabytes(void) {
        static const int resources[] = {RLIMIT_DATA, RLIMIT_STACK, RLIMIT_AS, RLIMIT_MEMLOCK};

        for (size_t i = 0; i < ELEMENTSOF(resources); i++)
                (void) setrlimit((unsigned) resources[i], &(struct rlimit){3000000, 3000000});
}

static void test_limits(_unused_ void **state) {
        RUN(ENV("TCPREMOTEIP=192.0.2.7", "USER=alice"), .before = leave_three_megabytes);
        assert_ran();
        assert_got("192.0.2.7", "", "alice");
        RUN(ENV("TCPREMOTEIP=192.0.2.7", "USER=alice"), .before = take_descriptor_ten);
        assert_ran();
        assert_got("192.0.2.7", "", "alice");
        /* valgrind keeps this limit to itself, and the program that is run does not meet it */
        if (!getenv("AUTHRELAY_SLOW")) {
                RUN(ENV("TCPREMOTEIP=192.0.2.7"), .before = leave_ten_descriptors);
                assert_ran();
                assert_said("login: Invalid argument");
                assert_got(NULL, NULL, NULL);
        }
        /* what would be opened there, the server would take for its client */
        RUN(ENV("TCPREMOTEIP=192.0.2.7", "USER=alice"), .before = close_stdin);
        assert_int_equal(status, 0);
        assert_non_null(strstr(seen, "fd 0 closed\n"));
        assert_got("192.0.2.7", "", "alice");
}

static void test_numbers_that_are_no_connection(_unused_ void **state) {
        static const char *const values[] = {"RELAYLOGIN_FD=x", "RELAYLOGIN_FD=-1", "RELAYLOGIN_FD=0",
                "RELAYLOGIN_FD=2", "RELAYLOGIN_FD=10", "RELAYLOGIN_FD=2147483648", "RELAYLOGIN_FD= 10",
                "RELAYLOGIN_FD=99999999999999999999"};

        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                RUN(ENV(values[i], "TCPREMOTEIP=192.0.2.7", "USER=alice"), .single = true);
                assert_ran();
                assert_said("is no connection to authrelayd");
        }
        RUN(ENV("RELAYLOGIN_FD=10", "USER=alice"), .single = true, .before = take_descriptor_ten);
        assert_ran();
        assert_said("is no connection to authrelayd: '10'");
        RUN(ENV("RELAYLOGIN_FD=", "TCPREMOTEIP=192.0.2.7", "USER=alice"), .single = true);
        assert_ran();
        assert_string_equal(said, "");
        assert_got(NULL, NULL, NULL);
}

static void test_wrong_use(_unused_ void **state) {
        RUN(.bare = true);
        assert_int_equal(status, 100);
        assert_said("no program to run; usage: relaylogin");
        RUN(.bare = true, OPTIONS("-z", "true"));
        assert_int_equal(status, 100);
        RUN(.bare = true, OPTIONS("-s", "POP3", "true"));
        assert_int_equal(status, 100);
        RUN(.bare = true, OPTIONS("-f", "", "true"));
        assert_int_equal(status, 100);
        RUN(.bare = true, OPTIONS("-f"));
        assert_int_equal(status, 100);
        assert_got(NULL, NULL, NULL);
        RUN(ENV("TCPREMOTEIP=192.0.2.7"), .bare = true, OPTIONS("-f", "login", "/nonexistent/program"));
        assert_int_equal(status, 111);
        assert_said("cannot run '/nonexistent/program': No such file or directory");
}

static void test_verbose(_unused_ void **state) {
        RUN(ENV("IP=192.0.2.7", "USER=alice"), OPTIONS("-dv"), .single = true);
        assert_ran();
        assert_string_equal(
                said, "relaylogin: 192.0.2.7 is announced\nrelaylogin: the login of 'alice' is claimed\n");
}

#define with_listener(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                with_listener(test_both_halves),
                with_listener(test_first_half),
                with_listener(test_dovecot),
                with_listener(test_clients_that_are_none),
                with_listener(test_names_that_are_none),
                with_listener(test_no_daemon),
                with_listener(test_a_full_queue),
                with_listener(test_limits),
                with_listener(test_numbers_that_are_no_connection),
                with_listener(test_wrong_use),
                with_listener(test_verbose),
        };

        if (argc < 3)
                return 2;
        relaylogin = realpath(argv[1], NULL);
        probe = realpath(argv[2], NULL);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
