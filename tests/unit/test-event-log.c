/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of grants, refusals and doubts where there is no journal: each cause once in ten minutes, and
 * nobody can push the rest out with causes of his own making. What journald gets is tested where it runs. */
#include "check.h"

#include "basic/log.h"
#include "publish/event-log.h"
#include "record-builder.h"

#define QUIET (10 * USEC_PER_MINUTE)

static char last[4096];
static unsigned lines, warnings;

void __wrap_log_line(int priority, const char *format, ...) _printf_(2, 3);

void __wrap_log_line(int priority, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(last, sizeof(last), format, ap);
        va_end(ap);
        lines++;
        warnings += priority == LOG_WARNING;
}

static EventLog *make(void) {
        EventLog *l = NULL;

        assert_ok(event_log_new(false, &l));
        lines = warnings = 0;
        last[0] = 0;
        return l;
}

static GrantEvent event_of(GrantEventType type, unsigned host, const char *user, const char *reason) {
        return (GrantEvent){
                .type = type,
                .network = ip_network_of(&(IpAddr){{[10] = 0xff,
                                                 0xff,
                                                 10,
                                                 (uint8_t) (host >> 16),
                                                 (uint8_t) (host >> 8),
                                                 (uint8_t) host}},
                        128),
                .until = TEST_NOW / USEC_PER_SEC,
                .user = span_from_string(user),
                .service = "imap",
                .pattern = "dovecot",
                .source = "journal",
                .reason = reason,
        };
}

static void say(
        EventLog *l, GrantEventType type, unsigned host, const char *user, const char *reason, usec_t at) {
        GrantEvent event = event_of(type, host, user, reason);

        event_log_grant(l, &event, at);
}

static void test_texts(_unused_ void **state) {
        _cleanup_(event_log_freep) EventLog *l = make();

        say(l, GRANT_EVENT_GRANTED, 1, "alice", NULL, TEST_NOW);
        assert_true(strstr(last, "10.0.0.1 may relay until ") == last);
        assert_non_null(strstr(last, ", user alice (dovecot)"));
        say(l, GRANT_EVENT_EXPIRED, 1, "", NULL, TEST_NOW);
        assert_string_equal(last, "10.0.0.1 may no longer relay");
        say(l, GRANT_EVENT_REVOKED, 1, "al\nice", "by hand", TEST_NOW);
        assert_string_equal(last, "10.0.0.1 revoked, user al\\x0aice: by hand");
        say(l, GRANT_EVENT_CROWDED, 1, "alice", "many", TEST_NOW);
        assert_string_equal(last, "10.0.0.1 is crowded, user alice: many");
        assert_int_equal(lines, 4);
        assert_int_equal(warnings, 1);
        /* for those who look at everything */
        say(l, GRANT_EVENT_EXTENDED, 1, "alice", NULL, TEST_NOW);
        assert_int_equal(lines, 4);
        log_set_max_level(LOG_DEBUG);
        say(l, GRANT_EVENT_EXTENDED, 1, "alice", NULL, TEST_NOW);
        assert_int_equal(lines, 5);
        log_set_max_level(LOG_INFO);
}

static void test_refusals(_unused_ void **state) {
        _cleanup_(event_log_freep) EventLog *l = make();

        for (unsigned i = 0; i < 100; i++)
                say(l, GRANT_EVENT_REFUSED, 1, "alice", "no", TEST_NOW + i * USEC_PER_SEC);
        assert_int_equal(lines, 1);
        assert_string_equal(last, "10.0.0.1 refused, user alice: no");
        /* another address, user or reason is another cause */
        say(l, GRANT_EVENT_REFUSED, 2, "alice", "no", TEST_NOW);
        say(l, GRANT_EVENT_REFUSED, 1, "bob", "no", TEST_NOW);
        say(l, GRANT_EVENT_REFUSED, 1, "alice", "never", TEST_NOW);
        assert_int_equal(lines, 4);
        say(l, GRANT_EVENT_REFUSED, 1, "alice", "no", TEST_NOW + QUIET);
        assert_string_equal(last, "10.0.0.1 refused, user alice: no (and 99 times more)");
        /* a clock that was set back is no reason to be silent for as long */
        say(l, GRANT_EVENT_REFUSED, 1, "alice", "no", TEST_NOW - 10 * QUIET);
        assert_int_equal(lines, 6);
}

static void test_doubts(_unused_ void **state) {
        _cleanup_(event_log_freep) EventLog *l = make();
        Login login = test_login("192.0.2.7", "alice", TEST_NOW);

        login.reason = "it does not come from the server";
        login.verdict = MATCH_UNTRUSTED;
        for (unsigned i = 0; i < 5; i++)
                event_log_doubt(l, &login, SPAN_LITERAL("Login: \x1b[2Jrip=6.6.6.6"), TEST_NOW + i);
        assert_int_equal(lines, 1);
        assert_non_null(strstr(last, "\\x1b[2Jrip=6.6.6.6"));
        login.verdict = MATCH_TORN;
        event_log_doubt(l, &login, SPAN_LITERAL("x"), TEST_NOW);
        login.verdict = MATCH_HINT;
        event_log_doubt(l, &login, SPAN_LITERAL("x"), TEST_NOW);
        /* of these the reason counts */
        login.verdict = MATCH_REFUSED;
        event_log_doubt(l, &login, SPAN_LITERAL("x"), TEST_NOW);
        login.reason = "something else";
        event_log_doubt(l, &login, SPAN_LITERAL("x"), TEST_NOW);
        assert_int_equal(warnings, 5);
        login.verdict = MATCH_UNTRUSTED;
        event_log_doubt(l, &login, SPAN_LITERAL("x"), TEST_NOW + QUIET);
        assert_non_null(strstr(last, " (and 4 others before): x"));
}

/* A stranger who has as many causes as he likes makes a bounded number of lines, and one that says so. */
static void test_flood(_unused_ void **state) {
        _cleanup_(event_log_freep) EventLog *l = make();
        unsigned most;

        for (unsigned i = 0; i < 100000; i++)
                say(l, GRANT_EVENT_REFUSED, i, "mallory", "no", TEST_NOW + i);
        most = lines;
        assert_in_range(most, 100, 300);
        assert_int_equal(warnings, 1);
        assert_non_null(strstr(last, "too many different refusals"));
        /* grants are told all the same */
        say(l, GRANT_EVENT_GRANTED, 1, "alice", NULL, TEST_NOW + 1);
        assert_int_equal(lines, most + 1);
        /* and when it is over, the rest is */
        say(l, GRANT_EVENT_REFUSED, 1, "carol", "no", TEST_NOW + 3 * QUIET);
        assert_string_equal(last, "10.0.0.1 refused, user carol: no");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_texts),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_doubts),
                cmocka_unit_test(test_flood),
        };

        return cmocka_run_group_tests_name("event-log", tests, NULL, NULL);
}
