/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The journal source: entries of the identifiers that the enabled patterns know. */

#include "source/source.h"

typedef struct JournalSettings {
        const char *directory;         /* NULL: this host's journal */
        const char *journal_namespace; /* NULL: the default one */
        bool trusted;                  /* entries of other machines are to be believed like our own */
        usec_t latency;           /* how often to poll while logins are frequent; 0: wait for journald */
        usec_t lookback;          /* how far before now to begin without a position */
        char *const *identifiers; /* NULL-terminated: values of SYSLOG_IDENTIFIER= to read */
} JournalSettings;

/* Makes a journal source; everything in `settings` is copied. Nothing is opened before source_attach(),
 * which fails if the journal can't be opened. Returns 0 or -ENOMEM. */
int source_journal_new(const JournalSettings *settings, const SourceSink *sink, Source **ret);
