/* SPDX-License-Identifier: Apache-2.0 */
/* PROXY headers of either version and every length: those of SIZE_MIN to SIZE_MAX_EACH bytes each in a
 * buffer of just that size, and those of up to the longest in one of the longest's size, which is what
 * relaypeer has. */

#include "chain/proxy-header.c"

#include "any.h"

/* As ip-addr.c has found it to be. */
int ip_addr_parse(Span s, IpAddr *ret) {
        read_bytes(s.data, s.size);
        if (any_bool())
                return -EINVAL;
        any_bytes(ret->bytes, sizeof(ret->bytes));
        return 0;
}

/* The families of version 2 differ in where what stands, so each is a case of its own; the last two are
 * those that are unknown. Together they are every byte that can stand there, in a line of version 1, too. */
static void parse_with(size_t size, size_t room, unsigned least, unsigned most) {
        const char *why = "";
        ProxyHeader header = {0};
        uint8_t *data = malloc(room);

        any_bytes(data, room);
        if (room > 13)
                data[13] = (uint8_t) any_number(least, most);
        if (proxy_header_parse(data, size, &header, &why) < 0)
                (void) strlen(why);
        read_bytes(&header.source, sizeof(header.source));
        free(data);
}

static void parse(size_t size, size_t room) {
        parse_with(size, room, 0x00, 0x0f);
        parse_with(size, room, 0x10, 0x1f);
        parse_with(size, room, 0x20, 0x2f);
        parse_with(size, room, 0x30, 0x3f);
        parse_with(size, room, 0x40, 0x7f);
        parse_with(size, room, 0x80, 0xff);
}

int main(void) {
        parse(any_number(0, PROXY_HEADER_MAX_BYTES), PROXY_HEADER_MAX_BYTES);
        //@ loop unroll SIZE_MAX_EACH + 1;
        for (size_t size = SIZE_MIN; size <= SIZE_MAX_EACH; size++)
                parse(size, size);
        return 0;
}
