/* SPDX-License-Identifier: Apache-2.0 */
/* Builds hostile lines out of a pattern's examples and counts what they are taken for. It knows no server:
 * an example says with Client= what a client has chosen in it, and besides, places are found by the regex's
 * own groups and by their looks (names of hosts, mail addresses, quoted and parenthesised text), so that
 * what somebody forgot to say is attacked all the same. */

#include "match/attack.h"

#include <errno.h>

#include "match/attack-internal.h"

#define FIELDS_MAX 32
/* Any time will do. */
#define NOW (UINT64_C(1800000000) * USEC_PER_SEC)

/* A login as it stands in an example, from which messages are forged. */
typedef struct Model {
        const Example *example;
        IpAddr genuine;
        size_t message;   /* where it begins in the line */
        size_t user, end; /* where the user's name stands in the line; the same: nowhere */
} Model;

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

static void on_failure(Attack *a, uint64_t *counter, Span line, const Login *login) {
        (*counter)++;
        a->handlers->on_failure(a->handlers->userdata, a->pattern, a->example, line, login);
}

static void judge(Attack *a, Span line) {
        const Pattern *p;
        Login login;

        line_judge(a->judge, line, false, NOW, &login, &p);
        a->counts.tried++;
        /* of a line that has an address, the address is what counts; and no client can restart a server */
        if (login.verdict == MATCH_NAMED || login.verdict == MATCH_RESTART)
                on_failure(a, &a->counts.wrong, line, &login);
        else if ((login.verdict != MATCH_LOGIN && login.verdict != MATCH_CONNECT) || !login.has_address)
                a->counts.none++;
        else if (a->has_genuine && ip_addr_equal(&login.address, &a->genuine))
                a->counts.genuine++;
        else
                on_failure(a, &a->counts.wrong, line, &login);
}

void attack_judge(Attack *a, Span line) {
        if (a->needs_replay)
                replay(a);
        judge(a, line);
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
static size_t genuine_at(const IpAddr *genuine, Span s) {
        IpAddr addr;
        size_t n = 0;

        while (n < s.size && n < IP_TEXT_BYTES && is_address_byte(s.data[n]))
                n++;
        /* a port may follow behind a colon */
        for (; n >= 2; n--)
                if (ip_addr_parse(span_make(s.data, n), &addr) >= 0 && ip_addr_equal(&addr, genuine))
                        return n;
        return 0;
}

/* The message of a line with the attacker's address wherever it has the model's; [begin, end) is the field.
 * Returns false if it has none. */
static bool forge(Attack *a, const Model *m, Span line, size_t begin, size_t end) {
        a->evil.size = 0;
        a->evil_field[0] = a->evil_field[1] = 0;
        for (size_t i = m->message; i < line.size;) {
                /* a colon may be what stands between a name and an address */
                bool inside = i > 0 && line.data[i - 1] != ':' && is_address_byte(line.data[i - 1]);
                size_t n = inside ? 0 : genuine_at(&m->genuine, span_skip(line, i));

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

/* This half of the login does not tell the address: forges the other one. */
static void forge_other_half(Attack *a, const Model *m) {
        const StringList *before = &m->example->before;

        for (size_t i = before->n; i > 0; i--)
                if (forge(a, m, span_from_string(before->items[i - 1]), 0, 0))
                        return;
        for (const Example *e = m->example; e > a->pattern->examples; e--)
                if (e[-1].verdict == MATCH_CONNECT && forge(a, m, span_from_string(e[-1].line), 0, 0))
                        return;
}

/* Attacks a field with what the model's line can be made to look like, where [begin, end) is the client's.
 */
static void attack_as(Attack *a, const Model *m, const Field *f, size_t begin, size_t end) {
        if (!forge(a, m, span_from_string(m->example->line), begin, end)) {
                attack_field(a, f);
                forge_other_half(a, m);
        }
        attack_field(a, f);
}

static bool overlaps(const Field *fields, size_t n, size_t begin, size_t end) {
        for (size_t i = 0; i < n; i++)
                if (begin < fields[i].end && fields[i].begin < end)
                        return true;
        return false;
}

static void add_field(Field *fields, size_t *n, FieldKind kind, size_t begin, size_t end) {
        if (*n < FIELDS_MAX && begin < end && !overlaps(fields, *n, begin, end))
                fields[(*n)++] = (Field){kind, begin, end, false};
}

/* What the example says that a client has chosen. A text that stands in several places is in all of them at
 * a time what the client wants, and each of them is attacked by what follows it. */
static void find_declared(const Attack *a, Field *fields, size_t *n) {
        Span line = example_line(a), text;

        for (size_t k = 0; k < a->example->clients.n; k++) {
                ClientField client = example_client(a->example->clients.items[k], &text);
                FieldKind kind = client == CLIENT_FIELD_HOST     ? FIELD_HOST
                                 : client == CLIENT_FIELD_SENDER ? FIELD_SENDER
                                                                 : FIELD_TEXT;
                size_t places = 0;

                for (size_t i = a->message; text.size > 0 && i < line.size; i++)
                        places += span_starts_with(span_skip(line, i), text);
                for (size_t i = a->message; places > 0 && i < line.size; i++) {
                        if (!span_starts_with(span_skip(line, i), text))
                                continue;
                        if (places == 1)
                                add_field(fields, n, kind, i, i + text.size);
                        else if (*n < FIELDS_MAX)
                                fields[(*n)++] = (Field){kind, i, i + text.size, true};
                }
        }
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
                        has_genuine |= genuine_at(&a->genuine, span_make(p, (size_t) (end - p))) > 0;
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
                        genuine_at(&a->genuine, span_skip(line, i)) == 0)
                        add_field(fields, n, at ? FIELD_SENDER : FIELD_HOST, i, end);
        }
}

/* ---- torn messages ---- */

/* Writes one long text through a logger that splits at `size` bytes, and then genuine logins. */
static void tear(Attack *a, size_t size, size_t filler, char c, Span message) {
        Span head = span_make(example_line(a).data, a->message), rest;
        const Pattern *p;
        Login login;

        text_set(&a->text, span_make(a->evil.data, a->evil_field[0]));
        text_fill(&a->text, c, filler);
        text_add(&a->text, message);
        (void) line_judge_reset(a->judge);
        for (rest = text_span(&a->text); rest.size > 0; rest = span_skip(rest, MIN(size, rest.size))) {
                text_set(&a->line, head);
                text_add(&a->line, span_make(rest.data, MIN(size, rest.size)));
                judge(a, text_span(&a->line));
        }
        /* what the last piece leaves behind may cost one genuine login, and no more */
        line_judge(a->judge, example_line(a), false, NOW, &login, &p);
        line_judge(a->judge, example_line(a), false, NOW, &login, &p);
        if (login.verdict != MATCH_LOGIN)
                on_failure(a, &a->counts.lost, example_line(a), &login);
}

/* So that the split falls on each byte of the message, in the second piece and the third. */
static void tear_at_each(Attack *a, size_t size, Span message) {
        size_t front = a->evil_field[0];

        for (size_t k = 0; k <= message.size; k++) {
                if (size < front + k)
                        continue;
                tear(a, size, size - front - k, 'a', message);
                tear(a, size, size - front - k, ' ', message);
                tear(a, size, 2 * size - front - k, 'a', message);
        }
}

static void attack_stream(Attack *a) {
        size_t least = a->pattern->tears_at;

        for (size_t size = least; size <= least + 8; size++)
                tear_at_each(a, size, text_span(&a->evil));
        /* the rest can look like the login of another server that has this identifier */
        for (size_t i = 0; i < a->messages.n; i++)
                tear_at_each(a, least, span_from_string(a->messages.items[i]));
}

/* ---- one example ---- */

/* Whether the example comes out as it says, with an address, and if so what can be forged out of it. */
static bool look_at(Attack *a, const Pattern *p, const Example *e, Model *ret) {
        const char *end = e->line + strlen(e->line);
        const Pattern *by;
        Login login;

        a->example = e;
        a->pattern = p;
        replay(a);
        line_judge(a->judge, example_line(a), false, NOW, &login, &by);
        if (login.verdict != e->verdict || !login.has_address || by != p)
                return false;
        *ret = (Model){.example = e,
                .genuine = login.address,
                .message = (size_t) (pattern_message(p, example_line(a)).data - e->line)};
        /* the name may have been lent by another line */
        if (login.user.size > 0 && login.user.data >= e->line && login.user.data < end) {
                ret->user = (size_t) (login.user.data - e->line);
                ret->end = ret->user + login.user.size;
        }
        return true;
}

static bool is_login(const Example *e) {
        return e->verdict == MATCH_LOGIN || e->verdict == MATCH_CONNECT;
}

static void attack_login(Attack *a, const Example *e) {
        Field fields[FIELDS_MAX];
        size_t n = 0;
        Model m;

        if (!look_at(a, a->pattern, e, &m))
                return;
        a->has_genuine = true;
        a->genuine = m.genuine;
        a->message = m.message;
        add_field(fields, &n, FIELD_TEXT, m.user, m.end);
        find_declared(a, fields, &n);
        find_quoted(a, fields, &n);
        find_words(a, fields, &n);
        for (size_t i = 0; i < n; i++) {
                attack_as(a, &m, &fields[i], fields[i].begin, fields[i].end);
                attack_field_across(a, &fields[i]);
        }
        if (a->pattern->tears_at > 0 && e->verdict == MATCH_LOGIN && n > 0) {
                (void) forge(a, &m, example_line(a), fields[0].begin, fields[0].end);
                attack_stream(a);
        }
}

/* A line that is no login, which a client tries to make look like each one that is. */
static void attack_failure(Attack *a, const Example *e) {
        Field fields[FIELDS_MAX];
        size_t n = 0;
        Model m;

        a->example = e;
        a->message = (size_t) (pattern_message(a->pattern, example_line(a)).data - a->example->line);
        find_declared(a, fields, &n);
        for (size_t k = 0; n > 0 && k < a->pattern->n_examples; k++) {
                const Example *login = &a->pattern->examples[k];

                if (!is_login(login) || !look_at(a, a->pattern, login, &m))
                        continue;
                a->example = e;
                a->has_genuine = false;
                for (size_t i = 0; i < n; i++)
                        attack_as(a, &m, &fields[i], m.user, m.end);
                a->brief = true;
        }
        a->brief = false;
        a->example = e;
        a->has_genuine = false;
        for (size_t i = 0; i < n; i++)
                attack_field_across(a, &fields[i]);
}

/* ---- a pattern ---- */

/* What another server's logins would look like. */
static int add_other(Attack *a, const Pattern *p) {
        Model m;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < p->n_examples; i++) {
                const Example *e = &p->examples[i];

                if (!is_login(e) || !look_at(a, p, e, &m))
                        continue;
                (void) forge(a, &m, example_line(a), 0, 0);
                r = string_list_add(&a->heads, span_make(e->line, m.message));
                if (r >= 0)
                        r = string_list_add(&a->messages, text_span(&a->evil));
        }
        return r;
}

static int add_others(Attack *a, const Pattern *p) {
        size_t n;
        Pattern *const *patterns = pattern_set_patterns(a->set, &n);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (patterns[i] != p)
                        r = add_other(a, patterns[i]);
        a->pattern = p;
        return r;
}

static bool has_client_text(const Example *e) {
        Span text;

        for (size_t i = 0; i < e->clients.n; i++)
                if (example_client(e->clients.items[i], &text) != CLIENT_FIELD_NOTHING)
                        return true;
        return false;
}

/* Somebody must have thought about it, for each login and for one failure at least. */
static void check_declared(Attack *a) {
        bool any_failure = false;

        for (size_t i = 0; i < a->pattern->n_examples; i++) {
                const Example *e = &a->pattern->examples[i];

                any_failure |= !is_login(e) && has_client_text(e);
                a->example = e;
                if (is_login(e) && e->clients.n == 0)
                        on_failure(a, &a->counts.undeclared, example_line(a), NULL);
        }
        a->example = NULL;
        if (!any_failure)
                on_failure(a, &a->counts.undeclared, SPAN_NONE, NULL);
}

static void done(Attack *a) {
        string_list_done(&a->heads);
        string_list_done(&a->messages);
        line_judge_free(a->judge);
}

int attack_pattern(PatternSet *set, const Pattern *p, const AttackHandlers *handlers, AttackCounts *ret) {
        _cleanup_free_ Attack *a = calloc(1, sizeof(Attack));
        int r;

        if (!a)
                return -ENOMEM;
        a->set = set;
        a->handlers = handlers;
        r = line_judge_new(set, &a->judge);
        if (r >= 0)
                r = add_others(a, p);
        if (r < 0) {
                done(a);
                return r;
        }
        check_declared(a);
        a->needs_replay = p->tears_at > 0;
        for (size_t i = 0; i < p->n_rules; i++)
                a->needs_replay |= p->rules[i].kind == RULE_CONNECT;
        for (size_t i = 0; i < p->n_examples; i++)
                if (is_login(&p->examples[i]))
                        attack_login(a, &p->examples[i]);
                else if (p->examples[i].verdict != MATCH_NAMED)
                        attack_failure(a, &p->examples[i]);
        *ret = a->counts;
        done(a);
        return 0;
}
