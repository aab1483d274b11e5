/* SPDX-License-Identifier: Apache-2.0 */
/* Torn streams and half logins: what follows what, what a gap means, and what is left when memory is short.
 */
#include "check.h"

#include "match/stream-state.h"

#define NOW (UINT64_C(1795222923) * USEC_PER_SEC)
#define AT 504

/* A key of a source's stream, as the pattern set makes it. */
static Span key_of(char buf[static 128], const char *source, const char *rest) {
        size_t n = strlen(source);

        (void) snprintf(buf, 128, "%s", source);
        (void) snprintf(buf + n + 1, 128 - n - 1, "%s", rest);
        return span_make(buf, n + 1 + strlen(rest) + 1);
}

static bool torn(StreamState *s, const char *source, const char *rest, size_t raw_size) {
        char buf[128];

        return stream_state_is_torn(s, source, key_of(buf, source, rest), raw_size, AT);
}

static StreamState *make(void) {
        StreamState *s = NULL;

        assert_ok(stream_state_new(&s));
        return s;
}

static void test_torn(_unused_ void **state) {
        _cleanup_(stream_state_freep) StreamState *s = make();

        assert_false(torn(s, "a", "x", 10));
        assert_false(torn(s, "a", "x", AT - 1));
        assert_true(torn(s, "a", "x", AT));
        /* up to and including the first that is shorter */
        assert_true(torn(s, "a", "x", AT + 7));
        assert_true(torn(s, "a", "x", 5000));
        assert_false(torn(s, "a", "y", 10));
        assert_false(torn(s, "b", "x", 10));
        assert_true(torn(s, "a", "x", 10));
        assert_false(torn(s, "a", "x", 10));
        assert_true(torn(s, "a", "x", 0) == false);
}

static void test_gap(_unused_ void **state) {
        _cleanup_(stream_state_freep) StreamState *s = make();

        stream_state_gap(s, "a");
        assert_false(torn(s, "b", "x", 10));
        /* each stream until a short message has passed, seen before or not */
        assert_true(torn(s, "a", "x", 10));
        assert_false(torn(s, "a", "x", 10));
        assert_true(torn(s, "a", "y", 600));
        assert_true(torn(s, "a", "y", 10));
        assert_false(torn(s, "a", "y", 10));
        /* and again after another gap */
        stream_state_gap(s, "a");
        assert_true(torn(s, "a", "x", 10));
        assert_true(torn(s, "a", "y", 10)); /* nothing short has passed there */
        assert_false(torn(s, "a", "x", 10));
        /* however late it turns up: its first half may have been lost */
        assert_true(torn(s, "a", "new", 10));
        assert_false(torn(s, "a", "new", 10));
        /* a source whose name begins like another's */
        stream_state_gap(s, "aa");
        assert_false(torn(s, "a", "new", 10));
        assert_true(torn(s, "aa", "new", 10));
}

static void test_gaps_without_room(_unused_ void **state) {
        _cleanup_(stream_state_freep) StreamState *s = make();
        char name[32];

        for (int i = 0; i < 100; i++) {
                (void) snprintf(name, sizeof(name), "source %d", i);
                stream_state_gap(s, name);
        }
        for (int i = 0; i < 100; i++) {
                (void) snprintf(name, sizeof(name), "source %d", i);
                assert_true(torn(s, name, "x", 10));
                assert_false(torn(s, name, "x", 10));
        }
}

static void connect_at(StreamState *s, const char *key, const char *address, usec_t time) {
        char buf[128];
        IpAddr addr;

        assert_ok(ip_addr_parse(span_from_string(address), &addr));
        stream_state_connect(s, key_of(buf, "a", key), &addr, time);
}

static bool is_connected(StreamState *s, const char *key, const char *address, usec_t now) {
        char buf[128], text[IP_TEXT_BYTES];
        IpAddr addr;

        if (!stream_state_connected(s, key_of(buf, "a", key), now, &addr))
                return false;
        assert_string_equal(ip_addr_format(text, &addr), address);
        return true;
}

static void test_connects(_unused_ void **state) {
        _cleanup_(stream_state_freep) StreamState *s = make();

        assert_false(is_connected(s, "1", "", NOW));
        connect_at(s, "1", "192.0.2.7", NOW);
        assert_true(is_connected(s, "1", "192.0.2.7", NOW + 1));
        connect_at(s, "1", "2001:db8::1", NOW + 5);
        assert_true(is_connected(s, "1", "2001:db8::1", NOW + 5 + STREAM_STATE_CONNECT_USEC));
        assert_false(is_connected(s, "1", "", NOW + 6 + STREAM_STATE_CONNECT_USEC));
        assert_false(is_connected(s, "1", "", NOW + 5)); /* forgotten */
        /* a stream of the same key is something else */
        assert_true(torn(s, "a", "2", AT));
        assert_false(is_connected(s, "2", "", NOW));
        /* after a gap nobody knows whose pid it is now */
        connect_at(s, "3", "192.0.2.7", NOW);
        stream_state_gap(s, "b");
        assert_true(is_connected(s, "3", "192.0.2.7", NOW));
        stream_state_gap(s, "a");
        assert_false(is_connected(s, "3", "", NOW));
        connect_at(s, "3", "192.0.2.8", NOW);
        assert_true(is_connected(s, "3", "192.0.2.8", NOW));
}

/* Many connections push out half logins, never a torn stream; with nothing but torn streams all is torn. */
static void test_bounds(_unused_ void **state) {
        _cleanup_(stream_state_freep) StreamState *s = make();
        char key[32];
        unsigned n = 0;

        for (int i = 0; i < 1000; i++) {
                (void) snprintf(key, sizeof(key), "torn %d", i);
                assert_true(torn(s, "a", key, AT));
        }
        for (int i = 0; i < STREAM_STATE_MAX_ENTRIES * 2; i++) {
                (void) snprintf(key, sizeof(key), "%d", i);
                connect_at(s, key, "192.0.2.7", NOW);
                assert_true(is_connected(s, key, "192.0.2.7", NOW));
        }
        for (int i = 0; i < STREAM_STATE_MAX_ENTRIES * 2; i++) {
                (void) snprintf(key, sizeof(key), "%d", i);
                n += is_connected(s, key, "192.0.2.7", NOW);
        }
        assert_int_equal(n, STREAM_STATE_MAX_ENTRIES - 1000);
        for (int i = 0; i < STREAM_STATE_MAX_ENTRIES; i++) {
                (void) snprintf(key, sizeof(key), "more %d", i);
                assert_true(torn(s, "a", key, AT));
        }
        for (int i = 0; i < 1000; i++) {
                (void) snprintf(key, sizeof(key), "torn %d", i);
                assert_true(torn(s, "a", key, 10));
        }
        (void) snprintf(key, sizeof(key), "more %d", STREAM_STATE_MAX_ENTRIES - 1);
        assert_true(torn(s, "a", key, 10));
}

static ByteWriter encode(const StreamState *s) {
        ByteWriter w = BYTE_WRITER_INIT;

        stream_state_encode(s, &w);
        assert_false(w.failed);
        return w;
}

static void test_state(_unused_ void **state) {
        _cleanup_(stream_state_freep) StreamState *s = make(), *t = make();
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;

        assert_true(torn(s, "a", "x", AT));
        stream_state_gap(s, "g");
        assert_true(torn(s, "g", "seen", 10));
        connect_at(s, "1", "192.0.2.7", NOW);
        w = encode(s);
        assert_true(stream_state_decode(t, span_make(w.data, w.size)));
        assert_true(torn(t, "a", "x", 10));
        assert_false(torn(t, "a", "x", 10));
        assert_false(torn(t, "g", "seen", 10));
        assert_true(torn(t, "g", "unseen", 10));
        assert_true(is_connected(t, "1", "192.0.2.7", NOW));
}

static void test_damage(_unused_ void **state) {
        _cleanup_(stream_state_freep) StreamState *s = make();
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        _cleanup_free_ char *copy = NULL;
        unsigned whole = 0;

        assert_true(torn(s, "a", "x", AT));
        stream_state_gap(s, "g");
        connect_at(s, "1", "192.0.2.7", NOW);
        w = encode(s);
        copy = malloc(w.size);
        assert_non_null(copy);
        for (size_t n = 0; n < w.size; n++) {
                _cleanup_(stream_state_freep) StreamState *t = make();

                memcpy(copy, w.data, n);
                if (stream_state_decode(t, span_make(copy, n)))
                        whole++; /* at the end of an entry */
        }
        assert_true(whole <= 2);
        for (size_t bit = 0; bit < w.size * 8; bit++) {
                _cleanup_(stream_state_freep) StreamState *t = make();

                memcpy(copy, w.data, w.size);
                copy[bit / 8] ^= (char) (1 << bit % 8);
                if (!stream_state_decode(t, span_make(copy, w.size))) {
                        /* nothing of it stays */
                        assert_false(torn(t, "a", "x", 10) || torn(t, "g", "x", 10));
                        assert_false(is_connected(t, "1", "", NOW));
                }
        }
}

/* The gap of a source whose name there was no room for was forgotten at a restart: the rest of a torn
 * message would then have been taken. */
static void test_all_gapped_is_saved(_unused_ void **state) {
        _cleanup_(stream_state_freep) StreamState *s = make(), *again = make();
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        char name[16];

        for (unsigned i = 0; i < 65; i++) {
                (void) snprintf(name, sizeof(name), "source%u", i);
                stream_state_gap(s, name);
        }
        stream_state_encode(s, &w);
        assert_true(stream_state_decode(again, span_make(w.data, w.size)));
        assert_true(torn(again, "source0", "x", 10));
        assert_true(torn(again, name, "x", 10));
        assert_true(torn(again, "any other", "x", 10));
        assert_false(torn(again, "any other", "x", 10));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_torn),
                cmocka_unit_test(test_gap),
                cmocka_unit_test(test_gaps_without_room),
                cmocka_unit_test(test_connects),
                cmocka_unit_test(test_bounds),
                cmocka_unit_test(test_state),
                cmocka_unit_test(test_damage),
                cmocka_unit_test(test_all_gapped_is_saved),
        };

        return cmocka_run_group_tests_name("stream-state", tests, NULL, NULL);
}
