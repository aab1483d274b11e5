/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the triples of *.lines through the code that judges lines for the daemon and for `authrelayctl
 * explain`. One file is one test. Usage: test-corpus PATTERNS FILE... */

#include <errno.h>
#include <stdio.h>

#include "basic/fd-util.h"
#include "basic/log.h"
#include "match/line-judge.h"

#define FILE_MAX_BYTES ((size_t) 16 * 1024 * 1024)
#define NOW (UINT64_C(1800000000) * USEC_PER_SEC)
#define WANTED_BYTES 1024

/* Takes a line off the text. Returns false at the end. */
static bool take_line(Span *text, Span *ret) {
        const char *newline = text->size > 0 ? memchr(text->data, '\n', text->size) : NULL;

        if (text->size == 0)
                return false;
        *ret = span_make(text->data, newline ? (size_t) (newline - text->data) : text->size);
        *text = span_skip(*text, MIN(ret->size + 1, text->size));
        return true;
}

/* The verdict in the words of the file. */
static void describe(const Login *login, char buf[static WANTED_BYTES]) {
        char address[IP_TEXT_BYTES];

        if (login->verdict != MATCH_LOGIN)
                (void) snprintf(buf, WANTED_BYTES, "%s", match_verdict_to_string(login->verdict));
        else
                (void) snprintf(buf, WANTED_BYTES, "login %s %.*s %.*s",
                        ip_addr_format(address, &login->address),
                        login->user.size > 0 ? (int) login->user.size : 1,
                        login->user.size > 0 ? login->user.data : "-",
                        login->service.size > 0 ? (int) login->service.size : 1,
                        login->service.size > 0 ? login->service.data : "-");
}

static unsigned run_file(PatternSet *set, const char *path) {
        _cleanup_(line_judge_freep) LineJudge *judge = NULL;
        _cleanup_free_ char *data = NULL;
        unsigned number = 0, failed = 0, run = 0;
        Span text, line, wanted;
        size_t size;

        if (read_file(path, FILE_MAX_BYTES, &data, &size) < 0 || line_judge_new(set, &judge) < 0)
                return 1;
        text = span_make(data, size);
        while (take_line(&text, &line)) {
                char got[WANTED_BYTES], want[WANTED_BYTES], shown[LOG_TEXT_BYTES];
                const Pattern *p;
                Login login;

                number++;
                if (line.size == 0 || line.data[0] == '#' || !take_line(&text, &wanted))
                        continue;
                line_judge(judge, line, false, NOW, &login, &p);
                describe(&login, got);
                (void) snprintf(want, sizeof(want), "%.*s", (int) wanted.size, wanted.data);
                run++;
                if (!streq(got, want)) {
                        failed++;
                        (void) printf("# %s:%u: got \"%s\", wanted \"%s\"\n", path, number,
                                log_text(shown, span_from_string(got)), want);
                }
                number++;
        }
        (void) printf("# %s: %u lines\n", path, run);
        return run == 0 ? 1 : failed;
}

/* The daemon interprets the regexes, authrelayctl(1) compiles them to machine code. */
static int run_all(int argc, char **argv, bool jit) {
        _cleanup_(pattern_set_freep) PatternSet *set = NULL;
        char *directories[] = {argc > 1 ? argv[1] : NULL, NULL};
        PatternSetSettings settings = {.directories = directories, .all = true, .jit = jit};
        IniError error = {""};
        int failed = 0;

        if (pattern_set_load(&settings, &set, &error) < 0) {
                (void) printf("Bail out! %s\n", error.text);
                return 1;
        }
        for (int i = 2; i < argc; i++) {
                bool ok = run_file(set, argv[i]) == 0;

                (void) printf("%s %d - %s, %s\n", ok ? "ok" : "not ok", (jit ? argc - 2 : 0) + i - 1,
                        argv[i], jit ? "by machine code" : "interpreted");
                failed += !ok;
        }
        return failed;
}

int main(int argc, char **argv) {
        int failed;

        (void) printf("1..%d\n", 2 * (argc - 2));
        failed = run_all(argc, argv, false);
        failed += run_all(argc, argv, true);
        return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
