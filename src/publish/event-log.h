/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What happened to grants, as structured journal entries that authrelay.catalog explains; a line on standard
 * error where there is no journal. */

#include "basic/time-util.h"
#include "model/grant-event.h"
#include "model/login.h"

typedef struct EventLog EventLog;

/* With `journal` entries go to journald's socket, else to standard error. Returns 0 or -ENOMEM. */
int event_log_new(bool journal, EventLog **ret);
EventLog *event_log_free(EventLog *l);

DEFINE_CLEANUP(EventLog *, event_log_free)

/* Writes an event of the grant table: a grant, expiry or revocation at info, an extension at debug, a
 * refusal at notice, coalesced per address and user. */
void event_log_grant(EventLog *l, const GrantEvent *event, usec_t now);

/* Writes what was not believed or not understood (verdict MATCH_UNTRUSTED, MATCH_HINT, MATCH_TORN,
 * MATCH_REFUSED, MATCH_NAMED): one warning per pattern, verdict and, of the last two, reason with a sample,
 * then silence for ten minutes and a count. */
void event_log_doubt(EventLog *l, const Login *login, Span message, usec_t now);
