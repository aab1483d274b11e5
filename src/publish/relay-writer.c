/* SPDX-License-Identifier: Apache-2.0 */
/* One published file from its first record to the rename. When to write which is publisher.c's business.
 * Invariant: whatever is put in place is a pair of header and records that cdb/relay-lookup.c believes. */

#include "publish/relay-writer.h"

#include <errno.h>

int relay_writer_open(
        RelayWriter *w, const char *path, const RelayHeader *header, bool is_delta, bool publish_users) {
        _cleanup_(relay_writer_done) RelayWriter made = RELAY_WRITER_INIT;
        int r;

        made.header = (RelayHeader){.generation = header->generation,
                .written = header->written,
                .ttl = MIN(header->ttl, RELAY_TTL_MAX)};
        made.is_delta = is_delta;
        made.publish_users = publish_users;
        /* anybody's SMTP server reads it */
        r = atomic_file_open(&made.file, path, 0644);
        if (r < 0)
                return r;
        r = cdb_writer_new(made.file.fd, &made.cdb);
        if (r < 0)
                return r;
        *w = made;
        made = RELAY_WRITER_INIT;
        return 0;
}

int relay_writer_add(RelayWriter *w, const RelayEntry *entry) {
        uint64_t latest = w->header.written + w->header.ttl + w->header.ttl / 16;
        char key[IP_TEXT_BYTES], value[RELAY_VALUE_BYTES];
        RelayEntry published = *entry;
        size_t size;
        int r;

        if (!w->is_delta && entry->verdict == RELAY_REVOKED)
                return -EINVAL;
        if (!w->is_delta && entry->until != 0 && entry->until <= w->header.written)
                return 0;
        if (entry->verdict == RELAY_ALLOW)
                published.until = MIN(entry->until, latest);
        else if (entry->verdict == RELAY_REVOKED)
                published.until = 0;
        if (!w->publish_users)
                published.user = SPAN_NONE;
        (void) ip_network_format(key, &entry->network);
        size = relay_value_format(value, &published);
        r = cdb_writer_add(w->cdb, span_from_string(key), span_make(value, size));
        if (r < 0)
                return r;
        relay_lengths_add(&w->header.lengths, &entry->network);
        w->header.count++;
        return 0;
}

int relay_writer_finish(RelayWriter *w) {
        char value[RELAY_HEADER_BYTES];
        size_t size = relay_header_format(value, &w->header);
        int r;

        r = cdb_writer_add(w->cdb, SPAN_LITERAL(RELAY_HEADER_KEY), span_make(value, size));
        if (r < 0)
                return r;
        r = cdb_writer_finish(w->cdb);
        w->cdb = cdb_writer_free(w->cdb);
        if (r < 0)
                return r;
        return atomic_file_finish(&w->file);
}

int relay_writer_commit(RelayWriter *w) {
        return atomic_file_replace(&w->file);
}

int relay_writer_sync(const RelayWriter *w) {
        return atomic_file_sync(&w->file);
}

void relay_writer_done(RelayWriter *w) {
        w->cdb = cdb_writer_free(w->cdb);
        atomic_file_done(&w->file);
}
