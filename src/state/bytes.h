/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Writing and reading plain bytes: little-endian integers and length-prefixed text. The reader checks every
 * bound and, after the first thing that is wrong, answers 0 and empty text for ever; a caller decodes
 * straight down and asks once, at the end, whether all was well. */

#include <endian.h>

#include "basic/span.h"

typedef struct ByteWriter {
        char *data;
        size_t size, room;
        bool failed; /* out of memory: what was written since is lost */
} ByteWriter;

#define BYTE_WRITER_INIT ((ByteWriter){NULL, 0, 0, false})

void byte_writer_u64(ByteWriter *w, uint64_t v);
void byte_writer_u32(ByteWriter *w, uint32_t v);
void byte_writer_raw(ByteWriter *w, const void *data, size_t size);
void byte_writer_text(ByteWriter *w, Span text);
void byte_writer_done(ByteWriter *w);

typedef struct ByteReader {
        Span rest;
        bool failed;
} ByteReader;

#define BYTE_READER(span) ((ByteReader){(span), false})

/* Zeroes after a failure. */
static inline void byte_reader_raw(ByteReader *r, void *data, size_t size) {
        if (r->failed || r->rest.size < size) {
                r->failed = true;
                memset(data, 0, size);
                return;
        }
        memcpy(data, r->rest.data, size);
        r->rest = span_skip(r->rest, size);
}

static inline uint64_t byte_reader_u64(ByteReader *r) {
        uint64_t v;

        byte_reader_raw(r, &v, sizeof(v));
        return le64toh(v);
}

static inline uint32_t byte_reader_u32(ByteReader *r) {
        uint32_t v;

        byte_reader_raw(r, &v, sizeof(v));
        return le32toh(v);
}

Span byte_reader_text(ByteReader *r); /* borrowed from the input */

/* True if nothing was wrong and nothing is left. */
bool byte_reader_complete(const ByteReader *r);
