/* SPDX-License-Identifier: Apache-2.0 */
/* dump: a published file as it is, base or delta. It judges nothing: `check` says what the records come to.
 */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/json-writer.h"
#include "basic/log.h"
#include "cdb/cdb-file.h"
#include "cdb/relay-lookup.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

typedef struct Dump {
        JsonWriter *json; /* NULL: a table */
        Table *table;
        usec_t now;
} Dump;

static const char *const verdicts[_RELAY_VERDICT_MAX] = {
        [RELAY_ALLOW] = "allow",
        [RELAY_NEVER] = "never",
        [RELAY_REVOKED] = "revoked",
};

static void member_span(JsonWriter *w, const char *key, Span s) {
        json_key(w, key);
        if (s.size > 0)
                json_text(w, s);
        else
                json_null(w);
}

/* The record's text as it stands, for one that can't be read. */
static void write_raw(Dump *d, Span key, Span value) {
        if (d->json) {
                json_begin_object(d->json);
                member_span(d->json, "key", key);
                member_span(d->json, "value", value);
                json_end_object(d->json);
                return;
        }
        table_cell_untrusted(d->table, TABLE_RED, key);
        table_cell(d->table, TABLE_RED, "?");
        table_cell(d->table, TABLE_PLAIN, "");
        table_cell_untrusted(d->table, TABLE_RED, value);
        table_cell(d->table, TABLE_PLAIN, "");
}

static void write_record(Dump *d, Span key, const RelayEntry *e, Span user) {
        char span[TIME_TEXT_BYTES];
        usec_t until = e->until * USEC_PER_SEC;

        if (d->json) {
                json_begin_object(d->json);
                member_span(d->json, "key", key);
                json_key(d->json, "verdict");
                json_string(d->json, verdicts[e->verdict]);
                json_key(d->json, "until");
                if (e->until > 0)
                        json_u64(d->json, e->until);
                else
                        json_null(d->json);
                member_span(d->json, "how", e->how);
                member_span(d->json, "user", user);
                json_end_object(d->json);
                return;
        }
        table_cell_untrusted(d->table, TABLE_PLAIN, key);
        table_cell(d->table, e->verdict == RELAY_ALLOW ? TABLE_GREEN : TABLE_RED, verdicts[e->verdict]);
        table_cell(d->table, TABLE_PLAIN,
                e->until == 0     ? "for ever"
                : until <= d->now ? "over"
                                  : time_span_format(span, until - d->now));
        table_cell_untrusted(d->table, TABLE_PLAIN, e->how);
        table_cell_untrusted(d->table, TABLE_PLAIN, user);
}

static int on_record(void *userdata, Span key, Span value) {
        char buf[RELAY_USER_MAX_BYTES];
        Dump *d = userdata;
        RelayEntry e;
        int n = 0;

        if (span_equal_string(key, RELAY_HEADER_KEY))
                return 0;
        if (relay_value_parse(value, &e) < 0 || (n = relay_user_decode(e.user, buf)) < 0)
                write_raw(d, key, value);
        else
                write_record(d, key, &e, span_make(buf, (size_t) n));
        return 0;
}

static int read_header(const CdbFile *f, RelayHeader *ret) {
        char buf[CDB_VALUE_MAX_BYTES];
        size_t n;
        int r = cdb_file_find(f, SPAN_LITERAL(RELAY_HEADER_KEY), buf, sizeof(buf), &n);

        if (r < 0)
                return r;
        return r == 0 ? -EBADMSG : relay_header_parse(span_make(buf, n), ret);
}

static void begin_json(JsonWriter *w, const char *path, const RelayHeader *h) {
        json_begin_object(w);
        json_key(w, "file");
        json_string(w, path);
        json_key(w, "generation");
        json_u64(w, h->generation);
        json_key(w, "written");
        json_u64(w, h->written);
        json_key(w, "ttl");
        json_u64(w, h->ttl);
        json_key(w, "count");
        json_u64(w, h->count);
        json_key(w, "records");
        json_begin_array(w);
}

static void print_header(const Ctl *ctl, const char *path, const RelayHeader *h) {
        char shown[LOG_TEXT_BYTES], stamp[TIME_TEXT_BYTES], ttl[TIME_TEXT_BYTES];

        style_begin(stdout, ctl->color, TABLE_BOLD);
        (void) fputs(log_text(shown, span_from_string(path)), stdout);
        style_end(stdout, ctl->color, TABLE_BOLD);
        (void) printf(": generation %" PRIu64 ", written %s, TTL %s, %" PRIu64 " record%s\n", h->generation,
                time_stamp_format(stamp, h->written * USEC_PER_SEC),
                time_span_format(ttl, h->ttl * USEC_PER_SEC), h->count, h->count == 1 ? "" : "s");
}

static int dump_file(const Ctl *ctl, JsonWriter *w, const char *path) {
        static const char *const columns[] = {"KEY", "VERDICT", ">LEFT", "HOW", "USER", NULL};
        _cleanup_(cdb_file_close) CdbFile f = CDB_FILE_INIT;
        Dump d = {.json = ctl->json ? w : NULL, .now = time_now()};
        RelayHeader header;
        Table t;
        int r;

        r = cdb_file_open(&f, path);
        if (r >= 0)
                r = read_header(&f, &header);
        if (r < 0)
                return log_errno(LOG_ERR, r, "cannot read %s", path);
        d.table = &t;
        table_init(&t, stdout, ctl->color, columns);
        if (ctl->json)
                begin_json(w, path, &header);
        else
                print_header(ctl, path, &header);
        r = cdb_file_each(&f, on_record, &d);
        table_done(&t);
        if (ctl->json) {
                json_end_array(w);
                json_end_object(w);
        }
        return r < 0 ? log_errno(LOG_ERR, r, "%s", path) : 0;
}

int verb_dump(const Ctl *ctl) {
        char base[PATH_MAX], delta[PATH_MAX];
        const char *path = base;
        JsonWriter w;
        int r, k = 0;

        if (ctl->n_arguments > 0)
                path = ctl->arguments[0];
        else if (ctl_runtime_path(base, sizeof(base), "relay.cdb") < 0)
                return CTL_NO;
        json_writer_init(&w, stdout);
        if (ctl->json)
                json_begin_array(&w);
        r = dump_file(ctl, &w, path);
        if (r >= 0 && relay_delta_path(delta, path) >= 0 && access(delta, F_OK) >= 0) {
                if (!ctl->json)
                        (void) putchar('\n');
                k = dump_file(ctl, &w, delta);
        }
        if (ctl->json) {
                json_end_array(&w);
                (void) putchar('\n');
        }
        return r < 0 || k < 0 ? CTL_NO : CTL_OK;
}
