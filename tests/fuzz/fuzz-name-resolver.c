/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd-resolved says of a name and of an address: one address or none, and the name or not. */

#include "daemon/name-resolver.c"

#include "fuzz-message.h"

/* Of each array the addresses up to the first that is none, once each. */
static int count_addresses(const IpAddr *addresses, size_t n, IpAddr *ret) {
        int different = 0;

        for (size_t i = 0; i < n && different < 2; i++)
                if (different == 0 || !ip_addr_equal(&addresses[i], ret)) {
                        if (different++ == 0)
                                *ret = addresses[i];
                }
        return different;
}

/* A byte with the number of addresses; of each its family, its size and its bytes. */
static void check_addresses(Span *in) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = fuzz_message_new();
        IpAddr addresses[8], wanted, found;
        size_t n = fuzz_byte(in) % 8, good = 0;
        bool bad = false;
        int r;

        MUST(sd_bus_message_open_container(m, 'a', "(iiay)") >= 0);
        for (size_t i = 0; i < n; i++) {
                uint8_t family = fuzz_byte(in);
                Span bytes = fuzz_span(in, fuzz_byte(in));
                int32_t numbers[] = {1, family == 4 ? AF_INET : family == 6 ? AF_INET6 : family};

                MUST(sd_bus_message_open_container(m, 'r', "iiay") >= 0);
                MUST(sd_bus_message_append(m, "ii", numbers[0], numbers[1]) >= 0);
                MUST(sd_bus_message_append_array(m, 'y', strempty(bytes.data), bytes.size) >= 0);
                MUST(sd_bus_message_close_container(m) >= 0);
                bad |= !(numbers[1] == AF_INET && bytes.size == 4) &&
                       !(numbers[1] == AF_INET6 && bytes.size == 16);
                if (bad)
                        continue;
                addresses[good] = (IpAddr){{[10] = 0xff, [11] = 0xff}};
                memcpy(addresses[good++].bytes + (bytes.size == 4 ? 12 : 0), bytes.data, bytes.size);
        }
        MUST(sd_bus_message_close_container(m) >= 0);
        fuzz_message_append(m, "st", in);
        fuzz_message_seal(m);
        r = read_addresses(m, &found);
        if (bad && count_addresses(addresses, good, &wanted) < 2)
                MUST(r < 0);
        else
                MUST(r == count_addresses(addresses, good, &wanted) &&
                        (r == 0 || ip_addr_equal(&found, &wanted)));
}

/* Or as the message of another version. */
static void check_names(const char *signature, Span *in) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = fuzz_message_new();
        Span wanted = fuzz_span(in, fuzz_byte(in));
        IpAddr address;

        fuzz_message_append(m, signature, in);
        fuzz_message_seal(m);
        if (has_name(m, wanted) > 0)
                MUST(streq(signature, "a(is)t") && wanted.size < 256);
        MUST(sd_bus_message_rewind(m, true) >= 0);
        MUST(read_addresses(m, &address) <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const signatures[] = {"a(is)t", "a(is)t", "", "a(iay)", "s", "t"};
        Span in = span_make((const char *) data, size);
        uint8_t what = fuzz_byte(&in);

        if (what & 1)
                check_addresses(&in);
        else
                check_names(signatures[what / 2 % ELEMENTSOF(signatures)], &in);
        return 0;
}
