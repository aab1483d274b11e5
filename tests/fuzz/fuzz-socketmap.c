/* SPDX-License-Identifier: Apache-2.0 */
/* What comes on a look-up socket, cut into requests: whatever it is, only the text of one whole address
 * means that address. */

#include "control/socketmap.h"
#include "fuzz.h"

/* The address must be in the key, written out; what stands before it are the words that an MTA puts there.
 */
static void check_request(Span request) {
        char text[IP_TEXT_BYTES], reply[SOCKETMAP_REPLY_BYTES];
        Span content;
        SocketmapMap map;
        IpAddr address;
        size_t n, used;

        if (socketmap_request_parse(request, &map, &address) <= 0)
                return;
        MUST(span_starts_with(request, span_from_string("relay")) ||
                span_starts_with(request, span_from_string("drac")));
        (void) ip_addr_format(text, &address);
        if (map == SOCKETMAP_RELAY || map == SOCKETMAP_RELAY_USER || ip_addr_is_v4(&address))
                MUST(request.size > strlen(text) &&
                        memcmp(request.data + request.size - strlen(text), text, strlen(text)) == 0);
        /* and a reply with it can be read again */
        n = netstring_format(reply, sizeof(reply), SPAN_LITERAL("OK "), span_from_string(text));
        MUST(n > 0 && netstring_parse(span_make(reply, n), sizeof(reply), &content, &used) == 1);
        MUST(used == n && content.size == strlen(text) + 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Span rest = span_make((const char *) data, size), request;
        size_t used;
        int r;

        check_request(rest);
        while ((r = netstring_parse(rest, SOCKETMAP_REQUEST_MAX_BYTES, &request, &used)) > 0) {
                MUST(used <= rest.size && request.size < used &&
                        request.size <= SOCKETMAP_REQUEST_MAX_BYTES);
                MUST(request.data > rest.data && request.data + request.size < rest.data + used);
                check_request(request);
                rest = span_skip(rest, used);
        }
        /* what is incomplete can be completed: it is no longer than a request */
        MUST(r < 0 || rest.size < SOCKETMAP_REQUEST_MAX_BYTES + 6);
        return 0;
}
