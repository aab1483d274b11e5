/* SPDX-License-Identifier: Apache-2.0 */
/* Which directories there are is looked at, by device and inode, when something on the way to them has
 * changed, and whenever the owner asks: nothing tells of a file system that is mounted over one of them. */

#include "source/journal-place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Where journald keeps a journal that lasts, and one that does not: systemd-journald.service(8). */
static const char *const roots[] = {"/var/log/journal", "/run/log/journal"};
/* Each of them, and the machine's own directory in it. */
#define DIRECTORIES_MAX (2 * ELEMENTSOF(roots))

typedef struct Directory {
        char *path;
        dev_t device;
        ino_t inode; /* 0: it is not there */
} Directory;

struct JournalPlace {
        Directory directories[DIRECTORIES_MAX];
        size_t n;
        PathWatch *watches[ELEMENTSOF(roots)];
};

static int add_directory(JournalPlace *p, const char *path) {
        Directory *d = &p->directories[p->n];

        d->path = strdup(path);
        if (!d->path)
                return -ENOMEM;
        p->n++;
        return 0;
}

/* A way that can't be watched is looked at now and then. */
static int add_watched(JournalPlace *p, sd_event *event, const char *path, PathWatchHandler handler,
        void *userdata, PathWatch **watch) {
        int r = add_directory(p, path);

        if (r >= 0 && path[0] == '/' && path_watch_new(event, path, handler, userdata, watch) == -ENOMEM)
                r = -ENOMEM;
        return r;
}

static int add_roots(JournalPlace *p, sd_event *event, const char *journal_namespace, const char *machine,
        PathWatchHandler handler, void *userdata) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(roots); i++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s%s%s", roots[i], machine, journal_namespace ? "." : "",
                            journal_namespace ? journal_namespace : "") < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                r = add_directory(p, roots[i]);
                if (r >= 0)
                        r = add_watched(p, event, path, handler, userdata, &p->watches[i]);
        }
        return r;
}

int journal_place_new(sd_event *event, const char *directory, const char *journal_namespace,
        const char *machine, PathWatchHandler handler, void *userdata, JournalPlace **ret) {
        _cleanup_(journal_place_freep) JournalPlace *p = calloc(1, sizeof(JournalPlace));
        int r;

        if (!p)
                return -ENOMEM;
        r = directory ? add_watched(p, event, directory, handler, userdata, &p->watches[0])
                      : add_roots(p, event, journal_namespace, machine, handler, userdata);
        if (r < 0)
                return r;
        (void) journal_place_has_changed(p);
        *ret = TAKE_PTR(p);
        return 0;
}

JournalPlace *journal_place_free(JournalPlace *p) {
        if (!p)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(roots); i++)
                path_watch_free(p->watches[i]);
        for (size_t i = 0; i < p->n; i++)
                free(p->directories[i].path);
        free(p);
        return NULL;
}

bool journal_place_has_changed(JournalPlace *p) {
        bool changed = false;

        for (size_t i = 0; i < p->n; i++) {
                Directory *d = &p->directories[i];
                struct stat st;

                if (stat(d->path, &st) < 0)
                        st = (struct stat){0};
                changed |= st.st_dev != d->device || st.st_ino != d->inode;
                d->device = st.st_dev;
                d->inode = st.st_ino;
        }
        return changed;
}
