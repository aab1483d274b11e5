/* SPDX-License-Identifier: Apache-2.0 */
/* The journal source. Entries are matched by identifier alone: unit and uid are looked at later, by match/,
 * so that forgeries are seen and counted. The data that sd_journal hands out is gone with the next call to
 * it (sd_journal_get_data(3)), so what a record points to is copied here. */

#include "source/source-journal.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
#include <systemd/sd-messages.h>

#include "basic/parse-util.h"

#define ENTRIES_AT_ONCE 4096
#define MESSAGE_MAX_BYTES ((size_t) 8 * 1024)
#define FIELD_MAX_BYTES ((size_t) 256)
/* Logins are frequent while the next one comes within this; then polling is worth its wake-ups. */
#define FREQUENT_USEC (10 * USEC_PER_SEC)

enum {
        FIELD_UNIT,
        FIELD_UID,
        FIELD_MACHINE,
        FIELD_SYSLOG_PID,
        FIELD_PID,
        FIELD_STREAM,
        FIELD_PRIORITY,
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
        sd_event *event;
        sd_event_source *io, *work, *poll;
        char machine[SD_ID128_STRING_MAX];
        char *cursor;                  /* behind the last entry delivered; NULL: none yet */
        usec_t realtime;               /* of that entry */
        usec_t last_login, poll_until; /* CLOCK_MONOTONIC */
        char message[MESSAGE_MAX_BYTES], identifier[FIELD_MAX_BYTES];
        char fields[_FIELD_MAX][FIELD_MAX_BYTES];
} SourceJournal;

/* The value of a field of the current entry, borrowed from the journal. Returns 0 or -errno. */
static int get_field(SourceJournal *j, const char *name, Span *ret) {
        const void *data;
        size_t size, skip = strlen(name) + 1;
        int r = sd_journal_get_data(j->journal, name, &data, &size);

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

        if (get_field(j, "SYSLOG_RAW", &raw) < 0)
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

/* Finds the entry before the current one of the same standard output stream. Returns 1, 0 if there is none.
 */
static int look_back(SourceJournal *j, Span stream) {
        _cleanup_free_ char *cursor = NULL;
        char match[FIELD_MAX_BYTES + 16];
        int r;

        if (!j->streams) {
                r = open_journal(j, &j->streams);
                if (r < 0)
                        return r;
        }
        (void) sd_journal_process(j->streams);
        sd_journal_flush_matches(j->streams);
        (void) snprintf(match, sizeof(match), "_STREAM_ID=%.*s", (int) stream.size, stream.data);
        r = sd_journal_get_cursor(j->journal, &cursor);
        if (r >= 0)
                r = sd_journal_add_match(j->streams, match, 0);
        if (r >= 0)
                r = sd_journal_seek_cursor(j->streams, cursor);
        if (r >= 0)
                r = sd_journal_next(j->streams);
        if (r <= 0)
                return r < 0 ? r : -ESTALE;
        return sd_journal_previous(j->streams);
}

/* journald ends a line of a standard output stream at a NUL and at 48 KiB, and says so in _LINE_BREAK: what
 * follows begins where a stranger wished. In doubt the message counts as torn. */
static bool is_torn(SourceJournal *j, Span stream) {
        const void *data;
        size_t size;
        int r;

        if (sd_journal_get_data(j->journal, "_LINE_BREAK", &data, &size) != -ENOENT)
                return true;
        if (stream.size == 0)
                return false;
        r = look_back(j, stream);
        if (r <= 0)
                return r < 0;
        return sd_journal_get_data(j->streams, "_LINE_BREAK", &data, &size) != -ENOENT;
}

static int record_provenance(const Record *record, Provenance *ret) {
        SourceJournal *j = record->userdata;
        Span f[_FIELD_MAX] = {0}, value;

        for (int i = 0; i < _FIELD_MAX; i++)
                if (get_field(j, field_names[i], &value) >= 0 && value.size <= FIELD_MAX_BYTES) {
                        memcpy(j->fields[i], value.data, value.size);
                        f[i] = span_make(j->fields[i], value.size);
                }
        *ret = (Provenance){
                .unit = f[FIELD_UNIT],
                .uid = f[FIELD_UID],
                .machine = span_equal_string(f[FIELD_MACHINE], j->machine) ? SPAN_NONE : f[FIELD_MACHINE],
                .pid = f[FIELD_SYSLOG_PID].size > 0 ? f[FIELD_SYSLOG_PID] : f[FIELD_PID],
                .logger = f[FIELD_PID],
                .torn = is_torn(j, f[FIELD_STREAM]),
                .odd_priority = f[FIELD_PRIORITY].size > 0 && !span_equal_string(f[FIELD_PRIORITY], "6"),
                .raw_size = raw_size(j, record),
        };
        /* another machine's word is worth as much as that machine; one that leaves out which it is, or makes
         * that too long to be read, is not this one, whose journald always says it */
        if ((!j->machine[0] || !span_equal_string(f[FIELD_MACHINE], j->machine)) && !j->trusted)
                ret->unit = ret->uid = SPAN_NONE;
        return 0;
}

static usec_t record_time(const Record *record) {
        SourceJournal *j = record->userdata;
        usec_t t;

        if (sd_journal_get_realtime_usec(j->journal, &t) < 0)
                return 0;
        return MIN(t, record->read_time);
}

static const RecordOps record_ops = {.provenance = record_provenance, .time = record_time};

/* journald's own word (nobody else can have this transport) that it has dropped messages of some service. */
static bool is_dropped_note(SourceJournal *j) {
        Span value;

        if (get_field(j, "_TRANSPORT", &value) < 0 || !span_equal_string(value, "driver"))
                return false;
        return get_field(j, "MESSAGE_ID", &value) >= 0 &&
               span_equal_string(value, SD_MESSAGE_JOURNAL_DROPPED_STR);
}

/* "Suppressed 12 messages from dovecot.service": the unit is in no field once its process has gone. */
static void tell_dropped(SourceJournal *j, Span message) {
        static const char from[] = " messages from ";
        const char *at = memmem(message.data, message.size, from, sizeof(from) - 1);
        Span unit = at ? span_skip(message, (size_t) (at - message.data) + sizeof(from) - 1) : SPAN_NONE;
        Span value;

        if (get_field(j, "N_DROPPED", &value) < 0 || parse_u64(value, UINT32_MAX, &j->base.dropped) < 0)
                j->base.dropped = 1;
        source_note(&j->base, SOURCE_NOTE_DROPPED, "%.*s", (int) unit.size, strempty(unit.data));
}

static void deliver_entry(SourceJournal *j, usec_t now) {
        Record record = {
                .ops = &record_ops, .userdata = j, .source = j->base.name, .read_time = now, .proven = true};
        Span message, identifier;

        /* an entry without MESSAGE (journald keeps none of those over its limit) is nobody's login */
        if (get_field(j, "MESSAGE", &message) < 0)
                return;
        record.raw_size = message.size;
        record.cut = message.size > MESSAGE_MAX_BYTES;
        record.message = span_make(j->message, MIN(message.size, MESSAGE_MAX_BYTES));
        memcpy(j->message, message.data, record.message.size);
        if (get_field(j, "SYSLOG_IDENTIFIER", &identifier) < 0 || identifier.size > FIELD_MAX_BYTES)
                return;
        if (span_equal_string(identifier, JOURNALD)) {
                if (is_dropped_note(j))
                        tell_dropped(j, record.message);
                return;
        }
        memcpy(j->identifier, identifier.data, identifier.size);
        record.identifier = span_make(j->identifier, identifier.size);
        source_deliver(&j->base, &record);
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
        (void) sd_journal_get_realtime_usec(j->journal, &j->realtime);
}

static void set_work(SourceJournal *j) {
        (void) sd_event_source_set_enabled(j->work, SD_EVENT_ONESHOT);
}

static int on_work(sd_event_source *source, void *userdata) {
        SourceJournal *j = userdata;
        unsigned n;
        int r = 0;

        (void) source;
        for (n = 0; n < ENTRIES_AT_ONCE; n++) {
                r = sd_journal_next(j->journal);
                if (r <= 0)
                        break;
                deliver_entry(j, time_now());
        }
        if (n > 0)
                remember(j);
        if (r < 0) {
                source_note(&j->base, SOURCE_NOTE_TROUBLE, "the journal can't be read: %s", strerror(-r));
                return 0;
        }
        source_note(&j->base, SOURCE_NOTE_WELL, "the journal can be read again");
        if (n == ENTRIES_AT_ONCE)
                set_work(j);
        return 0;
}

static int seek_realtime(SourceJournal *j, usec_t not_before) {
        usec_t now = time_now(), from = now > j->lookback ? now - j->lookback : 0;

        return sd_journal_seek_realtime_usec(j->journal, MAX(from, MIN(not_before, now)));
}

/* Goes to behind the last entry delivered. A cursor that the journal no longer holds (vacuumed, another
 * machine's, damaged) is replaced by its time; entries read twice change nothing. */
static int seek(SourceJournal *j) {
        if (j->cursor && sd_journal_seek_cursor(j->journal, j->cursor) >= 0 &&
                sd_journal_next(j->journal) > 0 && sd_journal_test_cursor(j->journal, j->cursor) > 0)
                return 0;
        source_note(&j->base, SOURCE_NOTE_GAP, NULL);
        return seek_realtime(j, j->cursor ? j->realtime : 0);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        SourceJournal *j = userdata;
        int r = sd_journal_process(j->journal);

        (void) source;
        (void) fd;
        (void) revents;
        /* files came or went: the place that libsystemd remembers may be in one of those that went */
        if (r == SD_JOURNAL_INVALIDATE)
                r = seek(j);
        if (r < 0)
                source_note(
                        &j->base, SOURCE_NOTE_TROUBLE, "the journal can't be followed: %s", strerror(-r));
        set_work(j);
        return 0;
}

/* journald tells of new entries up to 250 ms late, but they can be read at once. */
static int on_poll(sd_event_source *source, uint64_t usec, void *userdata) {
        SourceJournal *j = userdata;

        (void) on_work(NULL, j);
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

static int add_identifiers(SourceJournal *j) {
        int added = sd_journal_add_match(j->journal, "SYSLOG_IDENTIFIER=" JOURNALD, 0);

        if (added < 0)
                return added;
        for (char **i = j->identifiers; *i; i++) {
                char match[FIELD_MAX_BYTES + 32];
                int r;

                (void) snprintf(match, sizeof(match), "SYSLOG_IDENTIFIER=%s", *i);
                r = sd_journal_add_match(j->journal, match, 0);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void detach(SourceJournal *j) {
        j->poll = sd_event_source_disable_unref(j->poll);
        j->work = sd_event_source_disable_unref(j->work);
        j->io = sd_event_source_disable_unref(j->io);
        j->event = sd_event_unref(j->event);
        if (j->journal)
                sd_journal_close(TAKE_PTR(j->journal));
        if (j->streams)
                sd_journal_close(TAKE_PTR(j->streams));
}

static int attach(SourceJournal *j, sd_event *event) {
        sd_id128_t machine;
        int r;

        if (sd_id128_get_machine(&machine) >= 0)
                (void) sd_id128_to_string(machine, j->machine);
        r = open_journal(j, &j->journal);
        if (r >= 0)
                r = add_identifiers(j);
        if (r < 0)
                return r;
        j->event = sd_event_ref(event);
        r = sd_event_add_io(event, &j->io, sd_journal_get_fd(j->journal),
                (uint32_t) sd_journal_get_events(j->journal), on_io, j);
        if (r < 0)
                return r;
        r = sd_event_add_defer(event, &j->work, on_work, j);
        if (r < 0)
                return r;
        (void) sd_event_source_set_priority(j->work, SD_EVENT_PRIORITY_NORMAL + 10);
        r = sd_event_add_time(
                event, &j->poll, CLOCK_MONOTONIC, UINT64_MAX, MAX(j->latency / 4, (usec_t) 1), on_poll, j);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(j->poll, SD_EVENT_OFF);
        return seek(j);
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

        if (j->work)
                set_work(j);
}

static void source_journal_encode(Source *s, ByteWriter *w) {
        SourceJournal *j = (SourceJournal *) s;

        byte_writer_text(w, span_from_string(strempty(j->cursor)));
        byte_writer_u64(w, j->realtime);
}

static bool source_journal_decode(Source *s, Span bytes) {
        SourceJournal *j = (SourceJournal *) s;
        ByteReader r = BYTE_READER(bytes);
        Span cursor = byte_reader_text(&r);
        usec_t realtime = byte_reader_u64(&r);

        if (!byte_reader_complete(&r) || cursor.size > 1024 || memchr(strempty(cursor.data), 0, cursor.size))
                return false;
        free(j->cursor);
        j->cursor = cursor.size > 0 ? strndup(cursor.data, cursor.size) : NULL;
        j->realtime = realtime;
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
