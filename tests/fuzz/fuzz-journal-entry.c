/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of a journal whose fields are any bytes, or cannot be read: a login is only what the server has
 * said on this machine, in one piece. Here is a journal that consists of the input: an entry is a byte with
 * the number of its fields, and a field a byte that says which, two with its size, and its bytes. */

#include <errno.h>
#include <sys/eventfd.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>

#include "fuzz.h"
#include "match/pattern-set.h"
#include "source/source-journal.h"

#define FIELDS_MAX 16
#define MACHINE "0123456789abcdef0123456789abcdef"

static const char *const names[] = {"MESSAGE", "SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "_UID", "_MACHINE_ID",
        "SYSLOG_PID", "_PID", "_STREAM_ID", "PRIORITY", "SYSLOG_RAW", "_LINE_BREAK", "_TRANSPORT",
        "MESSAGE_ID", "N_DROPPED"};

typedef struct Entry {
        char *fields[FIELDS_MAX]; /* "NAME=value" of just its size, so that a read behind it is found */
        size_t sizes[FIELDS_MAX];
        int errors[FIELDS_MAX];
        size_t n;
} Entry;

/* What is read is this one, and the one before it. The second reader has its own place. */
static struct sd_journal {
        Entry entry, before;
        Span rest;
        bool has_before, at_before;
} journal, streams;

static unsigned opened;

static void entry_done(Entry *e) {
        for (size_t i = 0; i < e->n; i++)
                free(e->fields[i]);
        *e = (Entry){.n = 0};
}

/* A field with a name that is none is one that cannot be read, or is damaged. */
static void take_field(Entry *e, Span *rest) {
        uint8_t which = fuzz_byte(rest);
        const char *name = names[which % ELEMENTSOF(names)];
        Span value = fuzz_span(rest, fuzz_number(rest, 2));
        size_t n = strlen(name) + 1;

        if (which >= 0xc0)
                e->errors[e->n] = which & 1 ? -EBADMSG : -E2BIG;
        if (which >= 0x80)
                n = MIN(n, value.size); /* what is there instead is shorter */
        e->sizes[e->n] = which >= 0x80 ? n : n + value.size;
        e->fields[e->n] = malloc(e->sizes[e->n] + 1);
        MUST(e->fields[e->n]);
        e->fields[e->n] = realloc(e->fields[e->n], MAX(e->sizes[e->n], (size_t) 1));
        memcpy(e->fields[e->n], name, MIN(n, e->sizes[e->n]));
        if (which < 0x80) {
                e->fields[e->n][n - 1] = '=';
                if (value.size > 0)
                        memcpy(e->fields[e->n] + n, value.data, value.size);
        }
        e->n++;
}

/* ---- libsystemd's, as far as the source uses it ---- */

int sd_journal_open(sd_journal **ret, int flags _unused_) {
        *ret = opened++ == 0 ? &journal : &streams;
        return 0;
}

int sd_journal_open_directory(sd_journal **ret, const char *path _unused_, int flags) {
        return sd_journal_open(ret, flags);
}

int sd_journal_open_namespace(sd_journal **ret, const char *name _unused_, int flags) {
        return sd_journal_open(ret, flags);
}

void sd_journal_close(sd_journal *j _unused_) {
}

int sd_journal_get_fd(sd_journal *j _unused_) {
        static int fd = -1;

        if (fd < 0)
                fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        return fd;
}

int sd_journal_get_events(sd_journal *j _unused_) {
        return EPOLLIN;
}

int sd_journal_process(sd_journal *j _unused_) {
        return SD_JOURNAL_NOP;
}

int sd_journal_set_data_threshold(sd_journal *j _unused_, size_t size _unused_) {
        return 0;
}

void sd_journal_flush_matches(sd_journal *j _unused_) {
}

int sd_journal_add_match(sd_journal *j _unused_, const void *data, size_t size) {
        MUST(size > 0 || strlen(data) > 0);
        return 0;
}

int sd_journal_add_disjunction(sd_journal *j _unused_) {
        return 0;
}

int sd_journal_get_cutoff_realtime_usec(sd_journal *j _unused_, uint64_t *ret, uint64_t *ret_to _unused_) {
        *ret = FUZZ_NOW;
        return 1;
}

int sd_journal_seek_realtime_usec(sd_journal *j _unused_, uint64_t usec _unused_) {
        return 0;
}

int sd_journal_seek_cursor(sd_journal *j, const char *cursor _unused_) {
        j->at_before = false;
        return 0;
}

int sd_journal_test_cursor(sd_journal *j, const char *cursor _unused_) {
        return j == &streams;
}

int sd_journal_get_cursor(sd_journal *j _unused_, char **ret) {
        *ret = strdup("cursor");
        return *ret ? 0 : -ENOMEM;
}

int sd_journal_get_realtime_usec(sd_journal *j, uint64_t *ret) {
        if (j->entry.n == FIELDS_MAX - 1)
                return -EBADMSG;
        *ret = FUZZ_NOW + (j->entry.n % 2) * USEC_PER_DAY;
        return 0;
}

/* Of this boot, of an earlier one, or unreadable. */
int sd_journal_get_monotonic_usec(sd_journal *j, uint64_t *ret, sd_id128_t *ret_boot) {
        if (j->entry.n == FIELDS_MAX - 2)
                return -EBADMSG;
        if (!ret_boot && j->entry.n % 3 == 0)
                return -ESTALE;
        *ret = j->entry.n * USEC_PER_SEC;
        if (ret_boot)
                *ret_boot = SD_ID128_NULL;
        return 0;
}

int sd_journal_next(sd_journal *j) {
        size_t n;

        if (j == &streams)
                return 1;
        if (j->rest.size == 0)
                return 0;
        entry_done(&j->before);
        j->before = j->entry;
        j->has_before = j->before.n > 0;
        j->entry = (Entry){.n = 0};
        n = fuzz_byte(&j->rest) % FIELDS_MAX;
        for (size_t i = 0; i < n; i++)
                take_field(&j->entry, &j->rest);
        return 1;
}

/* The second reader's place is always the one before. */
int sd_journal_previous(sd_journal *j) {
        bool there = journal.has_before && !j->at_before;

        MUST(j == &streams);
        j->at_before = true;
        return there;
}

int sd_journal_get_data(sd_journal *j, const char *field, const void **ret_data, size_t *ret_size) {
        const Entry *e = j == &streams ? &journal.before : &journal.entry;

        for (size_t i = 0; i < e->n; i++) {
                size_t n = MIN(strlen(field), e->sizes[i]);

                if (memcmp(e->fields[i], field, n) != 0 || (e->sizes[i] > n && e->fields[i][n] != '='))
                        continue;
                if (e->errors[i] < 0)
                        return e->errors[i];
                *ret_data = e->fields[i];
                *ret_size = e->sizes[i];
                return 0;
        }
        return -ENOENT;
}

int sd_id128_get_machine(sd_id128_t *ret) {
        return sd_id128_from_string(MACHINE, ret);
}

/* ---- what becomes of it ---- */

static PatternSet *set;
static StreamState *state;

static Span value_of(const char *name) {
        const void *data;
        size_t size, n = strlen(name) + 1;

        if (sd_journal_get_data(&journal, name, &data, &size) < 0 || size < n)
                return SPAN_NONE;
        return span_make((const char *) data + n, size - n);
}

/* Reads it all, so that what cannot be read is found. */
static void read_all(Span s) {
        static volatile char byte _unused_;

        for (size_t i = 0; i < s.size; i++)
                byte = s.data[i];
}

static void check_login(const Login *login) {
        size_t n;
        Pattern *const *patterns = pattern_set_patterns(set, &n);
        Span machine = value_of("_MACHINE_ID");
        const void *data;
        size_t size;

        for (size_t i = 0; i < n; i++)
                if (patterns[i]->name == login->pattern)
                        MUST(pattern_has_unit(patterns[i], value_of("_SYSTEMD_UNIT")) &&
                                pattern_has_uid(patterns[i], value_of("_UID")));
        MUST(span_equal_string(machine, MACHINE));
        MUST(sd_journal_get_data(&journal, "_LINE_BREAK", &data, &size) == -ENOENT);
        MUST(login->time > 0 && login->time <= FUZZ_NOW);
        for (size_t i = 0; i < login->user.size; i++)
                MUST((unsigned char) login->user.data[i] >= ' ' && login->user.data[i] != 0x7f);
}

static void on_record(void *userdata _unused_, Source *source _unused_, const Record *record) {
        Provenance p;
        Login login;

        MUST(record->message.size <= (size_t) 8 * 1024 && record->identifier.size <= 256);
        MUST(record->cut == (record->raw_size > record->message.size) && record->proven);
        MUST(record->ops->time(record) <= record->read_time);
        if (record->ops->provenance(record, &p) >= 0) {
                const Span all[] = {p.unit, p.uid, p.machine, p.pid, p.logger};

                for (size_t i = 0; i < ELEMENTSOF(all); i++)
                        read_all(all[i]);
        }
        pattern_set_match(set, state, record, NULL, &login);
        if (login.verdict == MATCH_LOGIN)
                check_login(&login);
}

static void on_note(
        void *userdata _unused_, Source *source _unused_, SourceNote note _unused_, const char *text) {
        MUST(strlen(text) < 65536);
}

static void load_patterns(void) {
        static char *const directories[] = {(char *) SHIPPED_PATTERNS, NULL};
        PatternSetSettings settings = {.directories = directories, .all = true};
        IniError error = {""};

        if (pattern_set_load(&settings, &set, &error) < 0)
                (void) fprintf(stderr, "%s\n", error.text);
        MUST(error.text[0] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static char *const identifiers[] = {(char *) "dovecot", NULL};
        JournalSettings settings = {.identifiers = identifiers, .lookback = USEC_PER_HOUR};
        SourceSink sink = {.record = on_record, .note = on_note};
        static sd_event *event;
        Source *source;

        time_set_fake(FUZZ_NOW);
        if (!set) {
                load_patterns();
                MUST(sd_event_new(&event) >= 0);
        }
        opened = 0;
        journal.rest = span_make((const char *) data, size);
        MUST(stream_state_new(&state) >= 0 && source_journal_new(&settings, &sink, &source) >= 0);
        MUST(source_attach(source, event) >= 0);
        source_check(source);
        while (journal.rest.size > 0 && sd_event_run(event, 0) > 0)
                ;
        MUST(journal.rest.size == 0);
        source = source_free(source);
        stream_state_free(state);
        entry_done(&journal.entry);
        entry_done(&journal.before);
        return 0;
}
