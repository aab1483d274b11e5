/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of log lines, genuine and hostile: what a client puts into a message never moves the head's end. */
#include "check.h"

#include "model/log-line.h"

static void check_line(LogHead head, const char *line, const char *stamp, const char *host,
        const char *identifier, const char *pid, const char *message) {
        LogLine l = {0};

        if (!log_line_parse(span_from_string(line), head, &l))
                fail_msg("no %s line: %s", log_head_to_string(head), line);
        if (!span_equal_string(l.stamp, stamp) || !span_equal_string(l.host, host) ||
                !span_equal_string(l.identifier, identifier) || !span_equal_string(l.pid, pid) ||
                !span_equal_string(l.message, message))
                fail_msg("%s: stamp \"%.*s\", host \"%.*s\", identifier \"%.*s\", pid \"%.*s\", message "
                         "\"%.*s\"",
                        line, (int) l.stamp.size, strempty(l.stamp.data), (int) l.host.size,
                        strempty(l.host.data), (int) l.identifier.size, strempty(l.identifier.data),
                        (int) l.pid.size, strempty(l.pid.data), (int) l.message.size,
                        strempty(l.message.data));
}

static void check_none(LogHead head, const char *line) {
        LogLine l = {.pid = SPAN_LITERAL("untouched")};

        if (log_line_parse(span_from_string(line), head, &l))
                fail_msg("taken for a %s line: %s", log_head_to_string(head), line);
        assert_true(span_equal_string(l.pid, "untouched"));
}

static void test_syslog(_unused_ void **state) {
        check_line(LOG_HEAD_SYSLOG, "Nov 21 01:02:03 mx dovecot: imap-login: Login", "Nov 21 01:02:03", "mx",
                "dovecot", "", "imap-login: Login");
        check_line(LOG_HEAD_SYSLOG, "Nov  1 01:02:03 mx popa3d[123]: x", "Nov  1 01:02:03", "mx", "popa3d",
                "123", "x");
        check_line(LOG_HEAD_SYSLOG, "2026-11-21T01:02:03.123456+01:00 mx.example.org cyrus/imap[7]:x",
                "2026-11-21T01:02:03.123456+01:00", "mx.example.org", "cyrus/imap", "7", "x");
        check_line(LOG_HEAD_SYSLOG, "2026-11-21T01:02:03Z 2001:db8::1 a:", "2026-11-21T01:02:03Z",
                "2001:db8::1", "a", "", "");
        check_line(LOG_HEAD_SYSLOG, "Nov 21 01:02:03 mx a: ", "Nov 21 01:02:03", "mx", "a", "", "");
        check_line(LOG_HEAD_SYSLOG, "Nov 21 01:02:03 mx a:  two blanks ", "Nov 21 01:02:03", "mx", "a", "",
                " two blanks ");
        /* busybox's syslogd */
        check_line(LOG_HEAD_SYSLOG, "Nov 21 01:02:03 mx mail.info dovecot: m", "Nov 21 01:02:03", "mx",
                "dovecot", "", "m");
        check_line(LOG_HEAD_SYSLOG, "Nov 21 01:02:03 mx local7.err a[1]: m", "Nov 21 01:02:03", "mx", "a",
                "1", "m");
        check_line(LOG_HEAD_SYSLOG, "Nov 21 01:02:03 mx mail.info: m", "Nov 21 01:02:03", "mx", "mail.info",
                "", "m");
        /* the message may hold what it likes */
        check_line(LOG_HEAD_SYSLOG, "Nov 21 01:02:03 mx a[1]: Nov 21 01:02:03 mx b[2]: y", "Nov 21 01:02:03",
                "mx", "a", "1", "Nov 21 01:02:03 mx b[2]: y");
        check_line(LOG_HEAD_SYSLOG, "Nov 21 01:02:03 mx a: b: [3]: c", "Nov 21 01:02:03", "mx", "a", "",
                "b: [3]: c");
}

static void test_not_syslog(_unused_ void **state) {
        static const char *const lines[] = {"", " ", "Nov", "Nov 21 01:02:03", "Nov 21 01:02:03 ",
                "Nov 21 01:02:03 mx", "Nov 21 01:02:03 mx ", "Nov 21 01:02:03 mx a",
                "Nov 21 01:02:03 mx a b: c", "Nov 21 01:02:03  mx a: c", "Nov 21 01:02:03 mx : c",
                "Nov 21 01:02:03 mx [1]: c", "Nov 21 01:02:03 mx a[1: c", "Nov 21 01:02:03 mx a[1] : c",
                "Nov 21 01:02:03 mx a[1]b: c", "Nov 21 01:02:03 imap-login: Info: Login: user=<a>",
                "Nov 21 1:02:03 mx a: c", "Nov 211 01:02:03 mx a: c", "Nov-21 01:02:03 mx a: c",
                "N0v 21 01:02:03 mx a: c", "Nov 21 01:02:03 mx mail.info", "Nov 21 01:02:03 mx mail.info ",
                "Nov 21 01:02:03 mx mail.inf a: c", "Nov 21 01:02:03 mx mail.infos a: c",
                "Nov 21 01:02:03 mx .info a: c", "Nov 21 01:02:03 mx m-il.info a: c",
                "Nov 21 01:02:03 mx mail.info mail.info a: c", "Nov 21 01:02:03 mx mail.info a b: c",
                "2026-11-21T01:02:03", "2026-11-21T01:02:03x mx a: c", "26-11-21T01:02:03 mx a: c",
                "2026-11-21X01:02:03 mx a: c", "last message repeated 2 times",
                "<13>Nov 21 01:02:03 mx a: c"};
        char line[1000];

        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                check_none(LOG_HEAD_SYSLOG, lines[i]);
        /* parts that have no end */
        (void) snprintf(line, sizeof(line), "Nov 21 01:02:03 %0300d a: c", 7);
        check_none(LOG_HEAD_SYSLOG, line);
        (void) snprintf(line, sizeof(line), "Nov 21 01:02:03 mx %0128d: c", 7);
        check_none(LOG_HEAD_SYSLOG, line);
        (void) snprintf(line, sizeof(line), "Nov 21 01:02:03 mx a[%040d]: c", 7);
        check_none(LOG_HEAD_SYSLOG, line);
        (void) snprintf(line, sizeof(line), "Nov 21 01:02:03 mx %0120d[%020d]: c", 7, 7);
        assert_true(log_line_parse(span_from_string(line), LOG_HEAD_SYSLOG, &(LogLine){0}));
        assert_false(log_line_parse(SPAN_NONE, LOG_HEAD_SYSLOG, &(LogLine){0}));
}

static void test_dovecot(_unused_ void **state) {
        check_line(LOG_HEAD_DOVECOT, "Nov 21 01:02:03 imap-login: Info: Login: user=<a>", "Nov 21 01:02:03",
                "", "", "", "imap-login: Info: Login: user=<a>");
        check_line(LOG_HEAD_DOVECOT, "2026-11-21 01:02:03 imap-login: Info: x", "2026-11-21 01:02:03", "",
                "", "", "imap-login: Info: x");
        check_none(LOG_HEAD_DOVECOT, "imap-login: Info: Login: user=<a>");
        check_none(LOG_HEAD_DOVECOT, "Nov 21 01:02:03");
        check_none(LOG_HEAD_DOVECOT, "");
}

static void test_exim(_unused_ void **state) {
        check_line(LOG_HEAD_EXIM, "2026-11-21 01:02:03 login authenticator", "2026-11-21 01:02:03", "", "",
                "", "login authenticator");
        check_line(LOG_HEAD_EXIM, "2026-11-21 01:02:03 +0100 [123] x", "2026-11-21 01:02:03 +0100", "", "",
                "", "x");
        check_line(LOG_HEAD_EXIM, "2026-11-21 01:02:03.456 [123] x", "2026-11-21 01:02:03.456", "", "", "",
                "x");
        check_line(LOG_HEAD_EXIM, "2026-11-21 01:02:03 [192.0.2.7 x", "2026-11-21 01:02:03", "", "", "",
                "[192.0.2.7 x");
        check_line(LOG_HEAD_EXIM, "2026-11-21 01:02:03 [1]", "2026-11-21 01:02:03", "", "", "", "[1]");
        check_none(LOG_HEAD_EXIM, "2026-11-21T01:02:03 x");
        check_none(LOG_HEAD_EXIM, "Nov 21 01:02:03 x");
}

static void test_nginx(_unused_ void **state) {
        check_line(LOG_HEAD_NGINX, "2026/11/21 01:02:03 [info] 12#34: *5 client logged in: a",
                "2026/11/21 01:02:03", "", "", "", "*5 client logged in: a");
        check_none(LOG_HEAD_NGINX, "2026/11/21 01:02:03 info 12#34: x");
        check_none(LOG_HEAD_NGINX, "2026/11/21 01:02:03 [info] no end");
}

static void test_tai64n(_unused_ void **state) {
        check_line(LOG_HEAD_TAI64N, "@4000000037c219bf2ef02e94 message", "@4000000037c219bf2ef02e94", "", "",
                "", "message");
        check_line(
                LOG_HEAD_TAI64N, "@4000000037c219bf2ef02e94 ", "@4000000037c219bf2ef02e94", "", "", "", "");
        check_none(LOG_HEAD_TAI64N, "@4000000037c219bf2ef02e94");
        check_none(LOG_HEAD_TAI64N, "@4000000037C219BF2EF02E94 x");
        check_none(LOG_HEAD_TAI64N, "@4000000037c219bf2ef02e9 xx");
        check_none(LOG_HEAD_TAI64N, "4000000037c219bf2ef02e94a x");
}

static void check_datagram(const char *datagram, const char *stamp, const char *host, const char *identifier,
        const char *pid, const char *message) {
        LogLine l = {0};

        if (!log_line_parse_datagram(span_from_string(datagram), &l))
                fail_msg("no datagram: %s", datagram);
        if (!span_equal_string(l.stamp, stamp) || !span_equal_string(l.host, host) ||
                !span_equal_string(l.identifier, identifier) || !span_equal_string(l.pid, pid) ||
                !span_equal_string(l.message, message))
                fail_msg("%s: stamp \"%.*s\", host \"%.*s\", identifier \"%.*s\", pid \"%.*s\", message "
                         "\"%.*s\"",
                        datagram, (int) l.stamp.size, strempty(l.stamp.data), (int) l.host.size,
                        strempty(l.host.data), (int) l.identifier.size, strempty(l.identifier.data),
                        (int) l.pid.size, strempty(l.pid.data), (int) l.message.size,
                        strempty(l.message.data));
}

static void test_rfc3164(_unused_ void **state) {
        check_datagram("<22>Nov 21 01:02:03 mx a[1]: m", "Nov 21 01:02:03", "mx", "a", "1", "m");
        check_datagram("<0>Nov  1 01:02:03 mx a:m", "Nov  1 01:02:03", "mx", "a", "", "m");
        check_datagram(
                "<191>2026-11-21T01:02:03+01:00 mx a: m", "2026-11-21T01:02:03+01:00", "mx", "a", "", "m");
        check_datagram("Nov 21 01:02:03 mx a: m", "Nov 21 01:02:03", "mx", "a", "", "m");
        /* as syslog(3) has it, without a host */
        check_datagram("<22>Nov 21 01:02:03 a[1]: m", "Nov 21 01:02:03", "", "a", "1", "m");
        check_datagram("<22>Nov 21 01:02:03 a: b: c", "Nov 21 01:02:03", "", "a", "", "b: c");
        check_datagram(
                "<22>Nov 21 01:02:03 a: mx dovecot: c", "Nov 21 01:02:03", "", "a", "", "mx dovecot: c");
}

static void test_rfc5424(_unused_ void **state) {
        check_datagram("<22>1 2026-11-21T01:02:03.004Z mx a 1 - - m", "2026-11-21T01:02:03.004Z", "mx", "a",
                "1", "m");
        check_datagram("<22>1 - - - - - -", "", "", "", "", "");
        check_datagram("<22>1 - - - - - - ", "", "", "", "", "");
        check_datagram("<22>1 - mx a - ID47 [x@1] m", "", "mx", "a", "", "m");
        check_datagram("<22>1 - mx a - - [x@1 k=\"v\"][y z=\"\"] m", "", "mx", "a", "", "m");
        check_datagram("<22>1 - mx a - - [x k=\"a\\]b\\\"] c\\\\\"] m", "", "mx", "a", "", "m");
        check_datagram("<22>1 - mx a - - [x k=\"] b\"] m", "", "mx", "a", "", "m");
        check_datagram("<22>1 - mx a - - [x] [y] m", "", "mx", "a", "", "[y] m");
        check_datagram("<22>1 - mx a - - - \xef\xbb\xbfm", "", "mx", "a", "", "m");
        check_datagram("<22>1 - mx a - - -  m", "", "mx", "a", "", "m");
        check_datagram("<22>1 - mx a - - -   m", "", "mx", "a", "", " m");
        check_datagram(
                "<22>1 - mx a - - - Nov 21 01:02:03 mx b: m", "", "mx", "a", "", "Nov 21 01:02:03 mx b: m");
}

static void test_no_datagram(_unused_ void **state) {
        static const char *const datagrams[] = {"", "<", "<>", "<22", "<22>", "<22>1", "<22>1 ", "<192>",
                "<192>Nov 21 01:02:03 mx a: m", "<0022>Nov 21 01:02:03 mx a: m",
                "<-1>Nov 21 01:02:03 mx a: m", "<a>Nov 21 01:02:03 mx a: m", "22>Nov 21 01:02:03 mx a: m",
                "<22> Nov 21 01:02:03 mx a: m", "<22><22>Nov 21 01:02:03 mx a: m", "<22>a: m", "<22>mx a: m",
                "<22>Nov 21 01:02:03 mx a m", "<22>Nov 21 01:02:03 mx", "<22>Nov 21 01:02:03 ",
                "<22>1 - mx a - -", "<22>1 - mx a - - m", "<22>1 - mx a - - -m", "<22>1 - mx a - - [x",
                "<22>1 - mx a - - [x k=\"] m", "<22>1 - mx a - - [x]m", "<22>1 - mx a - - [x k=\"\\",
                "<22>1  mx a - - - m", "<22>1 - mx a\t - - - m", "<22>1 - mx  - - - m",
                "<22>2 - mx a - - - m", "<22>1 - m\xc3\xbc a - - - m"};
        char text[600];

        for (size_t i = 0; i < ELEMENTSOF(datagrams); i++) {
                LogLine l = {.pid = SPAN_LITERAL("untouched")};

                if (log_line_parse_datagram(span_from_string(datagrams[i]), &l))
                        fail_msg("taken for a datagram: %s", datagrams[i]);
                assert_true(span_equal_string(l.pid, "untouched"));
        }
        assert_false(log_line_parse_datagram(SPAN_NONE, &(LogLine){0}));
        (void) snprintf(text, sizeof(text), "<22>1 - %0255d a - - - m", 7);
        assert_true(log_line_parse_datagram(span_from_string(text), &(LogLine){0}));
        (void) snprintf(text, sizeof(text), "<22>1 - %0256d a - - - m", 7);
        assert_false(log_line_parse_datagram(span_from_string(text), &(LogLine){0}));
        (void) snprintf(text, sizeof(text), "<22>1 - mx %049d - - - m", 7);
        assert_false(log_line_parse_datagram(span_from_string(text), &(LogLine){0}));
}

/* Whatever is cut off or changed, all parts lie in the line. */
static void test_anything(_unused_ void **state) {
        static const char *const lines[] = {"Nov 21 01:02:03 mx dovecot[12]: imap-login: Login",
                "2026-11-21 01:02:03 +0100 [123] x", "2026/11/21 01:02:03 [info] 12#34: *5 c",
                "@4000000037c219bf2ef02e94 message", "<22>Nov 21 01:02:03 mx dovecot[12]: imap",
                "<22>1 2026-11-21T01:02:03Z mx a 1 - [x k=\"\\]\"][y] m"};
        static const char bytes[] = {0, ' ', ':', '[', ']', '\n', '0', 'z', '\xff'};
        unsigned taken = 0, datagrams = 0;

        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                for (size_t n = 0; n <= strlen(lines[i]); n++)
                        for (size_t k = 0; k < n * ELEMENTSOF(bytes); k++) {
                                /* on the heap, and no longer than it is: a read behind it is found */
                                _cleanup_free_ char *copy = malloc(n);

                                assert_non_null(copy);
                                memcpy(copy, lines[i], n);
                                copy[k / ELEMENTSOF(bytes)] = bytes[k % ELEMENTSOF(bytes)];
                                for (LogHead h = 0; h < _LOG_HEAD_MAX; h++) {
                                        LogLine l;

                                        if (!log_line_parse(span_make(copy, n), h, &l))
                                                continue;
                                        taken++;
                                        assert_true(l.stamp.size > 0);
                                        assert_true(l.message.data + l.message.size == copy + n);
                                        assert_true(l.message.data >= copy);
                                }
                                if (log_line_parse_datagram(span_make(copy, n), &(LogLine){0}))
                                        datagrams++;
                        }
        assert_true(taken > 1000);
        assert_true(datagrams > 1000);
}

static void test_names(_unused_ void **state) {
        for (LogHead h = 0; h < _LOG_HEAD_MAX; h++)
                assert_int_equal(log_head_from_string(span_from_string(log_head_to_string(h))), h);
        assert_int_equal(log_head_from_string(SPAN_LITERAL("Syslog")), _LOG_HEAD_INVALID);
        assert_int_equal(log_head_from_string(SPAN_NONE), _LOG_HEAD_INVALID);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_syslog),
                cmocka_unit_test(test_not_syslog),
                cmocka_unit_test(test_dovecot),
                cmocka_unit_test(test_exim),
                cmocka_unit_test(test_nginx),
                cmocka_unit_test(test_tai64n),
                cmocka_unit_test(test_rfc3164),
                cmocka_unit_test(test_rfc5424),
                cmocka_unit_test(test_no_datagram),
                cmocka_unit_test(test_anything),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests_name("log-line", tests, NULL, NULL);
}
