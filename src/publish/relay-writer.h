/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Writes one of the published files, base or delta, as a whole. */

#include "basic/atomic-file.h"
#include "cdb/cdb-file.h"
#include "model/relay-entry.h"

typedef struct RelayWriter {
        AtomicFile file;
        CdbWriter *cdb;
        RelayHeader header; /* count and lengths grow with the records */
        bool is_delta;
        bool publish_users;
} RelayWriter;

#define RELAY_WRITER_INIT ((RelayWriter){.file = ATOMIC_FILE_INIT})

/* Opens the temporary file beside `path`. Generation, time of writing and TTL are taken from `header`.
 * Returns 0 or -errno. */
int relay_writer_open(
        RelayWriter *w, const char *path, const RelayHeader *header, bool is_delta, bool publish_users);

/* Adds a record; each network once. An `allow` ends at the latest where readers would take it for a mistake.
 * A base leaves out what has expired; a delta keeps it, since it hides a record of the base. Returns 0;
 * -EINVAL for `revoked` in a base; or -errno of cdb_writer_add(). */
int relay_writer_add(RelayWriter *w, const RelayEntry *entry);

/* Completes the temporary file, on the disk too. The old file is still in place. Returns 0 or -errno. */
int relay_writer_finish(RelayWriter *w);

/* Puts it in place: readers have it from now on. Returns 0, or -errno, and the old one is in place. */
int relay_writer_commit(RelayWriter *w);

/* Makes durable what was put in place in its directory, by this writer or another. Returns 0 or -errno. */
int relay_writer_sync(const RelayWriter *w);

/* Removes what was not committed. */
void relay_writer_done(RelayWriter *w);
