/* SPDX-License-Identifier: Apache-2.0 */
/* The journal source. Entries are chosen by identifier alone: unit and uid are looked at later, by match/,
 * so that forgeries are seen and counted. The data that sd_journal hands out is gone with the next call to
 * it (sd_journal_get_data(3)), so what a record points to is copied here.
 *
 * There is no sd_journal_add_match(3): journald counts an entry first and enters it under its fields then,
 * and a reader with matches that looks in between does not find it, and not until the next one is there.
 *
 * Files come, go, are cut short and can't be read; directories are made while we run. After each such change
 * reading goes on behind the last entry delivered, which is found by its cursor, or, where that entry has
 * gone, by reading from as early as matters and leaving out what that boot had logged before it. */

#include "source/source-journal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
#include <systemd/sd-messages.h>

#include "basic/parse-util.h"
#include "loop/turn.h"
#include "source/bus-guard.h"
#include "source/journal-place.h"

#define ENTRIES_AT_ONCE 4096
#define MESSAGE_MAX_BYTES ((size_t) 8 * 1024)
#define FIELD_MAX_BYTES ((size_t) 256)
/* Logins are frequent while the next one comes within this; then polling is worth its wake-ups. */
#define FREQUENT_USEC (10 * USEC_PER_SEC)
/* A file that can't be read makes us open the journal anew; so often, and what is between waits for the next
 * check. */
#define REOPEN_USEC USEC_PER_SEC
/* One line of warning in this time. */
#define WARN_USEC (10 * USEC_PER_MINUTE)
/* The clock of entries and ours are read a moment apart, and may be slewed: more is a step. */
#define STEP_USEC USEC_PER_SEC
/* An entry that was written so long ago can be read. */
#define SETTLED_USEC USEC_PER_MINUTE
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
        _FIELD_MAX
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

/* Who says that messages were dropped. */
#define JOURNALD "systemd-journald"

typedef struct SourceJournal {
        Source base;
        char *directory, *journal_namespace;
        bool trusted;
        usec_t latency, lookback;
        char **identifiers;
        sd_journal *journal;
        sd_journal *streams; /* a second reader, for looking back in one stream; NULL until it is needed */
        bool streams_stale;  /* it did not find the last entry that it was asked for */
        sd_event *event;
        sd_event_source *io, *work, *poll;
        JournalPlace *place;
        char machine[SD_ID128_STRING_MAX];
        char *cursor;     /* of the last entry delivered; NULL: none yet */
        unsigned since;   /* entries read behind that one; UINT_MAX: nobody knows */
        sd_id128_t boot;  /* of that entry; null: not known */
        usec_t monotonic; /* of that entry, since the boot */
        usec_t read_to;   /* when everything there was had been read; 0: never */
        bool repeating;   /* entries that were delivered already may come again */
        bool gap;         /* and if that very entry is not among them, some may be missing */
        usec_t reopened;  /* because a file could not be read, CLOCK_MONOTONIC */
        usec_t fault_told, broken_told, lost_told;
        usec_t last_login, poll_until; /* CLOCK_MONOTONIC */
        char message[MESSAGE_MAX_BYTES], identifier[FIELD_MAX_BYTES];
        char fields[_FIELD_MAX][FIELD_MAX_BYTES];
} SourceJournal;

/* The value of a field of the current entry, the first if there are several, borrowed from the journal.
 * Returns 0 or -errno. */
static int get_field(sd_journal *journal, const char *name, Span *ret) {
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
static size_t raw_size(SourceJournal *j, const Record *record) {
        const char *tag, *colon;
        Span raw;

        if (get_field(j->journal, "SYSLOG_RAW", &raw) < 0)
                return record->message.size;
        tag = memmem(raw.data, raw.size, record->identifier.data, record->identifier.size);
        if (!tag)
                return raw.size;
        raw = span_skip(raw, (size_t) (tag - raw.data) + record->identifier.size);
        colon = memmem(raw.data, raw.size, ": ", 2);
        return colon ? raw.size - (size_t) (colon + 2 - raw.data) : raw.size;
}

static int open_journal(const SourceJournal *j, sd_journal **ret) {
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

/* "Suppressed 12 messages from dovecot.service": the unit is in no field once its process has gone. */
static Span dropped_unit(Span message) {
        static const char from[] = " messages from ";
        const char *at = memmem(message.data, message.size, from, sizeof(from) - 1);

        return at ? span_skip(message, (size_t) (at - message.data) + sizeof(from) - 1) : SPAN_NONE;
}

static int try_to_stand_in_stream(SourceJournal *j, Span stream) {
        _cleanup_free_ char *cursor = NULL;
        char match[FIELD_MAX_BYTES + 16];
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
static int stand_in_stream(SourceJournal *j, Span stream) {
        int r = j->streams ? 0 : open_journal(j, &j->streams);

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
static int look_back(SourceJournal *j, Span stream, Span unit) {
        int r = stand_in_stream(j, stream);

        for (unsigned i = 0; r >= 0 && i < NOTES_MAX; i++) {
                Span value;

                r = sd_journal_previous(j->streams);
                if (r <= 0)
                        return r;
                if (get_field(j->streams, "_STREAM_ID", &value) >= 0 && span_equal(value, stream))
                        return 1;
                r = get_field(j->streams, "MESSAGE", &value);
                if (r >= 0 && span_equal(dropped_unit(value), unit))
                        return -ENODATA;
        }
        return r < 0 ? r : -E2BIG;
}

/* Whether the journal still has the very first entry that journald has numbered for these files: nothing of
 * them was ever removed. */
static bool has_first_number(SourceJournal *j) {
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
static bool stand_at_oldest(SourceJournal *j, const char *field, const char *other) {
        sd_journal_flush_matches(j->streams);
        return sd_journal_add_match(j->streams, field, 0) >= 0 &&
               sd_journal_add_match(j->streams, other, 0) >= 0 && sd_journal_seek_head(j->streams) >= 0 &&
               sd_journal_next(j->streams) > 0;
}

/* When systemd first told of the service of the current entry, since the boot; 0: nobody knows. */
static usec_t service_start(SourceJournal *j) {
        char match[FIELD_MAX_BYTES + 32];
        sd_id128_t boot;
        usec_t start;
        Span id;

        if (get_field(j->journal, "_SYSTEMD_INVOCATION_ID", &id) < 0 || id.size >= SD_ID128_STRING_MAX)
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
static bool reaches_back(SourceJournal *j, uint64_t uid, usec_t start) {
        char user[64], machine[FIELD_MAX_BYTES + 32];
        sd_id128_t boot, oldest_boot;
        usec_t logged, oldest;
        Span id;

        if (sd_journal_get_monotonic_usec(j->journal, &logged, &boot) < 0 ||
                get_field(j->journal, "_MACHINE_ID", &id) < 0 || id.size > FIELD_MAX_BYTES)
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
static bool is_first(SourceJournal *j, Span uid_text) {
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
static bool is_torn(SourceJournal *j, Span stream, Span unit, Span uid) {
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
static bool is_own(const SourceJournal *j, Span machine) {
        return j->machine[0] && span_equal_string(machine, j->machine);
}

static int record_provenance(const Record *record, Provenance *ret) {
        SourceJournal *j = record->userdata;
        Span f[_FIELD_MAX] = {0}, value;
        bool own;

        for (int i = 0; i < _FIELD_MAX; i++)
                if (get_field(j->journal, field_names[i], &value) >= 0 && value.size <= FIELD_MAX_BYTES) {
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
static usec_t latest_time(SourceJournal *j, usec_t stamp, usec_t now) {
        usec_t logged, monotonic = time_monotonic(), age;
        Span machine;
        int r = sd_journal_get_monotonic_usec(j->journal, &logged, NULL);

        if (r >= 0)
                age = monotonic > logged ? monotonic - logged : 0;
        else if (r != -ESTALE || stamp <= now)
                return now;
        else
                /* of an earlier boot; another machine's clock may well be ahead of ours */
                age = get_field(j->journal, "_MACHINE_ID", &machine) >= 0 && is_own(j, machine) ? time_boot()
                                                                                                : 0;
        return now > age ? now - age : 0;
}

static usec_t record_time(const Record *record) {
        SourceJournal *j = record->userdata;
        usec_t t, latest;

        if (sd_journal_get_realtime_usec(j->journal, &t) < 0)
                return 0;
        latest = latest_time(j, t, record->read_time);
        return t > record->read_time || t > latest + STEP_USEC ? MIN(latest, record->read_time) : t;
}

static const RecordOps record_ops = {.provenance = record_provenance, .time = record_time};

/* journald's own word (nobody else can have this transport) that it has dropped messages of some service. */
static bool is_dropped_note(SourceJournal *j) {
        Span value;

        if (get_field(j->journal, "_TRANSPORT", &value) < 0 || !span_equal_string(value, "driver"))
                return false;
        return get_field(j->journal, "MESSAGE_ID", &value) >= 0 &&
               span_equal_string(value, SD_MESSAGE_JOURNAL_DROPPED_STR);
}

static void tell_dropped(SourceJournal *j, Span message) {
        Span unit = dropped_unit(message), value;

        if (get_field(j->journal, "N_DROPPED", &value) < 0 ||
                parse_u64(value, UINT32_MAX, &j->base.dropped) < 0)
                j->base.dropped = 1;
        source_note(&j->base, SOURCE_NOTE_DROPPED, "%.*s", (int) unit.size, strempty(unit.data));
}

/* True once in a while; `told` is when it was so. */
static bool is_worth_a_line(usec_t *told, usec_t now) {
        if (*told > 0 && now - *told < WARN_USEC && now >= *told)
                return false;
        *told = now;
        return true;
}

/* The entry is damaged: whose it was, and whether it was the first half of the next one, nobody knows. */
static void tell_broken(SourceJournal *j, int error, usec_t now) {
        j->base.discarded++;
        if (is_worth_a_line(&j->broken_told, now))
                source_note(&j->base, SOURCE_NOTE_GAP,
                        "an entry of the journal can't be read, and it may be a login: %s",
                        strerror(-error));
        else
                source_note(&j->base, SOURCE_NOTE_GAP, NULL);
}

static bool is_wanted(const SourceJournal *j, Span identifier) {
        for (char **i = j->identifiers; *i; i++)
                if (span_equal_string(identifier, *i))
                        return true;
        return false;
}

/* An entry without SYSLOG_IDENTIFIER or MESSAGE (journald keeps none of those over its limit) is nobody's
 * login. */
static void deliver_entry(SourceJournal *j, usec_t now) {
        Record record = {
                .ops = &record_ops, .userdata = j, .source = j->base.name, .read_time = now, .proven = true};
        Span message, identifier;
        int r = get_field(j->journal, "SYSLOG_IDENTIFIER", &identifier);
        bool own;

        if (r >= 0) {
                own = span_equal_string(identifier, JOURNALD);
                if (identifier.size > FIELD_MAX_BYTES || (!own && !is_wanted(j, identifier)))
                        return;
                memcpy(j->identifier, identifier.data, identifier.size);
                record.identifier = span_make(j->identifier, identifier.size);
                r = get_field(j->journal, "MESSAGE", &message);
        }
        if (r < 0) {
                if (r != -ENOENT)
                        tell_broken(j, r, now);
                return;
        }
        record.raw_size = message.size;
        record.cut = message.size > MESSAGE_MAX_BYTES;
        record.message = span_make(j->message, MIN(message.size, MESSAGE_MAX_BYTES));
        memcpy(j->message, message.data, record.message.size);
        if (!own)
                source_deliver(&j->base, &record);
        else if (is_dropped_note(j))
                tell_dropped(j, record.message);
}

/* Remembers where we are. After sd_journal_next() has said 0 that is still the last entry. */
static void remember(SourceJournal *j) {
        char *cursor;

        if (sd_journal_get_cursor(j->journal, &cursor) < 0) {
                /* what will be read again has been seen by the streams' state already */
                source_note(&j->base, SOURCE_NOTE_GAP, NULL);
                return;
        }
        free(j->cursor);
        j->cursor = cursor;
        j->since = 0;
        if (sd_journal_get_monotonic_usec(j->journal, &j->monotonic, &j->boot) < 0)
                j->boot = SD_ID128_NULL;
}

static void set_work(SourceJournal *j) {
        if (j->work)
                (void) sd_event_source_set_enabled(j->work, SD_EVENT_ONESHOT);
}

/* Whether the current entry has the same fields as the one of our cursor, whose last part says so whatever
 * file it is in now. */
static bool has_same_content(SourceJournal *j) {
        _cleanup_free_ char *cursor = NULL;
        const char *mine = j->cursor ? strstr(j->cursor, ";x=") : NULL, *its;

        if (!mine || sd_journal_get_cursor(j->journal, &cursor) < 0)
                return false;
        its = strstr(cursor, ";x=");
        return its && streq(mine, its);
}

/* Whether the current entry was delivered before. journald's stamps since the boot never go back, but it
 * gives lines that it read at once the same. */
static bool is_repeated(SourceJournal *j) {
        sd_id128_t boot;
        usec_t t;

        if (!j->repeating || sd_journal_get_monotonic_usec(j->journal, &t, &boot) < 0 ||
                !sd_id128_equal(boot, j->boot))
                return false;
        j->repeating = t <= j->monotonic;
        if (t == j->monotonic && has_same_content(j)) {
                /* found: what comes now is what comes next */
                j->gap = false;
                return true;
        }
        return t < j->monotonic;
}

/* ---- following ---- */

static void close_journal(SourceJournal *j) {
        j->io = sd_event_source_disable_unref(j->io);
        if (j->journal)
                sd_journal_close(TAKE_PTR(j->journal));
        if (j->streams)
                sd_journal_close(TAKE_PTR(j->streams));
}

static void reopen(SourceJournal *j);

/* A file was cut short while it was open. What could not be read is zeros, and nobody's login; the rest of
 * the files is as it was. */
static void on_fault(SourceJournal *j) {
        usec_t now = time_monotonic();

        if (is_worth_a_line(&j->fault_told, time_now()))
                source_note(&j->base, SOURCE_NOTE_GAP,
                        "a journal file can't be read where it could before (was it cut short?); logins may "
                        "be missing");
        else
                source_note(&j->base, SOURCE_NOTE_GAP, NULL);
        if (j->reopened > 0 && now - j->reopened < REOPEN_USEC) {
                close_journal(j);
                return;
        }
        j->reopened = now;
        reopen(j);
}

static int seek_realtime(SourceJournal *j) {
        usec_t now = time_now();

        return sd_journal_seek_realtime_usec(j->journal, now > j->lookback ? now - j->lookback : 0);
}

/* Whether there may have been entries that were not read, are not too old, and are no more. That a journal
 * kept in memory begins with the boot is no news. */
static bool has_lost_entries(SourceJournal *j) {
        usec_t oldest, now = time_now(), up = time_boot();
        usec_t from = now > j->lookback ? now - j->lookback : 0;
        usec_t booted = now > up ? now - up + USEC_PER_MINUTE : 0;

        return j->read_to > 0 && sd_journal_get_cutoff_realtime_usec(j->journal, &oldest, NULL) > 0 &&
               oldest > MAX(MAX(from, j->read_to), booted);
}

/* Goes to behind the last entry delivered. A cursor that the journal no longer holds (vacuumed, another
 * machine's, damaged, or the entry is in another file) leaves us with what we know of that entry: the clock
 * may have been set since, so all is read that is young enough. */
static int seek(SourceJournal *j) {
        j->repeating = j->gap = false;
        if (j->cursor && sd_journal_seek_cursor(j->journal, j->cursor) >= 0 &&
                sd_journal_next(j->journal) > 0 && sd_journal_test_cursor(j->journal, j->cursor) > 0) {
                j->since = 0;
                return 0;
        }
        j->since = UINT_MAX;
        if (has_lost_entries(j) && is_worth_a_line(&j->lost_told, time_now()))
                source_note(&j->base, SOURCE_NOTE_GAP,
                        "the journal does not reach back to where reading ended; logins may be missing");
        j->gap = true;
        j->repeating = !sd_id128_is_null(j->boot);
        return seek_realtime(j);
}

static bool is_settled(SourceJournal *j) {
        usec_t t;

        return sd_journal_get_monotonic_usec(j->journal, &t, NULL) < 0 || /* of an earlier boot */
               t + SETTLED_USEC < time_monotonic();
}

/* The part of a cursor that says by which sequence of numbers, and the entry's number in it. */
static size_t number_of(const char *cursor, uint64_t *ret) {
        const char *number = strstr(cursor, ";i=");

        *ret = number ? strtoull(number + 3, NULL, 16) : 0;
        return number ? (size_t) (number - cursor) : 0;
}

/* Whether no entry can be missing between that of our cursor and the current one. */
static bool follows(SourceJournal *j) {
        _cleanup_free_ char *cursor = NULL;
        uint64_t number, last;
        size_t n;

        if (!j->cursor || sd_journal_get_cursor(j->journal, &cursor) < 0)
                return false;
        n = number_of(j->cursor, &last);
        return n > 0 && n == number_of(cursor, &number) && memcmp(cursor, j->cursor, n) == 0 &&
               number == last + j->since;
}

/* Goes back to the entry that was read as number `since` behind the last one remembered, and on from there,
 * now with the files that have come. */
static int look_again(SourceJournal *j, unsigned since) {
        int r = sd_journal_process(j->journal);

        if (r >= 0)
                r = seek(j);
        if (r >= 0 && since > 0 && j->since == 0)
                r = sd_journal_next_skip(j->journal, since);
        return r < 0 ? r : sd_journal_next(j->journal);
}

/* Goes to the next entry. sd_journal_next(3) looks at one file after the other, and only at those that were
 * there: an entry that journald has just put where it had looked already, or into a file that it has just
 * made (each user has one), is passed over for good if a later one is found elsewhere. journald numbers its
 * entries whatever file they are in, so where a number is left out we look again. Returns as
 * sd_journal_next(). */
static int next_entry(SourceJournal *j) {
        int r = sd_journal_next(j->journal);

        if (r <= 0 || j->since == UINT_MAX)
                return r;
        j->since++;
        if (is_settled(j))
                return r;
        if (!follows(j))
                r = look_again(j, j->since - 1);
        if (r > 0 && j->since != UINT_MAX)
                remember(j);
        return r;
}

/* Delivers what there is, up to ENTRIES_AT_ONCE. Returns 1 if there may be more, 0, or -errno. */
static int deliver(SourceJournal *j) {
        usec_t now;
        unsigned n;
        int r = 0;

        for (n = 0; n < ENTRIES_AT_ONCE; n++) {
                r = next_entry(j);
                if (r <= 0)
                        break;
                now = time_now();
                if (is_repeated(j))
                        continue;
                if (j->gap)
                        source_note(&j->base, SOURCE_NOTE_GAP, NULL);
                j->gap = false;
                deliver_entry(j, now);
        }
        /* while entries come again the last one delivered is further on */
        if (n > 0 && j->since > 0 && (!j->repeating || has_same_content(j)))
                remember(j);
        return r < 0 ? r : n == ENTRIES_AT_ONCE;
}

/* Delivers what there is, and only then hears of files that came or went: what is open can still be read.
 * Returns 1 if there may be more, 0, or -errno. */
static int go_on(SourceJournal *j) {
        int r = deliver(j);

        if (r != 0)
                return r;
        r = sd_journal_process(j->journal);
        if (r < 0)
                return r;
        if (r == SD_JOURNAL_NOP) {
                j->base.is_read = true;
                j->read_to = time_now();
                return 0;
        }
        /* the place that libsystemd remembers may be in a file that went */
        if (r == SD_JOURNAL_INVALIDATE)
                r = seek(j);
        return r < 0 ? r : 1;
}

static void work(SourceJournal *j) {
        int r = j->journal ? go_on(j) : 0;

        if (bus_guard_take())
                on_fault(j);
        else if (r < 0) {
                source_note(&j->base, SOURCE_NOTE_TROUBLE, "the journal can't be read: %s", strerror(-r));
                close_journal(j); /* the next check opens it anew */
        } else if (j->journal)
                source_note(&j->base, SOURCE_NOTE_WELL, "the journal can be read again");
        if (r > 0)
                set_work(j);
}

static int on_work(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        work(userdata);
        return 0;
}

static int on_io(
        _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *userdata) {
        work(userdata);
        return 0;
}

/* journald tells of new entries up to 250 ms late, but they can be read at once. */
static int on_poll(sd_event_source *source, uint64_t usec, void *userdata) {
        SourceJournal *j = userdata;

        work(j);
        if (usec >= j->poll_until)
                return 0;
        (void) sd_event_source_set_time(source, usec + j->latency);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void source_journal_on_login(Source *s) {
        SourceJournal *j = (SourceJournal *) s;
        uint64_t now;
        bool frequent;

        if (j->latency == 0 || !j->event || sd_event_now(j->event, CLOCK_MONOTONIC, &now) < 0)
                return;
        frequent = j->last_login > 0 && now - j->last_login < FREQUENT_USEC;
        j->last_login = now;
        if (!frequent)
                return;
        if (now >= j->poll_until) {
                (void) sd_event_source_set_time(j->poll, now + j->latency);
                (void) sd_event_source_set_enabled(j->poll, SD_EVENT_ONESHOT);
        }
        j->poll_until = now + FREQUENT_USEC;
}

/* Opens the journal where it ended. */
static int follow(SourceJournal *j) {
        int r = open_journal(j, &j->journal);

        if (r >= 0)
                r = sd_event_add_io(j->event, &j->io, sd_journal_get_fd(j->journal),
                        (uint32_t) sd_journal_get_events(j->journal), on_io, j);
        /* it reads entries, as `work` does */
        if (r >= 0)
                r = sd_event_source_set_priority(j->io, TURN_PRIORITY);
        if (r >= 0)
                r = seek(j);
        if (r < 0)
                close_journal(j);
        else
                set_work(j);
        return r;
}

static void reopen(SourceJournal *j) {
        int r;

        close_journal(j);
        r = follow(j);
        if (r < 0)
                source_note(&j->base, SOURCE_NOTE_TROUBLE, "the journal can't be opened: %s", strerror(-r));
}

static void on_place_changed(void *userdata) {
        SourceJournal *j = userdata;

        if (journal_place_has_changed(j->place))
                reopen(j);
}

static void detach(SourceJournal *j) {
        j->place = journal_place_free(j->place);
        j->poll = sd_event_source_disable_unref(j->poll);
        j->work = sd_event_source_disable_unref(j->work);
        close_journal(j);
        j->event = sd_event_unref(j->event);
}

static int attach(SourceJournal *j, sd_event *event) {
        sd_id128_t machine;
        int r;

        if (sd_id128_get_machine(&machine) >= 0)
                (void) sd_id128_to_string(machine, j->machine);
        bus_guard_install();
        j->event = sd_event_ref(event);
        r = turn_new(event, on_work, j, &j->work);
        if (r < 0)
                return r;
        r = sd_event_add_time(
                event, &j->poll, CLOCK_MONOTONIC, UINT64_MAX, MAX(j->latency / 4, (usec_t) 1), on_poll, j);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(j->poll, SD_EVENT_OFF);
        (void) sd_event_source_set_priority(j->poll, TURN_PRIORITY);
        /* watched before it is opened, so that nothing can slip between */
        r = journal_place_new(
                event, j->directory, j->journal_namespace, j->machine, on_place_changed, j, &j->place);
        return r < 0 ? r : follow(j);
}

static int source_journal_attach(Source *s, sd_event *event) {
        SourceJournal *j = (SourceJournal *) s;
        int r = attach(j, event);

        if (r < 0)
                detach(j);
        return r;
}

static void source_journal_check(Source *s) {
        SourceJournal *j = (SourceJournal *) s;

        if (j->place && (journal_place_has_changed(j->place) || !j->journal))
                reopen(j);
        set_work(j);
}

static void source_journal_encode(Source *s, ByteWriter *w) {
        SourceJournal *j = (SourceJournal *) s;

        byte_writer_text(w, span_from_string(strempty(j->cursor)));
        byte_writer_u64(w, j->read_to);
        byte_writer_raw(w, &j->boot, sizeof(j->boot));
        byte_writer_u64(w, j->monotonic);
}

static bool source_journal_decode(Source *s, Span bytes) {
        SourceJournal *j = (SourceJournal *) s;
        ByteReader r = BYTE_READER(bytes);
        Span cursor = byte_reader_text(&r);
        usec_t read_to = byte_reader_u64(&r), monotonic;
        sd_id128_t boot;

        byte_reader_raw(&r, &boot, sizeof(boot));
        monotonic = byte_reader_u64(&r);
        if (!byte_reader_complete(&r) || cursor.size > 1024 || memchr(strempty(cursor.data), 0, cursor.size))
                return false;
        free(j->cursor);
        j->cursor = cursor.size > 0 ? strndup(cursor.data, cursor.size) : NULL;
        j->read_to = read_to;
        j->boot = boot;
        j->monotonic = monotonic;
        return true;
}

static void free_strings(char **strings) {
        for (char **i = strings; i && *i; i++)
                free(*i);
        free(strings);
}

static Source *source_journal_free(Source *s) {
        SourceJournal *j = (SourceJournal *) s;

        detach(j);
        free_strings(j->identifiers);
        free(j->directory);
        free(j->journal_namespace);
        free(j->cursor);
        free(s->name);
        free(j);
        return NULL;
}

static const SourceOps source_journal_ops = {
        .attach = source_journal_attach,
        .encode = source_journal_encode,
        .decode = source_journal_decode,
        .check = source_journal_check,
        .on_login = source_journal_on_login,
        .free = source_journal_free,
};

static char **copy_strings(char *const *strings) {
        size_t n = 0;
        char **copy;

        while (strings[n])
                n++;
        copy = calloc(n + 1, sizeof(char *));
        for (size_t i = 0; copy && i < n; i++)
                if (!(copy[i] = strdup(strings[i]))) {
                        free_strings(copy);
                        return NULL;
                }
        return copy;
}

int source_journal_new(const JournalSettings *settings, const SourceSink *sink, Source **ret) {
        _cleanup_(source_freep) Source *s = NULL;
        SourceJournal *j = calloc(1, sizeof(SourceJournal));

        if (!j)
                return -ENOMEM;
        s = &j->base;
        s->ops = &source_journal_ops;
        s->sink = *sink;
        s->name = strdup("journal");
        j->identifiers = copy_strings(settings->identifiers);
        j->directory = settings->directory ? strdup(settings->directory) : NULL;
        j->journal_namespace = settings->journal_namespace ? strdup(settings->journal_namespace) : NULL;
        if (!s->name || !j->identifiers || (settings->directory && !j->directory) ||
                (settings->journal_namespace && !j->journal_namespace))
                return -ENOMEM;
        j->trusted = settings->trusted;
        j->latency = settings->latency;
        j->lookback = settings->lookback;
        *ret = TAKE_PTR(s);
        return 0;
}
