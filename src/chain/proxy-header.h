/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* HAProxy's PROXY protocol, versions 1 and 2: the header with which a proxy says for whom it speaks. Bytes
 * in, result out; nothing is read, written, allocated or remembered here. */

#include "model/ip-addr.h"

/* The longest header: 16 bytes and as many as two more can count. */
#define PROXY_HEADER_MAX_BYTES (16 + 65535)

typedef enum ProxyHeaderKind {
        PROXY_HEADER_CLIENT, /* a client of TCP over IPv4 or IPv6, whose addresses are here */
        PROXY_HEADER_OTHER,  /* a client that is not named, or of something else than TCP over IP */
        PROXY_HEADER_LOCAL,  /* the proxy itself: a health check */
} ProxyHeaderKind;

typedef struct ProxyHeader {
        ProxyHeaderKind kind;
        size_t size;                /* of the header; what follows is the client's */
        IpAddr source, destination; /* these four: only of a client, otherwise 0 */
        uint16_t source_port, destination_port;
} ProxyHeader;

/* Reads a header at the start of `data`, of which `size` bytes have come so far.
 *
 * Returns 0: it is whole and valid; *ret_header is set, and its size is at most `size`.
 * Returns a number above 0: at least so many more bytes belong to the header. They fit into
 * PROXY_HEADER_MAX_BYTES with those that are here.
 * Returns -EBADMSG: it is no header, or not a valid one; *reterr says why, a static text.
 *
 * So whoever reads exactly as many bytes as are asked for, and calls again, ends exactly behind the header.
 */
int proxy_header_parse(const uint8_t *data, size_t size, ProxyHeader *ret_header, const char **reterr);
