/* SPDX-License-Identifier: Apache-2.0 */
/* Of the C library: addresses as text. */

#include <arpa/inet.h>
#include <string.h>

#include "any.h"

int inet_pton(int family, const char *restrict src, void *restrict dst) {
        (void) strlen(src); /* it is one */
        if (any_bool())
                return 0;
        any_bytes(dst, family == AF_INET ? 4 : 16);
        return 1;
}

const char *inet_ntop(int family, const void *restrict src, char *restrict dst, socklen_t size) {
        size_t n = any_number(2, family == AF_INET ? INET_ADDRSTRLEN - 1 : INET6_ADDRSTRLEN - 1);

        //@ check n < size;
        read_bytes(src, family == AF_INET ? 4 : 16);
        //@ split n;
        //@ loop unroll INET6_ADDRSTRLEN;
        for (size_t i = 0; i < n; i++)
                dst[i] = (char) any_number('.', 'f');
        dst[n] = 0;
        return dst;
}

void *memmem(const void *text, size_t size, const void *part, size_t part_size) {
        read_bytes(text, size);
        read_bytes(part, part_size);
        return part_size <= size && any_bool() ? (char *) text + any_number(0, size - part_size) : NULL;
}
