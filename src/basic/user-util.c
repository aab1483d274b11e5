/* SPDX-License-Identifier: Apache-2.0 */
/* Users of this host. Invariant: "there is none" is never said for want of memory or descriptors. */

#include "basic/user-util.h"

#include <errno.h>
#include <pwd.h>

int user_find(const char *name, uid_t *ret) {
        struct passwd *entry;

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
