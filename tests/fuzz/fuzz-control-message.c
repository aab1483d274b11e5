/* SPDX-License-Identifier: Apache-2.0 */
/* What is said on the control socket, by a daemon to authrelayctl: whatever it is, it is understood or
 * refused, and what was understood can be said again. The first byte says how it is put. */

#include <errno.h>

#include "control/control-message.h"
#include "fuzz-message.h"

#define ROWS "a(" CONTROL_GRANT_CONTENTS ")"

static bool is_same_status(const ControlStatus *a, const ControlStatus *b) {
        bool same = a->n_numbers == b->n_numbers && a->n_texts == b->n_texts &&
                    a->n_sources == b->n_sources && a->n_patterns == b->n_patterns;

        for (size_t i = 0; same && i < a->n_numbers; i++)
                same = streq(a->numbers[i].name, b->numbers[i].name) &&
                       a->numbers[i].value == b->numbers[i].value;
        for (size_t i = 0; same && i < a->n_texts; i++)
                same = streq(a->texts[i].name, b->texts[i].name) &&
                       streq(a->texts[i].value, b->texts[i].value);
        for (size_t i = 0; same && i < a->n_sources; i++)
                same = streq(a->sources[i].name, b->sources[i].name) &&
                       streq(a->sources[i].state, b->sources[i].state) &&
                       a->sources[i].records == b->sources[i].records &&
                       a->sources[i].forgeable == b->sources[i].forgeable &&
                       a->sources[i].in_trouble == b->sources[i].in_trouble;
        for (size_t i = 0; same && i < a->n_patterns; i++)
                same = streq(a->patterns[i].name, b->patterns[i].name) &&
                       streq(a->patterns[i].trust, b->patterns[i].trust) &&
                       a->patterns[i].logins == b->patterns[i].logins &&
                       a->patterns[i].refused == b->patterns[i].refused;
        return same;
}

static void check_status(sd_bus_message *m, bool expected) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *again = fuzz_message_new();
        _cleanup_(control_status_done) ControlStatus status = {0}, other = {0};
        int r = control_status_decode(&status, m);

        MUST(r <= 0 && (r == 0 || !expected));
        if (r < 0)
                return;
        MUST(control_status_encode(&status, again) >= 0);
        fuzz_message_seal(again);
        MUST(control_status_decode(&other, again) >= 0 && is_same_status(&status, &other));
}

static bool is_same_grant(const ControlGrant *a, const ControlGrant *b) {
        return ip_network_equal(&a->network, &b->network) && a->until == b->until && a->since == b->since &&
               a->last == b->last && span_equal(a->user, b->user) && streq(a->service, b->service) &&
               streq(a->pattern, b->pattern) && streq(a->source, b->source) && a->sessions == b->sessions;
}

static void check_grant(const ControlGrant *grant) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *again = fuzz_message_new();
        ControlGrantTexts texts;
        ControlGrant other;

        MUST(grant->network.length <= 128);
        MUST(control_grant_encode(grant, again) >= 0);
        fuzz_message_seal(again);
        MUST(control_grant_decode(&other, &texts, again) == 1 && is_same_grant(grant, &other));
}

static void check_rows(sd_bus_message *m) {
        ControlGrantTexts texts;
        ControlGrant grant;
        int r = sd_bus_message_enter_container(m, 'a', "(" CONTROL_GRANT_CONTENTS ")");

        while (r >= 0 && (r = control_grant_decode(&grant, &texts, m)) > 0)
                check_grant(&grant);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        /* as it is, and as another version of either might say it */
        static const char *const signatures[] = {CONTROL_STATUS_SIGNATURE, ROWS, ROWS "t", "",
                "a(su)a(say)a(ayaytbb)a(ayayttttt)", "a(st)a(ss)a(ayaytbb)a(ayayttttt)",
                "a(st)a(say)a(ayaytbby)a(ayayttttt)", "a(st)a(say)a(ayaytbb)", "a(sttayayayayu)",
                "a(stttayayayayus)", "t"};
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = fuzz_message_new();
        Span in = span_make((const char *) data, size);
        uint8_t what = fuzz_byte(&in);
        const char *signature = signatures[what / 2 % ELEMENTSOF(signatures)];

        fuzz_message_append(m, signature, &in);
        fuzz_message_seal(m);
        if (what & 1)
                check_rows(m);
        else
                check_status(m, signature == signatures[0]);
        return 0;
}
