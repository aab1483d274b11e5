/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One *.pattern file and its drop-ins, as authrelay.pattern(5) describes them. */

#include "basic/ini-file.h"
#include "basic/string-list.h"
#include "match/literal-set.h"
#include "match/regex.h"
#include "model/login.h"
#include "model/log-line.h"

typedef enum RuleKind {
        RULE_LOGIN,
        RULE_LOGOUT,
        RULE_CONNECT,
        RULE_RESTART,
        RULE_IGNORE, /* looks like a login and is known not to be one */
        _RULE_KIND_MAX,
        _RULE_KIND_INVALID = -22,
} RuleKind;

typedef struct Rule {
        RuleKind kind;
        Regex *regex;
        char *service; /* NULL: what the regex says */
        bool any_uid; /* the second message of a login, written by a process that has become the mail user */
        unsigned line; /* in the pattern's file, for messages */
} Rule;

/* What a client may fill in a server's message. The kinds differ in what gets through to the log. */
typedef enum ClientField {
        CLIENT_FIELD_NOTHING, /* the server alone writes the message */
        CLIENT_FIELD_USER,
        CLIENT_FIELD_PASSWORD,
        CLIENT_FIELD_HOST, /* the PTR name of its address */
        CLIENT_FIELD_HELO,
        CLIENT_FIELD_SENDER, /* a mail address */
        CLIENT_FIELD_TLS,    /* names in SNI and certificates */
        CLIENT_FIELD_TEXT,   /* any other: commands, subjects, identifications */
        _CLIENT_FIELD_MAX,
        _CLIENT_FIELD_INVALID = -22,
} ClientField;

typedef struct Example {
        StringList before;    /* lines that come first, in their order: a login may take two */
        char *line;           /* the one that is judged */
        char *address;        /* NULL: none */
        char *host;           /* the same, for MATCH_NAMED */
        char *user, *service; /* NULL: not looked at */
        StringList clients;   /* Client=: "FIELD TEXT", and the text stands in `line` */
        MatchVerdict verdict;
        unsigned place; /* line of the file */
} Example;

typedef struct PatternCounters {
        uint64_t logins, hints, torn, untrusted, refused;
} PatternCounters;

typedef struct Pattern {
        char *name; /* of the file, without ".pattern" */
        char *path;
        char *description;
        StringList identifiers, units, uids, hints;
        LiteralSet hint_set; /* of hints */
        bool heads[_LOG_HEAD_MAX];
        bool trusts_users; /* Trust=users: a process of a mail user holds the logger's descriptor */
        bool opt_in, journal_only;
        bool any_uid;    /* one of its rules has AnyUID=yes: messages are joined by the kernel's pid alone */
        bool has_logout; /* its logins open sessions, because something ends them */
        size_t tears_at; /* bytes; 0: this server's messages are not torn */
        Rule *rules;
        size_t n_rules;
        Example *examples;
        size_t n_examples;
        PatternCounters counters; /* since it was loaded */
} Pattern;

/* Reads the file at `path` and the drop-ins (NAME.pattern.d) of each directory in `drop_in_directories`
 * (NULL-terminated). `name` is copied. With `jit` its regexes are compiled to machine code.
 * Returns 0; a file that is empty (or /dev/null) gives no pattern: *ret is NULL. Else -errno with the text.
 */
int pattern_load(const char *name, const char *path, char *const *drop_in_directories, bool jit,
        Pattern **ret, IniError *reterr);

Pattern *pattern_free(Pattern *p);

DEFINE_CLEANUP(Pattern *, pattern_free)

/* The field of one of an example's `clients`, and in *ret_text (borrowed; empty for NOTHING) what it holds.
 */
ClientField example_client(const char *value, Span *ret_text);

/* True if `unit` is one of Unit=: the same name, or an instance of a template "name@*.service". */
bool pattern_has_unit(const Pattern *p, Span unit);
/* True if `uid` (decimal) is one of UID=, names looked up when the pattern was loaded. */
bool pattern_has_uid(const Pattern *p, Span uid);

/* The message of a line that has one of the pattern's heads, or syslog's; or the whole line. */
Span pattern_message(const Pattern *p, Span line);
