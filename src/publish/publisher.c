/* SPDX-License-Identifier: Apache-2.0 */
/* When to write what, so that a login can be seen in milliseconds beside a million others. What a record
 * says is the grant room's business, how a file is laid out relay-writer.c's, how it is read
 * cdb/relay-lookup.c's.
 *
 * In place are always a base and a delta with all changes since the base's snapshot. A snapshot is taken
 * only when that delta is up to date, and while a new base is made of it beside them, the delta goes on
 * being written, so the delta in place is never older than the base in place; then their successors take
 * their places, the base first. Invariant: generation of the base in place − generation of the delta in
 * place is 0, or 1 between the two renames (or after a failure there, until the delta's is repeated; no
 * other base is begun before that). Only where it is not known what is in place (at start, after damage) the
 * delta goes first: readers then wait for the base, or doubt, but never mix ours with what somebody else has
 * left. */

#include "publish/publisher.h"

#include <errno.h>

#include "basic/time-util.h"
#include "cdb/relay-lookup.h"
#include "loop/forked-writer.h"
#include "publish/change-map.h"
#include "publish/left-pair.h"
#include "publish/relay-writer.h"

/* Costs: a delta of d changes takes D = a + c·d to write, a base of n records c·n; c is about 0.25 µs. With
 * short deltas the bases cost most, with long ones the deltas. As in renting or buying skis, a new base is
 * due when the deltas since the last one have cost as much as it did: at most twice the best that could have
 * been done, on any machine and table, without a constant. Pausing PAUSE × D after each delta bounds the
 * deltas to 1/(PAUSE + 1) of a core, and the bases, which then cost the same, too: 2/25 = 8% in all, however
 * many logins there are. */
#define PAUSE 24

/* What was not spent in quiet times, up to so much of it, may be spent at once: a few hundred logins a
 * second wait for no pause at all. */
#define CREDIT_USEC (500 * USEC_PER_MSEC)

/* A slower machine rather spends more of its time than be slow to be seen, up to a fifth of a core. With 32
 * ms a million grants and 1,000 new ones a second, beside 10,000 repeated, cost a fifth of a core in all;
 * with 40 ms a change was seen after more than 50 ms. */
#define PAUSE_MAX_USEC (36 * USEC_PER_MSEC)
#define PAUSE_LEAST 4

/* Nor is a delta dear that the daemon was stopped in, or the disk was slow for: the next login is not to
 * wait for a multiple of that. */
#define PAUSE_END_USEC (1 * USEC_PER_SEC)

/* Below this a delta costs what an empty one costs, and a base would gain nothing. */
#define CHANGES_MIN 64

/* Up to here a base is written as fast as the daemon could fork. */
#define IN_PROCESS_RECORDS_MAX 2000

/* Changes wait for the batch that they came in, but not for a loop that never runs dry. */
#define DEADLINE_USEC (25 * USEC_PER_MSEC)

#define RETRY_USEC (1 * USEC_PER_SEC)
#define RETRY_MAX_USEC (30 * USEC_PER_SEC)

/* If bases fail for long, changes are looked through for those that no longer matter at this number of them,
 * and then at twice what was left: they stay within twice the live records. */
#define TIDY_CHANGES_MIN 65536

struct PublisherSink {
        RelayWriter writer;
};

#define SINK_INIT ((PublisherSink){.writer = RELAY_WRITER_INIT})

struct Publisher {
        PublisherConfig config;
        char *path, *delta_path;

        ChangeMap changes;
        uint32_t stamp; /* number of snapshots begun; a change bears that of its time */
        uint32_t tidy_at;
        uint64_t generation; /* of the base in place */
        uint64_t used;       /* the highest generation that may stand in any file */
        uint64_t written, base_records;
        bool started;  /* publisher_flush() was called */
        bool known;    /* base and delta in place are ours */
        bool dirty;    /* the delta in place lacks changes, or belongs to the base before the one in place */
        bool base_due; /* whatever it costs */

        PublisherSink building; /* the base that the child writes */
        ForkedWriter child;
        usec_t fork_cost;

        usec_t base_cost, deltas_cost, next_delta; /* monotonic clock */
        int base_error, delta_error, reported_error;
        usec_t retry_delay, retry_at;

        sd_event *event;
        sd_event_source *soon, *timer;
};

static void sink_done(PublisherSink *sink) {
        relay_writer_done(&sink->writer);
}

int publisher_sink_add(PublisherSink *sink, const RelayEntry *entry) {
        return relay_writer_add(&sink->writer, entry);
}

static int report(Publisher *p, bool success) {
        int error = p->delta_error < 0 ? p->delta_error : p->base_error;
        PublisherReport r = {
                .error = error,
                .generation = p->generation,
                .written = p->written,
                .base_records = p->base_records,
                .delta_records = p->changes.n,
        };

        if (error == 0)
                p->retry_delay = 0;
        if (p->config.on_published && (success || error != p->reported_error))
                p->config.on_published(p->config.userdata, &r);
        p->reported_error = error;
        return error;
}

/* Notes a failure of the base or the delta. Returns r. */
static int failed(Publisher *p, int *error, int r) {
        usec_t now = time_monotonic();

        *error = r;
        if (error == &p->base_error)
                p->base_due = true;
        /* explicit flushes in between do not push the next try away */
        if (now >= p->retry_at) {
                p->retry_delay = MIN(MAX(2 * p->retry_delay, p->config.retry), RETRY_MAX_USEC);
                p->retry_at = now + p->retry_delay;
        }
        (void) report(p, false);
        return r;
}

static RelayHeader header_now(const Publisher *p, uint64_t generation) {
        return (RelayHeader){
                .generation = generation, .written = time_now() / USEC_PER_SEC, .ttl = p->config.ttl};
}

static int add_change(void *userdata, const RelayEntry *entry) {
        return relay_writer_add(userdata, entry);
}

/* Completes a temporary delta for the base of `generation` with the changes that bear `since` or a later
 * stamp. */
static int prepare_delta(const Publisher *p, uint64_t generation, uint32_t since, RelayWriter *ret) {
        _cleanup_(relay_writer_done) RelayWriter w = RELAY_WRITER_INIT;
        RelayHeader header = header_now(p, generation);
        int r;

        r = relay_writer_open(&w, p->delta_path, &header, true, p->config.publish_users);
        if (r < 0)
                return r;
        r = change_map_each(&p->changes, since, add_change, &w);
        if (r < 0)
                return r;
        r = relay_writer_finish(&w);
        if (r < 0)
                return r;
        *ret = w;
        w = RELAY_WRITER_INIT;
        return 0;
}

/* The delta is in place, and so is whatever was put there with it; both are durable after this. If they
 * can't be made so it is written again, as nothing is acknowledged before; but what readers have is known.
 */
static int delta_in_place(Publisher *p, const RelayWriter *w) {
        int r;

        p->written = w->header.written;
        r = relay_writer_sync(w);
        p->dirty = r < 0;
        if (r < 0)
                return failed(p, &p->delta_error, r);
        p->delta_error = 0;
        return 0;
}

/* Writes the delta of the base in place with all changes since that one's snapshot. */
static int write_delta(Publisher *p) {
        _cleanup_(relay_writer_done) RelayWriter w = RELAY_WRITER_INIT;
        usec_t begin = time_monotonic(), cost, pause;
        int r;

        r = prepare_delta(p, p->generation, 0, &w);
        if (r >= 0)
                r = relay_writer_commit(&w);
        if (r < 0)
                return failed(p, &p->delta_error, r);
        r = delta_in_place(p, &w);
        if (r < 0)
                return r;
        cost = time_monotonic() - begin;
        pause = MIN(PAUSE * cost, MIN(MAX(PAUSE_MAX_USEC, PAUSE_LEAST * cost), PAUSE_END_USEC));
        p->next_delta = MAX(p->next_delta, begin - MIN(begin, (usec_t) CREDIT_USEC)) + cost + pause;
        p->deltas_cost += cost;
        return 0;
}

static bool is_since_snapshot(void *userdata, _unused_ const RelayEntry *entry, uint32_t stamp) {
        const Publisher *p = userdata;

        return stamp >= p->stamp;
}

static void base_in_place(Publisher *p, const PublisherSink *sink, uint64_t records, usec_t cost) {
        p->generation = sink->writer.header.generation;
        p->base_records = records;
        p->written = sink->writer.header.written;
        p->base_error = 0;
        p->base_cost = cost;
        p->deltas_cost = 0;
        p->tidy_at = TIDY_CHANGES_MIN;
        change_map_filter(&p->changes, is_since_snapshot, p);
}

/* Puts a complete temporary base and its delta in place; `cost` is what it has cost so far. */
static int commit_base(Publisher *p, PublisherSink *sink, uint64_t records, usec_t cost) {
        _cleanup_(relay_writer_done) RelayWriter delta = RELAY_WRITER_INIT;
        usec_t begin = time_monotonic();
        int r;

        r = prepare_delta(p, sink->writer.header.generation, p->stamp, &delta);
        if (r >= 0)
                r = relay_writer_commit(&sink->writer);
        if (r < 0)
                return failed(p, &p->base_error, r);
        base_in_place(p, sink, records, cost + time_monotonic() - begin);
        p->dirty = true; /* until its delta is there too */
        r = relay_writer_commit(&delta);
        if (r < 0)
                return failed(p, &p->delta_error, r);
        return delta_in_place(p, &delta);
}

/* Opens a temporary base that is the state of things from now on. */
static int begin_base(Publisher *p, uint64_t generation, PublisherSink *ret) {
        RelayHeader header = header_now(p, generation);
        int r;

        r = relay_writer_open(&ret->writer, p->path, &header, false, p->config.publish_users);
        if (r < 0)
                return r;
        p->used = MAX(p->used, generation);
        p->stamp++;
        p->base_due = false;
        return 0;
}

static int fill_base(const Publisher *p, PublisherSink *sink) {
        int r = p->config.snapshot(p->config.userdata, sink);

        return r < 0 ? r : relay_writer_finish(&sink->writer);
}

static int write_base(Publisher *p) {
        _cleanup_(sink_done) PublisherSink sink = SINK_INIT;
        usec_t begin = time_monotonic();
        int r;

        r = begin_base(p, p->generation + 1, &sink);
        if (r >= 0)
                r = fill_base(p, &sink);
        if (r < 0)
                return failed(p, &p->base_error, r);
        return commit_base(p, &sink, sink.writer.header.count, time_monotonic() - begin);
}

static void stop_child(Publisher *p) {
        forked_writer_stop(&p->child);
        sink_done(&p->building);
        p->building = SINK_INIT;
}

/* Writes both files out of a snapshot, whatever is in place, and the delta first. If it ends between the
 * two, the one who comes next goes by the delta that is kept. */
static int write_both(Publisher *p) {
        _cleanup_(relay_writer_done) RelayWriter delta = RELAY_WRITER_INIT;
        _cleanup_(sink_done) PublisherSink sink = SINK_INIT;
        usec_t begin = time_monotonic();
        int r;

        stop_child(p);
        p->known = false;
        /* a number that no file can have yet: a delta must not fit to a base that it was not made for */
        r = begin_base(p, p->used + 1, &sink);
        if (r >= 0)
                r = fill_base(p, &sink);
        if (r >= 0)
                r = prepare_delta(p, sink.writer.header.generation, p->stamp, &delta);
        if (r >= 0) {
                left_pair_keep(p->delta_path);
                r = relay_writer_commit(&delta);
        }
        if (r >= 0)
                r = relay_writer_commit(&sink.writer);
        if (r < 0)
                return failed(p, &p->base_error, r);
        left_pair_drop(p->delta_path);
        p->known = true;
        base_in_place(p, &sink, sink.writer.header.count, time_monotonic() - begin);
        return delta_in_place(p, &delta);
}

static int write_in_child(void *what, uint64_t *ret_value) {
        Publisher *p = what;
        int r = fill_base(p, &p->building);

        *ret_value = p->building.writer.header.count;
        return r;
}

/* The child has ended with this result. */
static int finish_child(Publisher *p, int result, uint64_t records, usec_t cpu) {
        _cleanup_(sink_done) PublisherSink sink = p->building;

        p->building = SINK_INIT;
        if (!p->known)
                return 0; /* meanwhile it was found that both must be written anew */
        if (result < 0)
                return failed(p, &p->base_error, result);
        /* by the clock it would be dearer on a busy machine, and then there would be fewer */
        return commit_base(p, &sink, records, p->fork_cost + cpu);
}

static void schedule(Publisher *p);

static void on_child(void *userdata, int result, uint64_t records, usec_t cpu) {
        Publisher *p = userdata;

        if (finish_child(p, result, records, cpu) >= 0)
                (void) report(p, true);
        schedule(p);
}

/* Has a child write the base, out of the memory as it is now. */
static int fork_base(Publisher *p) {
        ForkedJob job = {.write = write_in_child, .what = p, .done = on_child, .userdata = p};
        usec_t begin = time_monotonic();
        int r = begin_base(p, p->generation + 1, &p->building);

        if (r < 0)
                return r;
        job.fd = p->building.writer.file.fd;
        r = forked_writer_start(&p->child, p->event, &job);
        p->fork_cost = time_monotonic() - begin;
        return r;
}

static bool is_base_wanted(const Publisher *p) {
        if (!p->known || forked_writer_is_busy(&p->child))
                return false;
        return p->base_due || (p->changes.n >= CHANGES_MIN && p->deltas_cost >= p->base_cost);
}

/* Returns 0 when one was written or is being written, or -errno. */
static int start_base(Publisher *p) {
        int r;

        /* every change up to the snapshot is in the delta in place, so that one will not be older than the
         * base */
        assert(!p->dirty);
        if (!p->event || p->base_records + p->changes.n <= IN_PROCESS_RECORDS_MAX)
                return write_base(p);
        r = fork_base(p);
        if (r < 0) {
                stop_child(p);
                return failed(p, &p->base_error, r);
        }
        return 0;
}

typedef struct Tidy {
        CdbFile base;
        uint64_t now;
        int error;
} Tidy;

static void tidy_done(Tidy *t) {
        cdb_file_close(&t->base);
}

/* A change that grants nothing matters only if it hides a live record of the base. */
static bool is_mattering(void *userdata, const RelayEntry *entry, _unused_ uint32_t stamp) {
        char key[IP_TEXT_BYTES], value[RELAY_VALUE_BYTES];
        RelayEntry hidden = {0};
        Tidy *t = userdata;
        size_t size;
        int r;

        if (entry->verdict != RELAY_REVOKED && (entry->until == 0 || entry->until > t->now))
                return true;
        (void) ip_network_format(key, &entry->network);
        r = cdb_file_find(&t->base, span_from_string(key), value, sizeof(value), &size);
        if (r > 0)
                r = relay_value_parse(span_make(value, size), &hidden);
        else if (r == 0)
                return false;
        return r < 0 || hidden.until == 0 || hidden.until > t->now;
}

static void tidy_changes(Publisher *p) {
        _cleanup_(tidy_done) Tidy t = {.base = CDB_FILE_INIT, .now = time_now() / USEC_PER_SEC};

        if (p->changes.n < p->tidy_at || forked_writer_is_busy(&p->child))
                return;
        if (cdb_file_open(&t.base, p->path) < 0)
                return;
        change_map_filter(&p->changes, is_mattering, &t);
        p->tidy_at = MAX(2 * p->changes.n, (uint32_t) TIDY_CHANGES_MIN);
}

/* Writes what is to be written now. Returns 0 or the -errno for which changes cannot be read yet. */
static int work(Publisher *p) {
        bool wrote = p->dirty || !p->known;
        int r = 0;

        if (!p->known)
                r = write_both(p);
        else if (p->dirty) {
                tidy_changes(p);
                r = write_delta(p);
        }
        if (r >= 0 && is_base_wanted(p) && (p->base_error >= 0 || time_monotonic() >= p->retry_at)) {
                wrote = true;
                (void) start_base(p); /* readers have all changes already; a failure has been reported */
        }
        if (r >= 0 && wrote)
                (void) report(p, true);
        schedule(p);
        return r;
}

static int on_due(Publisher *p) {
        (void) work(p);
        return 0;
}

static int on_soon(_unused_ sd_event_source *s, void *userdata) {
        return on_due(userdata);
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        return on_due(userdata);
}

/* Has the loop call on_due() when the next thing is to be done. */
static void schedule(Publisher *p) {
        usec_t now = time_monotonic(), at = USEC_INFINITY;

        if (!p->event || !p->started)
                return;
        if (!p->known || p->dirty)
                at = p->delta_error < 0 || (!p->known && p->base_error < 0) ? p->retry_at : p->next_delta;
        if (is_base_wanted(p) && p->delta_error == 0)
                at = MIN(at, p->base_error < 0 ? p->retry_at : 0);
        (void) sd_event_source_set_enabled(p->soon, at <= now ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
        (void) sd_event_source_set_time(p->timer, at <= now ? now + DEADLINE_USEC : at);
        (void) sd_event_source_set_enabled(p->timer, at < USEC_INFINITY ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

int publisher_new(const PublisherConfig *config, Publisher **ret) {
        _cleanup_(publisher_freep) Publisher *p = NULL;
        char delta_path[RELAY_PATH_BYTES];

        if (relay_delta_path(delta_path, config->path) < 0)
                return -EINVAL;
        p = calloc(1, sizeof(Publisher));
        if (!p)
                return -ENOMEM;
        p->config = *config;
        if (p->config.retry == 0)
                p->config.retry = RETRY_USEC;
        p->changes = CHANGE_MAP_INIT;
        p->building = SINK_INIT;
        p->child = FORKED_WRITER_INIT;
        p->tidy_at = TIDY_CHANGES_MIN;
        p->path = strdup(config->path);
        p->delta_path = strdup(delta_path);
        if (!p->path || !p->delta_path)
                return -ENOMEM;
        p->used = left_pair_take_over(p->path);
        *ret = TAKE_PTR(p);
        return 0;
}

Publisher *publisher_free(Publisher *p) {
        if (!p)
                return NULL;
        stop_child(p);
        p->soon = sd_event_source_disable_unref(p->soon);
        p->timer = sd_event_source_disable_unref(p->timer);
        p->event = sd_event_unref(p->event);
        change_map_done(&p->changes);
        free(p->path);
        free(p->delta_path);
        free(p);
        return NULL;
}

int publisher_attach(Publisher *p, sd_event *event) {
        int r;

        assert(!p->event);
        r = sd_event_add_defer(event, &p->soon, on_soon, p);
        if (r < 0)
                return r;
        /* after whatever else this turn of the loop has to do, so that a batch is written at once … */
        r = sd_event_source_set_priority(p->soon, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->soon, SD_EVENT_OFF);
        /* … but before it when that does not end */
        if (r >= 0)
                r = sd_event_add_time(event, &p->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_timer, p);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(p->timer, SD_EVENT_PRIORITY_NORMAL - 10);
        if (r < 0)
                return r;
        p->event = sd_event_ref(event);
        schedule(p);
        return 0;
}

int publisher_put(Publisher *p, const RelayEntry *entry) {
        int r = 0;

        /* as long as nothing of ours is in place, the snapshot to come has it */
        if (p->known)
                r = change_map_put(&p->changes, entry, p->config.publish_users, p->stamp);
        if (r < 0)
                p->known = false;
        if (!p->dirty || r < 0) {
                p->dirty = true;
                schedule(p);
        }
        return r;
}

int publisher_flush(Publisher *p) {
        p->started = true;
        return work(p);
}

int publisher_rewrite(Publisher *p) {
        p->known = false;
        return publisher_flush(p);
}

void publisher_set_options(Publisher *p, uint64_t ttl, bool publish_users) {
        p->config.ttl = ttl;
        p->config.publish_users = publish_users;
        p->base_due = true;
        p->dirty = true; /* the delta's header has the TTL too */
        schedule(p);
}
