/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The files beside a log that may have been it before it was rotated. Only names and what stat(2) says:
 * which of them was the log is found out by their content. */

#include <stddef.h>

#include "basic/time-util.h"

typedef struct LogSibling {
        char *path;
        uint64_t device, inode;
        usec_t modified;
        bool compressed;
} LogSibling;

typedef struct LogSiblings {
        LogSibling *items; /* by the time of writing, oldest first */
        size_t n;
} LogSiblings;

/* Finds those whose names say so: "mail.log.1", "mail.log-20261121", "mail-20261121.log" beside "mail.log",
 * with
 * ".gz" and the like behind it or not; "@4000….s" beside multilog's "current". Without memory or the right
 * to read the directory they are fewer, or none. */
void log_siblings_find(const char *path, LogSiblings *ret);
void log_siblings_done(LogSiblings *s);

/* Whether the same files have the same names. */
bool log_siblings_equal(const LogSiblings *a, const LogSiblings *b);

/* Finds the file with this inode, whatever it is called: beside the log, and where a link in the log's place
 * leads. Returns its path, which the caller frees, or NULL. */
char *log_sibling_find_inode(const char *path, uint64_t device, uint64_t inode);

/* What gzip(1) says that a file of it is unpacked, in bytes modulo 2^32. Returns false if it says nothing.
 */
bool log_sibling_unpacked_size(const char *path, uint32_t *ret);

/* Whether the newest of them, this one and compressed ones left aside, ends within a line. */
bool log_siblings_end_within_line(const LogSiblings *s, uint64_t device, uint64_t inode);
