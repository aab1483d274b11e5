/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Watches a path for becoming another file: every directory on the way to it, through symbolic links,
 * whether the file is there already or not. What is written to a file is watched by its descriptor. */

#include <systemd/sd-event.h>

#include "basic/macro.h"

typedef struct PathWatch PathWatch;

/* What has come to be on the way. */
typedef struct PathChanges {
        unsigned created; /* as the last name: a file that was made there */
        unsigned moved;   /* as the last name: a file that was moved there */
        unsigned others;  /* whatever else may have made the path name another file */
} PathChanges;

typedef void (*PathWatchHandler)(void *userdata);

/* `handler` is called from the event loop whenever something on the way changed: a directory, a link or the
 * file was made, moved, removed or had its mode changed. It may be called without need.
 * Returns 0 or -errno. A directory that can't be watched is passed over (the caller's check finds changes).
 */
int path_watch_new(
        sd_event *event, const char *path, PathWatchHandler handler, void *userdata, PathWatch **ret);

/* Has `handler` called whenever something was written to the file behind `fd`, or its mode or number of
 * names was changed; not for what is told by the handler of path_watch_new() in the same turn. The same file
 * may be watched more than once, with the same handler. Returns a number for path_watch_remove_file(), or
 * -errno. */
int path_watch_add_file(PathWatch *w, int fd, PathWatchHandler handler);
void path_watch_remove_file(PathWatch *w, int number);

/* Walks the path anew, for what no event tells: another file system mounted on the way, a directory that can
 * be watched only now. The handler is not called. */
void path_watch_renew(PathWatch *w);

/* Adds to `changes` what has come to be since it was last asked for; whoever asks reads the files that are
 * watched after it, for what was written to them is not told any more. Returns true if there was any event
 * of the way since the path was last walked: then what was just found there may be so no more, or may not
 * have been so all the time. Without it, what the path names is what it named when this was last asked, if
 * the directories can be watched. */
bool path_watch_take(PathWatch *w, PathChanges *changes);

PathWatch *path_watch_free(PathWatch *w);

DEFINE_CLEANUP(PathWatch *, path_watch_free)
