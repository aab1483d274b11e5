/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Turns a stream of changed records into relay.cdb and relay-delta.cdb, as authrelay.cdb(5) describes them:
 * rarely a whole base, often a small delta, each replaced by rename, so that a reader is right at any
 * moment. */

#include <systemd/sd-event.h>

#include "basic/time-util.h"
#include "model/relay-entry.h"

typedef struct Publisher Publisher;

/* What a snapshot is written into. */
typedef struct PublisherSink PublisherSink;

/* How it stands, for the manager's health and status. */
typedef struct PublisherReport {
        int error;              /* 0, or the -errno for which the files are not up to date or not compact */
        uint64_t generation;    /* of the base that is in place; 0: none yet */
        uint64_t written;       /* seconds since the epoch: when a file was last replaced; 0: never */
        uint64_t base_records;  /* records in the base */
        uint64_t delta_records; /* changes since the base's snapshot */
} PublisherReport;

typedef struct PublisherConfig {
        const char *path; /* of the base, "…/relay.cdb"; the delta is beside it. Copied */
        uint64_t ttl;     /* seconds; no timed `allow` is published for longer than ttl + ttl/16 from now */
        bool publish_users;

        /* Gives every live record to publisher_sink_add(), each network once, RELAY_REVOKED never. For a
         * large table it is run in a forked child: it only reads memory. Returns 0, or the first error of
         * the sink. */
        int (*snapshot)(void *userdata, PublisherSink *sink);

        /* Called after each successful writing, and when `error` has changed; may be NULL. It must not call
         * the publisher. The report is borrowed for the call. */
        void (*on_published)(void *userdata, const PublisherReport *report);
        void *userdata;

        usec_t retry; /* what the first failure waits for, doubling to 30 s; 0: 1 s */
} PublisherConfig;

/* Makes one that has written nothing yet; the files in place are left alone until the first
 * publisher_flush(), except that their generation is read. Returns 0, -EINVAL for a path that is too long,
 * -ENOMEM. */
int publisher_new(const PublisherConfig *config, Publisher **ret);

/* Stops a base that is being built, forgets what was not flushed. The files stay. Returns NULL. */
Publisher *publisher_free(Publisher *p);

/* Has the loop do the writing: changes soon after the batch that they came in (when writing is expensive, no
 * later than about 50 ms), bases in the background, failures again after 1 s, doubling to 30 s. Without a
 * loop only publisher_flush() writes. The publisher keeps a reference to the loop. Returns 0 or -errno. */
int publisher_attach(Publisher *p, sd_event *event);

/* The record of this network has changed; RELAY_REVOKED: there is none any more. Copied, the last one
 * counts. A grant that has merely expired needs no call: readers go by `until`, and the next base leaves it
 * out. What the snapshot function gives must have changed as well by the time of the next flush. Returns 0,
 * or -ENOMEM: nothing is lost by that, but the next flush writes both files anew. */
int publisher_put(Publisher *p, const RelayEntry *entry);

/* Writes all changes now and returns when they can be read: before a revocation is acknowledged, at start
 * and stop. The first one writes a whole base out of a snapshot, however large, since nothing that is found
 * in place is known to be right. Returns 0 (also if there was nothing to do) or -errno; on_published has
 * been told, and the loop goes on trying. */
int publisher_flush(Publisher *p);

/* Throws away what is known of the files in place and writes both anew, synchronously: when the clock has
 * been set back, or somebody has damaged or removed them. Returns as publisher_flush(). */
int publisher_rewrite(Publisher *p);

/* Changes what the configuration said (at reload) and has a new base written, in the background if large. */
void publisher_set_options(Publisher *p, uint64_t ttl, bool publish_users);

/* Adds one record to a snapshot. One that has expired is left out. Returns 0 or -errno, which the snapshot
 * function passes on. */
int publisher_sink_add(PublisherSink *sink, const RelayEntry *entry);

DEFINE_CLEANUP(Publisher *, publisher_free)
