/* SPDX-License-Identifier: Apache-2.0 */
/* The sources that a configuration asks for, and which patterns their lines go to. */

#include "daemon/manager.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include <systemd/sd-daemon.h>

#include "basic/log.h"
#include "source/source-fifo.h"
#include "source/source-file.h"
#include "source/source-journal.h"
#include "source/source-syslog.h"

void manager_free_inputs(Input *inputs, size_t n) {
        for (size_t i = 0; i < n; i++) {
                source_free(inputs[i].source);
                pattern_selection_done(&inputs[i].selection);
        }
        free(inputs);
}

static SourceSink sink_of(Manager *m) {
        return (SourceSink){manager_on_record, manager_on_note, m, manager_on_settle};
}

/* The heads that lines of this file can have: what its patterns say, or syslog's. */
static LineHeads heads_of(const PatternSelection *selection) {
        LineHeads heads = {.n = 0};

        for (LogHead h = 0; h < _LOG_HEAD_MAX; h++) {
                bool wanted = selection->n == 0 && h == LOG_HEAD_SYSLOG;

                for (size_t i = 0; i < selection->n; i++)
                        wanted |= selection->patterns[i]->heads[h];
                if (wanted)
                        heads.items[heads.n++] = h;
        }
        return heads;
}

/* The patterns that a File= or Fifo= names; `key` is which of them it is, for people. */
static int select_patterns(const PatternSet *patterns, const ConfigFile *file, const char *key,
        PatternSelection *selection, IniError *reterr) {
        IniPlace place = {file->place, file->line};
        const char *unknown;
        int r;

        if (file->patterns.n > 0) {
                r = pattern_set_select(patterns, file->patterns.items, selection, &unknown);
                if (r == -ENOENT)
                        return ini_error_set(reterr, &place, r, "%s=%s: no pattern %s is enabled", key,
                                file->path, unknown);
                if (r < 0)
                        return ini_error_set(reterr, &place, r, "out of memory");
        }
        for (size_t i = 0; i < selection->n; i++)
                if (selection->patterns[i]->journal_only)
                        return ini_error_set(reterr, &place, -EINVAL,
                                "%s=%s: lines of pattern %s can be forged in a file; it is for the "
                                "journal only",
                                key, file->path, selection->patterns[i]->name);
        return 0;
}

static int make_file_input(
        Manager *m, const PatternSet *patterns, const ConfigFile *file, Input *input, IniError *reterr) {
        SourceSink sink = sink_of(m);
        LineHeads heads;
        int r = select_patterns(patterns, file, "File", &input->selection, reterr);

        if (r < 0)
                return r;
        heads = heads_of(&input->selection);
        r = source_file_new(file->path, &heads, file->zone, &sink, &input->source);
        return r < 0 ? ini_error_set(reterr, &(IniPlace){file->place, file->line}, r, "out of memory") : 0;
}

static int make_fifo_input(
        Manager *m, const PatternSet *patterns, const ConfigFile *file, Input *input, IniError *reterr) {
        SourceSink sink = sink_of(m);
        _cleanup_free_ char *place = NULL;
        LineHeads heads;
        bool stored;
        int fd, r = select_patterns(patterns, file, "Fifo", &input->selection, reterr);

        if (r < 0)
                return r;
        if (asprintf(&place, "%s:%u", file->place, file->line) < 0) {
                place = NULL;
                return ini_error_set(reterr, &(IniPlace){file->place, file->line}, -ENOMEM, "out of memory");
        }
        heads = heads_of(&input->selection);
        fd = descriptors_lend_fifo(m->options.descriptors, file->path, &stored);
        input->is_fifo = true;
        input->held = fd >= 0 && !stored;
        input->stored = stored;
        r = source_fifo_new(file->path, fd, &heads, file->zone, place, &sink, &input->source);
        return r < 0 ? ini_error_set(reterr, &(IniPlace){file->place, file->line}, r, "out of memory") : 0;
}

static int make_syslog_input(Manager *m, const Config *config, Input *input) {
        SourceSink sink = sink_of(m);
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/syslog", m->options.runtime_directory) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return source_syslog_new(path, descriptors_lend(m->options.descriptors, DESCRIPTOR_SYSLOG),
                config->syslog_zone, &sink, &input->source);
}

static int make_journal_input(Manager *m, const PatternSet *patterns, const Config *config, Input *input) {
        SourceSink sink = sink_of(m);
        _cleanup_(string_list_done) StringList identifiers = {0};
        JournalSettings settings = {
                .directory = config->journal_directory,
                .journal_namespace = config->journal_namespace,
                .trusted = config->journal_trusted,
                .latency = config->journal_latency,
                .lookback = config->policy.ttl * USEC_PER_SEC,
        };

        if (pattern_set_identifiers(patterns, &identifiers) < 0)
                return -ENOMEM;
        if (identifiers.n == 0)
                return -ENOENT;
        settings.identifiers = identifiers.items;
        return source_journal_new(&settings, &sink, &input->source);
}

int manager_make_inputs(Manager *m, const Config *config, const PatternSet *patterns, Input **ret,
        size_t *ret_n, IniError *reterr) {
        IniPlace place = {m->options.config_path, 0};
        Input *inputs = calloc(config->n_files + config->n_fifos + 2, sizeof(Input));
        size_t n = 0;
        int r = inputs ? 0 : ini_error_set(reterr, &place, -ENOMEM, "out of memory");

        if (r >= 0 && config_reads_journal(config)) {
                r = make_journal_input(m, patterns, config, &inputs[n++]);
                if (r < 0)
                        (void) ini_error_set(
                                reterr, &place, r, "the journal can't be a source: %s", strerror(-r));
        }
        for (size_t i = 0; r >= 0 && i < config->n_files; i++)
                r = make_file_input(m, patterns, &config->files[i], &inputs[n++], reterr);
        for (size_t i = 0; r >= 0 && i < config->n_fifos; i++)
                r = make_fifo_input(m, patterns, &config->fifos[i], &inputs[n++], reterr);
        if (r >= 0 && config->syslog) {
                r = make_syslog_input(m, config, &inputs[n++]);
                if (r < 0)
                        (void) ini_error_set(reterr, &place, r, "out of memory");
        }
        if (r < 0) {
                manager_free_inputs(inputs, inputs ? n : 0);
                return r;
        }
        *ret = inputs;
        *ret_n = n;
        return 0;
}

/* The new sources go on where the old ones of the same names are. */
void manager_hand_over_positions(const Manager *m, Input *inputs, size_t n) {
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < m->n_inputs; k++) {
                        _cleanup_(byte_writer_done) ByteWriter bytes = BYTE_WRITER_INIT;

                        if (!streq(inputs[i].source->name, m->inputs[k].source->name))
                                continue;
                        source_take_over(inputs[i].source, m->inputs[k].source);
                        source_encode(m->inputs[k].source, &bytes);
                        if (!bytes.failed)
                                (void) source_decode(inputs[i].source, span_make(bytes.data, bytes.size));
                }
}

/* The sum of the inodes of all FIFOs that no unit holds, or only of those that are in the store already. */
static uint64_t own_fifos(const Manager *m, bool only_stored) {
        uint64_t sum = 0;
        struct stat st;

        for (size_t i = 0; i < m->n_inputs; i++) {
                const Input *input = &m->inputs[i];

                if (input->is_fifo && !input->held && (input->stored || !only_stored) &&
                        fstat(source_fifo_descriptor(input->source), &st) >= 0)
                        sum += st.st_ino;
        }
        return sum;
}

void manager_find_kept_fifos(Manager *m) {
        /* should one be left over that nobody reads, the sum is wrong and the store is filled anew */
        m->kept_fifos = own_fifos(m, true) + descriptors_close_stored(m->options.descriptors);
}

void manager_keep_fifos(Manager *m) {
        uint64_t own = own_fifos(m, false);

        /* not without need: who is killed after the first message and before the next has nothing there */
        if (own == m->kept_fifos)
                return;
        m->kept_fifos = own;
        /* what it has stays open with us while it is replaced */
        (void) sd_notify(false, "FDSTOREREMOVE=1\nFDNAME=" DESCRIPTOR_STORED_FIFO);
        for (size_t i = 0; i < m->n_inputs; i++) {
                int fd = m->inputs[i].is_fifo && !m->inputs[i].held
                                 ? source_fifo_descriptor(m->inputs[i].source)
                                 : -1;

                if (fd >= 0)
                        (void) sd_pid_notify_with_fds(
                                0, false, "FDSTORE=1\nFDNAME=" DESCRIPTOR_STORED_FIFO, &fd, 1);
        }
}

void manager_warn_of_idle(const Manager *m) {
        if (descriptors_has_idle(m->options.descriptors, DESCRIPTOR_SYSLOG))
                log_warning("authrelay-syslog.socket is active and Syslog= is not set: nobody reads what is "
                            "sent to it");
        if (descriptors_has_idle(m->options.descriptors, DESCRIPTOR_FIFO))
                log_warning("systemd passes a FIFO that no Fifo= names: nobody reads it, and its writers "
                            "will wait");
}
