/* SPDX-License-Identifier: Apache-2.0 */
/* inotify(7) on every directory that the look-up of a path passes. A directory is watched before the name in
 * it is looked at, so that nothing can slip between; after each change the whole way is walked anew. */

#include "source/path-watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* Directories on one path, links followed; more is a loop of links or a joke. */
#define STEPS_MAX 64

typedef struct Step {
        sd_event_source *event_source; /* NULL: can't be watched */
        char *name;                    /* the entry of the directory that matters */
} Step;

struct PathWatch {
        sd_event *event;
        char *path;
        PathWatchHandler handler;
        void *userdata;
        Step steps[STEPS_MAX];
        unsigned n_steps;
};

static void clear_steps(PathWatch *w) {
        for (unsigned i = 0; i < w->n_steps; i++) {
                (void) sd_event_source_disable_unref(w->steps[i].event_source);
                free(w->steps[i].name);
        }
        w->n_steps = 0;
}

static int on_inotify(sd_event_source *source, const struct inotify_event *event, void *userdata);

static int add_step(PathWatch *w, const char *directory, const char *name) {
        const uint32_t mask = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB |
                              IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
        Step *step;

        if (w->n_steps == STEPS_MAX)
                return -ELOOP;
        step = &w->steps[w->n_steps];
        *step = (Step){.name = strdup(name)};
        if (!step->name)
                return -ENOMEM;
        w->n_steps++;
        if (sd_event_add_inotify(w->event, &step->event_source, directory, mask, on_inotify, w) < 0)
                step->event_source = NULL;
        /* that of the sources' own work, so that they take turns: a directory on the way may be one in which
         * anybody makes files as fast as he can */
        if (step->event_source)
                (void) sd_event_source_set_priority(step->event_source, SD_EVENT_PRIORITY_NORMAL + 10);
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
static int walk(PathWatch *w) {
        char path[PATH_MAX], directory[PATH_MAX];
        size_t done = 1;
        int r;

        clear_steps(w);
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

static int on_inotify(sd_event_source *source, const struct inotify_event *event, void *userdata) {
        PathWatch *w = userdata;
        bool matters = event->len == 0;

        /* a directory of logs changes all the time; only the one name in it is our business */
        for (unsigned i = 0; i < w->n_steps && !matters; i++)
                matters = w->steps[i].event_source == source && streq(w->steps[i].name, event->name);
        if (!matters)
                return 0;
        (void) walk(w);
        w->handler(w->userdata);
        return 0;
}

int path_watch_new(
        sd_event *event, const char *path, PathWatchHandler handler, void *userdata, PathWatch **ret) {
        _cleanup_(path_watch_freep) PathWatch *w = calloc(1, sizeof(PathWatch));
        int r;

        if (!w)
                return -ENOMEM;
        w->event = sd_event_ref(event);
        w->path = strdup(path);
        if (!w->path)
                return -ENOMEM;
        w->handler = handler;
        w->userdata = userdata;
        r = walk(w);
        if (r < 0 && r != -ELOOP)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

void path_watch_renew(PathWatch *w) {
        (void) walk(w);
}

PathWatch *path_watch_free(PathWatch *w) {
        if (!w)
                return NULL;
        clear_steps(w);
        sd_event_unref(w->event);
        free(w->path);
        free(w);
        return NULL;
}
