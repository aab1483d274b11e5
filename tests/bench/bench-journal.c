/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a journal of 300,000 entries, of which 12% are logins: the journal source, from its opening to the
 * last entry, beside a bare loop that does the same: sd_journal_next(3), the identifier, MESSAGE of those
 * that are looked for, and where it comes from of those that are taken. Neither has libsystemd match: see
 * source/source-journal.c. systemd-journal-remote makes the journal. Both run by turns, each time in a
 * process of its own; compared is the least of the CPU times that each took, as a neighbour on the same host
 * makes some rounds of either twice as long.
 *
 *   bench-journal [ENTRIES] */

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "bench.h"
#include "source/source-journal.h"

#define ROUNDS 9
#define REMOTE "/lib/systemd/systemd-journal-remote"

static char directory[] = "/dev/shm/bench-journal-XXXXXX";
static unsigned entries = 300000, logins;

/* Every eighth is a login; the others are Dovecot's, Postfix's and those of what nobody has asked for. */
static const char *message_of(unsigned i, const char **ret_identifier, char buf[static 300]) {
        static const char *const others[] = {"dovecot", "postfix/smtpd", "CRON", "dovecot", "kernel"};

        *ret_identifier = i % 8 == 0 ? "dovecot" : others[i % ELEMENTSOF(others)];
        if (i % 8 == 0)
                (void) snprintf(buf, 300,
                        "imap-login: Login: user=<user%u>, method=PLAIN, rip=198.18.%u.%u, lip=203.0.113.1, "
                        "mpid=%u, TLS, session=<cqSejr9gGMl%x/AAAB>",
                        i, i >> 8 & 255, i & 255, i, i);
        else
                (void) snprintf(buf, 300,
                        "imap(user%u)<%u><x%x>: Disconnected: Logged out in=%u out=%u deleted=0 expunged=0 "
                        "trashed=0",
                        i, i, i, i % 977, i % 7919);
        return buf;
}

static void write_entries(FILE *f) {
        usec_t now = time_now() - USEC_PER_HOUR, up = 1000 * USEC_PER_SEC;
        char machine[SD_ID128_STRING_MAX], buf[300];
        const char *identifier;
        sd_id128_t id;

        if (sd_id128_randomize(&id) < 0)
                die("sd_id128_randomize");
        (void) sd_id128_to_string(id, machine);
        for (unsigned i = 0; i < entries; i++) {
                const char *message = message_of(i, &identifier, buf);
                bool dovecot = streq(identifier, "dovecot");

                logins += i % 8 == 0;
                (void) fprintf(f,
                        "__REALTIME_TIMESTAMP=%" PRIu64 "\n__MONOTONIC_TIMESTAMP=%" PRIu64 "\n_BOOT_ID=%s\n"
                        "_MACHINE_ID=%s\n_HOSTNAME=mx\nPRIORITY=6\nSYSLOG_FACILITY=2\n_UID=0\n_GID=0\n"
                        "_TRANSPORT=syslog\n_CAP_EFFECTIVE=1ffffffffff\nSYSLOG_IDENTIFIER=%s\n"
                        "_COMM=%s\n_SYSTEMD_CGROUP=/system.slice/%s.service\n_SYSTEMD_UNIT=%s.service\n"
                        "_SYSTEMD_SLICE=system.slice\n_PID=%u\nSYSLOG_PID=%u\n"
                        "_SOURCE_REALTIME_TIMESTAMP=%" PRIu64 "\nMESSAGE=%s\n\n",
                        now + i * 1000, up + i * 1000, machine, machine, identifier,
                        dovecot ? "log" : identifier, dovecot ? "dovecot" : "other",
                        dovecot ? "dovecot" : "other", dovecot ? 700 : 800 + i % 1000,
                        dovecot ? 700 : 800 + i % 1000, now + i * 1000, message);
        }
}

static void make_journal(void) {
        FILE *f;

        if (access(REMOTE, X_OK) < 0)
                die(REMOTE);
        f = popen(REMOTE " --split-mode=none -o system.journal - >remote.log 2>&1", "w");
        if (!f)
                die("popen");
        write_entries(f);
        if (pclose(f) != 0)
                die("systemd-journal-remote");
}

static bool is_login(Span message) {
        return span_contains(message, SPAN_LITERAL("Login: "));
}

static unsigned taken;
static volatile size_t seen; /* keeps what is read from being optimized away */

/* ---- ours ---- */

static void on_record(_unused_ void *userdata, _unused_ Source *source, const Record *record) {
        Provenance p;

        if (!is_login(record->message))
                return;
        taken++;
        if (record->ops->provenance(record, &p) < 0)
                die("provenance");
        seen += p.unit.size + p.uid.size + (size_t) record->ops->time(record);
}

static void on_note(_unused_ void *userdata, _unused_ Source *source, SourceNote note, const char *text) {
        if (note == SOURCE_NOTE_TROUBLE || note == SOURCE_NOTE_WARNING)
                (void) fprintf(stderr, "%s\n", text);
}

static void read_by_source(void) {
        char *identifiers[] = {(char *) "dovecot", (char *) "postfix/smtpd", NULL};
        JournalSettings settings = {.directory = directory,
                .trusted = true,
                .lookback = USEC_PER_DAY,
                .identifiers = identifiers};
        SourceSink sink = {.record = on_record, .note = on_note};
        sd_event *event;
        Source *s;

        if (sd_event_new(&event) < 0 || source_journal_new(&settings, &sink, &s) < 0 ||
                source_attach(s, event) < 0)
                die("source");
        while (taken < logins)
                if (sd_event_run(event, 10 * USEC_PER_SEC) <= 0)
                        die("not all is read");
}

/* ---- the bare loop ---- */

static Span field(sd_journal *j, const char *name) {
        size_t size, skip = strlen(name) + 1;
        const void *data;

        if (sd_journal_get_data(j, name, &data, &size) < 0)
                return SPAN_NONE;
        return span_make((const char *) data + skip, size - skip);
}

static void read_barely(void) {
        static const char *const names[] = {"_SYSTEMD_UNIT", "_UID", "_MACHINE_ID", "SYSLOG_PID", "_PID",
                "_STREAM_ID", "PRIORITY", "_TRANSPORT", "_LINE_BREAK", "SYSLOG_RAW"};
        sd_journal *j;

        if (sd_journal_open_directory(&j, directory, 0) < 0 || sd_journal_get_fd(j) < 0 ||
                sd_journal_seek_head(j) < 0)
                die("journal");
        while (sd_journal_next(j) > 0) {
                Span identifier = field(j, "SYSLOG_IDENTIFIER");
                uint64_t stamp = 0, monotonic = 0;

                if (!span_equal_string(identifier, "dovecot") &&
                        !span_equal_string(identifier, "postfix/smtpd"))
                        continue;
                if (!is_login(field(j, "MESSAGE")))
                        continue;
                taken++;
                for (size_t i = 0; i < ELEMENTSOF(names); i++)
                        seen += field(j, names[i]).size;
                (void) sd_journal_get_realtime_usec(j, &stamp);
                (void) sd_journal_get_monotonic_usec(j, &monotonic, NULL);
                seen += stamp + monotonic;
        }
        if (taken != logins)
                die("not all is read");
}

/* ---- */

/* The CPU time that it takes, in seconds. */
static double time_of(void (*read_all)(void)) {
        struct rusage usage;
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                read_all();
                _exit(0);
        }
        if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || status != 0)
                die("a reader");
        return (double) usage.ru_utime.tv_sec + (double) usage.ru_stime.tv_sec +
               (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char *argv[]) {
        double ours[ROUNDS], theirs[ROUNDS], speed;
        char command[100];

        if (argc > 1)
                entries = (unsigned) atoi(argv[1]);
        if (!mkdtemp(directory) || chdir(directory) < 0)
                die(directory);
        make_journal();
        (void) time_of(read_barely); /* the first one reads from the disk, or finds nothing in a cache */
        for (unsigned i = 0; i < ROUNDS; i++) {
                ours[i] = time_of(read_by_source);
                theirs[i] = time_of(read_barely);
        }
        qsort(ours, ROUNDS, sizeof(double), compare);
        qsort(theirs, ROUNDS, sizeof(double), compare);
        speed = theirs[0] / ours[0];
        (void) printf(
                "bench: journal backfill over a bare sd_journal loop, %u entries | %.0f /s | %.0f /s | "
                "%.2f | >= 0.9 | %s\n",
                entries, entries / ours[0], entries / theirs[0], speed, speed >= 0.9 ? "met" : "missed");
        (void) snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command) != 0;
}
