/* SPDX-License-Identifier: Apache-2.0 */
/* Plain bytes: what is written is read back; what is short is found out, once and for all. */
#include "check.h"

#include "state/bytes.h"

static ByteWriter write_some(void) {
        ByteWriter w = BYTE_WRITER_INIT;

        byte_writer_u64(&w, UINT64_C(0x0123456789abcdef));
        byte_writer_u32(&w, UINT32_MAX);
        byte_writer_text(&w, span_make("a\0b", 3));
        byte_writer_text(&w, SPAN_NONE);
        byte_writer_raw(&w, "xyz", 3);
        byte_writer_raw(&w, NULL, 0);
        assert_false(w.failed);
        return w;
}

static bool read_some(ByteReader *r) {
        char raw[3];
        Span text;

        if (byte_reader_u64(r) != UINT64_C(0x0123456789abcdef) || byte_reader_u32(r) != UINT32_MAX)
                return false;
        text = byte_reader_text(r);
        if (!span_equal(text, span_make("a\0b", 3)) || byte_reader_text(r).size != 0)
                return false;
        byte_reader_raw(r, raw, sizeof(raw));
        return memcmp(raw, "xyz", 3) == 0;
}

static void test_round_trip(_unused_ void **state) {
        _cleanup_(byte_writer_done) ByteWriter w = write_some();
        ByteReader r = BYTE_READER(span_make(w.data, w.size));

        assert_int_equal(w.size, 8 + 4 + 4 + 3 + 4 + 3);
        assert_memory_equal(w.data, "\xef\xcd\xab\x89\x67\x45\x23\x01\xff\xff\xff\xff\x03\0\0\0", 16);
        assert_true(read_some(&r));
        assert_true(byte_reader_complete(&r));
        assert_int_equal(byte_reader_u32(&r), 0);
        assert_false(byte_reader_complete(&r));
}

static void test_short(_unused_ void **state) {
        _cleanup_(byte_writer_done) ByteWriter w = write_some();

        for (size_t n = 0; n < w.size; n++) {
                _cleanup_free_ char *copy = malloc(n + 1);
                ByteReader r;
                char raw[4] = "qqqq";

                assert_non_null(copy);
                memcpy(copy, w.data, n);
                r = BYTE_READER(span_make(copy, n));
                assert_false(read_some(&r));
                assert_true(r.failed);
                /* from now on nothing, whatever is left */
                byte_reader_raw(&r, raw, sizeof(raw));
                assert_memory_equal(raw, "\0\0\0\0", 4);
                assert_int_equal(byte_reader_u64(&r), 0);
                assert_null(byte_reader_text(&r).data);
                assert_false(byte_reader_complete(&r));
        }
}

static void test_lengths(_unused_ void **state) {
        ByteReader r = BYTE_READER(span_make("\xff\xff\xff\xff"
                                             "abc",
                7));

        assert_null(byte_reader_text(&r).data);
        assert_true(r.failed);
}

static void test_growth(_unused_ void **state) {
        _cleanup_(byte_writer_done) ByteWriter w = BYTE_WRITER_INIT;
        ByteReader r;

        for (uint32_t i = 0; i < 100000; i++)
                byte_writer_u32(&w, i);
        assert_false(w.failed);
        r = BYTE_READER(span_make(w.data, w.size));
        for (uint32_t i = 0; i < 100000; i++)
                assert_int_equal(byte_reader_u32(&r), i);
        assert_true(byte_reader_complete(&r));
        /* a writer that has failed stays failed and writes nothing */
        w.failed = true;
        byte_writer_u32(&w, 7);
        assert_int_equal(w.size, 400000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_short),
                cmocka_unit_test(test_lengths),
                cmocka_unit_test(test_growth),
        };

        return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
