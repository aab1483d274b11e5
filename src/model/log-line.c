/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of log lines. Runs on every line of a mail log, so it looks at each byte of the head once and reads
 * no number: a stamp is recognised by its shape and read later, if at all. */

#include "model/log-line.h"

static const char *const names[_LOG_HEAD_MAX] = {
        [LOG_HEAD_SYSLOG] = "syslog",
        [LOG_HEAD_DOVECOT] = "dovecot",
        [LOG_HEAD_EXIM] = "exim",
        [LOG_HEAD_NGINX] = "nginx",
        [LOG_HEAD_TAI64N] = "tai64n",
};

const char *log_head_to_string(LogHead head) {
        assert(head >= 0 && head < _LOG_HEAD_MAX);
        return names[head];
}

LogHead log_head_from_string(Span s) {
        for (LogHead h = 0; h < _LOG_HEAD_MAX; h++)
                if (span_equal_string(s, names[h]))
                        return h;
        return _LOG_HEAD_INVALID;
}

/* A template: '0' stands for a digit, 'a' for a letter, '_' for a digit or blank, '-' for '-' or '/', 'T'
 * for 'T' or blank; everything else for itself. */
static bool has_shape(Span s, const char *shape, size_t n) {
        if (s.size < n)
                return false;
        for (size_t i = 0; i < n; i++) {
                char c = s.data[i];

                switch (shape[i]) {
                case '0':
                        if (c < '0' || c > '9')
                                return false;
                        break;
                case '-':
                        if (c != '-' && c != '/')
                                return false;
                        break;
                case 'T':
                        if (c != 'T' && c != ' ')
                                return false;
                        break;
                default:
                        if (c != shape[i])
                                return false;
                }
        }
        return true;
}

#define HAS_SHAPE(s, shape) has_shape((s), (shape), sizeof(shape) - 1)

static bool is_zone_byte(char c) {
        return (c >= '0' && c <= '9') || c == '.' || c == ',' || c == '+' || c == '-' || c == ':' ||
               c == 'Z' || c == 'z';
}

static bool is_digit(char c) {
        return (unsigned char) (c - '0') < 10;
}

static bool is_letter(char c) {
        return (unsigned char) ((c | 0x20) - 'a') < 26;
}

/* "Nov 21 01:02:03 ", the head of nearly every line there is; the shape "aaa _0 00:00:00 " without a loop.
 */
static bool has_bsd_stamp(Span s) {
        const char *p = s.data;

        return s.size > 15 && p[3] == ' ' && p[6] == ' ' && p[9] == ':' && p[12] == ':' && p[15] == ' ' &&
               is_letter(p[0]) && is_letter(p[1]) && is_letter(p[2]) && (p[4] == ' ' || is_digit(p[4])) &&
               is_digit(p[5]) && is_digit(p[7]) && is_digit(p[8]) && is_digit(p[10]) && is_digit(p[11]) &&
               is_digit(p[13]) && is_digit(p[14]);
}

/* Bytes that the stamp takes, the blank behind it not counted; 0: there is none. */
static size_t stamp_size(Span s) {
        size_t n;

        if (has_bsd_stamp(s))
                return 15;
        if (!HAS_SHAPE(s, "0000-00-00T00:00:00"))
                return 0;
        for (n = 19; n < s.size && n < 40 && is_zone_byte(s.data[n]); n++)
                ;
        return n;
}

static bool take_stamp(Span *s, Span *ret) {
        size_t n = stamp_size(*s);

        if (n == 0 || n >= s->size || s->data[n] != ' ')
                return false;
        *ret = span_make(s->data, n);
        *s = span_skip(*s, n + 1);
        return true;
}

/* A host never ends in ':', so Dovecot's own "imap-login: Info: …" is none; nor does it begin with '[': that
 * is Exim's pid, or nginx's level. */
static bool take_host(Span *s, LogLine *l) {
        const char *blank = s->size > 0 ? memchr(s->data, ' ', MIN(s->size, (size_t) 256)) : NULL;

        if (!blank || blank == s->data || blank[-1] == ':' || s->data[0] == '[')
                return false;
        l->host = span_make(s->data, (size_t) (blank - s->data));
        *s = span_skip(*s, l->host.size + 1);
        return true;
}

/* "identifier[pid]: message" */
static bool take_tag(Span s, LogLine *l) {
        const char *p, *end = s.data + MIN(s.size, (size_t) 128);

        for (p = s.data; p < end && *p != ':' && *p != '[' && *p != ' '; p++)
                ;
        if (p == end || p == s.data || *p == ' ')
                return false;
        l->identifier = span_make(s.data, (size_t) (p - s.data));
        s = span_skip(s, l->identifier.size);
        if (s.data[0] == '[') {
                const char *close = memchr(s.data, ']', MIN(s.size, (size_t) 32));

                if (!close)
                        return false;
                l->pid = span_make(s.data + 1, (size_t) (close - s.data - 1));
                s = span_skip(s, l->pid.size + 2);
        }
        if (s.size == 0 || s.data[0] != ':')
                return false;
        s = span_skip(s, 1);
        if (s.size > 0 && s.data[0] == ' ')
                s = span_skip(s, 1);
        l->message = s;
        return true;
}

/* "mail.info ", which busybox's syslogd writes behind the host; no tag has a blank behind it. */
static void skip_facility(Span *s) {
        static const char *const severities[] = {
                "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};
        const char *blank = s->size > 0 ? memchr(s->data, ' ', MIN(s->size, (size_t) 32)) : NULL;
        const char *dot = blank ? memchr(s->data, '.', (size_t) (blank - s->data)) : NULL;

        if (!dot || dot == s->data)
                return;
        for (const char *p = s->data; p < dot; p++)
                if (!is_letter(*p) && !is_digit(*p))
                        return;
        for (size_t i = 0; i < ELEMENTSOF(severities); i++)
                if (span_equal_string(span_make(dot + 1, (size_t) (blank - dot - 1)), severities[i])) {
                        *s = span_skip(*s, (size_t) (blank + 1 - s->data));
                        return;
                }
}

/* RFC 3164 lines of rsyslog can carry a second stamp or year; those are not ours to guess. */
static bool parse_syslog(Span s, LogLine *l) {
        if (!take_stamp(&s, &l->stamp) || !take_host(&s, l))
                return false;
        if (take_tag(s, l))
                return true;
        skip_facility(&s);
        return take_tag(s, l);
}

static bool parse_exim(Span s, LogLine *l) {
        const char *start = s.data;

        if (!HAS_SHAPE(s, "0000-00-00 00:00:00") || !take_stamp(&s, &l->stamp))
                return false;
        if (s.size > 6 && (s.data[0] == '+' || s.data[0] == '-') && s.data[5] == ' ') {
                s = span_skip(s, 6);
                l->stamp.size = (size_t) (s.data - 1 - start);
        }
        if (s.size > 0 && s.data[0] == '[') {
                const char *close = memchr(s.data, ']', MIN(s.size, (size_t) 16));

                if (close && (size_t) (close - s.data) + 2 <= s.size && close[1] == ' ')
                        s = span_skip(s, (size_t) (close - s.data) + 2);
        }
        l->message = s;
        return true;
}

static bool parse_nginx(Span s, LogLine *l) {
        const char *colon;

        if (!HAS_SHAPE(s, "0000-00-00 00:00:00 [") || !take_stamp(&s, &l->stamp))
                return false;
        /* "[info] 123#123: " */
        colon = memmem(s.data, MIN(s.size, (size_t) 64), ": ", 2);
        if (!colon)
                return false;
        l->message = span_skip(s, (size_t) (colon - s.data) + 2);
        return true;
}

static bool parse_tai64n(Span s, LogLine *l) {
        if (s.size < 26 || s.data[0] != '@' || s.data[25] != ' ')
                return false;
        for (size_t i = 1; i < 25; i++)
                if (!s.data[i] || !strchr("0123456789abcdef", s.data[i]))
                        return false;
        l->stamp = span_make(s.data, 25);
        l->message = span_skip(s, 26);
        return true;
}

/* "<22>": facility and severity, 191 at most. */
static bool take_priority(Span *s) {
        unsigned value = 0;
        size_t n;

        for (n = 1; n < s->size && n < 4 && is_digit(s->data[n]); n++)
                value = value * 10 + (unsigned) (s->data[n] - '0');
        if (n == 1 || n >= s->size || s->data[n] != '>' || value > 191)
                return false;
        *s = span_skip(*s, n + 1);
        return true;
}

/* One of RFC 5424's words; "-" is an empty one. */
static bool take_word(Span *s, size_t max, Span *ret) {
        size_t n;

        for (n = 0; n < s->size && n <= max && s->data[n] != ' '; n++)
                if ((unsigned char) s->data[n] <= ' ' || (unsigned char) s->data[n] >= 0x7f)
                        return false;
        if (n == 0 || n > max || n == s->size)
                return false;
        *ret = n == 1 && s->data[0] == '-' ? SPAN_NONE : span_make(s->data, n);
        *s = span_skip(*s, n + 1);
        return true;
}

/* "[id name="value" …]", in whose values a backslash stands before '"', '\\' and ']'. */
static bool skip_element(Span *s) {
        bool quoted = false;

        for (size_t i = 1; i < s->size; i++)
                if (quoted && s->data[i] == '\\')
                        i++;
                else if (s->data[i] == '"')
                        quoted = !quoted;
                else if (!quoted && s->data[i] == ']') {
                        *s = span_skip(*s, i + 1);
                        return true;
                }
        return false;
}

static bool skip_structured_data(Span *s) {
        if (s->size > 0 && s->data[0] == '-') {
                *s = span_skip(*s, 1);
                return true;
        }
        if (s->size == 0 || s->data[0] != '[')
                return false;
        while (s->size > 0 && s->data[0] == '[')
                if (!skip_element(s))
                        return false;
        return true;
}

/* "1 stamp host identifier pid message-id structured-data message"; what stands in the values of the
 * structured data is of no use here. */
static bool parse_rfc5424(Span s, LogLine *l) {
        Span message_id;

        if (!take_word(&s, 48, &l->stamp) || !take_word(&s, 255, &l->host) ||
                !take_word(&s, 48, &l->identifier) || !take_word(&s, 128, &l->pid) ||
                !take_word(&s, 32, &message_id) || !skip_structured_data(&s))
                return false;
        if (s.size > 0 && s.data[0] != ' ')
                return false;
        s = span_skip(s, MIN(s.size, (size_t) 1));
        if (span_starts_with(s, SPAN_LITERAL("\xef\xbb\xbf")))
                s = span_skip(s, 3);
        /* rsyslog's template has the blank that stood behind RFC 3164's colon */
        if (s.size > 0 && s.data[0] == ' ')
                s = span_skip(s, 1);
        l->message = s;
        return true;
}

/* What syslog(3) writes has no host, and a colon where one would end. */
static bool parse_rfc3164(Span s, LogLine *l) {
        if (!take_stamp(&s, &l->stamp))
                return false;
        return (take_host(&s, l) && take_tag(s, l)) || (l->host.size == 0 && take_tag(s, l));
}

bool log_line_parse_datagram(Span datagram, LogLine *ret) {
        LogLine l = {0};
        bool ok;

        if (datagram.size > 0 && datagram.data[0] == '<' && !take_priority(&datagram))
                return false;
        if (span_starts_with(datagram, SPAN_LITERAL("1 ")))
                ok = parse_rfc5424(span_skip(datagram, 2), &l);
        else
                ok = parse_rfc3164(datagram, &l);
        if (ok)
                *ret = l;
        return ok;
}

bool log_line_parse(Span line, LogHead head, LogLine *ret) {
        LogLine l = {0};
        bool ok = false;

        switch (head) {
        case LOG_HEAD_SYSLOG:
                ok = parse_syslog(line, &l);
                break;
        case LOG_HEAD_DOVECOT:
                l.message = line;
                ok = take_stamp(&l.message, &l.stamp);
                break;
        case LOG_HEAD_EXIM:
                ok = parse_exim(line, &l);
                break;
        case LOG_HEAD_NGINX:
                ok = parse_nginx(line, &l);
                break;
        case LOG_HEAD_TAI64N:
                ok = parse_tai64n(line, &l);
                break;
        case _LOG_HEAD_MAX:
        case _LOG_HEAD_INVALID:
                break;
        }
        if (ok)
                *ret = l;
        return ok;
}
