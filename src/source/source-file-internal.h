/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What source-file.c and source-file-missed.c share. */

#include "source/file-tail.h"
#include "source/log-siblings.h"
#include "source/log-stamp.h"
#include "source/path-watch.h"
#include "source/source-file.h"

/* More rotations at once than this are not followed one by one. */
#define OLD_MAX 16
/* Rotated files get new names while they are looked for, and so may the log. */
#define PASSES_MAX 8

typedef struct Tail {
        FileTail file;
        PathWatch *path_watch; /* of the source */
        int watched;           /* its number there */
        uint64_t serial;       /* which of all that were ever opened */
        uint64_t reads;        /* of file.reads, when the older ones were last looked at */
        bool over;             /* it was cut short: there is nothing more for us */
        bool unknown;          /* what was written before its next line may not be what was read before it */
        bool begun;            /* it has been read before its next line */
        bool follows;          /* its first line was written after the last one of the tail before it */
        bool within;           /* its first line is the rest of one */
        bool rewound;          /* it was cut short, and nothing was read of it since */
} Tail;

typedef struct SourceFile {
        Source base;
        LineHeads heads;
        LogClock clock;
        sd_event *event;
        sd_event_source *work;
        PathWatch *path_watch;
        Tail *current; /* NULL: the path names no file that can be read */
        Tail *old[OLD_MAX];
        size_t n_old;
        uint64_t serials;    /* given so far */
        uint64_t last;       /* serial of the tail that the last line was of; 0: not known */
        usec_t gone_since;   /* 0: the path names something */
        PathChanges changes; /* of the path, since it was last known what it names */
        FilePosition *saved; /* from the state, oldest first; gone after attach */
        size_t n_saved;
        uint32_t saved_last; /* which of them the last line was of, from 1 on; 0: not known */
} SourceFile;

/* What became of the file that a position was in. */
typedef enum Fate {
        FATE_UNKNOWN, /* what followed the position may be lost, and nobody can tell where it is */
        FATE_TOLD,    /* it can't be read, and that was told */
        FATE_WELL,    /* nothing of it is lost */
} Fate;

/* Stops watching it and frees it; NULL is fine. Returns NULL. */
Tail *tail_free(Tail *t);
DEFINE_CLEANUP(Tail *, tail_free)

/* Opens and watches a file. Returns 0 and a tail at its start, the caller's, or -errno: -ENOENT and the like
 * when there is no such file. */
int tail_open(SourceFile *f, const char *path, Tail **ret);
/* True if the tail, which may be NULL, is of this file. */
bool tail_is_of(const Tail *t, uint64_t device, uint64_t inode);

/* True if this file is the current one or an old one. */
bool source_file_has_open(const SourceFile *f, uint64_t device, uint64_t inode);
/* Tells of a gap. `unread` is a rotated file whose lines are lost to us, or NULL when nothing may be missing
 * at all. */
void source_file_note_gap(SourceFile *f, const char *unread);
/* Makes `t`, whose owner it becomes, the newest of the old ones. */
void source_file_add_old(SourceFile *f, Tail *t);

/* Takes up files that were the log after it was left at a position, and that nobody has read: rotated away
 * between two looks. Some may be of the same moment, for the clock of files is coarse; one read again
 * changes nothing. Of a copy (copytruncate) only what follows the position is read. One may also be a copy
 * of the current file, and what was dropped as the rest of a torn message come again: nobody can tell what
 * precedes what. `*found`: the file of the position is open. `current`, which may be NULL, is what the log
 * is now; `siblings` is empty before, and the caller's. */
void source_file_take_missed(
        SourceFile *f, const FilePosition *left, bool *found, Tail *current, LogSiblings *siblings);
/* The same, and says what of them is compressed. Returns what became of the file of the position. */
Fate source_file_add_missed(SourceFile *f, const FilePosition *left, bool found, Tail *current);
/* True if what a position was in is among the siblings, compressed, and had been read to its end. */
bool source_file_has_complete(const LogSiblings *siblings, const FilePosition *p);
