/* SPDX-License-Identifier: Apache-2.0 */
/* inotify(7) on every directory that the look-up of a path passes. A directory is watched before the name in
 * it is looked at, so that nothing can slip between; after each change the whole way is walked anew. A
 * directory that is on the way still keeps its watch then, so that each name that came and went is counted.
 */

#include "source/path-watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "loop/turn.h"

/* Directories on one path, links followed; more is a loop of links or a joke. */
#define STEPS_MAX 64
/* Of events that are read at once, and how often: more than the kernel keeps for one reader (16384). */
#define EVENTS_BYTES ((size_t) 16 * 1024)
#define READS_MAX 512
/* Files that are watched at once. */
#define FILES_MAX 64

typedef struct Step {
        int wd;     /* -1: can't be watched */
        char *name; /* the entry of the directory that matters */
} Step;

/* A file is known to inotify(7) by one number, however often it is watched. */
typedef struct WatchedFile {
        int wd;
        unsigned refs; /* 0: free */
} WatchedFile;

struct PathWatch {
        sd_event *event;
        sd_event_source *event_source;
        int fd; /* of inotify(7); -1: there is none, and the caller's check finds changes */
        char *path;
        PathWatchHandler handler, on_written;
        void *userdata;
        bool changed;     /* something was read of the way since it was walked */
        bool written;     /* something was read of a file, and not told yet */
        PathChanges seen; /* and not taken yet */
        WatchedFile files[FILES_MAX];
        Step steps[STEPS_MAX];
        unsigned n_steps;
};

static bool has_wd(const Step *steps, unsigned n, int wd) {
        for (unsigned i = 0; i < n; i++)
                if (steps[i].wd == wd)
                        return true;
        return false;
}

/* Ends the watches of steps that are on the way no more. */
static void clear_steps(PathWatch *w, Step *steps, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                int wd = steps[i].wd;

                steps[i].wd = -1;
                if (wd >= 0 && !has_wd(w->steps, w->n_steps, wd) && !has_wd(steps, n, wd))
                        (void) inotify_rm_watch(w->fd, wd);
                free(steps[i].name);
        }
}

static int add_step(PathWatch *w, const char *directory, const char *name) {
        const uint32_t mask = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB |
                              IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
        Step *step;

        if (w->n_steps == STEPS_MAX)
                return -ELOOP;
        step = &w->steps[w->n_steps];
        *step = (Step){.wd = -1, .name = strdup(name)};
        if (!step->name)
                return -ENOMEM;
        w->n_steps++;
        if (w->fd >= 0)
                step->wd = inotify_add_watch(w->fd, directory, mask);
        return 0;
}

/* Puts what a link says in place of its name: "/dir" + "link" + "/rest" -> "/dir/target" or "/target" +
 * "/rest". */
static int splice_link(char path[static PATH_MAX], size_t directory, size_t name_end) {
        char target[PATH_MAX], rest[PATH_MAX];
        char saved = path[name_end];
        ssize_t n;
        int k;

        (void) snprintf(rest, sizeof(rest), "%s", path + name_end + (saved ? 1 : 0));
        path[name_end] = 0;
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = 0;
        k = snprintf(path + (target[0] == '/' ? 0 : directory), PATH_MAX - directory, "%s%s%s", target,
                rest[0] ? "/" : "", rest);
        return k < 0 || (size_t) k >= PATH_MAX - directory ? -ENAMETOOLONG : 0;
}

/* Walks the path; `done` is the length of what is known to be directories, its '/' included. */
static int walk_steps(PathWatch *w) {
        char path[PATH_MAX], directory[PATH_MAX];
        size_t done = 1;
        int r;

        if (snprintf(path, sizeof(path), "%s", w->path) >= (int) sizeof(path))
                return -ENAMETOOLONG;
        for (;;) {
                size_t name_end;
                char saved;
                struct stat st;

                while (path[done] == '/')
                        memmove(path + done, path + done + 1, strlen(path + done));
                name_end = done + strcspn(path + done, "/");
                if (name_end == done)
                        return 0;
                (void) snprintf(directory, sizeof(directory), "%.*s", (int) done, path);
                saved = path[name_end];
                path[name_end] = 0;
                r = add_step(w, directory, path + done);
                if (r < 0)
                        return r;
                if (lstat(path, &st) < 0)
                        return 0;
                path[name_end] = saved;
                if (S_ISLNK(st.st_mode)) {
                        r = splice_link(path, done, name_end);
                        if (r < 0)
                                return 0;
                        if (path[0] == '/' && strncmp(path, directory, done) != 0)
                                done = 1;
                        continue;
                }
                if (!saved || !S_ISDIR(st.st_mode))
                        return 0;
                done = name_end + 1;
        }
}

static int walk(PathWatch *w) {
        Step old[STEPS_MAX];
        unsigned n_old = w->n_steps;
        int r;

        memcpy(old, w->steps, sizeof(old[0]) * n_old);
        w->n_steps = 0;
        w->changed = false;
        r = walk_steps(w);
        /* what came and went in a directory before it was watched was not seen */
        for (unsigned i = 0; i < w->n_steps; i++)
                w->seen.others += !has_wd(old, n_old, w->steps[i].wd);
        clear_steps(w, old, n_old);
        return r;
}

static WatchedFile *find_file(PathWatch *w, int wd) {
        for (unsigned i = 0; i < FILES_MAX; i++)
                if (w->files[i].refs > 0 && w->files[i].wd == wd)
                        return &w->files[i];
        return NULL;
}

static void on_inotify(PathWatch *w, const struct inotify_event *event) {
        bool matters = false, last = false;

        if (event->mask & IN_IGNORED)
                return;
        if (event->mask & IN_Q_OVERFLOW) {
                w->changed = true;
                w->seen.others++;
                return;
        }
        if (find_file(w, event->wd)) {
                w->written = true;
                return;
        }
        /* a directory of logs changes all the time; only the one name in it is our business */
        for (unsigned i = 0; i < w->n_steps; i++)
                if (w->steps[i].wd == event->wd &&
                        (event->len == 0 || streq(w->steps[i].name, event->name))) {
                        matters = true;
                        last = i + 1 == w->n_steps;
                }
        if (!matters)
                return;
        w->changed = true;
        w->seen.created += last && event->mask & IN_CREATE;
        w->seen.moved += last && event->mask & IN_MOVED_TO;
        w->seen.others += !last && event->mask & (IN_CREATE | IN_MOVED_TO);
}

/* Reads all events that there are. */
static void read_events(PathWatch *w) {
        _Alignas(struct inotify_event) char buf[EVENTS_BYTES];
        bool others = false; /* not only of files that are written to */
        unsigned reads = 0;
        ssize_t n;

        while (w->fd >= 0 && (n = read(w->fd, buf, sizeof(buf))) > 0) {
                for (const char *p = buf; p < buf + n;) {
                        const struct inotify_event *event = (const void *) p;

                        on_inotify(w, event);
                        others |= !find_file(w, event->wd);
                        p += sizeof(*event) + event->len;
                }
                if (++reads < READS_MAX)
                        continue;
                /* somebody makes files, or writes, as fast as he can, and the loop must turn */
                w->changed |= others;
                w->seen.others += others;
                return;
        }
}

static int on_readable(
        _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *userdata) {
        PathWatch *w = userdata;
        bool written;

        read_events(w);
        written = w->written;
        w->written = false;
        if (w->changed) {
                (void) walk(w);
                w->handler(w->userdata);
        } else if (written)
                w->on_written(w->userdata);
        return 0;
}

static int watch(PathWatch *w) {
        int r;

        w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (w->fd < 0)
                return errno == ENOMEM ? -ENOMEM : 0;
        r = sd_event_add_io(w->event, &w->event_source, w->fd, EPOLLIN, on_readable, w);
        /* that of the sources' own work, so that they take turns: a directory on the way may be one in which
         * anybody makes files as fast as he can */
        if (r >= 0)
                r = sd_event_source_set_priority(w->event_source, TURN_PRIORITY);
        if (r < 0) {
                w->event_source = sd_event_source_disable_unref(w->event_source);
                w->fd = close_fd(w->fd);
        }
        return r;
}

int path_watch_new(
        sd_event *event, const char *path, PathWatchHandler handler, void *userdata, PathWatch **ret) {
        _cleanup_(path_watch_freep) PathWatch *w = calloc(1, sizeof(PathWatch));
        int r;

        if (!w)
                return -ENOMEM;
        w->fd = -1;
        w->path = strdup(path);
        if (!w->path)
                return -ENOMEM;
        w->event = sd_event_ref(event);
        w->handler = handler;
        w->userdata = userdata;
        r = watch(w);
        if (r >= 0)
                r = walk(w);
        if (r < 0 && r != -ELOOP)
                return r;
        w->seen = (PathChanges){0};
        *ret = TAKE_PTR(w);
        return 0;
}

int path_watch_add_file(PathWatch *w, int fd, PathWatchHandler handler) {
        WatchedFile *file;
        char path[32];
        int wd, r;

        if (w->fd < 0) {
                r = watch(w);
                if (r >= 0 && w->fd < 0)
                        r = -EMFILE;
                if (r >= 0)
                        r = walk(w);
                if (r < 0 && r != -ELOOP)
                        return r;
                /* nobody has counted what came to be on the way until now */
                w->changed = true;
        }
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        wd = inotify_add_watch(w->fd, path, IN_MODIFY | IN_ATTRIB);
        if (wd < 0)
                return -errno;
        w->on_written = handler;
        file = find_file(w, wd);
        for (unsigned i = 0; !file && i < FILES_MAX; i++)
                if (w->files[i].refs == 0)
                        file = &w->files[i];
        if (!file) {
                (void) inotify_rm_watch(w->fd, wd);
                return -EMFILE;
        }
        file->wd = wd;
        file->refs++;
        return wd;
}

void path_watch_remove_file(PathWatch *w, int number) {
        WatchedFile *file = find_file(w, number);

        /* one that has been deleted is not watched any more */
        if (file && --file->refs == 0)
                (void) inotify_rm_watch(w->fd, number);
}

void path_watch_renew(PathWatch *w) {
        (void) walk(w);
}

bool path_watch_take(PathWatch *w, PathChanges *changes) {
        bool any;

        read_events(w);
        w->written = false;
        any = w->changed;
        if (any)
                (void) walk(w);
        changes->created += w->seen.created;
        changes->moved += w->seen.moved;
        changes->others += w->seen.others;
        w->seen = (PathChanges){0};
        return any;
}

PathWatch *path_watch_free(PathWatch *w) {
        if (!w)
                return NULL;
        (void) sd_event_source_disable_unref(w->event_source);
        w->fd = close_fd(w->fd);
        for (unsigned i = 0; i < w->n_steps; i++)
                free(w->steps[i].name);
        sd_event_unref(w->event);
        free(w->path);
        free(w);
        return NULL;
}
