/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/turn.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "basic/fd-util.h"

/* A descriptor that can always be read. Of those of one priority sd-event takes the one that has been
 * waiting for longest, and for it what is deferred has been waiting since it was made: it would come before
 * all others as long as there is more to do. A time that has been reached always would do, but the loop
 * would go to sleep until the clock tells it so. */
int turn_new(sd_event *event, sd_event_io_handler_t handler, void *userdata, sd_event_source **ret) {
        _cleanup_(sd_event_source_disable_unrefp) sd_event_source *made = NULL;
        _cleanup_close_ int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
        int r;

        if (fd < 0)
                return -errno;
        r = sd_event_add_io(event, &made, fd, EPOLLIN, handler, userdata);
        if (r < 0)
                return r;
        r = sd_event_source_set_io_fd_own(made, true);
        if (r < 0)
                return r;
        fd = -1;
        r = sd_event_source_set_enabled(made, SD_EVENT_ONESHOT);
        if (r >= 0)
                r = sd_event_source_set_priority(made, TURN_PRIORITY);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(made);
        return 0;
}
