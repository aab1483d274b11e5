/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/unix-socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/fd-util.h"

/* Removes a socket that its daemon has left behind. Returns -EADDRINUSE when it is in use. */
static int remove_stale(const struct sockaddr_un *address, int type) {
        _cleanup_close_ int probe = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct stat st;

        if (probe < 0)
                return -errno;
        if (connect(probe, (const struct sockaddr *) address, sizeof(*address)) >= 0 || errno == EAGAIN)
                return -EADDRINUSE;
        if (errno == ECONNREFUSED && lstat(address->sun_path, &st) >= 0 && S_ISSOCK(st.st_mode))
                (void) unlink(address->sun_path);
        return 0;
}

int unix_socket_open(const char *path, int type, mode_t mode) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = -1;
        int r, packets = type != SOCK_STREAM;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        (void) strcpy(address.sun_path, path);
        r = remove_stale(&address, type);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        /* On Linux bind() makes the file with the socket's own mode, so that it is never open to others, not
         * even before chmod(), which the umask makes necessary. */
        if (fd < 0 || fchmod(fd, 0600) < 0 ||
                /* a message that is sent before this was said has no credentials for good */
                setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &packets, sizeof(packets)) < 0 ||
                bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || chmod(path, mode) < 0 ||
                (type != SOCK_DGRAM && listen(fd, SOMAXCONN) < 0))
                return -errno;
        r = fd;
        fd = -1;
        return r;
}
