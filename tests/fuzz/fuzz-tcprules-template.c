/* SPDX-License-Identifier: Apache-2.0 */
/* A template for tcpserver: one that is taken is well-formed instructions, the first rule of a key counts, and what is
 * not taken says why. */

#include "cdb/cdb-file.h"
#include "fuzz.h"
#include "publish/tcprules-template.h"

static void check_instructions(const TcprulesInstructions *in) {
        const char *p = in->data, *end = in->data + in->size;

        MUST(in->size <= TCPRULES_LINE_MAX_BYTES && in->size < CDB_VALUE_MAX_BYTES);
        MUST(in->size == 0 || end[-1] == 0);
        if (in->denies)
                MUST(in->size >= 2 && memcmp(p, "D", 2) == 0);
        for (p += in->denies ? 2 : 0; p < end; p += strlen(p) + 1)
                MUST(p[0] == '+' && strchr(p, '='));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(tcprules_template_freep) TcprulesTemplate *t = NULL;
        IniError error = {""};

        if (tcprules_template_load(fuzz_file(data, size), &t, &error) < 0) {
                MUST(!t && error.text[0]);
                return 0;
        }
        MUST(t->n_rules <= TCPRULES_TEMPLATE_RULES_MAX);
        for (uint32_t i = 0; i < t->n_instructions; i++)
                check_instructions(&t->instructions[i]);
        for (uint32_t i = 0; i < t->n_rules; i++) {
                const TcprulesRule *rule = &t->rules[i];
                const TcprulesRule *found = tcprules_template_match(t, span_from_string(rule->key));

                MUST(rule->instructions < t->n_instructions && strlen(rule->key) <= CDB_KEY_MAX_BYTES);
                MUST(found && found <= rule && streq(found->key, rule->key));
                MUST(!strchr(rule->key, '='));
        }
        return 0;
}
