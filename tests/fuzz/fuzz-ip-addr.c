/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and networks: what is read is written as something that is read as the same. */

#include "fuzz.h"
#include "model/ip-addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Span s = span_make((const char *) data, size);
        char text[IP_TEXT_BYTES];
        IpAddr a, b;
        IpNetwork n, m;

        if (ip_addr_parse(s, &a) >= 0) {
                MUST(ip_addr_parse(span_from_string(ip_addr_format(text, &a)), &b) >= 0 &&
                        ip_addr_equal(&a, &b));
                MUST(ip_network_parse(s, &n) >= 0 && n.length == 128 && ip_addr_equal(&n.addr, &a));
        }
        if (ip_network_parse(s, &n) >= 0) {
                MUST(n.length <= 128 && ip_network_contains(&n, &n));
                MUST(ip_network_parse(span_from_string(ip_network_format(text, &n)), &m) >= 0 &&
                        ip_network_equal(&n, &m));
                m = ip_network_of(&n.addr, n.length);
                MUST(ip_network_equal(&n, &m));
        }
        return 0;
}
