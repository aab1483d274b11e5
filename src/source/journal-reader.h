/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An open journal, and what the entry that it stands at says of itself: where it comes from, whether it is
 * in one piece, and when it was written. sd_journal's own terms: sd-journal(3), systemd.journal-fields(7).
 */

#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>

#include "model/record.h"

#define JOURNAL_FIELD_MAX_BYTES ((size_t) 256)
#define JOURNAL_READER_FIELDS 8

typedef struct JournalReader {
        const char *directory;             /* borrowed; NULL: this host's journal */
        const char *journal_namespace;     /* borrowed; NULL: the default one */
        bool trusted;                      /* entries of other machines are believed like our own */
        char machine[SD_ID128_STRING_MAX]; /* ours; "": not known, and no entry is */
        sd_id128_t boot;                   /* ours; null: not known */
        sd_journal *journal;               /* NULL: closed */
        sd_journal *streams; /* a second reader, for looking back in one stream; NULL until it is needed */
        bool streams_stale;  /* it did not find the last entry that it was asked for */
        char fields[JOURNAL_READER_FIELDS][JOURNAL_FIELD_MAX_BYTES];
} JournalReader;

/* Opens the journal, before its first entry. Returns 0 or -errno. */
int journal_reader_open(JournalReader *j);
/* Closes it if it is open. */
void journal_reader_close(JournalReader *j);

/* The value of a field of the current entry, the first if there are several, borrowed from the journal until
 * the next call to it. Returns 0 or -errno (sd_journal_get_data(3)); -ENOENT: it has none. */
int journal_field(sd_journal *journal, const char *name, Span *ret);

/* The unit in journald's own "Suppressed 12 messages from dovecot.service", which is in no field once its
 * process has gone; empty if there is none. */
Span journal_dropped_unit(Span message);

/* What a record of the current entry can be asked, with the JournalReader as its userdata, until the journal
 * goes on. */
extern const RecordOps journal_record_ops;
