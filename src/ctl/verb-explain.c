/* SPDX-License-Identifier: Apache-2.0 */
/* explain: what the daemon would take for a login in a log, line by line. The judging is match/'s; this
 * reads, counts and shows, and is made for logs of many gigabytes. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/json-writer.h"
#include "basic/log.h"
#include "ctl/ctl.h"
#include "ctl/progress.h"
#include "ctl/table.h"
#include "match/line-judge.h"
#include "source/line-splitter.h"

#define READ_BYTES ((size_t) 1024 * 1024)

typedef struct Explain {
        const Ctl *ctl;
        PatternSet *patterns;
        LineJudge *judge;
        usec_t now;
        JsonWriter json;
        Table *table;
        uint64_t lines;
        uint64_t total[_MATCH_VERDICT_MAX];
        uint64_t (*counts)[_MATCH_VERDICT_MAX]; /* by pattern, in the set's order */
} Explain;

static void count(Explain *x, const Login *login, const Pattern *p) {
        size_t n;
        Pattern *const *patterns;

        x->total[login->verdict]++;
        if (!p)
                return;
        patterns = pattern_set_patterns(x->patterns, &n);
        for (size_t i = 0; i < n; i++)
                if (patterns[i] == p) {
                        x->counts[i][login->verdict]++;
                        return;
                }
}

static void member_span(JsonWriter *w, const char *key, Span s) {
        json_key(w, key);
        if (s.size > 0)
                json_text(w, s);
        else
                json_null(w);
}

static void write_json(Explain *x, Span line, const Login *login) {
        JsonWriter *w = &x->json;
        char address[IP_TEXT_BYTES];

        json_writer_init(w, stdout);
        json_begin_object(w);
        json_key(w, "line");
        json_text(w, line);
        json_key(w, "verdict");
        json_string(w, match_verdict_to_string(login->verdict));
        json_key(w, "address");
        json_string(w, login->has_address ? ip_addr_format(address, &login->address) : NULL);
        member_span(w, "host", login->host);
        member_span(w, "user", login->user);
        member_span(w, "service", login->service);
        json_key(w, "pattern");
        json_string(w, login->pattern);
        json_key(w, "reason");
        json_string(w, login->reason);
        json_end_object(w);
        (void) fputc('\n', stdout);
}

static void write_row(Explain *x, const Login *login) {
        static const TableStyle styles[_MATCH_VERDICT_MAX] = {
                [MATCH_NONE] = TABLE_DIM,
                [MATCH_LOGIN] = TABLE_GREEN,
                [MATCH_NAMED] = TABLE_GREEN,
                [MATCH_HINT] = TABLE_YELLOW,
                [MATCH_TORN] = TABLE_RED,
                [MATCH_REFUSED] = TABLE_RED,
                [MATCH_UNTRUSTED] = TABLE_RED,
        };
        char address[IP_TEXT_BYTES];

        if (login->verdict == MATCH_NONE && !ctl_has(x->ctl, CTL_OPTION_ALL))
                return;
        table_cell_u64(x->table, x->lines);
        table_cell(x->table, styles[login->verdict], match_verdict_to_string(login->verdict));
        if (login->has_address)
                table_cell(x->table, TABLE_PLAIN, ip_addr_format(address, &login->address));
        else
                table_cell_untrusted(x->table, TABLE_PLAIN, login->host);
        table_cell_untrusted(x->table, TABLE_PLAIN, login->user);
        table_cell_untrusted(x->table, TABLE_PLAIN, login->service);
        table_cell(x->table, TABLE_PLAIN, login->pattern ? login->pattern : "-");
        table_cell(x->table, TABLE_DIM, strempty(login->reason));
}

static void explain_line(Explain *x, Span line, bool cut) {
        const Pattern *p;
        Login login;

        x->lines++;
        line_judge(x->judge, line, cut, x->now, &login, &p);
        count(x, &login, p);
        if (ctl_has(x->ctl, CTL_OPTION_SUMMARY))
                return;
        if (x->ctl->json)
                write_json(x, line, &login);
        else
                write_row(x, &login);
}

/* A log may end within a line. */
static void end_last_line(LineSplitter *s) {
        size_t room;
        char *space;

        if (s->end == s->begin)
                return;
        space = line_splitter_space(s, &room);
        if (room > 0) {
                *space = '\n';
                line_splitter_fill(s, 1);
        }
}

static int explain_file(Explain *x, int fd, const char *name, Progress *progress) {
        _cleanup_(line_splitter_done) LineSplitter s = {0};
        bool cut, end = false;
        Span line;

        if (line_splitter_init(&s, READ_BYTES) < 0)
                return log_errno(LOG_ERR, -ENOMEM, "cannot read %s", name);
        while (!end && !ferror(stdout)) {
                size_t room;
                char *space = line_splitter_space(&s, &room);
                ssize_t n = read(fd, space, room);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return log_errno(LOG_ERR, -errno, "cannot read %s", name);
                end = n == 0;
                line_splitter_fill(&s, (size_t) n);
                if (end)
                        end_last_line(&s);
                while (line_splitter_next(&s, &line, &cut))
                        explain_line(x, line, cut);
                progress_add(progress, (size_t) n);
                if (!progress_is_bounded(progress)) {
                        /* something like tail -f: show what there is */
                        if (x->table)
                                table_flush(x->table);
                        (void) fflush(stdout);
                }
        }
        return 0;
}

/* ---- the summary ---- */

static const MatchVerdict shown[] = {MATCH_LOGIN, MATCH_NAMED, MATCH_LOGOUT, MATCH_CONNECT, MATCH_HINT,
        MATCH_TORN, MATCH_REFUSED, MATCH_NONE};

static void summarize_json(const Explain *x) {
        size_t n;
        Pattern *const *patterns = pattern_set_patterns(x->patterns, &n);
        JsonWriter w;

        json_writer_init(&w, stdout);
        json_begin_object(&w);
        json_key(&w, "lines");
        json_u64(&w, x->lines);
        json_key(&w, "patterns");
        json_begin_array(&w);
        for (size_t i = 0; i < n; i++) {
                json_begin_object(&w);
                json_key(&w, "pattern");
                json_string(&w, patterns[i]->name);
                for (size_t k = 0; k < ELEMENTSOF(shown); k++) {
                        json_key(&w, match_verdict_to_string(shown[k]));
                        json_u64(&w, x->counts[i][shown[k]]);
                }
                json_end_object(&w);
        }
        json_end_array(&w);
        json_key(&w, "logins");
        json_u64(&w, x->total[MATCH_LOGIN]);
        json_end_object(&w);
        (void) putchar('\n');
}

static void summarize(const Explain *x) {
        static const char *const columns[] = {"PATTERN", ">LOGIN", ">NAMED", ">LOGOUT", ">CONNECT", ">HINT",
                ">TORN", ">REFUSED", ">NONE", NULL};
        size_t n;
        Pattern *const *patterns = pattern_set_patterns(x->patterns, &n);
        Table t;

        table_init(&t, stdout, x->ctl->color, columns);
        for (size_t i = 0; i < n; i++) {
                table_cell(&t, TABLE_PLAIN, patterns[i]->name);
                for (size_t k = 0; k < ELEMENTSOF(shown); k++)
                        table_cell_format(&t, x->counts[i][shown[k]] > 0 ? TABLE_PLAIN : TABLE_DIM,
                                "%" PRIu64, x->counts[i][shown[k]]);
        }
        table_done(&t);
        (void) printf("%" PRIu64 "\n", x->total[MATCH_LOGIN]);
}

static void conclude(const Explain *x, bool has_rows) {
        (void) printf("%s%" PRIu64 " login%s in %" PRIu64 " line%s.\n", has_rows ? "\n" : "",
                x->total[MATCH_LOGIN], x->total[MATCH_LOGIN] == 1 ? "" : "s", x->lines,
                x->lines == 1 ? "" : "s");
}

static int run(Explain *x, int fd, const char *name) {
        static const char *const columns[] = {
                ">LINE", "VERDICT", "ADDRESS", "USER", "SERVICE", "PATTERN", "REASON", NULL};
        bool summary = ctl_has(x->ctl, CTL_OPTION_SUMMARY);
        Progress progress;
        Table t;
        int r;

        table_init(&t, stdout, x->ctl->color, columns);
        if (!summary && !x->ctl->json)
                x->table = &t;
        /* a bar and a table on one terminal would get into each other's way */
        progress_init(&progress, fd, summary || !isatty(STDOUT_FILENO));
        r = explain_file(x, fd, name, &progress);
        progress_done(&progress);
        table_done(&t);
        if (r >= 0 && x->table)
                conclude(x, t.has_head);
        x->table = NULL;
        if (r < 0)
                return CTL_NO;
        if (summary && x->ctl->json)
                summarize_json(x);
        else if (summary)
                summarize(x);
        return CTL_OK;
}

int verb_explain(const Ctl *ctl) {
        const char *name = ctl->n_arguments > 0 ? ctl->arguments[0] : "-";
        _cleanup_(pattern_set_freep) PatternSet *patterns = NULL;
        _cleanup_(line_judge_freep) LineJudge *judge = NULL;
        _cleanup_free_ void *counts = NULL;
        _cleanup_close_ int fd = -1;
        Explain x = {.ctl = ctl, .now = time_now()};
        size_t n;

        if (ctl_has(ctl, CTL_OPTION_SUMMARY) && ctl_has(ctl, CTL_OPTION_ALL)) {
                log_error("--summary and --all do not go together");
                return CTL_USAGE;
        }
        if (!streq(name, "-")) {
                fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
                if (fd < 0) {
                        log_errno(LOG_ERR, -errno, "cannot open %s", name);
                        return CTL_NO;
                }
        }
        if (ctl_load_patterns(ctl, &patterns) < 0)
                return CTL_NO;
        (void) pattern_set_patterns(patterns, &n);
        counts = calloc(n, sizeof(*x.counts));
        if (!counts || line_judge_new(patterns, &judge) < 0) {
                log_errno(LOG_ERR, -ENOMEM, "cannot explain");
                return CTL_NO;
        }
        x.patterns = patterns;
        x.judge = judge;
        x.counts = counts;
        return run(&x, fd >= 0 ? fd : STDIN_FILENO, fd >= 0 ? name : "standard input");
}
