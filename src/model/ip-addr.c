/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses and networks: the one place where text becomes an address. Names are not looked up. */

#include "model/ip-addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "basic/parse-util.h"

int ip_addr_parse(Span s, IpAddr *ret) {
        char text[INET6_ADDRSTRLEN];
        IpAddr addr;

        if (s.size == 0 || s.size >= sizeof(text) || span_contains(s, SPAN_LITERAL("\0")))
                return -EINVAL;
        memcpy(text, s.data, s.size);
        text[s.size] = 0;
        if (inet_pton(AF_INET, text, addr.bytes + 12) == 1)
                memcpy(addr.bytes, ip_v4_prefix, sizeof(ip_v4_prefix));
        else if (inet_pton(AF_INET6, text, addr.bytes) != 1)
                return -EINVAL;
        *ret = addr;
        return 0;
}

static char *put_octet(char *p, unsigned octet) {
        if (octet >= 100)
                *p++ = (char) ('0' + octet / 100);
        if (octet >= 10)
                *p++ = (char) ('0' + octet / 10 % 10);
        *p++ = (char) ('0' + octet % 10);
        return p;
}

/* Returns the text's length. inet_ntop(3) goes by way of sprintf(3), which was a third of what a base costs:
 * most addresses need neither. */
static size_t put_addr(char buf[static IP_TEXT_BYTES], const IpAddr *addr) {
        char *p = buf;

        if (!ip_addr_is_v4(addr)) {
                (void) inet_ntop(AF_INET6, addr->bytes, buf, IP_TEXT_BYTES);
                return strlen(buf);
        }
        for (unsigned i = 12; i < 16; i++) {
                p = put_octet(p, addr->bytes[i]);
                if (i < 15)
                        *p++ = '.';
        }
        *p = 0;
        return (size_t) (p - buf);
}

const char *ip_addr_format(char buf[static IP_TEXT_BYTES], const IpAddr *addr) {
        (void) put_addr(buf, addr);
        return buf;
}

IpNetwork ip_network_of(const IpAddr *addr, unsigned length) {
        IpNetwork n = {*addr, (uint8_t) length};
        unsigned whole = length / 8;

        assert(length <= 128);
        if (whole < sizeof(n.addr.bytes))
                n.addr.bytes[whole] &= (uint8_t) (0xff00u >> length % 8);
        for (unsigned i = whole + 1; i < sizeof(n.addr.bytes); i++)
                n.addr.bytes[i] = 0;
        return n;
}

/* "255.255.240.0" -> 20 */
static int parse_netmask(Span s, uint64_t *ret_length) {
        IpAddr mask;
        uint32_t bits;

        if (ip_addr_parse(s, &mask) < 0 || !ip_addr_is_v4(&mask))
                return -EINVAL;
        memcpy(&bits, mask.bytes + 12, 4);
        bits = ntohl(bits);
        if ((~bits & (~bits + 1)) != 0)
                return -EINVAL;
        *ret_length = bits == 0 ? 0 : (uint64_t) (32 - __builtin_ctz(bits));
        return 0;
}

/* "10.", "10.0.", "10.0.0.": the octets that are there are the network */
static int parse_octets(Span s, IpNetwork *ret) {
        uint8_t octets[4] = {0};
        unsigned n = 0;
        IpAddr addr;

        while (s.size > 0) {
                const char *dot = memchr(s.data, '.', s.size);
                uint64_t v;
                Span part;

                if (!dot || n == 3)
                        return -EINVAL;
                part = span_make(s.data, (size_t) (dot - s.data));
                if (part.size > 3 || (part.size > 1 && part.data[0] == '0') || parse_u64(part, 255, &v) < 0)
                        return -EINVAL;
                octets[n++] = (uint8_t) v;
                s = span_skip(s, part.size + 1);
        }
        memcpy(addr.bytes, ip_v4_prefix, sizeof(ip_v4_prefix));
        memcpy(addr.bytes + 12, octets, 4);
        *ret = ip_network_of(&addr, 96 + n * 8);
        return 0;
}

int ip_network_parse(Span s, IpNetwork *ret) {
        const char *slash = s.size > 0 ? memchr(s.data, '/', s.size) : NULL;
        Span host = slash ? span_make(s.data, (size_t) (slash - s.data)) : s, behind;
        uint64_t length;
        IpNetwork n;
        IpAddr addr;
        bool v4;

        if (s.size >= IP_TEXT_BYTES)
                return -EINVAL;
        if (!slash && s.size > 0 && s.data[s.size - 1] == '.')
                return parse_octets(s, ret);
        if (ip_addr_parse(host, &addr) < 0)
                return -EINVAL;
        v4 = ip_addr_is_v4(&addr);
        if (!slash) {
                *ret = ip_network_of(&addr, 128);
                return 0;
        }
        behind = span_skip(s, host.size + 1);
        /* in "::ffff:10.0.0.0/104" the length is the one of IPv6, as everywhere else */
        if (v4 && span_contains(host, SPAN_LITERAL(":"))) {
                if (parse_u64(behind, 128, &length) < 0 || length < 96)
                        return -EINVAL;
        } else if (parse_u64(behind, v4 ? 32 : 128, &length) >= 0)
                length += v4 ? 96 : 0;
        else if (v4 && parse_netmask(behind, &length) >= 0)
                length += 96;
        else
                return -EINVAL;
        n = ip_network_of(&addr, (unsigned) length);
        if (!ip_addr_equal(&n.addr, &addr))
                return -EDOM;
        *ret = n;
        return 0;
}

bool ip_network_is_canonical(const IpNetwork *n) {
        IpNetwork own;

        if (n->length > 128)
                return false;
        own = ip_network_of(&n->addr, n->length);
        return ip_addr_equal(&own.addr, &n->addr);
}

unsigned ip_network_length(const IpNetwork *n) {
        return ip_network_is_v4(n) ? n->length - 96u : n->length;
}

const char *ip_network_format(char buf[static IP_TEXT_BYTES], const IpNetwork *n) {
        char *p = buf + put_addr(buf, &n->addr);

        if (n->length == 128)
                return buf;
        *p++ = '/';
        p = put_octet(p, ip_network_length(n));
        *p = 0;
        return buf;
}

bool ip_network_contains(const IpNetwork *outer, const IpNetwork *inner) {
        const uint8_t *a = outer->addr.bytes, *b = inner->addr.bytes;
        unsigned whole = outer->length / 8u, rest = outer->length % 8u;

        /* where two networks differ, they mostly do so in their last byte */
        if (outer->length > inner->length || (whole > 0 && a[whole - 1] != b[whole - 1]))
                return false;
        if (memcmp(a, b, whole) != 0)
                return false;
        if (whole < sizeof(outer->addr.bytes) && (a[whole] ^ b[whole]) >> (8 - rest) != 0)
                return false;
        return ip_network_is_v4(outer) == ip_network_is_v4(inner);
}

bool ip_network_is_in_any(const char *const *networks, size_t n, const IpNetwork *inner) {
        for (size_t i = 0; i < n; i++) {
                IpNetwork wide;

                if (ip_network_parse(span_from_string(networks[i]), &wide) >= 0 &&
                        ip_network_contains(&wide, inner))
                        return true;
        }
        return false;
}
