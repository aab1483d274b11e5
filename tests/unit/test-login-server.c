/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel says whose process a message is from, so what a uid may do is tested with the uids that a test
 * can have: its own, and, as root, others'. */
#include "source/login-server.h"
#include "check.h"

#include <poll.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "basic/unix-socket.h"
#include "model/login-message.h"

#define BOOT (1000 * USEC_PER_MINUTE)

typedef struct Fixture {
        char *directory;
        sd_event *event;
        LoginServer *server;
        unsigned logins, refused;
        char address[IP_TEXT_BYTES], user[LOGIN_USER_MAX_BYTES + 1], service[16];
        const char *reason;
        uid_t uid;
        usec_t time, announced;
} Fixture;

static void on_claim(void *userdata, const LoginClaim *claim) {
        Fixture *f = userdata;

        f->reason = claim->reason;
        f->uid = claim->uid;
        (void) snprintf(
                f->user, sizeof(f->user), "%.*s", (int) claim->user.size, strempty(claim->user.data));
        if (claim->reason) {
                f->refused++;
                return;
        }
        f->logins++;
        f->time = claim->time;
        f->announced = claim->announced;
        (void) ip_addr_format(f->address, &claim->address);
        (void) snprintf(f->service, sizeof(f->service), "%s", claim->service);
}

static void start(Fixture *f) {
        uid_t uid = geteuid();

        assert_ok(login_server_new(f->event, on_claim, f, &f->server));
        /* whoever runs this may announce and claim */
        assert_ok(login_server_trust(f->server, &uid, 1));
        assert_ok(login_server_listen(f->server, unix_socket_open("login", SOCK_SEQPACKET, 0666)));
}

static int set_up(void **state) {
        Fixture *f = calloc(1, sizeof(Fixture));
        void *directory = NULL;

        if (!f || enter_directory(&directory) < 0 || chmod(".", 0755) < 0 || sd_event_new(&f->event) < 0)
                return -1;
        f->directory = directory;
        time_set_fake_boot(BOOT);
        start(f);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        Fixture *f = *state;
        void *directory = f->directory;

        login_server_free(f->server);
        sd_event_unref(f->event);
        free(f);
        time_set_fake_boot(0);
        time_set_fake(0);
        return leave_directory(&directory);
}

/* Until nothing happens any more. */
static void run(Fixture *f) {
        while (sd_event_run(f->event, 100 * USEC_PER_MSEC) > 0)
                ;
}

static void wait_for(Fixture *f, unsigned logins, unsigned refused) {
        while (f->logins < logins || f->refused < refused)
                assert_true(sd_event_run(f->event, 10 * USEC_PER_SEC) > 0);
        assert_int_equal(f->logins, logins);
        assert_int_equal(f->refused, refused);
}

static int connect_to(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "login"};
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

static void announce_at(int fd, const char *address, usec_t stamp) {
        LoginAnnouncement a = {.stamp = stamp, .service = "pop3"};
        uint8_t bytes[LOGIN_ANNOUNCEMENT_BYTES];

        assert_ok(ip_addr_parse(span_from_string(address), &a.address));
        login_announcement_encode(&a, bytes);
        assert_int_equal(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes));
}

static int announced(const char *address) {
        int fd = connect_to();

        announce_at(fd, address, time_boot());
        return fd;
}

static ssize_t claim(int fd, const char *user) {
        uint8_t bytes[LOGIN_CLAIM_MAX_BYTES];
        int n = login_claim_encode(span_from_string(user), bytes);

        assert_ok(n);
        return send(fd, bytes, (size_t) n, MSG_NOSIGNAL);
}

/* From a process of another uid. */
static void claim_as(int fd, uid_t uid, const char *user) {
        pid_t child = fork();
        int status;

        if (child == 0)
                _exit(setresuid(uid, uid, uid) < 0 || claim(fd, user) < 0);
        assert_true(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static bool is_shut(int fd) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

static void test_login(void **state) {
        Fixture *f = *state;
        int fd = announced("192.0.2.7");

        run(f);
        assert_int_equal(f->logins, 0);
        assert_int_equal(login_server_counts(f->server).connections, 1);
        assert_true(claim(fd, "alice@example.org") > 0);
        wait_for(f, 1, 0);
        assert_string_equal(f->address, "192.0.2.7");
        assert_string_equal(f->user, "alice@example.org"); /* whoever runs this is trusted */
        assert_string_equal(f->service, "pop3");
        assert_int_equal(f->uid, geteuid());
        assert_true(is_shut(fd));
        assert_true(claim(fd, "alice") < 0); /* once */
        assert_int_equal(login_server_counts(f->server).connections, 0);
        assert_int_equal(close(fd), 0);
}

/* What was revoked in between is for others to know: they are told both times. */
static void test_time_of_the_announcement(void **state) {
        const usec_t now = UINT64_C(1795224000) * USEC_PER_SEC;
        Fixture *f = *state;
        int fd = connect_to();

        time_set_fake(now);
        announce_at(fd, "192.0.2.7", time_boot() - 3 * USEC_PER_SEC);
        run(f);
        time_set_fake(now + 10 * USEC_PER_MINUTE);
        time_set_fake_boot(BOOT + 10 * USEC_PER_MINUTE);
        assert_true(claim(fd, "alice") > 0);
        wait_for(f, 1, 0);
        assert_true(f->time == now + 10 * USEC_PER_MINUTE);
        assert_true(f->announced == now - 3 * USEC_PER_SEC);
        (void) close(fd);
        /* a clock that is set forward in between makes it no later */
        time_set_fake(now);
        announce_at(fd = connect_to(), "192.0.2.7", time_boot());
        run(f);
        time_set_fake(now + USEC_PER_HOUR);
        assert_true(claim(fd, "alice") > 0);
        wait_for(f, 2, 0);
        assert_true(f->announced == now);
        (void) close(fd);
        /* nor does one that is set back */
        announce_at(fd = connect_to(), "192.0.2.7", time_boot());
        run(f);
        time_set_fake(now);
        assert_true(claim(fd, "alice") > 0);
        wait_for(f, 3, 0);
        assert_true(f->announced == now);
        (void) close(fd);
}

/* All was sent, and the other end closed, before the server looked. */
static void test_all_at_once(void **state) {
        Fixture *f = *state;
        int fd = announced("2001:db8::7");

        assert_true(claim(fd, "") > 0);
        assert_int_equal(close(fd), 0);
        wait_for(f, 1, 0);
        assert_string_equal(f->address, "2001:db8::7");
        assert_string_equal(f->user, "");
}

static void test_a_client_that_does_not_log_in(void **state) {
        Fixture *f = *state;
        int fd = announced("192.0.2.7");

        run(f);
        assert_int_equal(close(fd), 0);
        run(f);
        assert_int_equal(login_server_counts(f->server).connections, 0);
        assert_int_equal(f->logins + f->refused, 0);
}

static void test_names_of_others(void **state) {
        Fixture *f = *state;
        struct passwd *entry = geteuid() == 0 ? getpwnam("games") : NULL;
        uid_t uid;
        int fd;

        if (!entry)
                skip();
        uid = entry->pw_uid;
        claim_as(fd = announced("192.0.2.1"), uid, "games");
        wait_for(f, 1, 0);
        assert_string_equal(f->user, "games");
        assert_int_equal(f->uid, uid);
        assert_true(is_shut(fd));
        (void) close(fd);
        claim_as(fd = announced("192.0.2.2"), uid, "");
        wait_for(f, 2, 0);
        assert_string_equal(f->user, "games"); /* a name is no choice */
        (void) close(fd);
        claim_as(fd = announced("192.0.2.3"), uid, "root");
        wait_for(f, 2, 1);
        assert_true(is_shut(fd));
        (void) close(fd);
        claim_as(fd = announced("192.0.2.3"), uid, "Games");
        wait_for(f, 2, 2);
        (void) close(fd);
        assert_ok(login_server_trust(f->server, &uid, 1));
        claim_as(fd = announced("192.0.2.4"), uid, "bob@example.org");
        wait_for(f, 3, 2);
        assert_string_equal(f->user, "bob@example.org");
        (void) close(fd);
}

static void test_who_may_announce(void **state) {
        Fixture *f = *state;
        struct passwd *entry = geteuid() == 0 ? getpwnam("games") : NULL;
        pid_t child;
        int fd, status;

        if (!entry)
                skip();
        /* connected by root, announced by another */
        fd = connect_to();
        child = fork();
        if (child == 0) {
                if (setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) < 0)
                        _exit(1);
                announce_at(fd, "192.0.2.66", time_boot());
                (void) claim(fd, "games");
                _exit(0);
        }
        assert_true(waitpid(child, &status, 0) == child && status == 0);
        wait_for(f, 0, 1);
        (void) close(fd);
        /* connected by another */
        child = fork();
        if (child == 0) {
                if (setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) < 0)
                        _exit(1);
                fd = announced("192.0.2.66");
                (void) claim(fd, "games");
                _exit(0);
        }
        assert_true(waitpid(child, &status, 0) == child && status == 0);
        wait_for(f, 0, 2);
        assert_int_equal(login_server_counts(f->server).connections, 0);
}

/* A chain in the wrong order: nobody has asked for a password yet. */
static void test_root_has_not_logged_in(void **state) {
        Fixture *f = *state;
        int fd;

        if (geteuid() != 0)
                skip();
        assert_ok(login_server_trust(f->server, NULL, 0));
        fd = announced("192.0.2.7");
        assert_true(claim(fd, "alice") > 0);
        wait_for(f, 0, 1);
        assert_int_equal(f->uid, 0);
        (void) close(fd);
        fd = announced("192.0.2.7");
        assert_true(claim(fd, "") > 0);
        wait_for(f, 0, 2);
        (void) close(fd);
}

/* A revocation that is made while the name service thinks is later than the login. */
static void test_time_of_a_claim(void **state) {
        const usec_t now = time_now();
        int fds[LOGIN_SERVER_MAX_CONNECTIONS], fd;
        struct passwd *entry = geteuid() == 0 ? getpwnam("games") : NULL;
        Fixture *f = *state;

        if (!entry)
                skip();
        time_set_fake(now);
        claim_as(fd = announced("192.0.2.1"), entry->pw_uid, "games");
        /* until nothing but the answer is missing */
        do
                assert_true(sd_event_run(f->event, 10 * USEC_PER_SEC) > 0);
        while (login_server_counts(f->server).connections == 0 ||
                login_server_descriptors(f->server, fds) > 0);
        assert_int_equal(f->logins, 0);
        time_set_fake(now + 4 * USEC_PER_SEC);
        wait_for(f, 1, 0);
        assert_true(f->time == now);
        (void) close(fd);
}

/* Whom a reload has taken out of VirtualUsers= is not believed any more, whatever he said before. */
static void test_no_longer_trusted(void **state) {
        struct passwd *entry = geteuid() == 0 ? getpwnam("games") : getpwuid(geteuid());
        int go[2], status;
        Fixture *f = *state;
        pid_t child;

        if (!entry)
                skip();
        assert_ok(login_server_trust(f->server, &entry->pw_uid, 1));
        assert_int_equal(pipe2(go, O_CLOEXEC), 0);
        child = fork();
        if (child == 0) {
                char byte;
                int fd;

                if (setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) < 0)
                        _exit(1);
                fd = announced("192.0.2.66");
                _exit(read(go[0], &byte, 1) != 1 || claim(fd, entry->pw_name) < 0);
        }
        while (login_server_counts(f->server).connections == 0)
                assert_true(sd_event_run(f->event, 10 * USEC_PER_SEC) > 0);
        run(f);
        assert_ok(login_server_trust(f->server, NULL, 0));
        assert_int_equal(write(go[1], "", 1), 1);
        assert_true(waitpid(child, &status, 0) == child && status == 0);
        wait_for(f, 0, 1);
        (void) close(go[0]);
        (void) close(go[1]);
}

static void test_too_late(void **state) {
        Fixture *f = *state;
        int fd = announced("192.0.2.7"), other = announced("192.0.2.8");

        run(f);
        time_set_fake_boot(BOOT + LOGIN_CLAIM_USEC);
        assert_true(claim(fd, "alice") > 0);
        wait_for(f, 1, 0);
        time_set_fake_boot(BOOT + LOGIN_CLAIM_USEC + 1);
        assert_true(claim(other, "alice") > 0);
        wait_for(f, 1, 1);
        (void) close(fd);
        (void) close(other);
        /* one that lay in the queue while there was no server */
        fd = connect_to();
        announce_at(fd, "192.0.2.9", time_boot() - LOGIN_CLAIM_USEC - 1);
        assert_true(claim(fd, "alice") > 0);
        wait_for(f, 1, 2);
        (void) close(fd);
}

static void test_time_runs_out(void **state) {
        Fixture *f = *state;
        int fd = connect_to();

        announce_at(fd, "192.0.2.9", BOOT - LOGIN_CLAIM_USEC + 50 * USEC_PER_MSEC);
        for (unsigned i = 0; i < 100 && !is_shut(fd); i++)
                (void) sd_event_run(f->event, 100 * USEC_PER_MSEC);
        assert_true(is_shut(fd));
        assert_int_equal(login_server_counts(f->server).connections, 0);
        (void) close(fd);
}

static void test_the_future(void **state) {
        Fixture *f = *state;
        int fd = connect_to();

        announce_at(fd, "192.0.2.9", BOOT + 1);
        wait_for(f, 0, 1);
        assert_true(is_shut(fd));
        (void) close(fd);
}

static void refuses(Fixture *f, const void *data, size_t size, bool after_announcement) {
        unsigned logins = f->logins, refused = f->refused;
        int fd = after_announcement ? announced("192.0.2.7") : connect_to();

        assert_true(send(fd, data, size, MSG_NOSIGNAL) >= 0);
        wait_for(f, logins, refused + 1);
        assert_true(is_shut(fd));
        (void) close(fd);
}

static void test_messages_of_others(void **state) {
        static char huge[100000];
        uint8_t second[LOGIN_ANNOUNCEMENT_BYTES];
        LoginAnnouncement a = {.stamp = BOOT};
        Fixture *f = *state;

        refuses(f, "C1alice", 7, false); /* no announcement before it */
        refuses(f, "x", 1, false);
        refuses(f, huge, sizeof(huge), false);
        refuses(f, "x", 1, true);
        refuses(f, "C2alice", 7, true);
        refuses(f, "C1al\nice", 8, true);
        refuses(f, huge, sizeof(huge), true);
        login_announcement_encode(&a, second);
        refuses(f, second, sizeof(second), true);
        assert_int_equal(f->logins, 0);
}

/* Whoever holds the descriptor may fill its queue with nothing; it wakes nobody for ever, and ends nothing
 * but his own claim. */
static void test_empty_messages(void **state) {
        Fixture *f = *state;
        int fd = announced("192.0.2.7"), other = announced("192.0.2.8");

        while (send(fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
                ;
        run(f);
        assert_int_equal(f->logins + f->refused, 0);
        assert_true(claim(other, "bob") > 0);
        wait_for(f, 1, 0);
        (void) close(fd);
        (void) close(other);
        run(f);
        assert_int_equal(login_server_counts(f->server).connections, 0);
}

/* Descriptors that come along go nowhere. */
static void test_descriptors_sent(void **state) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
        struct iovec iov = {(void *) (uintptr_t) "C1alice", 7};
        struct msghdr msg = {.msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control)};
        Fixture *f = *state;
        int fd = announced("192.0.2.7"), pipes[2], before;

        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        memcpy(CMSG_DATA(&control.header), &pipes[1], sizeof(int));
        assert_true(sendmsg(fd, &msg, MSG_NOSIGNAL) > 0);
        (void) close(pipes[1]);
        before = dup(pipes[0]);
        wait_for(f, 0, 1);
        /* nobody holds the other end any more */
        assert_true(is_shut(pipes[0]));
        (void) close(before);
        (void) close(pipes[0]);
        (void) close(fd);
}

/* Whoever opens many and waits loses his own; the youngest is the one that logs in. */
static void test_flood(void **state) {
        Fixture *f = *state;
        int fds[LOGIN_SERVER_MAX_CONNECTIONS + 50];

        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                fds[i] = announced("192.0.2.66");
                if (i % 16 == 0)
                        while (sd_event_run(f->event, 0) > 0)
                                ;
        }
        run(f);
        assert_int_equal(login_server_counts(f->server).connections, LOGIN_SERVER_MAX_CONNECTIONS);
        assert_int_equal(f->refused, 50);
        assert_true(is_shut(fds[0]) && is_shut(fds[49]) && !is_shut(fds[50]));
        assert_true(claim(fds[ELEMENTSOF(fds) - 1], "alice") > 0);
        wait_for(f, 1, 50);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                (void) close(fds[i]);
        run(f);
        assert_int_equal(login_server_counts(f->server).connections, 0);
}

/* What systemd's descriptor store does: another server goes on where this one was, with what it has seen and
 * with what came while there was none. */
static void test_another_server_goes_on(void **state) {
        int fds[LOGIN_SERVER_MAX_CONNECTIONS], kept[2], seen = -1, unseen = -1;
        Fixture *f = *state;
        size_t n;

        seen = announced("192.0.2.7");
        unseen = announced("192.0.2.8");
        run(f);
        n = login_server_descriptors(f->server, fds);
        assert_int_equal(n, 2);
        for (size_t i = 0; i < n; i++)
                kept[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        f->server = login_server_free(f->server);
        assert_false(is_shut(seen));
        assert_true(claim(unseen, "bob") > 0);
        (void) close(unseen);
        start(f);
        assert_ok(login_server_adopt(f->server, kept[0]));
        assert_ok(login_server_adopt(f->server, kept[1]));
        wait_for(f, 1, 0);
        assert_string_equal(f->address, "192.0.2.8");
        assert_true(claim(seen, "alice") > 0);
        wait_for(f, 2, 0);
        assert_string_equal(f->address, "192.0.2.7");
        (void) close(seen);
        assert_int_equal(login_server_descriptors(f->server, fds), 0);
        assert_int_equal(login_server_adopt(f->server, open("/dev/null", O_RDONLY | O_CLOEXEC)), -ENOTSOCK);
}

#define with_server(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                with_server(test_login),
                with_server(test_time_of_the_announcement),
                with_server(test_all_at_once),
                with_server(test_a_client_that_does_not_log_in),
                with_server(test_names_of_others),
                with_server(test_who_may_announce),
                with_server(test_root_has_not_logged_in),
                with_server(test_time_of_a_claim),
                with_server(test_no_longer_trusted),
                with_server(test_too_late),
                with_server(test_time_runs_out),
                with_server(test_the_future),
                with_server(test_messages_of_others),
                with_server(test_empty_messages),
                with_server(test_descriptors_sent),
                with_server(test_flood),
                with_server(test_another_server_goes_on),
        };

        struct rlimit limit = {4096, 4096};

        /* both ends of all connections */
        (void) setrlimit(RLIMIT_NOFILE, &limit);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
