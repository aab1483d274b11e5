/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What goes over the control socket, for both of its ends. All text that is not our own goes as bytes
 * ("ay"), for a D-Bus string has to be UTF-8 and a user's name need not be. */

#include <systemd/sd-bus.h>

#include "control/control-grant.h"
#include "control/control-status.h"

#define CONTROL_OBJECT "/org/authrelay/Daemon"
#define CONTROL_INTERFACE "org.authrelay.Daemon1"
/* The one error of the daemon itself; its message is for people. */
#define CONTROL_ERROR "org.authrelay.Error"

#define CONTROL_STATUS_SIGNATURE "a(st)a(say)a(ayaytbb)a(ayayttttt)"
#define CONTROL_GRANT_CONTENTS "stttayayayayu"
#define CONTROL_IMPORT_SIGNATURE "sa(stay)"
#define CONTROL_IMPORT_RESULTS "a(ys)"
#define CONTROL_LIST_SIGNATURE "a(" CONTROL_GRANT_CONTENTS ")t"

/* Appends and reads bytes; a span that was read is borrowed from the message. Return < 0 on failure. */
int control_append_bytes(sd_bus_message *m, Span bytes);
int control_read_bytes(sd_bus_message *m, Span *ret);

/* Return 0 or -errno; -EBADMSG when the other side says something else than this. */
int control_status_encode(const ControlStatus *s, sd_bus_message *m);
int control_status_decode(ControlStatus *s, sd_bus_message *m);

int control_grant_encode(const ControlGrant *g, sd_bus_message *m);

/* The texts that a grant borrows while it is being read. */
typedef struct ControlGrantTexts {
        char service[64], pattern[256], source[256];
} ControlGrantTexts;

/* Reads the next row. Returns 1, 0 at the end of the array, or -errno. */
int control_grant_decode(ControlGrant *ret, ControlGrantTexts *texts, sd_bus_message *m);
