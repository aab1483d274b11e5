/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <time.h>

#include "basic/time-util.h"

static void test_parse(_unused_ void **state) {
        static const struct {
                const char *text;
                usec_t span;
        } good[] = {
                {"0", 0},
                {"90", 90 * USEC_PER_SEC},
                {"30min", 30 * USEC_PER_MINUTE},
                {"30m", 30 * USEC_PER_MINUTE},
                {"1h 30s", USEC_PER_HOUR + 30 * USEC_PER_SEC},
                {"1h30s", USEC_PER_HOUR + 30 * USEC_PER_SEC},
                {" 2 days 3 hours ", 2 * USEC_PER_DAY + 3 * USEC_PER_HOUR},
                {"1w", 7 * USEC_PER_DAY},
                {"250ms", 250 * USEC_PER_MSEC},
                {"5usec", 5},
                {"infinity", USEC_INFINITY},
        };
        static const char *const bad[] = {"", " ", "min", "1x", "-1", "1h-", "1.5h", "1 fortnight", "infinity 1s"};
        usec_t v = 77;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_ok(time_span_parse(good[i].text, &v));
                assert_int_equal(v, good[i].span);
        }
        v = 77;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(time_span_parse(bad[i], &v), -EINVAL);
        assert_int_equal(time_span_parse("99999999999999999999", &v), -ERANGE);
        assert_int_equal(time_span_parse("18446744073709551615", &v), -ERANGE);
        assert_int_equal(time_span_parse("30600000w", &v), -ERANGE);
        assert_int_equal(v, 77);
}

static void test_format(_unused_ void **state) {
        char buf[TIME_TEXT_BYTES];

        assert_string_equal(time_span_format(buf, 0), "0s");
        assert_string_equal(time_span_format(buf, 999), "0s");
        assert_string_equal(time_span_format(buf, 30 * USEC_PER_MINUTE - USEC_PER_SEC), "29min 59s");
        assert_string_equal(time_span_format(buf, 2 * USEC_PER_DAY + 3 * USEC_PER_HOUR + 7), "2d 3h");
        assert_string_equal(time_span_format(buf, 2 * USEC_PER_DAY + 7 * USEC_PER_SEC), "2d");
        assert_string_equal(time_span_format(buf, USEC_INFINITY), "infinity");
        assert_true(strlen(time_span_format(buf, USEC_INFINITY - 1)) < TIME_TEXT_BYTES);
}

static void test_stamp(_unused_ void **state) {
        char buf[TIME_TEXT_BYTES];

        assert_int_equal(setenv("TZ", "UTC0", 1), 0);
        tzset();
        assert_string_equal(time_stamp_format(buf, UINT64_C(1795222923) * USEC_PER_SEC), "2026-11-21T01:02:03+00:00");
        assert_int_equal(setenv("TZ", "XXX-5:45", 1), 0);
        tzset();
        assert_string_equal(time_stamp_format(buf, UINT64_C(1795222923) * USEC_PER_SEC), "2026-11-21T06:47:03+05:45");
        assert_true(strlen(time_stamp_format(buf, USEC_INFINITY - 1)) < TIME_TEXT_BYTES);
}

static void test_clock(_unused_ void **state) {
        usec_t before;

        time_set_fake(5);
        assert_int_equal(time_now(), 5);
        time_set_fake(0);
        assert_in_range(time_now() / USEC_PER_SEC, (usec_t) time(NULL) - 1, (usec_t) time(NULL) + 1);
        time_set_fake_boot(5);
        assert_int_equal(time_boot(), 5);
        time_set_fake_boot(0);
        before = time_monotonic();
        assert_true(time_boot() >= before);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_stamp),
                cmocka_unit_test(test_clock),
        };

        return cmocka_run_group_tests_name("time-util", tests, NULL, NULL);
}
