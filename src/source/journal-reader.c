/* SPDX-License-Identifier: Apache-2.0 */
#include "source/journal-reader.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <systemd/sd-messages.h>

#include "basic/parse-util.h"
#include "source/bus-guard.h"

/* The clock of entries and ours are read a moment apart, and may be slewed: more is a step. */
#define STEP_USEC USEC_PER_SEC
/* systemd says that it starts a service just before or after the first process of it can write. */
#define START_USEC (90 * USEC_PER_SEC)
/* The largest uid whose entries are in the system's own files (SYSTEM_UID_MAX of Debian and Fedora). */
#define SYSTEM_UID_MAX 999
/* How long the loop waits for journald to enter an entry under its stream, unless that was in vain before.
 */
#define STAND_TRIES 10
#define STAND_USEC 500
/* journald's notes of others that may lie between two messages of one stream: two a minute and service. */
#define NOTES_MAX 256

enum {
        FIELD_UNIT,
        FIELD_UID,
        FIELD_MACHINE,
        FIELD_SYSLOG_PID,
        FIELD_PID,
        FIELD_STREAM,
        FIELD_PRIORITY,
        FIELD_TRANSPORT,
        _FIELD_MAX = JOURNAL_READER_FIELDS
};

static const char *const field_names[_FIELD_MAX] = {
        [FIELD_UNIT] = "_SYSTEMD_UNIT",
        [FIELD_UID] = "_UID",
        [FIELD_MACHINE] = "_MACHINE_ID",
        [FIELD_SYSLOG_PID] = "SYSLOG_PID",
        [FIELD_PID] = "_PID",
        [FIELD_STREAM] = "_STREAM_ID",
        [FIELD_PRIORITY] = "PRIORITY",
        [FIELD_TRANSPORT] = "_TRANSPORT",
};

int journal_field(sd_journal *journal, const char *name, Span *ret) {
        const void *data;
        size_t size, skip = strlen(name) + 1;
        int r = sd_journal_get_data(journal, name, &data, &size);

        if (r < 0)
                return r;
        if (size < skip)
                return -EBADMSG;
        *ret = span_make((const char *) data + skip, size - skip);
        return 0;
}

/* Bytes of the message as its sender wrote it: journald keeps that in SYSLOG_RAW when it trimmed any. */
static size_t raw_size(JournalReader *j, const Record *record) {
        const char *tag, *colon;
        Span raw;

        if (journal_field(j->journal, "SYSLOG_RAW", &raw) < 0)
                return record->message.size;
        tag = memmem(raw.data, raw.size, record->identifier.data, record->identifier.size);
        if (!tag)
                return raw.size;
        raw = span_skip(raw, (size_t) (tag - raw.data) + record->identifier.size);
        colon = memmem(raw.data, raw.size, ": ", 2);
        return colon ? raw.size - (size_t) (colon + 2 - raw.data) : raw.size;
}

static int open_another(const JournalReader *j, sd_journal **ret) {
        int r;

        if (j->directory)
                r = sd_journal_open_directory(ret, j->directory, 0);
        else if (j->journal_namespace)
                r = sd_journal_open_namespace(ret, j->journal_namespace, SD_JOURNAL_LOCAL_ONLY);
        else
                r = sd_journal_open(ret, SD_JOURNAL_LOCAL_ONLY);
        if (r < 0)
                return r;
        (void) sd_journal_set_data_threshold(*ret, 64 * 1024);
        /* before the first entry is read, or what comes in between is never announced */
        r = sd_journal_get_fd(*ret);
        return r < 0 ? r : 0;
}

int journal_reader_open(JournalReader *j) {
        return open_another(j, &j->journal);
}

void journal_reader_close(JournalReader *j) {
        if (j->journal)
                sd_journal_close(TAKE_PTR(j->journal));
        if (j->streams)
                sd_journal_close(TAKE_PTR(j->streams));
}

Span journal_dropped_unit(Span message) {
        static const char from[] = " messages from ";
        const char *at = memmem(message.data, message.size, from, sizeof(from) - 1);

        return at ? span_skip(message, (size_t) (at - message.data) + sizeof(from) - 1) : SPAN_NONE;
}

static int try_to_stand_in_stream(JournalReader *j, Span stream) {
        _cleanup_free_ char *cursor = NULL;
        char match[JOURNAL_FIELD_MAX_BYTES + 16];
        int r;

        (void) sd_journal_process(j->streams);
        sd_journal_flush_matches(j->streams);
        (void) snprintf(match, sizeof(match), "_STREAM_ID=%.*s", (int) stream.size, stream.data);
        r = sd_journal_get_cursor(j->journal, &cursor);
        if (r >= 0)
                r = sd_journal_add_match(j->streams, match, 0);
        if (r >= 0)
                r = sd_journal_add_disjunction(j->streams);
        if (r >= 0)
                r = sd_journal_add_match(j->streams, "_TRANSPORT=driver", 0);
        if (r >= 0)
                r = sd_journal_add_match(j->streams, "MESSAGE_ID=" SD_MESSAGE_JOURNAL_DROPPED_STR, 0);
        if (r >= 0)
                r = sd_journal_seek_cursor(j->streams, cursor);
        if (r >= 0)
                r = sd_journal_next(j->streams);
        if (r > 0)
                r = sd_journal_test_cursor(j->streams, cursor);
        return r > 0 ? 0 : r < 0 ? r : -ESTALE;
}

/* Has the second reader stand at the current entry, seeing its stream and journald's notes of what it has
 * dropped. journald may just be about to enter it there. */
static int stand_in_stream(JournalReader *j, Span stream) {
        int r = j->streams ? 0 : open_another(j, &j->streams);

        if (r < 0)
                return r;
        r = try_to_stand_in_stream(j, stream);
        for (unsigned i = 0; r == -ESTALE && i < STAND_TRIES && !j->streams_stale; i++) {
                (void) usleep(STAND_USEC);
                r = try_to_stand_in_stream(j, stream);
        }
        j->streams_stale = r == -ESTALE;
        return r;
}

/* Finds the entry before the current one of the same standard output stream. Returns 1, 0 if there is none,
 * or -errno; -ENODATA: journald has dropped messages of this unit since. */
static int look_back(JournalReader *j, Span stream, Span unit) {
        int r = stand_in_stream(j, stream);

        for (unsigned i = 0; r >= 0 && i < NOTES_MAX; i++) {
                Span value;

                r = sd_journal_previous(j->streams);
                if (r <= 0)
                        return r;
                if (journal_field(j->streams, "_STREAM_ID", &value) >= 0 && span_equal(value, stream))
                        return 1;
                r = journal_field(j->streams, "MESSAGE", &value);
                if (r >= 0 && span_equal(journal_dropped_unit(value), unit))
                        return -ENODATA;
        }
        return r < 0 ? r : -E2BIG;
}

/* Whether the journal still has the very first entry that journald has numbered for these files: nothing of
 * them was ever removed. */
static bool has_first_number(JournalReader *j) {
        _cleanup_free_ char *cursor = NULL;
        char first[64];
        size_t n;

        if (sd_journal_get_cursor(j->journal, &cursor) < 0 || strncmp(cursor, "s=", 2) != 0)
                return false;
        n = strcspn(cursor, ";");
        if (n >= sizeof(first) - strlen(";i=1"))
                return false;
        (void) snprintf(first, sizeof(first), "%.*s;i=1", (int) n, cursor);
        sd_journal_flush_matches(j->streams);
        return sd_journal_seek_cursor(j->streams, first) >= 0 && sd_journal_next(j->streams) > 0 &&
               sd_journal_test_cursor(j->streams, first) > 0;
}

/* Has the second reader stand at the oldest entry with both fields. */
static bool stand_at_oldest(JournalReader *j, const char *field, const char *other) {
        sd_journal_flush_matches(j->streams);
        return sd_journal_add_match(j->streams, field, 0) >= 0 &&
               sd_journal_add_match(j->streams, other, 0) >= 0 && sd_journal_seek_head(j->streams) >= 0 &&
               sd_journal_next(j->streams) > 0;
}

/* When systemd first told of the service of the current entry, since the boot; 0: nobody knows. */
static usec_t service_start(JournalReader *j) {
        char match[JOURNAL_FIELD_MAX_BYTES + 32];
        sd_id128_t boot;
        usec_t start;
        Span id;

        if (journal_field(j->journal, "_SYSTEMD_INVOCATION_ID", &id) < 0 || id.size >= SD_ID128_STRING_MAX)
                return 0;
        (void) snprintf(match, sizeof(match), "INVOCATION_ID=%.*s", (int) id.size, id.data);
        /* nobody else can have this pid */
        if (!stand_at_oldest(j, match, "_PID=1") ||
                sd_journal_get_monotonic_usec(j->streams, &start, &boot) < 0)
                return 0;
        return start;
}

/* Whether there are entries of before `start` in the boot of the current entry, among those that are kept as
 * long as this uid's: users have files of their own, and each kind is removed oldest first. */
static bool reaches_back(JournalReader *j, uint64_t uid, usec_t start) {
        char user[64], machine[JOURNAL_FIELD_MAX_BYTES + 32];
        sd_id128_t boot, oldest_boot;
        usec_t logged, oldest;
        Span id;

        if (sd_journal_get_monotonic_usec(j->journal, &logged, &boot) < 0 ||
                journal_field(j->journal, "_MACHINE_ID", &id) < 0 || id.size > JOURNAL_FIELD_MAX_BYTES)
                return false;
        (void) snprintf(user, sizeof(user), "_UID=%" PRIu64, uid);
        (void) snprintf(machine, sizeof(machine), "_MACHINE_ID=%.*s", (int) id.size, id.data);
        if (!stand_at_oldest(j, user, machine) ||
                sd_journal_get_monotonic_usec(j->streams, &oldest, &oldest_boot) < 0)
                return false;
        return !sd_id128_equal(oldest_boot, boot) || oldest + START_USEC < MIN(start, logged);
}

/* Whether the current entry, before which there is none of its stream, is the first that its stream ever
 * had, and not just the first that is left. In doubt it is not. */
static bool is_first(JournalReader *j, Span uid_text) {
        usec_t start;
        uint64_t uid;

        if (has_first_number(j))
                return true;
        if (parse_u64(uid_text, UINT32_MAX, &uid) < 0)
                return false;
        start = service_start(j);
        return reaches_back(j, 0, start) && (uid <= SYSTEM_UID_MAX || reaches_back(j, uid, start));
}

/* journald ends a line of a standard output stream at a NUL and at 48 KiB, and says so in _LINE_BREAK: what
 * follows begins where a stranger wished. In doubt the message counts as torn. */
static bool is_torn(JournalReader *j, Span stream, Span unit, Span uid) {
        const void *data;
        size_t size;
        int r;

        if (sd_journal_get_data(j->journal, "_LINE_BREAK", &data, &size) != -ENOENT)
                return true;
        if (stream.size == 0)
                return false;
        r = look_back(j, stream, unit);
        if (r <= 0)
                return r < 0 || !is_first(j, uid);
        return sd_journal_get_data(j->streams, "_LINE_BREAK", &data, &size) != -ENOENT;
}

/* One that leaves out which machine it is of, or makes that too long to be read, is not this one, whose
 * journald always says it. */
static bool is_own(const JournalReader *j, Span machine) {
        return j->machine[0] && span_equal_string(machine, j->machine);
}

static int record_provenance(const Record *record, Provenance *ret) {
        JournalReader *j = record->userdata;
        Span f[_FIELD_MAX] = {0}, value;
        bool own;

        for (int i = 0; i < _FIELD_MAX; i++)
                if (journal_field(j->journal, field_names[i], &value) >= 0 &&
                        value.size <= JOURNAL_FIELD_MAX_BYTES) {
                        memcpy(j->fields[i], value.data, value.size);
                        f[i] = span_make(j->fields[i], value.size);
                }
        own = is_own(j, f[FIELD_MACHINE]);
        *ret = (Provenance){
                .unit = f[FIELD_UNIT],
                .uid = f[FIELD_UID],
                .machine = own ? SPAN_NONE : f[FIELD_MACHINE],
                .pid = f[FIELD_SYSLOG_PID].size > 0 ? f[FIELD_SYSLOG_PID] : f[FIELD_PID],
                .logger = f[FIELD_PID],
                .torn = is_torn(j, f[FIELD_STREAM], f[FIELD_UNIT], f[FIELD_UID]),
                /* in doubt it is one */
                .stream = !span_equal_string(f[FIELD_TRANSPORT], "syslog") &&
                          !span_equal_string(f[FIELD_TRANSPORT], "journal"),
                .odd_priority = f[FIELD_PRIORITY].size > 0 && !span_equal_string(f[FIELD_PRIORITY], "6"),
                .raw_size = raw_size(j, record),
        };
        /* another machine's word is worth as much as that machine; what could not be read is worth nothing
         */
        if ((!own && !j->trusted) || bus_guard_has_happened())
                ret->unit = ret->uid = SPAN_NONE;
        return 0;
}

/* The latest moment at which an entry of this machine can have been logged, by the clocks that nobody sets:
 * a wall clock that has been set back since must not make it younger. */
static usec_t latest_time(JournalReader *j, usec_t stamp, usec_t now) {
        usec_t logged, monotonic = time_monotonic(), age;
        sd_id128_t boot;
        Span machine;

        if (sd_id128_is_null(j->boot) || sd_journal_get_monotonic_usec(j->journal, &logged, &boot) < 0)
                return now;
        if (sd_id128_equal(boot, j->boot))
                age = monotonic > logged ? monotonic - logged : 0;
        else if (stamp <= now)
                return now;
        else
                /* of an earlier boot; another machine's clock may well be ahead of ours */
                age = journal_field(j->journal, "_MACHINE_ID", &machine) >= 0 && is_own(j, machine)
                              ? time_boot()
                              : 0;
        return now > age ? now - age : 0;
}

static usec_t record_time(const Record *record) {
        JournalReader *j = record->userdata;
        usec_t t, latest;

        if (sd_journal_get_realtime_usec(j->journal, &t) < 0)
                return 0;
        latest = latest_time(j, t, record->read_time);
        return t > record->read_time || t > latest + STEP_USEC ? MIN(latest, record->read_time) : t;
}

const RecordOps journal_record_ops = {.provenance = record_provenance, .time = record_time};
