/* SPDX-License-Identifier: Apache-2.0 */
/* A log that is followed through every kind of rotation, with a real directory and a real event loop. */
#include "check.h"

#include <poll.h>
#include <sys/fsuid.h>
#include <sys/inotify.h>
#include <time.h>

#include "source/source-file.h"

#define LINE(text) "Nov 21 01:02:03 mx a: " text "\n"

typedef struct Fixture {
        sd_event *event;
        Source *source;
        char path[PATH_MAX];
        char got[4096]; /* messages, each with a blank behind it */
        unsigned gaps, troubles, wells, cut;
        char trouble[512];
        unsigned told; /* gaps that an administrator was told of */
        char gap[512]; /* the last of them */
        size_t raw_size;
        usec_t time, read_time;
        const char *meanwhile; /* is written as soon as something is delivered */
        usec_t written;        /* and that was then */
} Fixture;

static void append(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_ok(write_all(fd, text, strlen(text)));
        assert_int_equal(close(fd), 0);
}

static void on_record(void *userdata, _unused_ Source *source, const Record *record) {
        Fixture *f = userdata;
        size_t n = strlen(f->got);

        assert_true(span_equal_string(record->host, "mx"));
        assert_true(span_equal_string(record->identifier, "a"));
        assert_string_equal(record->source, f->path);
        assert_false(record->proven);
        f->raw_size = record->raw_size;
        f->time = record->ops->time(record);
        f->read_time = record->read_time;
        if (f->meanwhile) {
                (void) usleep(2000);
                f->written = time_now();
                append(f->path, f->meanwhile);
                f->meanwhile = NULL;
        }
        if (record->cut) {
                f->cut++;
                return;
        }
        (void) snprintf(
                f->got + n, sizeof(f->got) - n, "%.*s ", (int) record->message.size, record->message.data);
}

static void on_note(void *userdata, _unused_ Source *source, SourceNote note, const char *text) {
        Fixture *f = userdata;

        f->gaps += note == SOURCE_NOTE_GAP;
        if (note == SOURCE_NOTE_GAP && text[0]) {
                f->told++;
                (void) snprintf(f->gap, sizeof(f->gap), "%s", text);
        }
        f->wells += note == SOURCE_NOTE_WELL;
        if (note == SOURCE_NOTE_TROUBLE) {
                f->troubles++;
                (void) snprintf(f->trouble, sizeof(f->trouble), "%s", text);
        }
}

static void make(Fixture *f) {
        static const LineHeads heads = {{LOG_HEAD_SYSLOG}, 1};
        SourceSink sink = {on_record, on_note, f, NULL};

        assert_ok(source_file_new(f->path, &heads, "UTC", &sink, &f->source));
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

static int begin_at(Fixture *f, const char *name) {
        _cleanup_free_ char *here = getcwd(NULL, 0);

        assert_non_null(here);
        (void) snprintf(f->path, sizeof(f->path), "%s/%s", here, name);
        assert_ok(sd_event_new(&f->event));
        make(f);
        return 0;
}

static void attach(Fixture *f) {
        assert_ok(source_attach(f->source, f->event));
        turn(f);
}

static void begin(Fixture *f, const char *name) {
        *f = (Fixture){0};
        (void) begin_at(f, name);
        attach(f);
        /* nobody knows what was written before the first line */
        assert_int_equal(f->gaps, 1);
        f->gaps = 0;
}

static void end(Fixture *f) {
        source_free(f->source);
        sd_event_unref(f->event);
}

static ByteWriter stop(Fixture *f) {
        ByteWriter w = BYTE_WRITER_INIT;

        source_encode(f->source, &w);
        assert_false(w.failed);
        f->source = source_free(f->source);
        return w;
}

static void start(Fixture *f, ByteWriter *w) {
        make(f);
        assert_true(source_decode(f->source, span_make(w->data, w->size)));
        byte_writer_done(w);
        attach(f);
}

/* What has come since the last time. */
static void check_got(Fixture *f, const char *expected) {
        turn(f);
        assert_string_equal(f->got, expected);
        f->got[0] = 0;
}

static void refill(const char *path, const char *text) {
        assert_int_equal(truncate(path, 0), 0);
        append(path, text);
}

/* Gives a file a time of its own: the kernel's is coarser than a test. */
static void written_at(const char *path, int seconds_ago) {
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {0}};

        assert_int_equal(clock_gettime(CLOCK_REALTIME, &times[1]), 0);
        times[1].tv_sec -= seconds_ago;
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* ---- running ---- */

static void test_growing(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1") LINE("2"));
        begin(&f, "log");
        check_got(&f, "1 2 ");
        assert_int_equal(f.gaps, 0);
        append("log", LINE("3"));
        check_got(&f, "3 ");
        append("log", "Nov 21 01:02:03 mx a: par");
        check_got(&f, "");
        append("log", "tial\n" LINE("5"));
        check_got(&f, "partial 5 ");
        append("log", "no head\n\n" LINE("6  "));
        check_got(&f, "6   ");
        assert_int_equal(f.raw_size, 3);
        append("log", "Nov 21 01:02:03 mx a: 7\r\n");
        check_got(&f, "7 ");
        assert_int_equal(f.raw_size, 2);
        assert_true(f.time > 0 && f.time <= time_now());
        assert_int_equal(f.gaps + f.troubles, 0);
        end(&f);
}

static void test_rename_and_create(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        assert_int_equal(rename("log", "log.1"), 0);
        check_got(&f, "");
        /* a syslogd goes on writing until it is told */
        append("log.1", LINE("2"));
        check_got(&f, "2 ");
        append("log.1", LINE("3"));
        put_text("log", LINE("4"));
        append("log.1", LINE("5"));
        check_got(&f, "3 5 4 ");
        assert_int_equal(f.gaps + f.troubles, 0);
        /* two writers, and nobody knows in which order */
        append("log.1", LINE("6"));
        append("log", LINE("7"));
        check_got(&f, "6 7 ");
        assert_int_equal(f.gaps, 2);
        assert_int_equal(f.troubles, 0);
        end(&f);
}

static void test_late_create(_unused_ void **state) {
        Fixture f;

        begin(&f, "a/log");
        assert_int_equal(f.troubles, 1);
        assert_non_null(strstr(f.trouble, "/a/log can't be opened: No such file or directory"));
        check_got(&f, "");
        assert_int_equal(mkdir("a", 0755), 0);
        turn(&f);
        put_text("a/log", LINE("1"));
        check_got(&f, "1 ");
        assert_int_equal(f.troubles, 1);
        assert_int_equal(f.wells, 1);
        end(&f);
}

static void test_copytruncate(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        assert_int_equal(truncate("log", 0), 0);
        check_got(&f, "");
        assert_int_equal(f.gaps, 1);
        append("log", LINE("2"));
        check_got(&f, "2 ");
        /* refilled past the old position before anybody has looked: as if it came from a client */
        refill("log", "Nov 21 01:02:03 mx a: user=<" LINE("6.6.6.6"));
        check_got(&f, "user=<Nov 21 01:02:03 mx a: 6.6.6.6 ");
        assert_int_equal(f.gaps, 2);
        end(&f);
}

static void test_copytruncate_of_nothing_whole(_unused_ void **state) {
        Fixture f;

        put_text("log", "Nov 21 01:02:03 mx a: never to be fin");
        begin(&f, "log");
        check_got(&f, "");
        /* the first line may be the rest of that one, and a client have chosen where it begins */
        refill("log", "Nov 21 01:02:03 mx a: something else that is longer than it was " LINE("6.6.6.6")
                              LINE("2"));
        check_got(&f, "2 ");
        assert_true(f.gaps > 0);
        end(&f);
}

static void copy(const char *from, const char *to) {
        _cleanup_free_ char *text = NULL;
        size_t size;

        assert_ok(read_file(from, 1 << 20, &text, &size));
        append(to, text);
}

/* What nobody had read when the log was cut short is in its copy; what was read is not read again. */
static void test_copytruncate_of_unread(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        append("log", LINE("2"));
        copy("log", "log.1");
        refill("log", LINE("3"));
        check_got(&f, "2 3 ");
        assert_true(f.gaps > 0);
        end(&f);
}

/* A copy that was made of the new log before it was seen: what it begins with is read twice, and may be the
 * rest of a torn message, so there is a gap before both. */
static void test_copy_of_unseen(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        assert_int_equal(unlink("log"), 0);
        put_text("log", LINE("rest"));
        copy("log", "log.1");
        check_got(&f, "rest rest ");
        assert_int_equal(f.gaps, 2);
        end(&f);
}

static void test_delete_and_create(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        for (int i = 2; i < 10; i++) {
                char line[64], expected[8];

                assert_int_equal(unlink("log"), 0);
                if (i % 2)
                        turn(&f);
                (void) snprintf(line, sizeof(line), "Nov 21 01:02:03 mx a: %d\n", i);
                (void) snprintf(expected, sizeof(expected), "%d ", i);
                put_text("log", line);
                check_got(&f, expected);
        }
        assert_int_equal(f.gaps, 0);
        end(&f);
}

static void test_links(_unused_ void **state) {
        Fixture f;

        assert_int_equal(mkdir("one", 0755), 0);
        assert_int_equal(mkdir("two", 0755), 0);
        put_text("one/real", LINE("1"));
        put_text("two/real", LINE("2"));
        put_text("two/other", LINE("3"));
        assert_int_equal(symlink("one", "current"), 0);
        assert_int_equal(symlink("current/real", "log"), 0);
        begin(&f, "log");
        check_got(&f, "1 ");
        /* in a directory's place */
        assert_int_equal(symlink("two", "next"), 0);
        assert_int_equal(rename("next", "current"), 0);
        check_got(&f, "2 ");
        append("one/real", LINE("late"));
        append("two/real", LINE("new"));
        check_got(&f, "late new ");
        /* in the file's */
        assert_int_equal(symlink("current/other", "next"), 0);
        assert_int_equal(rename("next", "log"), 0);
        check_got(&f, "3 ");
        append("two/other", LINE("4"));
        check_got(&f, "4 ");
        end(&f);
}

static void test_directory_goes_and_comes(_unused_ void **state) {
        Fixture f;

        assert_int_equal(mkdir("d", 0755), 0);
        put_text("d/log", LINE("1"));
        begin(&f, "d/log");
        check_got(&f, "1 ");
        assert_int_equal(rename("d", "gone"), 0);
        check_got(&f, "");
        assert_int_equal(mkdir("d", 0755), 0);
        put_text("d/log", LINE("2"));
        check_got(&f, "2 ");
        assert_int_equal(unlink("d/log"), 0);
        assert_int_equal(rmdir("d"), 0);
        check_got(&f, "");
        assert_int_equal(rename("gone", "d"), 0);
        append("d/log", LINE("3"));
        /* what was read of it before is not read again */
        check_got(&f, "3 ");
        append("d/log", LINE("4"));
        check_got(&f, "4 ");
        end(&f);
}

static void test_two_rotations_between_looks(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        written_at("log", 20);
        append("log", LINE("2"));
        written_at("log", 10);
        assert_int_equal(rename("log", "log.2"), 0);
        put_text("log", LINE("3"));
        assert_int_equal(rename("log", "log.1"), 0);
        put_text("log", LINE("4"));
        check_got(&f, "2 3 4 ");
        assert_true(f.gaps > 0); /* nor what precedes what */
        end(&f);
}

static void test_long_lines(_unused_ void **state) {
        _cleanup_free_ char *text = malloc(200000);
        Fixture f;

        assert_non_null(text);
        memset(text, 'x', 200000);
        memcpy(text, "Nov 21 01:02:03 mx a: ", 22);
        /* its rest would be a line of its own */
        memcpy(text + 8192, "Nov 21 01:02:03 mx a: 6.6.6.6 ", 30);
        text[199999] = 0;
        put_text("log", LINE("1"));
        begin(&f, "log");
        append("log", text);
        turn(&f);
        append("log", " end\n" LINE("2"));
        check_got(&f, "1 2 ");
        assert_int_equal(f.cut, 1);
        end(&f);
}

static void test_much(_unused_ void **state) {
        FILE *file = fopen("log", "we");
        Fixture f;

        assert_non_null(file);
        for (int i = 0; i < 50000; i++)
                (void) fprintf(file, "Nov 21 01:02:03 mx a: \n");
        (void) fprintf(file, LINE("end"));
        assert_int_equal(fclose(file), 0);
        begin(&f, "log");
        assert_int_equal(f.source->records, 50001);
        end(&f);
}

static void test_unreadable(_unused_ void **state) {
        Fixture f;
        int uid = -1;

        put_text("log", LINE("1"));
        assert_int_equal(chmod("log", 0), 0);
        if (geteuid() == 0) {
                /* root reads everything: be somebody else for files */
                assert_int_equal(chmod(".", 0777), 0);
                uid = setfsuid(65534);
                if (setfsuid((uid_t) -1) != 65534)
                        skip();
        }
        begin(&f, "log");
        check_got(&f, "");
        assert_int_equal(f.troubles, 1);
        assert_non_null(strstr(f.trouble, "Permission denied"));
        source_check(f.source);
        turn(&f);
        assert_int_equal(f.troubles, 1);
        if (uid >= 0)
                (void) setfsuid(0);
        assert_int_equal(chmod("log", 0644), 0);
        if (uid >= 0)
                (void) setfsuid(65534);
        check_got(&f, "1 ");
        assert_int_equal(f.wells, 1);
        if (uid >= 0)
                (void) setfsuid(0);
        end(&f);
}

/* What is no file is no log, and does not hold us. */
static void test_not_a_file(_unused_ void **state) {
        Fixture f;

        assert_int_equal(mkfifo("log", 0600), 0);
        begin(&f, "log");
        assert_int_equal(f.troubles, 1);
        assert_int_equal(unlink("log"), 0);
        put_text("log", LINE("1"));
        check_got(&f, "1 ");
        end(&f);
}

/* A file that was the log and is then cut short has no more to say, and is a gap once. */
static void test_old_one_cut_short(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        assert_int_equal(rename("log", "log.1"), 0);
        put_text("log", LINE("2"));
        check_got(&f, "1 2 ");
        assert_int_equal(truncate("log.1", 0), 0);
        for (int i = 0; i < 5; i++) {
                append("log", LINE("3"));
                check_got(&f, "3 ");
        }
        assert_int_equal(f.gaps, 1);
        end(&f);
}

/* With nothing but the half of a line read of it. */
static void test_old_half_cut_short(_unused_ void **state) {
        Fixture f;

        put_text("log", "Nov 21 01:02:03 mx a: user=<");
        begin(&f, "log");
        check_got(&f, "");
        assert_int_equal(rename("log", "log.1"), 0);
        put_text("log", "");
        check_got(&f, "");
        refill("log.1", LINE("6.6.6.6"));
        append("log", LINE("2") LINE("3"));
        check_got(&f, "3 ");
        end(&f);
}

/* Cut short, filled, copied and cut short again, all between two looks: what was there in between is in a
 * copy, and nothing in the log tells of it. */
static void test_cut_twice_between_looks(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        written_at("log", 9);
        begin(&f, "log");
        check_got(&f, "1 ");
        refill("log", "");
        written_at("log", 8);
        check_got(&f, "");
        append("log", LINE("2"));
        copy("log", "log.2");
        written_at("log.2", 7);
        refill("log", "");
        written_at("log", 6);
        check_got(&f, "2 ");
        append("log", LINE("3"));
        copy("log", "log.1");
        written_at("log.1", 5);
        refill("log", LINE("4"));
        check_got(&f, "3 4 ");
        end(&f);
}

/* Cut short, filled beyond what was read, and renamed while it is written to, all between two looks. */
static void test_cut_and_renamed_between_looks(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        written_at("log", 9);
        begin(&f, "log");
        check_got(&f, "1 ");
        copy("log", "log.2");
        written_at("log.2", 8);
        refill("log", LINE("another") LINE("2"));
        assert_int_equal(rename("log", "log.1"), 0);
        append("log.1", LINE("3"));
        append("log", LINE("4"));
        check_got(&f, "another 2 3 4 ");
        assert_true(f.gaps > 0);
        end(&f);
}

/* A link that is set to and fro: each file is read once, and only once. */
static void test_link_to_and_fro(_unused_ void **state) {
        Fixture f;

        put_text("one", LINE("1"));
        put_text("two", LINE("2"));
        assert_int_equal(symlink("one", "log"), 0);
        begin(&f, "log");
        check_got(&f, "1 ");
        for (int i = 0; i < 10; i++) {
                const char *target = i % 2 ? "one" : "two";

                assert_int_equal(symlink(target, "next"), 0);
                assert_int_equal(rename("next", "log"), 0);
                append(target, LINE("new"));
                check_got(&f, i == 0 ? "2 new " : "new ");
        }
        assert_int_equal(f.troubles, 0);
        end(&f);
}

/* The halves of a line, in two files. */
static void check_halves(const char *first, const char *second, const char *expected, bool together) {
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        append("log", first);
        if (!together)
                turn(&f);
        assert_int_equal(rename("log", "log.1"), 0);
        put_text("log", second);
        check_got(&f, expected);
        assert_int_equal(f.gaps > 0, !streq(expected, "2 3 "));
        end(&f);
        assert_int_equal(unlink("log.1"), 0);
}

/* multilog ends a file within a line that is too long, and a client may have chosen what the rest looks
 * like. */
static void test_half_line_over_rotation(_unused_ void **state) {
        static char longer[100000];

        memset(longer, 'x', sizeof(longer) - 1);
        for (int together = 0; together < 2; together++) {
                check_halves("Nov 21 01:02:03 mx a: user=<", LINE("6.6.6.6") LINE("2"), "2 ", together);
                check_halves("Nov 21 01:02:03 mx a: us", "er=<" LINE("6.6.6.6") LINE("2"), "2 ", together);
                check_halves(longer, LINE("6.6.6.6") LINE("2"), "2 ", together);
                check_halves(LINE("2"), LINE("3"), "2 3 ", together);
        }
}

static void test_half_line_over_two_rotations(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", LINE("1"));
        written_at("log", 50);
        begin(&f, "log");
        check_got(&f, "1 ");
        w = stop(&f);
        append("log", LINE("2") "Nov 21 01:02:03 mx a: user=<");
        written_at("log", 40);
        assert_int_equal(rename("log", "log.2"), 0);
        put_text("log", LINE("6.6.6.6") LINE("3") "Nov 21 01:02:03 mx a: user=<");
        written_at("log", 30);
        assert_int_equal(rename("log", "log.1"), 0);
        put_text("log", LINE("6.6.6.6") LINE("4"));
        start(&f, &w);
        check_got(&f, "2 3 4 ");
        end(&f);
}

/* The half stays one over a restart, and at the very first start the file before tells. */
static void test_half_line_over_restart(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log.1", "Nov 21 01:02:03 mx a: user=<");
        written_at("log.1", 50);
        put_text("log", LINE("6.6.6.6") LINE("1"));
        f = (Fixture){0};
        (void) begin_at(&f, "log");
        attach(&f);
        check_got(&f, "1 ");
        append("log", "Nov 21 01:02:03 mx a: user=<");
        check_got(&f, "");
        w = stop(&f);
        assert_int_equal(rename("log", "log.1"), 0);
        put_text("log", LINE("6.6.6.6") LINE("2"));
        start(&f, &w);
        check_got(&f, "2 ");
        end(&f);
}

/* A half line when the log is cut short: its copy says whether it was finished. */
static void test_half_line_and_copytruncate(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1") "Nov 21 01:02:03 mx a: user=<");
        begin(&f, "log");
        check_got(&f, "1 ");
        refill("log", LINE("6.6.6.6") LINE("2"));
        check_got(&f, "2 ");
        append("log", "Nov 21 01:02:03 mx a: fini");
        check_got(&f, "");
        append("log", "shed\n");
        copy("log", "log.1");
        refill("log", LINE("3"));
        check_got(&f, "finished 3 ");
        append("log", "Nov 21 01:02:03 mx a: user=<");
        check_got(&f, "");
        copy("log", "log.2");
        refill("log", LINE("6.6.6.6") LINE("4"));
        check_got(&f, "4 ");
        assert_int_equal(f.source->discarded, 2);
        end(&f);
}

/* The copy is found before the log is cut short, and says all the same how the line went on. */
static void test_half_line_and_early_copy(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        refill("log", "");
        check_got(&f, "");
        append("log", LINE("2") "Nov 21 01:02:03 mx a: fini");
        put_text("log.1", LINE("2") LINE("finished"));
        check_got(&f, "2 finished 2 ");
        refill("log", LINE("3"));
        check_got(&f, "3 ");
        assert_int_equal(f.source->discarded, 0);
        end(&f);
}

/* An old one that gets its first byte after it has been looked at. */
static void test_copy_being_made(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        put_text("log.1", "");
        refill("log", LINE("3"));
        check_got(&f, "3 ");
        written_at("log.1", 1);
        check_got(&f, "");
        append("log.1", LINE("2"));
        check_got(&f, "2 ");
        end(&f);
}

/* A line in the old file that came before one in the new file is read before it, also if we had been at the
 * old one's end. */
static void test_old_before_new(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        for (int i = 0; i < 5; i++) {
                char old[] = "log.0";

                old[4] = (char) ('0' + i);
                assert_int_equal(rename("log", old), 0);
                put_text("log", "");
                check_got(&f, "");
                append(old, LINE("old"));
                append("log", LINE("new"));
                check_got(&f, "old new ");
        }
        assert_int_equal(f.gaps, 0);
        end(&f);
}

/* More rotations than are followed: those that were read to their end are given up without a word. */
static void test_many_rotations(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("0"));
        begin(&f, "log");
        check_got(&f, "0 ");
        for (int i = 1; i <= 100; i++) {
                char old[32], line[64], expected[16];

                (void) snprintf(old, sizeof(old), "log.%d", 1000 - i);
                (void) snprintf(line, sizeof(line), "Nov 21 01:02:03 mx a: %d\n", i);
                (void) snprintf(expected, sizeof(expected), "%d ", i);
                assert_int_equal(rename("log", old), 0);
                put_text("log", line);
                check_got(&f, expected);
        }
        assert_int_equal(f.gaps + f.troubles, 0);
        end(&f);
}

/* A writer that was never told of the rotation, and that is silent for longer than old files are kept. */
static void test_writer_never_told(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        assert_int_equal(rename("log", "log.1"), 0);
        put_text("log", "");
        check_got(&f, "");
        for (int i = 1; i < 5; i++) {
                time_set_fake(time_now() + USEC_PER_HOUR);
                source_check(f.source);
                append("log.1", LINE("late"));
                check_got(&f, "late ");
        }
        w = stop(&f);
        append("log.1", LINE("later"));
        start(&f, &w);
        check_got(&f, "later ");
        /* once it writes to the new one, the old one is let go of */
        append("log", LINE("2"));
        check_got(&f, "2 ");
        time_set_fake(time_now() + USEC_PER_HOUR);
        source_check(f.source);
        append("log.1", LINE("lost"));
        check_got(&f, "");
        time_set_fake(0);
        end(&f);
}

/* A log that stays away is told, a moment's absence is not. */
static void test_gone(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        assert_int_equal(unlink("log"), 0);
        turn(&f);
        source_check(f.source);
        time_set_fake(time_now() + 9 * USEC_PER_MINUTE);
        source_check(f.source);
        assert_int_equal(f.troubles, 0);
        time_set_fake(time_now() + 2 * USEC_PER_MINUTE);
        source_check(f.source);
        source_check(f.source);
        assert_int_equal(f.troubles, 1);
        put_text("log", LINE("2"));
        check_got(&f, "2 ");
        assert_int_equal(f.wells, 1);
        time_set_fake(0);
        end(&f);
}

/* Somebody who may write to the directory puts something else in the log's place: it is not opened, what was
 * there is read on, and a log that comes back is taken up. */
static void test_replaced_by_others(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        for (int i = 0; i < 4; i++) {
                char expected[] = "late 0 ", line[] = LINE("0");

                line[sizeof(line) - 3] = expected[5] = (char) ('2' + i);
                assert_int_equal(rename("log", "log.1"), 0);
                if (i == 0)
                        assert_int_equal(mkfifo("log", 0600), 0);
                else if (i == 1)
                        assert_int_equal(mkdir("log", 0700), 0);
                else
                        assert_int_equal(symlink(i == 2 ? "/dev/zero" : "log", "log"), 0);
                append("log.1", LINE("late"));
                turn(&f);
                assert_int_equal(f.troubles, i + 1);
                if (i < 3)
                        assert_non_null(strstr(f.trouble, "it is not a regular file"));
                assert_int_equal(remove("log"), 0);
                put_text("log", line);
                check_got(&f, expected);
                assert_int_equal(f.wells, i + 1);
        }
        end(&f);
}

/* A FIFO in the log's place must have no reader in us, not even for a moment: who opens it for writing would
 * believe that. */
static void test_fifo_is_not_opened(_unused_ void **state) {
        Fixture f;
        int fd;

        assert_int_equal(mkfifo("log", 0600), 0);
        fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        assert_true(fd >= 0);
        assert_true(inotify_add_watch(fd, "log", IN_OPEN) >= 0);
        begin(&f, "log");
        source_check(f.source);
        {
                char buf[4096];

                assert_int_equal(read(fd, buf, sizeof(buf)), -1);
        }
        assert_int_equal(close(fd), 0);
        end(&f);
}

/* A writer that does not append leaves a hole when its log is cut short: the line behind it may have begun
 * before, the next one is read, and the hole costs nothing. A terabyte of it would take longer than the test
 * may. */
static void test_hole(_unused_ void **state) {
        static const char lines[] = LINE("6.6.6.6") LINE("2") LINE("3");
        const off_t size = (off_t) 1 << 40;
        Fixture f;
        ByteWriter w;
        int fd;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        fd = open("log", O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, 0), 0);
        if (pwrite(fd, lines, sizeof(lines) - 1, size) < 0)
                skip(); /* the file system has no files of that size */
        assert_int_equal(close(fd), 0);
        check_got(&f, "2 3 ");
        /* and far beyond 32 bits positions hold */
        append("log", LINE("4"));
        check_got(&f, "4 ");
        w = stop(&f);
        append("log", LINE("5"));
        start(&f, &w);
        check_got(&f, "5 ");
        end(&f);
}

/* An over-long line that never ends holds up nobody: the loop turns while it is read. */
static void test_endless_line(_unused_ void **state) {
        const size_t size = 64 << 20;
        _cleanup_free_ char *text = malloc(size);
        unsigned turns = 0;
        Fixture f;

        assert_non_null(text);
        memset(text, 'x', size);
        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        put_file("log", text, size);
        while (sd_event_run(f.event, 0) > 0)
                turns++;
        assert_true(turns >= 10);
        append("log", "\n" LINE("2"));
        check_got(&f, "2 ");
        end(&f);
}

/* Whole again in a new inode, as sed -i does it: nothing is lost, and a login says its own time again. */
/* A revocation may have come between the two: by the time of the first one the second would be before it. */
static void test_written_while_reading(_unused_ void **state) {
        Fixture f;

        begin(&f, "mail.log");
        f.meanwhile = LINE("two");
        append("mail.log", LINE("one"));
        check_got(&f, "one two ");
        assert_true(f.written > 0 && f.read_time >= f.written);
        end(&f);
}

static void test_sed_in_place(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", LINE("1") LINE("2"));
        begin(&f, "log");
        check_got(&f, "1 2 ");
        put_text("sedAbCdEf", LINE("1") LINE("2"));
        assert_int_equal(rename("sedAbCdEf", "log"), 0);
        append("log", LINE("3"));
        check_got(&f, "1 2 3 ");
        assert_true(f.time > 0 && f.time < time_now() - USEC_PER_MINUTE);
        w = stop(&f);
        put_text("sedAbCdEf", LINE("1") LINE("3") LINE("4"));
        assert_int_equal(rename("sedAbCdEf", "log"), 0);
        start(&f, &w);
        check_got(&f, "1 3 4 ");
        end(&f);
}

/* A log whose first line is the rest of a torn message, and a new one that begins with what was read: the
 * rest comes again, and the first half does not. */
static void test_begins_with_rest_again(_unused_ void **state) {
        for (int way = 0; way < 6; way++) {
                bool stopped = way % 2;
                ByteWriter w = BYTE_WRITER_INIT;
                Fixture f;

                put_text("log", LINE("rest") LINE("2"));
                begin(&f, "log");
                check_got(&f, "rest 2 ");
                if (stopped)
                        w = stop(&f);
                put_text("sedAbCdEf", LINE("rest") LINE("2"));
                if (way / 2 == 1) /* sed -i.bak */
                        assert_int_equal(rename("log", "log.bak"), 0);
                if (way / 2 == 2) {
                        assert_int_equal(rename("log", "log.bak"), 0);
                        copy("log.bak", "log");
                } else
                        assert_int_equal(rename("sedAbCdEf", "log"), 0);
                if (stopped)
                        start(&f, &w);
                check_got(&f, "rest 2 ");
                assert_int_equal(f.gaps, 1);
                end(&f);
                assert_int_equal(unlink("log"), 0);
                (void) unlink("log.bak");
        }
}

/* A file that was the log for a moment, and that nobody has seen: it may have had the first half of a torn
 * message. `kept`: the log before it stays there under another name. */
static void check_unseen(bool stopped, bool kept, bool absent) {
        ByteWriter w = BYTE_WRITER_INIT;
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        if (stopped)
                w = stop(&f);
        assert_int_equal(kept ? rename("log", "log.1") : unlink("log"), 0);
        put_text("log", LINE("half"));
        assert_int_equal(unlink("log"), 0);
        if (absent && !stopped)
                check_got(&f, "");
        put_text("log", LINE("rest"));
        if (stopped)
                start(&f, &w);
        check_got(&f, "rest ");
        assert_int_equal(f.gaps, 1);
        append("log", LINE("2"));
        check_got(&f, "2 ");
        assert_int_equal(f.gaps, 1);
        end(&f);
        assert_int_equal(unlink("log"), 0);
        (void) unlink("log.1");
}

static void test_unseen_between_looks(_unused_ void **state) {
        for (int i = 0; i < 8; i++)
                check_unseen(i & 1, i & 2, i & 4);
}

/* The log itself is away for a while, and another one is in its place meanwhile. */
static void test_unseen_in_place(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        assert_int_equal(rename("log", "away"), 0);
        put_text("log", LINE("half"));
        assert_int_equal(rename("away", "log"), 0);
        append("log", LINE("rest"));
        check_got(&f, "rest ");
        assert_int_equal(f.gaps, 1);
        end(&f);
}

/* In a directory that is new as well, nobody has seen what came and went. */
static void test_unseen_in_new_directory(_unused_ void **state) {
        Fixture f;

        assert_int_equal(mkdir("d", 0755), 0);
        put_text("d/log", LINE("1"));
        begin(&f, "d/log");
        check_got(&f, "1 ");
        assert_int_equal(rename("d", "gone"), 0);
        assert_int_equal(mkdir("d", 0755), 0);
        put_text("d/log", LINE("half"));
        assert_int_equal(unlink("d/log"), 0);
        put_text("d/log", LINE("rest"));
        check_got(&f, "rest ");
        assert_int_equal(f.gaps, 1);
        end(&f);
}

/* Restored or rsynced: older content, shorter or the same, in the same inode or a new one. */
static void test_restored(_unused_ void **state) {
        for (int in_place = 0; in_place < 2; in_place++)
                for (int stopped = 0; stopped < 2; stopped++) {
                        Fixture f;
                        ByteWriter w = BYTE_WRITER_INIT;

                        put_text("log", LINE("1") LINE("2") LINE("3"));
                        begin(&f, "log");
                        check_got(&f, "1 2 3 ");
                        if (stopped)
                                w = stop(&f);
                        if (in_place)
                                put_text("log", LINE("1") LINE("2"));
                        else {
                                put_text(".log.rsync", LINE("1") LINE("2"));
                                assert_int_equal(rename(".log.rsync", "log"), 0);
                        }
                        append("log", LINE("4"));
                        if (stopped)
                                start(&f, &w);
                        /* the third line is not what it was, so all of it may be another's */
                        check_got(&f, "1 2 4 ");
                        assert_true(f.gaps > 0);
                        append("log", LINE("5"));
                        check_got(&f, "5 ");
                        end(&f);
                        assert_int_equal(unlink("log"), 0);
                }
}

/* Refilled with something else to the very same size, at once. */
static void test_same_size(_unused_ void **state) {
        Fixture f;

        put_text("log", LINE("1") LINE("2"));
        begin(&f, "log");
        check_got(&f, "1 2 ");
        refill("log", LINE("3") LINE("4"));
        check_got(&f, "3 4 ");
        refill("log", "Nov 21 01:02:03 mx a: user=<Nov 21 01:02:03 mx \n");
        check_got(&f, "user=<Nov 21 01:02:03 mx  ");
        end(&f);
}

/* ---- stopping ---- */

static void test_restart(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", LINE("1"));
        begin(&f, "log");
        append("log", LINE("2") "Nov 21 01:02:03 mx a: par");
        check_got(&f, "1 2 ");
        w = stop(&f);
        append("log", "tial\n" LINE("3"));
        start(&f, &w);
        check_got(&f, "partial 3 ");
        w = stop(&f);
        start(&f, &w);
        check_got(&f, "");
        assert_int_equal(f.gaps, 0);
        end(&f);
}

static void test_rotations_while_stopped(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", LINE("1"));
        written_at("log", 50);
        begin(&f, "log");
        check_got(&f, "1 ");
        w = stop(&f);
        append("log", LINE("2"));
        written_at("log", 40);
        assert_int_equal(rename("log", "log.3"), 0);
        put_text("log", LINE("3"));
        written_at("log", 30);
        assert_int_equal(rename("log", "log.2"), 0);
        put_text("log", LINE("4"));
        written_at("log", 20);
        assert_int_equal(rename("log", "log.1"), 0);
        put_text("log", LINE("5"));
        put_text("logs", LINE("beside"));
        put_text("log.0", LINE("older"));
        written_at("log.0", 500);
        start(&f, &w);
        check_got(&f, "2 3 4 5 ");
        assert_true(f.gaps > 0);
        end(&f);
}

static void test_compressed_while_stopped(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", LINE("1"));
        written_at("log", 50);
        begin(&f, "log");
        check_got(&f, "1 ");
        w = stop(&f);
        assert_int_equal(unlink("log"), 0);
        put_text("log.1.gz", "compressed");
        put_text("log", LINE("3"));
        start(&f, &w);
        check_got(&f, "3 ");
        assert_true(f.gaps > 0);
        end(&f);
}

/* Packs a file as gzip does, as far as anybody looks: the magic, and the size at the end. */
static void pack(const char *path, size_t size, int seconds_ago) {
        unsigned char bytes[32] = {0x1f, 0x8b, 8};

        for (int i = 0; i < 4; i++)
                bytes[28 + i] = (unsigned char) (size >> 8 * i);
        put_file(path, bytes, sizeof(bytes));
        written_at(path, seconds_ago);
}

/* What is told names the file, from when to when, and from which byte on. */
static void test_compressed_is_told(_unused_ void **state) {
        Fixture f;
        ByteWriter w;
        char from[TIME_TEXT_BYTES];
        struct stat st;

        put_text("log", LINE("1"));
        written_at("log", 500);
        begin(&f, "log");
        check_got(&f, "1 ");
        assert_int_equal(stat("log", &st), 0);
        time_stamp_format(from, (usec_t) st.st_mtim.tv_sec * USEC_PER_SEC);
        w = stop(&f);
        assert_int_equal(unlink("log"), 0);
        pack("log.3.gz", 1000, 600); /* long before */
        pack("log.2.gz", 1000, 400);
        pack("log.1.gz", 500, 300);
        put_text("log", LINE("2"));
        start(&f, &w);
        check_got(&f, "2 ");
        assert_int_equal(f.told, 2);
        assert_non_null(strstr(
                f.gap, "/log.1.gz was compressed before it was read; the logins in it are not known, from"));
        assert_non_null(strstr(f.gap, "/log.1.gz | tail -c +1 | authrelayctl explain"));
        f.told = 0;
        /* now one file only: what was read of it is not in the gap */
        append("log", LINE("3"));
        written_at("log", 100);
        turn(&f);
        append("log", "");
        check_got(&f, "3 ");
        end(&f);
        assert_int_equal(unlink("log"), 0);
        put_text("log", LINE("1"));
        written_at("log", 250);
        begin(&f, "log");
        check_got(&f, "1 ");
        assert_int_equal(stat("log", &st), 0);
        time_stamp_format(from, (usec_t) st.st_mtim.tv_sec * USEC_PER_SEC);
        w = stop(&f);
        assert_int_equal(unlink("log"), 0);
        pack("log.0.gz", 1000, 200);
        start(&f, &w);
        assert_int_equal(f.told, 1);
        assert_non_null(strstr(f.gap, from));
        assert_non_null(strstr(f.gap, "/log.0.gz | tail -c +25 | authrelayctl explain"));
        end(&f);
}

/* A file that was read to its end and then compressed is no loss, and nothing is told. */
static void test_compressed_after_reading(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", LINE("1"));
        written_at("log", 50);
        begin(&f, "log");
        check_got(&f, "1 ");
        w = stop(&f);
        assert_int_equal(unlink("log"), 0);
        pack("log.1.gz", strlen(LINE("1")), 50);
        put_text("log", LINE("2"));
        start(&f, &w);
        check_got(&f, "2 ");
        assert_int_equal(f.gaps, 0);
        /* nor while it runs and is late: the file is open still */
        append("log", LINE("3"));
        assert_int_equal(rename("log", "log.1"), 0);
        written_at("log.1", 0);
        pack("log.1.gz", 2 * strlen(LINE("2")), 0);
        assert_int_equal(unlink("log.1"), 0);
        put_text("log", LINE("4"));
        check_got(&f, "3 4 ");
        assert_int_equal(f.told, 0);
        /* nor of two that are compressed one after the other */
        w = stop(&f);
        assert_int_equal(rename("log.1.gz", "log.2.gz"), 0);
        pack("log.1.gz", strlen(LINE("4")), 0);
        assert_int_equal(unlink("log"), 0);
        put_text("log", LINE("5"));
        start(&f, &w);
        check_got(&f, "5 ");
        assert_int_equal(f.told, 0);
        end(&f);
}

/* It is gone without a trace: from when on is told. What was empty or is there again is no loss. */
static void test_gone_while_stopped(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        w = stop(&f);
        assert_int_equal(unlink("log"), 0);
        put_text("log", LINE("2"));
        start(&f, &w);
        check_got(&f, "2 ");
        assert_int_equal(f.told, 1);
        assert_non_null(strstr(f.gap, "/log is not the file that was read until "));
        /* in its place, but it can't be opened */
        w = stop(&f);
        assert_int_equal(rename("log", "log.1"), 0);
        assert_int_equal(mkdir("log", 0755), 0);
        start(&f, &w);
        assert_int_equal(f.told, 1);
        assert_int_equal(rmdir("log"), 0);
        assert_int_equal(rename("log.1", "log"), 0);
        check_got(&f, "");
        /* restored: the same and more */
        w = stop(&f);
        put_text("new", LINE("2") LINE("3"));
        assert_int_equal(rename("new", "log"), 0);
        start(&f, &w);
        check_got(&f, "2 3 ");
        assert_int_equal(f.told, 1);
        end(&f);
        assert_int_equal(unlink("log"), 0);
        put_text("log", "");
        begin(&f, "log");
        w = stop(&f);
        assert_int_equal(unlink("log"), 0);
        put_text("log", LINE("4"));
        start(&f, &w);
        check_got(&f, "4 ");
        assert_int_equal(f.told, 0);
        end(&f);
}

/* Whatever it was renamed to, its inode is what is looked for; a link's old target is where the new one is.
 */
static void test_odd_names_while_stopped(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        w = stop(&f);
        append("log", LINE("2"));
        assert_int_equal(rename("log", "kept for the lawyer"), 0);
        put_text("log", LINE("3"));
        start(&f, &w);
        check_got(&f, "2 3 ");
        assert_int_equal(f.told, 0);
        end(&f);
        assert_int_equal(unlink("log"), 0);
        assert_int_equal(mkdir("elsewhere", 0755), 0);
        put_text("elsewhere/monday", LINE("1"));
        assert_int_equal(symlink("elsewhere/monday", "log"), 0);
        begin(&f, "log");
        check_got(&f, "1 ");
        w = stop(&f);
        append("elsewhere/monday", LINE("2"));
        put_text("elsewhere/tuesday", LINE("3"));
        assert_int_equal(unlink("log"), 0);
        assert_int_equal(symlink("elsewhere/tuesday", "log"), 0);
        start(&f, &w);
        check_got(&f, "2 3 ");
        assert_int_equal(f.told, 0);
        end(&f);
}

/* What lies beside the log under a like name is not it: on SUSE there is mail.info beside mail. */
static void test_other_logs_beside(_unused_ void **state) {
        static const char *const rotated[] = {
                "log.1", "log-20261121", "log.2026-11-21", "log.t0001", "log.old"};
        static const char *const others[] = {"log.info", "log.err.1", "logs.1", "log", "log-errors", "log."};
        Fixture f;
        ByteWriter w;

        for (size_t i = 0; i < ELEMENTSOF(rotated) + ELEMENTSOF(others); i++) {
                bool is_other = i >= ELEMENTSOF(rotated);
                const char *name = is_other ? others[i - ELEMENTSOF(rotated)] : rotated[i];

                put_text("log", LINE("1"));
                written_at("log", 50);
                begin(&f, "log");
                check_got(&f, "1 ");
                w = stop(&f);
                assert_int_equal(rename("log", "log.9"), 0);
                put_text(name, LINE("2"));
                written_at(name, 40);
                put_text("log", LINE("3"));
                start(&f, &w);
                check_got(&f, is_other ? "3 " : "2 3 ");
                end(&f);
                assert_int_equal(unlink("log"), 0);
                assert_int_equal(unlink("log.9"), 0);
                (void) unlink(name);
        }
        /* logrotate's "extension .log" */
        put_text("mail.log", LINE("1"));
        written_at("mail.log", 50);
        begin(&f, "mail.log");
        check_got(&f, "1 ");
        w = stop(&f);
        assert_int_equal(rename("mail.log", "mail.2.log"), 0);
        put_text("mail-20261121.log", LINE("2"));
        written_at("mail-20261121.log", 40);
        put_text("mail.err.log", LINE("other"));
        put_text("mail.log", LINE("3"));
        start(&f, &w);
        check_got(&f, "2 3 ");
        end(&f);
}

/* Two files were being written to in turns; after a restart it is known which of them came last. */
static void test_mixed_over_restart(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", LINE("1"));
        begin(&f, "log");
        assert_int_equal(rename("log", "log.1"), 0);
        put_text("log", LINE("2"));
        check_got(&f, "1 2 ");
        append("log.1", LINE("3"));
        check_got(&f, "3 ");
        assert_int_equal(f.gaps, 1);
        w = stop(&f);
        append("log.1", LINE("4"));
        start(&f, &w);
        check_got(&f, "4 ");
        assert_int_equal(f.gaps, 1);
        w = stop(&f);
        append("log", LINE("5"));
        start(&f, &w);
        check_got(&f, "5 ");
        assert_int_equal(f.gaps, 2);
        end(&f);
}

static void test_copytruncate_while_stopped(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        w = stop(&f);
        refill("log", "Nov 21 01:02:03 mx a: user=<" LINE("6.6.6.6"));
        start(&f, &w);
        check_got(&f, "user=<Nov 21 01:02:03 mx a: 6.6.6.6 ");
        assert_int_equal(f.gaps, 1);
        end(&f);
}

/* The old one lost, the new one found: what was missed is a gap all the same. */
static void test_lost_while_stopped(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", LINE("1"));
        begin(&f, "log");
        assert_int_equal(rename("log", "log.1"), 0);
        put_text("log", LINE("2"));
        check_got(&f, "1 2 ");
        w = stop(&f);
        append("log.1", LINE("lost"));
        assert_int_equal(unlink("log.1"), 0);
        append("log", LINE("3"));
        start(&f, &w);
        check_got(&f, "3 ");
        assert_int_equal(f.gaps, 1);
        end(&f);
}

/* Nothing had been read of it, so nothing can tell whether another one has taken its place. */
static void test_unread_while_stopped(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", "");
        begin(&f, "log");
        w = stop(&f);
        put_text("log", LINE("1"));
        assert_int_equal(rename("log", "log.1"), 0);
        put_text("log", LINE("2"));
        start(&f, &w);
        check_got(&f, "1 2 ");
        assert_true(f.gaps > 0);
        f.gaps = 0;
        w = stop(&f);
        start(&f, &w);
        check_got(&f, "");
        assert_int_equal(f.gaps, 0);
        end(&f);
}

/* At the start the path named nothing; then two files, one after the other, between two looks. */
static void test_rotations_after_none(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        w = stop(&f);
        assert_int_equal(rename("log", "log.2"), 0);
        start(&f, &w);
        put_text("log", LINE("2"));
        assert_int_equal(rename("log", "log.1"), 0);
        put_text("log", LINE("3"));
        check_got(&f, "2 3 ");
        end(&f);
}

static void test_bad_state(_unused_ void **state) {
        Fixture f;
        ByteWriter w;
        _cleanup_free_ char *copy = NULL;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        w = stop(&f);
        copy = malloc(w.size);
        assert_non_null(copy);
        for (size_t n = 0; n < w.size; n++) {
                memcpy(copy, w.data, n);
                make(&f);
                assert_false(source_decode(f.source, span_make(copy, n)));
                f.source = source_free(f.source);
        }
        /* the device, the inode, the bytes: whatever is wrong, the log is read from its start */
        for (size_t bit = 16 * 8; bit < w.size * 8; bit += 5) {
                bool decoded;

                memcpy(copy, w.data, w.size);
                copy[bit / 8] ^= (char) (1 << bit % 8);
                make(&f);
                decoded = source_decode(f.source, span_make(copy, w.size));
                attach(&f);
                if (!decoded || bit / 8 < 16 + 24 || bit / 8 >= 16 + 32)
                        check_got(&f, "1 ");
                f.got[0] = 0;
                f.source = source_free(f.source);
        }
        byte_writer_done(&w);
        end(&f);
}

/* A position that was saved before the first look, as at a reload. */
static void test_hand_over(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("log", LINE("1"));
        begin(&f, "log");
        check_got(&f, "1 ");
        w = stop(&f);
        make(&f);
        assert_true(source_decode(f.source, span_make(w.data, w.size)));
        byte_writer_done(&w);
        w = stop(&f);
        append("log", LINE("2"));
        start(&f, &w);
        check_got(&f, "2 ");
        /* saved just when the file has been replaced: the running one is not confused by it */
        append("log", LINE("3"));
        check_got(&f, "3 ");
        refill("log", "x\n" LINE("4"));
        source_encode(f.source, &w);
        byte_writer_done(&w);
        check_got(&f, "4 ");
        append("log", LINE("5"));
        source_check(f.source);
        check_got(&f, "5 ");
        end(&f);
}

static void test_multilog(_unused_ void **state) {
        Fixture f;
        ByteWriter w;

        put_text("current", LINE("1"));
        written_at("current", 50);
        begin(&f, "current");
        check_got(&f, "1 ");
        w = stop(&f);
        append("current", LINE("2"));
        written_at("current", 40);
        assert_int_equal(rename("current", "@4000000037c219bf2ef02e94.s"), 0);
        put_text("state", LINE("no log"));
        put_text("current", LINE("3"));
        start(&f, &w);
        check_got(&f, "2 3 ");
        end(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_growing),
                in_directory(test_rename_and_create),
                in_directory(test_late_create),
                in_directory(test_copytruncate),
                in_directory(test_copytruncate_of_nothing_whole),
                in_directory(test_copytruncate_of_unread),
                in_directory(test_copy_of_unseen),
                in_directory(test_delete_and_create),
                in_directory(test_links),
                in_directory(test_directory_goes_and_comes),
                in_directory(test_two_rotations_between_looks),
                in_directory(test_long_lines),
                in_directory(test_much),
                in_directory(test_unreadable),
                in_directory(test_not_a_file),
                in_directory(test_old_one_cut_short),
                in_directory(test_old_half_cut_short),
                in_directory(test_cut_twice_between_looks),
                in_directory(test_cut_and_renamed_between_looks),
                in_directory(test_link_to_and_fro),
                in_directory(test_half_line_over_rotation),
                in_directory(test_half_line_over_two_rotations),
                in_directory(test_half_line_over_restart),
                in_directory(test_half_line_and_copytruncate),
                in_directory(test_half_line_and_early_copy),
                in_directory(test_copy_being_made),
                in_directory(test_old_before_new),
                in_directory(test_many_rotations),
                in_directory(test_writer_never_told),
                in_directory(test_gone),
                in_directory(test_replaced_by_others),
                in_directory(test_fifo_is_not_opened),
                in_directory(test_hole),
                in_directory(test_endless_line),
                in_directory(test_written_while_reading),
                in_directory(test_sed_in_place),
                in_directory(test_begins_with_rest_again),
                in_directory(test_unseen_between_looks),
                in_directory(test_unseen_in_place),
                in_directory(test_unseen_in_new_directory),
                in_directory(test_restored),
                in_directory(test_same_size),
                in_directory(test_restart),
                in_directory(test_rotations_while_stopped),
                in_directory(test_compressed_while_stopped),
                in_directory(test_compressed_is_told),
                in_directory(test_compressed_after_reading),
                in_directory(test_gone_while_stopped),
                in_directory(test_odd_names_while_stopped),
                in_directory(test_other_logs_beside),
                in_directory(test_mixed_over_restart),
                in_directory(test_copytruncate_while_stopped),
                in_directory(test_lost_while_stopped),
                in_directory(test_unread_while_stopped),
                in_directory(test_rotations_after_none),
                in_directory(test_bad_state),
                in_directory(test_hand_over),
                in_directory(test_multilog),
        };

        return cmocka_run_group_tests_name("source-file", tests, NULL, NULL);
}
