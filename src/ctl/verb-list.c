/* SPDX-License-Identifier: Apache-2.0 */
/* list: every grant, page by page, written as it comes: the list can be longer than memory is wide. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "basic/json-writer.h"
#include "basic/log.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

typedef struct Listing {
        JsonWriter json;
        Table *table; /* NULL: JSON */
        usec_t now;
} Listing;

static void member_u64_or_null(JsonWriter *w, const char *key, uint64_t v) {
        json_key(w, key);
        if (v > 0)
                json_u64(w, v);
        else
                json_null(w);
}

static void write_json(JsonWriter *w, const ControlGrant *g) {
        char network[IP_TEXT_BYTES];

        json_begin_object(w);
        json_key(w, "address");
        json_string(w, ip_network_format(network, &g->network));
        member_u64_or_null(w, "until", g->until);
        member_u64_or_null(w, "since", g->since);
        json_key(w, "user");
        if (g->user.size > 0)
                json_text(w, g->user);
        else
                json_null(w);
        json_key(w, "service");
        json_string(w, g->service);
        json_key(w, "pattern");
        json_string(w, g->pattern);
        json_key(w, "source");
        json_string(w, g->source);
        json_end_object(w);
}

static void cell_span(Table *t, TableStyle style, usec_t from, usec_t to) {
        char span[TIME_TEXT_BYTES];

        table_cell(t, style, time_span_format(span, to - MIN(from, to)));
}

static void write_row(Table *t, const ControlGrant *g, usec_t now) {
        usec_t until = g->until * USEC_PER_SEC;
        char network[IP_TEXT_BYTES];

        table_cell(t, TABLE_PLAIN, ip_network_format(network, &g->network));
        if (g->until == 0)
                table_cell(t, TABLE_PLAIN, "for ever");
        else
                cell_span(
                        t, until < now + USEC_PER_MINUTE ? TABLE_YELLOW : TABLE_GREEN, now, MAX(until, now));
        if (g->since == 0)
                table_cell(t, TABLE_PLAIN, "-");
        else
                cell_span(t, TABLE_PLAIN, g->since * USEC_PER_SEC, now);
        table_cell_untrusted(t, TABLE_PLAIN, g->user);
        table_cell_untrusted(t, TABLE_PLAIN, span_from_string(g->service));
        table_cell_untrusted(t, TABLE_PLAIN, span_from_string(g->pattern));
        table_cell_untrusted(t, TABLE_PLAIN, span_from_string(g->source));
}

static int on_row(void *userdata, const ControlGrant *g) {
        Listing *listing = userdata;

        if (listing->table)
                write_row(listing->table, g, listing->now);
        else
                write_json(&listing->json, g);
        /* nobody reads any more */
        return ferror(stdout) ? -EPIPE : 0;
}

int verb_list(const Ctl *ctl) {
        static const char *const columns[] = {
                "ADDRESS", ">LEFT", ">AGE", "USER", "SERVICE", "PATTERN", "SOURCE", NULL};
        _cleanup_(control_client_closep) ControlClient *client = NULL;
        char reason[CONTROL_CLIENT_ERROR_BYTES];
        Listing listing = {.now = time_now()};
        Table t;
        int r;

        if (ctl_connect(&client) < 0)
                return CTL_NO;
        table_init(&t, stdout, ctl->color, columns);
        json_writer_init(&listing.json, stdout);
        if (ctl->json)
                json_begin_array(&listing.json);
        else
                listing.table = &t;
        r = control_client_list(client, on_row, &listing, reason);
        if (ctl->json && r >= 0) {
                json_end_array(&listing.json);
                (void) putchar('\n');
        }
        table_done(&t);
        if (r >= 0)
                return CTL_OK;
        if (!ferror(stdout))
                log_error("%s", reason);
        return CTL_NO;
}
