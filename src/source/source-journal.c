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

#include <systemd/sd-messages.h>

#include "basic/parse-util.h"
#include "loop/turn.h"
#include "source/bus-guard.h"
#include "source/journal-place.h"
#include "source/journal-reader.h"

#define ENTRIES_AT_ONCE 4096
#define MESSAGE_MAX_BYTES ((size_t) 8 * 1024)
/* Logins are frequent while the next one comes within this; then polling is worth its wake-ups. */
#define FREQUENT_USEC (10 * USEC_PER_SEC)
/* A file that can't be read makes us open the journal anew; so often, and what is between waits for the next
 * check. */
#define REOPEN_USEC USEC_PER_SEC
/* One line of warning in this time. */
#define WARN_USEC (10 * USEC_PER_MINUTE)
/* journald stamps an entry before it writes it; one that old was written, and its file made. */
#define SETTLED_USEC USEC_PER_MINUTE

/* Who says that messages were dropped. */
#define JOURNALD "systemd-journald"

typedef struct SourceJournal {
        Source base;
        JournalReader reader;
        char *directory, *journal_namespace;
        usec_t latency, lookback;
        char **identifiers;
        sd_event *event;
        sd_event_source *io, *work, *poll;
        JournalPlace *place;
        char *cursor;     /* of the last entry delivered; NULL: none yet */
        unsigned since;   /* entries read behind that one; UINT_MAX: nobody knows */
        sd_id128_t boot;  /* of that entry; null: not known */
        usec_t monotonic; /* of that entry, since the boot */
        usec_t heard;     /* when we last asked for new files, CLOCK_MONOTONIC */
        usec_t read_to;   /* when everything there was had been read; 0: never */
        bool repeating;   /* entries that were delivered already may come again */
        bool gap;         /* and if that very entry is not among them, some may be missing */
        usec_t reopened;  /* because a file could not be read, CLOCK_MONOTONIC */
        usec_t fault_told, broken_told, lost_told;
        usec_t last_login, poll_until; /* CLOCK_MONOTONIC */
        char message[MESSAGE_MAX_BYTES], identifier[JOURNAL_FIELD_MAX_BYTES];
} SourceJournal;

/* journald's own word (nobody else can have this transport) that it has dropped messages of some service. */
static bool is_dropped_note(SourceJournal *j) {
        Span value;

        if (journal_field(j->reader.journal, "_TRANSPORT", &value) < 0 ||
                !span_equal_string(value, "driver"))
                return false;
        return journal_field(j->reader.journal, "MESSAGE_ID", &value) >= 0 &&
               span_equal_string(value, SD_MESSAGE_JOURNAL_DROPPED_STR);
}

static void tell_dropped(SourceJournal *j, Span message) {
        Span unit = journal_dropped_unit(message), value;

        if (journal_field(j->reader.journal, "N_DROPPED", &value) < 0 ||
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
        Record record = {.ops = &journal_record_ops,
                .userdata = &j->reader,
                .source = j->base.name,
                .read_time = now,
                .proven = true};
        Span message, identifier;
        int r = journal_field(j->reader.journal, "SYSLOG_IDENTIFIER", &identifier);
        bool own;

        if (r >= 0) {
                own = span_equal_string(identifier, JOURNALD);
                if (identifier.size > JOURNAL_FIELD_MAX_BYTES || (!own && !is_wanted(j, identifier)))
                        return;
                memcpy(j->identifier, identifier.data, identifier.size);
                record.identifier = span_make(j->identifier, identifier.size);
                r = journal_field(j->reader.journal, "MESSAGE", &message);
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

/* Remembers where we are: at the entry that has this cursor, which is ours from here on. */
static void remember_cursor(SourceJournal *j, char *cursor) {
        free(j->cursor);
        j->cursor = cursor;
        j->since = 0;
        if (sd_journal_get_monotonic_usec(j->reader.journal, &j->monotonic, &j->boot) < 0)
                j->boot = SD_ID128_NULL;
}

/* After sd_journal_next() has said 0 that is still the last entry. */
static void remember(SourceJournal *j) {
        char *cursor;

        if (sd_journal_get_cursor(j->reader.journal, &cursor) < 0)
                /* what will be read again has been seen by the streams' state already */
                source_note(&j->base, SOURCE_NOTE_GAP, NULL);
        else
                remember_cursor(j, cursor);
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

        if (!mine || sd_journal_get_cursor(j->reader.journal, &cursor) < 0)
                return false;
        its = strstr(cursor, ";x=");
        return its && streq(mine, its);
}

/* Whether the current entry was delivered before. journald's stamps since the boot never go back, but it
 * gives lines that it read at once the same. */
static bool is_repeated(SourceJournal *j) {
        sd_id128_t boot;
        usec_t t;

        if (!j->repeating || sd_journal_get_monotonic_usec(j->reader.journal, &t, &boot) < 0 ||
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
        journal_reader_close(&j->reader);
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

        return sd_journal_seek_realtime_usec(j->reader.journal, now > j->lookback ? now - j->lookback : 0);
}

/* Whether there may have been entries that were not read, are not too old, and are no more. That a journal
 * kept in memory begins with the boot is no news. */
static bool has_lost_entries(SourceJournal *j) {
        usec_t oldest, now = time_now(), up = time_boot();
        usec_t from = now > j->lookback ? now - j->lookback : 0;
        usec_t booted = now > up ? now - up + USEC_PER_MINUTE : 0;

        return j->read_to > 0 && sd_journal_get_cutoff_realtime_usec(j->reader.journal, &oldest, NULL) > 0 &&
               oldest > MAX(MAX(from, j->read_to), booted);
}

/* Goes to behind the last entry delivered. A cursor that the journal no longer holds (vacuumed, another
 * machine's, damaged, or the entry is in another file) leaves us with what we know of that entry: the clock
 * may have been set since, so all is read that is young enough. */
static int seek(SourceJournal *j) {
        j->repeating = j->gap = false;
        if (j->cursor && sd_journal_seek_cursor(j->reader.journal, j->cursor) >= 0 &&
                sd_journal_next(j->reader.journal) > 0 &&
                sd_journal_test_cursor(j->reader.journal, j->cursor) > 0) {
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

/* Whether the current entry, and all before it, could be read when we last heard of new files. */
static bool is_settled(SourceJournal *j) {
        sd_id128_t boot;
        usec_t t;

        return sd_journal_get_monotonic_usec(j->reader.journal, &t, &boot) < 0 ||
               t + SETTLED_USEC < j->heard ||
               (!sd_id128_is_null(j->reader.boot) && !sd_id128_equal(boot, j->reader.boot));
}

/* The number that journald has given to the entry of this cursor. */
static uint64_t number_of(const char *cursor) {
        const char *number = strstr(cursor, ";i=");

        return number ? strtoull(number + 3, NULL, 16) : 0;
}

/* Whether there may be an entry between the last one and the current one, which else is remembered if it is
 * recent. One behind some that were not remembered can't be told. */
static bool may_have_passed_over(SourceJournal *j) {
        char *cursor;

        if (j->repeating) {
                j->since = UINT_MAX;
                return false;
        }
        if (j->since != UINT_MAX)
                j->since++;
        if (is_settled(j) || sd_journal_get_cursor(j->reader.journal, &cursor) < 0)
                return false;
        if (j->since > 1 || number_of(cursor) == number_of(strempty(j->cursor)) + 1) {
                remember_cursor(j, cursor);
                return false;
        }
        free(cursor);
        return true;
}

static int hear(SourceJournal *j) {
        j->heard = time_monotonic();
        return sd_journal_process(j->reader.journal);
}

/* Goes to the next entry. sd_journal_next(3) looks at one file after the other, and only at those that were
 * there: an entry that journald has just put where it had looked already, or into a file that it has just
 * made (each user has one), is passed over for good if a later one is found elsewhere. journald numbers its
 * entries whatever file they are in, so where a number is left out we look again, first in the files that
 * are open: those that have gone meanwhile can't be read any more when we have heard of it. Returns as
 * sd_journal_next(). */
static int next_entry(SourceJournal *j) {
        int r = sd_journal_next(j->reader.journal);

        for (unsigned looks = 0; r > 0 && may_have_passed_over(j); looks++) {
                if (looks == 2) {
                        remember(j);
                        break;
                }
                if (looks == 1)
                        (void) hear(j); /* trouble is met by who asks next */
                r = seek(j);
                if (r >= 0)
                        r = sd_journal_next(j->reader.journal);
        }
        return r;
}

/* Delivers what there is, up to ENTRIES_AT_ONCE. Returns 1 if there may be more, 0, or -errno. */
static int deliver(SourceJournal *j) {
        bool repeated = false;
        usec_t now;
        unsigned n;
        int r = 0;

        for (n = 0; n < ENTRIES_AT_ONCE; n++) {
                r = next_entry(j);
                if (r <= 0)
                        break;
                now = time_now();
                repeated = is_repeated(j);
                if (repeated)
                        continue;
                if (j->gap)
                        source_note(&j->base, SOURCE_NOTE_GAP, NULL);
                j->gap = false;
                deliver_entry(j, now);
        }
        /* nothing comes behind it that could have come before: the boot that we know is over */
        if (r == 0 && n > 0 && !repeated)
                j->repeating = false;
        /* while entries come again the last one delivered is further on */
        if (r >= 0 && n > 0 && j->since > 0 && (!j->repeating || has_same_content(j)))
                remember(j);
        return r < 0 ? r : n == ENTRIES_AT_ONCE;
}

/* Delivers what there is, and only then hears of files that came or went: what is open can still be read.
 * Returns 1 if there may be more, 0, or -errno. */
static int go_on(SourceJournal *j) {
        int r = deliver(j);

        if (r != 0)
                return r;
        r = hear(j);
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
        int r = j->reader.journal ? go_on(j) : 0;

        if (bus_guard_take())
                on_fault(j);
        else if (r < 0) {
                source_note(&j->base, SOURCE_NOTE_TROUBLE, "the journal can't be read: %s", strerror(-r));
                close_journal(j); /* the next check opens it anew */
        } else if (j->reader.journal)
                source_note(&j->base, SOURCE_NOTE_WELL, "the journal can be read again");
        if (r > 0)
                set_work(j);
}

static int on_work(
        _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *userdata) {
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
        int r;

        j->heard = time_monotonic();
        r = journal_reader_open(&j->reader);
        if (r >= 0)
                r = sd_event_add_io(j->event, &j->io, sd_journal_get_fd(j->reader.journal),
                        (uint32_t) sd_journal_get_events(j->reader.journal), on_io, j);
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

/* The unit's sandbox hides what sd_id128_get_boot(3) reads, so the unit tells (systemd.unit(5), %b). */
static void find_boot(SourceJournal *j) {
        const char *told = getenv("AUTHRELAY_BOOT_ID");

        if (sd_id128_get_boot(&j->reader.boot) >= 0 ||
                (told && sd_id128_from_string(told, &j->reader.boot) >= 0))
                return;
        j->reader.boot = SD_ID128_NULL;
        source_note(&j->base, SOURCE_NOTE_WARNING,
                "nobody tells which boot this is (AUTHRELAY_BOOT_ID): entries that were logged while the "
                "clock was ahead count as logged when they are read");
}

static int attach(SourceJournal *j, sd_event *event) {
        sd_id128_t machine;
        int r;

        if (sd_id128_get_machine(&machine) >= 0)
                (void) sd_id128_to_string(machine, j->reader.machine);
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
        r = journal_place_new(event, j->directory, j->journal_namespace, j->reader.machine, on_place_changed,
                j, &j->place);
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

        if (j->place && (journal_place_has_changed(j->place) || !j->reader.journal))
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
        j->reader = (JournalReader){.directory = j->directory,
                .journal_namespace = j->journal_namespace,
                .trusted = settings->trusted};
        j->latency = settings->latency;
        j->lookback = settings->lookback;
        find_boot(j);
        *ret = TAKE_PTR(s);
        return 0;
}
