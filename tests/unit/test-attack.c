/* SPDX-License-Identifier: Apache-2.0 */
/* An attack is good for something if it gets through weak patterns: here are some, and what becomes of them
 * when they are made strong. */
#include "check.h"

#include "match/attack.h"

#define HEAD "[Pattern]\nIdentifier=server\nHint=in\nHint=from\n"
#define FAILURE                                                                                             \
        "[Example]\nLine=Nov 21 01:02:03 mx server[9]: failed: bob from <203.0.113.9>\nClient=user bob\n"   \
        "Verdict=none\n"
#define EXAMPLE                                                                                             \
        "[Example]\nLine=Nov 21 01:02:03 mx server[1]: in <alice> from <192.0.2.7> "                        \
        "ok\nClient=user alice\nAddress=192.0.2.7\n" FAILURE

typedef struct Counted {
        AttackCounts counts;
        unsigned told;
        uint64_t texts;
} Counted;

static void on_failure(void *userdata, const Pattern *p, const Example *e, Span line, const Login *login) {
        Counted *c = userdata;

        c->told++;
        assert_string_equal(p->name, "server");
        if (login)
                assert_true(e && line.size > 0);
}

static void on_text(void *userdata, Span text _unused_) {
        Counted *c = userdata;

        c->texts++;
}

static Counted attack(const char *text) {
        static char *const directories[] = {(char *) ".", NULL};
        PatternSetSettings settings = {.directories = directories, .all = true};
        _cleanup_(pattern_set_freep) PatternSet *set = NULL;
        Counted c = {0};
        const AttackHandlers handlers = {on_failure, on_text, &c};
        IniError error = {""};
        size_t n;

        put_text("server.pattern", text);
        if (pattern_set_load(&settings, &set, &error) < 0)
                fail_msg("%s", error.text);
        assert_ok(attack_pattern(set, pattern_set_patterns(set, &n)[0], &handlers, &c.counts));
        assert_int_equal(c.counts.wrong + c.counts.lost + c.counts.undeclared, c.told);
        assert_true(c.texts > 0 && c.texts <= c.counts.tried);
        assert_int_equal(c.counts.tried, c.counts.genuine + c.counts.none + c.counts.wrong);
        assert_true(c.counts.genuine > 0);
        return c;
}

static void test_strong(void **state _unused_) {
        Counted c = attack(HEAD
                "[Login]\nRegex=\\Ain <(?<user>[^<>]{1,64})> from <(?<ip>[0-9a-f:.]+)> ok\\z\n" EXAMPLE);

        assert_int_equal(c.told, 0);
        assert_true(c.counts.tried > 1000);
}

static void test_weak(void **state _unused_) {
        /* stops at the first closing, and takes anything behind the address */
        assert_true(
                attack(HEAD "[Login]\nRegex=\\Ain <(?<user>.*?)> from <(?<ip>[0-9a-f:.]+)>.*\\z\n" EXAMPLE)
                        .counts.wrong > 0);
        /* not anchored in earnest */
        assert_true(
                attack(HEAD
                        "[Login]\nRegex=\\A.*?in <(?<user>[^>]*)> from <(?<ip>[0-9a-f:.]+)>.*\\z\n" EXAMPLE)
                        .counts.wrong > 0);
        /* no limit, and a logger that cuts */
        assert_true(
                attack(HEAD
                        "[Login]\nRegex=\\Ain <(?<user>[^<>]*)> from <(?<ip>[0-9a-f:.]+)> ok\\z\n" EXAMPLE)
                        .counts.wrong > 0);
        assert_int_equal(attack(HEAD "[Login]\nRegex=\\Ain <(?<user>[^<>]{1,64})> from <(?<ip>[0-9a-f:.]+)> "
                                     "ok\\z\n" EXAMPLE)
                                 .counts.wrong,
                0);
}

static void test_host(void **state _unused_) {
        static const char example[] = "[Example]\nLine=Nov 21 01:02:03 mx server: in from "
                                      "client.example.net [192.0.2.7]\nClient=host client.example.net\n"
                                      "Address=192.0.2.7\n" FAILURE;
        char text[1024];

        (void) snprintf(text, sizeof(text),
                HEAD "[Login]\nRegex=\\Ain from [^0-9]*(?<ip>[0-9.]{7,15}+).*\\z\n%s", example);
        assert_true(attack(text).counts.wrong > 0);
        (void) snprintf(text, sizeof(text),
                HEAD "[Login]\nRegex=\\Ain from [^ ]* \\[(?<ip>[0-9.]+)\\]\\z\n%s", example);
        assert_int_equal(attack(text).told, 0);
}

static void test_quoted(void **state _unused_) {
        static const char example[] = "[Example]\nLine=Nov 21 01:02:03 mx server: in H=(helo) [192.0.2.7] "
                                      "A=x\nClient=helo helo\nAddress=192.0.2.7\n" FAILURE;
        char text[1024];

        (void) snprintf(text, sizeof(text),
                HEAD "[Login]\nRegex=\\Ain H=\\(.*?\\) \\[(?<ip>[0-9.]+)\\] A=x.*\\z\n%s", example);
        assert_true(attack(text).counts.wrong > 0);
        (void) snprintf(text, sizeof(text),
                HEAD "[Login]\nRegex=\\Ain H=\\([^()]{0,64}\\) \\[(?<ip>[0-9.]+)\\] A=x\\z\n%s", example);
        assert_int_equal(attack(text).told, 0);
}

static void test_torn(void **state _unused_) {
        Counted c = attack(
                "[Pattern]\nIdentifier=server\nTearsAt=504\nHint=in\n"
                "[Login]\nRegex=\\Ain <(?<user>[^<>]{1,64})> from <(?<ip>[0-9a-f:.]+)> ok\\z\n" EXAMPLE);

        assert_int_equal(c.told, 0);
        assert_true(c.counts.tried > 2000);
}

static void check_two_lines(const char *examples) {
        char text[2048];

        (void) snprintf(text, sizeof(text),
                HEAD "[Connect]\nRegex=\\Afrom (?<ip>[0-9.]+)\\z\n[Login]\nRegex=\\Ain (?<user>[^ "
                     "]{1,64})\\z\n%s",
                examples);
        assert_int_equal(attack(text).told, 0);
        (void) snprintf(text, sizeof(text),
                HEAD "[Connect]\nRegex=\\A.*from (?<ip>[0-9.]+)\\z\n[Login]\nRegex=\\Ain (?<user>[^ "
                     "]{1,64})\\z\n%s",
                examples);
        assert_true(attack(text).counts.wrong > 0);
}

static void test_two_lines(void **state _unused_) {
        check_two_lines("[Example]\nLine=Nov 21 01:02:03 mx server[1]: from "
                        "192.0.2.7\nClient=nothing\nVerdict=connect\n"
                        "[Example]\nLine=Nov 21 01:02:03 mx server[1]: in alice\nClient=user "
                        "alice\nAddress=192.0.2.7\n" FAILURE);
        /* in one example, with a stranger's between them */
        check_two_lines("[Example]\nLine=Nov 21 01:02:03 mx server[1]: from 192.0.2.7\n"
                        "Line=Nov 21 01:02:03 mx server[2]: from 192.0.2.8\n"
                        "Line=Nov 21 01:02:03 mx server[1]: in alice\nClient=user "
                        "alice\nAddress=192.0.2.7\n" FAILURE);
        /* examples before it that have nothing to do with it */
        check_two_lines("[Example]\nLine=Nov 21 01:02:03 mx server[3]: from "
                        "192.0.2.3\nClient=nothing\nVerdict=connect\n"
                        "[Example]\nLine=Nov 21 01:02:03 mx server[4]: from "
                        "192.0.2.4\nClient=nothing\nVerdict=connect\n"
                        "[Example]\nLine=Nov 21 01:02:03 mx server[1]: from 192.0.2.7\n"
                        "Line=Nov 21 01:02:03 mx server[1]: in alice\nClient=user "
                        "alice\nAddress=192.0.2.7\n" FAILURE);
}

/* A failure that can be made to look like a login, though no login can. */
static void test_failure(void **state _unused_) {
        static const char failure[] = "[Login]\nRegex=\\A(?:failed: .{0,64})?in <(?<user>[^<>]{1,64})> from "
                                      "<(?<ip>[0-9a-f:.]+)> ok.{0,64}\\z\n";
        char text[2048];
        Counted c;

        (void) snprintf(text, sizeof(text), "%s%s%s", HEAD, failure, EXAMPLE);
        c = attack(text);
        assert_true(c.counts.wrong > 0 && c.counts.undeclared == 0);
}

/* A name that is written twice: with what it says in the first place the second one fits. */
static void test_twice(void **state _unused_) {
        static const char example[] =
                "[Example]\nLine=Nov 21 01:02:03 mx server[1]: (alice) in <alice> from <192.0.2.7> ok\n"
                "Client=user alice\nAddress=192.0.2.7\n"
                "[Example]\nLine=Nov 21 01:02:03 mx server[1]: (bob) refused <bob> from <203.0.113.9> ok\n"
                "Client=user bob\nVerdict=none\n";
        char text[2048];

        (void) snprintf(text, sizeof(text),
                HEAD "[Login]\nRegex=\\A\\(.{1,300}\\) in [^=]{0,99}<(?<user>[^<>]{1,64})> from "
                     "<(?<ip>[0-9a-f:.]+)> ok\\z\n%s",
                example);
        assert_true(attack(text).counts.wrong > 0);
        (void) snprintf(text, sizeof(text),
                HEAD "[Login]\nRegex=\\A\\((?<user>[^=<>]{1,64})\\) in <\\k<user>> from "
                     "<(?<ip>[0-9a-f:.]+)> ok\\z\n%s",
                example);
        assert_int_equal(attack(text).told, 0);
}

/* Nobody has said what a client chooses. */
static void test_undeclared(void **state _unused_) {
        static const char regex[] =
                HEAD "[Login]\nRegex=\\Ain <(?<user>[^<>]{1,64})> from <(?<ip>[0-9a-f:.]+)> ok\\z\n";
        static const char login[] = "[Example]\nLine=Nov 21 01:02:03 mx server[1]: in <alice> from "
                                    "<192.0.2.7> ok\nAddress=192.0.2.7\n";
        char text[2048];

        (void) snprintf(text, sizeof(text), "%s%s%s", regex, login, FAILURE);
        assert_int_equal(attack(text).counts.undeclared, 1);
        (void) snprintf(text, sizeof(text), "%s%sClient=user alice\n%s", regex, login,
                "[Example]\nLine=y\nVerdict=none\n");
        assert_int_equal(attack(text).counts.undeclared, 1);
        (void) snprintf(text, sizeof(text), "%s%sClient=user alice\n%s", regex, login, FAILURE);
        assert_int_equal(attack(text).counts.undeclared, 0);
}

/* What is no login here is one elsewhere, and both go by one name. */
static void test_across(void **state _unused_) {
        static const char other[] =
                HEAD "[Login]\nRegex=\\A.*in (?<user>[^ ]{1,64}) at (?<ip>[0-9a-f:.]+) now.*\\z\n"
                     "[Example]\nLine=Nov 21 01:02:03 mx server[1]: in carol at 192.0.2.8 now\nClient=user "
                     "carol\n"
                     "Address=192.0.2.8\n" FAILURE;
        static const char text[] =
                HEAD "[Login]\nRegex=\\Ain <(?<user>[^<>]{1,64})> from <(?<ip>[0-9a-f:.]+)> ok\\z\n" EXAMPLE;

        put_text("z-other.pattern", other);
        assert_true(attack(text).counts.wrong > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_directory(test_strong),
                in_directory(test_weak),
                in_directory(test_host),
                in_directory(test_quoted),
                in_directory(test_torn),
                in_directory(test_two_lines),
                in_directory(test_failure),
                in_directory(test_twice),
                in_directory(test_undeclared),
                in_directory(test_across),
        };

        return cmocka_run_group_tests_name("attack", tests, NULL, NULL);
}
