/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that knows how JSON is quoted. There is no reader: nothing here takes JSON in. */

#include "basic/json-writer.h"

#include <inttypes.h>

void json_writer_init(JsonWriter *w, FILE *stream) {
        *w = (JsonWriter){.stream = stream};
}

static void before_item(JsonWriter *w) {
        if (w->has_key)
                w->has_key = false;
        else if (w->has_item[w->depth])
                (void) fputc(',', w->stream);
        w->has_item[w->depth] = true;
}

static void begin(JsonWriter *w, char c) {
        before_item(w);
        (void) fputc(c, w->stream);
        assert(w->depth + 1 < JSON_DEPTH_MAX);
        w->has_item[++w->depth] = false;
}

static void end(JsonWriter *w, char c) {
        assert(w->depth > 0);
        w->depth--;
        (void) fputc(c, w->stream);
}

void json_begin_object(JsonWriter *w) {
        begin(w, '{');
}

void json_end_object(JsonWriter *w) {
        end(w, '}');
}

void json_begin_array(JsonWriter *w) {
        begin(w, '[');
}

void json_end_array(JsonWriter *w) {
        end(w, ']');
}

/* Length of the UTF-8 sequence (RFC 3629) at the start of s, or 0 when there is none. */
static size_t utf8_sequence(Span s) {
        const unsigned char *p = (const unsigned char *) s.data;
        uint32_t code;
        size_t n;

        if (p[0] < 0x80)
                return 1;
        n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;
        if (n == 0 || p[0] > 0xf4 || s.size < n)
                return 0;
        code = p[0] & (0xffu >> (n + 1));
        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                code = code << 6 | (p[i] & 0x3fu);
        }
        if ((n == 3 && code < 0x800) || (n == 4 && (code < 0x10000 || code > 0x10ffff)) ||
                (code >= 0xd800 && code < 0xe000))
                return 0;
        return n;
}

/* Bytes at the start that stand for themselves: nearly always all there are. */
static size_t plain_run(Span text) {
        size_t n = 0;

        while (n < text.size && text.data[n] >= 0x20 && text.data[n] < 0x7f && text.data[n] != '"' &&
               text.data[n] != '\\')
                n++;
        return n;
}

static void write_quoted(JsonWriter *w, Span text) {
        (void) fputc('"', w->stream);
        while (text.size > 0) {
                unsigned char c = (unsigned char) text.data[0];
                size_t n = plain_run(text);

                if (n > 0) {
                        (void) fwrite(text.data, 1, n, w->stream);
                        text = span_skip(text, n);
                        continue;
                }
                n = utf8_sequence(text);
                if (n == 0)
                        (void) fputs("\xef\xbf\xbd", w->stream);
                else if (c == '"' || c == '\\')
                        (void) fprintf(w->stream, "\\%c", c);
                else if (c < 0x20 || c == 0x7f)
                        (void) fprintf(w->stream, "\\u%04x", c);
                else
                        (void) fwrite(text.data, 1, n, w->stream);
                text = span_skip(text, MAX(n, (size_t) 1));
        }
        (void) fputc('"', w->stream);
}

void json_key(JsonWriter *w, const char *key) {
        before_item(w);
        write_quoted(w, span_from_string(key));
        (void) fputc(':', w->stream);
        w->has_key = true;
}

void json_text(JsonWriter *w, Span text) {
        before_item(w);
        write_quoted(w, text);
}

void json_string(JsonWriter *w, const char *s) {
        if (!s || !*s)
                json_null(w);
        else
                json_text(w, span_from_string(s));
}

void json_u64(JsonWriter *w, uint64_t v) {
        before_item(w);
        (void) fprintf(w->stream, "%" PRIu64, v);
}

void json_bool(JsonWriter *w, bool v) {
        before_item(w);
        (void) fputs(v ? "true" : "false", w->stream);
}

void json_null(JsonWriter *w) {
        before_item(w);
        (void) fputs("null", w->stream);
}
