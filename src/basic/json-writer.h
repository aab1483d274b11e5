/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* JSON (RFC 8259) written straight to a stream. Commas and quotes are its business, the order of calls is
 * the caller's. Bytes that are not UTF-8 become U+FFFD, so that the output is valid whatever a log held. */

#include <stdio.h>

#include "basic/span.h"

#define JSON_DEPTH_MAX 16

typedef struct JsonWriter {
        FILE *stream;
        unsigned depth;
        bool has_item[JSON_DEPTH_MAX]; /* by depth: a comma is due before the next item */
        bool has_key;                  /* a key was written, its value is due */
} JsonWriter;

void json_writer_init(JsonWriter *w, FILE *stream);

void json_begin_object(JsonWriter *w);
void json_end_object(JsonWriter *w);
void json_begin_array(JsonWriter *w);
void json_end_array(JsonWriter *w);

/* The key of the next value. */
void json_key(JsonWriter *w, const char *key);

void json_text(JsonWriter *w, Span text);
void json_string(JsonWriter *w, const char *s); /* null for NULL or "" */
void json_u64(JsonWriter *w, uint64_t v);
void json_bool(JsonWriter *w, bool v);
void json_null(JsonWriter *w);
