/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/turn.h"

#include "basic/macro.h"

/* A time that has been reached always. Of those of one priority sd-event takes the one that has been waiting
 * for longest, and for it what is deferred has been waiting since it was made: it would come before all
 * others as long as there is more to do. */
int turn_new(sd_event *event, sd_event_time_handler_t handler, void *userdata, sd_event_source **ret) {
        _cleanup_(sd_event_source_disable_unrefp) sd_event_source *made = NULL;
        int r = sd_event_add_time(event, &made, CLOCK_MONOTONIC, 0, 1, handler, userdata);

        if (r >= 0)
                r = sd_event_source_set_priority(made, TURN_PRIORITY);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(made);
        return 0;
}
