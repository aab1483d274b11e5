/* SPDX-License-Identifier: Apache-2.0 */
/* A log that is followed through every kind of rotation, with a real directory and a real event loop. */
#include "check.h"

#include <sys/fsuid.h>
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
        size_t raw_size;
        usec_t time;
} Fixture;

static void on_record(void *userdata, _unused_ Source *source, const Record *record) {
        Fixture *f = userdata;
        size_t n = strlen(f->got);

        assert_true(span_equal_string(record->host, "mx"));
        assert_true(span_equal_string(record->identifier, "a"));
        assert_string_equal(record->source, f->path);
        assert_false(record->proven);
        f->raw_size = record->raw_size;
        f->time = record->ops->time(record);
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

static void turn(Fixture *f) {
        int r;

        while ((r = sd_event_run(f->event, 0)) > 0)
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

static void append(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_ok(write_all(fd, text, strlen(text)));
        assert_int_equal(close(fd), 0);
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
        append("log.1", LINE("6"));
        append("log", LINE("7"));
        check_got(&f, "6 7 ");
        assert_int_equal(f.gaps + f.troubles, 0);
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
        refill("log", "Nov 21 01:02:03 mx a: something else that is longer than it was " LINE("6.6.6.6"));
        check_got(&f, "something else that is longer than it was Nov 21 01:02:03 mx a: 6.6.6.6 ");
        assert_int_equal(f.gaps, 1);
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
        turn(&f);
        assert_non_null(strstr(f.got, "3 "));
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
        for (size_t bit = 12 * 8; bit < w.size * 8; bit += 5) {
                bool decoded;

                memcpy(copy, w.data, w.size);
                copy[bit / 8] ^= (char) (1 << bit % 8);
                make(&f);
                decoded = source_decode(f.source, span_make(copy, w.size));
                attach(&f);
                if (!decoded || bit / 8 < 12 + 24 || bit / 8 >= 12 + 32)
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
                in_directory(test_restart),
                in_directory(test_rotations_while_stopped),
                in_directory(test_compressed_while_stopped),
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
