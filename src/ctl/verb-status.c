/* SPDX-License-Identifier: Apache-2.0 */
/* status: how the daemon is. Knows the names that make sentences, and shows what it does not know as it
 * comes. */

#include <inttypes.h>
#include <stdio.h>

#include "basic/json-writer.h"
#include "basic/log.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

/* Names that are put into sentences. */
static const char *const shown_numbers[] = {"grants", "max_grants", "ttl", "revocations", "sessions",
        "generation", "written", "base_records", "delta_records", "started", "last_login_at",
        "login_connections", "claims_refused", NULL};
static const char *const shown_texts[] = {
        "version", "state", "publish_error", "tcprules_error", "problem", "last_login", NULL};

/* Those of them that are shown in red. */
static const char *const troubles[] = {"publish_error", "tcprules_error", "problem", NULL};

static bool is_listed(const char *const *names, const char *name) {
        for (; *names; names++)
                if (streq(*names, name))
                        return true;
        return false;
}

static bool find_number(const ControlStatus *s, const char *name, uint64_t *ret) {
        for (size_t i = 0; i < s->n_numbers; i++)
                if (streq(s->numbers[i].name, name)) {
                        *ret = s->numbers[i].value;
                        return true;
                }
        return false;
}

static uint64_t number(const ControlStatus *s, const char *name) {
        uint64_t v = 0;

        (void) find_number(s, name, &v);
        return v;
}

static const char *text(const ControlStatus *s, const char *name) {
        for (size_t i = 0; i < s->n_texts; i++)
                if (streq(s->texts[i].name, name))
                        return s->texts[i].value;
        return NULL;
}

/* ---- for programs ---- */

static void member_text(JsonWriter *w, const char *key, const char *value) {
        json_key(w, key);
        json_string(w, value);
}

static void member_u64(JsonWriter *w, const char *key, uint64_t value) {
        json_key(w, key);
        json_u64(w, value);
}

static void member_bool(JsonWriter *w, const char *key, bool value) {
        json_key(w, key);
        json_bool(w, value);
}

static void json_sources(JsonWriter *w, const ControlStatus *s) {
        json_key(w, "sources");
        json_begin_array(w);
        for (size_t i = 0; i < s->n_sources; i++) {
                const ControlSource *source = &s->sources[i];

                json_begin_object(w);
                member_text(w, "name", source->name);
                member_text(w, "state", source->state);
                member_u64(w, "records", source->records);
                member_bool(w, "forgeable", source->forgeable);
                member_bool(w, "in_trouble", source->in_trouble);
                json_end_object(w);
        }
        json_end_array(w);
}

static void json_patterns(JsonWriter *w, const ControlStatus *s) {
        json_key(w, "patterns");
        json_begin_array(w);
        for (size_t i = 0; i < s->n_patterns; i++) {
                const ControlPattern *p = &s->patterns[i];

                json_begin_object(w);
                member_text(w, "name", p->name);
                member_text(w, "trust", p->trust);
                member_u64(w, "logins", p->logins);
                member_u64(w, "hints", p->hints);
                member_u64(w, "torn", p->torn);
                member_u64(w, "untrusted", p->untrusted);
                member_u64(w, "refused", p->refused);
                json_end_object(w);
        }
        json_end_array(w);
}

static void show_json(const ControlStatus *s) {
        JsonWriter w;

        json_writer_init(&w, stdout);
        json_begin_object(&w);
        for (size_t i = 0; i < s->n_texts; i++)
                member_text(&w, s->texts[i].name, s->texts[i].value);
        for (size_t i = 0; i < s->n_numbers; i++)
                member_u64(&w, s->numbers[i].name, s->numbers[i].value);
        json_sources(&w, s);
        json_patterns(&w, s);
        json_end_object(&w);
        (void) putchar('\n');
}

/* ---- for people ---- */

static void label(const char *name) {
        (void) printf("%12s: ", name);
}

static void print_ago(usec_t now, uint64_t seconds) {
        char span[TIME_TEXT_BYTES];
        usec_t t = seconds * USEC_PER_SEC;

        (void) printf("%s ago", time_span_format(span, now - MIN(t, now)));
}

static void print_untrusted(const char *s) {
        char buf[LOG_TEXT_BYTES];

        (void) fputs(log_text(buf, span_from_string(s)), stdout);
}

static void print_state(const Ctl *ctl, const ControlStatus *s, usec_t now) {
        const char *state = strempty(text(s, "state"));
        TableStyle style = streq(state, "ok") ? TABLE_GREEN : TABLE_RED;
        uint64_t started;

        label("authrelay");
        style_begin(stdout, ctl->color, style);
        (void) fputs(state, stdout);
        style_end(stdout, ctl->color, style);
        (void) printf(", version %s", strempty(text(s, "version")));
        if (find_number(s, "started", &started)) {
                (void) fputs(", started ", stdout);
                print_ago(now, started);
        }
        (void) putchar('\n');
        for (size_t i = 0; i < s->n_texts; i++)
                if (is_listed(troubles, s->texts[i].name)) {
                        label(streq(s->texts[i].name, "publish_error")      ? "publishing"
                                : streq(s->texts[i].name, "tcprules_error") ? "tcprules"
                                                                            : "problem");
                        style_begin(stdout, ctl->color, TABLE_RED);
                        print_untrusted(s->texts[i].value);
                        style_end(stdout, ctl->color, TABLE_RED);
                        (void) putchar('\n');
                }
}

static void print_numbers(const ControlStatus *s, usec_t now) {
        char span[TIME_TEXT_BYTES];
        uint64_t v;

        label("grants");
        (void) printf("%" PRIu64, number(s, "grants"));
        if (find_number(s, "max_grants", &v))
                (void) printf(" of at most %" PRIu64, v);
        if (find_number(s, "ttl", &v))
                (void) printf(", each for %s", time_span_format(span, v * USEC_PER_SEC));
        if (find_number(s, "sessions", &v) && v > 0)
                (void) printf(", %" PRIu64 " open session%s", v, v == 1 ? "" : "s");
        if (find_number(s, "revocations", &v) && v > 0)
                (void) printf(", %" PRIu64 " revocation%s", v, v == 1 ? "" : "s");
        (void) putchar('\n');
        if (find_number(s, "written", &v)) {
                label("published");
                print_ago(now, v);
                (void) printf(", generation %" PRIu64 ", %" PRIu64 " + %" PRIu64 " records\n",
                        number(s, "generation"), number(s, "base_records"), number(s, "delta_records"));
        }
}

static void print_login_socket(const ControlStatus *s) {
        uint64_t connections;

        if (!find_number(s, "login_connections", &connections))
                return;
        label("login socket");
        (void) printf("%" PRIu64 " between connection and login, %" PRIu64 " refused\n", connections,
                number(s, "claims_refused"));
}

static void print_rest(const ControlStatus *s, usec_t now) {
        uint64_t v;

        label("last login");
        if (text(s, "last_login"))
                print_untrusted(text(s, "last_login"));
        else
                (void) fputs("none since the start", stdout);
        if (find_number(s, "last_login_at", &v)) {
                (void) fputs(", ", stdout);
                print_ago(now, v);
        }
        (void) putchar('\n');
        print_login_socket(s);
        for (size_t i = 0; i < s->n_texts; i++)
                if (!is_listed(shown_texts, s->texts[i].name)) {
                        label(s->texts[i].name);
                        print_untrusted(s->texts[i].value);
                        (void) putchar('\n');
                }
        for (size_t i = 0; i < s->n_numbers; i++)
                if (!is_listed(shown_numbers, s->numbers[i].name)) {
                        label(s->numbers[i].name);
                        (void) printf("%" PRIu64 "\n", s->numbers[i].value);
                }
}

static void print_sources(const Ctl *ctl, const ControlStatus *s) {
        static const char *const columns[] = {"SOURCE", ">RECORDS", "STATE", NULL};
        Table t;

        table_init(&t, stdout, ctl->color, columns);
        for (size_t i = 0; i < s->n_sources; i++) {
                const ControlSource *source = &s->sources[i];
                char state[LOG_TEXT_BYTES];

                table_cell_untrusted(&t, TABLE_PLAIN, span_from_string(source->name));
                table_cell_u64(&t, source->records);
                table_cell_format(&t,
                        source->in_trouble  ? TABLE_RED
                        : source->forgeable ? TABLE_YELLOW
                                            : TABLE_GREEN,
                        "%s%s", log_text(state, span_from_string(source->state)),
                        source->forgeable ? ", forgeable by local users" : "");
        }
        if (s->n_sources > 0)
                (void) putchar('\n');
        table_done(&t);
}

static void cell_alarming(Table *t, uint64_t v) {
        table_cell_format(t, v > 0 ? TABLE_YELLOW : TABLE_PLAIN, "%" PRIu64, v);
}

static void print_patterns(const Ctl *ctl, const ControlStatus *s) {
        static const char *const columns[] = {
                "PATTERN", "TRUST", ">LOGINS", ">HINTS", ">TORN", ">UNTRUSTED", ">REFUSED", NULL};
        Table t;

        table_init(&t, stdout, ctl->color, columns);
        for (size_t i = 0; i < s->n_patterns; i++) {
                const ControlPattern *p = &s->patterns[i];

                table_cell_untrusted(&t, TABLE_PLAIN, span_from_string(p->name));
                table_cell_untrusted(&t, streq(p->trust, "users") ? TABLE_YELLOW : TABLE_PLAIN,
                        span_from_string(p->trust));
                table_cell_u64(&t, p->logins);
                cell_alarming(&t, p->hints);
                cell_alarming(&t, p->torn);
                cell_alarming(&t, p->untrusted);
                cell_alarming(&t, p->refused);
        }
        if (s->n_patterns > 0)
                (void) putchar('\n');
        table_done(&t);
}

int verb_status(const Ctl *ctl) {
        _cleanup_(control_client_closep) ControlClient *client = NULL;
        _cleanup_(control_status_done) ControlStatus status = {0};
        char reason[CONTROL_CLIENT_ERROR_BYTES];
        usec_t now = time_now();

        if (ctl_connect(&client) < 0)
                return CTL_NO;
        if (control_client_status(client, &status, reason) < 0) {
                log_error("%s", reason);
                return CTL_NO;
        }
        if (ctl->json) {
                show_json(&status);
                return CTL_OK;
        }
        print_state(ctl, &status, now);
        print_numbers(&status, now);
        print_rest(&status, now);
        print_sources(ctl, &status);
        print_patterns(ctl, &status);
        return CTL_OK;
}
