/* SPDX-License-Identifier: Apache-2.0 */
/* Builds hostile lines out of an example and counts what they are taken for. It knows no server: the places
 * that a client fills are found by the regex's own groups and by their looks (names of hosts, mail
 * addresses, quoted and parenthesised text), and the forged text is the example's own with another address
 * in it, since nothing else can look more genuine. It writes more than a server would let through; what
 * withstands that withstands the server. */

#include "match/attack.h"

#include <errno.h>

/* The attacker's address, which no example may have. */
#define EVIL "6.6.6.6"
/* Beyond the longest line that is read. */
#define TEXT_MAX_BYTES ((size_t) 9 * 1024)
#define FIELDS_MAX 16
/* Any time will do. */
#define NOW (UINT64_C(1800000000) * USEC_PER_SEC)

typedef struct Text {
        char data[TEXT_MAX_BYTES];
        size_t size;
} Text;

typedef enum FieldKind {
        FIELD_USER,   /* any bytes */
        FIELD_HOST,   /* what DNS, or the resolver, lets through */
        FIELD_SENDER, /* a mail address, whose local part may be quoted */
        FIELD_TEXT,   /* what stands in parentheses or quotes */
} FieldKind;

typedef struct Field {
        FieldKind kind;
        size_t begin, end; /* in the line */
} Field;

typedef struct Attack {
        const Pattern *pattern;
        LineJudge *judge;
        AttackHandler on_failure;
        void *userdata;
        AttackCounts counts;
        /* the example at hand */
        const Example *example;
        IpAddr genuine;
        size_t message;       /* where it begins in the line */
        Text evil;            /* the message with the attacker's address in it */
        size_t evil_field[2]; /* where the attacked field begins and ends in it */
        Text line, text;      /* what is being built */
        bool needs_replay;    /* lines depend on those before them */
} Attack;

static void text_set(Text *t, Span s) {
        t->size = MIN(s.size, sizeof(t->data));
        if (t->size > 0)
                memcpy(t->data, s.data, t->size);
}

static void text_add(Text *t, Span s) {
        size_t n = MIN(s.size, sizeof(t->data) - t->size);

        if (n > 0)
                memcpy(t->data + t->size, s.data, n);
        t->size += n;
}

static void text_fill(Text *t, char c, size_t n) {
        n = MIN(n, sizeof(t->data) - t->size);
        memset(t->data + t->size, c, n);
        t->size += n;
}

static Span text_span(const Text *t) {
        return span_make(t->data, t->size);
}

static Span example_line(const Attack *a) {
        return span_from_string(a->example->line);
}

/* ---- judging ---- */

/* What has been logged when the example's last line is. */
static void replay(Attack *a) {
        const StringList *before = &a->example->before;
        const Pattern *p;
        Login login;

        (void) line_judge_reset(a->judge);
        for (const Example *e = a->pattern->examples; e < a->example; e++)
                if (e->verdict == MATCH_CONNECT)
                        line_judge(a->judge, span_from_string(e->line), false, NOW, &login, &p);
        for (size_t i = 0; i < before->n; i++)
                line_judge(a->judge, span_from_string(before->items[i]), false, NOW, &login, &p);
}

static void judge(Attack *a, Span line) {
        const Pattern *p;
        Login login;

        line_judge(a->judge, line, false, NOW, &login, &p);
        a->counts.tried++;
        /* of a line that has an address, the address is what counts */
        if (login.verdict == MATCH_NAMED) {
                a->counts.wrong++;
                a->on_failure(a->userdata, a->pattern, a->example, line, &login);
        } else if ((login.verdict != MATCH_LOGIN && login.verdict != MATCH_CONNECT) || !login.has_address)
                a->counts.none++;
        else if (ip_addr_equal(&login.address, &a->genuine))
                a->counts.genuine++;
        else {
                a->counts.wrong++;
                a->on_failure(a->userdata, a->pattern, a->example, line, &login);
        }
}

/* Logs the example with a->text in a field's place. */
static void try_text(Attack *a, const Field *f) {
        Span line = example_line(a);

        text_set(&a->line, span_make(line.data, f->begin));
        text_add(&a->line, text_span(&a->text));
        text_add(&a->line, span_skip(line, f->end));
        if (a->needs_replay)
                replay(a);
        judge(a, text_span(&a->line));
}

static void try_parts(Attack *a, const Field *f, const Span *parts, size_t n) {
        a->text.size = 0;
        for (size_t i = 0; i < n; i++)
                text_add(&a->text, parts[i]);
        try_text(a, f);
}

#define TRY(a, f, ...)                                                                                      \
        try_parts((a), (f), (Span[]){__VA_ARGS__}, sizeof((Span[]){__VA_ARGS__}) / sizeof(Span))

/* ---- hostile texts ---- */

static Span evil_tail(const Attack *a) {
        return span_skip(text_span(&a->evil), a->evil_field[1]);
}

static Span evil_front(const Attack *a) {
        return span_make(a->evil.data, a->evil_field[0]);
}

/* Every byte, before, behind and inside the genuine text, and instead of it. */
static void try_bytes(Attack *a, const Field *f, Span old) {
        TRY(a, f, SPAN_NONE);
        for (unsigned c = 0; c < 256; c++) {
                char byte = (char) c;
                Span s = span_make(&byte, 1);

                TRY(a, f, s);
                TRY(a, f, s, old);
                TRY(a, f, old, s);
                TRY(a, f, old, s, old);
                TRY(a, f, old, s, SPAN_LITERAL(EVIL), s);
                TRY(a, f, old, s, evil_tail(a));
                TRY(a, f, old, s, text_span(&a->evil));
                TRY(a, f, s, text_span(&a->evil), s);
        }
}

static void try_addresses(Attack *a, const Field *f, Span old) {
        static const char *const texts[] = {EVIL, "[" EVIL "]", "(" EVIL ")", "<" EVIL ">", "::ffff:" EVIL,
                "rip=" EVIL, "ip=[::ffff:" EVIL "]", "host=[" EVIL "]", "x [" EVIL "]", "x (" EVIL ")",
                "x@" EVIL, "x@[" EVIL "]", "x, rip=" EVIL, "x>, rip=" EVIL, "x from " EVIL, "x at " EVIL,
                "x, " EVIL, EVIL " ", " " EVIL, "\"x\" [" EVIL "]", "x]: [" EVIL};

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                TRY(a, f, span_from_string(texts[i]));
                TRY(a, f, old, SPAN_LITERAL(" "), span_from_string(texts[i]));
                TRY(a, f, span_from_string(texts[i]), SPAN_LITERAL(" "), old);
        }
}

/* The example's own text, cut at each place, so that any closing that the regex wants to see is there. */
static void try_tails(Attack *a, const Field *f, Span old) {
        Span tail = evil_tail(a), whole = text_span(&a->evil);

        for (size_t k = 0; k <= tail.size; k++) {
                TRY(a, f, old, span_make(tail.data, k));
                TRY(a, f, span_make(tail.data, k), old);
                TRY(a, f, old, span_skip(tail, k));
                TRY(a, f, old, span_make(tail.data, k), old);
        }
        for (size_t k = 0; k <= whole.size; k++)
                TRY(a, f, old, span_make(whole.data, k));
}

/* Whole forged messages, behind whatever may look like the end of a line. */
static void try_messages(Attack *a, const Field *f, Span old) {
        static const char *const separators[] = {"", " ", ", ", ": ", "; ", ">, ", "> ", "] ", "\" ", "' ",
                ") ", "#012", "#015#012", "#011", "#000", "\\n", "\\012", "\\r\\n", "^J", "%0a", "?", "\n",
                "\r\n", "\r", "\t", "\033[2K", "#012Nov 21 01:02:03 mx dovecot: ", "]: ", "<22>"};
        Span evil = text_span(&a->evil), head = span_make(example_line(a).data, a->message);

        for (size_t i = 0; i < ELEMENTSOF(separators); i++) {
                Span s = span_from_string(separators[i]);

                TRY(a, f, s, evil);
                TRY(a, f, old, s, evil);
                TRY(a, f, old, s, evil, s);
                TRY(a, f, old, s, evil, s, old);
                TRY(a, f, old, s, head, evil);
                TRY(a, f, old, s, head, evil, s);
                TRY(a, f, old, evil_tail(a), s, evil_front(a), old);
                TRY(a, f, old, evil_tail(a), s, evil, s);
                TRY(a, f, old, evil_tail(a), s, old);
                TRY(a, f, old, s, evil_tail(a), s);
        }
}

/* Long texts: at the limits of servers and loggers, alone, and with a forged rest behind them. */
static void try_long(Attack *a, const Field *f, Span old) {
        static const size_t sizes[] = {63, 64, 79, 80, 81, 100, 127, 128, 129, 200, 254, 255, 256, 257, 300,
                319, 320, 321, 486, 500, 503, 504, 505, 506, 510, 511, 512, 513, 1000, 1023, 1024, 1025,
                2047, 2048, 4096, 8000};
        static const char fillers[] = {'a', ' ', '"', '>', '(', '\\', '%'};

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
                for (size_t k = 0; k < ELEMENTSOF(fillers); k++) {
                        a->text.size = 0;
                        text_fill(&a->text, fillers[k], sizes[i]);
                        try_text(a, f);
                        text_add(&a->text, evil_tail(a));
                        try_text(a, f);
                        a->text.size = 0;
                        text_fill(&a->text, fillers[k], sizes[i]);
                        text_add(&a->text, text_span(&a->evil));
                        try_text(a, f);
                        text_set(&a->text, old);
                        text_add(&a->text, evil_tail(a));
                        text_fill(&a->text, fillers[k], sizes[i]);
                        try_text(a, f);
                }
}

/* A logger that cuts long messages off: the forged tail ends the line, and the genuine one is gone. The
 * shortest limit of a logger is 1024 bytes, head and all; what cuts earlier has a pattern with TearsAt=. */
static void try_cut(Attack *a, const Field *f) {
        static const size_t limits[] = {1024, 2048, 8192};
        Span line = example_line(a), tail = evil_tail(a);

        for (size_t i = 0; i < ELEMENTSOF(limits); i++)
                for (size_t spared = 0; spared < 64; spared++) {
                        size_t size = limits[i] - spared;

                        if (f->begin + tail.size >= size)
                                continue;
                        text_set(&a->line, span_make(line.data, f->begin));
                        text_fill(&a->line, 'a', size - f->begin - tail.size);
                        text_add(&a->line, tail);
                        if (a->needs_replay)
                                replay(a);
                        judge(a, text_span(&a->line));
                }
}

static void attack_text(Attack *a, const Field *f) {
        Span old = span_make(example_line(a).data + f->begin, f->end - f->begin);

        try_bytes(a, f, old);
        try_addresses(a, f, old);
        try_tails(a, f, old);
        try_messages(a, f, old);
        try_long(a, f, old);
        try_cut(a, f);
}

/* Names that a PTR record can have: no more than letters, digits, '-', '_' and '.' gets through a resolver.
 */
static void attack_host(Attack *a, const Field *f) {
        static const char *const names[] = {EVIL, EVIL ".", EVIL ".evil.example.net",
                "evil.example.net." EVIL, "rip." EVIL ".example.net", "rip-" EVIL, "6-6-6-6.example.net",
                "localhost", "unknown", "UNKNOWN", "ffff." EVIL, "-", "_", "_" EVIL, "a.b", "6", "6.6.6",
                "6.6.6.6.6", "0x06060606", "101058054"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                TRY(a, f, span_from_string(names[i]));
        for (size_t n = 50; n <= 250; n += 50) {
                a->text.size = 0;
                text_fill(&a->text, 'a', n);
                text_add(&a->text, SPAN_LITERAL("." EVIL));
                try_text(a, f);
        }
}

/* An address whose local part is quoted can hold nearly everything (RFC 5321, 4.1.2). */
static void attack_sender(Attack *a, const Field *f) {
        static const char *const separators[] = {" ", "", "> ", "\\\" ", ") "};
        Span evil = text_span(&a->evil), tail = evil_tail(a), behind = SPAN_LITERAL("\"@evil.example.net");

        for (size_t i = 0; i < ELEMENTSOF(separators); i++) {
                Span s = span_from_string(separators[i]);

                TRY(a, f, SPAN_LITERAL("\"x"), s, evil, behind);
                TRY(a, f, SPAN_LITERAL("\"x"), s, tail, behind);
                TRY(a, f, SPAN_LITERAL("\"x\"@y"), s, tail);
        }
        for (size_t k = 0; k <= tail.size; k++)
                TRY(a, f, SPAN_LITERAL("\"x "), span_make(tail.data, k), behind);
        attack_host(a, f);
}

/* ---- places ---- */

static bool is_address_byte(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' ||
               c == '.';
}

static bool is_word_byte(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
               c == '_' || c == '.' || c == '@' || c == '+';
}

/* Length of the genuine address at the start of s, or 0. */
static size_t genuine_at(const Attack *a, Span s) {
        IpAddr addr;
        size_t n = 0;

        while (n < s.size && n < IP_TEXT_BYTES && is_address_byte(s.data[n]))
                n++;
        /* a port may follow behind a colon */
        for (; n >= 2; n--)
                if (ip_addr_parse(span_make(s.data, n), &addr) >= 0 && ip_addr_equal(&addr, &a->genuine))
                        return n;
        return 0;
}

/* The message with the attacker's address wherever it has the genuine one; [begin, end) is the field.
 * Returns false if it has none. */
static bool forge(Attack *a, Span line, size_t begin, size_t end) {
        a->evil.size = 0;
        a->evil_field[0] = a->evil_field[1] = 0;
        for (size_t i = a->message; i < line.size;) {
                /* a colon may be what stands between a name and an address */
                bool inside = i > 0 && line.data[i - 1] != ':' && is_address_byte(line.data[i - 1]);
                size_t n = inside ? 0 : genuine_at(a, span_skip(line, i));

                if (i == begin && begin < end) {
                        a->evil_field[0] = a->evil.size;
                        text_add(&a->evil, span_make(line.data + begin, end - begin));
                        a->evil_field[1] = a->evil.size;
                        i = end;
                } else if (n > 0) {
                        text_add(&a->evil, SPAN_LITERAL(EVIL));
                        i += n;
                } else
                        text_add(&a->evil, span_make(line.data + i++, 1));
        }
        return span_contains(text_span(&a->evil), SPAN_LITERAL(EVIL));
}

static void build_evil(Attack *a, size_t begin, size_t end) {
        const StringList *before = &a->example->before;

        if (forge(a, example_line(a), begin, end))
                return;
        /* this half of the login does not tell the address: forge the other one */
        for (size_t i = before->n; i > 0; i--)
                if (forge(a, span_from_string(before->items[i - 1]), 0, 0))
                        return;
        for (const Example *e = a->example; e > a->pattern->examples; e--)
                if (e[-1].verdict == MATCH_CONNECT && forge(a, span_from_string(e[-1].line), 0, 0))
                        return;
}

static bool overlaps(const Field *fields, size_t n, size_t begin, size_t end) {
        for (size_t i = 0; i < n; i++)
                if (begin < fields[i].end && fields[i].begin < end)
                        return true;
        return false;
}

static void add_field(Field *fields, size_t *n, FieldKind kind, size_t begin, size_t end) {
        if (*n < FIELDS_MAX && begin < end && !overlaps(fields, *n, begin, end))
                fields[(*n)++] = (Field){kind, begin, end};
}

/* Text in (…) or "…" that does not hold the genuine address. */
static void find_quoted(const Attack *a, Field *fields, size_t *n) {
        Span line = example_line(a);

        for (size_t i = a->message; i < line.size; i++) {
                char close = line.data[i] == '(' ? ')' : line.data[i] == '"' ? '"' : 0;
                const char *end = close ? memchr(line.data + i + 1, close, line.size - i - 1) : NULL;
                bool has_genuine = false;

                if (!end)
                        continue;
                for (const char *p = line.data + i + 1; p < end; p++)
                        has_genuine |= genuine_at(a, span_make(p, (size_t) (end - p))) > 0;
                if (!has_genuine)
                        add_field(fields, n, FIELD_TEXT, i + 1, (size_t) (end - line.data));
                i = (size_t) (end - line.data);
        }
}

/* Names of hosts and mail addresses. */
static void find_words(const Attack *a, Field *fields, size_t *n) {
        Span line = example_line(a);

        for (size_t i = a->message, end; i < line.size; i = end + 1) {
                bool dot = false, at = false, letter = false;

                for (end = i; end < line.size && is_word_byte(line.data[end]); end++) {
                        dot |= line.data[end] == '.' && end > i;
                        at |= line.data[end] == '@' && end > i;
                        letter |= (line.data[end] | 0x20) >= 'g' && (line.data[end] | 0x20) <= 'z';
                }
                if (letter && (dot || at) && line.data[end - 1] != '.' &&
                        genuine_at(a, span_skip(line, i)) == 0)
                        add_field(fields, n, at ? FIELD_SENDER : FIELD_HOST, i, end);
        }
}

static size_t find_fields(const Attack *a, Span user, Field *fields) {
        size_t n = 0, begin = user.size > 0 ? (size_t) (user.data - a->example->line) : 0;

        if (user.size > 0)
                add_field(fields, &n, FIELD_USER, begin, begin + user.size);
        find_quoted(a, fields, &n);
        find_words(a, fields, &n);
        return n;
}

/* ---- torn messages ---- */

/* Writes one long text through a logger that splits at `size` bytes, and then genuine logins. */
static void tear(Attack *a, size_t size, size_t filler, char c) {
        Span head = span_make(example_line(a).data, a->message), rest;
        const Pattern *p;
        Login login;

        text_set(&a->text, evil_front(a));
        text_fill(&a->text, c, filler);
        text_add(&a->text, text_span(&a->evil));
        (void) line_judge_reset(a->judge);
        for (rest = text_span(&a->text); rest.size > 0; rest = span_skip(rest, MIN(size, rest.size))) {
                text_set(&a->line, head);
                text_add(&a->line, span_make(rest.data, MIN(size, rest.size)));
                judge(a, text_span(&a->line));
        }
        /* what the last piece leaves behind may cost one genuine login, and no more */
        line_judge(a->judge, example_line(a), false, NOW, &login, &p);
        line_judge(a->judge, example_line(a), false, NOW, &login, &p);
        if (login.verdict != MATCH_LOGIN) {
                a->counts.lost++;
                a->on_failure(a->userdata, a->pattern, a->example, example_line(a), &login);
        }
}

static void attack_stream(Attack *a) {
        size_t front = a->evil_field[0], least = a->pattern->tears_at;

        for (size_t size = least; size <= least + 8; size++)
                /* so that the split falls on each byte of the forged message, in the second piece and the
                 * third */
                for (size_t k = 0; k <= a->evil.size; k++) {
                        if (size < front + k)
                                continue;
                        tear(a, size, size - front - k, 'a');
                        tear(a, size, size - front - k, ' ');
                        tear(a, size, 2 * size - front - k, 'a');
                }
}

/* ---- one example ---- */

static size_t message_of(const Pattern *p, Span line) {
        LogLine parsed;

        for (LogHead h = 0; h < _LOG_HEAD_MAX; h++)
                if ((p->heads[h] || h == LOG_HEAD_SYSLOG) && log_line_parse(line, h, &parsed))
                        return (size_t) (parsed.message.data - line.data);
        return 0;
}

static void attack_example(Attack *a, const Example *e) {
        Field fields[FIELDS_MAX];
        const Pattern *p;
        Login login;
        size_t n;

        a->example = e;
        replay(a);
        line_judge(a->judge, example_line(a), false, NOW, &login, &p);
        if (login.verdict != e->verdict || !login.has_address || p != a->pattern)
                return;
        a->genuine = login.address;
        a->message = message_of(a->pattern, example_line(a));
        /* the name may have been lent by another line */
        if (login.user.data < e->line || login.user.data > e->line + strlen(e->line))
                login.user = SPAN_NONE;
        n = find_fields(a, login.user, fields);
        for (size_t i = 0; i < n; i++) {
                build_evil(a, fields[i].begin, fields[i].end);
                if (fields[i].kind == FIELD_HOST)
                        attack_host(a, &fields[i]);
                else if (fields[i].kind == FIELD_SENDER)
                        attack_sender(a, &fields[i]);
                else
                        attack_text(a, &fields[i]);
        }
        if (a->pattern->tears_at > 0 && e->verdict == MATCH_LOGIN && n > 0) {
                build_evil(a, fields[0].begin, fields[0].end);
                attack_stream(a);
        }
}

int attack_pattern(
        PatternSet *set, const Pattern *p, AttackHandler on_failure, void *userdata, AttackCounts *ret) {
        _cleanup_free_ Attack *a = calloc(1, sizeof(Attack));
        _cleanup_(line_judge_freep) LineJudge *j = NULL;

        if (!a || line_judge_new(set, &j) < 0)
                return -ENOMEM;
        a->pattern = p;
        a->judge = j;
        a->on_failure = on_failure;
        a->userdata = userdata;
        a->needs_replay = p->tears_at > 0;
        for (size_t i = 0; i < p->n_rules; i++)
                a->needs_replay |= p->rules[i].kind == RULE_CONNECT;
        for (size_t i = 0; i < p->n_examples; i++)
                if (p->examples[i].verdict == MATCH_LOGIN || p->examples[i].verdict == MATCH_CONNECT)
                        attack_example(a, &p->examples[i]);
        *ret = a->counts;
        return 0;
}
