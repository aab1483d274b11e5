/* SPDX-License-Identifier: Apache-2.0 */
/* The saved state: the file itself, and what the rooms decode out of it. The first byte chooses. Whatever it
 * was made of, no grant is there that the policy refuses or that lasts longer than it may. */

#include "fuzz.h"
#include "grant/grant-table.h"
#include "grant/revocation-table.h"
#include "match/stream-state.h"
#include "source/file-tail.h"
#include "state/state-file.h"

#define NOW (FUZZ_NOW / USEC_PER_SEC)

static void hear(_unused_ void *userdata, const GrantEvent *event) {
        MUST(event->published <= NOW + 1800 + 1800 / 16 || event->type == GRANT_EVENT_EXPIRED);
}

static void grants(Span bytes) {
        static Policy policy;
        _cleanup_(grant_table_freep) GrantTable *t = NULL;
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        GrantView view;

        MUST((policy.ttl > 0 || policy_init(&policy) >= 0) && grant_table_new(&policy, hear, NULL, &t) >= 0);
        if (!grant_table_decode(t, bytes, FUZZ_NOW))
                MUST(grant_table_count(t) == 0);
        (void) grant_table_decode_manual(t, bytes, FUZZ_NOW);
        grant_table_expire(t, NOW);
        for (uint32_t i = 0; (i = grant_table_next(t, i, &view)) != UINT32_MAX; i++) {
                MUST(view.until > NOW && view.published <= NOW + 1800 + 1800 / 16);
                MUST(!policy_refuses_manual(&policy, &view.network));
                MUST(view.manual || view.network.length >= (ip_network_is_v4(&view.network) ? 128 : 64));
        }
        grant_table_encode(t, &w);
        (void) grant_table_revoke_all(t, FUZZ_NOW);
        MUST(grant_table_count(t) == 0);
}

static void revocations(Span bytes) {
        _cleanup_(revocation_table_freep) RevocationTable *t = NULL;
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        IpNetwork host;

        MUST(revocation_table_new(&t) >= 0 && ip_network_parse(SPAN_LITERAL("192.0.2.7"), &host) >= 0);
        if (!revocation_table_decode(t, bytes))
                MUST(revocation_table_count(t) == 0 &&
                        !revocation_table_refuses(t, &host, SPAN_LITERAL("a"), FUZZ_NOW, NOW));
        (void) revocation_table_refuses(t, &host, SPAN_LITERAL("bob"), FUZZ_NOW, NOW);
        revocation_table_encode(t, &w);
}

static void streams(Span bytes) {
        _cleanup_(stream_state_freep) StreamState *s = NULL;
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        Span key = SPAN_LITERAL("a\0x");

        MUST(stream_state_new(&s) >= 0);
        (void) stream_state_decode(s, bytes);
        stream_state_encode(s, &w);
        MUST(stream_state_is_torn(s, "a", key, 504, 504) && stream_state_is_torn(s, "a", key, 1, 504));
        stream_state_gap(s, "a");
        MUST(stream_state_is_torn(s, "a", key, 1, 504));
}

static void position(Span bytes) {
        FilePosition p;
        ByteReader r = BYTE_READER(bytes);

        if (file_position_decode(&p, &r))
                MUST(p.before_size <= p.offset && p.head_size <= sizeof(p.head) &&
                        (p.before_size == 0 || p.before[p.before_size - 1] == '\n'));
}

static void on_section(_unused_ void *userdata, const char *name, Span bytes, const char *damage) {
        MUST(strlen(name) <= STATE_FILE_NAME_MAX_BYTES && (!damage || bytes.size == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static void (*const decoders[])(Span bytes) = {grants, revocations, streams, position};

        if (size == 0)
                return 0;
        if (data[0] % 5 == 4)
                state_file_parse(span_make((const char *) data + 1, size - 1), on_section, NULL);
        else
                decoders[data[0] % 5](span_make((const char *) data + 1, size - 1));
        return 0;
}
