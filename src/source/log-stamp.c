/* SPDX-License-Identifier: Apache-2.0 */
/* Stamps of log lines. mktime(3) knows the zones; this file knows what is missing from a stamp, and that a
 * stamp can never make a line newer than its reading. */

#include "source/log-stamp.h"

#include <errno.h>
#include <time.h>

#include "basic/parse-util.h"

static bool digits(Span *s, size_t n, int *ret) {
        uint64_t v;

        if (s->size < n || parse_u64(span_make(s->data, n), INT32_MAX, &v) < 0)
                return false;
        *ret = (int) v;
        *s = span_skip(*s, n);
        return true;
}

static bool one_of(Span *s, const char *set) {
        if (s->size == 0 || !s->data[0] || !strchr(set, s->data[0]))
                return false;
        *s = span_skip(*s, 1);
        return true;
}

/* A leap second is the last of its day again: the next one may have another date than mktime(3) is asked
 * for.
 */
static bool clock_time(Span *s, struct tm *tm) {
        if (!digits(s, 2, &tm->tm_hour) || !one_of(s, ":") || !digits(s, 2, &tm->tm_min) ||
                !one_of(s, ":") || !digits(s, 2, &tm->tm_sec) || tm->tm_hour > 23 || tm->tm_min > 59 ||
                tm->tm_sec > 60)
                return false;
        tm->tm_sec = MIN(tm->tm_sec, 59);
        return true;
}

/* mktime(3) in the clock's zone. The process has one thread, so its TZ may be changed for the length of
 * this. */
static usec_t local_time(const LogClock *clock, const struct tm *tm, int isdst) {
        _cleanup_free_ char *old = NULL;
        const char *tz = getenv("TZ");
        struct tm copy = *tm;
        time_t t;

        if (clock->zone) {
                if (tz && !(old = strdup(tz)))
                        return 0;
                (void) setenv("TZ", clock->zone, 1);
        }
        copy.tm_isdst = isdst;
        t = mktime(&copy);
        /* with a wrong guess of isdst mktime() moves the clock's hands instead of failing */
        if (isdst >= 0 && (copy.tm_hour != tm->tm_hour || copy.tm_min != tm->tm_min))
                t = -1;
        /* so it does with a 29 February that the year does not have, and an old line would be a new one */
        if (copy.tm_mday != tm->tm_mday)
                t = -1;
        if (clock->zone) {
                if (old)
                        (void) setenv("TZ", old, 1);
                else
                        (void) unsetenv("TZ");
                tzset();
        }
        return t < 0 ? 0 : (usec_t) t * USEC_PER_SEC;
}

/* The reading of a zoneless stamp: the first of both that does not lie before what was read already. */
static usec_t resolve(const LogClock *clock, const struct tm *tm) {
        usec_t summer = local_time(clock, tm, 1), winter = local_time(clock, tm, 0), first, second;

        if (summer == 0 || winter == 0) {
                usec_t any = summer | winter;

                /* an hour that the change of the clocks leaves out: no clock ever showed it, but a log may
                 */
                return any ? any : local_time(clock, tm, -1);
        }
        first = MIN(summer, winter);
        second = MAX(summer, winter);
        /* lines of many processes come a little out of order */
        return first + USEC_PER_MINUTE >= clock->latest ? first : second;
}

static int parse_rfc3164(LogClock *clock, Span s, usec_t now, usec_t *ret) {
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        time_t seconds = (time_t) (now / USEC_PER_SEC);
        struct tm tm = {0}, today;
        int day;

        for (tm.tm_mon = 0; tm.tm_mon < 12; tm.tm_mon++)
                if (s.size > 4 && memcmp(s.data, months + tm.tm_mon * 3, 3) == 0)
                        break;
        if (tm.tm_mon == 12)
                return -EINVAL;
        s = span_skip(s, 3);
        if (!one_of(&s, " "))
                return -EINVAL;
        if (one_of(&s, " ") ? !digits(&s, 1, &day) : !digits(&s, 2, &day))
                return -EINVAL;
        tm.tm_mday = day;
        if (day < 1 || day > 31 || !one_of(&s, " ") || !clock_time(&s, &tm))
                return -EINVAL;
        if (!gmtime_r(&seconds, &today))
                return -EINVAL;
        /* the latest year in which it is not more than a day ahead: zones and clocks differ, years do not */
        for (tm.tm_year = today.tm_year + 1; tm.tm_year >= today.tm_year - 4; tm.tm_year--) {
                usec_t t = resolve(clock, &tm);

                if (t > 0 && t <= now + USEC_PER_DAY) {
                        *ret = t;
                        return 0;
                }
        }
        return -EINVAL;
}

/* "+01:00", "+0100", "+01", "Z", with a blank before it or not; none: *ret_has is false. */
static int parse_zone(Span s, bool *ret_has, int64_t *ret_usec) {
        int hours, minutes = 0;
        bool west;

        *ret_has = false;
        (void) one_of(&s, " ");
        if (s.size == 0)
                return 0;
        if (one_of(&s, "Zz")) {
                *ret_has = true;
                *ret_usec = 0;
                return 0;
        }
        west = s.data[0] == '-';
        if (!one_of(&s, "+-"))
                return 0;
        if (!digits(&s, 2, &hours))
                return -EINVAL;
        (void) one_of(&s, ":");
        if (s.size >= 2 && s.data[0] >= '0' && s.data[0] <= '9' && !digits(&s, 2, &minutes))
                return -EINVAL;
        if (hours > 14 || minutes > 59)
                return -EINVAL;
        *ret_has = true;
        *ret_usec = (int64_t) (hours * 60 + minutes) * (int64_t) USEC_PER_MINUTE * (west ? -1 : 1);
        return 0;
}

static int parse_iso(LogClock *clock, Span s, usec_t *ret) {
        struct tm tm = {0};
        usec_t fraction = 0, t;
        int64_t offset = 0;
        bool has_zone;

        if (!digits(&s, 4, &tm.tm_year) || !one_of(&s, "-/") || !digits(&s, 2, &tm.tm_mon) ||
                !one_of(&s, "-/") || !digits(&s, 2, &tm.tm_mday) || !one_of(&s, "Tt ") ||
                !clock_time(&s, &tm))
                return -EINVAL;
        if (tm.tm_year < 1970 || tm.tm_year > 9999 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
                tm.tm_mday > 31)
                return -EINVAL;
        tm.tm_year -= 1900;
        tm.tm_mon--;
        if (one_of(&s, ".,"))
                for (usec_t unit = USEC_PER_SEC / 10; s.size > 0 && s.data[0] >= '0' && s.data[0] <= '9';
                        unit /= 10) {
                        fraction += (usec_t) (s.data[0] - '0') * unit;
                        s = span_skip(s, 1);
                }
        if (parse_zone(s, &has_zone, &offset) < 0)
                return -EINVAL;
        if (has_zone) {
                int day = tm.tm_mday;
                time_t utc = timegm(&tm);

                if (utc < 86400 || tm.tm_mday != day)
                        return -EINVAL;
                t = (usec_t) ((int64_t) utc * (int64_t) USEC_PER_SEC - offset);
        } else
                t = resolve(clock, &tm);
        if (t == 0)
                return -EINVAL;
        *ret = t + fraction;
        return 0;
}

/* https://cr.yp.to/libtai/tai64.html; as multilog(8) writes it, with the 10 s that Unix clocks leave out */
static int parse_tai64n(Span s, usec_t *ret) {
        uint64_t seconds = 0, nano = 0;

        if (s.size < 25 || s.data[0] != '@')
                return -EINVAL;
        for (size_t i = 1; i < 25; i++) {
                const char *hex = "0123456789abcdef", *digit = s.data[i] ? strchr(hex, s.data[i]) : NULL;
                uint64_t *part = i < 17 ? &seconds : &nano;

                if (!digit)
                        return -EINVAL;
                *part = *part << 4 | (uint64_t) (digit - hex);
        }
        seconds -= UINT64_C(0x4000000000000000) + 10;
        if (seconds > UINT32_MAX * UINT64_C(64) || nano >= 1000000000)
                return -EINVAL;
        *ret = seconds * USEC_PER_SEC + nano / 1000;
        return 0;
}

/* "Nov 21 01:02" of "Nov 21 01:02:03", "2026-11-21 01:02" of "2026-11-21 01:02:03"; 0 for any other form. */
static size_t minute_of(Span stamp) {
        size_t n = stamp.size == 15 ? 12 : stamp.size == 19 ? 16 : 0;

        return n > 0 && stamp.data[n] == ':' ? n : 0;
}

static bool recall(const LogClock *clock, Span stamp, usec_t now, usec_t *ret) {
        size_t n = minute_of(stamp);
        uint64_t second;

        if (n == 0 || n != clock->minute_size || memcmp(stamp.data, clock->minute, n) != 0 ||
                parse_u64(span_skip(stamp, n + 1), 59, &second) < 0)
                return false;
        /* the same text an hour later is another minute, when the clocks are set back; and a later second of
         * a minute that is ahead may be one of last year */
        if (clock->latest > clock->minute_start + 2 * USEC_PER_MINUTE || clock->minute_start > now)
                return false;
        *ret = clock->minute_start + second * USEC_PER_SEC;
        return true;
}

/* By its seconds as they are written: there were zones off by less than a minute. */
static void remember(LogClock *clock, Span stamp, usec_t t) {
        size_t n = minute_of(stamp);
        uint64_t second;

        clock->minute_size = 0;
        if (n == 0 || parse_u64(span_skip(stamp, n + 1), 59, &second) < 0)
                return;
        clock->minute_size = n;
        memcpy(clock->minute, stamp.data, n);
        clock->minute_start = t - second * USEC_PER_SEC;
}

int log_stamp_parse(LogClock *clock, Span stamp, usec_t now, usec_t *ret) {
        usec_t t;
        int r;

        if (stamp.size == 0)
                return -EINVAL;
        if (recall(clock, stamp, now, &t))
                r = 0;
        else if (stamp.data[0] == '@')
                r = parse_tai64n(stamp, &t);
        else if (stamp.data[0] >= '0' && stamp.data[0] <= '9')
                r = parse_iso(clock, stamp, &t);
        else
                r = parse_rfc3164(clock, stamp, now, &t);
        if (r < 0)
                return r;
        remember(clock, stamp, t);
        t = MIN(t, now);
        clock->latest = MAX(clock->latest, t);
        *ret = t;
        return 0;
}

usec_t log_stamp_time(LogClock *clock, const Record *record) {
        usec_t t;

        if (record->stamp.size == 0)
                return record->read_time;
        return log_stamp_parse(clock, record->stamp, record->read_time, &t) < 0 ? 0 : t;
}
