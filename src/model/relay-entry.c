/* SPDX-License-Identifier: Apache-2.0 */
/* Text of the published records: written by the daemon, read by relaylock in front of the SMTP server. It
 * does not say who may relay (cdb/relay-lookup.c does). What one half writes the other half reads, and the
 * reader takes nothing else: a value that we would not have written is damage, never something to be guessed
 * at. */

#include "model/relay-entry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static const char *const verdict_names[_RELAY_VERDICT_MAX] = {
        [RELAY_ALLOW] = "allow",
        [RELAY_NEVER] = "never",
        [RELAY_REVOKED] = "revoked",
};

/* By bytes and not by isalnum(3): the file means the same in every locale. */
static bool is_how(char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static bool is_plain(char c) {
        return is_how(c) || (c >= 'A' && c <= 'Z') || c == '~' || c == '@';
}

static char how_byte(char c) {
        if (c >= 'A' && c <= 'Z')
                return (char) (c - 'A' + 'a');
        return is_how(c) ? c : '_';
}

size_t relay_user_encode(char buf[static RELAY_USER_ENCODED_BYTES], Span user) {
        static const char digits[] = "0123456789ABCDEF";
        char *p = buf;

        for (size_t i = 0; i < MIN(user.size, (size_t) RELAY_USER_MAX_BYTES); i++) {
                unsigned char c = (unsigned char) user.data[i];

                if (is_plain((char) c))
                        *p++ = (char) c;
                else {
                        *p++ = '%';
                        *p++ = digits[c >> 4];
                        *p++ = digits[c & 15];
                }
        }
        return (size_t) (p - buf);
}

static size_t put_number(char buf[static 20], uint64_t v) {
        char digits[20];
        size_t at = sizeof(digits);

        do {
                digits[--at] = (char) ('0' + v % 10);
                v /= 10;
        } while (v > 0 && at > 0);
        memcpy(buf, digits + at, sizeof(digits) - at);
        return sizeof(digits) - at;
}

size_t relay_value_format(char buf[static RELAY_VALUE_BYTES], const RelayEntry *entry) {
        size_t how = MIN(entry->how.size, (size_t) RELAY_HOW_MAX_BYTES), n;

        assert(entry->verdict >= 0 && entry->verdict < _RELAY_VERDICT_MAX);
        n = strlen(verdict_names[entry->verdict]);
        memcpy(buf, verdict_names[entry->verdict], n);
        buf[n++] = ' ';
        n += put_number(buf + n, entry->until);
        buf[n++] = ' ';
        for (size_t i = 0; i < how; i++)
                buf[n++] = how_byte(entry->how.data[i]);
        if (how == 0)
                buf[n++] = '-'; /* the word is never missing */
        if (entry->user.size > 0) {
                buf[n++] = ' ';
                n += relay_user_encode(buf + n, entry->user);
        }
        buf[n] = 0;
        return n;
}

/* A text and how far it has been read. Each byte is read right behind the comparison of its position with
 * the size, so that it can be seen at that place that no other byte is (tests/proof). */
typedef struct Reading {
        Span text;
        size_t at;
} Reading;

static bool take(Reading *r, char c) {
        if (r->at >= r->text.size || r->text.data[r->at] != c)
                return false;
        r->at++;
        return true;
}

static bool take_text(Reading *r, const char *wanted) {
        for (; *wanted; wanted++)
                if (!take(r, *wanted))
                        return false;
        return true;
}

/* A number as PRIu64 writes it: no leading zeros. */
static bool take_number(Reading *r, uint64_t max, uint64_t *ret) {
        uint64_t v = 0;
        bool any = false;

        for (; r->at < r->text.size; r->at++) {
                char c = r->text.data[r->at];
                uint64_t digit = (uint64_t) (c - '0');

                if (c < '0' || c > '9')
                        break;
                if ((any && v == 0) || v > (UINT64_MAX - digit) / 10)
                        return false;
                v = v * 10 + digit;
                any = true;
        }
        if (!any || v > max)
                return false;
        *ret = v;
        return true;
}

static bool take_how(Reading *r, Span *ret) {
        size_t n = 0;

        while (r->at + n < r->text.size && is_how(r->text.data[r->at + n]))
                if (++n > RELAY_HOW_MAX_BYTES)
                        return false;
        if (n == 0)
                return false;
        *ret = span_make(r->text.data + r->at, n);
        r->at += n;
        return true;
}

/* None is the beginning of another one. */
static bool take_verdict(Reading *r, RelayVerdict *ret) {
        for (int i = 0; i < _RELAY_VERDICT_MAX; i++) {
                size_t start = r->at;

                if (take_text(r, verdict_names[i])) {
                        *ret = (RelayVerdict) i;
                        return true;
                }
                r->at = start;
        }
        return false;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -EBADMSG;
}

/* All that is left. Returns the number of bytes in buf, or -EBADMSG. */
static int take_user(Reading *r, char buf[static RELAY_USER_MAX_BYTES]) {
        int n = 0;

        for (; r->at < r->text.size; r->at++) {
                char c = r->text.data[r->at];

                if (n == RELAY_USER_MAX_BYTES)
                        return -EBADMSG;
                if (c == '%') {
                        int high, low;

                        if (r->at + 2 >= r->text.size)
                                return -EBADMSG;
                        high = hex_digit(r->text.data[r->at + 1]);
                        low = hex_digit(r->text.data[r->at + 2]);
                        /* one name has one spelling: %61 for an "a" is not ours */
                        if (high < 0 || low < 0 || is_plain((char) (high << 4 | low)))
                                return -EBADMSG;
                        c = (char) (high << 4 | low);
                        r->at += 2;
                } else if (!is_plain(c))
                        return -EBADMSG;
                buf[n++] = c;
        }
        return n;
}

int relay_user_decode(Span encoded, char buf[static RELAY_USER_MAX_BYTES]) {
        return take_user(&(Reading){encoded, 0}, buf);
}

int relay_value_parse(Span value, RelayEntry *ret) {
        char decoded[RELAY_USER_MAX_BYTES];
        RelayEntry made = *ret;
        Reading r = {value, 0};

        if (!take_verdict(&r, &made.verdict) || !take(&r, ' ') ||
                !take_number(&r, UINT64_MAX, &made.until) || !take(&r, ' ') || !take_how(&r, &made.how))
                return -EBADMSG;
        made.user = SPAN_NONE;
        /* without a user nothing is left, not even the blank before it */
        if (r.at < value.size) {
                if (!take(&r, ' '))
                        return -EBADMSG;
                made.user = span_make(value.data + r.at, value.size - r.at);
                if (take_user(&r, decoded) <= 0)
                        return -EBADMSG;
        }
        *ret = made;
        return 0;
}

static size_t write_lengths(char *p, const bool *lengths, unsigned max, char family, bool first) {
        char *start = p;

        for (unsigned i = 0; i <= max; i++)
                if (lengths[i]) {
                        p += sprintf(p, first ? "%c/%u" : ",%c/%u", family, i);
                        first = false;
                }
        return (size_t) (p - start);
}

size_t relay_header_format(char buf[static RELAY_HEADER_BYTES], const RelayHeader *header) {
        size_t n = (size_t) snprintf(buf, RELAY_HEADER_BYTES,
                "%d %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " ", RELAY_HEADER_VERSION,
                header->generation, header->written, header->ttl, header->count);
        size_t start = n;

        n += write_lengths(buf + n, header->lengths.v4, 32, '4', true);
        n += write_lengths(buf + n, header->lengths.v6, 128, '6', n == start);
        if (n == start)
                buf[n++] = '-';
        buf[n] = 0;
        return n;
}

/* "4/32" or "6/64". `least` is what may come next: the length for IPv4, 100 more than it for IPv6. */
static bool take_length(Reading *r, RelayLengths *lengths, unsigned *least) {
        bool v6 = take(r, '6');
        uint64_t length;
        unsigned place;

        if ((!v6 && !take(r, '4')) || !take(r, '/') || !take_number(r, v6 ? 128 : 32, &length))
                return false;
        place = (unsigned) length + (v6 ? 100 : 0);
        if (place < *least)
                return false;
        *least = place + 1;
        *(v6 ? &lengths->v6[length] : &lengths->v4[length]) = true;
        return true;
}

/* "4/32,6/48,6/64" in just this order; "-" for none */
static bool take_lengths(Reading *r, RelayLengths *lengths) {
        unsigned least = 0;

        if (take(r, '-'))
                return true;
        do
                if (!take_length(r, lengths, &least))
                        return false;
        while (take(r, ','));
        return true;
}

int relay_header_parse(Span value, RelayHeader *ret) {
        RelayHeader made = {0};
        Reading r = {value, 0};
        uint64_t version;

        if (value.size >= RELAY_HEADER_BYTES || !take_number(&r, UINT64_MAX, &version) || !take(&r, ' '))
                return -EBADMSG;
        if (version != RELAY_HEADER_VERSION)
                return -EPROTONOSUPPORT;
        if (!take_number(&r, RELAY_GENERATION_MAX, &made.generation) || !take(&r, ' ') ||
                !take_number(&r, RELAY_WRITTEN_MAX, &made.written) || !take(&r, ' ') ||
                !take_number(&r, RELAY_TTL_MAX, &made.ttl) || !take(&r, ' ') ||
                !take_number(&r, UINT32_MAX, &made.count) || !take(&r, ' ') ||
                !take_lengths(&r, &made.lengths) || r.at != value.size)
                return -EBADMSG;
        *ret = made;
        return 0;
}

void relay_lengths_add(RelayLengths *lengths, const IpNetwork *network) {
        *(ip_network_is_v4(network) ? &lengths->v4[ip_network_length(network)]
                                    : &lengths->v6[network->length]) = true;
}
