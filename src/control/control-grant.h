/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One grant as the control socket tells of it. */

#include "basic/time-util.h"
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

/* Logins of one call: each call is published, and a login has to wait for it. */
#define CONTROL_IMPORT_MAX_LOGINS 512

typedef enum ControlImportVerdict {
        CONTROL_IMPORT_GRANTED, /* or it was already, for as long */
        CONTROL_IMPORT_STALE,   /* longer ago than TTL= */
        CONTROL_IMPORT_REFUSED, /* `reason` says why */
        _CONTROL_IMPORT_VERDICT_MAX,
        _CONTROL_IMPORT_VERDICT_INVALID = -22,
} ControlImportVerdict;

/* A login that another program has seen. */
typedef struct ControlImport {
        IpAddr address;
        uint64_t time; /* seconds since the epoch */
        Span user;     /* borrowed; empty: not known */
} ControlImport;

/* What became of it. */
typedef struct ControlImportResult {
        ControlImportVerdict verdict;
        const char *reason; /* borrowed; for CONTROL_IMPORT_REFUSED */
} ControlImportResult;
