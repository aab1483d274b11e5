/* SPDX-License-Identifier: Apache-2.0 */
/* Stamps: the year that is not there, hours that are there twice or not at all, and nothing later than the
 * reading. */
#include "check.h"

#include "source/log-stamp.h"

#define SEC USEC_PER_SEC
/* 2026-11-21 01:02:03 UTC */
#define NOW (UINT64_C(1795222923) * SEC)

static usec_t stamp_in(const char *zone, usec_t latest, usec_t now, const char *text) {
        LogClock clock = {.zone = (char *) (uintptr_t) zone, .latest = latest};
        usec_t t = 77;
        int r = log_stamp_parse(&clock, span_from_string(text), now, &t);

        assert_true(r == 0 || r == -EINVAL);
        if (r < 0) {
                assert_int_equal(t, 77);
                assert_int_equal(clock.latest, latest);
                return 0;
        }
        assert_true(t <= now);
        assert_int_equal(clock.latest, MAX(latest, t));
        return t;
}

static usec_t stamp(const char *text) {
        return stamp_in("UTC", 0, NOW, text);
}

static void test_forms(_unused_ void **state) {
        assert_int_equal(stamp("Nov 21 01:02:03"), NOW);
        assert_int_equal(stamp("Nov  1 01:02:03"), NOW - 20 * USEC_PER_DAY);
        assert_int_equal(stamp("Nov 01 01:02:03"), NOW - 20 * USEC_PER_DAY);
        assert_int_equal(stamp("2026-11-21T01:02:03Z"), NOW);
        assert_int_equal(stamp("2026-11-21 01:02:03"), NOW);
        assert_int_equal(stamp("2026/11/21 01:02:03"), NOW);
        assert_int_equal(stamp("2026-11-21T02:02:03+01:00"), NOW);
        assert_int_equal(stamp("2026-11-21 02:02:03 +0100"), NOW);
        assert_int_equal(stamp("2026-11-20T20:02:03-05"), NOW);
        assert_int_equal(stamp("2026-11-20T19:32:03-05:30"), NOW);
        assert_int_equal(stamp("2026-11-21T01:02:02.5Z"), NOW - SEC / 2);
        assert_int_equal(stamp("2026-11-21T01:02:02,123456789Z"), NOW - SEC + 123456);
        assert_int_equal(stamp("2026-11-21T01:02:02.Z"), NOW - SEC);
}

static void test_tai64n(_unused_ void **state) {
        /* cr.yp.to/daemontools/tai64nlocal.html: 1999-08-23 21:03:43.787492500 in New York, which is UTC−4;
         * its stamps count the leap seconds, as multilog(8) does not, hence the 22 seconds */
        usec_t t = stamp("@4000000037c219bf2ef02e94");

        assert_int_equal(t, (UINT64_C(0x37c219bf) - 10) * SEC + UINT64_C(0x2ef02e94) / 1000);
        assert_int_equal(stamp("@400000000000000a00000000"), 0);
        assert_int_equal(stamp("@400000000000000b00000000"), SEC);
        assert_int_equal(stamp("@400000006b0159950000000a"), stamp("@400000006b01599500000000"));
        /* in the future, before the epoch, no time at all */
        assert_int_equal(stamp("@400000007fffffff00000000"), NOW);
        assert_int_equal(stamp("@400000000000000900000000"), 0);
        assert_int_equal(stamp("@3fffffffffffffff00000000"), 0);
        assert_int_equal(stamp("@ffffffffffffffff00000000"), 0);
        assert_int_equal(stamp("@4000000037c219bf3b9aca00"), 0);
        assert_int_equal(stamp("@4000000037c219bf3b9ac9ff"), (UINT64_C(0x37c219bf) - 10) * SEC + 999999);
        assert_int_equal(stamp("@4000000037c219bf2ef02e9"), 0);
        assert_int_equal(stamp("@4000000037C219BF2EF02E94"), 0);
}

static void test_garbage(_unused_ void **state) {
        static const char *const bad[] = {"", " ", "x", "Nov", "Nov 21", "Nov 21 01:02", "Nov 21 01:02:0",
                "Nov 0 01:02:03", "Nov 00 01:02:03", "Nov 32 01:02:03", "nov 21 01:02:03", "Nob 21 01:02:03",
                "Nov 21 24:02:03", "Nov 21 01:60:03", "Nov 21 01:02:61", "Nov 31 01:02:03",
                "Feb 30 01:02:03", "Nov 21 -1:02:03", "Nov 21 +1:02:03", "2026-13-01 01:02:03",
                "2026-00-01 01:02:03", "2026-02-30 01:02:03", "2026-02-29 01:02:03", "2026-02-29T01:02:03Z",
                "2026-11-00 01:02:03", "2026-11-31T01:02:03+01:00", "1969-12-31 23:59:59",
                "1970-01-01T00:00:00Z", "2026-11-21T01:02:03+1", "2026-11-21T01:02:03+15:00",
                "2026-11-21T01:02:03+01:60", "2026-11-21T25:02:03Z", "20261121T010203Z",
                "0000-00-00 00:00:00", "@", "@4", "9999"};

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (stamp(bad[i]) != 0)
                        fail_msg("taken for a stamp: %s", bad[i]);
        assert_int_equal(stamp_in("UTC", 0, NOW, "9999-12-31T23:59:59Z"), NOW);
}

/* The year is the one that puts it nearest before now. */
static void test_years(_unused_ void **state) {
        const usec_t new_year = UINT64_C(1798761600) * SEC; /* 2027-01-01 00:00:00 UTC */

        assert_int_equal(stamp_in("UTC", 0, new_year + SEC, "Dec 31 23:59:59"), new_year - SEC);
        assert_int_equal(stamp_in("UTC", 0, new_year + SEC, "Jan  1 00:00:00"), new_year);
        /* clocks differ: a minute ahead is now, and not last year */
        assert_int_equal(stamp_in("UTC", 0, new_year - SEC, "Jan  1 00:00:59"), new_year - SEC);
        assert_int_equal(stamp("Nov 21 01:03:00"), NOW);
        /* three days ahead is a year ago, all but three days */
        assert_int_equal(stamp("Nov 24 01:02:03"), NOW - 362 * USEC_PER_DAY);
        assert_int_equal(stamp("Nov 20 01:02:03"), NOW - USEC_PER_DAY);
}

/* A day that this year does not have is not the next one: an old line would grant anew. */
static void test_leap_day(_unused_ void **state) {
        const usec_t day = UINT64_C(1709208000) * SEC;   /* 2024-02-29 12:00:00 UTC */
        const usec_t march = UINT64_C(1803903000) * SEC; /* 2027-03-01 12:10:00 UTC */
        const usec_t leap = UINT64_C(1835438400) * SEC;  /* 2028-02-29 12:00:00 UTC */

        assert_int_equal(stamp_in("UTC", 0, march, "Feb 29 12:00:00"), day);
        assert_int_equal(stamp_in("Europe/Berlin", 0, march, "Feb 29 13:00:00"), day);
        assert_int_equal(stamp_in("UTC", 0, leap + SEC, "Feb 29 12:00:00"), leap);
        assert_int_equal(stamp_in("UTC", 0, march, "2028-02-29T12:00:00Z"), march);
        assert_int_equal(stamp_in("UTC", 0, march, "2024-02-29 12:00:00"), day);
}

/* A leap second is the last of its day once more, whether its minute was seen before or not. */
static void test_leap_second(_unused_ void **state) {
        const usec_t eve = UINT64_C(1798761599) * SEC; /* 2026-12-31 23:59:59 UTC */
        LogClock clock = {.zone = (char *) "UTC"};
        usec_t t;

        assert_int_equal(stamp_in("UTC", 0, eve + 5 * SEC, "Dec 31 23:59:60"), eve);
        assert_int_equal(stamp_in("UTC", 0, eve + 5 * SEC, "2026-12-31T23:59:60Z"), eve);
        for (unsigned i = 0; i < 2; i++) {
                assert_ok(log_stamp_parse(
                        &clock, span_from_string(i ? "Dec 31 23:59:60" : "Dec 31 23:59:59"), eve + SEC, &t));
                assert_int_equal(t, eve);
        }
}

static void test_zones(_unused_ void **state) {
        assert_int_equal(stamp_in("Europe/Berlin", 0, NOW, "Nov 21 02:02:03"), NOW);
        assert_int_equal(stamp_in("America/New_York", 0, NOW, "Nov 20 20:02:03"), NOW);
        assert_int_equal(stamp_in("Asia/Kolkata", 0, NOW, "2026-11-21 06:32:03"), NOW);
        assert_int_equal(stamp_in("EST5EDT", 0, NOW, "Nov 20 20:02:03"), NOW);
        assert_int_equal(stamp_in("Europe/Berlin", 0, NOW, "Jul  1 12:00:00"), UINT64_C(1782900000) * SEC);
        /* a stamp with a zone does not care */
        assert_int_equal(stamp_in("Europe/Berlin", 0, NOW, "2026-11-21T01:02:03Z"), NOW);
}

/* The host's own zone is what it was, whatever was read. */
static void test_environment(_unused_ void **state) {
        assert_int_equal(setenv("TZ", "America/New_York", 1), 0);
        assert_int_equal(stamp_in("Europe/Berlin", 0, NOW, "Nov 21 02:02:03"), NOW);
        assert_string_equal(getenv("TZ"), "America/New_York");
        assert_int_equal(stamp_in(NULL, 0, NOW, "Nov 20 20:02:03"), NOW);
        assert_int_equal(unsetenv("TZ"), 0);
        assert_int_equal(stamp_in("Europe/Berlin", 0, NOW, "Nov 21 02:02:03"), NOW);
        assert_null(getenv("TZ"));
}

static void check_doubled(const char *zone, const char *text, uint64_t first, uint64_t second) {
        const usec_t now = (second + 3600) * SEC;

        assert_int_equal(stamp_in(zone, 0, now, text), first * SEC);
        assert_int_equal(stamp_in(zone, (first - 600) * SEC, now, text), first * SEC);
        /* lines come a little out of order */
        assert_int_equal(stamp_in(zone, (first + 59) * SEC, now, text), first * SEC);
        assert_int_equal(stamp_in(zone, (first + 61) * SEC, now, text), second * SEC);
        assert_int_equal(stamp_in(zone, (second - 5) * SEC, now, text), second * SEC);
        /* never later than now */
        assert_int_equal(stamp_in(zone, 0, (first + 5) * SEC, text), first * SEC);
        assert_int_equal(stamp_in(zone, (first + 61) * SEC, (first + 70) * SEC, text), (first + 70) * SEC);
}

static void test_clock_changes(_unused_ void **state) {
        check_doubled("Europe/Berlin", "Oct 25 02:30:00", 1792888200, 1792891800);
        check_doubled("Europe/Berlin", "2026-10-25 02:30:00", 1792888200, 1792891800);
        check_doubled("America/New_York", "Nov  1 01:30:00", 1793511000, 1793514600);
        /* the hours around it are there once */
        assert_int_equal(stamp_in("Europe/Berlin", UINT64_C(1792900000) * SEC, NOW, "Oct 25 01:59:59"),
                UINT64_C(1792886399) * SEC);
        assert_int_equal(stamp_in("Europe/Berlin", 0, NOW, "Oct 25 03:00:00"), UINT64_C(1792893600) * SEC);
        /* an hour that no clock showed is near where it should be */
        assert_in_range(stamp_in("Europe/Berlin", 0, NOW, "Mar 29 02:30:00"),
                (UINT64_C(1774747800) - 3600) * SEC, UINT64_C(1774747800) * SEC);
        assert_in_range(stamp_in("America/New_York", 0, NOW, "Mar  8 02:30:00"),
                (UINT64_C(1772955000) - 3600) * SEC, UINT64_C(1772955000) * SEC);
        assert_int_equal(stamp_in("Europe/Berlin", 0, NOW, "Mar 29 03:00:00"), UINT64_C(1774746000) * SEC);
}

/* A whole log over the night of the change: time never goes back. */
static void test_night(_unused_ void **state) {
        LogClock clock = {.zone = (char *) "Europe/Berlin"};
        const uint64_t start = 1792879200; /* 2026-10-25 00:00 CEST */
        unsigned n = 0;

        for (uint64_t t = start; t < start + 6 * 3600; t += 40) {
                /* UTC+2 up to 01:00 UTC, UTC+1 from then on */
                uint64_t local = t + (t < 1792890000 ? 7200 : 3600);
                char text[32];
                usec_t got;

                (void) snprintf(text, sizeof(text), "Oct 25 %02u:%02u:%02u",
                        (unsigned) (local % 86400 / 3600), (unsigned) (local % 3600 / 60),
                        (unsigned) (local % 60));
                assert_ok(log_stamp_parse(&clock, span_from_string(text), NOW, &got));
                assert_int_equal(got, t * SEC);
                n++;
        }
        assert_int_equal(n, 540);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_forms),
                cmocka_unit_test(test_tai64n),
                cmocka_unit_test(test_garbage),
                cmocka_unit_test(test_years),
                cmocka_unit_test(test_leap_day),
                cmocka_unit_test(test_leap_second),
                cmocka_unit_test(test_zones),
                cmocka_unit_test(test_environment),
                cmocka_unit_test(test_clock_changes),
                cmocka_unit_test(test_night),
        };

        return cmocka_run_group_tests_name("log-stamp", tests, NULL, NULL);
}
