/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams of the syslog protocol from whom they may come, and none from others. */
#include "check.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "basic/unix-socket.h"
#include "source/source-syslog.h"

typedef struct Fixture {
        sd_event *event;
        Source *source;
        char got[8192]; /* "host identifier pid: message|" of each */
        unsigned records, gaps, warnings, troubles, cut;
        char said[1024];
        size_t raw_size;
        usec_t time, read_time;
        const char *meanwhile; /* is sent as soon as something is delivered */
        usec_t sent;           /* and that was then */
} Fixture;

static int open_sender(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "syslog"};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

static void send_bytes(const void *data, size_t size) {
        int fd = open_sender();

        assert_int_equal(send(fd, data, size, 0), (ssize_t) size);
        close(fd);
}

static void send_text(const char *text) {
        send_bytes(text, strlen(text));
}

static void on_record(void *userdata, _unused_ Source *source, const Record *r) {
        Fixture *f = userdata;
        size_t n = strlen(f->got);

        assert_string_equal(r->source, "syslog");
        assert_false(r->proven);
        f->time = r->ops->time(r);
        assert_true(f->time <= r->read_time);
        f->read_time = r->read_time;
        if (f->meanwhile) {
                (void) usleep(2000);
                f->sent = time_now();
                send_text(f->meanwhile);
                f->meanwhile = NULL;
        }
        f->records++;
        f->cut += r->cut;
        f->raw_size = r->raw_size;
        if (!r->cut && n + 300 < sizeof(f->got))
                (void) snprintf(f->got + n, sizeof(f->got) - n, "%.*s %.*s %.*s: %.*s|", (int) r->host.size,
                        strempty(r->host.data), (int) r->identifier.size, strempty(r->identifier.data),
                        (int) r->pid.size, strempty(r->pid.data), (int) MIN(r->message.size, (size_t) 200),
                        strempty(r->message.data));
}

static void on_note(void *userdata, _unused_ Source *source, SourceNote note, const char *text) {
        Fixture *f = userdata;

        f->gaps += note == SOURCE_NOTE_GAP;
        f->warnings += note == SOURCE_NOTE_WARNING;
        f->troubles += note == SOURCE_NOTE_TROUBLE;
        (void) snprintf(f->said, sizeof(f->said), "%s", text);
}

static void make(Fixture *f, int fd) {
        SourceSink sink = {on_record, on_note, f, NULL};

        assert_ok(source_syslog_new("syslog", fd, "UTC", &sink, &f->source));
        assert_true(f->source->forgeable);
}

static void begin(Fixture *f, int fd) {
        *f = (Fixture){0};
        assert_ok(sd_event_new(&f->event));
        make(f, fd);
        assert_ok(source_attach(f->source, f->event));
}

static void end(Fixture *f) {
        source_free(f->source);
        sd_event_unref(f->event);
}

static void turn(Fixture *f) {
        int r;

        while ((r = sd_event_run(f->event, 0)) > 0)
                ;
        assert_ok(r);
}

static void check_got(Fixture *f, const char *expected) {
        turn(f);
        assert_string_equal(f->got, expected);
        f->got[0] = 0;
}

static void test_forms(_unused_ void **state) {
        struct stat st;
        Fixture f;

        begin(&f, -1);
        assert_int_equal(stat("syslog", &st), 0);
        assert_true(S_ISSOCK(st.st_mode));
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(f.gaps, 1);
        send_text("<22>Nov 21 01:02:03 mx dovecot[7]: a b");
        send_text("<22>Nov 21 01:02:03 dovecot: no host");
        send_text("<22>1 2026-11-21T01:02:03.4Z mx2 dovecot 8 - - c\n");
        check_got(&f, "mx dovecot 7: a b| dovecot : no host|mx2 dovecot 8: c|");
        assert_int_equal(f.raw_size, 1);
        assert_int_equal(f.warnings, 0);
        assert_int_equal(f.source->records, 3);
        end(&f);
}

/* One that waited in a syslog daemon's queue tells of then, not of now. */
static void test_time_of_a_message_that_waited(_unused_ void **state) {
        const usec_t now = UINT64_C(1795224000) * USEC_PER_SEC; /* 2026-11-21T01:20:00Z */
        Fixture f;

        time_set_fake(now);
        begin(&f, -1);
        send_text("<22>1 2026-11-21T02:10:00.5+01:00 mx a - - - 1");
        turn(&f);
        assert_true(f.time == now - 10 * USEC_PER_MINUTE + USEC_PER_SEC / 2);
        send_text("<22>Nov 21 01:02:03 mx a: 2");
        turn(&f);
        assert_true(f.time == now - 18 * USEC_PER_MINUTE + 3 * USEC_PER_SEC);
        send_text("<22>1 - mx a - - - no stamp");
        turn(&f);
        assert_true(f.time == now);
        send_text("<22>1 2027-11-21T02:10:00Z mx a - - - of the future");
        turn(&f);
        assert_true(f.time == now);
        assert_int_equal(f.records, 4);
        end(&f);
        time_set_fake(0);
}

/* One datagram is one message, whatever is in it. */
static void test_bytes(_unused_ void **state) {
        static const char nul[] = "<22>Nov 21 01:02:03 mx a: x\0y";
        Fixture f;

        begin(&f, -1);
        send_text("<22>Nov 21 01:02:03 mx a: 1\nNov 21 01:02:03 mx a: 2\n");
        check_got(&f, "mx a : 1\nNov 21 01:02:03 mx a: 2|");
        send_bytes(nul, sizeof(nul)); /* with the one at its end */
        turn(&f);
        assert_int_equal(f.raw_size, 3);
        assert_int_equal(f.records, 2);
        f.got[0] = 0;
        send_text("<22>Nov 21 01:02:03 mx a: x\n\n");
        check_got(&f, "mx a : x\n|");
        send_text("");
        turn(&f);
        assert_int_equal(f.records, 3);
        end(&f);
}

static void test_over_long(_unused_ void **state) {
        char text[20000];
        size_t n = strlen("<22>Nov 21 01:02:03 mx a: ");
        Fixture f;

        begin(&f, -1);
        memset(text, 'x', sizeof(text));
        memcpy(text, "<22>Nov 21 01:02:03 mx a: ", n);
        send_bytes(text, 8192);
        turn(&f);
        assert_int_equal(f.cut, 0);
        assert_int_equal(f.raw_size, 8192 - n);
        send_bytes(text, 8193);
        send_bytes(text, sizeof(text));
        turn(&f);
        assert_int_equal(f.cut, 2);
        assert_int_equal(f.records, 3);
        end(&f);
}

static void test_unknown(_unused_ void **state) {
        Fixture f;

        begin(&f, -1);
        send_text("imap-login: Login: user=<alice>");
        turn(&f);
        assert_int_equal(f.warnings, 1);
        assert_string_equal(f.said,
                "syslog: a message has no head that is known (its template?): imap-login: Login: "
                "user=<alice>");
        /* counted, and not told again */
        for (unsigned i = 0; i < 9; i++)
                send_text("<999>x");
        turn(&f);
        assert_int_equal(f.warnings, 1);
        assert_int_equal(f.source->discarded, 10);
        assert_int_equal(f.records, 0);
        end(&f);
}

static void send_as(uid_t uid, const char *text) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "syslog"};
                int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

                if (setresuid(uid, uid, uid) < 0 ||
                        sendto(fd, text, strlen(text), 0, (struct sockaddr *) &address, sizeof(address)) < 0)
                        _exit(1);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

/* The mode lets everybody in: the kernel's word decides. */
static void test_senders(_unused_ void **state) {
        Fixture f;

        if (geteuid() != 0)
                skip();
        assert_int_equal(chmod(".", 0755), 0);
        begin(&f, -1);
        assert_int_equal(chmod("syslog", 0666), 0);
        send_as(1234, "<22>Nov 21 01:02:03 mx a: forged");
        send_as(65534, "<22>Nov 21 01:02:03 mx a: forged");
        turn(&f);
        assert_int_equal(f.records, 0);
        assert_int_equal(f.source->discarded, 2);
        assert_int_equal(f.warnings, 1);
        assert_string_equal(f.said,
                "syslog: uid 1234 sent a message; only root and the owner of syslog may (SocketUser=)");
        send_as(0, "<22>Nov 21 01:02:03 mx a: root");
        check_got(&f, "mx a : root|");
        end(&f);
        assert_int_equal(unlink("syslog"), 0);

        /* a socket of the syslog daemon's user */
        begin(&f, unix_socket_open("syslog", SOCK_DGRAM, 0600));
        end(&f);
        assert_int_equal(unlink("syslog"), 0);
        {
                int fd = unix_socket_open("syslog", SOCK_DGRAM, 0600);

                assert_true(fd >= 0);
                assert_int_equal(chown("syslog", 1234, 1234), 0);
                begin(&f, fd);
        }
        send_as(1234, "<22>Nov 21 01:02:03 mx a: owner");
        send_as(0, "<22>Nov 21 01:02:03 mx a: root");
        check_got(&f, "mx a : owner|mx a : root|");
        assert_int_equal(chmod("syslog", 0666), 0);
        send_as(1235, "<22>Nov 21 01:02:03 mx a: forged");
        turn(&f);
        assert_int_equal(f.records, 2);
        end(&f);
}

/* What was sent before anybody asked for the sender's uid is nobody's word. */
static void test_without_credentials(_unused_ void **state) {
        int fd = unix_socket_open("syslog", SOCK_DGRAM, 0600), no = 0;
        Fixture f;

        assert_true(fd >= 0);
        /* as from a socket unit without PassCredentials= */
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &no, sizeof(no)), 0);
        send_text("<22>Nov 21 01:02:03 mx a: early");
        begin(&f, fd);
        turn(&f);
        assert_int_equal(f.records, 0);
        assert_int_equal(f.source->discarded, 1);
        send_text("<22>Nov 21 01:02:03 mx a: late");
        check_got(&f, "mx a : late|");
        end(&f);
}

/* One of our own has asked before anybody could send. */
static void test_sent_at_once(_unused_ void **state) {
        int fd = unix_socket_open("syslog", SOCK_DGRAM, 0600);
        Fixture f;

        assert_true(fd >= 0);
        send_text("<22>Nov 21 01:02:03 mx a: early");
        begin(&f, fd);
        check_got(&f, "mx a : early|");
        end(&f);
}

/* Descriptors that come along are not kept. */
static void test_descriptors(_unused_ void **state) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {.header = {
                             .cmsg_len = CMSG_LEN(sizeof(int)),
                             .cmsg_level = SOL_SOCKET,
                             .cmsg_type = SCM_RIGHTS,
                     }};
        char text[] = "<22>Nov 21 01:02:03 mx a: x";
        struct iovec data = {text, strlen(text)};
        struct msghdr m = {.msg_iov = &data,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control)};
        int fd, ends[2];
        char byte;
        Fixture f;

        begin(&f, -1);
        fd = open_sender();
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        memcpy(CMSG_DATA(&control.header), &ends[1], sizeof(int));
        assert_int_equal(sendmsg(fd, &m, 0), (ssize_t) data.iov_len);
        close(ends[1]);
        check_got(&f, "mx a : x|");
        assert_int_equal(read(ends[0], &byte, 1), 0); /* nobody has the other end */
        close(ends[0]);
        close(fd);
        end(&f);
}

static void test_reload(_unused_ void **state) {
        Source *old;
        Fixture f;

        begin(&f, -1);
        send_text("<22>Nov 21 01:02:03 mx a: 1");
        check_got(&f, "mx a : 1|");
        send_text("<22>Nov 21 01:02:03 mx a: 2");
        old = f.source;
        make(&f, -1);
        source_take_over(f.source, old);
        source_free(old);
        assert_ok(source_attach(f.source, f.event));
        send_text("<22>Nov 21 01:02:03 mx a: 3");
        check_got(&f, "mx a : 2|mx a : 3|");
        assert_int_equal(f.gaps, 1);
        end(&f);
}

static void test_in_use(_unused_ void **state) {
        int fd = unix_socket_open("syslog", SOCK_DGRAM, 0600);
        Fixture f = {0};

        assert_true(fd >= 0);
        assert_ok(sd_event_new(&f.event));
        make(&f, -1);
        assert_int_equal(source_attach(f.source, f.event), -EADDRINUSE);
        assert_string_equal(f.said, "syslog can't be opened: Address already in use");
        close(fd);
        assert_ok(source_attach(f.source, f.event));
        send_text("<22>Nov 21 01:02:03 mx a: 1");
        check_got(&f, "mx a : 1|");
        end(&f);
}

/* Somebody who floods it does not keep the loop from turning. */
/* A revocation may have come between the two: by the time of the first one the second would be before it. */
static void test_sent_while_reading(_unused_ void **state) {
        Fixture f;

        begin(&f, -1);
        f.meanwhile = "<22>Nov 21 01:02:03 mx a: two";
        send_text("<22>Nov 21 01:02:03 mx a: one");
        check_got(&f, "mx a : one|mx a : two|");
        assert_true(f.sent > 0 && f.read_time >= f.sent);
        end(&f);
}

static void test_flood(_unused_ void **state) {
        Fixture f;
        unsigned sent = 0;
        int fd;

        begin(&f, -1);
        fd = open_sender();
        for (unsigned round = 0; round < 20; round++) {
                while (send(fd, "<22>Nov 21 01:02:03 mx a: x", 27, 0) == 27)
                        sent++;
                assert_int_equal(errno, EAGAIN);
                assert_true(sd_event_run(f.event, 0) > 0);
        }
        turn(&f);
        assert_int_equal(f.records, sent);
        close(fd);
        end(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_forms),
                in_directory(test_time_of_a_message_that_waited),
                in_directory(test_bytes),
                in_directory(test_over_long),
                in_directory(test_unknown),
                in_directory(test_senders),
                in_directory(test_without_credentials),
                in_directory(test_sent_at_once),
                in_directory(test_descriptors),
                in_directory(test_reload),
                in_directory(test_in_use),
                in_directory(test_sent_while_reading),
                in_directory(test_flood),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
