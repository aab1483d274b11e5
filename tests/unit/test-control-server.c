/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of the control socket: a server in a process of its own, and clients that behave or do not. */
#include "check.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "basic/unix-socket.h"
#include "control/control-client.h"
#include "control/control-server.h"

#define GRANTS 5000

/* ---- a daemon that remembers nothing ---- */

static int on_status(void *userdata _unused_, ControlStatus *ret) {
        control_status_number(ret, "grants", 3);
        control_status_number(ret, "max_grants", UINT64_MAX);
        control_status_text(ret, "state", SPAN_LITERAL("ok"));
        control_status_text(ret, "odd", SPAN_LITERAL("\xff\x01\xc3\xa4"));
        control_status_source(
                ret, &(ControlSource){.name = "journal", .state = "ok", .records = 7, .forgeable = true});
        control_status_source(ret, &(ControlSource){.name = "/a/\xe9", .state = "gone", .in_trouble = true});
        control_status_pattern(ret, &(ControlPattern){.name = "dovecot",
                                            .trust = "unit",
                                            .logins = 1,
                                            .hints = 2,
                                            .torn = 3,
                                            .untrusted = 4,
                                            .refused = 5});
        return 0;
}

static int on_list(void *userdata _unused_, uint64_t cursor, ControlPage *page, uint64_t *ret_next) {
        ControlGrant g = {.until = 2000000000,
                .since = 1800000000,
                .last = 1800000001,
                .user = SPAN_LITERAL("al\xffice"),
                .service = "imap",
                .pattern = "dovecot",
                .source = "journal",
                .sessions = 2};

        for (uint64_t i = cursor; i < GRANTS; i++) {
                IpAddr addr = {{[10] = 0xff, 0xff, 10, 0, (uint8_t) (i >> 8), (uint8_t) i}};

                g.network = ip_network_of(&addr, 128);
                if (!control_page_add(page, &g)) {
                        *ret_next = i + 1;
                        return 0;
                }
        }
        *ret_next = 0;
        return 0;
}

static int on_grant(void *userdata _unused_, uid_t uid, const IpNetwork *network, usec_t ttl, Span user,
        char reterr[static CONTROL_ERROR_BYTES]) {
        char text[IP_TEXT_BYTES];

        if (ttl == 0)
                return -EPERM; /* without a text */
        (void) snprintf(reterr, CONTROL_ERROR_BYTES, "uid %u, %s for %llu to %.*s", (unsigned) uid,
                ip_network_format(text, network), (unsigned long long) (ttl / USEC_PER_SEC), (int) user.size,
                user.data);
        return span_equal_string(user, "ok") ? 0 : -EPERM;
}

static int on_revoke(void *userdata _unused_, uid_t uid _unused_, const ControlRevoke *what,
        uint32_t *ret_count, char reterr[static CONTROL_ERROR_BYTES] _unused_) {
        *ret_count = (uint32_t) what->kind * 10 + what->block;
        return 0;
}

static int on_unblock(void *userdata _unused_, uid_t uid _unused_, Span user,
        char reterr[static CONTROL_ERROR_BYTES] _unused_) {
        return span_equal_string(user, "bob") ? 0 : -ENOENT;
}

static int on_reload(void *userdata _unused_, uid_t uid _unused_, char reterr[static CONTROL_ERROR_BYTES]) {
        (void) snprintf(reterr, CONTROL_ERROR_BYTES, "x.conf:3: nonsense");
        return -EINVAL;
}

/* The user says what is to become of the login. */
static int on_import(void *userdata _unused_, uid_t uid _unused_, const char *from,
        const ControlImport *logins, size_t n, ControlImportResult *ret_results,
        char reterr[static CONTROL_ERROR_BYTES]) {
        if (streq(from, "nobody")) {
                (void) snprintf(reterr, CONTROL_ERROR_BYTES, "%zu of nobody", n);
                return -EPERM;
        }
        for (size_t i = 0; i < n; i++) {
                char c = logins[i].user.size > 0 ? logins[i].user.data[0] : 0;

                ret_results[i] = (ControlImportResult){c == 'r'   ? CONTROL_IMPORT_REFUSED
                                                       : c == 's' ? CONTROL_IMPORT_STALE
                                                                  : CONTROL_IMPORT_GRANTED,
                        logins[i].time == 7 && ip_addr_is_v4(&logins[i].address) ? "seven" : NULL};
        }
        return 0;
}

static const ControlHandlers handlers = {
        on_status, on_list, on_grant, on_import, on_revoke, on_unblock, on_reload};

static _noreturn_ void serve(rlim_t descriptors) {
        struct rlimit limit = {descriptors, descriptors};
        ControlServer *s;
        sd_event *event;
        int fd = unix_socket_open("control", SOCK_STREAM, 0660);

        /* quiet about itself; ends with its parent's test */
        (void) alarm(60);
        if (fd < 0 || sd_event_new(&event) < 0 || control_server_new(event, &handlers, NULL, &s) < 0 ||
                control_server_listen(s, fd) < 0)
                _exit(1);
        if (descriptors > 0)
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        (void) !write(STDOUT_FILENO, "", 0);
        put_text("ready", "");
        (void) sd_event_loop(event);
        _exit(0);
}

static pid_t start(rlim_t descriptors) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                serve(descriptors);
        for (unsigned i = 0; i < 1000 && access("ready", F_OK) < 0; i++)
                (void) usleep(10000);
        return pid;
}

/* Ends the server; returns the processor time it took, in microseconds. */
static usec_t stop(pid_t pid) {
        struct rusage usage;

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(wait4(pid, NULL, 0, &usage), pid);
        return (usec_t) usage.ru_utime.tv_sec * USEC_PER_SEC + (usec_t) usage.ru_utime.tv_usec +
               (usec_t) usage.ru_stime.tv_sec * USEC_PER_SEC + (usec_t) usage.ru_stime.tv_usec;
}

static int raw_connect(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "control"};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

/* True if the other side has closed within the time. */
static bool is_closed(int fd, int timeout_ms) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char buf[512];
        ssize_t n = 1;

        while (n > 0 && poll(&p, 1, timeout_ms) > 0)
                n = read(fd, buf, sizeof(buf));
        return n <= 0;
}

static ControlClient *must_open(void) {
        char reason[CONTROL_CLIENT_ERROR_BYTES];
        ControlClient *c = NULL;

        if (control_client_open("control", &c, reason) < 0)
                fail_msg("%s", reason);
        return c;
}

static bool answers(void) {
        _cleanup_(control_client_closep) ControlClient *c = NULL;
        _cleanup_(control_status_done) ControlStatus s = {0};
        char reason[CONTROL_CLIENT_ERROR_BYTES];

        return control_client_open("control", &c, reason) >= 0 && control_client_status(c, &s, reason) >= 0;
}

/* ---- tests ---- */

static void test_status(void **state _unused_) {
        pid_t pid = start(0);
        _cleanup_(control_client_closep) ControlClient *c = must_open();
        _cleanup_(control_status_done) ControlStatus s = {0};
        char reason[CONTROL_CLIENT_ERROR_BYTES];

        assert_ok(control_client_status(c, &s, reason));
        assert_int_equal(s.n_numbers, 2);
        assert_string_equal(s.numbers[0].name, "grants");
        assert_int_equal(s.numbers[0].value, 3);
        assert_true(s.numbers[1].value == UINT64_MAX);
        assert_int_equal(s.n_texts, 2);
        assert_string_equal(s.texts[1].value, "\xff\x01\xc3\xa4");
        assert_int_equal(s.n_sources, 2);
        assert_true(s.sources[0].forgeable && !s.sources[0].in_trouble && s.sources[0].records == 7);
        assert_string_equal(s.sources[1].name, "/a/\xe9");
        assert_true(!s.sources[1].forgeable && s.sources[1].in_trouble);
        assert_int_equal(s.n_patterns, 1);
        assert_string_equal(s.patterns[0].trust, "unit");
        assert_int_equal(s.patterns[0].refused, 5);
        stop(pid);
}

typedef struct Seen {
        unsigned n;
        int fail_at;
} Seen;

static int on_row(void *userdata, const ControlGrant *g) {
        Seen *seen = userdata;
        char text[IP_TEXT_BYTES], wanted[32];

        (void) snprintf(wanted, sizeof(wanted), "10.0.%u.%u", seen->n >> 8, seen->n & 0xff);
        assert_string_equal(ip_network_format(text, &g->network), wanted);
        assert_true(span_equal(g->user, SPAN_LITERAL("al\xffice")));
        assert_string_equal(g->source, "journal");
        assert_int_equal(g->until, 2000000000);
        assert_int_equal(g->sessions, 2);
        seen->n++;
        return seen->fail_at > 0 && (int) seen->n == seen->fail_at ? -ECANCELED : 0;
}

static void test_list(void **state _unused_) {
        pid_t pid = start(0);
        _cleanup_(control_client_closep) ControlClient *c = must_open();
        char reason[CONTROL_CLIENT_ERROR_BYTES];
        Seen seen = {0}, cut = {.fail_at = 10};

        assert_ok(control_client_list(c, on_row, &seen, reason));
        assert_int_equal(seen.n, GRANTS);
        assert_int_equal(control_client_list(c, on_row, &cut, reason), -ECANCELED);
        assert_int_equal(cut.n, 10);
        stop(pid);
}

typedef struct Results {
        size_t n;
        unsigned verdicts[_CONTROL_IMPORT_VERDICT_MAX];
        bool is_refused_with_reason;
} Results;

static void on_result(void *userdata, size_t index, const ControlImportResult *result) {
        Results *results = userdata;

        assert_int_equal(index, results->n++);
        assert_true(result->verdict >= 0 && result->verdict < _CONTROL_IMPORT_VERDICT_MAX);
        results->verdicts[result->verdict]++;
        if (result->verdict == CONTROL_IMPORT_REFUSED)
                results->is_refused_with_reason = streq(result->reason, "seven");
        else
                assert_string_equal(result->reason, "");
}

static void test_import(void **state _unused_) {
        pid_t pid = start(0);
        _cleanup_(control_client_closep) ControlClient *c = must_open();
        ControlImport logins[CONTROL_IMPORT_MAX_LOGINS + 1] = {0};
        char reason[CONTROL_CLIENT_ERROR_BYTES], *name = NULL;
        Results results = {0};

        for (size_t i = 0; i < ELEMENTSOF(logins); i++) {
                assert_ok(ip_addr_parse(SPAN_LITERAL("2001:db8::7"), &logins[i].address));
                logins[i].time = i;
        }
        logins[1].user = SPAN_LITERAL("s\xff");
        assert_ok(ip_addr_parse(SPAN_LITERAL("192.0.2.7"), &logins[7].address));
        logins[7].user = SPAN_LITERAL("r");
        assert_ok(control_client_import(
                c, "relay-ctrl", logins, CONTROL_IMPORT_MAX_LOGINS, on_result, &results, reason));
        assert_int_equal(results.n, CONTROL_IMPORT_MAX_LOGINS);
        assert_int_equal(results.verdicts[CONTROL_IMPORT_GRANTED], CONTROL_IMPORT_MAX_LOGINS - 2);
        assert_int_equal(results.verdicts[CONTROL_IMPORT_STALE], 1);
        assert_true(results.is_refused_with_reason);

        results.n = 0;
        assert_ok(control_client_import(c, "x", logins, 0, on_result, &results, reason));
        assert_true(
                control_client_import(c, "x", logins, ELEMENTSOF(logins), on_result, &results, reason) < 0);
        assert_string_equal(reason, "too many logins in one call");
        assert_true(control_client_import(c, "nobody", logins, 3, on_result, &results, reason) < 0);
        assert_string_equal(reason, "3 of nobody");
        for (const char *const *from = (const char *const[]){"", "a b", "../x", "Relay",
                     "123456789012345678901234567890123", NULL};
                *from; from++) {
                assert_true(control_client_import(c, *from, logins, 1, on_result, &results, reason) < 0);
                assert_string_equal(reason, "not the name of a program");
        }
        name = calloc(1, 2000);
        memset(name, 'x', 1999);
        logins[0].user = span_from_string(name);
        assert_true(control_client_import(c, "x", logins, 1, on_result, &results, reason) < 0);
        assert_string_equal(reason, "the user's name is too long");
        free(name);
        assert_int_equal(results.n, 0);
        stop(pid);
}

static void test_changes(void **state _unused_) {
        pid_t pid = start(0);
        _cleanup_(control_client_closep) ControlClient *c = must_open();
        char reason[CONTROL_CLIENT_ERROR_BYTES], wanted[128];
        uint32_t count = 0;

        assert_ok(control_client_grant(c, "192.0.2.7", 60 * USEC_PER_SEC, "ok", reason));
        (void) snprintf(wanted, sizeof(wanted), "uid %u, 10.0.0.0/8 for 60 to ?", (unsigned) getuid());
        assert_true(control_client_grant(c, "10.0.0.0/8", 60 * USEC_PER_SEC, "\xff", reason) < 0);
        assert_string_equal(reason, wanted);
        assert_true(control_client_grant(c, "192.0.2.7", 0, NULL, reason) < 0);
        assert_string_equal(reason, strerror(EPERM));
        assert_true(control_client_grant(c, "999.1.2.3", 60, "ok", reason) < 0);
        assert_string_equal(reason, "999.1.2.3: not an address or a network");
        assert_true(control_client_grant(c, "10.0.0.1/8", 60, "ok", reason) < 0);
        assert_non_null(strstr(reason, "behind the prefix"));
        assert_ok(control_client_revoke(c, "192.0.2.7", &count, reason));
        assert_int_equal(count, 10 * CONTROL_REVOKE_NETWORK);
        assert_ok(control_client_revoke_user(c, "alice", true, &count, reason));
        assert_int_equal(count, 10 * CONTROL_REVOKE_USER + 1);
        assert_true(control_client_revoke_user(c, "", false, &count, reason) < 0);
        assert_ok(control_client_revoke_all(c, &count, reason));
        assert_int_equal(count, 10 * CONTROL_REVOKE_ALL);
        assert_ok(control_client_unblock(c, "bob", reason));
        assert_true(control_client_unblock(c, "eve", reason) < 0);
        assert_string_equal(reason, "this user is not blocked");
        assert_true(control_client_reload(c, reason) < 0);
        assert_string_equal(reason, "x.conf:3: nonsense");
        stop(pid);
}

/* Whoever talks nonsense loses its own connection; the others go on. */
static void test_nonsense(void **state _unused_) {
        static const char *const texts[] = {"GET / HTTP/1.0\r\n\r\n", "\0AUTH ANONYMOUS\r\n", "",
                "AUTH EXTERNAL 30\r\n", "AUTH EXTERNAL 393939\r\n"};
        pid_t pid = start(0);
        uint64_t seed = 1;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                int fd = raw_connect();

                (void) !write(fd, "", 1);
                (void) !write(fd, texts[i], strlen(texts[i]));
                assert_true(answers());
                close(fd);
        }
        for (unsigned i = 0; i < 50; i++) {
                uint64_t noise[64];
                int fd = raw_connect();

                for (size_t k = 0; k < ELEMENTSOF(noise); k++)
                        noise[k] = next_random(&seed);
                /* a proper hand-shake, and then noise for messages */
                (void) !write(fd, "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n", 30);
                (void) !send(fd, noise, sizeof(noise), MSG_NOSIGNAL);
                assert_true(answers());
                close(fd);
        }
        stop(pid);
}

static void test_limit_for_each_uid(void **state _unused_) {
        int fds[CONTROL_MAX_CONNECTIONS_PER_UID], one_more;
        pid_t pid = start(0);

        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = raw_connect();
        one_more = raw_connect();
        assert_true(is_closed(one_more, 5000));
        assert_false(is_closed(fds[0], 50));
        close(one_more);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
        /* they count until the server has seen them go */
        for (unsigned i = 0; i < 100 && !answers(); i++)
                (void) usleep(20000);
        assert_true(answers());
        stop(pid);
}

/* Descriptors run out: those who wait are served when others have gone, and nothing spins meanwhile. */
static void test_no_descriptors(void **state _unused_) {
        pid_t pid = start(14);
        int fds[10];

        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = raw_connect();
        (void) usleep(300000);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
        for (unsigned i = 0; i < 50 && !answers(); i++)
                (void) usleep(100000);
        assert_true(answers());
        assert_true(stop(pid) < 200 * USEC_PER_MSEC);
}

static void test_nobody_there(void **state _unused_) {
        char reason[CONTROL_CLIENT_ERROR_BYTES];
        ControlClient *c;

        assert_int_equal(control_client_open("control", &c, reason), -ENOENT);
        assert_non_null(strstr(reason, "is authrelayd running?"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_status),
                in_directory(test_list),
                in_directory(test_import),
                in_directory(test_changes),
                in_directory(test_nonsense),
                in_directory(test_limit_for_each_uid),
                in_directory(test_no_descriptors),
                in_directory(test_nobody_there),
        };

        return cmocka_run_group_tests_name("control-server", tests, NULL, NULL);
}
