/* SPDX-License-Identifier: Apache-2.0 */
/* Parsers of what other programs wrote. They take what those programs take and nothing else: what one of
 * them would not have obeyed must not open a relay here. Each is a walk over lines or words that never looks
 * behind the end, and that tells of everything it does not take. */

#include "ctl/import-parse.h"

#include <errno.h>
#include <stdio.h>

#include "basic/parse-util.h"

/* No address, mask or range is longer; a rule's address may be a name, which is not taken. */
#define WORD_MAX_BYTES 128

typedef struct Parsing {
        ImportFormat format;
        ImportHandler handler;
        void *userdata;
        unsigned line;
} Parsing;

static const char *const format_names[_IMPORT_FORMAT_MAX] = {
        [IMPORT_MYNETWORKS] = "mynetworks",
        [IMPORT_POP_BEFORE_SMTP] = "pop-before-smtp",
        [IMPORT_RELAY_CTRL] = "relay-ctrl",
        [IMPORT_SMTP_POPLOCK] = "smtp-poplock",
        [IMPORT_SMTP_POPLOCK_STATIC] = "smtp-poplock-static",
        [IMPORT_TCPRULES] = "tcprules",
        [IMPORT_VPOPMAIL] = "vpopmail",
};

const char *import_format_to_string(ImportFormat format) {
        return format >= 0 && format < _IMPORT_FORMAT_MAX ? format_names[format] : NULL;
}

ImportFormat import_format_from_string(const char *name) {
        for (ImportFormat f = 0; f < _IMPORT_FORMAT_MAX; f++)
                if (streq(format_names[f], name))
                        return f;
        return _IMPORT_FORMAT_INVALID;
}

bool import_format_is_static(ImportFormat format) {
        return format == IMPORT_MYNETWORKS || format == IMPORT_SMTP_POPLOCK_STATIC ||
               format == IMPORT_TCPRULES;
}

/* ---- what is found ---- */

static int take(const Parsing *p, ImportKind kind, Span text, const IpNetwork *network) {
        ImportEntry e = {.kind = kind, .line = p->line, .text = text, .network = *network};

        return p->handler(p->userdata, &e);
}

static int remark(const Parsing *p, ImportKind kind, Span text, const char *reason) {
        ImportEntry e = {.kind = kind, .line = p->line, .text = text, .reason = reason};

        return p->handler(p->userdata, &e);
}

static int refuse(const Parsing *p, Span text, const char *reason) {
        return remark(p, IMPORT_REFUSED, text, reason);
}

static int take_login(const Parsing *p, Span text, const IpAddr *address, uint64_t time) {
        ImportEntry e = {
                .kind = IMPORT_LOGIN,
                .line = p->line,
                .text = text,
                .network = ip_network_of(address, 128),
                .time = time,
        };

        return p->handler(p->userdata, &e);
}

/* ---- small pieces ---- */

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

/* The next line without its end. Returns false when there is none. */
static bool next_line(Span *rest, Span *ret) {
        const char *end;

        if (rest->size == 0)
                return false;
        end = memchr(rest->data, '\n', rest->size);
        *ret = span_make(rest->data, end ? (size_t) (end - rest->data) : rest->size);
        *rest = span_skip(*rest, ret->size + (end ? 1 : 0));
        if (ret->size > 0 && ret->data[ret->size - 1] == '\r')
                ret->size--;
        return true;
}

static bool is_comment(Span line) {
        line = span_trim(line);
        return line.size == 0 || line.data[0] == '#';
}

/* Cuts the span at the first `c`, which is in neither part. Returns false if there is none. */
static bool cut(Span s, char c, Span *ret_before, Span *ret_behind) {
        const char *at = s.size > 0 ? memchr(s.data, c, s.size) : NULL;

        if (!at)
                return false;
        *ret_before = span_make(s.data, (size_t) (at - s.data));
        *ret_behind = span_skip(s, ret_before->size + 1);
        return true;
}

static const char *why_no_network(int r) {
        return r == -EDOM ? "it has bits set behind its length" : "neither an address nor a network";
}

/* ---- rules of tcprules(1) ---- */

/* The instruction that ends the address: the first ":allow" or ":deny". IPv6 addresses have colons of their
 * own, and ucspi-tcp-ipv6 looks for the words, too. */
static bool cut_rule(Span line, Span *ret_address, Span *ret_instructions, bool *ret_deny) {
        for (size_t i = 0; i < line.size; i++) {
                Span s = span_skip(line, i);
                bool deny = span_starts_with(s, SPAN_LITERAL(":deny"));
                size_t n = deny ? 5 : 6;

                if (!deny && !span_starts_with(s, SPAN_LITERAL(":allow")))
                        continue;
                if (s.size > n && s.data[n] != ',')
                        continue;
                *ret_address = span_make(line.data, i);
                *ret_instructions = span_skip(s, n);
                *ret_deny = deny;
                return true;
        }
        return false;
}

typedef struct Instructions {
        bool relays, has_value, has_others; /* RELAYCLIENT; a text in it; other variables but RBLSMTPD */
} Instructions;

/* ",VAR=qVALUEq" again and again, where q is any byte. Returns false if it is anything else. */
static bool read_instructions(Span s, Instructions *ret) {
        *ret = (Instructions){false};
        while (s.size > 0) {
                Span name, value, behind;

                if (s.data[0] != ',' || !cut(span_skip(s, 1), '=', &name, &value) || value.size == 0 ||
                        !cut(span_skip(value, 1), value.data[0], &value, &behind))
                        return false;
                if (span_equal_string(name, "RELAYCLIENT")) {
                        ret->relays = true;
                        ret->has_value = value.size > 0;
                } else if (!span_equal_string(name, "RBLSMTPD"))
                        ret->has_others = true;
                s = behind;
        }
        return true;
}

/* "2001:db8:" is what begins so: whole groups. */
static int parse_groups(Span s, IpNetwork *ret) {
        char text[WORD_MAX_BYTES];
        unsigned colons = 0;
        IpAddr addr;

        for (size_t i = 0; i < s.size; i++)
                if (s.data[i] == ':' && (i == 0 || s.data[i - 1] == ':'))
                        return -EINVAL;
                else if (s.data[i] == ':')
                        colons++;
        if (s.size + 2 > sizeof(text) || colons > 7)
                return -EINVAL;
        (void) snprintf(text, sizeof(text), "%.*s%s", (int) s.size, s.data, colons == 7 ? "0" : ":");
        if (ip_addr_parse(span_from_string(text), &addr) < 0)
                return -EINVAL;
        *ret = ip_network_of(&addr, colons * 16);
        return 0;
}

/* An address or a prefix as tcpserver looks for it: "192.0.2.7", "10.0.", "2001:db8::7", "2001:db8:". */
static int parse_rule_network(Span s, IpNetwork *ret) {
        IpAddr addr;

        if (s.size == 0 || s.size > WORD_MAX_BYTES || memchr(s.data, '/', s.size))
                return -EINVAL;
        if (s.data[s.size - 1] == ':' && ip_addr_parse(s, &addr) < 0)
                return parse_groups(s, ret);
        return ip_network_parse(s, ret);
}

static int take_rule(const Parsing *p, Span text, const IpNetwork *network, bool relays) {
        return take(p, relays ? IMPORT_ALWAYS : IMPORT_EXCEPT, text, network);
}

/* "1.2.3.37-53" and "10.0-3.": tcprules writes a rule for each number. */
static int take_range(const Parsing *p, Span address, Span dash, bool relays) {
        size_t at = address.size - dash.size, left = at, right = at + 1;
        Span behind;
        uint64_t from, to;
        int r = 0;

        while (left > 0 && address.data[left - 1] != '.')
                left--;
        while (right < address.size && address.data[right] != '.')
                right++;
        behind = span_skip(address, right);
        if (address.size > WORD_MAX_BYTES ||
                parse_u64(span_make(address.data + left, at - left), 255, &from) < 0 ||
                parse_u64(span_make(address.data + at + 1, right - at - 1), 255, &to) < 0 || from > to)
                return refuse(p, address, "not a range of addresses");
        for (uint64_t v = from; r >= 0 && v <= to; v++) {
                char text[2 * WORD_MAX_BYTES];
                IpNetwork n;

                (void) snprintf(text, sizeof(text), "%.*s%" PRIu64 "%.*s", (int) left, address.data, v,
                        (int) behind.size, behind.data);
                if (parse_rule_network(span_from_string(text), &n) < 0)
                        return refuse(p, address, "not a range of addresses");
                r = take_rule(p, address, &n, relays);
        }
        return r;
}

static int take_address(const Parsing *p, Span address, bool relays) {
        const char *dash;
        IpNetwork n;

        if (memchr(address.data, '=', address.size) || memchr(address.data, '@', address.size))
                return refuse(p, address, "a name, not an address: a network has to be named instead");
        dash = memchr(address.data, '-', address.size);
        if (dash)
                return take_range(p, address, span_skip(address, (size_t) (dash - address.data)), relays);
        if (parse_rule_network(address, &n) < 0)
                return refuse(p, address, "not an address, and tcpserver never finds it");
        return take_rule(p, address, &n, relays);
}

/* A rule that lets an address relay becomes a network, every other one an exception. */
static int parse_rule(const Parsing *p, Span line) {
        Span address, instructions;
        Instructions i;
        bool deny;
        int r;

        if (!cut_rule(line, &address, &instructions, &deny) || !read_instructions(instructions, &i))
                return refuse(p, line, "not a rule: tcprules would not take it");
        i.relays = i.relays && !deny;
        if (address.size == 0)
                return i.relays ? refuse(p, line, "everybody may relay: an open relay") : 0;
        r = take_address(p, address, i.relays);
        if (r >= 0 && i.relays && i.has_value)
                r = remark(p, IMPORT_NOTE, line, "RELAYCLIENT has a text, which is not taken over");
        if (r >= 0 && i.relays && i.has_others)
                r = remark(p, IMPORT_NOTE, line, "it sets more than RELAYCLIENT: keep the rule");
        return r;
}

static int parse_rules(Parsing *p, Span data) {
        Span line;
        int r = 0;

        for (p->line = 1; r >= 0 && next_line(&data, &line); p->line++) {
                /* only blanks at the end are forgiven, as by tcprules */
                while (line.size > 0 && is_blank(line.data[line.size - 1]))
                        line.size--;
                if (line.size > 0 && line.data[0] != '#')
                        r = parse_rule(p, line);
        }
        return r;
}

/* ---- vpopmail's open-smtp ---- */

/* A rule, a tab and a time; or, of the table `relay`, an address, a tab and a time. */
static int parse_open_smtp_line(const Parsing *p, Span line) {
        Span rule, behind, address, instructions;
        Instructions i;
        IpAddr addr;
        uint64_t time;
        bool deny;

        if (!cut(line, '\t', &rule, &behind))
                return refuse(p, line, "no tab and no time of the login behind the rule");
        address = rule;
        if (ip_addr_parse(rule, &addr) < 0) {
                if (!cut_rule(rule, &address, &instructions, &deny) || deny ||
                        !read_instructions(instructions, &i) || !i.relays)
                        return refuse(p, line, "not a rule that lets somebody relay");
                if (ip_addr_parse(address, &addr) < 0)
                        return refuse(p, address, "not an address");
        }
        if (parse_u64(span_trim(behind), UINT64_MAX / 2, &time) < 0)
                return refuse(p, line, "what stands behind the tab is no time");
        return take_login(p, address, &addr, time);
}

/* ---- tables ---- */

int import_parse_record(
        ImportFormat format, unsigned line, Span key, Span value, ImportHandler handler, void *userdata) {
        Parsing p = {format, handler, userdata, line};
        uint64_t time = 0;
        IpAddr addr;

        /* Postfix counts the end of a C string to the key, sendmail and Perl do not */
        if (key.size > 0 && key.data[key.size - 1] == 0)
                key.size--;
        if (value.size > 0 && value.data[value.size - 1] == 0)
                value.size--;
        if (ip_addr_parse(key, &addr) < 0)
                return refuse(&p, key, "not an address");
        if (format == IMPORT_SMTP_POPLOCK && parse_u64(span_trim(value), UINT64_MAX / 2, &time) < 0)
                return refuse(&p, key, "it has no time of the login in seconds");
        return take_login(&p, key, &addr, time);
}

/* "ADDRESS VALUE", as `postmap -s` and `makemap -u` print it, or what pop-before-smtp --list prints. */
static int parse_table_line(const Parsing *p, Span line) {
        Span key;

        if (is_comment(line) || (p->format == IMPORT_POP_BEFORE_SMTP &&
                                        span_starts_with(line, SPAN_LITERAL("The database holds "))))
                return 0;
        (void) parse_word(&line, &key);
        return import_parse_record(p->format, p->line, key, span_trim(line), p->handler, p->userdata);
}

static int hex_digit(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One line of db_dump(1), `print` for what -p makes of it. Returns false when it is none, or is longer than
 * an address or a time can be. */
static bool undump(Span s, bool print, char buf[static WORD_MAX_BYTES], Span *ret) {
        size_t n = 0;

        for (size_t i = 0; i < s.size; n++) {
                bool escaped = !print || s.data[i] == '\\';

                if (n == WORD_MAX_BYTES)
                        return false;
                if (print && escaped)
                        i++;
                if (print && escaped && i < s.size && s.data[i] == '\\')
                        escaped = false;
                if (!escaped) {
                        buf[n] = s.data[i++];
                        continue;
                }
                if (s.size - i < 2 || hex_digit(s.data[i]) < 0 || hex_digit(s.data[i + 1]) < 0)
                        return false;
                buf[n] = (char) (hex_digit(s.data[i]) << 4 | hex_digit(s.data[i + 1]));
                i += 2;
        }
        *ret = span_make(buf, n);
        return true;
}

/* A head up to HEADER=END, then keys and values, a blank before each, up to DATA=END. */
static int parse_dump(Parsing *p, Span data) {
        char key_bytes[WORD_MAX_BYTES], value_bytes[WORD_MAX_BYTES];
        bool print = false, in_head = true, has_key = false;
        Span line, shown = SPAN_NONE, key = SPAN_NONE, value;
        int r = 0;

        for (p->line = 1; r >= 0 && next_line(&data, &line); p->line++) {
                if (in_head) {
                        print = span_equal_string(line, "format=print") ||
                                (print && !span_equal_string(line, "format=bytevalue"));
                        in_head = !span_equal_string(line, "HEADER=END");
                } else if (line.size == 0 || line.data[0] != ' ') {
                        in_head = true;
                        has_key = false;
                } else if (!has_key) {
                        shown = span_skip(line, 1);
                        has_key = true;
                        if (!undump(shown, print, key_bytes, &key))
                                key = SPAN_NONE;
                } else {
                        has_key = false;
                        if (!undump(span_skip(line, 1), print, value_bytes, &value))
                                value = SPAN_NONE;
                        r = key.size > 0 ? import_parse_record(p->format, p->line - 1, key, value,
                                                   p->handler, p->userdata)
                                         : refuse(p, shown, "not an address");
                }
        }
        return r;
}

static int parse_lines(Parsing *p, Span data, int (*parse_line)(const Parsing *p, Span line)) {
        Span line;
        int r = 0;

        for (p->line = 1; r >= 0 && next_line(&data, &line); p->line++)
                if (!is_comment(line))
                        r = parse_line(p, line);
        return r;
}

/* ---- networks ---- */

/* A line of static_allowed: a network in any form, also with its mask as a second word. */
static int parse_static_line(const Parsing *p, Span line) {
        const char *comment = memchr(line.data, '#', line.size);
        Span rest, first, second, third;
        char text[2 * WORD_MAX_BYTES];
        IpNetwork n;
        int k, r;

        if (comment)
                line.size = (size_t) (comment - line.data);
        rest = line;
        (void) parse_word(&rest, &first);
        if (!parse_word(&rest, &second))
                second = SPAN_NONE;
        if (parse_word(&rest, &third) || first.size > WORD_MAX_BYTES || second.size > WORD_MAX_BYTES)
                return refuse(p, line, "more than a network and its mask");
        k = snprintf(text, sizeof(text), "%.*s%s%.*s", (int) first.size, first.data,
                second.size > 0 ? "/" : "", (int) second.size, strempty(second.data));
        r = ip_network_parse(span_make(text, (size_t) k), &n);
        return r < 0 ? refuse(p, line, why_no_network(r)) : take(p, IMPORT_ALWAYS, span_trim(line), &n);
}

/* Why a word of mynetworks that is no network is one all the same to Postfix; NULL: it is not. */
static const char *why_indirect(Span word) {
        if (word.data[0] == '/')
                return "a file: import it by itself";
        if (memchr(word.data, '$', word.size))
                return "not resolved: import the output of postconf -x mynetworks";
        if (span_contains(word, SPAN_LITERAL(":/")) || span_contains(word, SPAN_LITERAL(":{")))
                return "a table: list its networks";
        return NULL;
}

/* "[2001:db8::]/32" -> "2001:db8::/32" */
static int parse_bracketed(Span word, IpNetwork *ret) {
        char text[WORD_MAX_BYTES];
        Span inner, behind;
        int n;

        if (word.data[0] != '[')
                return ip_network_parse(word, ret);
        if (word.size > sizeof(text) || !cut(span_skip(word, 1), ']', &inner, &behind))
                return -EINVAL;
        n = snprintf(text, sizeof(text), "%.*s%.*s", (int) inner.size, inner.data, (int) behind.size,
                behind.data);
        return ip_network_parse(span_make(text, (size_t) n), ret);
}

static int parse_mynetworks_word(const Parsing *p, Span word) {
        const char *reason;
        bool except = false;
        Span rest = word;
        IpNetwork n;
        int r;

        for (; rest.size > 0 && rest.data[0] == '!'; rest = span_skip(rest, 1))
                except = !except;
        if (rest.size == 0)
                return refuse(p, word, why_no_network(-EINVAL));
        r = parse_bracketed(rest, &n);
        if (r >= 0)
                return take(p, except ? IMPORT_EXCEPT : IMPORT_ALWAYS, word, &n);
        reason = why_indirect(rest);
        return refuse(p, word, reason ? reason : why_no_network(r));
}

static int parse_mynetworks_words(const Parsing *p, Span line) {
        int r = 0;

        while (r >= 0 && line.size > 0) {
                size_t n = 0;

                while (n < line.size && !is_blank(line.data[n]) && line.data[n] != ',')
                        n++;
                if (n > 0)
                        r = parse_mynetworks_word(p, span_make(line.data, n));
                line = span_skip(line, n < line.size ? n + 1 : n);
        }
        return r;
}

/* "mynetworks = …" of postconf(1) or main.cf(5), continued on lines that begin with a blank; or the words
 * alone. */
static int parse_mynetworks(Parsing *p, Span data) {
        bool skipping = false;
        Span line, name, value;
        int r = 0;

        for (p->line = 1; r >= 0 && next_line(&data, &line); p->line++) {
                if (is_comment(line))
                        continue;
                if (!is_blank(line.data[0]) && cut(line, '=', &name, &value)) {
                        skipping = !span_equal_string(span_trim(name), "mynetworks");
                        if (skipping)
                                r = refuse(p, span_trim(name), "another setting than mynetworks");
                        line = value;
                }
                if (!skipping)
                        r = parse_mynetworks_words(p, line);
        }
        return r;
}

/* ---- all of them ---- */

int import_parse(ImportFormat format, Span data, ImportHandler handler, void *userdata) {
        Parsing p = {format, handler, userdata, 0};

        switch (format) {
        case IMPORT_MYNETWORKS:
                return parse_mynetworks(&p, data);
        case IMPORT_TCPRULES:
                return parse_rules(&p, data);
        case IMPORT_SMTP_POPLOCK_STATIC:
                return parse_lines(&p, data, parse_static_line);
        case IMPORT_VPOPMAIL:
                return parse_lines(&p, data, parse_open_smtp_line);
        case IMPORT_POP_BEFORE_SMTP:
        case IMPORT_SMTP_POPLOCK:
                if (span_starts_with(data, SPAN_LITERAL("VERSION=")))
                        return parse_dump(&p, data);
                return parse_lines(&p, data, parse_table_line);
        default:
                assert(false);
                return -EINVAL;
        }
}

const char *import_database_kind(Span data) {
        /* Berkeley DB's magic number stands at byte 12 of its first page, that of version 1 at the start; in
         * the byte order of the machine that wrote it */
        static const struct {
                size_t at;
                uint32_t magic;
                const char *kind;
        } kinds[] = {
                {12, 0x00061561, "Berkeley DB hash"},
                {12, 0x00053162, "Berkeley DB btree"},
                {12, 0x00042253, "Berkeley DB queue"},
                {0, 0x00061561, "Berkeley DB 1 hash"},
                {0, 0x00053162, "Berkeley DB 1 btree"},
                {0, 0x13579ace, "GNU dbm"},
                {0, 0x13579acd, "GNU dbm"},
                {0, 0x13579acf, "GNU dbm"},
        };

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                uint32_t v;

                if (data.size < kinds[i].at + sizeof(v))
                        continue;
                memcpy(&v, data.data + kinds[i].at, sizeof(v));
                if (v == kinds[i].magic || v == __builtin_bswap32(kinds[i].magic))
                        return kinds[i].kind;
        }
        return span_starts_with(data, SPAN_LITERAL("SQLite format 3")) ? "SQLite" : NULL;
}
