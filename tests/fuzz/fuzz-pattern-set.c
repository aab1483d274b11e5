/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a log, judged by the shipped patterns as the daemon would. */

#include "fuzz.h"
#include "match/line-judge.h"

static LineJudge *make(void) {
        static char *const directories[] = {(char *) SHIPPED_PATTERNS, NULL};
        PatternSetSettings settings = {.directories = directories, .all = true};
        LineJudge *judge = NULL;
        IniError error = {""};
        PatternSet *set;

        if (pattern_set_load(&settings, &set, &error) < 0)
                (void) fprintf(stderr, "%s\n", error.text);
        MUST(error.text[0] == 0 && line_judge_new(set, &judge) >= 0);
        return judge;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static LineJudge *judge;
        Span rest = span_make((const char *) data, size);

        if (!judge)
                judge = make();
        MUST(line_judge_reset(judge) >= 0);
        while (rest.size > 0) {
                const char *newline = memchr(rest.data, '\n', rest.size);
                Span line = span_make(rest.data, newline ? (size_t) (newline - rest.data) : rest.size);
                const Pattern *pattern;
                Login login;

                line_judge(judge, line, false, FUZZ_NOW, &login, &pattern);
                MUST(login.verdict >= 0 && login.verdict < _MATCH_VERDICT_MAX);
                if (login.verdict == MATCH_LOGIN) {
                        MUST(login.has_address && login.time > 0 && login.time <= FUZZ_NOW && pattern);
                        for (size_t i = 0; i < login.user.size; i++)
                                MUST((unsigned char) login.user.data[i] >= ' ' &&
                                        login.user.data[i] != 0x7f);
                }
                rest = span_skip(rest, newline ? line.size + 1 : line.size);
        }
        return 0;
}
