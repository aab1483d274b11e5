/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern's file: whatever is loaded has been checked, whatever is not says why. */

#include "fuzz.h"
#include "match/pattern-file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static char *const none[] = {NULL};
        _cleanup_(pattern_freep) Pattern *p = NULL;
        IniError error = {""};
        RegexMatch match;
        int r = pattern_load("fuzz", fuzz_file(data, size), none, false, &p, &error);

        MUST(r < 0 ? !p && error.text[0] : !error.text[0]);
        for (size_t i = 0; p && i < p->n_rules; i++)
                MUST(regex_match(p->rules[i].regex, SPAN_LITERAL("LOGIN, user=a, ip=[192.0.2.7]"), &match) <=
                        1);
        if (p) {
                MUST(p->hints.n > 0 && p->n_examples >= 2);
                MUST(!pattern_has_unit(p, SPAN_NONE) && !pattern_has_uid(p, SPAN_NONE));
                MUST(!pattern_has_unit(p, SPAN_LITERAL("user@1000.service")) ||
                        memmem(data, size, "user@", 5));
        }
        return 0;
}
