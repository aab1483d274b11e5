/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Taking turns: reading logs, and whatever those who may connect to a socket can keep busy for as long as
 * they wish, none of which may keep another waiting for longer than a turn. What an administrator asks for,
 * and what must be done in time, comes before all of it, at the priority that sd-event gives by itself. */

#include <systemd/sd-event.h>

/* Of all that takes turns. It must not be one that is deferred, or it would be the only one (turn_new()). */
#define TURN_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

/* Has the handler called once, in its turn, whenever *ret is set to SD_EVENT_ONESHOT, as it is now. Returns
 * 0 or -errno. */
int turn_new(sd_event *event, sd_event_io_handler_t handler, void *userdata, sd_event_source **ret);
