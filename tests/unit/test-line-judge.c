/* SPDX-License-Identifier: Apache-2.0 */
/* From a whole line to a verdict: which patterns are asked, and what the reason says. */
#include "check.h"

#include "match/line-judge.h"

#define NOW (UINT64_C(1800000000) * USEC_PER_SEC)
#define EXAMPLES                                                                                            \
        "[Example]\nLine=x\nAddress=192.0.2.7\n"                                                            \
        "[Example]\nLine=y\nVerdict=none\n"
#define LOGIN "[Login]\nRegex=\\Ain: (?<ip>\\S+) (?<user>.+)\\z\nService=imap\n" EXAMPLES

typedef struct Fixture {
        PatternSet *set;
        LineJudge *judge;
        Login login;
        const Pattern *pattern;
} Fixture;

static int begin(void **state) {
        static char *const directories[] = {(char *) ".", NULL};
        PatternSetSettings settings = {.directories = directories, .all = true};
        Fixture *f = calloc(1, sizeof(Fixture));
        IniError error = {""};

        if (!f || enter_directory(state) < 0)
                return -1;
        put_text("server.pattern",
                "[Pattern]\nIdentifier=server sv\nHeader=syslog dovecot\nHint=in:\n" LOGIN);
        put_text("journal.pattern", "[Pattern]\nIdentifier=proxyd\nJournalOnly=yes\nHint=in:\n" LOGIN);
        put_text("option.pattern",
                "[Pattern]\nIdentifier=optional\nOptIn=yes\nHeader=syslog exim\nHint=in:\n" LOGIN);
        put_text("torn.pattern", "[Pattern]\nIdentifier=torn\nTearsAt=100\nHint=in:\n" LOGIN);
        put_text("own.pattern", "[Pattern]\nIdentifier=own\nHeader=tai64n\nHint=in:\n" LOGIN);
        put_text("named.pattern", "[Pattern]\nIdentifier=named\nHint=in:\n[Login]\nRegex=\\Ain: "
                                  "(?:(?<ip>[0-9.]+)|(?<host>.*)) (?<user>\\S+)\\z\n" EXAMPLES);
        put_text("pair.pattern", "[Pattern]\nIdentifier=pair\nHint=from\nHint=done\n"
                                 "[Connect]\nRegex=\\Afrom (?<ip>\\S+)\\z\n[Login]\nRegex=\\Adone "
                                 "(?<user>\\S+)\\z\n" EXAMPLES);
        if (pattern_set_load(&settings, &f->set, &error) < 0) {
                print_error("%s\n", error.text);
                return -1;
        }
        if (leave_directory(state) < 0 || line_judge_new(f->set, &f->judge) < 0)
                return -1;
        *state = f;
        return 0;
}

static int end(void **state) {
        Fixture *f = *state;

        line_judge_free(f->judge);
        pattern_set_free(f->set);
        free(f);
        return 0;
}

static MatchVerdict judge(Fixture *f, const char *line) {
        line_judge(f->judge, span_from_string(line), false, NOW, &f->login, &f->pattern);
        return f->login.verdict;
}

static void assert_login(Fixture *f, const char *line, const char *pattern, const char *reason) {
        char address[IP_TEXT_BYTES];

        assert_int_equal(judge(f, line), MATCH_LOGIN);
        assert_string_equal(ip_addr_format(address, &f->login.address), "192.0.2.7");
        assert_true(span_equal_string(f->login.user, "alice"));
        assert_true(span_equal_string(f->login.service, "imap"));
        assert_string_equal(f->login.pattern, pattern);
        assert_string_equal(f->pattern->name, pattern);
        assert_string_equal(strempty(f->login.reason), reason);
}

/* Of a line with an address the address counts; what is not surely a host name is none. */
static void test_host_names(void **state) {
        static const char *const names[] = {"pc.example.net", "1.2.3.x", "A-b.c1", "x.y"};
        static const char *const others[] = {"", "localhost", "pc.example.net.", ".example.net", "a..b",
                "-a.b", "a-.b", "a.b-", "a_b.example", "1.2.3.4.5", "0x7f.1", "a.2130706433", "a.b c",
                "\xc3\xa4.example", "a.b:1"};
        Fixture *f = *state;
        char line[512], label[65] = "";

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void) snprintf(line, sizeof(line), "Nov 21 01:02:03 mx named: in: %s alice", names[i]);
                assert_int_equal(judge(f, line), MATCH_NAMED);
                assert_true(span_equal_string(f->login.host, names[i]));
                assert_true(span_equal_string(f->login.user, "alice"));
                assert_false(f->login.has_address);
        }
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                (void) snprintf(line, sizeof(line), "Nov 21 01:02:03 mx named: in: %s alice", others[i]);
                assert_int_equal(judge(f, line), MATCH_REFUSED);
                assert_int_equal(f->login.host.size, 0);
        }
        assert_int_equal(judge(f, "Nov 21 01:02:03 mx named: in: 192.0.2.7 alice"), MATCH_LOGIN);
        assert_int_equal(f->login.host.size, 0);
        memset(label, 'a', 64);
        (void) snprintf(line, sizeof(line), "Nov 21 01:02:03 mx named: in: %.63s.b alice", label);
        assert_int_equal(judge(f, line), MATCH_NAMED);
        (void) snprintf(line, sizeof(line), "Nov 21 01:02:03 mx named: in: %.64s.b alice", label);
        assert_int_equal(judge(f, line), MATCH_REFUSED);
        (void) snprintf(line, sizeof(line), "Nov 21 01:02:03 mx named: in: %.63s.%.63s.%.63s.%.61s alice",
                label, label, label, label);
        assert_int_equal(judge(f, line), MATCH_NAMED);
        (void) snprintf(line, sizeof(line), "Nov 21 01:02:03 mx named: in: %.63s.%.63s.%.63s.%.62s alice",
                label, label, label, label);
        assert_int_equal(judge(f, line), MATCH_REFUSED);
}

static void test_by_identifier(void **state) {
        Fixture *f = *state;

        assert_login(f, "Nov 21 01:02:03 mx server[12]: in: 192.0.2.7 alice", "server", "");
        assert_login(f, "2026-11-21T01:02:03.1+01:00 mx sv: in: 192.0.2.7 alice", "server", "");
        assert_login(
                f, "Nov 21 01:02:03 mx optional: in: 192.0.2.7 alice", "option", "only with Enable=option");
        assert_int_equal(judge(f, "Nov 21 01:02:03 mx server: out"), MATCH_NONE);
        assert_null(f->pattern);
        assert_int_equal(judge(f, "Nov 21 01:02:03 mx server: in: bad"), MATCH_HINT);
        assert_string_equal(f->login.pattern, "server");
}

static void test_unknown_identifier(void **state) {
        Fixture *f = *state;

        assert_login(f, "Nov 21 01:02:03 mx myserver: in: 192.0.2.7 alice", "server",
                "needs Identifier=myserver in server.pattern.d/");
        /* "sv" is too short to be looked for in other words */
        assert_int_equal(judge(f, "Nov 21 01:02:03 mx my-sv: in: 192.0.2.7 alice"), MATCH_NONE);
        assert_int_equal(judge(f, "Nov 21 01:02:03 mx sshd[1]: in: 192.0.2.7 alice"), MATCH_NONE);
        assert_null(f->login.reason);
        for (unsigned i = 0; i < 5000; i++) {
                char line[128];

                (void) snprintf(line, sizeof(line), "Nov 21 01:02:03 mx x%u%s: in: 192.0.2.7 alice", i,
                        i % 2 ? "server" : "serve");
                assert_int_equal(judge(f, line), i % 2 ? MATCH_LOGIN : MATCH_NONE);
        }
        assert_login(f,
                "Nov 21 01:02:03 mx a-very-long-name-that-has-no-place-in-the-cache-but-ends-in-server: "
                "in: 192.0.2.7 alice",
                "server",
                "needs Identifier=a-very-long-name-that-has-no-place-in-the-cache-but-ends-in-server in "
                "server.pattern.d/");
}

static void test_other_heads(void **state) {
        Fixture *f = *state;

        assert_login(f, "Nov 21 01:02:03 in: 192.0.2.7 alice", "server", "needs File=PATH server");
        assert_login(f, "2026-11-21 01:02:03 +0100 [12] in: 192.0.2.7 alice", "option",
                "needs File=PATH option; only with Enable=option");
        assert_login(f, "@40000000654321ff12345678 in: 192.0.2.7 alice", "own", "needs File=PATH own");
        assert_int_equal(judge(f, "in: 192.0.2.7 alice"), MATCH_NONE);
        assert_string_equal(f->login.reason, "no known line head");
        assert_int_equal(judge(f, ""), MATCH_NONE);
        assert_int_equal(judge(f, "2026-11-21 01:02:03 +0100 [12] in: bad"), MATCH_HINT);
        assert_non_null(strstr(f->login.reason, "; needs File=PATH "));
}

static void test_journal_only(void **state) {
        Fixture *f = *state;

        assert_login(
                f, "Nov 21 01:02:03 mx proxyd: in: 192.0.2.7 alice", "journal", "only from the journal");
        assert_int_equal(judge(f, "Nov 21 01:02:03 mx proxyd: in: 192.0.2.7 alice#012"), MATCH_HINT);
        /* elsewhere these four bytes may be a name's own */
        assert_int_equal(judge(f, "Nov 21 01:02:03 mx server: in: 192.0.2.7 alice#012"), MATCH_LOGIN);
}

static void test_state(void **state) {
        Fixture *f = *state;
        char line[256];

        assert_int_equal(judge(f, "Nov 21 01:02:03 mx pair[7]: done alice"), MATCH_REFUSED);
        assert_int_equal(judge(f, "Nov 21 01:02:03 mx pair[7]: from 192.0.2.7"), MATCH_CONNECT);
        assert_int_equal(judge(f, "Nov 21 01:02:03 mx pair[8]: done alice"), MATCH_REFUSED);
        assert_int_equal(judge(f, "Nov 21 01:02:03 mx pair[7]: done alice"), MATCH_LOGIN);
        (void) snprintf(line, sizeof(line), "Nov 21 01:02:03 mx torn: failed%0100d", 0);
        assert_int_equal(judge(f, line), MATCH_NONE);
        assert_int_equal(judge(f, "Nov 21 01:02:03 mx torn: in: 192.0.2.7 alice"), MATCH_TORN);
        assert_login(f, "Nov 21 01:02:03 mx torn: in: 192.0.2.7 alice", "torn", "");
        assert_int_equal(judge(f, line), MATCH_NONE);
        assert_ok(line_judge_reset(f->judge));
        assert_login(f, "Nov 21 01:02:03 mx torn: in: 192.0.2.7 alice", "torn", "");
        assert_int_equal(judge(f, "Nov 21 01:02:03 mx pair[7]: done alice"), MATCH_REFUSED);
}

static void test_cut(void **state) {
        Fixture *f = *state;

        line_judge(f->judge, SPAN_LITERAL("Nov 21 01:02:03 mx server: in: 192.0.2.7 alice"), true, NOW,
                &f->login, &f->pattern);
        assert_int_equal(f->login.verdict, MATCH_HINT);
}

#define judging(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void) {
        const struct CMUnitTest tests[] = {
                judging(test_by_identifier),
                judging(test_host_names),
                judging(test_unknown_identifier),
                judging(test_other_heads),
                judging(test_journal_only),
                judging(test_state),
                judging(test_cut),
        };

        return cmocka_run_group_tests_name("line-judge", tests, NULL, NULL);
}
