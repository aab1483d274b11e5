/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A file of named sections of bytes, each with a checksum of its own, replaced whole. What the bytes mean is
 * the business of the room that encoded them. */

#include "state/bytes.h"

#define STATE_FILE_SECTIONS_MAX 63
#define STATE_FILE_MAX_BYTES ((size_t) 1024 * 1024 * 1024)
/* A section may be named after a path. */
#define STATE_FILE_NAME_MAX_BYTES 4352

typedef struct StateSection {
        const char *name; /* of 1 to STATE_FILE_NAME_MAX_BYTES */
        Span bytes;
} StateSection;

/* Replaces the file at `path`, mode 0600, durable when it returns. Returns 0 or -errno, and then the old
 * file is in place, unless only the directory could not be synced. */
int state_file_save(const char *path, const StateSection *sections, size_t n);

/* Called for each section. `damage` is NULL, or says why it is not whole (static text), and then bytes are
 * empty. */
typedef void (*StateSectionHandler)(void *userdata, const char *name, Span bytes, const char *damage);

/* Takes apart what follows a file's first line. A damaged section is reported as such and does not hide the
 * others; where the framing is damaged or the last section is missing, the rest is reported as one damaged
 * section of the name "". */
void state_file_parse(Span sections, StateSectionHandler handler, void *userdata);

/* Reads the file, which must be what state_file_save() leaves: a regular file, of the caller's user or
 * root's, that nobody else may write to. Never waits. Returns 0; -ENOENT when there is no file; or -errno
 * and in *ret_reason why it is not believed (static text, or strerror's). */
int state_file_load(const char *path, StateSectionHandler handler, void *userdata, const char **ret_reason);
