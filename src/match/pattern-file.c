/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one pattern. Everything about it is decided here, once: names of users become uids, regexes are
 * compiled, and a pattern without examples for both sides is refused, so that match/ need not doubt it. */

#include "match/pattern-file.h"

#include <errno.h>
#include <stdio.h>

#include "basic/parse-util.h"
#include "basic/user-util.h"

#define RULES_MAX 64
#define EXAMPLES_MAX 256
/* Lines of one example: a login takes two, and a few strangers' may stand between them. */
#define EXAMPLE_LINES_MAX 16

static const char *const kind_sections[_RULE_KIND_MAX] = {
        [RULE_LOGIN] = "Login",
        [RULE_LOGOUT] = "Logout",
        [RULE_CONNECT] = "Connect",
        [RULE_RESTART] = "Restart",
        [RULE_IGNORE] = "Ignore",
};

static const char *const client_fields[_CLIENT_FIELD_MAX] = {
        [CLIENT_FIELD_NOTHING] = "nothing",
        [CLIENT_FIELD_USER] = "user",
        [CLIENT_FIELD_PASSWORD] = "password",
        [CLIENT_FIELD_HOST] = "host",
        [CLIENT_FIELD_HELO] = "helo",
        [CLIENT_FIELD_SENDER] = "sender",
        [CLIENT_FIELD_TLS] = "tls",
        [CLIENT_FIELD_TEXT] = "text",
};

typedef struct Reading {
        Pattern *pattern;
        bool jit;
        bool any; /* an assignment was seen: the file is not a mask */
} Reading;

/* Appends the words of a value; an empty value empties the list, as in systemd.syntax(7). */
static int add_words(StringList *l, const char *value, int (*check)(Span word)) {
        Span rest = span_from_string(value), word;

        if (rest.size == 0) {
                string_list_done(l);
                return 0;
        }
        while (parse_word(&rest, &word)) {
                int r = check ? check(word) : 0;

                if (r >= 0)
                        r = string_list_add(l, word);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A unit's whole name, or all instances of one template. Anything more open would let the units of users in.
 */
static int check_unit(Span unit) {
        const char *star = memchr(unit.data, '*', unit.size);
        Span head;

        if (unit.size < 3 || !memchr(unit.data, '.', unit.size) || memchr(unit.data, '?', unit.size) ||
                memchr(unit.data, '[', unit.size))
                return -EINVAL;
        if (!star)
                return 0;
        head = span_make(unit.data, (size_t) (star - unit.data));
        if (head.size < 2 || star[-1] != '@' || memchr(star + 1, '*', unit.size - head.size - 1) ||
                star[1] != '.')
                return -EINVAL;
        return 0;
}

/* Adds uids as decimal text. A name that this host does not know is no error: the server is not installed.
 */
static int add_uids(Pattern *p, const char *value) {
        Span rest = span_from_string(value), word;

        if (rest.size == 0)
                string_list_done(&p->uids);
        while (parse_word(&rest, &word)) {
                char text[64];
                uint64_t number;
                uid_t uid;
                int r;

                if (word.size >= sizeof(text))
                        return -EINVAL;
                (void) snprintf(text, sizeof(text), "%.*s", (int) word.size, word.data);
                if (parse_u64(word, UINT32_MAX - 1, &number) >= 0)
                        uid = (uid_t) number;
                else {
                        r = user_find(text, &uid);
                        if (r == -ENOENT)
                                continue;
                        if (r < 0)
                                return r;
                }
                (void) snprintf(text, sizeof(text), "%u", (unsigned) uid);
                r = string_list_add(&p->uids, span_from_string(text));
                if (r < 0)
                        return r;
        }
        return 0;
}

static int set_heads(Pattern *p, const char *value) {
        Span rest = span_from_string(value), word;

        memset(p->heads, 0, sizeof(p->heads));
        while (parse_word(&rest, &word)) {
                LogHead head = log_head_from_string(word);

                if (head < 0)
                        return -EINVAL;
                p->heads[head] = true;
        }
        return 0;
}

static int set_string(char **s, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*s);
        *s = copy;
        return 0;
}

static int set_tears_at(Pattern *p, const char *value) {
        uint64_t v;
        int r = parse_u64(span_from_string(value), 65536, &v);

        if (r >= 0)
                p->tears_at = (size_t) v;
        return r;
}

static int assign_pattern(
        Pattern *p, const IniPlace *place, const char *key, const char *value, IniError *error) {
        int r;

        if (streq(key, "Description"))
                r = set_string(&p->description, value);
        else if (streq(key, "Identifier"))
                r = add_words(&p->identifiers, value, NULL);
        else if (streq(key, "Unit"))
                r = add_words(&p->units, value, check_unit);
        else if (streq(key, "UID"))
                r = add_uids(p, value);
        else if (streq(key, "Trust")) {
                p->trusts_users = streq(value, "users");
                r = p->trusts_users || streq(value, "unit") ? 0 : -EINVAL;
        } else if (streq(key, "OptIn"))
                r = parse_boolean(value, &p->opt_in);
        else if (streq(key, "JournalOnly"))
                r = parse_boolean(value, &p->journal_only);
        else if (streq(key, "Hint"))
                r = value[0] ? string_list_add(&p->hints, span_from_string(value))
                             : (string_list_done(&p->hints), 0);
        else if (streq(key, "Header"))
                r = set_heads(p, value);
        else if (streq(key, "TearsAt"))
                r = set_tears_at(p, value);
        else
                return ini_error_set(error, place, -EINVAL, "unknown key %s= in [Pattern]", key);
        if (r < 0)
                return ini_error_set(
                        error, place, r, "%s=%s: not a value for it (%s)", key, value, strerror(-r));
        return 0;
}

static int assign_rule(Reading *reading, Rule *rule, const IniPlace *place, const char *key,
        const char *value, IniError *error) {
        char reason[REGEX_REASON_BYTES] = "out of memory";

        if (streq(key, "Service"))
                return set_string(&rule->service, value) < 0
                               ? ini_error_set(error, place, -ENOMEM, "out of memory")
                               : 0;
        if (streq(key, "AnyUID"))
                return parse_boolean(value, &rule->any_uid) < 0
                               ? ini_error_set(error, place, -EINVAL, "AnyUID=%s: neither yes nor no", value)
                               : 0;
        if (!streq(key, "Regex"))
                return ini_error_set(
                        error, place, -EINVAL, "unknown key %s= in [%s]", key, kind_sections[rule->kind]);
        if (rule->regex)
                return ini_error_set(error, place, -EINVAL,
                        "a second Regex= in one [%s]: begin another section", kind_sections[rule->kind]);
        rule->line = place->line;
        if (regex_new(value, reading->jit, &rule->regex, reason) < 0)
                return ini_error_set(error, place, -EINVAL, "Regex=: %s", reason);
        return 0;
}

/* The last line is the one that is judged. */
static int add_example_line(Example *e, const char *value) {
        int r;

        if (e->line) {
                if (e->before.n + 1 == EXAMPLE_LINES_MAX)
                        return -E2BIG;
                r = string_list_add(&e->before, span_from_string(e->line));
                if (r < 0)
                        return r;
        }
        return set_string(&e->line, value);
}

ClientField example_client(const char *value, Span *ret_text) {
        Span rest = span_from_string(value), word;

        *ret_text = SPAN_NONE;
        if (!parse_word(&rest, &word))
                return _CLIENT_FIELD_INVALID;
        rest = span_trim(rest);
        for (ClientField f = 0; f < _CLIENT_FIELD_MAX; f++)
                if (span_equal_string(word, client_fields[f])) {
                        if ((f == CLIENT_FIELD_NOTHING) != (rest.size == 0))
                                break;
                        *ret_text = rest;
                        return f;
                }
        return _CLIENT_FIELD_INVALID;
}

static int assign_example(
        Example *e, const IniPlace *place, const char *key, const char *value, IniError *error) {
        int r = 0;

        if (streq(key, "Line")) {
                r = add_example_line(e, value);
                if (r == -E2BIG)
                        return ini_error_set(
                                error, place, r, "more than %d lines in one [Example]", EXAMPLE_LINES_MAX);
        } else if (streq(key, "Address")) {
                r = set_string(&e->address, value);
                if (e->verdict == MATCH_NONE)
                        e->verdict = MATCH_LOGIN;
        } else if (streq(key, "Host")) {
                r = set_string(&e->host, value);
                if (e->verdict == MATCH_NONE)
                        e->verdict = MATCH_NAMED;
        } else if (streq(key, "User"))
                r = set_string(&e->user, value);
        else if (streq(key, "Service"))
                r = set_string(&e->service, value);
        else if (streq(key, "Client")) {
                Span text;

                if (example_client(value, &text) < 0)
                        return ini_error_set(error, place, -EINVAL,
                                "Client=%s: neither \"nothing\" nor a field and its text", value);
                r = string_list_add(&e->clients, span_from_string(value));
        } else if (streq(key, "Verdict")) {
                MatchVerdict v = 0;

                while (v < _MATCH_VERDICT_MAX && !streq(match_verdict_to_string(v), value))
                        v++;
                if (v == _MATCH_VERDICT_MAX)
                        return ini_error_set(error, place, -EINVAL, "Verdict=%s: no such verdict", value);
                e->verdict = v;
        } else
                return ini_error_set(error, place, -EINVAL, "unknown key %s= in [Example]", key);
        return r < 0 ? ini_error_set(error, place, r, "out of memory") : 0;
}

/* Makes room for one more zeroed item at the end of an array of n. Returns it, or NULL. */
static void *append(void **array, size_t *n, size_t max, size_t size) {
        char *more;

        if (*n == max)
                return NULL;
        more = realloc(*array, (*n + 1) * size);
        if (!more)
                return NULL;
        *array = more;
        more += *n * size;
        memset(more, 0, size);
        (*n)++;
        return more;
}

static int begin_section(Pattern *p, const IniPlace *place, const char *section, IniError *error) {
        if (streq(section, "Pattern"))
                return 0;
        if (streq(section, "Example")) {
                Example *e = append((void **) &p->examples, &p->n_examples, EXAMPLES_MAX, sizeof(Example));

                if (!e)
                        return ini_error_set(error, place, -E2BIG, "more than %d examples", EXAMPLES_MAX);
                e->verdict = MATCH_NONE;
                e->place = place->line;
                return 0;
        }
        for (RuleKind kind = 0; kind < _RULE_KIND_MAX; kind++)
                if (streq(section, kind_sections[kind])) {
                        Rule *rule = append((void **) &p->rules, &p->n_rules, RULES_MAX, sizeof(Rule));

                        if (!rule)
                                return ini_error_set(error, place, -E2BIG, "more than %d rules", RULES_MAX);
                        rule->kind = kind;
                        rule->line = place->line;
                        return 0;
                }
        return ini_error_set(error, place, -EINVAL, "unknown section [%s]", section);
}

static int on_assignment(void *userdata, const IniPlace *place, const char *section, const char *key,
        const char *value, IniError *error) {
        Reading *reading = userdata;
        Pattern *p = reading->pattern;

        reading->any = true;
        if (!key)
                return begin_section(p, place, section, error);
        if (streq(section, "Pattern"))
                return assign_pattern(p, place, key, value, error);
        if (streq(section, "Example"))
                return assign_example(&p->examples[p->n_examples - 1], place, key, value, error);
        return assign_rule(reading, &p->rules[p->n_rules - 1], place, key, value, error);
}

static int check_rule(const Pattern *p, const Rule *rule, bool has_connect, IniError *error) {
        IniPlace place = {p->path, rule->line};

        if (!rule->regex)
                return ini_error_set(
                        error, &place, -EINVAL, "[%s] without Regex=", kind_sections[rule->kind]);
        if (rule->kind == RULE_CONNECT || (rule->kind == RULE_LOGIN && !has_connect)) {
                bool has_host = rule->kind == RULE_LOGIN && regex_has_group(rule->regex, REGEX_GROUP_HOST);

                if (!has_host && !regex_has_group(rule->regex, REGEX_GROUP_IP))
                        return ini_error_set(error, &place, -EINVAL, "[%s] needs a group <ip>",
                                kind_sections[rule->kind]);
        }
        /* who may write it can't be told: it must not bring an address, nor choose whose address it gets */
        if (rule->any_uid && (rule->kind != RULE_LOGIN || regex_has_group(rule->regex, REGEX_GROUP_IP) ||
                                     regex_has_group(rule->regex, REGEX_GROUP_HOST) ||
                                     regex_has_group(rule->regex, REGEX_GROUP_KEY)))
                return ini_error_set(error, &place, -EINVAL,
                        "AnyUID= is for a [Login] without the groups <ip>, <host> and <key>");
        if (rule->kind == RULE_LOGOUT && !regex_has_group(rule->regex, REGEX_GROUP_KEY))
                return ini_error_set(error, &place, -EINVAL, "[Logout] needs a group <key>");
        return 0;
}

static int check_example(const Example *e, const IniPlace *place, IniError *error) {
        Span text;

        if (!e->line)
                return ini_error_set(error, place, -EINVAL, "[Example] without Line=");
        for (size_t i = 0; i < e->clients.n; i++) {
                (void) example_client(e->clients.items[i], &text);
                if (!span_contains(span_from_string(e->line), text))
                        return ini_error_set(error, place, -EINVAL, "Client=%s: no such text in the line",
                                e->clients.items[i]);
        }
        return 0;
}

static int check_pattern(Pattern *p, IniError *error) {
        IniPlace place = {p->path, 0};
        bool has_connect = false, has_login = false, positive = false, negative = false, any_head = false;
        int r;

        for (size_t i = 0; i < p->n_rules; i++) {
                has_connect |= p->rules[i].kind == RULE_CONNECT;
                has_login |= p->rules[i].kind == RULE_LOGIN;
                p->has_logout |= p->rules[i].kind == RULE_LOGOUT;
                p->any_uid |= p->rules[i].any_uid;
        }
        for (size_t i = 0; i < p->n_rules; i++) {
                r = check_rule(p, &p->rules[i], has_connect, error);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < p->n_examples; i++) {
                const Example *e = &p->examples[i];

                place.line = e->place;
                r = check_example(e, &place, error);
                if (r < 0)
                        return r;
                positive |= e->verdict == MATCH_LOGIN || e->verdict == MATCH_CONNECT;
                negative |= e->verdict != MATCH_LOGIN && e->verdict != MATCH_CONNECT;
        }
        place.line = 0;
        for (LogHead h = 0; h < _LOG_HEAD_MAX; h++)
                any_head |= p->heads[h];
        if (!has_login)
                return ini_error_set(error, &place, -EINVAL, "no [Login] section");
        if (p->hints.n == 0)
                return ini_error_set(
                        error, &place, -EINVAL, "no Hint= in [Pattern]: a text that every login has");
        if (p->identifiers.n == 0 && !any_head)
                return ini_error_set(error, &place, -EINVAL, "neither Identifier= nor Header= in [Pattern]");
        if (!positive || !negative)
                return ini_error_set(error, &place, -EINVAL,
                        "a pattern needs an [Example] of a login and one of a line that is none");
        return 0;
}

int pattern_load(const char *name, const char *path, char *const *drop_in_directories, bool jit,
        Pattern **ret, IniError *reterr) {
        _cleanup_(pattern_freep) Pattern *p = calloc(1, sizeof(Pattern));
        Reading reading = {p, jit, false};
        IniPlace place = {path, 0};
        int r;

        if (!p || !(p->name = strdup(name)) || !(p->path = strdup(path)))
                return ini_error_set(reterr, &place, -ENOMEM, "out of memory");
        p->heads[LOG_HEAD_SYSLOG] = true;
        r = ini_file_parse(path, on_assignment, &reading, reterr);
        if (r < 0)
                return r;
        if (!reading.any) {
                *ret = NULL;
                return 0;
        }
        for (size_t i = 0; drop_in_directories[i]; i++) {
                _cleanup_free_ char *directory = NULL;

                if (asprintf(&directory, "%s/%s.pattern.d", drop_in_directories[i], name) < 0) {
                        directory = NULL;
                        return ini_error_set(reterr, &place, -ENOMEM, "out of memory");
                }
                r = ini_file_parse_directory(directory, on_assignment, &reading, reterr);
                if (r < 0)
                        return r;
        }
        r = check_pattern(p, reterr);
        if (r < 0)
                return r;
        if (literal_set_init(&p->hint_set, p->hints.items) < 0)
                return ini_error_set(reterr, &place, -ENOMEM, "out of memory");
        *ret = TAKE_PTR(p);
        return 0;
}

Pattern *pattern_free(Pattern *p) {
        if (!p)
                return NULL;
        for (size_t i = 0; i < p->n_rules; i++) {
                regex_free(p->rules[i].regex);
                free(p->rules[i].service);
        }
        free(p->rules);
        for (size_t i = 0; i < p->n_examples; i++) {
                string_list_done(&p->examples[i].before);
                string_list_done(&p->examples[i].clients);
                free(p->examples[i].line);
                free(p->examples[i].address);
                free(p->examples[i].host);
                free(p->examples[i].user);
                free(p->examples[i].service);
        }
        free(p->examples);
        string_list_done(&p->identifiers);
        string_list_done(&p->units);
        string_list_done(&p->uids);
        string_list_done(&p->hints);
        literal_set_done(&p->hint_set);
        free(p->name);
        free(p->path);
        free(p->description);
        free(p);
        return NULL;
}

bool pattern_has_unit(const Pattern *p, Span unit) {
        for (size_t i = 0; i < p->units.n; i++) {
                Span known = span_from_string(p->units.items[i]), tail;
                const char *star = strchr(p->units.items[i], '*');

                if (!star) {
                        if (span_equal(known, unit))
                                return true;
                        continue;
                }
                /* "dovecot@*.service": something between, and nothing but an instance's name */
                known.size = (size_t) (star - known.data);
                tail = span_from_string(star + 1);
                if (unit.size > known.size + tail.size && span_starts_with(unit, known) &&
                        span_equal(span_skip(unit, unit.size - tail.size), tail) &&
                        !memchr(unit.data + known.size, '@', unit.size - known.size))
                        return true;
        }
        return false;
}

bool pattern_has_uid(const Pattern *p, Span uid) {
        for (size_t i = 0; i < p->uids.n; i++)
                if (span_equal_string(uid, p->uids.items[i]))
                        return true;
        return false;
}

Span pattern_message(const Pattern *p, Span line) {
        LogLine parsed;

        for (LogHead h = 0; h < _LOG_HEAD_MAX; h++)
                if ((p->heads[h] || h == LOG_HEAD_SYSLOG) && log_line_parse(line, h, &parsed))
                        return parsed.message;
        return line;
}
