/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Open sessions: an IMAP client logs in once and stays for days. A session belongs to a grant, known by
 * number, and is named by what the server calls it in its log. */

#include "basic/span.h"
#include "state/bytes.h"

/* Sessions that are remembered. Beyond them a login is one without a session: its grant lasts for TTL=. */
#define SESSION_TABLE_MAX 2000000

typedef struct SessionTable SessionTable;

/* Sessions of one grant, in a list whose head is the grant's own. */
typedef struct SessionList {
        uint32_t first; /* UINT32_MAX: none is open */
} SessionList;

#define SESSION_LIST_INIT ((SessionList){UINT32_MAX})

static inline bool session_list_is_empty(const SessionList *list) {
        return list->first == UINT32_MAX;
}

/* Who names a session: the pattern and the source, as numbers of the grant table's names, and the machine,
 * by session_table_machine(). */
typedef struct SessionScope {
        uint16_t pattern, source;
        uint32_t machine;
} SessionScope;

/* Returns 0 or -ENOMEM. */
int session_table_new(SessionTable **ret);
SessionTable *session_table_free(SessionTable *t);

DEFINE_CLEANUP(SessionTable *, session_table_free)

/* A name as the table keeps it: a keyed hash, so that a million of them stay small and nobody can make two
 * of them meet. */
uint64_t session_table_hash(
        const SessionTable *t, const char *pattern, const char *source, Span machine, Span key);
/* A machine as the table keeps it, likewise. */
uint32_t session_table_machine(const SessionTable *t, Span machine);

/* Opens a session of a grant at `time` (seconds), or moves it there. Returns 0; -ESTALE: its end has been
 * noted already; -ENOSPC or -ENOMEM. */
int session_table_open(SessionTable *t, uint64_t name, SessionScope scope, uint32_t grant, SessionList *list,
        uint32_t time);

/* A session that nobody has opened has ended at `time` (seconds): a server of several processes may log its
 * end before its beginning, as Dovecot does where the two are milliseconds apart. Remembered for a while. */
void session_table_note_end(SessionTable *t, uint64_t name, uint32_t time);

/* The same for one that was open: should its login be read again, from a log that was restored, it opens no
 * session; a later one of this name does. */
void session_table_note_closed(SessionTable *t, uint64_t name, uint32_t time);

/* The grant of a session, UINT32_MAX if there is none of this name. */
uint32_t session_table_find(const SessionTable *t, uint64_t name);

/* Ends a session of this list by name; all of this scope that were open at `time` (seconds); all of them.
 * The first two return false if there is none. */
bool session_table_close(SessionTable *t, SessionList *list, uint64_t name);
bool session_table_close_scope(SessionTable *t, SessionList *list, SessionScope scope, uint64_t time);
void session_table_close_all(SessionTable *t, SessionList *list);

/* How many sessions of the list are open. */
uint32_t session_table_count_list(const SessionTable *t, const SessionList *list);

/* When the youngest session of the list was opened, seconds; 0: it is empty. */
uint32_t session_table_youngest(const SessionTable *t, const SessionList *list);

uint32_t session_table_count(const SessionTable *t);

/* The seed of the names, and each session of one grant: name, pattern, source, time. */
void session_table_encode_seed(const SessionTable *t, ByteWriter *w);
void session_table_set_seed(SessionTable *t, const uint64_t seed[static 2]);
void session_table_encode_list(const SessionTable *t, const SessionList *list, ByteWriter *w);
