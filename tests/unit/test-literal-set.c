/* SPDX-License-Identifier: Apache-2.0 */
/* The same answers as memmem(3), faster. */
#include "check.h"

#include "match/literal-set.h"

static void test_words(void **state _unused_) {
        char *const texts[] = {
                (char *) "Login: user=<", (char *) "Logged in", (char *) ">: Disconnected", NULL};
        LiteralSet s;

        assert_ok(literal_set_init(&s, texts));
        assert_true(literal_set_matches(&s, SPAN_LITERAL("imap-login: Login: user=<alice>")));
        assert_true(literal_set_matches(&s, SPAN_LITERAL("Logged in")));
        assert_true(literal_set_matches(&s, SPAN_LITERAL("x Logged in")));
        assert_true(literal_set_matches(&s, SPAN_LITERAL("imap(alice)<1><x>: Disconnected: x")));
        assert_false(literal_set_matches(&s, SPAN_LITERAL("Login: user=")));
        assert_false(literal_set_matches(&s, SPAN_LITERAL("Logged i")));
        assert_false(literal_set_matches(&s, SPAN_LITERAL("ogged in")));
        assert_false(literal_set_matches(&s, SPAN_LITERAL("")));
        assert_false(literal_set_matches(&s, SPAN_NONE));
        literal_set_done(&s);
}

static void test_none(void **state _unused_) {
        char *const texts[] = {NULL};
        LiteralSet s;

        assert_ok(literal_set_init(&s, texts));
        assert_false(literal_set_matches(&s, SPAN_LITERAL("x")));
        literal_set_done(&s);
        assert_ok(literal_set_init(&s, NULL));
        assert_false(literal_set_matches(&s, SPAN_LITERAL("x")));
        literal_set_done(&s);
}

/* Short texts over a small alphabet, of which the literals may be parts, meet every case. */
static void test_like_memmem(void **state _unused_) {
        static const char alphabet[] = "aB <";
        uint64_t seed = 42;

        for (unsigned round = 0; round < 20000; round++) {
                char words[3][9], text[40];
                char *texts[4] = {words[0], words[1], words[2], NULL};
                size_t size = next_random(&seed) % sizeof(text);
                bool wanted = false;
                LiteralSet s;

                for (size_t i = 0; i < size; i++)
                        text[i] = alphabet[next_random(&seed) % 4];
                for (size_t i = 0; i < 3; i++) {
                        size_t n = 1 + next_random(&seed) % 8, from = next_random(&seed) % sizeof(text);

                        for (size_t k = 0; k < n; k++)
                                words[i][k] = alphabet[next_random(&seed) % 4];
                        if (from + n <= size && next_random(&seed) % 8 == 0)
                                memcpy(words[i], text + from, n);
                        words[i][n] = 0;
                        wanted |= memmem(text, size, words[i], n) != NULL;
                }
                assert_ok(literal_set_init(&s, texts));
                assert_int_equal(literal_set_matches(&s, span_make(text, size)), wanted);
                literal_set_done(&s);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words),
                cmocka_unit_test(test_none),
                cmocka_unit_test(test_like_memmem),
        };

        return cmocka_run_group_tests_name("literal-set", tests, NULL, NULL);
}
