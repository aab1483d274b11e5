/* SPDX-License-Identifier: Apache-2.0 */
/* A FIFO that is never full and never comes to an end, with real pipes and a real event loop. */
#include "check.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>

#include "source/line-splitter.h"
#include "source/source-fifo.h"

#define LINE(text) "Nov 21 01:02:03 mx a: " text "\n"
#define PIPE_BYTES 65536

typedef struct Fixture {
        sd_event *event;
        Source *source;
        char path[PATH_MAX], place[64];
        char got[4096]; /* messages, each with a blank behind it */
        unsigned records, gaps, troubles, wells, cut, settled;
        char trouble[512];
        size_t raw_size;
        usec_t time;
        bool logins; /* each record is one */
        int unsettled_bytes;
} Fixture;

static void on_record(void *userdata, Source *source, const Record *record) {
        Fixture *f = userdata;
        size_t n = strlen(f->got);

        assert_true(span_equal_string(record->host, "mx"));
        assert_string_equal(record->source, f->path);
        assert_false(record->proven);
        f->records++;
        f->raw_size = record->raw_size;
        /* as of logins: an old stamp without a zone takes mktime(3) some time */
        if (f->records <= 100)
                f->time = record->ops->time(record);
        assert_true(f->time <= record->read_time);
        if (record->cut) {
                f->cut++;
                assert_int_equal(record->raw_size, LINE_MAX_BYTES);
        } else if (n + record->message.size + 2 < sizeof(f->got))
                (void) snprintf(f->got + n, sizeof(f->got) - n, "%.*s ", (int) record->message.size,
                        record->message.data);
        if (f->logins)
                source_on_login(source);
}

static void on_note(void *userdata, _unused_ Source *source, SourceNote note, const char *text) {
        Fixture *f = userdata;

        f->gaps += note == SOURCE_NOTE_GAP;
        f->wells += note == SOURCE_NOTE_WELL;
        if (note == SOURCE_NOTE_TROUBLE) {
                f->troubles++;
                (void) snprintf(f->trouble, sizeof(f->trouble), "%s", text);
        }
}

static int waiting(const Fixture *f) {
        int n = -1;

        assert_int_equal(ioctl(source_fifo_descriptor(f->source), FIONREAD, &n), 0);
        return n;
}

static void on_settle(void *userdata) {
        Fixture *f = userdata;

        f->settled++;
        f->unsettled_bytes = waiting(f);
}

static void make(Fixture *f, int fd) {
        static const LineHeads heads = {{LOG_HEAD_SYSLOG}, 1};
        SourceSink sink = {on_record, on_note, f, on_settle};

        assert_ok(source_fifo_new(f->path, fd, &heads, "UTC", "a.conf:7", &sink, &f->source));
}

/* True while something waits for the loop: a turn may do no more than drop what came for a watch that is no
 * more, and the directory of the tests is in a busy one. */
static bool waits(sd_event *event) {
        struct pollfd p = {.fd = sd_event_get_fd(event), .events = POLLIN};

        return poll(&p, 1, 0) > 0;
}

static void turn(Fixture *f) {
        int r;

        while ((r = sd_event_run(f->event, 0)) > 0 || (r == 0 && waits(f->event)))
                ;
        assert_ok(r);
}

static void prepare(Fixture *f) {
        _cleanup_free_ char *here = getcwd(NULL, 0);

        *f = (Fixture){0};
        assert_non_null(here);
        (void) snprintf(f->path, sizeof(f->path), "%s/fifo", here);
        assert_ok(sd_event_new(&f->event));
}

static void begin(Fixture *f) {
        prepare(f);
        make(f, -1);
        assert_ok(source_attach(f->source, f->event));
        turn(f);
}

static void end(Fixture *f) {
        source_free(f->source);
        sd_event_unref(f->event);
}

static void check_got(Fixture *f, const char *expected) {
        turn(f);
        assert_string_equal(f->got, expected);
        f->got[0] = 0;
}

/* As a writer that would wait. */
static int open_writer(const Fixture *f) {
        int fd = open(f->path, O_WRONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

static void write_text(int fd, const char *text) {
        assert_ok(write_all(fd, text, strlen(text)));
}

static void test_lines(_unused_ void **state) {
        struct stat st;
        Fixture f;
        int w;

        begin(&f);
        assert_int_equal(stat(f.path, &st), 0);
        assert_true(S_ISFIFO(st.st_mode));
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(f.gaps, 1);
        w = open_writer(&f);
        write_text(w, LINE("1") LINE("2"));
        check_got(&f, "1 2 ");
        assert_int_equal(waiting(&f), 0);
        write_text(w, "no head\n\n" LINE("3"));
        check_got(&f, "3 ");
        write_text(w, "Nov 21 01:02:03 mx a: 4\r\n");
        check_got(&f, "4 ");
        assert_int_equal(f.raw_size, 2);
        assert_true(f.time > 0 && f.time <= time_now());
        /* a writer that goes is no end */
        close(w);
        check_got(&f, "");
        w = open_writer(&f);
        write_text(w, LINE("5"));
        check_got(&f, "5 ");
        close(w);
        assert_int_equal(f.gaps + f.troubles, 1);
        end(&f);
}

/* A line that waited in a queue tells of then, not of now: a revocation in the meantime is later. */
static void test_time_of_a_line_that_waited(_unused_ void **state) {
        const usec_t now = UINT64_C(1795224000) * USEC_PER_SEC; /* 2026-11-21T01:20:00Z */
        Fixture f;
        int w;

        time_set_fake(now);
        begin(&f);
        w = open_writer(&f);
        write_text(w, "2026-11-21T02:10:00.5+01:00 mx a: 1\n");
        check_got(&f, "1 ");
        assert_true(f.time == now - 10 * USEC_PER_MINUTE + USEC_PER_SEC / 2);
        write_text(w, "Nov 21 01:02:03 mx a: 2\n");
        check_got(&f, "2 ");
        assert_true(f.time == now - 18 * USEC_PER_MINUTE + 3 * USEC_PER_SEC);
        /* of the future, and of a day that there is not */
        write_text(w, "2026-11-21T01:20:07Z mx a: 3\n");
        check_got(&f, "3 ");
        assert_true(f.time == now);
        write_text(w, "2026-02-30T01:10:07Z mx a: 4\n");
        check_got(&f, "4 ");
        assert_true(f.time == 0);
        close(w);
        end(&f);
        time_set_fake(0);
}

/* The half of a line stays where it is, whoever reads it then. */
static void test_half_line(_unused_ void **state) {
        int w, keep;
        Fixture f;

        begin(&f);
        w = open_writer(&f);
        write_text(w, LINE("1") "Nov 21 01:02:03 mx a: ha");
        check_got(&f, "1 ");
        assert_int_equal(waiting(&f), 24);
        write_text(w, "l");
        check_got(&f, "");
        write_text(w, "f\n" LINE("2") "Nov");
        check_got(&f, "half 2 ");
        /* a crash, while somebody else holds the FIFO */
        keep = dup(source_fifo_descriptor(f.source));
        f.source = source_free(f.source);
        write_text(w, " 21 01:02:03 mx a: 3\n");
        make(&f, keep);
        assert_ok(source_attach(f.source, f.event));
        check_got(&f, "3 ");
        close(w);
        end(&f);
}

static void test_over_long(_unused_ void **state) {
        _cleanup_free_ char *text = malloc(3 * PIPE_BYTES);
        size_t n = strlen(LINE("")) - 1;
        Fixture f;
        int w;

        assert_non_null(text);
        begin(&f);
        w = open_writer(&f);
        memset(text, 'x', 3 * PIPE_BYTES);
        memcpy(text, LINE(""), n);
        text[LINE_MAX_BYTES] = '\n';
        assert_ok(write_all(w, text, LINE_MAX_BYTES + 1));
        turn(&f);
        assert_int_equal(f.records, 1);
        assert_int_equal(f.cut, 0);
        f.got[0] = 0;
        text[LINE_MAX_BYTES] = 'x';
        text[LINE_MAX_BYTES + 1] = '\n';
        assert_ok(write_all(w, text, LINE_MAX_BYTES + 2));
        turn(&f);
        assert_int_equal(f.records, 2);
        assert_int_equal(f.cut, 1);
        /* longer than the FIFO itself, with a line of somebody's choice in it */
        text[LINE_MAX_BYTES + 1] = 'x';
        memcpy(text + LINE_MAX_BYTES + 2, "Nov 21 01:02:03 mx a: forged", 28);
        for (size_t at = 0; at < 3 * PIPE_BYTES; at += 8192) {
                assert_ok(write_all(w, text + at, 8192));
                turn(&f);
                assert_true(waiting(&f) <= (int) LINE_MAX_BYTES);
        }
        write_text(w, "Nov 21 01:02:03 mx a: forged\n" LINE("next"));
        check_got(&f, "next ");
        assert_int_equal(f.cut, 2);
        assert_int_equal(f.records, 4);
        close(w);
        end(&f);
}

/* What stays of an over-long line when the daemon dies is never the beginning of one for the next. */
static void test_over_long_and_crash(_unused_ void **state) {
        static const char *const fills[] = {"x", " ", "Nov 21 01:02:03 mx a: forged ",
                "Nov 21 01:02:03 mx a: ", "@4000000037c219bf2ef02e94 ", "N",
                "2026-11-21T01:02:03Z mx a: f "};

        for (size_t i = 0; i < ELEMENTSOF(fills); i++)
                for (size_t size = LINE_MAX_BYTES + 1; size < LINE_MAX_BYTES + 80; size += 7) {
                        _cleanup_free_ char *text = malloc(size);
                        int w, keep;
                        Fixture f;

                        assert_non_null(text);
                        for (size_t k = 0; k < size; k++)
                                text[k] = fills[i][k % strlen(fills[i])];
                        text[0] = '-';
                        begin(&f);
                        w = open_writer(&f);
                        keep = dup(source_fifo_descriptor(f.source));
                        assert_ok(write_all(w, text, size));
                        turn(&f);
                        assert_true(waiting(&f) <= 32);
                        f.source = source_free(f.source);
                        make(&f, keep);
                        assert_ok(source_attach(f.source, f.event));
                        write_text(w, "Nov 21 01:02:03 mx a: forged\n" LINE("next"));
                        check_got(&f, "next ");
                        close(w);
                        end(&f);
                        assert_int_equal(unlink("fifo"), 0);
                }
}

static void sleep_ms(long ms) {
        struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

        assert_int_equal(nanosleep(&ts, NULL), 0);
}

/* A login stays in the FIFO until it is safe. */
static void test_settling(_unused_ void **state) {
        int w, keep;
        Fixture f;

        begin(&f);
        f.logins = true;
        w = open_writer(&f);
        write_text(w, LINE("1"));
        check_got(&f, "1 ");
        assert_int_equal(waiting(&f), 24);
        /* read on meanwhile, and nothing twice */
        write_text(w, LINE("2") "Nov");
        check_got(&f, "2 ");
        assert_int_equal(f.settled, 0);
        assert_int_equal(waiting(&f), 51);
        /* killed: another one reads them again */
        keep = dup(source_fifo_descriptor(f.source));
        f.source = source_free(f.source);
        make(&f, keep);
        assert_ok(source_attach(f.source, f.event));
        check_got(&f, "1 2 ");
        for (unsigned i = 0; i < 100 && f.settled == 0; i++) {
                sleep_ms(10);
                turn(&f);
        }
        assert_int_equal(f.settled, 1);
        assert_int_equal(f.unsettled_bytes, 51);
        assert_int_equal(waiting(&f), 3);
        /* the daemon has published for another reason */
        write_text(w, " 21 01:02:03 mx a: 3\n");
        check_got(&f, "3 ");
        assert_int_equal(waiting(&f), 24);
        source_settled(f.source);
        assert_int_equal(waiting(&f), 0);
        assert_int_equal(f.settled, 1);
        check_got(&f, "");
        /* a line that is no login waits for nothing */
        f.logins = false;
        write_text(w, LINE("4"));
        check_got(&f, "4 ");
        assert_int_equal(waiting(&f), 0);
        close(w);
        end(&f);
}

/* Nor does a flood of logins: it is settled as often as need be. */
static void test_flood(_unused_ void **state) {
        unsigned written = 0;
        Fixture f;
        int w;

        begin(&f);
        f.logins = true;
        w = open_writer(&f);
        assert_int_equal(fcntl(w, F_SETFL, O_NONBLOCK), 0);
        for (unsigned round = 0; round < 50; round++) {
                while (write(w, LINE("login"), strlen(LINE("login"))) > 0)
                        written++;
                assert_int_equal(errno, EAGAIN);
                /* one look makes room; before it come timers that are due, and news of each file that
                 * another program makes beside our directory */
                while (waiting(&f) >= PIPE_BYTES / 2)
                        assert_true(sd_event_run(f.event, 0) > 0);
        }
        turn(&f);
        assert_int_equal(f.records, written);
        assert_true(f.settled >= 50);
        close(w);
        end(&f);
}

/* One write() of far more than the FIFO can hold. */
static void test_large_write(_unused_ void **state) {
        size_t line = strlen(LINE("login")), n = 20000, size = n * line;
        _cleanup_free_ char *text = malloc(size);
        usec_t begun = time_now();
        Fixture f;
        pid_t pid;

        assert_non_null(text);
        for (size_t i = 0; i < n; i++)
                memcpy(text + i * line, LINE("login"), line);
        begin(&f);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                int w = open(f.path, O_WRONLY | O_CLOEXEC);

                _exit(w >= 0 && write(w, text, size) == (ssize_t) size ? 0 : 1);
        }
        while (f.records < n && time_now() - begun < 60 * USEC_PER_SEC)
                assert_ok(sd_event_run(f.event, USEC_PER_SEC));
        assert_int_equal(f.records, n);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        end(&f);
}

/* A larger FIFO than the pipe that it is looked at through. */
static void test_large_fifo(_unused_ void **state) {
        unsigned written = 0;
        Fixture f;
        int w;

        begin(&f);
        f.logins = true;
        w = open_writer(&f);
        assert_true(fcntl(w, F_SETPIPE_SZ, 4 * PIPE_BYTES) >= 4 * PIPE_BYTES);
        assert_int_equal(fcntl(w, F_SETFL, O_NONBLOCK), 0);
        while (write(w, LINE("login"), strlen(LINE("login"))) > 0)
                written++;
        assert_true(written > 5000);
        turn(&f);
        assert_int_equal(f.records, written);
        close(w);
        end(&f);
}

static void test_reload(_unused_ void **state) {
        Source *old;
        Fixture f;
        int w;

        begin(&f);
        w = open_writer(&f);
        write_text(w, LINE("1") "Nov 21 01:0");
        check_got(&f, "1 ");
        write_text(w, "2:03 mx a: 2\n" LINE("3"));
        old = f.source;
        make(&f, -1);
        source_take_over(f.source, old);
        source_free(old);
        assert_ok(source_attach(f.source, f.event));
        check_got(&f, "2 3 ");
        write_text(w, LINE("4"));
        check_got(&f, "4 ");
        assert_int_equal(f.gaps, 1);
        close(w);
        end(&f);
}

/* Removed and made anew: the writer's next open() finds us. */
static void test_replaced(_unused_ void **state) {
        Fixture f;
        int w;

        begin(&f);
        w = open_writer(&f);
        write_text(w, LINE("1"));
        assert_int_equal(unlink("fifo"), 0);
        check_got(&f, "1 ");
        assert_int_equal(access("fifo", F_OK), 0);
        close(w);
        w = open_writer(&f);
        write_text(w, LINE("2"));
        check_got(&f, "2 ");
        assert_int_equal(f.gaps, 2);
        close(w);
        end(&f);
}

static void check_refused(const char *reason) {
        char expected[PATH_MAX + 128];
        Fixture f;

        prepare(&f);
        make(&f, -1);
        assert_ok(source_attach(f.source, f.event));
        (void) snprintf(expected, sizeof(expected), "a.conf:7: Fifo=%s: %s", f.path, reason);
        assert_int_equal(f.troubles, 1);
        assert_string_equal(f.trouble, expected);
        assert_int_equal(source_fifo_descriptor(f.source), -1);
        end(&f);
}

static void test_refused(_unused_ void **state) {
        put_text("fifo", "precious");
        check_refused("it is there and is not a FIFO");
        assert_int_equal(unlink("fifo"), 0);
        assert_int_equal(mkdir("fifo", 0700), 0);
        check_refused("it is there and is not a FIFO");
        assert_int_equal(rmdir("fifo"), 0);
        assert_int_equal(mkfifo("other", 0600), 0);
        assert_int_equal(symlink("other", "fifo"), 0);
        check_refused("it is a symbolic link");
        assert_int_equal(unlink("fifo"), 0);
        assert_int_equal(symlink("nothing", "fifo"), 0);
        check_refused("it is a symbolic link");
        assert_int_equal(unlink("fifo"), 0);
        assert_int_equal(mkfifo("fifo", 0600), 0);
        assert_int_equal(chmod("fifo", 0622), 0);
        check_refused("everybody may write to it, and so log in whomever he likes");
        assert_int_equal(chmod("fifo", 0600), 0);
        if (geteuid() == 0) {
                assert_int_equal(chown("fifo", 1234, 1234), 0);
                check_refused("it belongs to neither root nor the daemon's user");
        }
}

/* Refused, and opened when it is mended. */
static void test_mended(_unused_ void **state) {
        Fixture f;
        int w;

        put_text("fifo", "");
        prepare(&f);
        make(&f, -1);
        assert_ok(source_attach(f.source, f.event));
        assert_int_equal(f.troubles, 1);
        assert_int_equal(unlink("fifo"), 0);
        turn(&f);
        assert_int_equal(f.wells, 1);
        w = open_writer(&f);
        write_text(w, LINE("1"));
        check_got(&f, "1 ");
        close(w);
        end(&f);
}

/* A FIFO that systemd passes may belong to the syslog daemon's user, and to nobody else. */
static void test_passed(_unused_ void **state) {
        Fixture f;
        int fd;

        prepare(&f);
        assert_int_equal(mkfifo("fifo", 0600), 0);
        if (geteuid() == 0)
                assert_int_equal(chown("fifo", 1234, 1234), 0);
        fd = open("fifo", O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        write_text(fd, LINE("before"));
        make(&f, fd);
        assert_ok(source_attach(f.source, f.event));
        check_got(&f, "before ");
        source_check(f.source);
        write_text(fd, LINE("1"));
        check_got(&f, "1 ");
        assert_int_equal(f.gaps, 1);
        f.source = source_free(f.source);

        assert_int_equal(chmod("fifo", 0666), 0);
        fd = open("fifo", O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        make(&f, fd);
        assert_ok(source_attach(f.source, f.event));
        assert_int_equal(f.troubles, 1);
        assert_int_equal(source_fifo_descriptor(f.source), -1);
        end(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_lines),
                in_directory(test_time_of_a_line_that_waited),
                in_directory(test_half_line),
                in_directory(test_over_long),
                in_directory(test_over_long_and_crash),
                in_directory(test_settling),
                in_directory(test_flood),
                in_directory(test_large_write),
                in_directory(test_large_fifo),
                in_directory(test_reload),
                in_directory(test_replaced),
                in_directory(test_refused),
                in_directory(test_mended),
                in_directory(test_passed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
