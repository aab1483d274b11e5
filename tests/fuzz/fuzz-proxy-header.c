/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY protocol: whoever reads what is asked for ends behind the header, and more bytes change nothing. */

#include "fuzz.h"
#include "chain/proxy-header.h"

static bool is_same(const ProxyHeader *a, const ProxyHeader *b) {
        return a->kind == b->kind && a->size == b->size && ip_addr_equal(&a->source, &b->source) &&
               ip_addr_equal(&a->destination, &b->destination) && a->source_port == b->source_port &&
               a->destination_port == b->destination_port;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        ProxyHeader whole = {0}, h = {0};
        const char *why = NULL;
        int all = proxy_header_parse(data, size, &whole, &why), r;
        size_t n = 0;

        MUST(all >= 0 || why);
        MUST(all <= 0 || size + (size_t) all <= PROXY_HEADER_MAX_BYTES);
        while ((r = proxy_header_parse(data, n, &h, &why)) > 0 && n + (size_t) r <= size)
                n += (size_t) r;
        if (r == 0)
                MUST(all == 0 && h.size == n && is_same(&h, &whole));
        else if (r < 0)
                MUST(all < 0);
        else
                MUST(all != 0);
        if (all == 0)
                for (size_t k = 0; k < MIN(whole.size, (size_t) 300); k++) {
                        r = proxy_header_parse(data, k, &h, &why);
                        MUST(r > 0 && k + (size_t) r <= whole.size);
                }
        return 0;
}
