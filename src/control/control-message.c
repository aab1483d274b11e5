/* SPDX-License-Identifier: Apache-2.0 */
/* Status and rows to D-Bus and back. Each encoder stands beside its decoder, so that the two can be
 * compared. */

#include "control/control-message.h"

#include <errno.h>
#include <limits.h>
#include <limits.h>
#include <stdio.h>

int control_append_bytes(sd_bus_message *m, Span bytes) {
        return sd_bus_message_append_array(m, 'y', strempty(bytes.data), bytes.size);
}

static int append_text(sd_bus_message *m, const char *text) {
        return control_append_bytes(m, span_from_string(strempty(text)));
}

int control_read_bytes(sd_bus_message *m, Span *ret) {
        const void *data;
        size_t size;
        int r = sd_bus_message_read_array(m, 'y', &data, &size);

        if (r < 0)
                return r;
        if (r == 0)
                return -EBADMSG;
        *ret = span_make(size > 0 ? data : "", size);
        return 0;
}

/* Reads bytes as a string, cut where it does not fit. */
static int read_text(sd_bus_message *m, char *buf, size_t room) {
        Span bytes;
        int r = control_read_bytes(m, &bytes);

        if (r >= 0)
                (void) snprintf(buf, room, "%.*s", (int) MIN(bytes.size, room), bytes.data);
        return r;
}

static int encode_numbers(const ControlStatus *s, sd_bus_message *m) {
        int r = sd_bus_message_open_container(m, 'a', "(st)");

        for (size_t i = 0; r >= 0 && i < s->n_numbers; i++)
                r = sd_bus_message_append(m, "(st)", s->numbers[i].name, s->numbers[i].value);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int decode_numbers(ControlStatus *s, sd_bus_message *m) {
        const char *name;
        uint64_t value;
        int r = sd_bus_message_enter_container(m, 'a', "(st)");

        while (r >= 0 && (r = sd_bus_message_read(m, "(st)", &name, &value)) > 0)
                control_status_number(s, name, value);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int encode_text(const ControlText *t, sd_bus_message *m) {
        int r;

        (void) ((r = sd_bus_message_open_container(m, 'r', "say")) < 0 ||
                (r = sd_bus_message_append(m, "s", t->name)) < 0 || (r = append_text(m, t->value)) < 0 ||
                (r = sd_bus_message_close_container(m)) < 0);
        return r;
}

static int encode_texts(const ControlStatus *s, sd_bus_message *m) {
        int r = sd_bus_message_open_container(m, 'a', "(say)");

        for (size_t i = 0; r >= 0 && i < s->n_texts; i++)
                r = encode_text(&s->texts[i], m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int decode_texts(ControlStatus *s, sd_bus_message *m) {
        int r = sd_bus_message_enter_container(m, 'a', "(say)");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "say")) > 0) {
                const char *name;
                Span value;

                if ((r = sd_bus_message_read(m, "s", &name)) < 0 || (r = control_read_bytes(m, &value)) < 0)
                        break;
                control_status_text(s, name, value);
                r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int encode_source(const ControlSource *s, sd_bus_message *m) {
        int r;

        (void) ((r = sd_bus_message_open_container(m, 'r', "ayaytbb")) < 0 ||
                (r = append_text(m, s->name)) < 0 || (r = append_text(m, s->state)) < 0 ||
                (r = sd_bus_message_append(m, "tbb", s->records, (int) s->forgeable, (int) s->in_trouble)) <
                        0 ||
                (r = sd_bus_message_close_container(m)) < 0);
        return r;
}

static int encode_sources(const ControlStatus *s, sd_bus_message *m) {
        int r = sd_bus_message_open_container(m, 'a', "(ayaytbb)");

        for (size_t i = 0; r >= 0 && i < s->n_sources; i++)
                r = encode_source(&s->sources[i], m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int decode_source(ControlStatus *s, sd_bus_message *m) {
        char name[PATH_MAX], state[1024];
        ControlSource source = {.name = name, .state = state};
        int r, forgeable, in_trouble;

        if ((r = read_text(m, name, sizeof(name))) < 0 || (r = read_text(m, state, sizeof(state))) < 0 ||
                (r = sd_bus_message_read(m, "tbb", &source.records, &forgeable, &in_trouble)) < 0)
                return r;
        source.forgeable = forgeable;
        source.in_trouble = in_trouble;
        control_status_source(s, &source);
        return sd_bus_message_exit_container(m);
}

static int decode_sources(ControlStatus *s, sd_bus_message *m) {
        int r = sd_bus_message_enter_container(m, 'a', "(ayaytbb)");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "ayaytbb")) > 0)
                r = decode_source(s, m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int encode_pattern(const ControlPattern *p, sd_bus_message *m) {
        int r;

        (void) ((r = sd_bus_message_open_container(m, 'r', "ayayttttt")) < 0 ||
                (r = append_text(m, p->name)) < 0 || (r = append_text(m, p->trust)) < 0 ||
                (r = sd_bus_message_append(
                         m, "ttttt", p->logins, p->hints, p->torn, p->untrusted, p->refused)) < 0 ||
                (r = sd_bus_message_close_container(m)) < 0);
        return r;
}

static int encode_patterns(const ControlStatus *s, sd_bus_message *m) {
        int r = sd_bus_message_open_container(m, 'a', "(ayayttttt)");

        for (size_t i = 0; r >= 0 && i < s->n_patterns; i++)
                r = encode_pattern(&s->patterns[i], m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int decode_pattern(ControlStatus *s, sd_bus_message *m) {
        char name[256], trust[32];
        ControlPattern p = {.name = name, .trust = trust};
        int r;

        if ((r = read_text(m, name, sizeof(name))) < 0 || (r = read_text(m, trust, sizeof(trust))) < 0 ||
                (r = sd_bus_message_read(
                         m, "ttttt", &p.logins, &p.hints, &p.torn, &p.untrusted, &p.refused)) < 0)
                return r;
        control_status_pattern(s, &p);
        return sd_bus_message_exit_container(m);
}

static int decode_patterns(ControlStatus *s, sd_bus_message *m) {
        int r = sd_bus_message_enter_container(m, 'a', "(ayayttttt)");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "ayayttttt")) > 0)
                r = decode_pattern(s, m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int control_status_encode(const ControlStatus *s, sd_bus_message *m) {
        int r;

        (void) ((r = encode_numbers(s, m)) < 0 || (r = encode_texts(s, m)) < 0 ||
                (r = encode_sources(s, m)) < 0 || (r = encode_patterns(s, m)) < 0);
        return MIN(r, 0);
}

int control_status_decode(ControlStatus *s, sd_bus_message *m) {
        int r;

        (void) ((r = decode_numbers(s, m)) < 0 || (r = decode_texts(s, m)) < 0 ||
                (r = decode_sources(s, m)) < 0 || (r = decode_patterns(s, m)) < 0);
        if (r >= 0 && s->failed)
                r = -ENOMEM;
        return r == -ENXIO ? -EBADMSG : MIN(r, 0);
}

int control_grant_encode(const ControlGrant *g, sd_bus_message *m) {
        char network[IP_TEXT_BYTES];
        int r;

        (void) ((r = sd_bus_message_open_container(m, 'r', CONTROL_GRANT_CONTENTS)) < 0 ||
                (r = sd_bus_message_append(m, "sttt", ip_network_format(network, &g->network), g->until,
                         g->since, g->last)) < 0 ||
                (r = control_append_bytes(m, g->user)) < 0 || (r = append_text(m, g->service)) < 0 ||
                (r = append_text(m, g->pattern)) < 0 || (r = append_text(m, g->source)) < 0 ||
                (r = sd_bus_message_append(m, "u", g->sessions)) < 0 ||
                (r = sd_bus_message_close_container(m)) < 0);
        return MIN(r, 0);
}

int control_grant_decode(ControlGrant *ret, ControlGrantTexts *texts, sd_bus_message *m) {
        ControlGrant g = {.service = texts->service, .pattern = texts->pattern, .source = texts->source};
        const char *network;
        int r;

        r = sd_bus_message_enter_container(m, 'r', CONTROL_GRANT_CONTENTS);
        if (r <= 0)
                return r;
        if ((r = sd_bus_message_read(m, "sttt", &network, &g.until, &g.since, &g.last)) < 0 ||
                (r = control_read_bytes(m, &g.user)) < 0 ||
                (r = read_text(m, texts->service, sizeof(texts->service))) < 0 ||
                (r = read_text(m, texts->pattern, sizeof(texts->pattern))) < 0 ||
                (r = read_text(m, texts->source, sizeof(texts->source))) < 0 ||
                (r = sd_bus_message_read(m, "u", &g.sessions)) < 0 ||
                (r = sd_bus_message_exit_container(m)) < 0)
                return r;
        if (ip_network_parse(span_from_string(network), &g.network) < 0)
                return -EBADMSG;
        *ret = g;
        return 1;
}
