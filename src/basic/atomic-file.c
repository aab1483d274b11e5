/* SPDX-License-Identifier: Apache-2.0 */
/* Replacing a file: temporary beside the target, fsync, rename, fsync of the directory. The temporary has a
 * fixed name, so a crash leaves at most one behind, which the next write takes over. */

#include "basic/atomic-file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"

int atomic_file_open(AtomicFile *f, const char *path, mode_t mode) {
        _cleanup_(atomic_file_done) AtomicFile made = ATOMIC_FILE_INIT;
        const char *slash = strrchr(path, '/');
        int dir = slash ? (int) (slash - path + 1) : 0;

        made.path = strdup(path);
        if (!made.path || asprintf(&made.temporary, "%.*s.%s.tmp", dir, path, path + dir) < 0) {
                made.temporary = NULL;
                return -ENOMEM;
        }
        /* a left-over may belong to anybody's reader: never write into it, make a new one */
        if (unlink(made.temporary) < 0 && errno != ENOENT)
                return -errno;
        made.fd = open(made.temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (made.fd < 0)
                return -errno;
        if (fchmod(made.fd, mode) < 0)
                return -errno;
        *f = made;
        made = ATOMIC_FILE_INIT;
        return 0;
}

int atomic_file_finish(AtomicFile *f) {
        int r = 0;

        if (f->fd < 0)
                return 0;
        if (fsync(f->fd) < 0)
                r = -errno;
        if (close(f->fd) < 0 && r == 0)
                r = -errno;
        f->fd = -1;
        return r;
}

int atomic_file_replace(AtomicFile *f) {
        int r = atomic_file_finish(f);

        if (r < 0)
                return r;
        if (rename(f->temporary, f->path) < 0)
                return -errno;
        f->temporary = (free(f->temporary), NULL);
        return 0;
}

int atomic_file_sync(const AtomicFile *f) {
        _cleanup_free_ char *copy = strdup(f->path);
        _cleanup_close_ int fd = -1;

        if (!copy)
                return -ENOMEM;
        fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

int atomic_file_commit(AtomicFile *f) {
        int r = atomic_file_replace(f);

        return r < 0 ? r : atomic_file_sync(f);
}

void atomic_file_done(AtomicFile *f) {
        if (f->temporary)
                (void) unlink(f->temporary);
        f->fd = close_fd(f->fd);
        f->temporary = (free(f->temporary), NULL);
        f->path = (free(f->path), NULL);
}
