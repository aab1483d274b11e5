/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the predecessors leave behind, as text, made into logins and networks. Nothing is opened here, and
 * nothing is judged but the form: what may be granted is the daemon's business. */

#include <inttypes.h>

#include "model/ip-addr.h"

typedef enum ImportFormat {
        IMPORT_MYNETWORKS,          /* a Postfix mynetworks line */
        IMPORT_POP_BEFORE_SMTP,     /* its table: addresses without a time */
        IMPORT_RELAY_CTRL,          /* a directory of files named after addresses; not a text */
        IMPORT_SMTP_POPLOCK,        /* a table of address and time */
        IMPORT_SMTP_POPLOCK_STATIC, /* networks, one a line */
        IMPORT_TCPRULES,            /* what tcprules(1) reads */
        IMPORT_VPOPMAIL,            /* open-smtp: a rule or an address, a tab and a time */
        _IMPORT_FORMAT_MAX,
        _IMPORT_FORMAT_INVALID = -22,
} ImportFormat;

const char *import_format_to_string(ImportFormat format);
/* Returns _IMPORT_FORMAT_INVALID for a name that is none. */
ImportFormat import_format_from_string(const char *name);

/* True if what the format holds are networks that may always relay, and not logins. */
bool import_format_is_static(ImportFormat format);

typedef enum ImportKind {
        IMPORT_LOGIN,   /* somebody has logged in from `network`, a single host */
        IMPORT_ALWAYS,  /* the network may relay without a login */
        IMPORT_EXCEPT,  /* the network may not, whatever it lies in */
        IMPORT_NOTE,    /* it is taken, but not all that it says: `reason` */
        IMPORT_REFUSED, /* it is not taken: `reason` */
} ImportKind;

typedef struct ImportEntry {
        ImportKind kind;
        unsigned line; /* where it stands */
        Span text;     /* borrowed for the call: what it is about, as it stands there */
        IpNetwork network;
        uint64_t time; /* IMPORT_LOGIN: seconds since the epoch; 0: not known */
        Span user;     /* IMPORT_LOGIN; borrowed for the call; empty: not known */
        const char *reason;
} ImportEntry;

/* Called for each entry in the order of the text. Returns 0 to go on, or -errno, which ends the reading. */
typedef int (*ImportHandler)(void *userdata, const ImportEntry *entry);

/* Reads a text, whatever bytes it has; for the tables also what db_dump(1), `postmap -s` and `makemap -u`
 * print of one. Every line that says something comes to the handler in one way or another. Returns 0, or
 * what the handler returned. */
int import_parse(ImportFormat format, Span data, ImportHandler handler, void *userdata);

/* One record of a table: the key is an address, the value may be a time. As import_parse(). */
int import_parse_record(
        ImportFormat format, unsigned line, Span key, Span value, ImportHandler handler, void *userdata);

/* What kind of database file begins with these bytes ("Berkeley DB hash"); NULL: none that is known. */
const char *import_database_kind(Span data);
