/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* D-Bus messages made of an input. What a message is as bytes is libsystemd's business, and it refuses what
 * is none; what is in one is ours. */

#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "fuzz.h"

/* A message of no use but to be filled and read. */
static inline sd_bus_message *fuzz_message_new(void) {
        static sd_bus *bus;
        sd_bus_message *m = NULL;
        int fds[2];

        if (!bus)
                MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0 && sd_bus_new(&bus) >= 0 &&
                        sd_bus_set_fd(bus, fds[0], fds[0]) >= 0 && sd_bus_start(bus) >= 0);
        MUST(sd_bus_message_new_method_call(bus, &m, NULL, "/a", "a.b", "C") >= 0);
        return m;
}

/* Once it is full. */
static inline void fuzz_message_seal(sd_bus_message *m) {
        MUST(sd_bus_message_seal(m, 1, 0) >= 0);
}

/* The length of the first complete type. */
static inline size_t fuzz_type_size(const char *types) {
        size_t n = 0, depth = 0;

        while (types[n] == 'a')
                n++;
        do
                depth += (types[n] == '(') - (size_t) (types[n] == ')');
        while (types[n++] && depth > 0);
        return n;
}

/* Appends values of these types (of s, y, b, i, u, t, arrays and structures). Each is what the input says,
 * but a D-Bus string, which cannot be any bytes. */
static inline void fuzz_message_append(sd_bus_message *m, const char *types, Span *in) {
        char text[256], inner[128];
        uint64_t number;
        Span bytes;

        while (*types) {
                size_t n = fuzz_type_size(types);

                if (types[0] == 's') {
                        bytes = fuzz_span(in, fuzz_byte(in));
                        for (size_t i = 0; i < bytes.size; i++)
                                text[i] =
                                        (char) (bytes.data[i] & 0x7f) ? (char) (bytes.data[i] & 0x7f) : '.';
                        text[bytes.size] = 0;
                        MUST(sd_bus_message_append_basic(m, 's', text) >= 0);
                } else if (types[0] == 'a' && types[1] == 'y') {
                        /* now and then a long one */
                        number = fuzz_byte(in);
                        bytes = fuzz_span(in, number < 0xf0 ? number : number * 64);
                        MUST(sd_bus_message_append_array(
                                     m, 'y', bytes.size > 0 ? bytes.data : "", bytes.size) >= 0);
                } else if (types[0] == 'a' || types[0] == '(') {
                        size_t items = types[0] == 'a' ? fuzz_byte(in) % 8 : 1, skip = types[0] == '(';

                        memcpy(inner, types + 1, n - 1 - skip);
                        inner[n - 1 - skip] = 0;
                        MUST(sd_bus_message_open_container(m, types[0] == 'a' ? 'a' : 'r', inner) >= 0);
                        for (size_t i = 0; i < items; i++)
                                fuzz_message_append(m, inner, in);
                        MUST(sd_bus_message_close_container(m) >= 0);
                } else if (types[0] == 't') {
                        number = fuzz_number(in, 8);
                        MUST(sd_bus_message_append_basic(m, 't', &number) >= 0);
                } else if (types[0] == 'y')
                        MUST(sd_bus_message_append_basic(m, 'y', &(uint8_t){fuzz_byte(in)}) >= 0);
                else {
                        uint32_t small = (uint32_t) fuzz_number(in, types[0] == 'b' ? 1 : 4);

                        small &= types[0] == 'b' ? 1 : UINT32_MAX;
                        MUST(sd_bus_message_append_basic(m, types[0], &small) >= 0);
                }
                types += n;
        }
}
