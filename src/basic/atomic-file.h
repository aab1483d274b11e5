/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Replacing a file so that a reader, a crash or a full disk sees the old one or the new one, whole. */

#include <sys/types.h>

#include "basic/macro.h"

typedef struct AtomicFile {
        char *path;      /* the file to replace */
        char *temporary; /* the one beside it that is being written */
        int fd;
} AtomicFile;

#define ATOMIC_FILE_INIT ((AtomicFile){NULL, NULL, -1})

/* Opens `.NAME.tmp` beside `path` for reading and writing, with the given mode, emptied. One writer at a
 * time. Returns 0 or -errno. */
int atomic_file_open(AtomicFile *f, const char *path, mode_t mode);

/* Makes what was written durable and complete: fsync(2), then close. The old file is still in place.
 * Returns 0 or -errno. */
int atomic_file_finish(AtomicFile *f);

/* Finishes if that was not done, and renames the new file over the old one. Returns 0, or -errno, and the
 * old file is in place. */
int atomic_file_replace(AtomicFile *f);

/* After atomic_file_replace(): syncs the directory, so that the new file is there after a power cut. Returns
 * 0 or -errno. */
int atomic_file_sync(const AtomicFile *f);

/* Both. Returns 0 or -errno; after an error either file may be in place. */
int atomic_file_commit(AtomicFile *f);

/* Removes what was not committed. Does nothing to an unopened or committed one. */
void atomic_file_done(AtomicFile *f);
