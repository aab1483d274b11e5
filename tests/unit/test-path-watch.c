/* SPDX-License-Identifier: Apache-2.0 */
/* Watching a path: every way in which it can come to name another file is told, and what is beside it is
 * not. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#include "source/path-watch.h"

static void on_changed(void *userdata) {
        (*(unsigned *) userdata)++;
}

typedef struct Watched {
        sd_event *event;
        PathWatch *watch;
        unsigned told;
} Watched;

/* True while something waits for the loop: a turn may do no more than drop what came for a watch that is no
 * more, and the directory of the tests is in a busy one. */
static bool waits(sd_event *event) {
        struct pollfd p = {.fd = sd_event_get_fd(event), .events = POLLIN};

        return poll(&p, 1, 0) > 0;
}

static void turn(sd_event *event) {
        int r;

        while ((r = sd_event_run(event, 0)) > 0 || (r == 0 && waits(event)))
                ;
        assert_ok(r);
}

static bool was_told(Watched *w) {
        turn(w->event);
        if (w->told == 0)
                return false;
        w->told = 0;
        return true;
}

static void begin(Watched *w, const char *path) {
        _cleanup_free_ char *full = NULL, *here = getcwd(NULL, 0);

        assert_non_null(here);
        assert_true(asprintf(&full, "%s/%s", here, path) > 0);
        w->told = 0;
        assert_ok(sd_event_new(&w->event));
        assert_ok(path_watch_new(w->event, full, on_changed, &w->told, &w->watch));
        assert_false(was_told(w));
}

static void end(Watched *w) {
        path_watch_free(w->watch);
        sd_event_unref(w->event);
}

static void test_file(_unused_ void **state) {
        Watched w;

        put_text("log", "a\n");
        begin(&w, "log");
        put_text("other", "a\n");
        assert_int_equal(unlink("other"), 0);
        assert_false(was_told(&w));
        assert_int_equal(rename("log", "log.1"), 0);
        assert_true(was_told(&w));
        put_text("log", "");
        assert_true(was_told(&w));
        assert_int_equal(unlink("log"), 0);
        assert_true(was_told(&w));
        put_text("new", "");
        assert_false(was_told(&w));
        assert_int_equal(rename("new", "log"), 0);
        assert_true(was_told(&w));
        assert_int_equal(chmod("log", 0), 0);
        assert_true(was_told(&w));
        end(&w);
}

static void test_directories(_unused_ void **state) {
        Watched w;

        begin(&w, "a/b/log");
        assert_int_equal(mkdir("a", 0755), 0);
        assert_true(was_told(&w));
        assert_int_equal(mkdir("a/b", 0755), 0);
        assert_true(was_told(&w));
        put_text("a/b/log", "");
        assert_true(was_told(&w));
        /* the whole way goes, and comes back as something else */
        assert_int_equal(rename("a", "old"), 0);
        assert_true(was_told(&w));
        put_text("old/b/x", "");
        assert_int_equal(rename("old/b/log", "old/b/log.1"), 0);
        (void) was_told(&w);
        assert_int_equal(mkdir("a", 0755), 0);
        assert_true(was_told(&w));
        /* made at once, before anybody has looked */
        assert_int_equal(mkdir("a/b", 0755), 0);
        put_text("a/b/log", "");
        assert_true(was_told(&w));
        assert_int_equal(unlink("a/b/log"), 0);
        assert_true(was_told(&w));
        assert_int_equal(rmdir("a/b"), 0);
        assert_int_equal(rmdir("a"), 0);
        assert_true(was_told(&w));
        assert_int_equal(mkdir("a", 0755), 0);
        assert_int_equal(mkdir("a/b", 0755), 0);
        assert_true(was_told(&w));
        put_text("a/b/log", "");
        assert_true(was_told(&w));
        end(&w);
}

static void test_links(_unused_ void **state) {
        Watched w;

        assert_int_equal(mkdir("one", 0755), 0);
        assert_int_equal(mkdir("two", 0755), 0);
        assert_int_equal(mkdir("deep", 0755), 0);
        put_text("one/real", "");
        put_text("two/real", "");
        assert_int_equal(symlink("../current/real", "deep/log"), 0);
        assert_int_equal(symlink("one", "current"), 0);
        begin(&w, "deep/log");
        /* the link in a directory's place */
        assert_int_equal(symlink("two", "next"), 0);
        assert_int_equal(rename("next", "current"), 0);
        assert_true(was_told(&w));
        /* now the other one's file counts */
        assert_int_equal(unlink("one/real"), 0);
        assert_false(was_told(&w));
        assert_int_equal(unlink("two/real"), 0);
        assert_true(was_told(&w));
        put_text("two/real", "");
        assert_true(was_told(&w));
        /* the last one, to an absolute path */
        assert_int_equal(unlink("deep/log"), 0);
        assert_true(was_told(&w));
        {
                _cleanup_free_ char *full = NULL, *here = getcwd(NULL, 0);

                assert_true(here && asprintf(&full, "%s/one/real", here) > 0);
                assert_int_equal(symlink(full, "deep/log"), 0);
        }
        assert_true(was_told(&w));
        put_text("one/real", "");
        assert_true(was_told(&w));
        end(&w);
}

static void test_loops(_unused_ void **state) {
        Watched w;

        assert_int_equal(symlink("b", "a"), 0);
        assert_int_equal(symlink("a", "b"), 0);
        begin(&w, "a/log");
        assert_int_equal(unlink("a"), 0);
        assert_true(was_told(&w));
        assert_int_equal(mkdir("a", 0755), 0);
        assert_true(was_told(&w));
        put_text("a/log", "");
        assert_true(was_told(&w));
        end(&w);
}

/* What no event tells, as with another file system on the way, is seen when the path is walked anew. */
static void test_renew(_unused_ void **state) {
        Watched w;

        put_text("log", "");
        begin(&w, "log");
        for (int i = 0; i < 100; i++)
                path_watch_renew(w.watch);
        assert_false(was_told(&w));
        assert_int_equal(unlink("log"), 0);
        assert_true(was_told(&w));
        end(&w);
}

/* What came to be is counted, also what has gone again before anybody looks. */
static void test_changes(_unused_ void **state) {
        PathChanges changes = {0};
        Watched w;

        begin(&w, "log");
        assert_false(path_watch_take(w.watch, &changes));
        for (int i = 0; i < 3; i++) {
                put_text("log", "");
                assert_int_equal(unlink("log"), 0);
                put_text("neighbour", "");
        }
        assert_int_equal(rename("neighbour", "log"), 0);
        assert_true(path_watch_take(w.watch, &changes));
        assert_int_equal(changes.created, 3);
        assert_int_equal(changes.moved, 1);
        assert_int_equal(changes.others, 0);
        assert_false(path_watch_take(w.watch, &changes));
        assert_int_equal(changes.created, 3);
        assert_false(was_told(&w));
        end(&w);
}

static unsigned written;

static void on_written(_unused_ void *userdata) {
        written++;
}

static bool was_written(Watched *w) {
        written = 0;
        turn(w->event);
        return written > 0;
}

/* Files are watched by what they are, whatever their names, and as often as somebody asks for it. */
static void test_written(_unused_ void **state) {
        int one, same, other, a, b, c;
        Watched w;

        put_text("log", "a\n");
        put_text("other", "a\n");
        begin(&w, "log");
        one = open("log", O_RDWR | O_APPEND | O_CLOEXEC);
        same = open("log", O_RDONLY | O_CLOEXEC);
        other = open("other", O_RDWR | O_CLOEXEC);
        assert_true(one >= 0 && same >= 0 && other >= 0);
        a = path_watch_add_file(w.watch, one, on_written);
        assert_ok(a);
        assert_false(was_written(&w));
        assert_int_equal(write(one, "b\n", 2), 2);
        assert_true(was_written(&w));
        assert_int_equal(write(other, "b\n", 2), 2);
        assert_false(was_written(&w));
        b = path_watch_add_file(w.watch, same, on_written);
        c = path_watch_add_file(w.watch, other, on_written);
        assert_ok(b);
        assert_ok(c);
        assert_int_equal(write(other, "c\n", 2), 2);
        assert_true(was_written(&w));
        /* who opens a file only to see whether it is the same one ends nobody's watch */
        path_watch_remove_file(w.watch, b);
        assert_int_equal(write(one, "c\n", 2), 2);
        assert_true(was_written(&w));
        assert_int_equal(rename("log", "log.1"), 0);
        assert_true(was_told(&w));
        assert_int_equal(write(one, "d\n", 2), 2);
        assert_true(was_written(&w));
        assert_false(was_told(&w));
        path_watch_remove_file(w.watch, a);
        assert_int_equal(write(one, "e\n", 2), 2);
        assert_false(was_written(&w));
        assert_int_equal(unlink("other"), 0);
        assert_int_equal(write(other, "d\n", 2), 2);
        assert_true(was_written(&w));
        path_watch_remove_file(w.watch, c);
        end(&w);
        (void) close(one);
        (void) close(same);
        (void) close(other);
}

/* Where the kernel has no more inotify instances for us, the file says so, and is watched when there are. */
static void test_no_descriptors(_unused_ void **state) {
        _cleanup_free_ char *full = NULL, *here = getcwd(NULL, 0);
        struct rlimit before, none = {0, 0};
        PathChanges changes = {0};
        Watched w = {0};
        int fd, first;

        /* valgrind keeps this limit to itself */
        if (getenv("AUTHRELAY_SLOW"))
                return;
        assert_non_null(here);
        assert_true(asprintf(&full, "%s/log", here) > 0);
        put_text("log", "a\n");
        fd = open("log", O_RDWR | O_APPEND | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_ok(sd_event_new(&w.event));
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none.rlim_max = before.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        first = path_watch_new(w.event, full, on_changed, &w.told, &w.watch);
        if (first >= 0)
                first = path_watch_add_file(w.watch, fd, on_written) == -EMFILE ? 0 : 1;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(first, 0);
        assert_ok(path_watch_add_file(w.watch, fd, on_written));
        /* whatever may have come before the path was watched is not known */
        assert_true(path_watch_take(w.watch, &changes));
        assert_int_equal(write(fd, "b\n", 2), 2);
        assert_true(was_written(&w));
        assert_false(path_watch_take(w.watch, &changes));
        end(&w);
        (void) close(fd);
}

static int on_turn(sd_event_source *source, void *userdata) {
        (*(unsigned *) userdata)++;
        return sd_event_source_set_enabled(source, SD_EVENT_ON);
}

/* Somebody makes files beside the log faster than they are told of: what sources do has its turns. */
static void test_flood_of_neighbours(_unused_ void **state) {
        sd_event_source *work = NULL;
        unsigned turns = 0;
        Watched w;

        begin(&w, "log");
        assert_ok(sd_event_add_defer(w.event, &work, on_turn, &turns));
        assert_ok(sd_event_source_set_priority(work, SD_EVENT_PRIORITY_NORMAL + 10));
        assert_ok(sd_event_source_set_enabled(work, SD_EVENT_ON));
        for (unsigned i = 0; i < 1000; i++) {
                put_text("neighbour", "");
                assert_int_equal(unlink("neighbour"), 0);
                assert_ok(sd_event_run(w.event, 0));
        }
        assert_true(turns > 250);
        sd_event_source_disable_unref(work);
        assert_int_equal(w.told, 0);
        put_text("log", "");
        assert_true(was_told(&w));
        end(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_file),
                in_directory(test_directories),
                in_directory(test_links),
                in_directory(test_loops),
                in_directory(test_written),
                in_directory(test_no_descriptors),
                in_directory(test_flood_of_neighbours),
                in_directory(test_renew),
                in_directory(test_changes),
        };

        return cmocka_run_group_tests_name("path-watch", tests, NULL, NULL);
}
