/* SPDX-License-Identifier: Apache-2.0 */
/* Text of the published records: written by the daemon, read by relaylock in front of the SMTP server. It
 * does not say who may relay (cdb/relay-lookup.c does). What one half writes the other half reads, and the
 * reader takes nothing else: a value that we would not have written is damage, never something to be guessed
 * at. */

#include "model/relay-entry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "basic/parse-util.h"

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

size_t relay_value_format(char buf[static RELAY_VALUE_BYTES], const RelayEntry *entry) {
        size_t how = MIN(entry->how.size, (size_t) RELAY_HOW_MAX_BYTES), n;

        assert(entry->verdict >= 0 && entry->verdict < _RELAY_VERDICT_MAX);
        n = (size_t) snprintf(
                buf, RELAY_VALUE_BYTES, "%s %" PRIu64 " ", verdict_names[entry->verdict], entry->until);
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

/* The next word, up to one blank or the end; NULL data when there is none. Stricter than parse_word(). */
static Span take_word(Span *rest) {
        const char *blank = rest->size > 0 ? memchr(rest->data, ' ', rest->size) : NULL;
        Span word = *rest;

        if (!blank) {
                *rest = SPAN_NONE;
                return word;
        }
        word.size = (size_t) (blank - rest->data);
        *rest = span_skip(*rest, word.size + 1);
        return word;
}

/* A number as PRIu64 writes it: no leading zeros. */
static int take_number(Span *rest, uint64_t max, uint64_t *ret) {
        Span word = take_word(rest);

        if ((word.size > 1 && word.data[0] == '0') || parse_u64(word, max, ret) < 0)
                return -EBADMSG;
        return 0;
}

static int parse_verdict(Span word, RelayVerdict *ret) {
        for (int i = 0; i < _RELAY_VERDICT_MAX; i++)
                if (span_equal_string(word, verdict_names[i])) {
                        *ret = (RelayVerdict) i;
                        return 0;
                }
        return -EBADMSG;
}

int relay_value_parse(Span value, RelayEntry *ret) {
        char decoded[RELAY_USER_MAX_BYTES];
        RelayEntry made = *ret;
        Span rest = value;
        int r;

        r = parse_verdict(take_word(&rest), &made.verdict);
        if (r < 0)
                return r;
        r = take_number(&rest, UINT64_MAX, &made.until);
        if (r < 0)
                return r;
        made.how = take_word(&rest);
        if (made.how.size == 0 || made.how.size > RELAY_HOW_MAX_BYTES)
                return -EBADMSG;
        for (size_t i = 0; i < made.how.size; i++)
                if (!is_how(made.how.data[i]))
                        return -EBADMSG;
        /* what is left is the user; without one nothing is left, not even the blank before it */
        made.user = rest;
        if (made.user.size == 0 && made.how.data + made.how.size != value.data + value.size)
                return -EBADMSG;
        r = relay_user_decode(made.user, decoded);
        if (r < 0)
                return r;
        *ret = made;
        return 0;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -EBADMSG;
}

int relay_user_decode(Span encoded, char buf[static RELAY_USER_MAX_BYTES]) {
        int n = 0;

        for (size_t i = 0; i < encoded.size; i++) {
                char c = encoded.data[i];

                if (n == RELAY_USER_MAX_BYTES)
                        return -EBADMSG;
                if (c == '%') {
                        int high = i + 2 < encoded.size ? hex_digit(encoded.data[i + 1]) : -EBADMSG;
                        int low = i + 2 < encoded.size ? hex_digit(encoded.data[i + 2]) : -EBADMSG;

                        /* one name has one spelling: %61 for an "a" is not ours */
                        if (high < 0 || low < 0 || is_plain((char) (high << 4 | low)))
                                return -EBADMSG;
                        c = (char) (high << 4 | low);
                        i += 2;
                } else if (!is_plain(c))
                        return -EBADMSG;
                buf[n++] = c;
        }
        return n;
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

/* "4/32,6/48,6/64" in just this order; "-" for none */
static int parse_lengths(Span s, RelayLengths *ret) {
        RelayLengths made = {0};
        unsigned least = 0; /* of what may come next: the length for IPv4, 100 more than it for IPv6 */

        if (span_equal_string(s, "-")) {
                *ret = made;
                return 0;
        }
        for (;;) {
                const char *comma = s.size > 0 ? memchr(s.data, ',', s.size) : NULL;
                Span part = comma ? span_make(s.data, (size_t) (comma - s.data)) : s, number;
                uint64_t length;
                unsigned place;
                bool v6;

                v6 = span_starts_with(part, SPAN_LITERAL("6/"));
                if (!v6 && !span_starts_with(part, SPAN_LITERAL("4/")))
                        return -EBADMSG;
                number = span_skip(part, 2);
                if (take_number(&number, v6 ? 128 : 32, &length) < 0 || number.data)
                        return -EBADMSG;
                place = (unsigned) length + (v6 ? 100 : 0);
                if (place < least)
                        return -EBADMSG;
                least = place + 1;
                *(v6 ? &made.v6[length] : &made.v4[length]) = true;
                if (!comma)
                        break;
                s = span_skip(s, part.size + 1);
        }
        *ret = made;
        return 0;
}

int relay_header_parse(Span value, RelayHeader *ret) {
        RelayHeader made = {0};
        Span rest = value;
        uint64_t version;

        if (value.size >= RELAY_HEADER_BYTES || take_number(&rest, UINT64_MAX, &version) < 0)
                return -EBADMSG;
        if (version != RELAY_HEADER_VERSION)
                return -EPROTONOSUPPORT;
        if (take_number(&rest, RELAY_GENERATION_MAX, &made.generation) < 0 ||
                take_number(&rest, RELAY_WRITTEN_MAX, &made.written) < 0 ||
                take_number(&rest, RELAY_TTL_MAX, &made.ttl) < 0 ||
                take_number(&rest, UINT32_MAX, &made.count) < 0 || parse_lengths(rest, &made.lengths) < 0)
                return -EBADMSG;
        *ret = made;
        return 0;
}

void relay_lengths_add(RelayLengths *lengths, const IpNetwork *network) {
        *(ip_network_is_v4(network) ? &lengths->v4[ip_network_length(network)]
                                    : &lengths->v6[network->length]) = true;
}
