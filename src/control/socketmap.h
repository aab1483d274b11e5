/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The socketmap protocol of Postfix and sendmail (socketmap_table(5)), without its sockets: netstrings, and
 * what the names and keys in them mean. */

#include "model/ip-addr.h"

/* Longest request: Postfix asks for host names and addresses, sendmail for whatever stands in an envelope,
 * which it limits to about 1 kB. */
#define SOCKETMAP_REQUEST_MAX_BYTES 4096

/* Longest reply with its netstring around it: a user's name, each byte of which may take three. */
#define SOCKETMAP_REPLY_BYTES 1024

/* Finds the netstring that the input begins with. Returns 1 with its content (a part of the input) and the
 * number of bytes that it takes up; 0 when there is only the beginning of one; -EMSGSIZE when it is longer
 * than max; -EBADMSG when it is none. Both are known as early as they can be, so that nobody has to wait for
 * the rest. */
int netstring_parse(Span input, size_t max, Span *ret_content, size_t *ret_used);

/* Writes a netstring of two parts, one behind the other. Returns its length, or 0 when it does not fit. */
size_t netstring_format(char *buf, size_t room, Span first, Span second);

typedef enum SocketmapMap {
        SOCKETMAP_RELAY,        /* address -> "OK": Postfix's access(5) */
        SOCKETMAP_RELAY_ACCESS, /* "Connect:" and an address -> "RELAY": sendmail's access map */
        SOCKETMAP_RELAY_USER,   /* address -> the user who logged in there */
        SOCKETMAP_DRAC,         /* address -> "OK": sendmail's FEATURE(`drac') */
        _SOCKETMAP_MAP_MAX,
        _SOCKETMAP_MAP_INVALID = -22,
} SocketmapMap;

/* "relay", "relay-access", … Static text. */
const char *socketmap_map_to_string(SocketmapMap map);

/* The map of this name; a '_' is a '-', which sendmail's names can't have. Returns _SOCKETMAP_MAP_INVALID
 * for any other name. */
SocketmapMap socketmap_map_from_name(Span name);

/* Reads a request, "NAME KEY". Returns 1 and the address that is asked for; 0 when the key is not one
 * complete address in the very spelling that an MTA gives it, so that nothing else is ever found: not a host
 * name, not a part of an address, not the second spelling of one; -ENOENT for a name that is no map's;
 * -EBADMSG when it is no request. *ret_map is set with 0 and 1. */
int socketmap_request_parse(Span request, SocketmapMap *ret_map, IpAddr *ret_address);
