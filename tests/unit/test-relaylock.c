/* SPDX-License-Identifier: Apache-2.0 */
/* relaylock, run for real in front of static-probe. Usage: test-relaylock RELAYLOCK PROBE */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "basic/time-util.h"
#include "cdb/relay-lookup.h"
#include "publish/relay-writer.h"

static const char *relaylock, *probe;

typedef struct Run {
        const char *environment[20]; /* besides nothing */
        const char *arguments[20];   /* before the program */
        const char *argv0;           /* NULL: "relaylock" */
        bool bare;                   /* neither -f nor a program follows */
        void (*before)(void);        /* in the child */
        int input, error;            /* descriptors 0 and 2; 0: /dev/null and a pipe that is read */
} Run;

static int status;              /* exit status of the last run; -1: a signal */
static char *said, *seen;       /* what it wrote to stderr, what the probe wrote */

static void read_all(int fd, char **ret) {
        static char buf[8192];
        size_t n = 0;
        ssize_t k;

        while (n < sizeof(buf) - 1 && (k = read(fd, buf + n, sizeof(buf) - 1 - n)) > 0)
                n += (size_t) k;
        free(*ret);
        *ret = strndup(buf, n);
        assert_non_null(*ret);
}

static _noreturn_ void run_child(const Run *run, int error_pipe) {
        const char *argv[40];
        size_t n = 0;

        argv[n++] = run->argv0 ? run->argv0 : "relaylock";
        for (size_t i = 0; run->arguments[i]; i++)
                argv[n++] = run->arguments[i];
        if (!run->bare) {
                argv[n++] = "-f";
                argv[n++] = "relay.cdb";
                argv[n++] = probe;
                argv[n++] = "seen";
        }
        argv[n] = NULL;
        (void) dup2(run->input > 0 ? run->input : open("/dev/null", O_RDONLY), STDIN_FILENO);
        (void) dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        (void) dup2(run->error > 0 ? run->error : error_pipe, STDERR_FILENO);
        (void) close_range(3, ~0u, 0);
        (void) signal(SIGPIPE, SIG_DFL);
        if (run->before)
                run->before();
        (void) execve(relaylock, (char *const *) argv, (char *const *) run->environment);
        _exit(99);
}

static void run(const Run *r) {
        int fds[2], s;
        size_t size;
        pid_t pid;

        (void) unlink("seen");
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                run_child(r, fds[1]);
        (void) close(fds[1]);
        read_all(fds[0], &said);
        (void) close(fds[0]);
        assert_int_equal(waitpid(pid, &s, 0), pid);
        status = WIFEXITED(s) ? WEXITSTATUS(s) : -1;
        seen = (free(seen), NULL);
        (void) read_file("seen", 100000, &seen, &size);
}

#define RUN(...) run(&(Run){__VA_ARGS__})
#define ENV(...) .environment = {__VA_ARGS__, NULL}
#define ARGS(...) .arguments = {__VA_ARGS__, NULL}

static bool has(const char *line) {
        char text[8192];

        (void) snprintf(text, sizeof(text), "%s\n", line);
        assert_non_null(seen);
        return strstr(seen, text) != NULL;
}

static void assert_granted(void) {
        assert_int_equal(status, 0);
        assert_true(has("env RELAYCLIENT="));
        assert_string_equal(said, "");
}

/* The server ran, without a relay right. */
static void assert_not_granted(void) {
        assert_int_equal(status, 0);
        assert_non_null(seen);
        assert_null(strstr(seen, "RELAYCLIENT"));
        assert_null(strstr(seen, "RBLSMTPD"));
        assert_null(strstr(seen, "AUTHRELAY_USER"));
}

/* One line of plain text that holds `part`. */
static void assert_said(const char *part) {
        char *end = strchr(said, '\n');

        assert_non_null(strstr(said, part));
        assert_non_null(end);
        assert_int_equal(end[1], 0);
        assert_int_equal(strncmp(said, "relaylock: ", 11), 0);
        for (char *p = said; p < end; p++)
                assert_in_range(*p, 0x20, 0x7e);
}

static void write_file(const char *path, bool is_delta, const char *user, const char *const *networks, unsigned more) {
        RelayHeader header = {.generation = 1, .written = time_now() / USEC_PER_SEC, .ttl = 1800};
        RelayWriter w = RELAY_WRITER_INIT;

        assert_ok(relay_writer_open(&w, path, &header, is_delta, user != NULL));
        for (; networks && *networks; networks++) {
                RelayEntry entry = {.verdict = **networks == '!' ? RELAY_NEVER : RELAY_ALLOW,
                        .until = header.written + 900, .how = SPAN_LITERAL("test"), .user = span_from_string(user)};

                assert_ok(ip_network_parse(span_from_string(*networks + (**networks == '!')), &entry.network));
                assert_ok(relay_writer_add(&w, &entry));
        }
        for (unsigned i = 0; i < more; i++) {
                IpAddr addr = {{[10] = 0xff, 0xff, 20, (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i}};
                RelayEntry entry = {.network = ip_network_of(&addr, 128), .until = header.written + 900,
                        .how = SPAN_LITERAL("more")};

                assert_ok(relay_writer_add(&w, &entry));
        }
        assert_ok(relay_writer_finish(&w));
        assert_ok(relay_writer_commit(&w));
        relay_writer_done(&w);
}

static const char *const granted[] = {"192.0.2.7", "2001:db8:1::/64", "127.0.0.0/8", "!127.0.0.9", "::1", NULL};

static int set_up(void **state) {
        if (enter_directory(state) < 0)
                return -1;
        write_file("relay.cdb", false, NULL, granted, 0);
        write_file("relay-delta.cdb", true, NULL, NULL, 0);
        return 0;
}

#define relaylock_test(f) cmocka_unit_test_setup_teardown(f, set_up, leave_directory)

static void test_granting(_unused_ void **state) {
        RUN(ENV("TCPREMOTEIP=192.0.2.7", "A=b"));
        assert_granted();
        assert_true(has("env A=b"));
        assert_true(has("fd 0 open"));
        assert_true(has("sigpipe default"));
        assert_null(strstr(seen, "RBLSMTPD"));
        RUN(ENV("TCPREMOTEIP=::ffff:192.0.2.7"));
        assert_granted();
        RUN(ENV("TCPREMOTEIP=2001:db8:1::abcd"));
        assert_granted();
        RUN(ENV("REMOTE_ADDR=192.0.2.7"));
        assert_granted();
        RUN(ENV("TCPREMOTEIP=192.0.2.8"));
        assert_not_granted();
        assert_string_equal(said, "");
        RUN(ENV("TCPREMOTEIP=2001:db8:2::1"));
        assert_not_granted();
        RUN(ENV("TCPREMOTEIP=127.0.0.9"));
        assert_not_granted();
        assert_string_equal(said, "");
}

static void test_inherited(_unused_ void **state) {
        RUN(ENV("TCPREMOTEIP=192.0.2.7", "RELAYCLIENT=@here", "AUTHRELAY_USER=mallory"));
        assert_int_equal(status, 0);
        assert_true(has("env RELAYCLIENT=@here"));
        assert_null(strstr(seen, "mallory"));
        RUN(ENV("TCPREMOTEIP=192.0.2.8", "RELAYCLIENT=@here", "AUTHRELAY_USER=mallory", "RBLSMTPD=no"), ARGS("-b"));
        assert_true(has("env RELAYCLIENT=@here")); /* tcpserver's rules have said so */
        assert_true(has("env RBLSMTPD=no"));
        assert_null(strstr(seen, "mallory"));
}

/* The address is a proxy's, which may have been granted like any other. */
static void test_no_client(_unused_ void **state) {
        RUN(ENV("TCPREMOTEIP=192.0.2.7", "RELAYPEER=unknown"), ARGS("-b"));
        assert_not_granted();
        assert_string_equal(said, "");
        RUN(ENV("RELAYPEER=", "REMOTE_ADDR=192.0.2.7"), ARGS("-v"));
        assert_not_granted();
        assert_said("no relaying: a proxy's own connection");
}

/* Whatever stands there, if it is set it decides. */
static void test_hostile_addresses(_unused_ void **state) {
        static const char *const bad[] = {"", ".", "..", "../x", "/", "999999.1..2", "192.0.2.7 ", " 192.0.2.7", "192.0.2.7\n",
                "192.0.2.7.", "192.0.2", "192.0.2.07", "192.0.2.7/32", "127.0.0.0/8", "@authrelay", "::ffff:192.0.2.7%lo",
                "[::1]", "unknown", "%n%n%s", "\x1b[31m\xff", "2001:db8:1::/64"};
        static char large[5000] = "TCPREMOTEIP=";

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char value[100], other[100];

                (void) snprintf(value, sizeof(value), "TCPREMOTEIP=%s", bad[i]);
                (void) snprintf(other, sizeof(other), "REMOTE_ADDR=%s", bad[i]);
                RUN(ENV(value, "REMOTE_ADDR=192.0.2.7"));
                assert_not_granted();
                assert_said("TCPREMOTEIP is not an address");
                RUN(ENV(other));
                assert_not_granted();
                assert_said("REMOTE_ADDR is not an address");
        }
        memset(large + 12, '1', 4096);
        RUN(ENV(large, "REMOTE_ADDR=192.0.2.7"));
        assert_not_granted();
        assert_said("...");
        RUN(ENV("TCPREMOTEIP=192.0.2.8", "REMOTE_ADDR=192.0.2.7"));
        assert_not_granted();
        assert_string_equal(said, "");
        RUN(ENV("X=y"));
        assert_not_granted();
        assert_said("no peer of descriptor 0");
}

static void test_options(_unused_ void **state) {
        RUN(ENV("TCPREMOTEIP=192.0.2.7", "RBLSMTPD=blocked", "N=old"), ARGS("-b", "-e", "N=new=er", "-eEMPTY"));
        assert_granted();
        assert_true(has("env RBLSMTPD="));
        assert_true(has("env N=new=er"));
        assert_true(has("env EMPTY="));
        RUN(ENV("TCPREMOTEIP=192.0.2.8"), ARGS("-b", "-e", "N=new"));
        assert_not_granted();
        assert_null(strstr(seen, "env N="));
        RUN(ENV("TCPREMOTEIP=192.0.2.7"), ARGS("-v"));
        assert_true(has("env RELAYCLIENT="));
        assert_said("192.0.2.7: may relay: granted by 192.0.2.7 (test) until 2");
        RUN(ENV("TCPREMOTEIP=192.0.2.8"), ARGS("-v"));
        assert_said("192.0.2.8: no relaying: absent");
        RUN(ENV("TCPREMOTEIP=127.0.0.9"), ARGS("-v"));
        assert_said("127.0.0.9: no relaying: never by 127.0.0.9 (test)");
        /* what follows the program is the program's */
        RUN(ENV("TCPREMOTEIP=192.0.2.7"), .bare = true, ARGS("-f", "relay.cdb", "--", probe, "seen", "-v", "-f"));
        assert_granted();
        assert_true(has("arg -v"));
        assert_true(has("arg -f"));
}

static void test_wrong_use(_unused_ void **state) {
        static const char *const bad[][4] = {{NULL}, {"-x", "prog"}, {"-f"}, {"-f", "", "prog"}, {"-e", "", "prog"},
                {"-e", "=x", "prog"}, {"-e", "1A=x", "prog"}, {"-e", "A B", "prog"}, {"-v"}, {""}};

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                RUN(ENV("TCPREMOTEIP=192.0.2.7"), .bare = true, .arguments = {bad[i][0], bad[i][1], bad[i][2]});
                assert_int_equal(status, 100);
                assert_said("usage: relaylock");
        }
        RUN(ENV("TCPREMOTEIP=192.0.2.7"), .bare = true, ARGS("-f", "relay.cdb", "./none\n"));
        assert_int_equal(status, 111);
        assert_said("cannot run './none\\x0a': No such file");
        RUN(ENV("TCPREMOTEIP=192.0.2.8"), .bare = true, ARGS("-f", "relay.cdb", "/"));
        assert_int_equal(status, 111);
}

static void test_user(_unused_ void **state) {
        write_file("relay.cdb", false, "Al Ice@example.org", granted, 0);
        RUN(ENV("TCPREMOTEIP=192.0.2.7", "AUTHRELAY_USER=mallory"));
        assert_granted();
        assert_true(has("env AUTHRELAY_USER=Al Ice@example.org"));
        write_file("relay.cdb", false, "a\nX-Spam: no", granted, 0);
        RUN(ENV("TCPREMOTEIP=192.0.2.7"));
        assert_granted();
        assert_null(strstr(seen, "AUTHRELAY_USER"));
}

static void expect_doubt(const char *part) {
        RUN(ENV("TCPREMOTEIP=192.0.2.7"), ARGS("-b", "-e", "N=x"));
        assert_not_granted();
        assert_null(strstr(seen, "env N="));
        assert_said(part);
}

static void test_files(_unused_ void **state) {
        _cleanup_free_ char *data = NULL;
        size_t size;

        assert_ok(read_file("relay.cdb", 1 << 20, &data, &size));
        assert_int_equal(rename("relay-delta.cdb", "aside"), 0);
        expect_doubt("192.0.2.7: no relaying: relay.cdb: the delta cannot be opened: No such file or directory");
        assert_int_equal(mkfifo("relay-delta.cdb", 0600), 0);
        expect_doubt("the delta is damaged");
        assert_int_equal(rename("aside", "relay-delta.cdb"), 0);
        RUN(ENV("TCPREMOTEIP=192.0.2.7"));
        assert_granted();
        for (size_t n = 0; n < size; n += 61) {
                assert_int_equal(truncate("relay.cdb", (off_t) n), 0);
                expect_doubt("the base is damaged");
                put_file("relay.cdb", data, size);
        }
        RUN(ENV("TCPREMOTEIP=192.0.2.7"), .bare = true, ARGS("-f", "/dev/zero", probe, "seen"));
        assert_not_granted();
        RUN(ENV("TCPREMOTEIP=192.0.2.7"), .bare = true, ARGS("-f", "no\x1bne", probe, "seen"));
        assert_not_granted();
        assert_said("no\\x1bne: the delta cannot be opened");
}

static void close_standard(void) {
        (void) close(0);
        (void) close(1);
        (void) close(2);
}

static void close_input(void) {
        (void) close(0);
}

static void test_closed_descriptors(_unused_ void **state) {
        RUN(ENV("TCPREMOTEIP=192.0.2.7"), .before = close_standard);
        assert_granted();
        for (int i = 0; i < 3; i++) {
                char line[20];

                (void) snprintf(line, sizeof(line), "fd %d closed", i);
                assert_true(has(line));
        }
        RUN(ENV("TCPREMOTEIP=192.0.2.7"), .before = close_input);
        assert_granted();
        assert_true(has("fd 0 closed"));
        assert_true(has("fd 1 open"));
        RUN(ENV("TCPREMOTEIP=."), .before = close_standard);
        assert_not_granted();
        RUN(ENV("X=y"), .before = close_input);
        assert_not_granted();
        assert_said("no peer of descriptor 0: Bad file descriptor");
}

/* A connection to ourselves; the server's end is returned. */
static int connect_over(int family, int *ret_client) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        socklen_t size = family == AF_INET ? sizeof(v4) : sizeof(v6);
        struct sockaddr *addr = family == AF_INET ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6;
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), server;

        assert_true(listener >= 0);
        assert_int_equal(bind(listener, addr, size), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, addr, &size), 0);
        to.sin_port = family == AF_INET ? v4.sin_port : v6.sin6_port;
        *ret_client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(*ret_client, (struct sockaddr *) &to, sizeof(to)), 0);
        server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(server >= 0);
        (void) close(listener);
        return server;
}

static void test_peer(_unused_ void **state) {
        static const int families[] = {AF_INET, AF_INET6};
        int fds[2];

        for (size_t i = 0; i < ELEMENTSOF(families); i++) {
                int client, server = connect_over(families[i], &client);

                RUN(ENV("X=y"), .input = server); /* 127.0.0.1, for IPv6 in its mapped form */
                assert_granted();
                RUN(ENV("TCPREMOTEIP="), .input = server);
                assert_not_granted();
                assert_said("TCPREMOTEIP is not an address: ''");
                (void) close(server);
                (void) close(client);
        }
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        RUN(ENV("X=y"), .input = fds[0]);
        assert_not_granted();
        assert_said("no peer of descriptor 0");
        (void) close(fds[0]);
        (void) close(fds[1]);
}

/* Under inetd descriptor 2 is the client's: not a byte of ours may be seen there. Nor may a pipe that is full hold
 * the mail up, nor one that is closed end it. */
static void test_standard_error(_unused_ void **state) {
        char zeros[4096] = {0};
        int client, server = connect_over(AF_INET, &client), fds[2];
        struct pollfd p = {.fd = client, .events = POLLIN};

        RUN(ENV("TCPREMOTEIP=."), .input = server, .error = server);
        assert_not_granted();
        RUN(ENV("TCPREMOTEIP=192.0.2.7"), ARGS("-v"), .input = server, .error = server);
        assert_granted();
        assert_int_equal(poll(&p, 1, 0), 0);
        (void) close(server);
        (void) close(client);

        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        while (write(fds[1], zeros, sizeof(zeros)) > 0)
                ;
        assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0);
        RUN(ENV("TCPREMOTEIP=."), .error = fds[1]);
        assert_not_granted();
        (void) close(fds[0]);
        RUN(ENV("TCPREMOTEIP=."), .error = fds[1]);
        assert_not_granted();
        assert_true(has("sigpipe default"));
        (void) close(fds[1]);
}

static void link_as(const char *target, const char *name) {
        assert_int_equal(symlink(target, name), 0);
}

static void test_substitute(_unused_ void **state) {
        /* the default file is not there, or does not know these addresses: what counts is what is run, and how */
        link_as(probe, "smtpd.noauth");
        RUN(ENV("TCPREMOTEIP=192.0.2.77", "PATH=/nowhere"), .bare = true, .argv0 = "./smtpd", ARGS("seen", "-v", "-x"));
        assert_not_granted();
        assert_true(has("arg ./smtpd.noauth"));
        assert_true(has("arg -v"));
        assert_true(has("arg -x"));
        assert_int_equal(mkdir("bin", 0755), 0);
        link_as(probe, "bin/smtpd.noauth");
        RUN(ENV("TCPREMOTEIP=192.0.2.77", "PATH=bin"), .bare = true, .argv0 = "smtpd", ARGS("seen"));
        assert_not_granted();
        assert_true(has("arg smtpd.noauth"));
        RUN(ENV("TCPREMOTEIP=192.0.2.77", "PATH=/nowhere"), .bare = true, .argv0 = "smtpd", ARGS("seen"));
        assert_int_equal(status, 111);
        RUN(ENV("TCPREMOTEIP=192.0.2.77"), .bare = true, .argv0 = "bin/", ARGS("seen"));
        assert_int_equal(status, 100);
        RUN(ENV("TCPREMOTEIP=192.0.2.77"), .bare = true, .argv0 = "", ARGS("seen"));
        assert_int_equal(status, 100);
        /* a link that leads to relaylock again ends */
        link_as(relaylock, "round.noauth");
        RUN(ENV("TCPREMOTEIP=192.0.2.77"), .bare = true, .argv0 = "./round", ARGS("seen"));
        assert_int_equal(status, 111);
        assert_null(seen);
}

/* As `softlimit -m 2000000` has it. */
static void limit_memory(void) {
        static const int what[] = {RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK, RLIMIT_AS};

        for (size_t i = 0; i < ELEMENTSOF(what); i++)
                if (setrlimit(what[i], &(struct rlimit){2000000, 2000000}) < 0)
                        _exit(98);
}

static void test_memory_limit(_unused_ void **state) {
        struct stat st;

        write_file("relay.cdb", false, NULL, granted, 1000000);
        assert_int_equal(stat("relay.cdb", &st), 0);
        assert_true(st.st_size > 40000000);
        RUN(ENV("TCPREMOTEIP=192.0.2.7"), .before = limit_memory);
        assert_granted();
        RUN(ENV("TCPREMOTEIP=20.15.66.63"), .before = limit_memory); /* the last one */
        assert_granted();
        RUN(ENV("TCPREMOTEIP=20.15.66.64"), .before = limit_memory);
        assert_not_granted();
        assert_string_equal(said, "");
        RUN(ENV("TCPREMOTEIP=192.0.2.7", "X=y"), ARGS("-b", "-e", "A=b"), .before = limit_memory);
        assert_granted();
        assert_true(has("env A=b"));
}

/* A copy that is setuid to somebody else: the caller's environment must not decide. */
static void test_setuid(_unused_ void **state) {
        const char *kept = relaylock;
        _cleanup_free_ char *data = NULL;
        size_t size;

        if (geteuid() != 0)
                skip();
        assert_ok(read_file(relaylock, 1 << 24, &data, &size));
        put_file("setuid", data, size);
        assert_int_equal(chown("setuid", 65534, 65534), 0);
        assert_int_equal(chmod("setuid", 04755), 0);
        relaylock = "./setuid";
        RUN(ENV("TCPREMOTEIP=192.0.2.7"));
        relaylock = kept;
        if (status == 0)
                skip(); /* mounted nosuid */
        assert_int_equal(status, 100);
        assert_said("does not run setuid or setgid");
        assert_null(seen);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                relaylock_test(test_granting),
                relaylock_test(test_inherited),
                relaylock_test(test_no_client),
                relaylock_test(test_hostile_addresses),
                relaylock_test(test_options),
                relaylock_test(test_wrong_use),
                relaylock_test(test_user),
                relaylock_test(test_files),
                relaylock_test(test_closed_descriptors),
                relaylock_test(test_peer),
                relaylock_test(test_standard_error),
                relaylock_test(test_substitute),
                relaylock_test(test_memory_limit),
                relaylock_test(test_setuid),
        };

        if (argc != 3)
                return 1;
        relaylock = realpath(argv[1], NULL);
        probe = realpath(argv[2], NULL);
        if (!relaylock || !probe)
                return 1;
        return cmocka_run_group_tests_name("relaylock", tests, NULL, NULL);
}
