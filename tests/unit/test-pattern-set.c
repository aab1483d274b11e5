/* SPDX-License-Identifier: Apache-2.0 */
/* What is a login and what only looks like one: dispatch, trust, torn streams, joins. 6.6.6.6 is never
 * right. */
#include "check.h"

#include "match/pattern-set.h"
#include "record-builder.h"

#define EXAMPLES                                                                                            \
        "[Example]\nLine=x\nAddress=192.0.2.7\n"                                                            \
        "[Example]\nLine=y\nVerdict=none\n"

/* A server whose messages are torn, and three more that share identifiers. */
static const char torn_pattern[] =
        "[Pattern]\nIdentifier=pop3d imapd\nUnit=courier.service\nUID=0\nTearsAt=504\nHint=LOGIN\n"
        "[Login]\nRegex=\\ALOGIN, user=(?<user>[^,]+), "
        "ip=\\[(?<ip>[0-9a-f:.]+)\\]\\z\nService=POP3\n" EXAMPLES;
static const char plain_pattern[] =
        "[Pattern]\nIdentifier=pop3d\nUnit=cyrus.service cyrus@*.service\nUID=0 7\nHint=login:\nHint=gone\n"
        "[Login]\nRegex=\\Alogin: (?<ip>\\S+) (?<user>\\S+)(?: (?<key>\\S+))?(?: via (?<service>\\S+))?\\z\n"
        "[Logout]\nRegex=\\Agone: (?<key>\\S+)\\z\n"
        "[Ignore]\nRegex=\\Alogin: nobody\\z\n"
        "[Restart]\nRegex=\\Aall gone\\z\n" EXAMPLES;
static const char two_line_pattern[] =
        "[Pattern]\nIdentifier=popa3d\nUnit=popa3d.service\nUID=0\nHint=Session\nHint=passed\n"
        "[Connect]\nRegex=\\ASession from (?<ip>\\S+)(?: id (?<key>\\S+))?\\z\n"
        "[Login]\nRegex=\\A(?:(?<key>\\S+): )?passed for (?<user>\\S+)\\z\n"
        "[Login]\nAnyUID=yes\nRegex=\\Apassed, now he: (?<user>\\S+)\\z\n" EXAMPLES;
static const char journal_pattern[] =
        "[Pattern]\nIdentifier=nginx\nUnit=nginx.service\nUID=0\nJournalOnly=yes\nHint=in:\n"
        "[Login]\nRegex=\\Ain: (?<ip>\\S+)\\z\n" EXAMPLES;
static const char headless_pattern[] =
        "[Pattern]\nHeader=dovecot\nUnit=d.service\nUID=0\nOptIn=yes\nHint=in:\n"
        "[Login]\nRegex=\\Ain: (?<ip>\\S+)\\z\n" EXAMPLES;

typedef struct Fixture {
        PatternSet *set;
        StreamState *streams;
        TestRecord record;
        Login login;
} Fixture;

static int begin(void **state) {
        static char *const directories[] = {(char *) "override", (char *) "patterns", NULL};
        PatternSetSettings settings = {.directories = directories, .all = true};
        Fixture *f = calloc(1, sizeof(Fixture));
        IniError error = {""};

        if (!f || enter_directory(state) < 0 || mkdir("patterns", 0755) < 0)
                return -1;
        put_text("patterns/torn.pattern", torn_pattern);
        put_text("patterns/plain.pattern", plain_pattern);
        put_text("patterns/two-line.pattern", two_line_pattern);
        put_text("patterns/journal.pattern", journal_pattern);
        put_text("patterns/headless.pattern", headless_pattern);
        if (pattern_set_load(&settings, &f->set, &error) < 0) {
                print_error("%s\n", error.text);
                return -1;
        }
        if (stream_state_new(&f->streams) < 0)
                return -1;
        if (leave_directory(state) < 0)
                return -1;
        *state = f;
        return 0;
}

static int end(void **state) {
        Fixture *f = *state;

        pattern_set_free(f->set);
        stream_state_free(f->streams);
        free(f);
        return 0;
}

#define with_set(f) cmocka_unit_test_setup_teardown(f, begin, end)

static MatchVerdict match(Fixture *f) {
        pattern_set_match(f->set, f->streams, &f->record.record, NULL, &f->login);
        return f->login.verdict;
}

static MatchVerdict file_says(Fixture *f, const char *identifier, const char *message) {
        (void) test_file_record(&f->record, identifier, "100", span_from_string(message));
        return match(f);
}

static MatchVerdict host_says(Fixture *f, const char *host, const char *identifier, const char *message) {
        (void) test_file_record(&f->record, identifier, "100", span_from_string(message));
        f->record.record.host = span_from_string(host);
        return match(f);
}

static MatchVerdict journal_says(Fixture *f, const char *identifier, const char *unit, const char *message) {
        (void) test_journal_record(&f->record, identifier, unit, "0", "100", span_from_string(message));
        return match(f);
}

static void check_address(const Fixture *f, const char *address) {
        char text[IP_TEXT_BYTES];

        assert_true(f->login.has_address);
        assert_string_equal(ip_addr_format(text, &f->login.address), address);
}

static Pattern *pattern(const Fixture *f, const char *name) {
        size_t n;
        Pattern *const *patterns = pattern_set_patterns(f->set, &n);

        for (size_t i = 0; i < n; i++)
                if (streq(patterns[i]->name, name))
                        return patterns[i];
        fail_msg("no pattern %s", name);
        return NULL;
}

/* ---- the ordinary ---- */

static void test_dispatch(void **state) {
        Fixture *f = *state;

        assert_int_equal(file_says(f, "pop3d", "login: 192.0.2.7 Alice s1 via IMAP"), MATCH_LOGIN);
        check_address(f, "192.0.2.7");
        assert_true(span_equal_string(f->login.user, "Alice"));
        assert_true(span_equal_string(f->login.service, "imap"));
        assert_true(span_equal_string(f->login.key, "s1"));
        assert_string_equal(f->login.pattern, "plain");
        assert_string_equal(f->login.source, "/var/log/mail.log");
        assert_int_equal(f->login.time, TEST_NOW);
        assert_int_equal(file_says(f, "pop3d", "LOGIN, user=bob, ip=[::ffff:192.0.2.8]"), MATCH_LOGIN);
        check_address(f, "192.0.2.8");
        assert_string_equal(f->login.pattern, "torn");
        assert_true(span_equal_string(f->login.service, "pop3"));
        assert_int_equal(file_says(f, "imapd", "LOGIN, user=bob, ip=[192.0.2.8]"), MATCH_LOGIN);
        /* other identifiers, other cases, none */
        assert_int_equal(file_says(f, "imapd", "login: 6.6.6.6 eve"), MATCH_NONE);
        assert_int_equal(file_says(f, "sshd", "login: 6.6.6.6 eve"), MATCH_NONE);
        assert_int_equal(file_says(f, "POP3D", "login: 6.6.6.6 eve"), MATCH_NONE);
        assert_int_equal(file_says(f, "", "login: 6.6.6.6 eve"), MATCH_NONE);
        assert_null(f->login.pattern);
        assert_int_equal(file_says(f, "pop3d", "something else"), MATCH_NONE);
        assert_int_equal(file_says(f, "pop3d", ""), MATCH_NONE);
        assert_int_equal(file_says(f, "pop3d", "gone: s1"), MATCH_LOGOUT);
        assert_true(span_equal_string(f->login.key, "s1"));
        assert_int_equal(file_says(f, "pop3d", "all gone"), MATCH_RESTART);
        assert_int_equal(pattern(f, "plain")->counters.logins, 1);
        assert_int_equal(pattern(f, "torn")->counters.logins, 2);
}

static void test_hints(void **state) {
        Fixture *f = *state;

        assert_int_equal(file_says(f, "pop3d", "a strange login: 6.6.6.6 eve"), MATCH_HINT);
        assert_string_equal(f->login.pattern, "plain");
        assert_int_equal(pattern(f, "plain")->counters.hints, 1);
        assert_int_equal(file_says(f, "pop3d", "login: nobody"), MATCH_NONE);
        assert_string_equal(f->login.reason, "known not to be a login");
        /* an address that is none, a stamp that can't be read */
        assert_int_equal(file_says(f, "pop3d", "login: mx.example.org eve"), MATCH_REFUSED);
        assert_int_equal(file_says(f, "pop3d", "login: 6.6.6.6.6 eve"), MATCH_REFUSED);
        assert_int_equal(file_says(f, "pop3d", "login: fe80::1%eth0 eve"), MATCH_REFUSED);
        (void) test_file_record(&f->record, "pop3d", "1", SPAN_LITERAL("login: 6.6.6.6 eve"));
        f->record.stamp = 0;
        assert_int_equal(match(f), MATCH_REFUSED);
        assert_int_equal(pattern(f, "plain")->counters.refused, 4);
}

static void test_odd_bytes(void **state) {
        Fixture *f = *state;
        char message[] = "login: 6.6.6.6 eve";

        for (int c = 0; c < 256; c++) {
                bool control = c < 0x20 || c == 0x7f;

                message[16] = (char) c;
                (void) test_file_record(&f->record, "pop3d", "1", span_make(message, sizeof(message) - 1));
                if (control)
                        assert_int_equal(match(f), MATCH_HINT);
                else if (c != ' ')
                        assert_int_equal(match(f), MATCH_LOGIN);
        }
        (void) test_file_record(&f->record, "pop3d", "1", SPAN_LITERAL("login: 6.6.6.6 eve"));
        f->record.record.cut = true;
        assert_int_equal(match(f), MATCH_HINT);
}

/* ---- who says so ---- */

static void test_trust(void **state) {
        static const char *const others[] = {"", "cyrus", "cyrus.service.d", "xcyrus.service",
                "cyrus.servic", "Cyrus.service", "cyrus@.service", "cyrus@a@b.service", "cyrus@a.socket",
                "cyrus.service ", "user@1000.service", "ycyrus@a.service", "*", "cyrus@a.service.service2"};
        static const char line[] = "login: 6.6.6.6 eve";
        Fixture *f = *state;

        assert_int_equal(journal_says(f, "pop3d", "cyrus.service", "login: 192.0.2.7 a"), MATCH_LOGIN);
        assert_int_equal(journal_says(f, "pop3d", "cyrus@in.service", "login: 192.0.2.7 a"), MATCH_LOGIN);
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                assert_int_equal(journal_says(f, "pop3d", others[i], line), MATCH_UNTRUSTED);
                assert_int_equal(pattern(f, "plain")->counters.untrusted, i + 1);
        }
        assert_non_null(strstr(f->login.reason, "_SYSTEMD_UNIT=cyrus@a.service.service2 _UID=0"));
        /* the right unit, another uid: 0 and 7 it must be, as text */
        for (unsigned i = 0; i < 12; i++) {
                static const char *const uids[] = {
                        "0", "7", "1", "00", "07", "", "-0", "0x0", " 0", "0 ", "70", "1000"};

                (void) test_journal_record(&f->record, "pop3d", "cyrus.service", uids[i], "1",
                        SPAN_LITERAL("login: 192.0.2.7 a"));
                assert_int_equal(match(f), i < 2 ? MATCH_LOGIN : MATCH_UNTRUSTED);
        }
        /* a sender that has exited, an entry that can't be read again */
        (void) test_journal_record(&f->record, "pop3d", "cyrus.service", "0", "1", span_from_string(line));
        f->record.provenance_result = -EIO;
        assert_int_equal(match(f), MATCH_UNTRUSTED);
        assert_non_null(strstr(f->login.reason, "(none)"));
        /* fetched once at most, and not at all for what is nothing */
        assert_int_equal(journal_says(f, "nginx", "nginx.service", "in: 192.0.2.7"), MATCH_LOGIN);
        assert_int_equal(f->record.asked, 1);
        assert_int_equal(journal_says(f, "nginx", "nginx.service", "something else"), MATCH_NONE);
        assert_int_equal(f->record.asked, 0);
        /* journald tore it */
        (void) test_journal_record(&f->record, "pop3d", "cyrus.service", "0", "1", span_from_string(line));
        f->record.provenance.torn = true;
        assert_int_equal(match(f), MATCH_TORN);
}

/* No address, half login or torn state comes from a stranger. */
static void test_strangers_change_nothing(void **state) {
        static char filler[600];
        Fixture *f = *state;

        memset(filler, 'P', sizeof(filler) - 1);
        assert_int_equal(journal_says(f, "popa3d", "evil.service", "Session from 6.6.6.6"), MATCH_UNTRUSTED);
        assert_int_equal(journal_says(f, "popa3d", "popa3d.service", "passed for alice"), MATCH_REFUSED);
        assert_int_equal(
                journal_says(f, "popa3d", "popa3d.service", "Session from 192.0.2.7"), MATCH_CONNECT);
        assert_int_equal(journal_says(f, "popa3d", "evil.service", "Session from 6.6.6.6"), MATCH_UNTRUSTED);
        assert_int_equal(journal_says(f, "popa3d", "popa3d.service", "passed for alice"), MATCH_LOGIN);
        check_address(f, "192.0.2.7");
        /* a long message of a stranger tears nothing, a short one mends nothing */
        assert_int_equal(journal_says(f, "pop3d", "evil.service", filler), MATCH_NONE);
        assert_int_equal(
                journal_says(f, "pop3d", "courier.service", "LOGIN, user=a, ip=[192.0.2.7]"), MATCH_LOGIN);
        assert_int_equal(journal_says(f, "pop3d", "courier.service", filler), MATCH_NONE);
        assert_int_equal(journal_says(f, "pop3d", "evil.service", "short"), MATCH_NONE);
        assert_int_equal(
                journal_says(f, "pop3d", "courier.service", "LOGIN, user=a, ip=[6.6.6.6]"), MATCH_TORN);
        assert_int_equal(
                journal_says(f, "pop3d", "courier.service", "LOGIN, user=a, ip=[192.0.2.7]"), MATCH_LOGIN);
}

static void test_journal_only(void **state) {
        Fixture *f = *state;

        assert_int_equal(journal_says(f, "nginx", "nginx.service", "in: 192.0.2.7"), MATCH_LOGIN);
        assert_int_equal(file_says(f, "nginx", "in: 6.6.6.6"), MATCH_NONE);
}

/* In a file it takes nothing, but what it knows to be torn must not become another pattern's login. */
static void test_journal_only_tears(void **state) {
        static char filler[600];
        Fixture *f = *state;

        memset(filler, 'P', sizeof(filler) - 1);
        pattern(f, "torn")->journal_only = true;
        assert_int_equal(file_says(f, "pop3d", "LOGIN, user=bob, ip=[192.0.2.8]"), MATCH_NONE);
        assert_int_equal(file_says(f, "pop3d", filler), MATCH_NONE);
        assert_int_equal(file_says(f, "pop3d", "login: 6.6.6.6 eve"), MATCH_TORN);
        assert_int_equal(file_says(f, "pop3d", "login: 192.0.2.7 alice"), MATCH_LOGIN);
        /* what is only looked at is judged as if it were the journal's */
        (void) test_file_record(&f->record, "pop3d", "1", span_from_string(filler));
        f->record.record.explained = true;
        (void) match(f);
        (void) test_file_record(&f->record, "pop3d", "1", SPAN_LITERAL("LOGIN, user=bob, ip=[6.6.6.6]"));
        f->record.record.explained = true;
        assert_int_equal(match(f), MATCH_TORN);
        assert_int_equal(match(f), MATCH_LOGIN);
}

/* ---- torn ---- */

static MatchVerdict sized(Fixture *f, size_t size, size_t raw_size) {
        static char message[1024];

        memset(message, 'P', size);
        (void) test_file_record(&f->record, "pop3d", "1", span_make(message, size));
        f->record.record.raw_size = raw_size;
        return match(f);
}

static void test_torn(void **state) {
        static const char rest[] = "LOGIN, user=a, ip=[6.6.6.6]";
        Fixture *f = *state;

        (void) sized(f, 503, 503);
        assert_int_equal(file_says(f, "pop3d", "LOGIN, user=a, ip=[192.0.2.7]"), MATCH_LOGIN);
        for (size_t size = 504; size < 512; size++) {
                (void) sized(f, size, size);
                assert_int_equal(file_says(f, "pop3d", rest), MATCH_TORN);
                assert_int_equal(file_says(f, "pop3d", "LOGIN, user=a, ip=[192.0.2.7]"), MATCH_LOGIN);
                /* trailing blanks, which the log may have trimmed */
                (void) sized(f, 100, size);
                assert_int_equal(file_says(f, "pop3d", rest), MATCH_TORN);
        }
        assert_int_equal(pattern(f, "torn")->counters.torn, 16);
        /* any number of full ones, then one short: dropped, all of them */
        (void) sized(f, 511, 511);
        (void) sized(f, 511, 511);
        (void) sized(f, 511, 511);
        (void) sized(f, 20, 20);
        assert_int_equal(file_says(f, "pop3d", "LOGIN, user=a, ip=[192.0.2.7]"), MATCH_LOGIN);
        /* another tag, another host: other streams */
        (void) sized(f, 511, 511);
        assert_int_equal(file_says(f, "imapd", "LOGIN, user=a, ip=[192.0.2.7]"), MATCH_LOGIN);
        (void) test_file_record(&f->record, "pop3d", "1", SPAN_LITERAL("LOGIN, user=a, ip=[192.0.2.7]"));
        f->record.record.host = SPAN_LITERAL("mx2");
        assert_int_equal(match(f), MATCH_LOGIN);
        assert_int_equal(file_says(f, "pop3d", rest), MATCH_TORN);
        /* an over-long line is a torn first half as well */
        (void) test_file_record(&f->record, "pop3d", "1", SPAN_LITERAL("x"));
        f->record.record.cut = true;
        f->record.record.raw_size = 8192;
        (void) match(f);
        assert_int_equal(file_says(f, "pop3d", rest), MATCH_TORN);
}

/* In the journal the size as it was sent counts, and each logger has its own stream. */
static void test_torn_in_the_journal(void **state) {
        static const char rest[] = "LOGIN, user=a, ip=[6.6.6.6]";
        Fixture *f = *state;

        (void) test_journal_record(
                &f->record, "pop3d", "courier.service", "0", "1", SPAN_LITERAL("LOGIN FAILED, user=P"));
        f->record.record.raw_size = 20;
        f->record.provenance.raw_size = 504;
        (void) match(f);
        assert_int_equal(journal_says(f, "pop3d", "courier.service", rest),
                MATCH_LOGIN); /* logger 100: another one */
        (void) test_journal_record(&f->record, "pop3d", "courier.service", "0", "1", span_from_string(rest));
        assert_int_equal(match(f), MATCH_TORN);
        assert_int_equal(match(f), MATCH_LOGIN);
}

/* courierlogger takes "ERR: " off the rest of a torn message and logs it at that priority. */
static void test_odd_priority(void **state) {
        static const char rest[] = "LOGIN, user=a, ip=[6.6.6.6]";
        Fixture *f = *state;

        (void) test_journal_record(&f->record, "pop3d", "courier.service", "0", "1", span_from_string(rest));
        f->record.provenance.odd_priority = true;
        assert_int_equal(match(f), MATCH_TORN);
        (void) test_journal_record(&f->record, "pop3d", "courier.service", "0", "1", span_from_string(rest));
        assert_int_equal(match(f), MATCH_LOGIN);
}

/* nginx writes errors to its standard error as well, where journald makes two messages of one that has a
 * newline in it. */
static void test_stream(void **state) {
        Fixture *f = *state;

        assert_int_equal(journal_says(f, "nginx", "nginx.service", "in: 192.0.2.7"), MATCH_LOGIN);
        (void) test_journal_record(
                &f->record, "nginx", "nginx.service", "0", "1", SPAN_LITERAL("in: 6.6.6.6"));
        f->record.provenance.stream = true;
        assert_int_equal(match(f), MATCH_REFUSED);
        assert_non_null(strstr(f->login.reason, "newline"));
        /* who writes no newlines may write there */
        (void) test_journal_record(
                &f->record, "pop3d", "cyrus.service", "0", "1", SPAN_LITERAL("login: 192.0.2.7 a"));
        f->record.provenance.stream = true;
        assert_int_equal(match(f), MATCH_LOGIN);
}

/* The rest of a torn message of one server, made to look like the login of another that shares its
 * identifier. */
static void test_torn_for_all(void **state) {
        Fixture *f = *state;

        (void) sized(f, 511, 511);
        assert_int_equal(file_says(f, "pop3d", "login: 6.6.6.6 eve"), MATCH_TORN);
        assert_int_equal(file_says(f, "pop3d", "login: 192.0.2.7 alice"), MATCH_LOGIN);
        (void) sized(f, 511, 511);
        assert_int_equal(file_says(f, "pop3d", "gone: s1"), MATCH_TORN);
        stream_state_gap(f->streams, "/var/log/mail.log");
        assert_int_equal(file_says(f, "pop3d", "login: 6.6.6.6 eve"), MATCH_TORN);
        assert_int_equal(file_says(f, "pop3d", "login: 192.0.2.7 alice"), MATCH_LOGIN);
}

/* ---- two lines ---- */

/* Many hosts in one source: neither their pids nor their streams are each other's. */
static void test_hosts(void **state) {
        static char filler[600];
        Fixture *f = *state;

        memset(filler, 'P', sizeof(filler) - 1);
        assert_int_equal(host_says(f, "mx1", "popa3d", "Session from 192.0.2.1"), MATCH_CONNECT);
        assert_int_equal(host_says(f, "mx2", "popa3d", "passed for bob"), MATCH_REFUSED);
        assert_int_equal(host_says(f, "mx2", "popa3d", "Session from 192.0.2.2"), MATCH_CONNECT);
        assert_int_equal(host_says(f, "mx1", "popa3d", "passed for alice"), MATCH_LOGIN);
        check_address(f, "192.0.2.1");
        assert_true(span_equal_string(f->login.machine, "mx1"));
        assert_int_equal(host_says(f, "mx2", "popa3d", "passed for bob"), MATCH_LOGIN);
        check_address(f, "192.0.2.2");
        assert_int_equal(host_says(f, "mx1", "pop3d", filler), MATCH_NONE);
        assert_int_equal(host_says(f, "mx2", "pop3d", "LOGIN, user=b, ip=[192.0.2.2]"), MATCH_LOGIN);
        assert_int_equal(host_says(f, "mx1", "pop3d", "LOGIN, user=a, ip=[6.6.6.6]"), MATCH_TORN);
        assert_int_equal(host_says(f, "mx1", "pop3d", "LOGIN, user=a, ip=[192.0.2.1]"), MATCH_LOGIN);
}

static void test_joins(void **state) {
        Fixture *f = *state;

        assert_int_equal(file_says(f, "popa3d", "passed for alice"), MATCH_REFUSED);
        assert_int_equal(file_says(f, "popa3d", "Session from 192.0.2.7"), MATCH_CONNECT);
        assert_int_equal(file_says(f, "popa3d", "passed for alice"), MATCH_LOGIN);
        check_address(f, "192.0.2.7");
        assert_true(span_equal_string(f->login.user, "alice"));
        /* a new one takes the old one's place */
        assert_int_equal(file_says(f, "popa3d", "Session from 192.0.2.8"), MATCH_CONNECT);
        assert_int_equal(file_says(f, "popa3d", "passed for alice"), MATCH_LOGIN);
        check_address(f, "192.0.2.8");
        /* other processes, hosts, sources; none at all */
        (void) test_file_record(&f->record, "popa3d", "101", SPAN_LITERAL("passed for alice"));
        assert_int_equal(match(f), MATCH_REFUSED);
        (void) test_file_record(&f->record, "popa3d", "", SPAN_LITERAL("passed for alice"));
        assert_int_equal(match(f), MATCH_REFUSED);
        (void) test_file_record(&f->record, "popa3d", "100", SPAN_LITERAL("passed for alice"));
        f->record.record.host = SPAN_LITERAL("mx2");
        assert_int_equal(match(f), MATCH_REFUSED);
        f->record.record.host = SPAN_LITERAL("mx");
        f->record.record.source = "/var/log/mail.log2";
        assert_int_equal(match(f), MATCH_REFUSED);
        assert_int_equal(journal_says(f, "popa3d", "popa3d.service", "passed for alice"), MATCH_REFUSED);
        /* too long ago */
        (void) test_file_record(&f->record, "popa3d", "100", SPAN_LITERAL("passed for alice"));
        f->record.stamp = TEST_NOW + STREAM_STATE_CONNECT_USEC + 1;
        assert_int_equal(match(f), MATCH_REFUSED);
        /* by a key of the messages' own */
        assert_int_equal(file_says(f, "popa3d", "Session from 192.0.2.9 id q1"), MATCH_CONNECT);
        (void) test_file_record(&f->record, "popa3d", "999", SPAN_LITERAL("q1: passed for bob"));
        assert_int_equal(match(f), MATCH_LOGIN);
        check_address(f, "192.0.2.9");
        assert_int_equal(file_says(f, "popa3d", "q2: passed for bob"), MATCH_REFUSED);
        assert_int_equal(file_says(f, "popa3d", "Session from nowhere"), MATCH_REFUSED);
        stream_state_gap(f->streams, "/var/log/mail.log");
        assert_int_equal(file_says(f, "popa3d", "q1: passed for bob"), MATCH_REFUSED);
}

/* The message of a process that has become the mail user: believed no address, and for itself only. */
static void test_any_uid(void **state) {
        static const Span passed = SPAN_LITERAL("passed, now he: alice");
        Fixture *f = *state;

        assert_int_equal(
                journal_says(f, "popa3d", "popa3d.service", "Session from 192.0.2.7"), MATCH_CONNECT);
        (void) test_journal_record(&f->record, "popa3d", "popa3d.service", "1000", "100", passed);
        assert_int_equal(match(f), MATCH_LOGIN);
        check_address(f, "192.0.2.7");
        assert_true(span_equal_string(f->login.user, "alice"));
        /* what it says about its own pid counts for nothing */
        f->record.provenance.logger = SPAN_LITERAL("101");
        assert_int_equal(match(f), MATCH_REFUSED);
        f->record.provenance.logger = SPAN_LITERAL("");
        assert_int_equal(match(f), MATCH_REFUSED);
        /* nor does the server's own, which may be another one in a container */
        (void) test_journal_record(
                &f->record, "popa3d", "popa3d.service", "0", "7", SPAN_LITERAL("Session from 192.0.2.8"));
        f->record.provenance.logger = SPAN_LITERAL("300");
        assert_int_equal(match(f), MATCH_CONNECT);
        (void) test_journal_record(&f->record, "popa3d", "popa3d.service", "1000", "7", passed);
        assert_int_equal(match(f), MATCH_REFUSED);
        f->record.provenance.logger = SPAN_LITERAL("300");
        assert_int_equal(match(f), MATCH_LOGIN);
        check_address(f, "192.0.2.8");
        /* no other unit, no other message, no address */
        (void) test_journal_record(&f->record, "popa3d", "evil.service", "1000", "100", passed);
        assert_int_equal(match(f), MATCH_UNTRUSTED);
        (void) test_journal_record(
                &f->record, "popa3d", "popa3d.service", "1000", "100", SPAN_LITERAL("passed for alice"));
        assert_int_equal(match(f), MATCH_UNTRUSTED);
        (void) test_journal_record(
                &f->record, "popa3d", "popa3d.service", "1000", "100", SPAN_LITERAL("Session from 6.6.6.6"));
        assert_int_equal(match(f), MATCH_UNTRUSTED);
        f->record.provenance_result = -EIO;
        f->record.record.message = passed;
        assert_int_equal(match(f), MATCH_UNTRUSTED);
        /* the pid of one that never logged in, used again */
        assert_int_equal(
                journal_says(f, "popa3d", "popa3d.service", "Session from 192.0.2.9"), MATCH_CONNECT);
        (void) test_journal_record(&f->record, "popa3d", "popa3d.service", "1001", "100", passed);
        assert_int_equal(match(f), MATCH_LOGIN);
        check_address(f, "192.0.2.9");
}

/* A key that is too long to be kept joins nothing, whatever is next to it. */
static void test_long_keys(void **state) {
        static char message[3000];
        Fixture *f = *state;

        (void) snprintf(message, sizeof(message), "Session from 6.6.6.6 id %0*d", 2000, 7);
        assert_int_equal(file_says(f, "popa3d", message), MATCH_CONNECT);
        (void) snprintf(message, sizeof(message), "%0*d: passed for bob", 2000, 7);
        assert_int_equal(file_says(f, "popa3d", message), MATCH_REFUSED);
}

/* ---- selections and loading ---- */

static void test_selections(void **state) {
        static char *const names[] = {(char *) "plain", (char *) "headless", NULL}, *const unknown[] = {
                                                                                            (char *) "no",
                                                                                            NULL};
        Fixture *f = *state;
        PatternSelection selection = {0}, heads = {0};
        const char *bad = NULL;

        assert_int_equal(pattern_set_select(f->set, unknown, &selection, &bad), -ENOENT);
        assert_string_equal(bad, "no");
        assert_ok(pattern_set_select(f->set, names, &selection, &bad));
        assert_int_equal(selection.n, 2);
        (void) test_file_record(&f->record, "", "1", SPAN_LITERAL("in: 192.0.2.7"));
        pattern_set_match(f->set, f->streams, &f->record.record, &selection, &f->login);
        assert_int_equal(f->login.verdict, MATCH_LOGIN);
        assert_string_equal(f->login.pattern, "headless");
        /* with an identifier that one decides, within the selection */
        (void) test_file_record(&f->record, "pop3d", "1", SPAN_LITERAL("LOGIN, user=a, ip=[6.6.6.6]"));
        pattern_set_match(f->set, f->streams, &f->record.record, &selection, &f->login);
        assert_int_equal(f->login.verdict, MATCH_NONE);
        (void) test_file_record(&f->record, "pop3d", "1", SPAN_LITERAL("in: 6.6.6.6"));
        pattern_set_match(f->set, f->streams, &f->record.record, &selection, &f->login);
        assert_int_equal(f->login.verdict, MATCH_NONE);
        pattern_selection_done(&selection);
        assert_ok(pattern_set_select_head(f->set, LOG_HEAD_DOVECOT, &heads));
        assert_int_equal(heads.n, 1);
        assert_string_equal(heads.patterns[0]->name, "headless");
        pattern_selection_done(&heads);
}

static void test_identifiers(void **state) {
        Fixture *f = *state;
        StringList list = {0};
        unsigned seen = 0;

        assert_ok(pattern_set_identifiers(f->set, &list));
        assert_int_equal(list.n, 4);
        for (size_t i = 0; i < list.n; i++)
                seen |= (streq(list.items[i], "pop3d") ? 1u : 0) | (streq(list.items[i], "imapd") ? 2u : 0) |
                        (streq(list.items[i], "popa3d") ? 4u : 0) | (streq(list.items[i], "nginx") ? 8u : 0);
        assert_int_equal(seen, 15);
        string_list_done(&list);
}

static void check_load(char *const *enable, bool all, const char *names, const char *reason) {
        static char *const directories[] = {(char *) "override", (char *) "patterns", NULL};
        PatternSetSettings settings = {.directories = directories, .enable = enable, .all = all};
        _cleanup_(pattern_set_freep) PatternSet *set = NULL;
        IniError error = {""};
        char text[256] = "";
        int r = pattern_set_load(&settings, &set, &error);
        size_t n;

        if (reason) {
                assert_true(r < 0);
                assert_null(set);
                assert_string_equal(error.text, reason);
                return;
        }
        if (r < 0)
                fail_msg("%s", error.text);
        for (size_t i = 0; i < (pattern_set_patterns(set, &n), n); i++) {
                (void) strcat(text, pattern_set_patterns(set, &n)[i]->name);
                (void) strcat(text, " ");
        }
        assert_string_equal(text, names);
}

static void test_loading(_unused_ void **state) {
        static char *const two[] = {(char *) "b", (char *) "opt", NULL}, *const none[] = {NULL},
                           *const odd[] = {(char *) "a", (char *) "no", NULL};
        char masked[] = "[Pattern]\nIdentifier=z\nHint=z\n[Login]\nRegex=\\A(?<ip>z)\\z\n" EXAMPLES;

        check_load(NULL, false, NULL, "override: no pattern is enabled");
        assert_int_equal(mkdir("patterns", 0755), 0);
        assert_int_equal(mkdir("override", 0755), 0);
        check_load(NULL, false, NULL, "override: no pattern is enabled");
        put_text("patterns/b.pattern", plain_pattern);
        put_text("patterns/a.pattern", torn_pattern);
        put_text("patterns/opt.pattern", headless_pattern);
        put_text("patterns/.hidden.pattern", "nonsense");
        put_text("patterns/.pattern", "nonsense");
        put_text("patterns/a.pattern.bak", "nonsense");
        check_load(NULL, false, "a b ", NULL);
        check_load(NULL, true, "a b opt ", NULL);
        check_load(two, false, "b opt ", NULL);
        check_load(none, false, NULL, "override: no pattern is enabled");
        check_load(odd, false, NULL, "override: Enable=no: there is no pattern of this name");
        /* one of the same name masks, an empty one hides */
        put_text("override/a.pattern", masked);
        put_text("override/b.pattern", "");
        check_load(NULL, true, "a opt ", NULL);
        assert_int_equal(unlink("override/b.pattern"), 0);
        assert_int_equal(symlink("/dev/null", "override/b.pattern"), 0);
        check_load(NULL, true, "a opt ", NULL);
        put_text("patterns/c.pattern", "[Pattern]\nnonsense\n");
        check_load(NULL, true, NULL, "patterns/c.pattern:2: neither [Section], Key=value nor a comment");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                with_set(test_dispatch),
                with_set(test_hints),
                with_set(test_odd_bytes),
                with_set(test_trust),
                with_set(test_strangers_change_nothing),
                with_set(test_journal_only),
                with_set(test_journal_only_tears),
                with_set(test_torn),
                with_set(test_torn_in_the_journal),
                with_set(test_odd_priority),
                with_set(test_stream),
                with_set(test_torn_for_all),
                with_set(test_hosts),
                with_set(test_joins),
                with_set(test_any_uid),
                with_set(test_long_keys),
                with_set(test_selections),
                with_set(test_identifiers),
                in_directory(test_loading),
        };

        return cmocka_run_group_tests_name("pattern-set", tests, NULL, NULL);
}
