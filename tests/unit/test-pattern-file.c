/* SPDX-License-Identifier: Apache-2.0 */
/* One pattern's file: what it may say, every error with its place, drop-ins, masks. */
#include "check.h"

#include "match/pattern-file.h"

#define HEAD "[Pattern]\nIdentifier=d\nHint=in\n"
#define RULE "[Login]\nRegex=\\Ain (?<ip>.+)\\z\n"
#define CONNECT "[Connect]\nRegex=\\Afrom (?<ip>.+)\\z\n"
#define LINES "Line=1\nLine=2\nLine=3\nLine=4\n"
#define EXAMPLES "[Example]\nLine=x\nAddress=192.0.2.7\n[Example]\nLine=y\nVerdict=none\n"

static char *const drop_ins[] = {(char *) "first", (char *) "second", NULL};

static Pattern *load(const char *text) {
        IniError error = {""};
        Pattern *p = NULL;

        put_text("p.pattern", text);
        if (pattern_load("p", "p.pattern", drop_ins, false, &p, &error) < 0)
                fail_msg("%s", error.text);
        return p;
}

static void check_error(const char *text, const char *reason) {
        IniError error = {""};
        Pattern *p = NULL;

        put_text("p.pattern", text);
        assert_true(pattern_load("p", "p.pattern", drop_ins, false, &p, &error) < 0);
        assert_null(p);
        assert_string_equal(error.text, reason);
}

static void test_everything(_unused_ void **state) {
        _cleanup_(pattern_freep) Pattern *p =
                load("[Pattern]\nDescription=A server\nIdentifier=a b\nIdentifier=c\nUnit=a.service "
                     "b@*.service\nUID=root 5\n"
                     "Trust=users\nOptIn=yes\nJournalOnly=on\nHint=  in, user= \nHint=x y\nHeader=dovecot "
                     "tai64n\nTearsAt=504\n"
                     "[Connect]\nRegex=\\A(?<ip>.+) connects\\z\n[Login]\nRegex=\\A(?<user>.+) is "
                     "in\\z\nService=imap\n"
                     "[Logout]\nRegex=\\A(?<key>.+) is "
                     "out\\z\n[Restart]\nRegex=\\Aup\\z\n[Ignore]\nRegex=\\Ano\\z\n"
                     "[Example]\nLine=Nov  1 a = b ; c\nAddress=::1\nUser=u v\nService=s\n"
                     "[Example]\nLine=n\nVerdict=logout\n[Example]\nLine=n\n[Example]\nLine=a\nLine=b\nLine="
                     "c\nVerdict="
                     "connect\nAddress=192.0.2.7\n");

        assert_string_equal(p->name, "p");
        assert_string_equal(p->description, "A server");
        assert_int_equal(p->identifiers.n, 3);
        assert_string_equal(p->identifiers.items[2], "c");
        assert_int_equal(p->uids.n, 2);
        assert_string_equal(p->uids.items[0], "0");
        assert_true(p->trusts_users && p->opt_in && p->journal_only);
        assert_int_equal(p->hints.n, 2);
        assert_string_equal(p->hints.items[0], "in, user=");
        assert_true(p->heads[LOG_HEAD_DOVECOT] && p->heads[LOG_HEAD_TAI64N] && !p->heads[LOG_HEAD_SYSLOG]);
        assert_int_equal(p->tears_at, 504);
        assert_int_equal(p->n_rules, 5);
        assert_int_equal(p->rules[0].kind, RULE_CONNECT);
        assert_int_equal(p->rules[1].kind, RULE_LOGIN);
        assert_string_equal(p->rules[1].service, "imap");
        assert_int_equal(p->rules[1].line, 17);
        assert_int_equal(p->rules[4].kind, RULE_IGNORE);
        assert_int_equal(p->n_examples, 4);
        assert_string_equal(p->examples[0].line, "Nov  1 a = b ; c");
        assert_int_equal(p->examples[0].verdict, MATCH_LOGIN);
        assert_string_equal(p->examples[0].user, "u v");
        assert_int_equal(p->examples[1].verdict, MATCH_LOGOUT);
        assert_int_equal(p->examples[2].verdict, MATCH_NONE);
        assert_int_equal(p->examples[3].verdict, MATCH_CONNECT);
        assert_int_equal(p->examples[0].before.n, 0);
        assert_int_equal(p->examples[3].before.n, 2);
        assert_string_equal(p->examples[3].before.items[0], "a");
        assert_string_equal(p->examples[3].before.items[1], "b");
        assert_string_equal(p->examples[3].line, "c");
}

static void test_defaults(_unused_ void **state) {
        _cleanup_(pattern_freep) Pattern *p = load(HEAD RULE EXAMPLES);

        assert_true(p->heads[LOG_HEAD_SYSLOG]);
        assert_false(p->trusts_users || p->opt_in || p->journal_only);
        assert_int_equal(p->tears_at, 0);
        /* nobody is trusted who is not named */
        assert_false(
                pattern_has_unit(p, SPAN_LITERAL("")) || pattern_has_unit(p, SPAN_LITERAL("d.service")));
        assert_false(pattern_has_uid(p, SPAN_LITERAL("")) || pattern_has_uid(p, SPAN_LITERAL("0")));
}

static void test_errors(_unused_ void **state) {
        static const struct {
                const char *text, *reason;
        } cases[] = {
                {"nonsense\n", "p.pattern:1: neither [Section], Key=value nor a comment"},
                {"Hint=x\n", "p.pattern:1: an assignment before the first [Section]"},
                {"[Pattern\n", "p.pattern:1: a section's head must look like [Name]"},
                {"[Patterns]\n", "p.pattern:1: unknown section [Patterns]"},
                {"[pattern]\n", "p.pattern:1: unknown section [pattern]"},
                {HEAD "Colour=red\n", "p.pattern:4: unknown key Colour= in [Pattern]"},
                {HEAD "hint=x\n", "p.pattern:4: unknown key hint= in [Pattern]"},
                {HEAD "Trust=all\n", "p.pattern:4: Trust=all: not a value for it (Invalid argument)"},
                {HEAD "Trust=\n", "p.pattern:4: Trust=: not a value for it (Invalid argument)"},
                {HEAD "OptIn=maybe\n", "p.pattern:4: OptIn=maybe: not a value for it (Invalid argument)"},
                {HEAD "JournalOnly=2\n",
                        "p.pattern:4: JournalOnly=2: not a value for it (Invalid argument)"},
                {HEAD "Header=syslog x\n",
                        "p.pattern:4: Header=syslog x: not a value for it (Invalid argument)"},
                {HEAD "TearsAt=-1\n", "p.pattern:4: TearsAt=-1: not a value for it (Invalid argument)"},
                {HEAD "TearsAt=65537\n",
                        "p.pattern:4: TearsAt=65537: not a value for it (Numerical result out of range)"},
                {HEAD "[Login]\nColour=red\n", "p.pattern:5: unknown key Colour= in [Login]"},
                {HEAD "[Login]\nRegex=a\n", "p.pattern:5: Regex=: it must begin with \\A and end with \\z"},
                {HEAD "[Login]\nRegex=\\A(\\z\n",
                        "p.pattern:5: Regex=: missing closing parenthesis, at character 6"},
                {HEAD "[Login]\nRegex=\\A(?<who>a)\\z\n", "p.pattern:5: Regex=: unknown group <who>; there "
                                                          "are ip, host, user, service and key"},
                {HEAD RULE "Regex=\\Aa\\z\n",
                        "p.pattern:6: a second Regex= in one [Login]: begin another section"},
                {HEAD "[Example]\nVerdict=yes\n", "p.pattern:5: Verdict=yes: no such verdict"},
                {HEAD "[Example]\n" LINES LINES LINES LINES "Line=17\n",
                        "p.pattern:21: more than 16 lines in one [Example]"},
                {HEAD "[Example]\nColour=red\n", "p.pattern:5: unknown key Colour= in [Example]"},
                {HEAD "[Login]\n" EXAMPLES, "p.pattern:4: [Login] without Regex="},
                {HEAD RULE "[Ignore]\nService=x\n" EXAMPLES, "p.pattern:6: [Ignore] without Regex="},
                {HEAD "[Login]\nRegex=\\A(?<user>a)\\z\n" EXAMPLES,
                        "p.pattern:5: [Login] needs a group <ip>"},
                {HEAD RULE "[Connect]\nRegex=\\Aa\\z\n" EXAMPLES,
                        "p.pattern:7: [Connect] needs a group <ip>"},
                {HEAD RULE "[Logout]\nRegex=\\Aa\\z\n" EXAMPLES,
                        "p.pattern:7: [Logout] needs a group <key>"},
                {HEAD RULE "AnyUID=yes\n" EXAMPLES,
                        "p.pattern:5: AnyUID= is for a [Login] without the groups <ip>, <host> and <key>"},
                {HEAD CONNECT "[Login]\nRegex=\\A(?<key>a)\\z\nAnyUID=yes\n" EXAMPLES,
                        "p.pattern:7: AnyUID= is for a [Login] without the groups <ip>, <host> and <key>"},
                {HEAD CONNECT "[Login]\nRegex=\\A(?<host>a)\\z\nAnyUID=yes\n" EXAMPLES,
                        "p.pattern:7: AnyUID= is for a [Login] without the groups <ip>, <host> and <key>"},
                {HEAD RULE CONNECT "AnyUID=yes\n" EXAMPLES,
                        "p.pattern:7: AnyUID= is for a [Login] without the groups <ip>, <host> and <key>"},
                {HEAD RULE "AnyUID=root\n", "p.pattern:6: AnyUID=root: neither yes nor no"},
                {HEAD RULE EXAMPLES "[Example]\nUser=x\n", "p.pattern:12: [Example] without Line="},
                {HEAD EXAMPLES, "p.pattern: no [Login] section"},
                {"[Pattern]\nIdentifier=d\n" RULE EXAMPLES,
                        "p.pattern: no Hint= in [Pattern]: a text that every login has"},
                {HEAD "Hint=\n" RULE EXAMPLES,
                        "p.pattern: no Hint= in [Pattern]: a text that every login has"},
                {"[Pattern]\nHint=x\nHeader=\n" RULE EXAMPLES,
                        "p.pattern: neither Identifier= nor Header= in [Pattern]"},
                {HEAD RULE,
                        "p.pattern: a pattern needs an [Example] of a login and one of a line that is none"},
                {HEAD RULE "[Example]\nLine=x\nAddress=::1\n",
                        "p.pattern: a pattern needs an [Example] of a login and one of a line that is none"},
                {HEAD RULE "[Example]\nLine=x\n",
                        "p.pattern: a pattern needs an [Example] of a login and one of a line that is none"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_error(cases[i].text, cases[i].reason);
}

static void test_units(_unused_ void **state) {
        static const char *const bad[] = {"d", "*", "*.service", "d*.service", "d@*", "d@*x.service",
                "d@*.*", "d@**.service", "d@?.service", "d?.service", "d[a].service", "@*.service",
                "d.service d@a*.service", "a."};
        static const char *const instances[] = {"d@a.service", "d@a-b.c.service", "d@0.service"};
        static const char *const others[] = {"d@.service", "d@a.socket", "d@a@b.service", "d@a.servicex",
                "xd@a.service", "d@", "d.service", "d@*.servic", "e.service.d", "xe.service", ""};
        char text[200], reason[200];
        Pattern *p;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                (void) snprintf(text, sizeof(text), HEAD "Unit=%s\n", bad[i]);
                (void) snprintf(reason, sizeof(reason),
                        "p.pattern:4: Unit=%s: not a value for it (Invalid argument)", bad[i]);
                check_error(text, reason);
        }
        p = load(HEAD "Unit=d@*.service e.service\n" RULE EXAMPLES);
        assert_true(pattern_has_unit(p, SPAN_LITERAL("e.service")));
        for (size_t i = 0; i < ELEMENTSOF(instances); i++)
                assert_true(pattern_has_unit(p, span_from_string(instances[i])));
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_false(pattern_has_unit(p, span_from_string(others[i])));
        assert_false(pattern_has_unit(p, SPAN_NONE));
        assert_false(pattern_has_unit(p, SPAN_LITERAL("e.service\0")));
        pattern_free(p);
}

static void test_uids(_unused_ void **state) {
        _cleanup_(pattern_freep) Pattern *p =
                load(HEAD "UID=4294967295 no-such-user 007 root\n" RULE EXAMPLES);

        /* -1 is nobody's, and a user that this host does not know is not there */
        assert_int_equal(p->uids.n, 2);
        assert_true(pattern_has_uid(p, SPAN_LITERAL("7")) && pattern_has_uid(p, SPAN_LITERAL("0")));
        assert_false(
                pattern_has_uid(p, SPAN_LITERAL("007")) || pattern_has_uid(p, SPAN_LITERAL("4294967295")));
        assert_false(pattern_has_uid(p, SPAN_LITERAL("")) || pattern_has_uid(p, SPAN_NONE));
}

static void test_drop_ins(_unused_ void **state) {
        IniError error = {""};
        Pattern *p;

        assert_int_equal(mkdir("first", 0755), 0);
        assert_int_equal(mkdir("first/p.pattern.d", 0755), 0);
        assert_int_equal(mkdir("second", 0755), 0);
        assert_int_equal(mkdir("second/p.pattern.d", 0755), 0);
        put_text("first/p.pattern.d/20.conf", "[Pattern]\nUnit=\nUnit=c.service\n");
        put_text("first/p.pattern.d/10.conf",
                "[Pattern]\nUnit=b.service\nDescription=changed\nTrust=users\n");
        put_text("second/p.pattern.d/10.conf",
                "[Login]\nRegex=\\Aalso (?<ip>.+)\\z\n[Pattern]\nTrust=unit\n");
        put_text("second/p.pattern.d/readme", "nonsense");
        p = load(HEAD "Unit=a.service\n" RULE EXAMPLES);
        assert_int_equal(p->units.n, 1);
        assert_string_equal(p->units.items[0], "c.service");
        assert_string_equal(p->description, "changed");
        assert_false(p->trusts_users);
        assert_int_equal(p->n_rules, 2);
        pattern_free(p);
        put_text("second/p.pattern.d/30.conf", "[Pattern]\nUnit=*\n");
        p = NULL;
        assert_int_equal(pattern_load("p", "p.pattern", drop_ins, false, &p, &error), -EINVAL);
        assert_string_equal(
                error.text, "second/p.pattern.d/30.conf:2: Unit=*: not a value for it (Invalid argument)");
        /* another pattern's are not ours */
        assert_ok(pattern_load("q", "p.pattern", drop_ins, false, &p, &error));
        assert_string_equal(p->units.items[0], "a.service");
        pattern_free(p);
}

static void test_masks(_unused_ void **state) {
        IniError error = {""};
        Pattern *p = (Pattern *) 1;

        put_text("p.pattern", "");
        assert_ok(pattern_load("p", "p.pattern", drop_ins, false, &p, &error));
        assert_null(p);
        p = (Pattern *) 1;
        put_text("p.pattern", "# nothing but this\n\n; and this\n");
        assert_ok(pattern_load("p", "p.pattern", drop_ins, false, &p, &error));
        assert_null(p);
        assert_ok(pattern_load("p", "/dev/null", drop_ins, false, &p, &error));
        assert_null(p);
        assert_int_equal(pattern_load("p", "not-there", drop_ins, false, &p, &error), -ENOENT);
        assert_string_equal(error.text, "not-there: cannot be read: No such file or directory");
}

static void check_many(const char *section, unsigned n, const char *reason) {
        _cleanup_free_ char *text = malloc(n * strlen(section) + 1);

        assert_non_null(text);
        text[0] = 0;
        for (unsigned i = 0; i < n; i++)
                memcpy(text + i * strlen(section), section, strlen(section) + 1);
        check_error(text, reason);
}

static void test_bounds(_unused_ void **state) {
        check_many("[Login]\n", 65, "p.pattern:65: more than 64 rules");
        check_many("[Example]\n", 257, "p.pattern:257: more than 256 examples");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_everything),
                in_directory(test_defaults),
                in_directory(test_errors),
                in_directory(test_units),
                in_directory(test_uids),
                in_directory(test_drop_ins),
                in_directory(test_masks),
                in_directory(test_bounds),
        };

        return cmocka_run_group_tests_name("pattern-file", tests, NULL, NULL);
}
