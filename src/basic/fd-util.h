/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Descriptors: closing by scope, exact reading and writing. */

#include <sys/types.h>

#include "basic/macro.h"

/* Closes fd if it is one, keeps errno. Returns -1, so that `fd = close_fd(fd)` reads well. */
int close_fd(int fd);

static inline void close_fdp(int *fd) {
        *fd = close_fd(*fd);
}

#define _cleanup_close_ _cleanup_(close_fdp)

/* Writes all n bytes, over EINTR and short writes. Returns 0 or -errno. */
int write_all(int fd, const void *data, size_t n);

/* Reads n bytes, or those that there are before the end, over EINTR and short reads. Returns their number or
 * -errno. */
ssize_t read_up_to(int fd, void *data, size_t n);

/* Reads a whole file of at most max bytes into a new buffer, which ends in an extra NUL; the caller frees
 * it. Returns 0, -EFBIG when it is larger, or -errno. */
int read_file(const char *path, size_t max, char **ret_data, size_t *ret_size);
