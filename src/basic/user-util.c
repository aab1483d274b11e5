/* SPDX-License-Identifier: Apache-2.0 */
/* Users of this host. Invariant: "there is none" is never said for want of memory or descriptors. */

#include "basic/user-util.h"

#include <errno.h>
#include <pwd.h>
#include <sys/eventfd.h>

#include "basic/fd-util.h"

/* Where nsswitch.conf(5) has more than one service for users, as with nss-systemd(8), getpwnam(3) says what
 * the last one says, also when the first could not open its file. Returns 0 or -errno. */
static int look_for_descriptor(void) {
        _cleanup_close_ int fd = eventfd(0, EFD_CLOEXEC);

        return fd < 0 ? -errno : 0;
}

int user_find(const char *name, uid_t *ret) {
        int r = look_for_descriptor();
        struct passwd *entry;

        if (r < 0)
                return r;
        errno = 0;
        entry = getpwnam(name);
        if (entry) {
                *ret = entry->pw_uid;
                return 0;
        }
        /* getpwnam(3) lists more that mean "not found"; what it lists as errors is these */
        switch (errno) {
        case EINTR:
        case EIO:
        case EMFILE:
        case ENFILE:
        case ENOMEM:
                return -errno;
        default:
                return -ENOENT;
        }
}
