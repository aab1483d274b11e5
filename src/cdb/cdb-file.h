/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Constant databases (cr.yp.to/cdb): a writer, and a reader that takes every byte of the file for hostile.
 */

#include "basic/span.h"

/* No key or value of ours is longer; a file with longer ones is not ours. */
#define CDB_KEY_MAX_BYTES 64
#define CDB_VALUE_MAX_BYTES 1536

/* A file opened for reading. Embedded, of fixed size: relaylock reads without allocating. */
typedef struct CdbFile {
        int fd;
        uint32_t size;
        uint32_t data_end;    /* where the records end and the hash tables begin */
        uint8_t tables[2048]; /* the file's head: position and number of slots of each of the 256 tables */
} CdbFile;

#define CDB_FILE_INIT ((CdbFile){.fd = -1})

/* Opens a regular file and checks its head. Never waits (a FIFO is refused), never lands on descriptors 0 to
 * 2, even if they are closed. Returns 0; -EBADMSG when it is not a constant database; or -errno. */
int cdb_file_open(CdbFile *f, const char *path);

/* Closes; does nothing to one that is not open. */
void cdb_file_close(CdbFile *f);

/* Looks up the first record with this key, of at most CDB_KEY_MAX_BYTES, and copies its value into buf.
 * Bounded in time and memory whatever the file holds. Returns 1 when found, 0 when absent; -EBADMSG when the
 * file is damaged, which includes a value that has no room; or -errno of pread(2). */
int cdb_file_find(const CdbFile *f, Span key, char *buf, size_t room, size_t *ret_size);

/* Called for each record; both spans are borrowed for the call. Returns 0 to go on, or -errno. */
typedef int (*CdbFileHandler)(void *userdata, Span key, Span value);

/* Goes through all records in the order of writing. Returns 0 after the last one; -EBADMSG when the file is
 * damaged (after the records that come before the damage); what the handler returned; or -errno. */
int cdb_file_each(const CdbFile *f, CdbFileHandler handler, void *userdata);

typedef struct CdbWriter CdbWriter;

/* Starts a database at the beginning of an empty file; the descriptor stays the caller's. Returns 0 or
 * -ENOMEM. */
int cdb_writer_new(int fd, CdbWriter **ret);

/* Adds a record; keys are not compared with those before, of two with the same key readers see the first.
 * Returns 0; -EINVAL for too long a key or value; -EFBIG when the file would exceed the format's 4 GiB; or
 * -errno, after which the writer is good for nothing but cdb_writer_free(). */
int cdb_writer_add(CdbWriter *w, Span key, Span value);

/* Writes the tables and the head. Nothing is synced. Returns as cdb_writer_add(). */
int cdb_writer_finish(CdbWriter *w);

/* Frees; without cdb_writer_finish() before it the file is not a database. Returns NULL. */
CdbWriter *cdb_writer_free(CdbWriter *w);

DEFINE_CLEANUP(CdbWriter *, cdb_writer_free)
