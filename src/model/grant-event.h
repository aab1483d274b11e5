/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the grant room tells its listeners. The publisher and the journal hear the same events; whoever comes
 * later (a monitor, a fleet) is one more listener. All pointers are borrowed for the call. */

#include "model/ip-addr.h"

typedef enum GrantEventType {
        GRANT_EVENT_GRANTED,  /* a new grant */
        GRANT_EVENT_EXTENDED, /* `until` to publish has moved */
        GRANT_EVENT_EXPIRED,
        GRANT_EVENT_REVOKED, /* taken away before its time */
        GRANT_EVENT_REFUSED, /* a login that got no grant; `reason` says why */
        GRANT_EVENT_CROWDED, /* many users log in from one address: a proxy that hides its clients? */
        _GRANT_EVENT_TYPE_MAX,
        _GRANT_EVENT_TYPE_INVALID = -22,
} GrantEventType;

typedef struct GrantEvent {
        GrantEventType type;
        IpNetwork network;
        uint64_t until;      /* seconds since the epoch: when it ends, as things stand */
        uint64_t published;  /* seconds: what the published record says, never far ahead of now */
        Span user;           /* empty: unknown */
        const char *service; /* "" if unknown */
        const char *pattern; /* "manual" for one made by hand */
        const char *source;
        const char *reason; /* for REFUSED and REVOKED, else NULL */
} GrantEvent;

typedef void (*GrantListener)(void *userdata, const GrantEvent *event);
