/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY protocol as HAProxy's proxy-protocol.txt has it. Everything that the specification leaves to the
 * receiver's mercy is refused, except what it wants accepted: LOCAL, UNKNOWN, and families that have no IP
 * address. Invariant: `data` is read only below `size`, each position is a difference of what was compared
 * before, and no sum can exceed PROXY_HEADER_MAX_BYTES. */

#include "chain/proxy-header.h"

#include <errno.h>

#include "basic/parse-util.h"

/* Version 1: "PROXY UNKNOWN\r\n" is the shortest line, and the longest that the specification knows has 107
 * bytes. */
#define V1_MIN_BYTES 15
#define V1_MAX_BYTES 107

/* Version 2: signature, version and command, family and transport, length. */
#define V2_HEAD_BYTES 16

enum {
        COMMAND_LOCAL = 0x20,
        COMMAND_PROXY = 0x21,

        FAMILY_INET = 1,
        FAMILY_INET6 = 2,
        FAMILY_UNIX = 3,

        TRANSPORT_STREAM = 1,
        TRANSPORT_DGRAM = 2,

        TLV_CRC32C = 0x03,
        TLV_UNIQUE_ID = 0x05,
        TLV_SSL = 0x20,
};

static const char v1_signature[] = "PROXY ";
static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";

static int refuse(const char **reterr, const char *why) {
        *reterr = why;
        return -EBADMSG;
}

/* True if the bytes are the signature or the beginning of one. */
static bool may_begin(Span bytes, Span signature) {
        return bytes.size == 0 || memcmp(bytes.data, signature.data, MIN(bytes.size, signature.size)) == 0;
}

typedef struct Word {
        char text[V1_MAX_BYTES];
        size_t size;
} Word;

/* Protocol, two addresses, two ports. */
#define WORDS 5

/* Cuts what stands from `at` to `end` at its blanks. Two of them in a row have an empty word between them,
 * which is nothing that a field can be; and what is too much stands in the last word, blanks and all.
 * Returns how many words there are. */
static size_t split_words(const char *data, size_t at, size_t end, Word words[static WORDS]) {
        for (size_t n = 0; n < WORDS; n++) {
                size_t size = 0;

                for (; at < end && (data[at] != ' ' || n == WORDS - 1); at++)
                        if (size < V1_MAX_BYTES)
                                words[n].text[size++] = data[at];
                words[n].size = size;
                if (at >= end)
                        return n + 1;
                at++;
        }
        return WORDS;
}

static Span word_span(const Word *word) {
        return span_make(word->text, word->size);
}

/* Where this byte is among the first `size`; `size` if it is not. */
static size_t find_byte(const char *data, size_t size, char c) {
        size_t i = 0;

        while (i < size && data[i] != c)
                i++;
        return i;
}

/* ip_addr_parse() takes either family; here the keyword has said which form it is. An IPv4 address in IPv6's
 * form is what a proxy sends that listens on [::] (stunnel). */
static bool is_address(Span word, bool is_v6, IpAddr *ret) {
        return span_contains(word, SPAN_LITERAL(":")) == is_v6 && ip_addr_parse(word, ret) >= 0;
}

static bool is_port(Span word, uint16_t *ret) {
        uint64_t port;

        if (word.size > 1 && word.data[0] == '0')
                return false;
        if (parse_u64(word, UINT16_MAX, &port) < 0)
                return false;
        *ret = (uint16_t) port;
        return true;
}

/* "PROXY UNKNOWN", and then anything. */
static bool is_unknown(const char *data, size_t end) {
        static const char unknown[] = "PROXY UNKNOWN";
        size_t n = sizeof(unknown) - 1;

        return end >= n && memcmp(data, unknown, n) == 0 && (end == n || data[n] == ' ');
}

/* What stands before the end of the line. */
static int parse_line(const char *data, size_t end, ProxyHeader *r, const char **reterr) {
        Word words[WORDS] = {0};
        size_t n;
        bool is_v6;

        if (is_unknown(data, end)) {
                r->kind = PROXY_HEADER_OTHER;
                return 0;
        }
        n = split_words(data, sizeof(v1_signature) - 1, end, words);
        if (n < 2)
                return refuse(reterr, "the line has too few words");
        is_v6 = span_equal_string(word_span(&words[0]), "TCP6");
        if (!is_v6 && !span_equal_string(word_span(&words[0]), "TCP4"))
                return refuse(reterr, "the line names an unknown protocol");
        if (n < WORDS)
                return refuse(reterr, "the line has too few words");
        if (!is_address(word_span(&words[1]), is_v6, &r->source) ||
                !is_address(word_span(&words[2]), is_v6, &r->destination))
                return refuse(reterr, "the line has a bad address");
        if (!is_port(word_span(&words[3]), &r->source_port) ||
                !is_port(word_span(&words[4]), &r->destination_port))
                return refuse(reterr, "the line has a bad port");
        r->kind = PROXY_HEADER_CLIENT;
        return 0;
}

static int parse_v1(Span bytes, ProxyHeader *r, const char **reterr) {
        size_t size = MIN(bytes.size, (size_t) V1_MAX_BYTES), end, missing;

        if (size < V1_MIN_BYTES)
                return (int) (V1_MIN_BYTES - size);
        end = find_byte(bytes.data, size, '\r');
        if (find_byte(bytes.data, end, '\n') < end)
                return refuse(reterr, "the line ends without CR");
        if (end + 1 >= size) {
                missing = end < size ? 1 : 2;
                if (size + missing > V1_MAX_BYTES)
                        return refuse(reterr, "the line is too long");
                return (int) missing;
        }
        if (bytes.data[end + 1] != '\n')
                return refuse(reterr, "the line has a CR without LF");
        r->size = end + 2;
        return parse_line(bytes.data, end, r, reterr);
}

static unsigned number16(const char *p) {
        return (unsigned) (uint8_t) p[0] << 8 | (uint8_t) p[1];
}

static uint32_t number32(const char *p) {
        return (uint32_t) number16(p) << 16 | number16(p + 2);
}

/* CRC32c, RFC 4960, Appendix B: reflected, polynomial 0x1EDC6F41. Bit by bit, as it is a few hundred bytes
 * once in a connection's life. */
static uint32_t crc32c_add(uint32_t crc, const char *data, size_t start, size_t end) {
        for (size_t i = start; i < end; i++) {
                crc ^= (uint8_t) data[i];
                for (unsigned bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (UINT32_C(0x82f63b78) & (0 - (crc & 1)));
        }
        return crc;
}

/* A field: its value stands between two positions in the header. */
typedef struct Tlv {
        uint8_t type;
        size_t start, end;
} Tlv;

/* The sum over the header, in which the 4 bytes that hold the sum count as 0. */
static bool is_sum_right(Span header, const Tlv *sum) {
        uint32_t crc = UINT32_MAX;

        crc = crc32c_add(crc, header.data, 0, sum->start);
        crc = crc32c_add(crc, "\0\0\0", 0, 4);
        crc = crc32c_add(crc, header.data, sum->end, header.size);
        return ~crc == number32(header.data + sum->start);
}

/* Takes the TLV at *at and moves behind it. Returns false when what stands up to `end` is not one. */
static bool take_tlv(const char *data, size_t *at, size_t end, Tlv *ret) {
        size_t start = *at + 3, behind;

        if (start > end)
                return false;
        behind = start + number16(data + start - 2);
        if (behind > end)
                return false;
        *ret = (Tlv){(uint8_t) data[start - 3], start, behind};
        *at = behind;
        return true;
}

/* A byte of flags, 4 of the verification's result, and TLVs. */
static bool is_ssl(const char *data, const Tlv *field) {
        size_t at = field->start + 5;
        Tlv inner;

        if (at > field->end)
                return false;
        while (at < field->end)
                if (!take_tlv(data, &at, field->end, &inner))
                        return false;
        return true;
}

/* The fields, which stand from `at` to the end of the header. */
static int parse_tlvs(Span header, size_t at, const char **reterr) {
        bool has_sum = false;
        Tlv field;

        while (at < header.size) {
                if (!take_tlv(header.data, &at, header.size, &field))
                        return refuse(reterr, "a field is cut off");
                switch (field.type) {
                case TLV_CRC32C:
                        /* of two, each would have been made with the other in it */
                        if (field.end != field.start + 4 || has_sum)
                                return refuse(reterr, "the checksum field is malformed");
                        if (!is_sum_right(header, &field))
                                return refuse(reterr, "the checksum is wrong");
                        has_sum = true;
                        break;
                case TLV_UNIQUE_ID:
                        if (field.end > field.start + 128)
                                return refuse(reterr, "the unique id is too long");
                        break;
                case TLV_SSL:
                        if (!is_ssl(header.data, &field))
                                return refuse(reterr, "the TLS field is malformed");
                        break;
                default: /* others mean nothing here, nor need they be known */
                        break;
                }
        }
        return 0;
}

static IpAddr address_of(const char *p, unsigned family) {
        IpAddr addr = {{[10] = 0xff, [11] = 0xff}};

        if (family == FAMILY_INET)
                memcpy(addr.bytes + 12, p, 4);
        else
                memcpy(addr.bytes, p, 16);
        return addr;
}

/* The block behind the first 16 bytes. */
static int parse_block(
        Span header, unsigned family, unsigned transport, ProxyHeader *r, const char **reterr) {
        static const size_t address_bytes[] = {[FAMILY_INET] = 4, [FAMILY_INET6] = 16, [FAMILY_UNIX] = 108};
        Span block = span_skip(header, V2_HEAD_BYTES);
        size_t n, all;
        int k;

        if (family > FAMILY_UNIX)
                return refuse(reterr, "the address family is unknown");
        if (transport > TRANSPORT_DGRAM)
                return refuse(reterr, "the transport protocol is unknown");
        r->kind = PROXY_HEADER_OTHER;
        if (family == 0 || transport == 0)
                return 0; /* nobody says how such a block is divided */
        n = address_bytes[family];
        all = 2 * n + (family == FAMILY_UNIX ? 0 : 4);
        if (block.size < all)
                return refuse(reterr, "the addresses are cut off");
        k = parse_tlvs(header, V2_HEAD_BYTES + all, reterr);
        if (k < 0 || family == FAMILY_UNIX || transport != TRANSPORT_STREAM)
                return k;
        r->kind = PROXY_HEADER_CLIENT;
        r->source = address_of(block.data, family);
        r->destination = address_of(block.data + n, family);
        r->source_port = (uint16_t) number16(block.data + 2 * n);
        r->destination_port = (uint16_t) number16(block.data + 2 * n + 2);
        return 0;
}

static int parse_v2(Span bytes, ProxyHeader *r, const char **reterr) {
        uint8_t command, family;

        if (bytes.size < V2_HEAD_BYTES)
                return (int) (V2_HEAD_BYTES - bytes.size);
        command = (uint8_t) bytes.data[12];
        family = (uint8_t) bytes.data[13];
        if (command >> 4 != 2)
                return refuse(reterr, "the version is unknown");
        if (command != COMMAND_LOCAL && command != COMMAND_PROXY)
                return refuse(reterr, "the command is unknown");
        r->size = V2_HEAD_BYTES + number16(bytes.data + 14);
        if (bytes.size < r->size)
                return (int) (r->size - bytes.size);
        if (command == COMMAND_LOCAL) {
                r->kind = PROXY_HEADER_LOCAL; /* the block is to be ignored, family and all */
                return 0;
        }
        return parse_block(span_make(bytes.data, r->size), family >> 4, family & 15, r, reterr);
}

int proxy_header_parse(const uint8_t *data, size_t size, ProxyHeader *ret_header, const char **reterr) {
        Span bytes = span_make((const char *) data, size);
        ProxyHeader header = {0};
        int r;

        /* the first bytes are read before it is known which version it is */
        if (size == 0)
                return MIN(V1_MIN_BYTES, V2_HEAD_BYTES);
        if (may_begin(bytes, SPAN_LITERAL(v1_signature)))
                r = parse_v1(bytes, &header, reterr);
        else if (may_begin(bytes, SPAN_LITERAL(v2_signature)))
                r = parse_v2(bytes, &header, reterr);
        else
                return refuse(reterr, "it does not begin like one");
        if (r == 0)
                *ret_header = header;
        return r;
}
