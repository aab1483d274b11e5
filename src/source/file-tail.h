/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One open log file and how far it was read. Knows whether a file is still the one that was read before: by
 * device and inode, by its first bytes, and by the bytes before the position. */

#include "basic/time-util.h"
#include "source/line-splitter.h"
#include "state/bytes.h"

/* How much of the beginning, and of what lies before the position, is remembered. */
#define FILE_TAIL_MARK_BYTES 256

/* What is kept of a file over a restart. */
typedef struct FilePosition {
        uint64_t device, inode;
        uint64_t offset;      /* behind the last whole line that was delivered */
        uint64_t modified;    /* usec: when the file was last written, as far as it was read */
        uint32_t head_size;   /* bytes in head: min(FILE_TAIL_MARK_BYTES, offset); 0 matches nothing */
        uint32_t before_size; /* bytes in before */
        char head[FILE_TAIL_MARK_BYTES];
        char before[FILE_TAIL_MARK_BYTES]; /* what ends at offset, a newline at its end */
} FilePosition;

typedef struct FileTail {
        int fd;
        FilePosition position;
        LineSplitter splitter;
        uint64_t reads; /* how often something was read */
        usec_t read_at; /* when something was last read of it; before that, when it was opened */
        uint64_t seen;  /* usec: when the file was last written, before what is buffered was read */
} FileTail;

#define FILE_TAIL_INIT ((FileTail){.fd = -1})

typedef enum FileTailState {
        FILE_TAIL_MORE,     /* a line was set */
        FILE_TAIL_END,      /* at the end for now */
        FILE_TAIL_BUSY,     /* no line yet, and more to be read: it is an over-long one */
        FILE_TAIL_REPLACED, /* the content is not what it was: read it from its start */
} FileTailState;

/* Opens a regular file for tailing from its start. Returns 0, -EINVAL for something that is no regular file
 * (which is not opened), or -errno; the caller ends it with file_tail_done() in any case. */
int file_tail_open(FileTail *t, const char *path);
void file_tail_done(FileTail *t);

/* True if the open file is the very file that the position was in, and what was read of it is unchanged. */
bool file_tail_matches(const FileTail *t, const FilePosition *p);

/* The same, whatever file it was: this one may be a copy of it. */
bool file_tail_resembles(const FileTail *t, const FilePosition *p);

/* Goes on from a position that matches, or in a file that resembles the one that it was in. Both return 0 or
 * -errno. */
int file_tail_seek(FileTail *t, const FilePosition *p);
int file_tail_skip(FileTail *t, const FilePosition *p);

/* Goes back to the start. Returns 0 or -errno. */
int file_tail_rewind(FileTail *t);

/* Reads the next line. Returns one of FileTailState, or -errno; *ret_line is borrowed until the next call
 * and *ret_cut says that it is only the beginning of an over-long one. */
int file_tail_next(FileTail *t, Span *ret_line, bool *ret_cut);

/* True while the last line that was read has not ended. */
bool file_tail_is_unfinished(const FileTail *t);

/* Its size now, bytes; 0 if that can't be told. */
uint64_t file_tail_size(const FileTail *t);

/* True if its first bytes are those of the file that the position was in: it may be a copy, changed since.
 */
bool file_tail_begins_alike(const FileTail *t, const FilePosition *p);

/* Whether not a byte of it was read. */
bool file_tail_is_unread(const FileTail *t);

/* Whether what was read of it is not there any more: it was cut short, and may have been filled since. */
bool file_tail_is_replaced(FileTail *t);

/* True if nothing is in the file but what was read of it. */
bool file_tail_is_at_end(const FileTail *t);

/* Brings the position up to the last line that was delivered; file_tail_next() does so only now and then.
 * What is saved beside the position must have seen exactly the lines before it. Returns 0 or -errno. */
int file_tail_sync(FileTail *t);

void file_position_encode(const FilePosition *p, ByteWriter *w);
/* Returns false when the bytes make no sense. */
bool file_position_decode(FilePosition *p, ByteReader *r);
