/* SPDX-License-Identifier: Apache-2.0 */
/* Regexes that do what their examples say and are bad all the same, and what becomes of them when they are
 * mended. */
#include "check.h"

#include "match/pattern-lint.h"

typedef struct Said {
        LintCounts counts;
        unsigned told;
        char last[256];
} Said;

static void on_fault(void *userdata, const Pattern *p, unsigned line, const char *fault) {
        Said *said = userdata;

        said->told++;
        assert_string_equal(p->name, "server");
        assert_int_equal(line, 5);
        (void) snprintf(said->last, sizeof(said->last), "%s", fault);
}

static Said lint(const char *regex) {
        char *const none[] = {NULL};
        _cleanup_(pattern_freep) Pattern *p = NULL;
        Said said = {0};
        IniError error = {""};
        char text[1024];

        (void) snprintf(text, sizeof(text),
                "[Pattern]\nIdentifier=server\nHint=in\n[Login]\nRegex=%s\n[Example]\n"
                "Line=Nov 21 01:02:03 mx server[1]: in <alice> from <192.0.2.7> ok\nAddress=192.0.2.7\n"
                "[Example]\nLine=y\nVerdict=none\n",
                regex);
        put_text("server.pattern", text);
        if (pattern_load("server", "server.pattern", none, false, &p, &error) < 0)
                fail_msg("%s", error.text);
        assert_ok(pattern_lint(p, on_fault, &said, &said.counts));
        assert_int_equal(said.counts.faults, said.told);
        assert_true(said.counts.tried > 500);
        return said;
}

#define GOOD "\\Ain <(?<user>[^<>]{1,64})> from <(?<ip>[0-9a-f:.]{2,45})> ok\\z"

static void test_good(void **state _unused_) {
        Said said = lint(GOOD);

        assert_int_equal(said.told, 0);
        assert_true(said.counts.most_steps < 1000);
        /* behind the address it may be long, as long as it is quick */
        assert_int_equal(lint("\\Ain <(?<user>[^<>]{1,64})> from <(?<ip>[0-9a-f:.]{2,45})>.*\\z").told, 0);
}

static void test_unbounded(void **state _unused_) {
        Said said = lint("\\Ain <(?<user>[^<>]*+)> from <(?<ip>[0-9a-f:.]{2,45})> ok\\z");

        assert_int_equal(said.told, 1);
        assert_string_equal(
                said.last, "text of any length before the address, at character 20; {1,255} is bounded");
}

static void test_slow(void **state _unused_) {
        static const char *const slow[] = {
                /* a name in a loop in a loop: doubles with each letter */
                "\\Ain <(?<user>(?:[a-z]{1,20}){1,20})> from <(?<ip>[0-9a-f:.]{2,45})> ok\\z",
                /* the square of the line */
                "\\Ain <(?<user>[^<>]{1,64})> from <(?<ip>[0-9a-f:.]{2,45})>(?: .*)?(?: .*)?ok\\z",
                "\\Ain <(?<user>[^<>]{1,64})> from <(?<ip>[0-9a-f:.]{2,45})>(?:.(?!.*evil))*\\z",
        };

        for (size_t i = 0; i < ELEMENTSOF(slow); i++) {
                Said said = lint(slow[i]);

                if (said.told != 1 || !strstr(said.last, "steps for 2048, 4096 and 8192 bytes"))
                        fail_msg("%s: %u: %s", slow[i], said.told, said.last);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_good),
                in_directory(test_unbounded),
                in_directory(test_slow),
        };

        return cmocka_run_group_tests_name("pattern-lint", tests, NULL, NULL);
}
