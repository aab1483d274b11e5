/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One grant as the control socket tells of it. */

#include "model/ip-addr.h"

/* One row of the list. All text is borrowed for the call. */
typedef struct ControlGrant {
        IpNetwork network;
        uint64_t until, since, last; /* seconds since the epoch; until 0: for ever */
        Span user;                   /* empty: not known */
        const char *service;         /* "": not known */
        const char *pattern, *source;
        uint32_t sessions; /* open ones */
} ControlGrant;
