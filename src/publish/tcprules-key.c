/* SPDX-License-Identifier: Apache-2.0 */
/* Which texts tcpserver's look-up finds for the addresses of a network. It compares texts and knows no
 * networks, so all that counts is how it writes addresses. Invariant: no key given for a network stands for
 * an address outside of it. */

#include "publish/tcprules-key.h"

#include <stdio.h>

#define GROUPS 8

static unsigned group(const IpAddr *addr, unsigned i) {
        return (unsigned) addr->bytes[2 * i] << 8 | addr->bytes[2 * i + 1];
}

/* The first of the longest runs of zero groups, as [*ret_from, *ret_to). */
static void longest_zeros(const IpAddr *addr, unsigned *ret_from, unsigned *ret_to) {
        unsigned from = 0;

        *ret_from = *ret_to = 0;
        for (unsigned i = 0; i < GROUPS; i++) {
                if (group(addr, i) != 0)
                        from = i + 1;
                else if (i + 1 - from > *ret_to - *ret_from) {
                        *ret_from = from;
                        *ret_to = i + 1;
                }
        }
}

const char *tcprules_address_format(char buf[static IP_TEXT_BYTES], const IpAddr *addr) {
        unsigned from, to;
        size_t n = 0;

        if (ip_addr_is_v4(addr))
                return ip_addr_format(buf, addr);
        longest_zeros(addr, &from, &to);
        buf[0] = 0;
        for (unsigned i = 0; i < GROUPS; i++)
                if (i == from && i < to) {
                        n += (size_t) snprintf(buf + n, IP_TEXT_BYTES - n, i == 0 ? "::" : ":");
                        i = to - 1;
                } else
                        n += (size_t) snprintf(
                                buf + n, IP_TEXT_BYTES - n, i + 1 < GROUPS ? "%x:" : "%x", group(addr, i));
        return buf;
}

static int give(const char *key, TcprulesKeyHandler each, void *userdata) {
        return each ? each(userdata, span_from_string(key)) : 0;
}

static int v4_key(const IpNetwork *n, TcprulesKeyHandler each, void *userdata) {
        const uint8_t *b = n->addr.bytes + 12;
        char key[IP_TEXT_BYTES];
        size_t size = 0;
        int r;

        for (unsigned i = 0; i < (n->length - 96u) / 8; i++)
                size += (size_t) snprintf(key + size, sizeof(key) - size, i < 3 ? "%u." : "%u", b[i]);
        r = give(key, each, userdata);
        return r < 0 ? r : TCPRULES_COVERS_ALL;
}

static int v6_host_key(const IpNetwork *n, TcprulesKeyHandler each, void *userdata) {
        char key[IP_TEXT_BYTES];
        int r;

        (void) tcprules_address_format(key, &n->addr);
        /* it would be found for all addresses that begin like this, too */
        if (key[strlen(key) - 1] == ':')
                return TCPRULES_COVERS_NONE;
        r = give(key, each, userdata);
        return r < 0 ? r : TCPRULES_COVERS_ALL;
}

/* A network of whole groups. An address in it is written with a "::" either behind the network's groups,
 * then it begins with all of them, or for a run that begins with one of them. If that is the last one, "::"
 * stands at a place that no other network's addresses have it at; if it is an earlier one, what stands
 * behind the
 * "::" may be other groups than these. */
static int v6_prefix_keys(const IpNetwork *n, TcprulesKeyHandler each, void *userdata) {
        unsigned groups = n->length / 16, zeros = 0;
        char key[IP_TEXT_BYTES];
        size_t size = 0;
        int r;

        for (unsigned i = 0; i < groups; i++) {
                bool is_last = i + 1 == groups;

                if (is_last && zeros == 0 && i > 0 && group(&n->addr, i) == 0) {
                        (void) snprintf(key + size, sizeof(key) - size, ":");
                        r = give(key, each, userdata);
                        if (r < 0)
                                return r;
                }
                zeros += !is_last && group(&n->addr, i) == 0;
                size += (size_t) snprintf(key + size, sizeof(key) - size, "%x:", group(&n->addr, i));
        }
        r = give(key, each, userdata);
        if (r < 0)
                return r;
        return zeros > 0 || groups < 2 ? TCPRULES_COVERS_SOME : TCPRULES_COVERS_ALL;
}

/* Bits by which the network is shorter than the next length that keys have; that length. */
static unsigned missing_bits(const IpNetwork *n, unsigned *ret_whole) {
        unsigned step = ip_network_is_v4(n) ? 8 : 16;

        *ret_whole = (n->length + step - 1) / step * step;
        return *ret_whole - n->length;
}

uint32_t tcprules_keys_count(const IpNetwork *network) {
        bool is_v4 = ip_network_is_v4(network);
        unsigned whole, bits = missing_bits(network, &whole);

        if (whole == (is_v4 ? 96 : 0) || UINT32_C(1) << bits > TCPRULES_PARTS_MAX)
                return 0;
        return (UINT32_C(1) << bits) * (is_v4 || whole == 128 ? 1 : 2);
}

int tcprules_keys(const IpNetwork *network, TcprulesKeyHandler each, void *userdata) {
        bool is_v4 = ip_network_is_v4(network);
        unsigned whole, bits = missing_bits(network, &whole);
        int coverage = TCPRULES_COVERS_ALL;

        if (tcprules_keys_count(network) == 0)
                return TCPRULES_COVERS_NONE;
        for (unsigned i = 0; i < UINT32_C(1) << bits; i++) {
                IpNetwork part = {network->addr, (uint8_t) whole};
                int r;

                part.addr.bytes[whole / 8 - 1] |= (uint8_t) i;
                if (is_v4)
                        r = v4_key(&part, each, userdata);
                else if (whole == 128)
                        r = v6_host_key(&part, each, userdata);
                else
                        r = v6_prefix_keys(&part, each, userdata);
                if (r < 0)
                        return r;
                /* one part left out is not all; of one alone it is none */
                if (r != TCPRULES_COVERS_ALL)
                        coverage = bits == 0 ? r : TCPRULES_COVERS_SOME;
        }
        return coverage;
}

static bool v4_key_network(Span key, IpNetwork *ret) {
        /* it has other forms, which tcpserver does not know */
        return !memchr(key.data, '/', key.size) && ip_network_parse(key, ret) >= 0;
}

/* Reads one group as tcpserver writes it, with the ':' behind it. Returns the number of bytes, or 0. */
static size_t read_group(Span s, unsigned *ret) {
        static const char digits[] = "0123456789abcdef";
        unsigned v = 0;
        size_t i;

        for (i = 0; i < s.size && i < 4 && s.data[i] != ':'; i++) {
                const char *d = memchr(digits, s.data[i], 16);

                if (!d || (i > 0 && v == 0))
                        return 0;
                v = v << 4 | (unsigned) (d - digits);
        }
        if (i == 0 || i >= s.size || s.data[i] != ':')
                return 0;
        *ret = v;
        return i + 1;
}

/* What is certain: the groups before the first "::", and that a zero follows there. */
static bool v6_key_network(Span key, IpNetwork *ret) {
        IpNetwork n = {0};
        unsigned v, groups = 0;
        size_t size;

        while (groups < GROUPS && (size = read_group(key, &v)) > 0) {
                n.addr.bytes[2 * groups] = (uint8_t) (v >> 8);
                n.addr.bytes[2 * groups + 1] = (uint8_t) v;
                groups++;
                key = span_skip(key, size);
        }
        /* an address of eight groups has no ':' at its end, but for the "::" of a last one that is zero */
        if (key.size > 0 ? key.data[0] != ':' || groups == GROUPS : groups == GROUPS)
                return false;
        groups += key.size > 0;
        n.length = (uint8_t) (groups * 16);
        *ret = n;
        return true;
}

bool tcprules_key_network(Span key, IpNetwork *ret) {
        char text[IP_TEXT_BYTES];
        IpAddr addr;

        if (key.size == 0)
                return false;
        if (!memchr(key.data, ':', key.size))
                return v4_key_network(key, ret);
        if (key.data[key.size - 1] == ':')
                return v6_key_network(key, ret);
        if (ip_addr_parse(key, &addr) < 0 || ip_addr_is_v4(&addr) ||
                !span_equal_string(key, tcprules_address_format(text, &addr)))
                return false;
        *ret = ip_network_of(&addr, 128);
        return true;
}
