/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The addresses of tcprules(1): tcpserver -x looks the text of the client's address up, then shorter and
 * shorter beginnings of it that end in '.' or, in the form of Debian's ucspi-tcp-ipv6, in ':', then "". A
 * network is published as the beginnings that its addresses have and no other address has. */

#include "model/ip-addr.h"

/* A network whose length is no multiple of 8 (IPv6: of 16) becomes so many of the next one, at
 * most. */
#define TCPRULES_PARTS_MAX 256

typedef enum TcprulesCoverage {
        TCPRULES_COVERS_NONE,
        TCPRULES_COVERS_SOME, /* of the network's addresses, and none of any other */
        TCPRULES_COVERS_ALL,
        _TCPRULES_COVERAGE_MAX,
        _TCPRULES_COVERAGE_INVALID = -22,
} TcprulesCoverage;

/* Called with each key, which is borrowed. Returns 0 to go on, or -errno. */
typedef int (*TcprulesKeyHandler)(void *userdata, Span key);

/* Gives the keys that stand for a network, each once. IPv6 has no beginnings for all: tcpserver writes the
 * longest run of zero groups, even of a single one, as "::", and a beginning with groups behind a "::" is
 * that of other networks too. Hosts can always be told, but for those whose text ends in ':'. Returns a
 * TcprulesCoverage, or what the handler returned. `each` may be NULL. */
int tcprules_keys(const IpNetwork *network, TcprulesKeyHandler each, void *userdata);

/* At most so many keys, 0 for a network that has none for its length. */
uint32_t tcprules_keys_count(const IpNetwork *network);

/* The smallest network that has all addresses that a key stands for. Returns false if none could be told:
 * for "", and for what is not the beginning of an address as tcpserver writes it. */
bool tcprules_key_network(Span key, IpNetwork *ret);

/* Writes the address as ucspi-tcp's tcpserver does into TCPREMOTEIP. Returns buf. */
const char *tcprules_address_format(char buf[static IP_TEXT_BYTES], const IpAddr *addr);
