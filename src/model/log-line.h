/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The head of a log line: who wrote it and when, before the message begins. */

#include "basic/span.h"

/* Forms of heads, as Header= of a pattern names them. */
typedef enum LogHead {
        LOG_HEAD_SYSLOG,  /* RFC 3164 or RFC 3339 stamp, host, identifier[pid]: */
        LOG_HEAD_DOVECOT, /* a stamp, and the message: Dovecot's log_path= */
        LOG_HEAD_EXIM,    /* a stamp, a zone, [pid], and the message: Exim's mainlog */
        LOG_HEAD_NGINX,   /* "2026/11/21 01:02:03 [info] 12#34: " */
        LOG_HEAD_TAI64N,  /* multilog(8): "@4000…", and the message */
        _LOG_HEAD_MAX,
        _LOG_HEAD_INVALID = -22,
} LogHead;

const char *log_head_to_string(LogHead head);
LogHead log_head_from_string(Span s);

typedef struct LogLine {
        Span stamp; /* for log_stamp_parse(); empty: none */
        Span host;
        Span identifier; /* of LOG_HEAD_SYSLOG only */
        Span pid;
        Span message;
} LogLine;

/* Takes the head off a line; the parts point into it. Returns false when it has no head of this form. */
bool log_line_parse(Span line, LogHead head, LogLine *ret);

/* The same for a datagram of the syslog protocol: "<PRI>" if it is there, then the head of RFC 5424, or of
 * RFC 3164 with or without a host. */
bool log_line_parse_datagram(Span datagram, LogLine *ret);
