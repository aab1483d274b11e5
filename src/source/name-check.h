/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whose name is it? getpwnam(3) may ask a directory server through sssd or nslcd and wait for it, so a
 * helper process asks, one question after the other, and the event loop hears of the answer. */

#include <sys/types.h>

#include <systemd/sd-event.h>

#include "basic/span.h"

/* The longest name that is looked up. */
#define NAME_CHECK_NAME_MAX_BYTES 320
/* How many may wait for an answer, also of one uid, and how long the helper may take for one. */
#define NAME_CHECK_WAITING_MAX 1000
#define NAME_CHECK_WAITING_OF_UID_MAX 16
#define NAME_CHECK_USEC (5 * USEC_PER_SEC)

typedef struct NameCheck NameCheck;

/* Hears the answer to question `number`: 0 and the name, as the host spells it; -ENOENT: there is no such
 * user, or it is another uid's name; -ETIMEDOUT: the name service does not answer; or -errno. After a
 * failure the name is the one that was asked for. It is borrowed for the call, which neither asks again nor
 * frees the NameCheck. */
typedef void (*NameCheckListener)(void *userdata, uint64_t number, int result, Span name);

/* Starts the helper, so that it is a copy of a small process. Returns 0 or -errno. */
int name_check_new(sd_event *event, NameCheckListener listener, void *userdata, NameCheck **ret);
NameCheck *name_check_free(NameCheck *c);

DEFINE_CLEANUP(NameCheck *, name_check_free)

/* Asks whether `name` is a name of `uid`; without a name, which one is. Returns 0, and the listener will
 * hear of it, from the event loop; -E2BIG: too many are waiting, or of this uid; -ENAMETOOLONG; or -errno.
 */
int name_check_ask(NameCheck *c, uint64_t number, uid_t uid, Span name);
