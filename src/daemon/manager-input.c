/* SPDX-License-Identifier: Apache-2.0 */
/* The sources that a configuration asks for, and which patterns their lines go to. */

#include "daemon/manager.h"

#include <errno.h>

#include "source/source-file.h"
#include "source/source-journal.h"

void manager_free_inputs(Input *inputs, size_t n) {
        for (size_t i = 0; i < n; i++) {
                source_free(inputs[i].source);
                pattern_selection_done(&inputs[i].selection);
        }
        free(inputs);
}

/* The heads that lines of this file can have: what its patterns say, or syslog's. */
static size_t heads_of(const PatternSelection *selection, LogHead heads[static _LOG_HEAD_MAX]) {
        size_t n = 0;

        for (LogHead h = 0; h < _LOG_HEAD_MAX; h++) {
                bool wanted = selection->n == 0 && h == LOG_HEAD_SYSLOG;

                for (size_t i = 0; i < selection->n; i++)
                        wanted |= selection->patterns[i]->heads[h];
                if (wanted)
                        heads[n++] = h;
        }
        return n;
}

static int make_file_input(
        Manager *m, const PatternSet *patterns, const ConfigFile *file, Input *input, IniError *reterr) {
        SourceSink sink = {manager_on_record, manager_on_note, m};
        IniPlace place = {file->place, file->line};
        LogHead heads[_LOG_HEAD_MAX];
        const char *unknown;
        size_t n_heads;
        int r;

        if (file->patterns.n > 0) {
                r = pattern_set_select(patterns, file->patterns.items, &input->selection, &unknown);
                if (r == -ENOENT)
                        return ini_error_set(
                                reterr, &place, r, "File=%s: no pattern %s is enabled", file->path, unknown);
                if (r < 0)
                        return ini_error_set(reterr, &place, r, "out of memory");
        }
        for (size_t i = 0; i < input->selection.n; i++)
                if (input->selection.patterns[i]->journal_only)
                        return ini_error_set(reterr, &place, -EINVAL,
                                "File=%s: lines of pattern %s can be forged in a file; it is for the "
                                "journal only",
                                file->path, input->selection.patterns[i]->name);
        n_heads = heads_of(&input->selection, heads);
        r = source_file_new(file->path, heads, n_heads, file->zone, &sink, &input->source);
        return r < 0 ? ini_error_set(reterr, &place, r, "out of memory") : 0;
}

static int make_journal_input(Manager *m, const PatternSet *patterns, const Config *config, Input *input) {
        SourceSink sink = {manager_on_record, manager_on_note, m};
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
        Input *inputs = calloc(config->n_files + 1, sizeof(Input));
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
                        source_encode(m->inputs[k].source, &bytes);
                        if (!bytes.failed)
                                (void) source_decode(inputs[i].source, span_make(bytes.data, bytes.size));
                }
}
