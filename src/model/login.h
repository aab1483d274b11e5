/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a match yields from one record. */

#include "model/ip-addr.h"
#include "basic/time-util.h"

typedef enum MatchVerdict {
        MATCH_NONE,      /* nothing to do with a login */
        MATCH_LOGIN,     /* somebody logged in from `address` */
        MATCH_NAMED,     /* somebody logged in from an address that only the name `host` tells */
        MATCH_LOGOUT,    /* the session `key` ended */
        MATCH_CONNECT,   /* first half of a two-line login, kept */
        MATCH_RESTART,   /* the server started: all of its sessions have ended */
        MATCH_HINT,      /* looks like a login, and no regex took it */
        MATCH_TORN,      /* dropped: may be the rest of a torn message */
        MATCH_REFUSED,   /* a login by its text, but not to be believed; `reason` says why */
        MATCH_UNTRUSTED, /* a login by its text, from a sender that is not the server */
        _MATCH_VERDICT_MAX,
        _MATCH_VERDICT_INVALID = -22,
} MatchVerdict;

/* The verdict's name as `explain` prints it; "refused" for MATCH_UNTRUSTED too. */
const char *match_verdict_to_string(MatchVerdict verdict);

typedef struct Login {
        MatchVerdict verdict;
        IpAddr address; /* MATCH_LOGIN and MATCH_CONNECT */
        bool has_address;
        Span host;    /* borrowed; MATCH_NAMED: of the form of a host name with a dot in it */
        Span user;    /* borrowed; empty: the line names none */
        Span service; /* borrowed; "imap", "pop3", …; empty: unknown */
        Span key;     /* borrowed; names the session, empty: none */
        Span machine; /* borrowed; whose log it is, where a source has those of many; empty: not known */
        usec_t time;
        usec_t since;        /* when the connection began, which a revocation takes as well; 0: not known */
        const char *pattern; /* borrowed from the pattern set */
        const char *source;
        const char *reason; /* static text or borrowed from the match; why it is what it is */
} Login;
