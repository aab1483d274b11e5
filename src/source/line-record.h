/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A line of text to a record: what logs and FIFOs share. */

#include "model/log-line.h"
#include "model/record.h"

/* The forms of heads that a source's lines can have, in the order in which they are tried. */
typedef struct LineHeads {
        LogHead items[_LOG_HEAD_MAX];
        size_t n;
} LineHeads;

/* Fills in host, identifier, pid, message, stamp, cut and raw_size, which point into the line; the byte
 * behind the line must be readable: it is the newline, or the CR before it. `cut` says that this is only the
 * beginning of an over-long line. Returns false when the line has none of these heads. */
bool line_record(const LineHeads *heads, Span line, bool cut, Record *record);
