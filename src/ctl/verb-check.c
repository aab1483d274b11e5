/* SPDX-License-Identifier: Apache-2.0 */
/* check: what relaylock would say, by the same look-up in the same files; the daemon is not asked. */

#include <limits.h>
#include <stdio.h>

#include "basic/json-writer.h"
#include "basic/log.h"
#include "cdb/relay-lookup.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

static void show_json(const IpAddr *address, const RelayAnswer *a) {
        char text[IP_TEXT_BYTES], network[IP_TEXT_BYTES];
        bool has_record = a->result != RELAY_RESULT_ABSENT && a->result != RELAY_RESULT_DOUBT;
        JsonWriter w;

        json_writer_init(&w, stdout);
        json_begin_object(&w);
        json_key(&w, "address");
        json_string(&w, ip_addr_format(text, address));
        json_key(&w, "relay");
        json_bool(&w, a->result == RELAY_RESULT_GRANTED);
        json_key(&w, "result");
        json_string(&w, relay_result_to_string(a->result));
        json_key(&w, "network");
        json_string(&w, has_record ? ip_network_format(network, &a->network) : NULL);
        json_key(&w, "until");
        if (has_record && a->until > 0)
                json_u64(&w, a->until);
        else
                json_null(&w);
        json_key(&w, "how");
        json_string(&w, has_record ? a->how : NULL);
        json_key(&w, "user");
        if (has_record && a->user_size > 0)
                json_text(&w, span_make(a->user, a->user_size));
        else
                json_null(&w);
        json_key(&w, "reason");
        json_string(&w, a->reason ? a->reason : a->error < 0 ? strerror(-a->error) : NULL);
        json_end_object(&w);
        (void) putchar('\n');
}

/* "granted by dovecot to alice, as 192.0.2.0/24, for another 12min" */
static void print_record(const IpAddr *address, const RelayAnswer *a, uint64_t now) {
        char text[IP_TEXT_BYTES], network[IP_TEXT_BYTES], user[LOG_TEXT_BYTES], span[TIME_TEXT_BYTES];

        (void) printf(" (%s)", a->how);
        if (a->user_size > 0)
                (void) printf(" to %s", log_text(user, span_make(a->user, a->user_size)));
        if (!streq(ip_network_format(network, &a->network), ip_addr_format(text, address)))
                (void) printf(", as %s", network);
        if (a->result == RELAY_RESULT_EXPIRED)
                (void) printf(", %s ago", time_span_format(span, (now - MIN(a->until, now)) * USEC_PER_SEC));
        else if (a->until > 0)
                (void) printf(", for another %s",
                        time_span_format(span, (a->until - MIN(a->until, now)) * USEC_PER_SEC));
        else if (a->result == RELAY_RESULT_GRANTED)
                (void) printf(", without an end");
        (void) printf(".\n");
}

static void show(const Ctl *ctl, const IpAddr *address, const RelayAnswer *a, uint64_t now) {
        TableStyle style = a->result == RELAY_RESULT_GRANTED ? TABLE_GREEN : TABLE_RED;
        char text[IP_TEXT_BYTES];

        style_begin(stdout, ctl->color, style);
        (void) printf("%s %s relay:", ip_addr_format(text, address),
                a->result == RELAY_RESULT_GRANTED ? "may" : "may not");
        style_end(stdout, ctl->color, style);
        switch (a->result) {
        case RELAY_RESULT_GRANTED:
                (void) printf(" granted");
                break;
        case RELAY_RESULT_NEVER:
                (void) printf(" barred");
                break;
        case RELAY_RESULT_EXPIRED:
                (void) printf(" its grant has ended");
                break;
        case RELAY_RESULT_ABSENT:
                (void) printf(" there is no grant for it.\n");
                return;
        default:
                (void) printf(" %s%s%s.\n", strempty(a->reason), a->error < 0 ? ": " : "",
                        a->error < 0 ? strerror(-a->error) : "");
                return;
        }
        print_record(address, a, now);
}

int verb_check(const Ctl *ctl) {
        uint64_t now = time_now() / USEC_PER_SEC;
        char path[PATH_MAX], shown[LOG_TEXT_BYTES];
        RelayAnswer answer;
        IpAddr address;

        if (ip_addr_parse(span_from_string(ctl->arguments[0]), &address) < 0) {
                log_error("%s: not an IP address", log_text(shown, span_from_string(ctl->arguments[0])));
                return CTL_USAGE;
        }
        if (ctl_runtime_path(path, sizeof(path), "relay.cdb") < 0)
                return CTL_NO;
        relay_lookup(path, &address, now, &answer);
        if (ctl->json)
                show_json(&address, &answer);
        else
                show(ctl, &address, &answer, now);
        return answer.result == RELAY_RESULT_GRANTED ? CTL_OK : CTL_NO;
}
