/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "basic/json-writer.h"

static char *written;
static size_t written_size;

static void begin(JsonWriter *w) {
        FILE *f = open_memstream(&written, &written_size);

        assert_non_null(f);
        json_writer_init(w, f);
}

static void expect(JsonWriter *w, const char *text) {
        assert_int_equal(fclose(w->stream), 0);
        assert_string_equal(written, text);
        free(written);
}

static void test_structure(_unused_ void **state) {
        JsonWriter w;

        begin(&w);
        json_begin_array(&w);
        json_begin_object(&w);
        json_key(&w, "a");
        json_u64(&w, UINT64_MAX);
        json_key(&w, "b");
        json_begin_array(&w);
        json_bool(&w, true);
        json_bool(&w, false);
        json_null(&w);
        json_begin_object(&w);
        json_end_object(&w);
        json_end_array(&w);
        json_key(&w, "c");
        json_string(&w, NULL);
        json_key(&w, "d");
        json_string(&w, "x");
        json_end_object(&w);
        json_begin_object(&w);
        json_end_object(&w);
        json_end_array(&w);
        expect(&w, "[{\"a\":18446744073709551615,\"b\":[true,false,null,{}],\"c\":null,\"d\":\"x\"},{}]");
}

static void test_quoting(_unused_ void **state) {
        static const struct {
                Span text;
                const char *json;
        } cases[] = {
                {SPAN_NONE, "\"\""},
                {SPAN_LITERAL("a\"b\\c/d"), "\"a\\\"b\\\\c/d\""},
                {{"\n\t\0\x1f\x7f", 5}, "\"\\u000a\\u0009\\u0000\\u001f\\u007f\""},
                {SPAN_LITERAL("grün €"), "\"grün €\""},
                {SPAN_LITERAL("\xf0\x9f\x93\xa7"), "\"\xf0\x9f\x93\xa7\""},
                /* no UTF-8: a lone continuation, a cut sequence, overlong, a surrogate, beyond U+10FFFF, 0xff */
                {SPAN_LITERAL("a\x80z"), "\"a\xef\xbf\xbdz\""},
                {SPAN_LITERAL("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\""},
                {SPAN_LITERAL("\xc0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\""},
                {SPAN_LITERAL("\xe0\x80\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
                {SPAN_LITERAL("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
                {SPAN_LITERAL("\xf4\x90\x80\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
                {SPAN_LITERAL("\xff"), "\"\xef\xbf\xbd\""},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                JsonWriter w;

                begin(&w);
                json_text(&w, cases[i].text);
                expect(&w, cases[i].json);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_structure),
                cmocka_unit_test(test_quoting),
        };

        return cmocka_run_group_tests_name("json-writer", tests, NULL, NULL);
}
