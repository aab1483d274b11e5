/* SPDX-License-Identifier: Apache-2.0 */
#include "source/line-record.h"

#include "source/line-splitter.h"

bool line_record(const LineHeads *heads, Span line, bool cut, Record *record) {
        LogLine parsed;

        for (size_t i = 0; i < heads->n; i++) {
                if (!log_line_parse(line, heads->items[i], &parsed))
                        continue;
                record->host = parsed.host;
                record->identifier = parsed.identifier;
                record->pid = parsed.pid;
                record->message = parsed.message;
                record->stamp = parsed.stamp;
                record->cut = cut;
                /* a CR that was left out may be the last byte of a torn message's first half */
                record->raw_size =
                        cut ? LINE_MAX_BYTES : parsed.message.size + (line.data[line.size] == '\r' ? 1 : 0);
                return true;
        }
        return false;
}
