/* SPDX-License-Identifier: Apache-2.0 */
/* relaylock, relaylogin and relaypeer, in whatever somebody may have left them: each runs in front of
 * chain-probe, which says what it has inherited, and must have inherited what it has without them, but for
 * the variables that are theirs. Whoever was not granted relaying may never relay. Usage: test-chain
 * RELAYLOCK RELAYLOGIN RELAYPEER PROBE */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "basic/time-util.h"
#include "publish/relay-writer.h"

#define REPORT 63
#define REPORT_BYTES ((size_t) 8 << 20)
#define HEADER "PROXY TCP4 192.0.2.7 203.0.113.1 49152 25\r\n"

typedef enum Program { NONE, LOCK, LOGIN, PEER, _PROGRAM_MAX } Program;

static const char *programs[_PROGRAM_MAX], *probe;
static char directory[PATH_MAX];
static unsigned cases;

/* What a program may add to the environment, change there, or take away. */
static const char *const variables[_PROGRAM_MAX][20] = {
        [NONE] = {NULL},
        [LOCK] = {"RELAYCLIENT", "AUTHRELAY_USER", NULL},
        [LOGIN] = {"RELAYLOGIN_FD", NULL},
        [PEER] = {"PROTO", "TCPREMOTEIP", "TCPREMOTEPORT", "TCPLOCALIP", "TCPLOCALPORT", "RELAYCLIENT",
                "AUTHRELAY_USER", "RELAYLOGIN_FD", "RELAYPEER", "REMOTE_ADDR", "REMOTE_PORT", NULL},
};

/* How it is to be run. */
typedef struct Case {
        const char *name;
        char **environment;
        char **arguments;     /* of the probe */
        void (*before)(void); /* in the child, at last */
        bool no_input;        /* descriptor 0 is closed by it: nothing that relaypeer could begin with */
        bool no_database;     /* cannot be read then */
        const char *database; /* NULL: the good one */
} Case;

static char report[REPORT_BYTES];
static int status;

static _noreturn_ void run_child(Program program, const Case *c, int output, int input) {
        static char *argv[200100];
        char database[PATH_MAX + 32], missing[PATH_MAX + 32];
        size_t n = 0;

        (void) snprintf(database, sizeof(database), "%s/relay.cdb", directory);
        (void) snprintf(missing, sizeof(missing), "%s/no-login", directory);
        if (program != NONE)
                argv[n++] = (char *) (program == LOCK ? "relaylock" : "program");
        if (program == LOCK) {
                argv[n++] = (char *) "-f";
                argv[n++] = c->database ? (char *) (uintptr_t) c->database : database;
        }
        if (program == LOGIN) {
                argv[n++] = (char *) "-f";
                argv[n++] = missing;
        }
        if (program == PEER) {
                argv[n++] = (char *) "-t";
                argv[n++] = (char *) "127.0.0.1";
        }
        argv[n++] = (char *) (uintptr_t) probe;
        for (char **a = c->arguments; a && *a; a++)
                argv[n++] = *a;
        argv[n] = NULL;
        (void) dup2(output, REPORT);
        (void) dup2(input >= 0 ? input : open("/dev/null", O_RDONLY), STDIN_FILENO);
        (void) dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        (void) dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        (void) close_range(3, REPORT - 1, 0);
        (void) close_range(REPORT + 1, ~0u, 0);
        (void) signal(SIGPIPE, SIG_DFL);
        if (c->before)
                c->before();
        (void) execve(program == NONE ? probe : programs[program], argv, c->environment);
        _exit(99);
}

/* A connection over which relaypeer gets a header. */
static int connect_peer(int *ret_client) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t size = sizeof(address);
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), server;

        assert_true(listener >= 0 && bind(listener, (struct sockaddr *) &address, size) == 0);
        assert_true(
                listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *) &address, &size) == 0);
        *ret_client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(*ret_client, (struct sockaddr *) &address, sizeof(address)), 0);
        server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(server >= 0 && send(*ret_client, HEADER, strlen(HEADER), 0) == (ssize_t) strlen(HEADER));
        (void) close(listener);
        return server;
}

/* Returns true if the probe was run, and has its report. */
static bool run(Program program, const Case *c) {
        int fds[2], client = -1, input = program == PEER || c->no_input ? connect_peer(&client) : -1, s;
        size_t n = 0;
        ssize_t k;
        pid_t pid;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                run_child(program, c, fds[1], input);
        (void) close(fds[1]);
        while (n < REPORT_BYTES - 1 && (k = read(fds[0], report + n, REPORT_BYTES - 1 - n)) > 0)
                n += (size_t) k;
        report[n] = 0;
        (void) close(fds[0]);
        if (client >= 0)
                (void) close(client);
        if (input >= 0)
                (void) close(input);
        assert_int_equal(waitpid(pid, &s, 0), pid);
        status = WIFEXITED(s) ? WEXITSTATUS(s) : -1;
        return status == 7 && n >= 4 && streq(report + n - 4, "end\n");
}

static bool is_own_variable(Program program, const char *line) {
        for (const char *const *v = variables[program]; *v; v++)
                if (strncmp(line, *v, strlen(*v)) == 0 && line[strlen(*v)] == ' ')
                        return true;
        return false;
}

/* Leaves out of a report what the program may change, and in front of relaypeer what it reads from. */
static char *inherited(Program program) {
        char *copy = strdup(report), *to = copy, *from = copy;

        assert_non_null(copy);
        while (*from) {
                char *end = strchr(from, '\n') + 1;
                size_t n = (size_t) (end - from);

                if ((strncmp(from, "env ", 4) != 0 || !is_own_variable(program, from + 4)) &&
                        (program != PEER || strncmp(from, "open 0 ", 7) != 0)) {
                        memmove(to, from, n);
                        to += n;
                }
                from = end;
        }
        *to = 0;
        return copy;
}

static bool may_relay(void) {
        return strstr(report, "\nenv RELAYCLIENT 12 "); /* with its '=' */
}

/* Through this program, as without it. */
static void check_program(Program program, const Case *c, bool granted) {
        _cleanup_free_ char *alone = NULL, *behind = NULL;

        cases++;
        if (!run(NONE, c))
                fail_msg("%s: the probe itself: %d", c->name, status);
        alone = inherited(program);
        if (program == PEER && c->no_input) {
                /* nobody has said who the client is */
                assert_false(run(program, c));
                assert_int_equal(status, 111);
                return;
        }
        if (!run(program, c))
                fail_msg("%s: nothing behind %s: %d", c->name, programs[program], status);
        behind = inherited(program);
        if (!streq(alone, behind))
                fail_msg("%s: behind %s:\n%s\nalone:\n%s", c->name, programs[program], behind, alone);
        if (program == LOCK && may_relay() != (granted && !c->no_database))
                fail_msg("%s: %s", c->name, may_relay() ? "may relay" : "may not relay");
}

static void check_environment(Case c, char *environment[], bool granted) {
        c.environment = environment;
        for (Program p = LOCK; p <= LOGIN; p++)
                check_program(p, &c, granted);
}

/* All programs, for somebody who may relay and for somebody who may not. */
static void check(Case c) {
        static char *yes[] = {(char *) "TCPREMOTEIP=192.0.2.7", (char *) "A=b", NULL};
        static char *no[] = {(char *) "TCPREMOTEIP=192.0.2.8", (char *) "A=b", NULL};
        static char *proxy[] = {(char *) "A=b", NULL};

        check_environment(c, yes, true);
        check_environment(c, no, false);
        c.environment = proxy;
        check_program(PEER, &c, false);
}

static void write_file(const char *name, uint64_t generation, bool is_delta, const char *network) {
        RelayHeader header = {.generation = generation, .written = time_now() / USEC_PER_SEC, .ttl = 1800};
        char path[PATH_MAX + 32];
        RelayWriter w = RELAY_WRITER_INIT;

        (void) snprintf(path, sizeof(path), "%s/%s", directory, name);
        assert_ok(relay_writer_open(&w, path, &header, is_delta, false));
        if (network) {
                RelayEntry entry = {.until = header.written + 900, .how = SPAN_LITERAL("test")};

                assert_ok(ip_network_parse(span_from_string(network), &entry.network));
                assert_ok(relay_writer_add(&w, &entry));
        }
        assert_ok(relay_writer_finish(&w));
        assert_ok(relay_writer_commit(&w));
        relay_writer_done(&w);
}

static int set_up(void **state) {
        if (enter_directory(state) < 0 || !getcwd(directory, sizeof(directory)) || chmod(".", 0755) < 0)
                return -1;
        write_file("relay.cdb", 1, false, "192.0.2.7");
        write_file("relay-delta.cdb", 1, true, NULL);
        cases = 0;
        return 0;
}

static int tear_down(void **state) {
        print_message("# %u cases\n", cases);
        return leave_directory(state);
}

/* ---- environment ---- */

#define E(s) ((char *) (uintptr_t) (s))
#define ENVIRONMENT(...) ((char *[]){__VA_ARGS__, NULL})

static char *make_value(const char *name, size_t size) {
        char *s = malloc(size + 1);

        assert_non_null(s);
        memset(s, '1', size);
        s[size] = 0;
        memcpy(s, name, strlen(name));
        return s;
}

static void test_environment(_unused_ void **state) {
        Case c = {.name = "environment"};
        /* the longest string that the kernel passes on has 128 KiB, with its NUL */
        _cleanup_free_ char *large = make_value("A=", 131071), *address = make_value("TCPREMOTEIP=", 131071),
                            *other = make_value("REMOTE_ADDR=192.0.2.7 ", 131071),
                            *name = make_value("B", 131071);
        static char *many[20001];

        check_environment(c, ENVIRONMENT(NULL), false);
        check_environment(c, ENVIRONMENT(large, E("TCPREMOTEIP=192.0.2.7")), true);
        check_environment(c, ENVIRONMENT(address, E("REMOTE_ADDR=192.0.2.7")), false);
        check_environment(c, ENVIRONMENT(other), false);
        /* no names, or nothing but a name */
        check_environment(
                c, ENVIRONMENT(name, E(""), E("="), E("=x"), E("RELAYCLIENT"), E("TCPREMOTEIP")), false);
        check_environment(
                c, ENVIRONMENT(E("TCPREMOTEIP"), E("TCPREMOTEIP=192.0.2.7"), E("=TCPREMOTEIP=x")), true);
        check_environment(c,
                ENVIRONMENT(E("tcpremoteip=192.0.2.7"), E("TCPREMOTEIP2=192.0.2.7"),
                        E(" TCPREMOTEIP=192.0.2.7")),
                false);
        /* what would matter to a program that is not static */
        check_environment(c,
                ENVIRONMENT(E("LD_PRELOAD=/nowhere.so"), E("LD_LIBRARY_PATH=."), E("LD_AUDIT=x"),
                        E("LD_DEBUG=all"), E("GLIBC_TUNABLES=glibc.malloc.check=3:x"),
                        E("MALLOC_PERTURB_=1"), E("LOCPATH=."), E("LANGUAGE=x"), E("LC_ALL=../../x"),
                        E("TZ=:/dev/zero"), E("TZDIR=/dev"), E("NLSPATH=/dev/zero"),
                        E("HOSTALIASES=/dev/zero"), E("GCONV_PATH=."), E("POSIXLY_CORRECT=1"),
                        E("TCPREMOTEIP=192.0.2.7")),
                true);
        for (size_t i = 0; i < ELEMENTSOF(many) - 1; i++) {
                many[i] = malloc(32);
                assert_non_null(many[i]);
                (void) snprintf(many[i], 32, "V%zu=%zu", i, i);
        }
        check_environment(c, many, false);
        (void) strcpy(many[ELEMENTSOF(many) - 2], "TCPREMOTEIP=192.0.2.7");
        check_environment(c, many, true);
        for (size_t i = 0; i < ELEMENTSOF(many) - 1; i++)
                free(many[i]);
}

/* One program says the first of two, another the last: the address that is looked up must be the one that
 * everybody else takes for the client's. */
static void test_a_variable_that_is_there_twice(_unused_ void **state) {
        Case c = {.name = "twice"};

        check_environment(c, ENVIRONMENT(E("TCPREMOTEIP=192.0.2.7"), E("TCPREMOTEIP=192.0.2.8")), false);
        check_environment(
                c, ENVIRONMENT(E("TCPREMOTEIP=192.0.2.8"), E("A=b"), E("TCPREMOTEIP=192.0.2.7")), false);
        check_environment(c, ENVIRONMENT(E("REMOTE_ADDR=192.0.2.7"), E("REMOTE_ADDR=")), false);
        check_environment(c, ENVIRONMENT(E("TCPREMOTEIP=192.0.2.7"), E("TCPREMOTEIP=192.0.2.7")), true);
        check_environment(c, ENVIRONMENT(E("TCPREMOTEIP=192.0.2.7"), E("REMOTE_ADDR=192.0.2.8")), true);
        check_environment(c, ENVIRONMENT(E("A=1"), E("A=2"), E("TCPREMOTEIP=192.0.2.7")), true);
}

static void test_arguments(_unused_ void **state) {
        static char *many[100001],
                *empty[] = {(char *) "", (char *) "", (char *) "-x", (char *) "--", (char *) "-f", NULL};
        _cleanup_free_ char *large = make_value("", 131071);
        struct rlimit stack;

        check((Case){.name = "empty arguments", .arguments = empty});
        check((Case){.name = "a large argument", .arguments = (char *[]){large, NULL}});
        assert_int_equal(getrlimit(RLIMIT_STACK, &stack), 0);
        if (stack.rlim_cur < (rlim_t) 8 << 20)
                skip(); /* a quarter of it is for arguments */
        for (size_t i = 0; i < ELEMENTSOF(many) - 1; i++)
                many[i] = (char *) (i % 3 == 0 ? "" : "argument");
        check((Case){.name = "100,000 arguments", .arguments = many});
}

/* Linux makes an empty argv[0] of none. */
static void test_no_arguments(_unused_ void **state) {
        for (Program p = LOCK; p < _PROGRAM_MAX; p++) {
                int s;
                pid_t pid = fork();

                if (pid == 0) {
                        char *argv[] = {NULL}, *environment[] = {(char *) "TCPREMOTEIP=192.0.2.7", NULL};

                        (void) close(2);
                        (void) execve(programs[p], argv, environment);
                        _exit(99);
                }
                assert_int_equal(waitpid(pid, &s, 0), pid);
                assert_true(WIFEXITED(s));
                assert_int_equal(WEXITSTATUS(s), 100);
                cases++;
        }
}

/* ---- descriptors ---- */

static unsigned closed;

static void close_some(void) {
        for (int i = 0; i < 3; i++)
                if (closed & 1u << i)
                        (void) close(i);
}

static void test_closed_descriptors(_unused_ void **state) {
        for (closed = 0; closed < 8; closed++)
                check((Case){.name = "closed descriptors", .before = close_some, .no_input = closed & 1});
}

static void take_all(void) {
        (void) setrlimit(RLIMIT_NOFILE, &(struct rlimit){REPORT + 1, REPORT + 1});
        while (dup(1) >= 0)
                ;
}

static void take_all_but_one(void) {
        take_all();
        (void) close(40);
}

/* valgrind keeps descriptors and limits to itself, and needs more than these. */
static bool is_in_valgrind(void) {
        return getenv("AUTHRELAY_SLOW") != NULL;
}

static void test_taken_descriptors(_unused_ void **state) {
        if (is_in_valgrind())
                return;
        check((Case){.name = "all descriptors taken", .before = take_all, .no_database = true});
        /* base and delta are open at a time */
        check((Case){.name = "all but one taken", .before = take_all_but_one, .no_database = true});
}

static void test_no_connection(_unused_ void **state) {
        Case c = {.name = "no connection"};

        check_environment(c, ENVIRONMENT(E("A=b")), false);
        c.before = close_some;
        for (closed = 0; closed < 8; closed++)
                check_environment(c, ENVIRONMENT(E("A=b")), false);
}

/* ---- limits ---- */

static int limited;
static rlim_t limit;

static void set_limit(void) {
        if (setrlimit((__rlimit_resource_t) limited, &(struct rlimit){limit, limit}) < 0)
                _exit(98);
}

/* From where the kernel can start them. */
static void test_limits(_unused_ void **state) {
        static const struct {
                int what;
                rlim_t least, step, most;
        } limits[] = {{RLIMIT_CPU, 1, 1, 2}, {RLIMIT_FSIZE, 0, 1, 1}, {RLIMIT_CORE, 0, 1, 0},
                {RLIMIT_NPROC, 0, 1, 1}, {RLIMIT_MEMLOCK, 0, 1, 0}, {RLIMIT_AS, 1500000, 250000, 4000000},
                {RLIMIT_DATA, 400000, 100000, 800000}, {RLIMIT_STACK, 160000, 40000, 280000},
                {RLIMIT_SIGPENDING, 0, 1, 0}, {RLIMIT_NICE, 0, 1, 0}};

        if (is_in_valgrind())
                return;
        for (size_t i = 0; i < ELEMENTSOF(limits); i++)
                for (limit = limits[i].least; limit <= limits[i].most; limit += limits[i].step) {
                        char name[64];

                        (void) snprintf(
                                name, sizeof(name), "limit %d of %ju", limits[i].what, (uintmax_t) limit);
                        limited = limits[i].what;
                        check((Case){.name = name, .before = set_limit});
                }
        limited = RLIMIT_NOFILE;
        for (limit = 0; limit <= 10; limit++)
                check((Case){.name = "descriptors", .before = set_limit, .no_database = limit < 5});
}

/* ---- signals, time, place ---- */

static void block_all(void) {
        sigset_t set;

        (void) sigfillset(&set);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        /* and these wait */
        (void) raise(SIGUSR1);
        (void) raise(SIGTERM);
        (void) raise(SIGPIPE);
        (void) raise(SIGALRM);
        (void) raise(SIGCHLD);
}

static void ignore_all(void) {
        for (int i = 1; i <= 64; i++)
                (void) signal(i, SIG_IGN);
}

static void set_timers(void) {
        struct itimerval far = {.it_value = {.tv_sec = 100000}};

        for (int i = 0; i < 3; i++)
                (void) setitimer((__itimer_which_t) i, &far, NULL);
}

static void test_signals(_unused_ void **state) {
        check((Case){.name = "blocked signals", .before = block_all});
        check((Case){.name = "ignored signals", .before = ignore_all});
        check((Case){.name = "timers", .before = set_timers});
}

static void lose_directory(void) {
        (void) (mkdir("gone", 0700) < 0 || chdir("gone") < 0 || rmdir("../gone") < 0);
}

static void set_umask(void) {
        (void) umask(0777);
}

static void change_root(void) {
        if (chroot("/proc/self/fd") < 0 && chroot(directory) < 0)
                _exit(97);
}

static void test_place(_unused_ void **state) {
        check((Case){.name = "no directory", .before = lose_directory});
        check((Case){.name = "umask", .before = set_umask});
}

/* What is to be run is not there, in another root. */
static void test_other_root(_unused_ void **state) {
        Case c = {.name = "root",
                .environment = ENVIRONMENT(E("TCPREMOTEIP=192.0.2.7")),
                .before = change_root};

        if (geteuid() != 0)
                skip();
        assert_false(run(LOCK, &c));
        assert_int_equal(status, 99); /* nor is relaylock */
        cases++;
}

/* ---- files ---- */

static void test_odd_files(_unused_ void **state) {
        static const char *const paths[] = {"/dev/zero", "/dev/null", "/dev/full", "/proc/self/mem",
                "/proc/self/environ", "/", "/proc/self/fd/63", "/dev/stdin", "", "x/../relay.cdb/",
                "fifo.cdb", "sparse.cdb", "loop.cdb", "socket.cdb", "directory.cdb", "unreadable.cdb"};
        char name[PATH_MAX * 2];
        struct sockaddr_un {
                sa_family_t family;
                char path[108];
        } address = {AF_UNIX, "socket.cdb"};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(mkfifo("fifo.cdb", 0600), 0);
        assert_int_equal(mkfifo("fifo-delta.cdb", 0600), 0);
        put_text("sparse.cdb", "");
        assert_int_equal(truncate("sparse.cdb", (off_t) 1 << 40), 0);
        assert_int_equal(symlink("loop.cdb", "loop.cdb"), 0);
        assert_int_equal(mkdir("directory.cdb", 0700), 0);
        put_text("unreadable.cdb", "x");
        assert_int_equal(chmod("unreadable.cdb", 0), 0);
        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                if (paths[i][0]) {
                        check((Case){.name = paths[i], .database = paths[i], .no_database = true});
                        /* beside a delta that is good */
                        (void) snprintf(name, sizeof(name), "%.*s-delta.cdb", (int) strcspn(paths[i], "."),
                                paths[i]);
                        if (strchr(paths[i], '.') && paths[i][0] != 'x') {
                                (void) unlink(name);
                                write_file(name, 1, true, NULL);
                                check((Case){.name = paths[i], .database = paths[i], .no_database = true});
                        }
                }
        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = 0;
        check((Case){.name = "a long path", .database = name, .no_database = true});
        (void) close(fd);
}

/* As fast as it goes, in the order in which the daemon does it. Nothing but a doubt may come of it. */
static _noreturn_ void replace(void) {
        for (uint64_t generation = 2;; generation++) {
                write_file("relay.cdb", generation, false, generation % 2 ? "192.0.2.7" : "192.0.2.7/32");
                write_file("relay-delta.cdb", generation, true, generation % 3 ? NULL : "192.0.2.9");
                put_text("generation", "x");
        }
}

static void test_replaced_files(_unused_ void **state) {
        Case yes = {.environment = ENVIRONMENT(E("TCPREMOTEIP=192.0.2.7"))};
        Case no = {.environment = ENVIRONMENT(E("TCPREMOTEIP=192.0.2.8"))};
        unsigned granted = 0;
        pid_t writer = fork();
        int s;

        if (writer == 0)
                replace();
        while (access("generation", F_OK) < 0)
                (void) usleep(1000);
        for (unsigned i = 0; i < 300; i++) {
                assert_true(run(LOCK, &yes));
                granted += may_relay();
                assert_true(run(LOCK, &no));
                assert_false(may_relay());
                cases += 2;
        }
        assert_int_equal(kill(writer, SIGKILL), 0);
        assert_int_equal(waitpid(writer, &s, 0), writer);
        /* the writer may have been held up for as long as a reader waits, but not always */
        assert_true(granted > 0);
        print_message("# %u of 300 look-ups while the files were replaced\n", granted);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_environment, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_variable_that_is_there_twice, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_arguments, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_no_arguments, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_closed_descriptors, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_taken_descriptors, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_no_connection, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_signals, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_place, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_other_root, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_odd_files, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_replaced_files, set_up, tear_down),
        };

        if (argc != 5)
                return 1;
        for (Program p = LOCK; p < _PROGRAM_MAX; p++)
                programs[p] = realpath(argv[p], NULL);
        probe = realpath(argv[4], NULL);
        if (!programs[LOCK] || !programs[LOGIN] || !programs[PEER] || !probe)
                return 1;
        return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
