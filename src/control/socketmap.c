/* SPDX-License-Identifier: Apache-2.0 */
/* Netstrings, and which address a key means. It opens no socket and knows of no grant.
 *
 * MTAs that find nothing go on asking for parts of an address: 192.0.2, or for 2001:db8::1:7 just
 * 2001:db8::1, by which they mean a network. That text is a complete address too, and another client's. So
 * where an MTA does that, an IPv6 address counts only with all its eight groups written out, of which no
 * part can be taken for an address. Invariant: a key is the text of one address, byte for byte. */

#include "control/socketmap.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

/* How an MTA spells IPv6 addresses. */
#define SPELT_SHORT 1u /* 2001:db8::7, RFC 5952 */
#define SPELT_LONG 2u  /* 2001:db8:0:0:0:0:0:7 */

#define LONG_BYTES sizeof("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")

typedef struct Map {
        const char *name;
        Span tag;          /* before every key */
        Span v6_tag;       /* before an IPv6 address */
        bool v6_tag_drops; /* and may be missing */
        unsigned spelling;
} Map;

static const Map maps[_SOCKETMAP_MAP_MAX] = {
        [SOCKETMAP_RELAY] = {.name = "relay", .spelling = SPELT_SHORT},
        /* sendmail takes the parts of a key one by one from its end */
        [SOCKETMAP_RELAY_ACCESS] = {.name = "relay-access",
                .tag = SPAN_LITERAL("Connect:"),
                .v6_tag = SPAN_LITERAL("IPv6:"),
                .spelling = SPELT_LONG},
        [SOCKETMAP_RELAY_USER] = {.name = "relay-user", .spelling = SPELT_SHORT},
        /* which it does not do here */
        [SOCKETMAP_DRAC] = {.name = "drac",
                .v6_tag = SPAN_LITERAL("IPv6:"),
                .v6_tag_drops = true,
                .spelling = SPELT_SHORT | SPELT_LONG},
};

/* ---- netstrings ---- */

int netstring_parse(Span input, size_t max, Span *ret_content, size_t *ret_used) {
        size_t size = 0, i = 0;

        for (; i < input.size && input.data[i] >= '0' && input.data[i] <= '9'; i++) {
                /* a length has no leading zeros */
                if (i > 0 && size == 0)
                        return -EBADMSG;
                size = size * 10 + (size_t) (input.data[i] - '0');
                if (size > max)
                        return -EMSGSIZE;
        }
        if (i == input.size)
                return 0;
        if (i == 0 || input.data[i] != ':')
                return -EBADMSG;
        i++;
        if (input.size - i <= size)
                return 0;
        if (input.data[i + size] != ',')
                return -EBADMSG;
        *ret_content = span_make(input.data + i, size);
        *ret_used = i + size + 1;
        return 1;
}

size_t netstring_format(char *buf, size_t room, Span first, Span second) {
        int n = snprintf(buf, room, "%zu:", first.size + second.size);
        size_t head = (size_t) n;

        if (n < 0 || head >= room || room - head < first.size + second.size + 1)
                return 0;
        (void) mempcpy(
                mempcpy(buf + head, strempty(first.data), first.size), strempty(second.data), second.size);
        head += first.size + second.size;
        buf[head] = ',';
        return head + 1;
}

/* ---- requests ---- */

const char *socketmap_map_to_string(SocketmapMap map) {
        assert(map >= 0 && map < _SOCKETMAP_MAP_MAX);
        return maps[map].name;
}

static bool is_name(Span name, const char *of) {
        if (name.size != strlen(of))
                return false;
        for (size_t i = 0; i < name.size; i++)
                if (name.data[i] != of[i] && !(name.data[i] == '_' && of[i] == '-'))
                        return false;
        return true;
}

SocketmapMap socketmap_map_from_name(Span name) {
        for (int i = 0; i < _SOCKETMAP_MAP_MAX; i++)
                if (is_name(name, maps[i].name))
                        return (SocketmapMap) i;
        return _SOCKETMAP_MAP_INVALID;
}

static const char *format_long(char buf[static LONG_BYTES], const IpAddr *addr) {
        size_t n = 0;

        for (unsigned i = 0; i < sizeof(addr->bytes); i += 2)
                n += (size_t) snprintf(buf + n, LONG_BYTES - n, "%s%x", i > 0 ? ":" : "",
                        (unsigned) addr->bytes[i] << 8 | addr->bytes[i + 1]);
        return buf;
}

/* Whether the text is this spelling of the address, and no other. */
static bool is_spelling(Span text, const IpAddr *addr, unsigned spelling) {
        char expected[IP_TEXT_BYTES];

        if (((spelling & SPELT_SHORT) || ip_addr_is_v4(addr)) &&
                span_equal_string(text, ip_addr_format(expected, addr)))
                return true;
        return (spelling & SPELT_LONG) && !ip_addr_is_v4(addr) &&
               span_equal_string(text, format_long(expected, addr));
}

/* In any case: sendmail makes a key lower case unless the map has the flag -f. */
static bool drop_prefix(Span *text, Span prefix) {
        if (prefix.size == 0)
                return true;
        if (text->size < prefix.size || strncasecmp(text->data, prefix.data, prefix.size) != 0)
                return false;
        *text = span_skip(*text, prefix.size);
        return true;
}

static bool parse_key(const Map *map, Span key, IpAddr *ret) {
        bool is_v6;

        if (!drop_prefix(&key, map->tag))
                return false;
        is_v6 = drop_prefix(&key, map->v6_tag) && map->v6_tag.size > 0;
        if (ip_addr_parse(key, ret) < 0 || !is_spelling(key, ret, map->spelling))
                return false;
        if (ip_addr_is_v4(ret))
                return !is_v6;
        return is_v6 || map->v6_tag.size == 0 || map->v6_tag_drops;
}

int socketmap_request_parse(Span request, SocketmapMap *ret_map, IpAddr *ret_address) {
        const char *blank = request.size > 0 ? memchr(request.data, ' ', request.size) : NULL;
        SocketmapMap map;
        Span name;

        if (!blank)
                return -EBADMSG;
        name = span_make(request.data, (size_t) (blank - request.data));
        map = socketmap_map_from_name(name);
        if (map < 0)
                return -ENOENT;
        *ret_map = map;
        return parse_key(&maps[map], span_skip(request, name.size + 1), ret_address);
}
