/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A file of named sections of bytes, each with a checksum of its own, replaced whole. What the bytes mean is
 * the business of the room that encoded them. */

#include "state/bytes.h"

#define STATE_FILE_SECTIONS_MAX 64
#define STATE_FILE_MAX_BYTES ((size_t) 1024 * 1024 * 1024)

typedef struct StateSection {
        const char *name; /* at most 255 bytes */
        Span bytes;
} StateSection;

/* Replaces the file at `path`, mode 0600, durable when it returns. Returns 0 or -errno, and then the old
 * file is in place. */
int state_file_save(const char *path, const StateSection *sections, size_t n);

/* Called for each section that is whole; `damaged` says that it is not, and then bytes are empty. */
typedef void (*StateSectionHandler)(void *userdata, const char *name, Span bytes, bool damaged);

/* Reads the file. A damaged section is reported as such and does not hide the others; where even the framing
 * is damaged, the rest is reported as one damaged section of the name "". Returns 0, -ENOENT when there is
 * no file, -EBADMSG when it is not a state file of this version, -EFBIG, or -errno. */
int state_file_load(const char *path, StateSectionHandler handler, void *userdata);
