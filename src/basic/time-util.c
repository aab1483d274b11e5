/* SPDX-License-Identifier: Apache-2.0 */
/* Time: the clock, spans as systemd.time(7) writes them, and their forms for people. Stamps of log lines are
 * not read here but in source/syslog-line.c, which knows their forms. */

#include "basic/time-util.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static usec_t fake_now, fake_boot;

usec_t time_now(void) {
        struct timespec ts;

        if (fake_now > 0)
                return fake_now;
        (void) clock_gettime(CLOCK_REALTIME, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

usec_t time_monotonic(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

usec_t time_boot(void) {
        struct timespec ts;

        if (fake_boot > 0)
                return fake_boot;
        (void) clock_gettime(CLOCK_BOOTTIME, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

void time_set_fake(usec_t t) {
        fake_now = t;
}

void time_set_fake_boot(usec_t t) {
        fake_boot = t;
}

static const struct {
        const char *name;
        usec_t usec;
} units[] = {
        {"usec", 1},
        {"us", 1},
        {"msec", USEC_PER_MSEC},
        {"ms", USEC_PER_MSEC},
        {"seconds", USEC_PER_SEC},
        {"second", USEC_PER_SEC},
        {"sec", USEC_PER_SEC},
        {"s", USEC_PER_SEC},
        {"minutes", USEC_PER_MINUTE},
        {"minute", USEC_PER_MINUTE},
        {"min", USEC_PER_MINUTE},
        {"m", USEC_PER_MINUTE},
        {"hours", USEC_PER_HOUR},
        {"hour", USEC_PER_HOUR},
        {"hr", USEC_PER_HOUR},
        {"h", USEC_PER_HOUR},
        {"days", USEC_PER_DAY},
        {"day", USEC_PER_DAY},
        {"d", USEC_PER_DAY},
        {"weeks", 7 * USEC_PER_DAY},
        {"week", 7 * USEC_PER_DAY},
        {"w", 7 * USEC_PER_DAY},
        {"", USEC_PER_SEC},
};

static int unit_find(const char *s, size_t n, usec_t *ret) {
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].name) == n && memcmp(units[i].name, s, n) == 0) {
                        *ret = units[i].usec;
                        return 0;
                }
        return -EINVAL;
}

int time_span_parse(const char *s, usec_t *ret_usec) {
        usec_t sum = 0;
        bool any = false;

        if (streq(s, "infinity")) {
                *ret_usec = USEC_INFINITY;
                return 0;
        }
        for (;;) {
                usec_t value = 0, unit, part;
                size_t n;

                s += strspn(s, " \t");
                if (*s == 0)
                        break;
                n = strspn(s, "0123456789");
                if (n == 0)
                        return -EINVAL;
                for (; n > 0; n--, s++)
                        if (__builtin_mul_overflow(value, 10, &value) ||
                                __builtin_add_overflow(value, (usec_t) (*s - '0'), &value))
                                return -ERANGE;
                s += strspn(s, " \t");
                n = strspn(s, "abcdefghijklmnopqrstuvwxyz");
                if (unit_find(s, n, &unit) < 0)
                        return -EINVAL;
                s += n;
                if (__builtin_mul_overflow(value, unit, &part) || __builtin_add_overflow(sum, part, &sum) ||
                        sum == USEC_INFINITY)
                        return -ERANGE;
                any = true;
        }
        if (!any)
                return -EINVAL;
        *ret_usec = sum;
        return 0;
}

const char *time_span_format(char buf[static TIME_TEXT_BYTES], usec_t span) {
        static const struct {
                const char *name;
                usec_t usec;
        } steps[] = {
                {"d", USEC_PER_DAY}, {"h", USEC_PER_HOUR}, {"min", USEC_PER_MINUTE}, {"s", USEC_PER_SEC}};
        usec_t first, second;

        if (span == USEC_INFINITY)
                return strcpy(buf, "infinity");
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                first = span / steps[i].usec;
                if (first == 0)
                        continue;
                second = i + 1 < ELEMENTSOF(steps) ? span % steps[i].usec / steps[i + 1].usec : 0;
                if (second > 0)
                        (void) snprintf(buf, TIME_TEXT_BYTES, "%" PRIu64 "%s %" PRIu64 "%s", first,
                                steps[i].name, second, steps[i + 1].name);
                else
                        (void) snprintf(buf, TIME_TEXT_BYTES, "%" PRIu64 "%s", first, steps[i].name);
                return buf;
        }
        return strcpy(buf, "0s");
}

const char *time_stamp_format(char buf[static TIME_TEXT_BYTES], usec_t t) {
        time_t seconds = (time_t) (t / USEC_PER_SEC);
        struct tm tm;
        size_t n;

        /* %z gives +0100; RFC 3339 wants a colon in it */
        if (!localtime_r(&seconds, &tm) ||
                (n = strftime(buf, TIME_TEXT_BYTES - 1, "%Y-%m-%dT%H:%M:%S%z", &tm)) < 5)
                return strcpy(buf, "-");
        memmove(buf + n - 1, buf + n - 2, 3);
        buf[n - 2] = ':';
        return buf;
}
