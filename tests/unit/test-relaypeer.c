/* SPDX-License-Identifier: Apache-2.0 */
/* relaypeer, run for real in front of static-probe, with a proxy at the other end of its connection. Usage:
 * test-relaypeer RELAYPEER PROBE */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "basic/time-util.h"

#define V1 "PROXY TCP4 192.0.2.7 203.0.113.1 49152 995\r\n"
#define V1_V6 "PROXY TCP6 2001:db8::7 2001:db8::1 49152 995\r\n"
#define V2_LOCAL "\r\n\r\n\0\r\nQUIT\n\x20\x11\x00\x0c\xc0\x00\x02\x07\xcb\x00\x71\x01\xc0\x00\x03\xe3"
#define V2_UDP "\r\n\r\n\0\r\nQUIT\n\x21\x12\x00\x0c\xc0\x00\x02\x07\xcb\x00\x71\x01\xc0\x00\x03\xe3"
#define REST "EHLO client.example.net\r\nPROXY TCP4 6.6.6.6 6.6.6.6 1 1\r\n"

static const char *relaypeer, *probe;

typedef struct Run {
        const char *environment[20]; /* besides nothing */
        char **large_environment;    /* instead */
        const char *arguments[20];   /* before the program; none: "-t 127.0.0.1" */
        bool bare;                   /* no program follows */
        bool limited;                /* in memory, by prlimit(1): valgrind would not do it here */
        void (*before)(void);        /* in the child */
        Span sent;                   /* by the proxy, before the program starts */
        bool closed;                 /* the proxy says no more after that */
        int input, error;            /* descriptors 0 and 2; 0: a new connection, and a pipe that is read */
} Run;

static int status;                      /* exit status of the last run; -1: a signal */
static char *said, *seen;               /* what it wrote to stderr, what the probe wrote */
static char rest[1000];                 /* what was left to read on the connection */
static int proxy = -1, server = -1;     /* the ends of the connection */

static char *read_all(int fd) {
        static char buf[8192];
        size_t n = 0;
        ssize_t k;

        while (n < sizeof(buf) - 1 && (k = read(fd, buf + n, sizeof(buf) - 1 - n)) > 0)
                n += (size_t) k;
        return strndup(buf, n);
}

/* A connection from 127.0.0.1 to an address of `family`. */
static void connect_over(int family) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        socklen_t size = family == AF_INET ? sizeof(v4) : sizeof(v6);
        struct sockaddr *addr = family == AF_INET ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6;
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        proxy = close_fd(proxy);
        server = close_fd(server);
        assert_true(listener >= 0);
        assert_int_equal(bind(listener, addr, size), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, addr, &size), 0);
        to.sin_port = family == AF_INET ? v4.sin_port : v6.sin6_port;
        proxy = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(proxy, (struct sockaddr *) &to, sizeof(to)), 0);
        server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(server >= 0);
        (void) close(listener);
}

static _noreturn_ void run_child(const Run *run, int input, int error_pipe) {
        const char *argv[40], *path = run->limited ? "prlimit" : relaypeer;
        size_t n = 0;

        if (run->limited) {
                argv[n++] = path;
                argv[n++] = "--data=300000";
                argv[n++] = relaypeer;
        } else
                argv[n++] = "relaypeer";
        if (!run->arguments[0] && !run->bare) {
                argv[n++] = "-t";
                argv[n++] = "127.0.0.1";
        }
        for (size_t i = 0; run->arguments[i]; i++)
                argv[n++] = run->arguments[i];
        if (!run->bare) {
                argv[n++] = probe;
                argv[n++] = "seen";
        }
        argv[n] = NULL;
        (void) dup2(input, STDIN_FILENO);
        (void) dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        (void) dup2(run->error > 0 ? run->error : error_pipe, STDERR_FILENO);
        (void) close_range(3, ~0u, 0);
        (void) signal(SIGPIPE, SIG_DFL);
        if (run->before)
                run->before();
        (void) execvpe(path, (char *const *) argv,
                run->large_environment ? run->large_environment : (char *const *) run->environment);
        _exit(99);
}

static pid_t start(const Run *r, int *ret_pipe) {
        int fds[2];
        pid_t pid;

        (void) unlink("seen");
        if (r->input == 0) {
                connect_over(AF_INET);
                if (r->sent.size > 0)
                        assert_int_equal(send(proxy, r->sent.data, r->sent.size, 0), r->sent.size);
                if (r->closed)
                        assert_int_equal(shutdown(proxy, SHUT_WR), 0);
        }
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                run_child(r, r->input > 0 ? r->input : server, fds[1]);
        (void) close(fds[1]);
        *ret_pipe = fds[0];
        return pid;
}

static void finish(pid_t pid, int pipe_fd) {
        size_t size;
        ssize_t n;
        int s;

        free(said);
        said = read_all(pipe_fd);
        (void) close(pipe_fd);
        assert_non_null(said);
        assert_int_equal(waitpid(pid, &s, 0), pid);
        status = WIFEXITED(s) ? WEXITSTATUS(s) : -1;
        seen = (free(seen), NULL);
        (void) read_file("seen", 10000000, &seen, &size);
        n = recv(server, rest, sizeof(rest) - 1, MSG_DONTWAIT);
        rest[MAX(n, (ssize_t) 0)] = 0;
}

static void run(const Run *r) {
        int pipe_fd;
        pid_t pid = start(r, &pipe_fd);

        finish(pid, pipe_fd);
}

#define RUN(...) run(&(Run){__VA_ARGS__})
#define ENV(...) .environment = {__VA_ARGS__, NULL}
#define ARGS(...) .arguments = {__VA_ARGS__, NULL}
#define SENT(s) .sent = {(s), sizeof(s) - 1}

/* How often the probe has seen this line. */
static unsigned count(const char *line) {
        char text[8192];
        unsigned n = 0;

        (void) snprintf(text, sizeof(text), "%s\n", line);
        assert_non_null(seen);
        for (const char *p = seen; (p = strstr(p, text)); p++)
                n++;
        return n;
}

static void assert_has(const char *line) {
        if (count(line) != 1)
                fail_msg("%u times '%s' in:\n%s", count(line), line, seen);
}

static void assert_name_gone(const char *name) {
        char text[100];

        (void) snprintf(text, sizeof(text), "env %s=", name);
        assert_non_null(seen);
        assert_null(strstr(seen, text));
}

static void assert_ran(void) {
        if (status != 0)
                fail_msg("exit status %d: %s", status, said);
        assert_non_null(seen);
}

/* One line of plain text that holds `part`. */
static void assert_said(const char *part) {
        char *end = strchr(said, '\n');

        if (!strstr(said, part))
                fail_msg("'%s' is not in: %s", part, said);
        assert_non_null(end);
        assert_int_equal(end[1], 0);
        assert_int_equal(strncmp(said, "relaypeer: ", 11), 0);
        for (char *p = said; p < end; p++)
                assert_in_range(*p, 0x20, 0x7e);
}

static void assert_dropped(int code, const char *part) {
        assert_int_equal(status, code);
        assert_null(seen);
        assert_said(part);
}

#define relaypeer_test(f) cmocka_unit_test_setup_teardown(f, enter_directory, leave_directory)

static void test_client(_unused_ void **state) {
        RUN(ENV("A=b"), SENT(V1 REST));
        assert_ran();
        assert_string_equal(said, "");
        assert_string_equal(rest, REST);
        assert_has("env A=b");
        assert_has("env PROTO=TCP");
        assert_has("env TCPREMOTEIP=192.0.2.7");
        assert_has("env TCPREMOTEPORT=49152");
        assert_has("env TCPLOCALIP=203.0.113.1");
        assert_has("env TCPLOCALPORT=995");
        assert_name_gone("REMOTE_ADDR");
        assert_name_gone("TCP6REMOTEIP");
        assert_name_gone("RELAYPEER");
        assert_has("fd 0 open");
        assert_has("sigpipe default");

        RUN(ENV("A=b"), SENT("\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x13\xc0\x00\x02\x07\xcb\x00\x71\x01\xc0\x00\x03\xe3"
                             "\x03\x00\x04\xd5\x69\x97\x6e" REST), ARGS("-v", "-t", "10.0.0.0/8", "-t", "127."));
        assert_ran();
        assert_said("192.0.2.7 by way of 127.0.0.1");
        assert_string_equal(rest, REST);
        assert_has("env TCPREMOTEIP=192.0.2.7");

        RUN(ENV("A=b"), SENT(V1_V6 REST));
        assert_ran();
        assert_has("env PROTO=TCP6");
        assert_has("env TCPREMOTEIP=2001:db8::7");
        assert_has("env TCP6REMOTEIP=2001:db8::7");
        assert_has("env TCP6REMOTEPORT=49152");
        assert_has("env TCP6LOCALIP=2001:db8::1");
        assert_has("env TCP6LOCALPORT=995");
}

/* What was true of the proxy, and what its address may do, is not handed on. */
static void test_inherited(_unused_ void **state) {
        static const char *const gone[] = {"RELAYCLIENT", "RBLSMTPD", "AUTHRELAY_USER", "RELAYLOGIN_FD", "RELAYPEER",
                "TCPREMOTEHOST", "TCPREMOTEINFO", "TCPLOCALHOST", "REMOTE_HOST", "TCP6INTERFACE", "TCP6REMOTEHOST",
                "TCP6REMOTEINFO", "TCP6LOCALHOST"};

        RUN(ENV("RELAYCLIENT=", "TCPREMOTEHOST=localhost", "TCPREMOTEINFO=nobody", "TCPLOCALHOST=localhost",
                    "REMOTE_HOST=localhost", "AUTHRELAY_USER=alice", "RBLSMTPD=", "RELAYLOGIN_FD=10", "RELAYPEER=local",
                    "TCP6INTERFACE=lo", "TCP6REMOTEHOST=a", "TCP6REMOTEINFO=b", "TCP6LOCALHOST=c", "X=y"),
                SENT(V1));
        assert_ran();
        for (size_t i = 0; i < ELEMENTSOF(gone); i++)
                assert_name_gone(gone[i]);
        assert_has("env X=y");

        RUN(ENV("PROTO=TCP6", "TCPREMOTEIP=127.0.0.1", "TCP6REMOTEIP=::ffff:127.0.0.1", "TCP6REMOTEPORT=1",
                    "TCP6LOCALIP=::ffff:127.0.0.1", "TCP6LOCALPORT=1"),
                SENT(V1));
        assert_ran();
        assert_has("env PROTO=TCP");
        assert_has("env TCPREMOTEIP=192.0.2.7");
        assert_null(strstr(seen, "TCP6"));
        assert_null(strstr(seen, "127.0.0.1"));

        RUN(ENV("REMOTE_ADDR=127.0.0.1", "REMOTE_PORT=1"), SENT(V1));
        assert_ran();
        assert_has("env REMOTE_ADDR=192.0.2.7");
        assert_has("env REMOTE_PORT=49152");
        assert_has("env TCPREMOTEIP=192.0.2.7");
}

/* Some programs take the first entry of a name and some the last: there must be one. */
static void test_twice(_unused_ void **state) {
        RUN(ENV("TCPREMOTEIP=127.0.0.1", "REMOTE_ADDR=127.0.0.1", "TCPREMOTEIP=127.0.0.1", "RELAYCLIENT=", "RELAYCLIENT=@x",
                    "REMOTE_ADDR=127.0.0.1", "TCPREMOTEPORT=1", "TCPREMOTEPORT=2"),
                SENT(V1));
        assert_ran();
        assert_has("env TCPREMOTEIP=192.0.2.7");
        assert_has("env REMOTE_ADDR=192.0.2.7");
        assert_has("env TCPREMOTEPORT=49152");
        assert_null(strstr(seen, "127.0.0.1"));
        assert_name_gone("RELAYCLIENT");
        RUN(ENV("TCPREMOTEIP=127.0.0.1", "TCPREMOTEIP=198.51.100.9"), SENT(V1));
        assert_dropped(111, "no header is taken from TCPREMOTEIP '198.51.100.9'");
        RUN(ENV("TCPREMOTEIP=198.51.100.9", "TCPREMOTEIP=127.0.0.1"), SENT(V1));
        assert_dropped(111, "no header is taken from TCPREMOTEIP '198.51.100.9'");
}

/* The kernel's word and the environment's must both be trusted; not a byte is read from anybody else. */
static void test_untrusted(_unused_ void **state) {
        static const char *const bad[] = {"", "127.0.0.2", "::1", "127.0.0.1 ", "x", "127.0.0.0/8", "\x1b[31m"};

        RUN(ENV("TCPREMOTEIP=10.0.0.1"), ARGS("-t", "10.0.0.1"), SENT(V1));
        assert_dropped(111, "no header is taken from 127.0.0.1");
        assert_string_equal(rest, V1);
        RUN(ENV("A=b"), ARGS("-t", "127.0.0.2", "-t", "::1", "-t", "::/32", "-t", "unix"), SENT(V1));
        assert_dropped(111, "no header is taken from 127.0.0.1");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char tcp[100], systemd[100];

                (void) snprintf(tcp, sizeof(tcp), "TCPREMOTEIP=%s", bad[i]);
                (void) snprintf(systemd, sizeof(systemd), "REMOTE_ADDR=%s", bad[i]);
                RUN(ENV(tcp, "REMOTE_ADDR=127.0.0.1"), SENT(V1));
                assert_dropped(111, "no header is taken from TCPREMOTEIP");
                assert_string_equal(rest, V1);
                RUN(ENV("TCPREMOTEIP=127.0.0.1", systemd), SENT(V1));
                assert_dropped(111, "no header is taken from REMOTE_ADDR");
        }
        /* behind another relaypeer, which has set this */
        RUN(ENV("TCPREMOTEIP=192.0.2.80"), ARGS("-t", "127.0.0.1", "-t", "192.0.2.80"), SENT(V1));
        assert_ran();
        assert_has("env TCPREMOTEIP=192.0.2.7");

        connect_over(AF_INET6); /* its peer is ::ffff:127.0.0.1 */
        assert_int_equal(send(proxy, V1, sizeof(V1) - 1, 0), sizeof(V1) - 1);
        RUN(ENV("TCPREMOTEIP=::ffff:127.0.0.1"), .input = server);
        assert_ran();
        assert_has("env TCPREMOTEIP=192.0.2.7");
}

/* The proxy's own address stays, without any right. */
static void test_no_client(_unused_ void **state) {
        RUN(ENV("TCPREMOTEIP=127.0.0.1", "TCPREMOTEHOST=localhost", "RELAYCLIENT=", "AUTHRELAY_USER=alice"), ARGS("-vt", "127."),
                SENT(V2_LOCAL REST));
        assert_ran();
        assert_said("127.0.0.1 speaks for itself");
        assert_string_equal(rest, REST);
        assert_has("env TCPREMOTEIP=127.0.0.1");
        assert_has("env TCPREMOTEHOST=localhost");
        assert_has("env RELAYPEER=local");
        assert_name_gone("RELAYCLIENT");
        assert_name_gone("AUTHRELAY_USER");
        assert_name_gone("PROTO");

        RUN(ENV("REMOTE_ADDR=127.0.0.1", "RELAYCLIENT=", "RELAYPEER=a", "RELAYPEER=b"), ARGS("-vt", "127."),
                SENT("PROXY UNKNOWN 192.0.2.7 203.0.113.1 1 1\r\n" REST));
        assert_ran();
        assert_said("127.0.0.1 does not name the client");
        assert_string_equal(rest, REST);
        assert_has("env REMOTE_ADDR=127.0.0.1");
        assert_has("env RELAYPEER=unknown");
        assert_name_gone("RELAYCLIENT");
        assert_name_gone("TCPREMOTEIP");

        RUN(ENV("A=b"), SENT(V2_UDP REST));
        assert_ran();
        assert_string_equal(said, "");
        assert_has("env RELAYPEER=unknown");
        assert_name_gone("TCPREMOTEIP");
}

static void test_no_header(_unused_ void **state) {
        RUN(ENV("A=b"), SENT("EHLO client.example.net\r\n"));
        assert_dropped(111, "bad header from 127.0.0.1: it does not begin like one");
        RUN(ENV("A=b"), SENT("PROXY TCP4 192.0.2.7 203.0.113.1 49152 x\r\n" REST));
        assert_dropped(111, "bad header from 127.0.0.1: the line has a bad port");
        assert_string_equal(rest, REST);
        RUN(ENV("A=b"), SENT("PROXY TCP4 192.0.2.7 203."), .closed = true);
        assert_dropped(111, "closed in the middle");
        /* a health check */
        RUN(ENV("A=b"), .closed = true);
        assert_int_equal(status, 0);
        assert_null(seen);
        assert_string_equal(said, "");
        RUN(ENV("A=b"), ARGS("-vt", "127.0.0.1"), .closed = true);
        assert_int_equal(status, 0);
        assert_null(seen);
        assert_said("127.0.0.1 has closed the connection");
}

static usec_t waited(usec_t since) {
        return time_monotonic() - since;
}

/* However the bytes come, the time is counted from the start. */
static void test_time(_unused_ void **state) {
        Run r = {ENV("A=b"), ARGS("-w", "1", "-t", "127.0.0.1")};
        usec_t begin = time_monotonic();
        int pipe_fd;
        pid_t pid;

        run(&r);
        assert_dropped(111, "no header from 127.0.0.1: it did not come in time");
        assert_in_range(waited(begin), USEC_PER_SEC, 30 * USEC_PER_SEC);

        begin = time_monotonic();
        pid = start(&r, &pipe_fd);
        for (size_t i = 0; i < 10; i++) {
                (void) send(proxy, V1 + i, 1, MSG_NOSIGNAL);
                (void) usleep(200000);
        }
        finish(pid, pipe_fd);
        assert_dropped(111, "it did not come in time");
        assert_in_range(waited(begin), USEC_PER_SEC, 30 * USEC_PER_SEC);

        /* a header in single bytes passes if it is in time; the first byte behind it comes later */
        r.arguments[1] = "100";
        pid = start(&r, &pipe_fd);
        for (size_t i = 0; i < sizeof(V1) - 1; i++) {
                assert_int_equal(send(proxy, V1 + i, 1, MSG_NOSIGNAL), 1);
                (void) usleep(2000);
        }
        finish(pid, pipe_fd);
        assert_ran();
        assert_has("env TCPREMOTEIP=192.0.2.7");
}

static void close_input(void) {
        (void) close(0);
}

static void test_descriptor_0(_unused_ void **state) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(9)};
        int fds[2], udp;

        RUN(ENV("TCPREMOTEIP=127.0.0.1"), .before = close_input);
        assert_dropped(111, "descriptor 0 is not a connection over IP: Bad file descriptor");
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(write(fds[1], V1, sizeof(V1) - 1), sizeof(V1) - 1);
        RUN(ENV("TCPREMOTEIP=127.0.0.1"), .input = fds[0]);
        assert_dropped(111, "descriptor 0 is not a connection over IP: Socket operation on non-socket");
        (void) close(fds[0]);
        (void) close(fds[1]);
        udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_true(udp >= 0);
        assert_int_equal(connect(udp, (struct sockaddr *) &to, sizeof(to)), 0);
        RUN(ENV("TCPREMOTEIP=127.0.0.1"), .input = udp);
        assert_dropped(111, "descriptor 0 is not a connection over IP: Protocol wrong type");
        (void) close(udp);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(write(fds[1], V1, sizeof(V1) - 1), sizeof(V1) - 1);
        RUN(ENV("TCPREMOTEIP=127.0.0.1"), .input = fds[0]);
        assert_dropped(111, "descriptor 0 is not a connection over IP: Address family not supported");
        RUN(ENV("TCPREMOTEIP=127.0.0.1"), ARGS("-t", "unix"), .input = fds[0]);
        assert_dropped(111, "no header is taken from TCPREMOTEIP '127.0.0.1'");
        RUN(ENV("A=b"), ARGS("-vt", "unix"), .input = fds[0]);
        assert_ran();
        assert_said("192.0.2.7 by way of unix");
        assert_has("env TCPREMOTEIP=192.0.2.7");
        (void) close(fds[0]);
        (void) close(fds[1]);
}

static void close_output(void) {
        (void) close(1);
        (void) close(2);
}

/* What is closed stays closed; what is the connection gets no word. */
static void test_descriptors_1_and_2(_unused_ void **state) {
        struct pollfd p = {.events = POLLIN};

        RUN(ENV("A=b"), SENT(V1 REST), .before = close_output);
        assert_ran();
        assert_has("fd 1 closed");
        assert_has("fd 2 closed");
        assert_string_equal(rest, REST);
        RUN(ENV("A=b"), SENT("x"), .before = close_output);
        assert_int_equal(status, 111);
        assert_null(seen);

        connect_over(AF_INET);
        p.fd = proxy;
        assert_int_equal(send(proxy, V1, sizeof(V1) - 1, 0), sizeof(V1) - 1);
        RUN(ENV("A=b"), ARGS("-vt", "127.0.0.1"), .input = server, .error = server);
        assert_ran();
        assert_int_equal(poll(&p, 1, 0), 0);
        assert_int_equal(send(proxy, "x", 1, 0), 1);
        RUN(ENV("A=b"), .input = server, .error = server);
        assert_int_equal(status, 111);
        assert_int_equal(poll(&p, 1, 0), 0);
}

static void test_wrong_use(_unused_ void **state) {
        static const struct {
                const char *arguments[6], *reason;
        } cases[] = {
                {{"-v"}, "no -t"},
                {{"true"}, "no -t"},
                {{"-t", "127.0.0.1"}, "no program"},
                {{"-t", "127.0.0.1", ""}, "no program"},
                {{"-t"}, "lacks its argument"},
                {{"-Z"}, "unknown option"},
                {{"--help"}, "unknown option"},
                {{"-t", "localhost", "true"}, "an address, a network"},
                {{"-t", "127.0.0.1/8", "true"}, "an address, a network"},
                {{"-t", "", "true"}, "an address, a network"},
                {{"-t", "0.0.0.0/0", "true"}, "a smaller network"},
                {{"-t", "126.0.0.0/7", "true"}, "a smaller network"},
                {{"-t", "::/0", "true"}, "a smaller network"},
                {{"-t", "::1", "-w", "0", "true"}, "seconds"},
                {{"-t", "::1", "-w", "3601", "true"}, "seconds"},
                {{"-t", "::1", "-w", "1s", "true"}, "seconds"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Run r = {ENV("TCPREMOTEIP=127.0.0.1"), .bare = true, SENT(V1)};

                memcpy(r.arguments, cases[i].arguments, sizeof(cases[i].arguments));
                run(&r);
                assert_dropped(100, cases[i].reason);
                assert_said("usage: relaypeer");
                assert_string_equal(rest, V1);
        }
        RUN(ENV("A=b"), ARGS("-t", "127.0.0.1", "/nonexistent/program"), .bare = true, SENT(V1));
        assert_dropped(111, "cannot run '/nonexistent/program': No such file or directory");
}

/* All that execve() takes; then as much with too little memory for a list of it. */
#define LARGE 100000

static void test_large_environment(_unused_ void **state) {
        static char *environment[LARGE + 4], text[LARGE][12];
        size_t n = 0;

        environment[n++] = (char *) "TCPREMOTEIP=127.0.0.1";
        for (size_t i = 0; i < LARGE; i++) {
                (void) snprintf(text[i], sizeof(text[i]), "V%zu=%zu", i, i % 10);
                environment[n++] = text[i];
        }
        environment[n++] = (char *) "TCPREMOTEIP=127.0.0.1";
        environment[n++] = (char *) "RELAYCLIENT=";
        RUN(.large_environment = environment, SENT(V1 REST));
        assert_ran();
        assert_string_equal(rest, REST);
        assert_has("env TCPREMOTEIP=192.0.2.7");
        assert_null(strstr(seen, "127.0.0.1"));
        assert_has("env V0=0");
        assert_has("env V99999=9");
        assert_name_gone("RELAYCLIENT");
        RUN(.large_environment = environment, SENT(V1 REST), .limited = true);
        assert_dropped(111, "out of memory");
}

/* As `softlimit -m 2000000` has it. */
static void limit_memory(void) {
        static const int what[] = {RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK, RLIMIT_AS};

        for (size_t i = 0; i < ELEMENTSOF(what); i++)
                if (setrlimit(what[i], &(struct rlimit){2000000, 2000000}) < 0)
                        _exit(98);
}

static void test_memory_limit(_unused_ void **state) {
        static char data[16 + 65535] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff\xc0\x00\x02\x07\xcb\x00\x71\x01\xc0\x00\x03\xe3"
                                       "\x04\xff\xf0";

        RUN(ENV("A=b"), .sent = {data, sizeof(data)}, .before = limit_memory);
        assert_ran();
        assert_string_equal(rest, "");
        assert_has("env TCPREMOTEIP=192.0.2.7");
}

/* A copy that is setuid to somebody else. */
static void test_setuid(_unused_ void **state) {
        const char *kept = relaypeer;
        _cleanup_free_ char *data = NULL;
        size_t size;

        if (geteuid() != 0)
                skip();
        assert_ok(read_file(relaypeer, 1 << 24, &data, &size));
        put_file("setuid", data, size);
        assert_int_equal(chown("setuid", 65534, 65534), 0);
        assert_int_equal(chmod("setuid", 04755), 0);
        relaypeer = "./setuid";
        RUN(ENV("A=b"), SENT(V1));
        relaypeer = kept;
        if (status == 0)
                skip(); /* mounted nosuid */
        assert_int_equal(status, 100);
        assert_null(seen);
        assert_non_null(strstr(said, "does not run setuid or setgid"));
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                relaypeer_test(test_client),
                relaypeer_test(test_inherited),
                relaypeer_test(test_twice),
                relaypeer_test(test_untrusted),
                relaypeer_test(test_no_client),
                relaypeer_test(test_no_header),
                relaypeer_test(test_time),
                relaypeer_test(test_descriptor_0),
                relaypeer_test(test_descriptors_1_and_2),
                relaypeer_test(test_wrong_use),
                relaypeer_test(test_large_environment),
                relaypeer_test(test_memory_limit),
                relaypeer_test(test_setuid),
        };

        if (argc != 3)
                return 1;
        relaypeer = realpath(argv[1], NULL);
        probe = realpath(argv[2], NULL);
        if (!relaypeer || !probe)
                return 1;
        return cmocka_run_group_tests_name("relaypeer", tests, NULL, NULL);
}
