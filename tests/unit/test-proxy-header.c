/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "chain/proxy-header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define REST "EHLO client.example.net\r\n"

/* 192.0.2.7:49152 to 203.0.113.1:995 */
#define BLOCK4 "\xc0\x00\x02\x07\xcb\x00\x71\x01\xc0\x00\x03\xe3"
#define SOURCE6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
#define DESTINATION6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define MAPPED6 "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x07"
#define PORTS "\xc0\x00\x03\xe3"

typedef struct Header {
        Span bytes;
        ProxyHeaderKind kind;
        const char *source, *destination; /* of a client */
        uint16_t source_port, destination_port;
        const char *error; /* it is not valid: part of the reason */
} Header;

#define BYTES(s) .bytes = {(s), sizeof(s) - 1}
#define CLIENT4 PROXY_HEADER_CLIENT, "192.0.2.7", "203.0.113.1", 49152, 995, NULL
#define CLIENT6 PROXY_HEADER_CLIENT, "2001:db8::7", "2001:db8::1", 49152, 995, NULL
#define OTHER PROXY_HEADER_OTHER, NULL, NULL, 0, 0, NULL
#define LOCAL PROXY_HEADER_LOCAL, NULL, NULL, 0, 0, NULL
#define BAD(e) 0, NULL, NULL, 0, 0, e

/* Parses a copy that is no longer than it is, so that a sanitizer sees a read behind it. */
static int parse(const char *data, size_t size, ProxyHeader *ret, const char **reterr) {
        uint8_t *copy = malloc(MAX(size, (size_t) 1));
        int r;

        assert_non_null(copy);
        if (size > 0)
                memcpy(copy, data, size);
        r = proxy_header_parse(copy, size, ret, reterr);
        free(copy);
        return r;
}

static void assert_is(const ProxyHeader *h, const Header *wanted) {
        char text[IP_TEXT_BYTES];

        assert_int_equal(h->kind, wanted->kind);
        assert_int_equal(h->size, wanted->bytes.size);
        assert_int_equal(h->source_port, wanted->source_port);
        assert_int_equal(h->destination_port, wanted->destination_port);
        if (wanted->source) {
                assert_string_equal(ip_addr_format(text, &h->source), wanted->source);
                assert_string_equal(ip_addr_format(text, &h->destination), wanted->destination);
        } else {
                assert_string_equal(ip_addr_format(text, &h->source), "::");
                assert_string_equal(ip_addr_format(text, &h->destination), "::");
        }
}

/* As much as is asked for, until it is whole or refused or there is no more. Returns how much was read. */
static size_t read_exactly(Span bytes, int *ret_r, ProxyHeader *ret, const char **reterr) {
        size_t n = 0;

        while ((*ret_r = parse(bytes.data, n, ret, reterr)) > 0 && n + (size_t) *ret_r <= bytes.size)
                n += (size_t) *ret_r;
        return n;
}

/* Cut anywhere it is not whole and asks for no byte too many; whatever follows changes nothing. */
static void check_good(const Header *wanted) {
        const char *why = NULL;
        char *with_rest = NULL;
        size_t size = wanted->bytes.size, n;
        ProxyHeader h;
        int r;

        with_rest = malloc(size + sizeof(REST));
        assert_non_null(with_rest);
        memcpy(with_rest, wanted->bytes.data, size);
        memcpy(with_rest + size, REST, sizeof(REST));
        for (size_t k = 0; k < size; k++) {
                r = parse(with_rest, k, &h, &why);
                assert_in_range(r, 1, size - k);
        }
        for (size_t k = size; k < size + sizeof(REST); k++) {
                assert_int_equal(parse(with_rest, k, &h, &why), 0);
                assert_is(&h, wanted);
        }
        n = read_exactly(span_make(with_rest, size + sizeof(REST)), &r, &h, &why);
        assert_int_equal(r, 0);
        assert_int_equal(n, size);
        assert_is(&h, wanted);
        free(with_rest);
}

/* Refused, and what is there of it never passes; the result is left alone. */
static void check_bad(const Header *wanted) {
        ProxyHeader h = {.size = 4711};
        const char *why = NULL;
        int r;

        r = parse(wanted->bytes.data, wanted->bytes.size, &h, &why);
        if (r != -EBADMSG || !why || !strstr(why, wanted->error))
                fail_msg("%.*s: %d, %s, not: %s", (int) wanted->bytes.size, wanted->bytes.data, r, strempty(why),
                        wanted->error);
        assert_int_equal(h.size, 4711);
        for (size_t k = 0; k < wanted->bytes.size; k++)
                assert_int_not_equal(parse(wanted->bytes.data, k, &h, &why), 0);
        assert_true(read_exactly(wanted->bytes, &r, &h, &why) <= wanted->bytes.size);
        assert_int_not_equal(r, 0);
}

static void check(const Header *headers, size_t n) {
        for (size_t i = 0; i < n; i++)
                (headers[i].error ? check_bad : check_good)(&headers[i]);
}

static void test_version_1(_unused_ void **state) {
        static const Header headers[] = {
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 49152 995\r\n"), CLIENT4},
                {BYTES("PROXY TCP6 2001:db8::7 2001:db8::1 49152 995\r\n"), CLIENT6},
                {BYTES("PROXY TCP6 2001:DB8:0:0:0:0:0:7 2001:0db8::0001 49152 995\r\n"), CLIENT6},
                /* stunnel, listening on [::] */
                {BYTES("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:203.0.113.1 49152 995\r\n"), CLIENT4},
                {BYTES("PROXY TCP6 ::ffff:c000:207 ::ffff:cb00:7101 49152 995\r\n"), CLIENT4},
                {BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), PROXY_HEADER_CLIENT,
                        "255.255.255.255", "255.255.255.255", 65535, 65535, NULL},
                {BYTES("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), PROXY_HEADER_CLIENT, "0.0.0.0", "0.0.0.0", 0, 0, NULL},
                {BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
                        PROXY_HEADER_CLIENT, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, 65535, NULL},
                {BYTES("PROXY TCP6 :: :: 0 0\r\n"), PROXY_HEADER_CLIENT, "::", "::", 0, 0, NULL},
                {BYTES("PROXY UNKNOWN\r\n"), OTHER},
                {BYTES("PROXY UNKNOWN \r\n"), OTHER},
                {BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), /* 107 bytes */
                        OTHER},
                {BYTES("PROXY UNKNOWN \x00\x01\xff anything\t\r\n"), OTHER},
        };

        check(headers, ELEMENTSOF(headers));
}

static void test_version_1_malformed(_unused_ void **state) {
        static const Header headers[] = {
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 49152 995\n" REST), BAD("without CR")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 49152 995\r" REST), BAD("CR without LF")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 49152 995\r\r\n"), BAD("CR without LF")},
                {BYTES("PROXY UNKNOWN\n\r\n"), BAD("without CR")},
                {BYTES("PROXY UNKNOWN a\nb\r\n"), BAD("without CR")},
                {BYTES("PROXY UNKNOWN a\rb\r\n"), BAD("CR without LF")},
                {BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655350\r\n"), /* 108 bytes */
                        BAD("too long")},
                {BYTES("PROXY UNKNOWNS\r\n"), BAD("too few words")},
                {BYTES("PROXY UNKNOWNS x\r\n"), BAD("unknown protocol")},
                {BYTES("PROXY \r\n         \r\n"), BAD("too few words")},
                {BYTES("PROXY          \r\n"), BAD("unknown protocol")},
                {BYTES("PROXY tcp4 192.0.2.7 203.0.113.1 49152 995\r\n"), BAD("unknown protocol")},
                {BYTES("PROXY UDP4 192.0.2.7 203.0.113.1 49152 995\r\n"), BAD("unknown protocol")},
                {BYTES("PROXY TCP5 192.0.2.7 203.0.113.1 49152 995\r\n"), BAD("unknown protocol")},
                {BYTES("PROXY  TCP4 192.0.2.7 203.0.113.1 49152 995\r\n"), BAD("unknown protocol")},
                {BYTES("PROXY TCP4\t192.0.2.7 203.0.113.1 49152 995\r\n"), BAD("unknown protocol")},
                {BYTES("PROXY TCP4  192.0.2.7 203.0.113.1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 49152\r\n"), BAD("too few words")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1\r\n"), BAD("too few words")},
                {BYTES("PROXY TCP4 192.0.2.7\r\n"), BAD("too few words")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 49152 995 1\r\n"), BAD("bad port")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 49152 995 \r\n"), BAD("bad port")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1  49152 995\r\n"), BAD("bad port")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 65536 995\r\n"), BAD("bad port")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 49152 99999999999999999999999\r\n"), BAD("bad port")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 049152 995\r\n"), BAD("bad port")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 00 995\r\n"), BAD("bad port")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 -1 995\r\n"), BAD("bad port")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 +1 995\r\n"), BAD("bad port")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 0x1 995\r\n"), BAD("bad port")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1 49152 99\0\r\n"), BAD("bad port")},
                {BYTES("PROXY TCP4 192.0.2.256 203.0.113.1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP4 192.0.2.07 203.0.113.1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP4 192.0.2 203.0.113.1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP4 192.0.2.7.1 203.0.113.1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP4 192.0.2.7\0 203.0.113.1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP4 192.0.2.7 203.0.113.1/32 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP4 localhost 203.0.113.1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP4 2001:db8::7 203.0.113.1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP4 192.0.2.7 2001:db8::1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP4 ::ffff:192.0.2.7 203.0.113.1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP6 192.0.2.7 203.0.113.1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP6 2001:db8::7 203.0.113.1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP6 fe80::1%eth0 2001:db8::1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP6 [2001:db8::7] 2001:db8::1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP6 2001::db8::7 2001:db8::1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP6 1:2:3:4:5:6:7:8:9 2001:db8::1 49152 995\r\n"), BAD("bad address")},
                {BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555 2001:db8::1 49152 995\r\n"),
                        BAD("bad address")},
                {BYTES("proxy TCP4 192.0.2.7 203.0.113.1 49152 995\r\n"), BAD("does not begin")},
                {BYTES(" PROXY TCP4 192.0.2.7 203.0.113.1 49152 995\r\n"), BAD("does not begin")},
                {BYTES("PROXYTCP4 192.0.2.7 203.0.113.1 49152 995\r\n"), BAD("does not begin")},
                {BYTES("EHLO x\r\n"), BAD("does not begin")},
                {BYTES("GET / HTTP/1.0\r\n\r\n"), BAD("does not begin")},
                {BYTES("\x16\x03\x01"), BAD("does not begin")},
                {BYTES("\0"), BAD("does not begin")},
        };

        check(headers, ELEMENTSOF(headers));
}

/* The shortest line there is: whatever is asked for first must fit into it. */
static void test_first_bytes(_unused_ void **state) {
        ProxyHeader h;
        const char *why;

        assert_in_range(proxy_header_parse(NULL, 0, &h, &why), 12, 15);
}

#define V2(command, family, length, block) SIGNATURE command family length block

static void test_version_2(_unused_ void **state) {
        static const Header headers[] = {
                {BYTES(V2("\x21", "\x11", "\x00\x0c", BLOCK4)), CLIENT4},
                {BYTES(V2("\x21", "\x21", "\x00\x24", SOURCE6 DESTINATION6 PORTS)), CLIENT6},
                {BYTES(V2("\x21", "\x21", "\x00\x24", MAPPED6 MAPPED6 PORTS)), PROXY_HEADER_CLIENT, "192.0.2.7",
                        "192.0.2.7", 49152, 995, NULL},
                /* no client of TCP */
                {BYTES(V2("\x21", "\x12", "\x00\x0c", BLOCK4)), OTHER},
                {BYTES(V2("\x21", "\x22", "\x00\x24", SOURCE6 DESTINATION6 PORTS)), OTHER},
                {BYTES(V2("\x21", "\x00", "\x00\x00", "")), OTHER},
                {BYTES(V2("\x21", "\x00", "\x00\x03", "\x01\xff\xff")), OTHER},
                {BYTES(V2("\x21", "\x01", "\x00\x01", "x")), OTHER},
                {BYTES(V2("\x21", "\x02", "\x00\x00", "")), OTHER},
                {BYTES(V2("\x21", "\x10", "\x00\x0c", BLOCK4)), OTHER},
                {BYTES(V2("\x21", "\x20", "\x00\x00", "")), OTHER},
                {BYTES(V2("\x21", "\x30", "\x00\x00", "")), OTHER},
                /* the proxy itself: the block is to be skipped, whatever it is */
                {BYTES(V2("\x20", "\x00", "\x00\x00", "")), LOCAL},
                {BYTES(V2("\x20", "\x11", "\x00\x0c", BLOCK4)), LOCAL},
                {BYTES(V2("\x20", "\x11", "\x00\x01", "x")), LOCAL},
                {BYTES(V2("\x20", "\xff", "\x00\x04", "\x03\x00\xff\xff")), LOCAL},
                /* with more fields */
                {BYTES(V2("\x21", "\x11", "\x00\x0f", BLOCK4 "\x04\x00\x00")), CLIENT4},
                {BYTES(V2("\x21", "\x11", "\x00\x14", BLOCK4 "\x02\x00\x05" "a.org")), CLIENT4},
                {BYTES(V2("\x21", "\x11", "\x00\x13", BLOCK4 "\xee\x00\x00\x04\x00\x01\x00")), CLIENT4},
                {BYTES(V2("\x21", "\x11", "\x00\x14", BLOCK4 "\x20\x00\x05\x01\x00\x00\x00\x00")), CLIENT4},
                {BYTES(V2("\x21", "\x11", "\x00\x1e", BLOCK4 "\x20\x00\x0f\x01\x00\x00\x00\x00\x21\x00\x07TLSv1.3")),
                        CLIENT4},
                /* its checksum was computed by another program */
                {BYTES(V2("\x21", "\x11", "\x00\x13", BLOCK4 "\x03\x00\x04\xd5\x69\x97\x6e")), CLIENT4},
                {BYTES(V2("\x21", "\x11", "\x00\x18", BLOCK4 "\x04\x00\x02xx\x03\x00\x04\x1c\x88\x59\x98")), CLIENT4},
        };

        check(headers, ELEMENTSOF(headers));
}

static void test_version_2_malformed(_unused_ void **state) {
        static const Header headers[] = {
                {BYTES(V2("\x11", "\x11", "\x00\x0c", BLOCK4)), BAD("version")},
                {BYTES(V2("\x31", "\x11", "\x00\x0c", BLOCK4)), BAD("version")},
                {BYTES(V2("\x01", "\x11", "\x00\x0c", BLOCK4)), BAD("version")},
                {BYTES(V2("\xf1", "\x11", "\x00\x0c", BLOCK4)), BAD("version")},
                {BYTES(V2("\x22", "\x11", "\x00\x0c", BLOCK4)), BAD("command")},
                {BYTES(V2("\x2f", "\x11", "\x00\x0c", BLOCK4)), BAD("command")},
                {BYTES(V2("\x21", "\x41", "\x00\x0c", BLOCK4)), BAD("family")},
                {BYTES(V2("\x21", "\xf0", "\x00\x0c", BLOCK4)), BAD("family")},
                {BYTES(V2("\x21", "\x13", "\x00\x0c", BLOCK4)), BAD("transport")},
                {BYTES(V2("\x21", "\x0f", "\x00\x00", "")), BAD("transport")},
                {BYTES(V2("\x21", "\x11", "\x00\x00", "")), BAD("addresses")},
                {BYTES(V2("\x21", "\x11", "\x00\x0b", BLOCK4)), BAD("addresses")},
                {BYTES(V2("\x21", "\x12", "\x00\x0b", BLOCK4)), BAD("addresses")},
                {BYTES(V2("\x21", "\x21", "\x00\x23", SOURCE6 DESTINATION6 PORTS)), BAD("addresses")},
                {BYTES(V2("\x21", "\x21", "\x00\x0c", BLOCK4)), BAD("addresses")},
                {BYTES(V2("\x21", "\x31", "\x00\x0c", BLOCK4)), BAD("addresses")},
                {BYTES(V2("\x21", "\x11", "\x00\x0d", BLOCK4 "\x04")), BAD("cut off")},
                {BYTES(V2("\x21", "\x11", "\x00\x0e", BLOCK4 "\x04\x00")), BAD("cut off")},
                {BYTES(V2("\x21", "\x11", "\x00\x0f", BLOCK4 "\x04\x00\x01" REST)), BAD("cut off")},
                {BYTES(V2("\x21", "\x11", "\x00\x0f", BLOCK4 "\xee\xff\xff")), BAD("cut off")},
                {BYTES(V2("\x21", "\x12", "\x00\x0f", BLOCK4 "\xee\xff\xff")), BAD("cut off")},
                {BYTES(V2("\x21", "\x11", "\x00\x13", BLOCK4 "\x04\x00\x00\x04\x00\x02x")), BAD("cut off")},
                {BYTES(V2("\x21", "\x11", "\x00\x13", BLOCK4 "\x03\x00\x04\xd5\x69\x97\x6f")), BAD("checksum is wrong")},
                {BYTES(V2("\x21", "\x11", "\x00\x13", BLOCK4 "\x03\x00\x04\x00\x00\x00\x00")), BAD("checksum is wrong")},
                {BYTES(V2("\x21", "\x11", "\x00\x0f", BLOCK4 "\x03\x00\x00")), BAD("checksum field")},
                {BYTES(V2("\x21", "\x11", "\x00\x12", BLOCK4 "\x03\x00\x03\xd5\x69\x97")), BAD("checksum field")},
                {BYTES(V2("\x21", "\x11", "\x00\x14", BLOCK4 "\x03\x00\x05\xd5\x69\x97\x6e\x00")),
                        BAD("checksum field")},
                {BYTES(V2("\x21", "\x11", "\x00\x0f", BLOCK4 "\x20\x00\x00")), BAD("TLS field")},
                {BYTES(V2("\x21", "\x11", "\x00\x13", BLOCK4 "\x20\x00\x04\x01\x00\x00\x00")), BAD("TLS field")},
                {BYTES(V2("\x21", "\x11", "\x00\x15", BLOCK4 "\x20\x00\x06\x01\x00\x00\x00\x00\x21")), BAD("TLS field")},
                {BYTES(V2("\x21", "\x11", "\x00\x18", BLOCK4 "\x20\x00\x09\x01\x00\x00\x00\x00\x21\x00\x02x")),
                        BAD("TLS field")},
                {BYTES("\r\n\r\n\0\r\nQUIT\r"), BAD("does not begin")},
                {BYTES("\r\n\r\n\0\r\nQUIX"), BAD("does not begin")},
                {BYTES("\r\n\r\nQUIT\r\n"), BAD("does not begin")},
        };

        check(headers, ELEMENTSOF(headers));
}

/* A header of `size` bytes made of a head, a block of addresses and one field of zeros that fills it. */
static Header long_header(char *data, const char family, Span block, size_t size, uint8_t type) {
        size_t field = size - 16 - block.size - 3;

        memset(data, 0, size);
        memcpy(data, SIGNATURE "\x21", 13);
        data[13] = family;
        data[14] = (char) ((size - 16) >> 8);
        data[15] = (char) (size - 16);
        memcpy(data + 16, block.data, block.size);
        data[16 + block.size] = (char) type;
        data[17 + block.size] = (char) (field >> 8);
        data[18 + block.size] = (char) field;
        return (Header){span_make(data, size), CLIENT4};
}

static void test_long(_unused_ void **state) {
        static char data[PROXY_HEADER_MAX_BYTES];
        static char names[216] = "/run/one";
        Span block = SPAN_LITERAL(BLOCK4);
        const char *why;
        Header wanted;
        ProxyHeader h;

        wanted = long_header(data, 0x11, block, 2000, 0x01);
        check_good(&wanted);
        wanted = long_header(data, 0x11, block, 16 + 12 + 3 + 128, 0x05);
        check_good(&wanted);
        wanted = long_header(data, 0x11, block, 16 + 12 + 3 + 129, 0x05);
        wanted.error = "unique id";
        check_bad(&wanted);
        wanted = long_header(data, 0x31, span_make(names, sizeof(names)), 300, 0x04);
        wanted = (Header){wanted.bytes, OTHER};
        check_good(&wanted);
        wanted = (Header){span_make(data, 16 + 216), OTHER};
        data[14] = 0;
        data[15] = (char) 216;
        check_good(&wanted);
        wanted = (Header){span_make(data, 16 + 215), BAD("addresses")};
        data[15] = (char) 215;
        check_bad(&wanted);

        /* the longest; cut at a few places only */
        wanted = long_header(data, 0x11, block, sizeof(data), 0x04);
        assert_int_equal(parse(data, 16, &h, &why), 65535);
        assert_int_equal(parse(data, sizeof(data) - 1, &h, &why), 1);
        assert_int_equal(parse(data, sizeof(data), &h, &why), 0);
        assert_is(&h, &wanted);
}

/* A header that is whole passes no other test than this: nothing may be read that is not there. */
static void test_noise(_unused_ void **state) {
        uint64_t seed = 7;

        for (unsigned i = 0; i < 20000; i++) {
                static const char good[] = V2("\x21", "\x11", "\x00\x1e",
                        BLOCK4 "\x20\x00\x0f\x01\x00\x00\x00\x00\x21\x00\x07TLSv1.3");
                char data[sizeof(good) - 1];
                const char *why = NULL;
                ProxyHeader h;
                size_t size = next_random(&seed) % (sizeof(data) + 1);
                int r;

                memcpy(data, good, sizeof(data));
                for (unsigned k = 0; k < 3; k++)
                        data[next_random(&seed) % sizeof(data)] = (char) next_random(&seed);
                r = parse(data, size, &h, &why);
                if (r == 0)
                        assert_in_range(h.size, 16, size);
                else if (r > 0)
                        assert_in_range((size_t) r + size, 15, PROXY_HEADER_MAX_BYTES);
                else
                        assert_non_null(why);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_version_1),
                cmocka_unit_test(test_version_1_malformed),
                cmocka_unit_test(test_first_bytes),
                cmocka_unit_test(test_version_2),
                cmocka_unit_test(test_version_2_malformed),
                cmocka_unit_test(test_long),
                cmocka_unit_test(test_noise),
        };

        return cmocka_run_group_tests_name("proxy-header", tests, NULL, NULL);
}
