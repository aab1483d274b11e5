/* SPDX-License-Identifier: Apache-2.0 */
/* Plain bytes for the state file. Memory that is short while writing is remembered in the writer, so that
 * encoders have no error paths of their own. */

#include "state/bytes.h"

void byte_writer_raw(ByteWriter *w, const void *data, size_t size) {
        if (w->failed)
                return;
        if (w->room - w->size < size) {
                size_t room = MAX(w->room * 2, w->size + size + 256);
                char *more = realloc(w->data, room);

                if (!more) {
                        w->failed = true;
                        return;
                }
                w->data = more;
                w->room = room;
        }
        if (size > 0)
                memcpy(w->data + w->size, data, size);
        w->size += size;
}

void byte_writer_u64(ByteWriter *w, uint64_t v) {
        v = htole64(v);
        byte_writer_raw(w, &v, sizeof(v));
}

void byte_writer_u32(ByteWriter *w, uint32_t v) {
        v = htole32(v);
        byte_writer_raw(w, &v, sizeof(v));
}

void byte_writer_text(ByteWriter *w, Span text) {
        byte_writer_u32(w, (uint32_t) text.size);
        byte_writer_raw(w, text.data, text.size);
}

void byte_writer_done(ByteWriter *w) {
        free(w->data);
        *w = BYTE_WRITER_INIT;
}

Span byte_reader_text(ByteReader *r) {
        uint32_t size = byte_reader_u32(r);
        Span text;

        if (r->failed || r->rest.size < size) {
                r->failed = true;
                return SPAN_NONE;
        }
        text = span_make(r->rest.data, size);
        r->rest = span_skip(r->rest, size);
        return text;
}

bool byte_reader_complete(const ByteReader *r) {
        return !r->failed && r->rest.size == 0;
}
