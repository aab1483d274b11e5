/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* IP addresses and networks. IPv4 is kept in its IPv4-mapped form (RFC 4291, 2.5.5.2), so the two spellings
 * of one client are one value from the moment of parsing. */

#include "basic/span.h"

typedef struct IpAddr {
        uint8_t bytes[16];
} IpAddr;

/* `length` counts from the start of the 16 bytes: an IPv4 host has 128, 10.0.0.0/8 has 104. */
typedef struct IpNetwork {
        IpAddr addr; /* the bits behind `length` are 0 */
        uint8_t length;
} IpNetwork;

/* Room for the longest text, "ffff:…:ffff/128" and NUL. */
#define IP_TEXT_BYTES 52

/* Reads an address as inet_pton(3) does: dotted quad without leading zeros, or IPv6 without a zone. Nothing
 * before or behind it. Returns 0 or -EINVAL. */
int ip_addr_parse(Span s, IpAddr *ret);

/* Writes the canonical text (dotted quad, or RFC 5952). Returns buf. */
const char *ip_addr_format(char buf[static IP_TEXT_BYTES], const IpAddr *addr);

/* Of the IPv4-mapped form. */
static const uint8_t ip_v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

static inline bool ip_addr_is_v4(const IpAddr *addr) {
        return memcmp(addr->bytes, ip_v4_prefix, sizeof(ip_v4_prefix)) == 0;
}

static inline bool ip_addr_equal(const IpAddr *a, const IpAddr *b) {
        return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* The network of `length` (0 to 128, as in IpNetwork) that the address is in. */
IpNetwork ip_network_of(const IpAddr *addr, unsigned length);

/* Reads an address, CIDR (10.0.0.0/8, 2001:db8::/32), a netmask (10.0.0.0/255.0.0.0) or the form of tcprules
 * (10.0.). Returns 0; -EINVAL when it is none of them; -EDOM when bits behind the length are set. */
int ip_network_parse(Span s, IpNetwork *ret);

/* Writes the canonical text: an address for a single host, else network/length. Returns buf. */
const char *ip_network_format(char buf[static IP_TEXT_BYTES], const IpNetwork *n);

/* True if the length is one and the bits behind it are 0: bytes of ours say nothing else. */
bool ip_network_is_canonical(const IpNetwork *n);

static inline bool ip_network_is_v4(const IpNetwork *n) {
        return n->length >= 96 && ip_addr_is_v4(&n->addr);
}

/* The length as people write it: 0 to 32 for IPv4, 0 to 128 for IPv6. */
unsigned ip_network_length(const IpNetwork *n);

/* True if `inner` lies in `outer` or is the same, and both are of one family. */
bool ip_network_contains(const IpNetwork *outer, const IpNetwork *inner);

/* True if `inner` lies in one of the `n` networks, which are written as ip_network_parse() reads them. */
bool ip_network_is_in_any(const char *const *networks, size_t n, const IpNetwork *inner);

static inline bool ip_network_equal(const IpNetwork *a, const IpNetwork *b) {
        return a->length == b->length && ip_addr_equal(&a->addr, &b->addr);
}
