/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a source delivers: one log message, with what is known about it. All text is borrowed from the source
 * for the length of the call that delivers it. */

#include "basic/span.h"
#include "basic/time-util.h"

/* What the kernel and journald say about the sender of a journal entry; text is empty where a field is
 * missing. */
typedef struct Provenance {
        Span unit;         /* _SYSTEMD_UNIT */
        Span uid;          /* _UID, decimal */
        Span machine;      /* _MACHINE_ID, empty: this machine */
        Span pid;          /* SYSLOG_PID, else _PID */
        Span logger;       /* _PID: the process that wrote to the log */
        bool torn;         /* journald itself tore this message, or the one before it of the same stream */
        bool stream;       /* written to a standard output or error, where a newline ends a message */
        bool odd_priority; /* PRIORITY is there and is not 6, info, at which servers log logins */
        size_t raw_size;   /* bytes of the message as sent, trailing blanks included */
} Provenance;

typedef struct Record Record;

/* What is fetched only for a record that a pattern takes, because it costs. */
typedef struct RecordOps {
        /* Returns 0, or -errno when it can't be read, which a caller treats as no provenance. */
        int (*provenance)(const Record *record, Provenance *ret);
        /* When it happened: the earlier of the reading and the record's own stamp; 0 if the stamp can't be
         * read. */
        usec_t (*time)(const Record *record);
} RecordOps;

struct Record {
        const RecordOps *ops;
        void *userdata;     /* the source's, for ops */
        const char *source; /* its name, for people and as part of keys: "journal", a path */
        usec_t read_time;   /* when the source read it */
        Span host;          /* empty: this host, or not known */
        Span identifier;    /* empty: the line has none; the source's own patterns decide */
        Span pid;           /* from the line's head, if it has one */
        Span message;
        Span stamp;      /* of a log line, for ops->time */
        size_t raw_size; /* bytes of the message as they were sent, as far as the source knows */
        bool proven;     /* provenance() tells who wrote it: the journal. Else any local user may have. */
        bool cut;        /* the beginning of an over-long line: never a login */
        bool explained;  /* out of a log that is only looked at: a journal-only pattern judges it, too */
};
