/* SPDX-License-Identifier: Apache-2.0 */
/* PROXY headers of version 2 of every length: those of SIZE_MIN to SIZE_MAX_EACH bytes each in a buffer of
 * just that size, and those of up to the longest in one of the longest's size, which is what relaypeer has.
 */

#include "chain/proxy-header.c"

#include "any.h"

/* The families differ in where what stands, so each is a case of its own; the last two are those
 * that are unknown. */
static void parse(size_t size, size_t room, unsigned least, unsigned most) {
        const char *why = "";
        ProxyHeader header = {0};
        char *data = malloc(room);

        any_bytes(data, room);
        if (room > 13)
                data[13] = (char) any_number(least, most);
        if (parse_v2(span_make(data, size), &header, &why) < 0)
                (void) strlen(why);
        free(data);
}

static void parse_each_family(size_t size, size_t room) {
        parse(size, room, 0x00, 0x0f);
        parse(size, room, 0x10, 0x1f);
        parse(size, room, 0x20, 0x2f);
        parse(size, room, 0x30, 0x3f);
        parse(size, room, 0x40, 0x7f);
        parse(size, room, 0x80, 0xff);
}

int main(void) {
        parse_each_family(any_number(0, PROXY_HEADER_MAX_BYTES), PROXY_HEADER_MAX_BYTES);
        //@ loop unroll SIZE_MAX_EACH + 1;
        for (size_t size = SIZE_MIN; size <= SIZE_MAX_EACH; size++)
                parse_each_family(size, size);
        return 0;
}
