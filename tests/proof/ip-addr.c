/* SPDX-License-Identifier: Apache-2.0 */
/* Text that becomes an address or a network, every text of TEXT_MIN to TEXT_MAX bytes; and every network as
 * text. */

#include "model/ip-addr.h"

#include "any.h"

static void parse(size_t size) {
        char *text = malloc(size);
        IpNetwork network;

        any_bytes(text, size);
        if (ip_network_parse(span_make(text, size), &network) >= 0) {
                read_bytes(network.addr.bytes, sizeof(network.addr.bytes));
                //@ check network.length <= 128;
        }
        free(text);
}

static void format(void) {
        char buf[IP_TEXT_BYTES];
        IpNetwork network, other;

        any_bytes(network.addr.bytes, sizeof(network.addr.bytes));
        network.length = (uint8_t) any_number(0, 128);
        any_bytes(other.addr.bytes, sizeof(other.addr.bytes));
        other.length = (uint8_t) any_number(0, 128);
        (void) ip_network_format(buf, &network);
        (void) ip_network_contains(&network, &other);
        (void) ip_network_equal(&network, &other);
}

int main(void) {
        //@ loop unroll TEXT_MAX + 1;
        for (size_t size = TEXT_MIN; size <= TEXT_MAX; size++)
                parse(size);
        format();
        return 0;
}
