/* SPDX-License-Identifier: Apache-2.0 */
/* What one message says of the next, over several sources and streams and any number of restarts, beside a
 * model that has a place for each of them. */

#include "fuzz.h"
#include "match/stream-state.h"

#define SOURCES 4
#define STREAMS 8
#define TEARS_AT 504

typedef struct Stream {
        bool torn, connected;
        IpAddr address;
        usec_t time;
} Stream;

static Span key_of(unsigned source, unsigned stream, char buf[static 8]) {
        /* one source's name is the beginning of another's */
        static const char *const names[SOURCES] = {"j", "jo", "/", "jo/"};
        size_t n = strlen(names[source]) + 1;

        memcpy(buf, names[source], n);
        buf[n] = (char) stream; /* of all bytes NUL, too */
        return span_make(buf, n + (stream == 1 ? 0 : 1));
}

static void restart(StreamState **s) {
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        StreamState *other;

        stream_state_encode(*s, &w);
        MUST(stream_state_new(&other) >= 0 && stream_state_decode(other, span_make(w.data, w.size)));
        stream_state_free(*s);
        *s = other;
}

static void gap(Stream model[static STREAMS]) {
        for (unsigned i = 0; i < STREAMS; i++)
                model[i] = (Stream){.torn = true};
}

static void message(StreamState *s, const char *source, Span key, size_t raw_size, Stream *model) {
        bool torn = model->torn;

        model->torn = raw_size >= TEARS_AT;
        MUST(stream_state_is_torn(s, source, key, raw_size, TEARS_AT) == (torn || model->torn));
}

static void login(StreamState *s, Span key, usec_t now, Stream *model) {
        IpAddr address;

        model->connected = model->connected && now <= model->time + STREAM_STATE_CONNECT_USEC;
        MUST(stream_state_connected(s, key, now, &address) == model->connected);
        MUST(!model->connected || ip_addr_equal(&address, &model->address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Span in = span_make((const char *) data, size);
        _cleanup_(stream_state_freep) StreamState *s = NULL;
        Stream model[SOURCES][STREAMS] = {0};
        usec_t now = FUZZ_NOW;

        MUST(stream_state_new(&s) >= 0);
        while (in.size > 0) {
                uint8_t what = fuzz_byte(&in), which = fuzz_byte(&in);
                unsigned source = which % SOURCES, stream = which / SOURCES % STREAMS;
                Stream *m = &model[source][stream];
                char buf[8];
                Span key = key_of(source, stream, buf);

                switch (what % 8) {
                case 0:
                case 1:
                        message(s, buf, key, TEARS_AT - 128 + fuzz_byte(&in), m);
                        break;
                case 2:
                case 3:
                        m->connected = true;
                        m->address.bytes[15] = fuzz_byte(&in);
                        m->time = now;
                        stream_state_connect(s, key, &m->address, now);
                        break;
                case 4:
                        login(s, key, now, m);
                        break;
                case 5:
                        now += fuzz_byte(&in) * USEC_PER_MINUTE;
                        break;
                case 6:
                        stream_state_gap(s, buf);
                        gap(model[source]);
                        break;
                default:
                        restart(&s);
                }
        }
        return 0;
}
