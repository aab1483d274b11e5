/* SPDX-License-Identifier: Apache-2.0 */
/* From a line to a verdict without a daemon. It matches nothing itself: it finds out which patterns a source
 * would have asked, lets pattern_set_match() ask them, and says what the daemon would need for it. */

#include "match/line-judge.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "basic/log.h"
#include "match/identifier-key.h"

/* A shorter one is part of too many words: "mydovecot" is likely a Dovecot, "mapd" is not an imapd. */
#define SIMILAR_MIN_BYTES 6

#define SOURCE_NAME "log"

/* An identifier, and who is to be asked. */
typedef struct CacheEntry {
        IdentifierKey key;         /* size 0: empty */
        bool known;                /* a pattern has it */
        PatternSelection patterns; /* that have it; of an unknown one, those with one that is part of it */
} CacheEntry;

struct LineJudge {
        PatternSet *set;
        StreamState *streams;
        PatternSelection by_head[_LOG_HEAD_MAX];
        /* of those that do not know syslog's head, which would otherwise come first */
        PatternSelection without_syslog[_LOG_HEAD_MAX];
        bool any_without_syslog;
        CacheEntry cache[IDENTIFIER_KEY_PAIRS][2]; /* the newer one first */
        CacheEntry uncached;                       /* a longer one */
        char service[64];
        char reason[512];
};

static usec_t time_of_reading(const Record *record) {
        return record->read_time;
}

static const RecordOps record_ops = {.time = time_of_reading};

static int select_without_syslog(const PatternSelection *all, PatternSelection *ret) {
        ret->patterns = calloc(all->n + 1, sizeof(Pattern *));
        if (!ret->patterns)
                return -ENOMEM;
        for (size_t i = 0; i < all->n; i++)
                if (!all->patterns[i]->heads[LOG_HEAD_SYSLOG])
                        ret->patterns[ret->n++] = all->patterns[i];
        return 0;
}

int line_judge_new(PatternSet *set, LineJudge **ret) {
        _cleanup_(line_judge_freep) LineJudge *j = calloc(1, sizeof(LineJudge));
        int r;

        if (!j)
                return -ENOMEM;
        j->set = set;
        r = stream_state_new(&j->streams);
        for (LogHead h = 0; r >= 0 && h < _LOG_HEAD_MAX; h++) {
                r = pattern_set_select_head(set, h, &j->by_head[h]);
                if (r >= 0)
                        r = select_without_syslog(&j->by_head[h], &j->without_syslog[h]);
                j->any_without_syslog |= j->without_syslog[h].n > 0;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(j);
        return 0;
}

LineJudge *line_judge_free(LineJudge *j) {
        if (!j)
                return NULL;
        stream_state_free(j->streams);
        for (LogHead h = 0; h < _LOG_HEAD_MAX; h++) {
                pattern_selection_done(&j->by_head[h]);
                pattern_selection_done(&j->without_syslog[h]);
        }
        for (size_t i = 0; i < IDENTIFIER_KEY_PAIRS; i++) {
                pattern_selection_done(&j->cache[i][0].patterns);
                pattern_selection_done(&j->cache[i][1].patterns);
        }
        pattern_selection_done(&j->uncached.patterns);
        free(j);
        return NULL;
}

int line_judge_reset(LineJudge *j) {
        StreamState *streams;
        int r = stream_state_new(&streams);

        if (r < 0)
                return r;
        stream_state_free(j->streams);
        j->streams = streams;
        return 0;
}

static bool is_similar(const Pattern *p, Span identifier) {
        for (size_t i = 0; i < p->identifiers.n; i++) {
                Span known = span_from_string(p->identifiers.items[i]);

                if (known.size >= SIMILAR_MIN_BYTES && span_contains(identifier, known))
                        return true;
        }
        return false;
}

static bool has_identifier(const Pattern *p, Span identifier) {
        for (size_t i = 0; i < p->identifiers.n; i++)
                if (span_equal_string(identifier, p->identifiers.items[i]))
                        return true;
        return false;
}

/* Finds out whose identifier this is, or whose renamed one it may be. Without memory that is nobody's. */
static void look_up(const LineJudge *j, Span identifier, CacheEntry *e) {
        size_t n;
        Pattern *const *all = pattern_set_patterns(j->set, &n);

        pattern_selection_done(&e->patterns);
        e->known = pattern_set_knows(j->set, identifier);
        e->patterns.patterns = calloc(n + 1, sizeof(Pattern *));
        for (size_t i = 0; e->patterns.patterns && i < n; i++)
                if (e->known ? has_identifier(all[i], identifier)
                             : all[i]->heads[LOG_HEAD_SYSLOG] && is_similar(all[i], identifier))
                        e->patterns.patterns[e->patterns.n++] = all[i];
}

static const CacheEntry *find_identifier(LineJudge *j, Span identifier) {
        IdentifierKey key = identifier_key(identifier);
        CacheEntry *e = j->cache[identifier_key_pair(&key)], older;

        if (key.size > IDENTIFIER_KEY_BYTES) {
                look_up(j, identifier, &j->uncached);
                return &j->uncached;
        }
        if (identifier_key_equal(&e[0].key, &key))
                return &e[0];
        if (identifier_key_equal(&e[1].key, &key))
                return &e[1];
        /* the pair's older one goes */
        older = e[1];
        e[1] = e[0];
        e[0] = older;
        look_up(j, identifier, &e[0]);
        e[0].key = key;
        return &e[0];
}

static const Pattern *find_pattern(const LineJudge *j, const char *name) {
        size_t n;
        Pattern *const *patterns = pattern_set_patterns(j->set, &n);

        for (size_t i = 0; name && i < n; i++)
                if (patterns[i]->name == name)
                        return patterns[i];
        return NULL;
}

/* Appends to the reason, "; " between its parts. */
static void _printf_(3, 4) add_reason(LineJudge *j, Login *login, const char *format, ...) {
        char part[256];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(part, sizeof(part), format, ap);
        va_end(ap);
        if (login->reason && login->reason != j->reason)
                (void) snprintf(j->reason, sizeof(j->reason), "%s; %s", login->reason, part);
        else if (login->reason) {
                size_t n = strlen(j->reason);

                (void) snprintf(j->reason + n, sizeof(j->reason) - n, "; %s", part);
        } else
                (void) snprintf(j->reason, sizeof(j->reason), "%s", part);
        login->reason = j->reason;
}

/* What the daemon would need to come to the same verdict. */
static void add_needs(LineJudge *j, const Pattern *p, const LogLine *line, LogHead head, Login *login) {
        char identifier[LOG_TEXT_BYTES];

        if (head != LOG_HEAD_SYSLOG)
                add_reason(j, login, "needs File=PATH %s", p->name);
        else if (!pattern_set_knows(j->set, line->identifier))
                add_reason(j, login, "needs Identifier=%s in %s.pattern.d/",
                        log_text(identifier, line->identifier), p->name);
        if (p->journal_only)
                add_reason(j, login, "only from the journal");
        if (p->opt_in)
                add_reason(j, login, "only with Enable=%s", p->name);
}

/* Asks the set. With a selection the identifier does not count. */
static void ask(LineJudge *j, const LogLine *line, bool cut, usec_t now, const PatternSelection *selection,
        Login *ret) {
        Record record = {
                .ops = &record_ops,
                .source = SOURCE_NAME,
                .read_time = now,
                .host = line->host,
                .identifier = selection ? SPAN_NONE : line->identifier,
                .pid = line->pid,
                .message = line->message,
                .raw_size = line->message.size,
                .cut = cut,
                .explained = true,
        };

        pattern_set_match(j->set, j->streams, &record, selection, ret);
        /* a second question would overwrite what the first one's answer borrows */
        if (ret->service.size > 0) {
                ret->service.size = MIN(ret->service.size, sizeof(j->service));
                memcpy(j->service, ret->service.data, ret->service.size);
                ret->service.data = j->service;
        }
}

/* Whether one of these patterns could say something of the message, or must know of it. For most lines none
 * does, and that is then all that is asked. */
static bool concerns(const PatternSelection *selection, Span message) {
        for (size_t i = 0; i < selection->n; i++)
                if (selection->patterns[i]->tears_at > 0 ||
                        literal_set_matches(&selection->patterns[i]->hint_set, message))
                        return true;
        return false;
}

static bool judge_syslog(LineJudge *j, Span line, bool cut, usec_t now, LogLine *parsed, Login *ret) {
        const CacheEntry *e;

        if (!log_line_parse(line, LOG_HEAD_SYSLOG, parsed))
                return false;
        e = find_identifier(j, parsed->identifier);
        if (concerns(&e->patterns, parsed->message))
                ask(j, parsed, cut, now, e->known ? NULL : &e->patterns, ret);
        return true;
}

static bool is_taken(const Login *login) {
        return login->verdict == MATCH_LOGIN || login->verdict == MATCH_NAMED ||
               login->verdict == MATCH_LOGOUT || login->verdict == MATCH_CONNECT ||
               login->verdict == MATCH_RESTART;
}

/* Tries the other heads, until a pattern takes the line; else what was said first stands. Returns the head.
 */
static LogHead judge_others(LineJudge *j, Span line, bool cut, usec_t now,
        const PatternSelection *selections, LogLine *parsed, Login *ret, bool *any_head) {
        LogHead head = LOG_HEAD_SYSLOG;
        LogLine tried;
        Login login;

        for (LogHead h = LOG_HEAD_SYSLOG + 1; h < _LOG_HEAD_MAX; h++) {
                if (selections[h].n == 0 || !log_line_parse(line, h, &tried))
                        continue;
                *any_head = true;
                ask(j, &tried, cut, now, &selections[h], &login);
                if (ret->verdict != MATCH_NONE && !is_taken(&login))
                        continue;
                *ret = login;
                *parsed = tried;
                head = h;
                if (is_taken(&login))
                        break;
        }
        return head;
}

void line_judge(LineJudge *j, Span line, bool cut, usec_t now, Login *ret, const Pattern **ret_pattern) {
        bool is_syslog, any_head = false;
        LogHead head = LOG_HEAD_SYSLOG;
        const Pattern *p = NULL;
        LogLine parsed = {0};

        *ret = (Login){.verdict = MATCH_NONE, .source = SOURCE_NAME};
        is_syslog = judge_syslog(j, line, cut, now, &parsed, ret);
        if (!ret->pattern && (!is_syslog || j->any_without_syslog))
                head = judge_others(j, line, cut, now, is_syslog ? j->without_syslog : j->by_head, &parsed,
                        ret, &any_head);
        if (ret->pattern) {
                p = find_pattern(j, ret->pattern);
                if (p && ret->verdict != MATCH_NONE)
                        add_needs(j, p, &parsed, head, ret);
        } else if (!is_syslog && !any_head)
                ret->reason = "no known line head";
        *ret_pattern = p;
}
