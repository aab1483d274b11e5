/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: closing by scope, exact reading and writing. */

#include "basic/fd-util.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int close_fd(int fd) {
        int saved = errno;

        if (fd >= 0)
                (void) close(fd);
        errno = saved;
        return -1;
}

int write_all(int fd, const void *data, size_t n) {
        const char *p = data;

        while (n > 0) {
                ssize_t k = write(fd, p, n);

                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                p += k;
                n -= (size_t) k;
        }
        return 0;
}

ssize_t read_up_to(int fd, void *data, size_t n) {
        char *p = data;
        size_t done = 0;

        while (done < n) {
                ssize_t k = read(fd, p + done, n - done);

                if (k == 0)
                        break;
                if (k < 0 && errno != EINTR)
                        return -errno;
                done += k > 0 ? (size_t) k : 0;
        }
        return (ssize_t) done;
}

int read_file(const char *path, size_t max, char **ret_data, size_t *ret_size) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        _cleanup_free_ char *data = NULL;
        size_t size = 0, room = 0;

        if (fd < 0)
                return -errno;
        for (;;) {
                ssize_t k;

                if (room - size < 2) {
                        char *more;

                        room = room == 0 ? 4096 : room * 2;
                        more = realloc(data, room);
                        if (!more)
                                return -ENOMEM;
                        data = more;
                }
                k = read(fd, data + size, room - size - 1);
                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (k == 0)
                        break;
                size += (size_t) k;
                if (size > max)
                        return -EFBIG;
        }
        data[size] = 0;
        *ret_data = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}
