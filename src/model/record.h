/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a source delivers: one log message, with what is known about it. All text is borrowed from the source
 * for the length of the call that delivers it. */

#include "basic/span.h"
#include "basic/time-util.h"

/* What the kernel and journald say about the sender of a journal entry; text is empty where a field is missing. */
typedef struct Provenance {
        Span unit;         /* _SYSTEMD_UNIT */
        Span uid;          /* _UID, decimal */
        Span pid;          /* SYSLOG_PID, else _PID */
        Span logger;       /* _PID: the process that wrote to the log */
        Span stream;       /* _STREAM_ID of a standard output stream */
        bool line_break;   /* _LINE_BREAK is set: journald tore this line itself */
        size_t raw_size;   /* bytes of the message as sent, trailing blanks included */
} Provenance;

typedef struct Record Record;

/* Fetches the provenance of the record being delivered. Returns 0, or -errno when it can't be read, which a
 * caller treats as no provenance. */
typedef int (*RecordFetch)(const Record *record, Provenance *ret);

typedef enum RecordTrust {
        RECORD_TRUST_PROVEN,    /* the journal: provenance decides */
        RECORD_TRUST_FILE,      /* a log file, FIFO or syslog socket: any local user can write a line */
} RecordTrust;

struct Record {
        usec_t time;         /* the earlier of the reading and the stamp; USEC_INFINITY: read the stamp */
        usec_t read_time;    /* when the source read it */
        const char *source;  /* name of the source, for people and keys: "journal", a path */
        Span host;           /* empty: this host */
        Span identifier;     /* empty: a line without one; then `patterns` says who may try */
        Span pid;            /* from the line's head, if it has one */
        Span message;
        RecordTrust trust;
        size_t raw_size;     /* bytes of the message before anything was trimmed (files) */
        RecordFetch fetch;   /* NULL: there is no provenance */
        void *userdata;      /* of the source, for fetch */
};
