/* SPDX-License-Identifier: Apache-2.0 */
/* Reading tcpserver's rules, in the way of tcprules(1) of ucspi-tcp and of Debian's ucspi-tcp-ipv6, which
 * differ only in that the latter's addresses may have colons in them. It is stricter: a line that tcprules
 * would take for no rule at all may be a deny with a slip of the pen in it. */

#include "publish/tcprules-template.h"

#include <errno.h>
#include <stdio.h>

#include "basic/fd-util.h"
#include "basic/parse-util.h"
#include "cdb/cdb-file.h"

typedef struct Parser {
        TcprulesTemplate *template;
        IniPlace place;
        IniError *error;
} Parser;

static int refuse(const Parser *p, int r, const char *reason) {
        return ini_error_set(p->error, &p->place, r, "%s", reason);
}

static Span key_of(const TcprulesRule *rule) {
        return span_from_string(rule->key);
}

static bool has_key(const void *items, uint32_t index, Span key) {
        return span_equal(key_of((const TcprulesRule *) items + index), key);
}

static uint32_t find(const TcprulesTemplate *t, Span key) {
        return hash_index_find(&t->index, key, has_key, t->rules);
}

bool tcprules_template_has(const TcprulesTemplate *t, Span key) {
        return t && find(t, key) != HASH_INDEX_NONE;
}

const TcprulesRule *tcprules_template_match(const TcprulesTemplate *t, Span key) {
        if (!t)
                return NULL;
        for (bool is_whole = true;; is_whole = false, key.size--) {
                uint32_t i = HASH_INDEX_NONE;

                if (is_whole || key.size == 0 || key.data[key.size - 1] == '.' ||
                        key.data[key.size - 1] == ':')
                        i = find(t, key);
                if (i != HASH_INDEX_NONE)
                        return &t->rules[i];
                if (key.size == 0)
                        return NULL;
        }
}

/* ---- one line ---- */

/* Where the instructions begin: behind the first ':' that "allow" or "deny" follows. */
static bool split(Span line, Span *ret_address, Span *ret_rest) {
        for (size_t i = 0; i < line.size; i++) {
                Span rest = span_skip(line, i + 1);

                if (line.data[i] != ':' || (!span_starts_with(rest, SPAN_LITERAL("deny")) &&
                                                   !span_starts_with(rest, SPAN_LITERAL("allow"))))
                        continue;
                *ret_address = span_make(line.data, i);
                *ret_rest = rest;
                return true;
        }
        return false;
}

/* ,NAME=/VALUE/ with any byte for the slashes. Appends "+NAME=VALUE" and moves *rest behind it. */
static int read_variable(Span *rest, TcprulesInstructions *in) {
        Span s = span_skip(*rest, 1), value;
        const char *equals = s.size > 0 ? memchr(s.data, '=', s.size) : NULL, *end;
        size_t name;

        if (!equals)
                return -EINVAL;
        name = (size_t) (equals - s.data);
        value = span_skip(s, name + 1);
        if (name == 0 || value.size == 0)
                return -EINVAL;
        end = memchr(value.data + 1, value.data[0], value.size - 1);
        if (!end)
                return -EINVAL;
        value = span_make(value.data + 1, (size_t) (end - value.data) - 1);
        if (span_equal(span_make(s.data, name), SPAN_LITERAL("RELAYCLIENT")))
                in->relays = true;
        in->data[in->size++] = '+';
        memcpy(in->data + in->size, s.data, name + 1);
        in->size += name + 1;
        if (value.size > 0)
                memcpy(in->data + in->size, value.data, value.size);
        in->size += value.size;
        in->data[in->size++] = 0;
        *rest = span_skip(*rest, (size_t) (end + 1 - rest->data));
        return 0;
}

static int read_instructions(const Parser *p, Span rest) {
        TcprulesTemplate *t = p->template;
        TcprulesInstructions *more =
                realloc(t->instructions, (t->n_instructions + 1) * sizeof(TcprulesInstructions));
        TcprulesInstructions *in;

        if (!more)
                return refuse(p, -ENOMEM, "out of memory");
        t->instructions = more;
        in = &more[t->n_instructions];
        /* each instruction is compiled into no more bytes than it is written in */
        *in = (TcprulesInstructions){.data = malloc(rest.size + 1)};
        if (!in->data)
                return refuse(p, -ENOMEM, "out of memory");
        t->n_instructions++;
        in->denies = rest.data[0] == 'd';
        if (in->denies) {
                memcpy(in->data, "D", 2);
                in->size = 2;
        }
        rest = span_skip(rest, in->denies ? strlen("deny") : strlen("allow"));
        while (rest.size > 0)
                if (rest.data[0] != ',')
                        return refuse(
                                p, -EINVAL, "allow or deny is followed by something else than a comma");
                else if (read_variable(&rest, in) < 0)
                        return refuse(p, -EINVAL, "a variable is not of the form NAME=\"VALUE\"");
        return 0;
}

static int add_rule(const Parser *p, Span key) {
        TcprulesTemplate *t = p->template;
        TcprulesRule rule = {.instructions = t->n_instructions - 1};
        TcprulesRule *more;

        if (key.size > CDB_KEY_MAX_BYTES)
                return refuse(p, -EINVAL, "the address is too long");
        if (t->n_rules == TCPRULES_TEMPLATE_RULES_MAX)
                return refuse(p, -E2BIG, "there are too many rules");
        /* doubled whenever it is full, which is at each power of two */
        if ((t->n_rules & (t->n_rules - 1)) == 0) {
                more = realloc(t->rules, MAX(2 * (size_t) t->n_rules, (size_t) 1) * sizeof(TcprulesRule));
                if (!more)
                        return refuse(p, -ENOMEM, "out of memory");
                t->rules = more;
        }
        rule.has_network = tcprules_key_network(key, &rule.network);
        rule.key = strndup(strempty(key.data), key.size);
        if (!rule.key)
                return refuse(p, -ENOMEM, "out of memory");
        t->rules[t->n_rules++] = rule;
        if (find(t, key) == HASH_INDEX_NONE && hash_index_add(&t->index, key, t->n_rules - 1) < 0)
                return refuse(p, -ENOMEM, "out of memory");
        return 0;
}

/* 1.2.3.37-53 is 17 addresses, 10.2-3. two beginnings. */
static int add_range(const Parser *p, Span address, size_t minus) {
        size_t left = minus, right = minus + 1;
        uint64_t first, last;

        while (left > 0 && address.data[left - 1] != '.')
                left--;
        while (right < address.size && address.data[right] != '.')
                right++;
        if (parse_u64(span_make(address.data + left, minus - left), 255, &first) < 0 ||
                parse_u64(span_make(address.data + minus + 1, right - minus - 1), UINT64_MAX, &last) < 0 ||
                first > last || memchr(address.data + right, '-', address.size - right))
                return refuse(p, -EINVAL, "the range is none of numbers from 0 to 255");
        for (uint64_t i = first; i <= MIN(last, (uint64_t) 255); i++) {
                char key[TCPRULES_LINE_MAX_BYTES + 8];
                int n = snprintf(key, sizeof(key), "%.*s%u%.*s", (int) left, address.data, (unsigned) i,
                        (int) (address.size - right), address.data + right);
                int r = add_rule(p, span_make(key, (size_t) n));

                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_line(const Parser *p, Span line) {
        Span address, rest;
        const char *minus;
        int r;

        if (line.size > 0 && line.data[0] == '#')
                return 0;
        while (line.size > 0 && (line.data[line.size - 1] == ' ' || line.data[line.size - 1] == '\t'))
                line.size--;
        if (line.size == 0)
                return 0;
        if (line.size > TCPRULES_LINE_MAX_BYTES)
                return refuse(p, -EINVAL, "the line is too long");
        if (memchr(line.data, 0, line.size))
                return refuse(p, -EINVAL, "the line has a NUL in it");
        if (!split(line, &address, &rest))
                return refuse(p, -EINVAL, "it is not ADDRESS:allow or ADDRESS:deny");
        if (address.size > 0 && memchr(address.data, '=', address.size))
                return refuse(
                        p, -EINVAL, "a rule by name, before which a grant's rule by address would come");
        if (address.size != span_trim(address).size)
                return refuse(p, -EINVAL, "there are blanks around the address");
        r = read_instructions(p, rest);
        if (r < 0)
                return r;
        minus = address.size > 0 && !memchr(address.data, '@', address.size)
                        ? memchr(address.data, '-', address.size)
                        : NULL;
        return minus ? add_range(p, address, (size_t) (minus - address.data)) : add_rule(p, address);
}

int tcprules_template_load(const char *path, TcprulesTemplate **ret, IniError *reterr) {
        _cleanup_(tcprules_template_freep) TcprulesTemplate *t = calloc(1, sizeof(TcprulesTemplate));
        Parser p = {t, {path, 0}, reterr};
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r = t ? read_file(path, TCPRULES_FILE_MAX_BYTES, &data, &size) : -ENOMEM;

        if (r < 0)
                return refuse(&p, r, strerror(-r));
        for (char *next, *line = data; line < data + size; line = next + 1) {
                p.place.line++;
                next = memchr(line, '\n', (size_t) (data + size - line));
                if (!next)
                        next = data + size;
                r = read_line(&p, span_make(line, (size_t) (next - line)));
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(t);
        return 0;
}

TcprulesTemplate *tcprules_template_free(TcprulesTemplate *t) {
        if (!t)
                return NULL;
        for (uint32_t i = 0; i < t->n_instructions; i++)
                free(t->instructions[i].data);
        for (uint32_t i = 0; i < t->n_rules; i++)
                free(t->rules[i].key);
        free(t->instructions);
        free(t->rules);
        hash_index_done(&t->index);
        free(t);
        return NULL;
}
