/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What one message says about the next of its stream: whether it may be the rest of a torn one, and the
 * first halves of logins that take two messages. Bounded, and part of the saved state. */

#include "basic/time-util.h"
#include "model/ip-addr.h"
#include "state/bytes.h"

/* Streams and half logins that are remembered. Far more than one server has; a full table fails closed. */
#define STREAM_STATE_MAX_ENTRIES 16384
/* How long a Connect waits for its Login: longer than any POP3 or IMAP server lets a client do nothing. */
#define STREAM_STATE_CONNECT_USEC (30 * USEC_PER_MINUTE)

typedef struct StreamState StreamState;

int stream_state_new(StreamState **ret);
StreamState *stream_state_free(StreamState *s);

DEFINE_CLEANUP(StreamState *, stream_state_free)

/* Sees a message of `raw_size` bytes of the stream `key` (which begins with the source's name and a NUL).
 * `tears_at` is the smallest size that a torn first half can have. Returns true if the message must be
 * dropped: it may be torn, or the rest of one. Without memory it must. */
bool stream_state_is_torn(StreamState *s, const char *source, Span key, size_t raw_size, size_t tears_at);

/* Messages of this source may be missing: each of its streams counts as torn until a short message has
 * passed, and half logins are forgotten. */
void stream_state_gap(StreamState *s, const char *source);

/* Keeps the address of a Connect under `key`, in place of an older one; `user` may be empty. */
void stream_state_connect(StreamState *s, Span key, const IpAddr *address, usec_t time);
/* Finds it again. Returns false when there is none, or it is too old at `now` or of a wrong clock. */
bool stream_state_connected(StreamState *s, Span key, usec_t now, IpAddr *ret);

void stream_state_encode(const StreamState *s, ByteWriter *w);
/* Takes a saved state back into an empty one. Returns false when the bytes make no sense; it is empty then.
 */
bool stream_state_decode(StreamState *s, Span bytes);
