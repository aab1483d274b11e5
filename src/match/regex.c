/* SPDX-License-Identifier: Apache-2.0 */
/* The only file that includes pcre2.h. */

#include "match/regex.h"

#include <errno.h>
#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define HEAP_LIMIT_KIB 256

/* Alternatives of one regex that may name the same group. */
#define NUMBERS_MAX 8

struct Regex {
        pcre2_code *code;
        pcre2_match_data *data;
        pcre2_match_context *context;
        bool jit; /* machine code is wanted, or there */
        bool jit_made;
        size_t unbounded_at; /* see regex_unbounded_at() */
        uint8_t n_numbers[_REGEX_GROUP_MAX];
        uint16_t numbers[_REGEX_GROUP_MAX][NUMBERS_MAX];
};

static const char *const group_names[_REGEX_GROUP_MAX] = {
        [REGEX_GROUP_IP] = "ip",
        [REGEX_GROUP_HOST] = "host",
        [REGEX_GROUP_USER] = "user",
        [REGEX_GROUP_SERVICE] = "service",
        [REGEX_GROUP_KEY] = "key",
};

static int find_groups(Regex *r, char reterr[static REGEX_REASON_BYTES]) {
        PCRE2_SPTR table;
        uint32_t n, size;

        (void) pcre2_pattern_info(r->code, PCRE2_INFO_NAMECOUNT, &n);
        (void) pcre2_pattern_info(r->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
        (void) pcre2_pattern_info(r->code, PCRE2_INFO_NAMETABLE, &table);
        for (uint32_t i = 0; i < n; i++, table += size) {
                const char *name = (const char *) table + 2;
                int group = 0;

                while (group < _REGEX_GROUP_MAX && !streq(name, group_names[group]))
                        group++;
                if (group == _REGEX_GROUP_MAX) {
                        (void) snprintf(reterr, REGEX_REASON_BYTES,
                                "unknown group <%s>; there are ip, host, user, service and key", name);
                        return -EINVAL;
                }
                if (r->n_numbers[group] == NUMBERS_MAX) {
                        (void) snprintf(reterr, REGEX_REASON_BYTES,
                                "group <%s> stands in it more than %d times", name, NUMBERS_MAX);
                        return -EINVAL;
                }
                r->numbers[group][r->n_numbers[group]++] = (uint16_t) (table[0] << 8 | table[1]);
        }
        return 0;
}

/* Length of "[:alpha:]" and the like at s, or 0. */
static size_t posix_class_size(const char *s) {
        size_t n = strspn(s + 1, ":^abcdefghijklmnopqrstuvwxyz") + 1;

        return s[1] == ':' && n > 3 && s[n - 1] == ':' && s[n] == ']' ? n + 1 : 0;
}

/* Length of the class "[...]" at s. */
static size_t class_size(const char *s) {
        size_t i = 1, n;

        i += s[i] == '^';
        i += s[i] == ']';
        for (; s[i] && s[i] != ']'; i += n) {
                n = s[i] == '[' ? posix_class_size(s + i) : s[i] == '\\' && s[i + 1] ? 2 : 1;
                n = MAX(n, (size_t) 1);
        }
        return s[i] ? i + 1 : i;
}

/* A quantifier without a limit. */
static bool is_unbounded(const char *s) {
        size_t n = 1 + strspn(s + 1, "0123456789");

        return *s == '*' || *s == '+' || (*s == '{' && n > 1 && s[n] == ',' && s[n + 1] == '}');
}

static size_t quantifier_size(const char *s) {
        size_t n = *s == '{' ? 1 + strspn(s + 1, "0123456789,") : 1;

        if (!strchr("*+?{", *s) || (*s == '{' && s[n] != '}'))
                return 0;
        n += *s == '{';
        return n + (s[n] == '+' || s[n] == '?');
}

/* Walks through a text that PCRE2 has compiled, up to the last group that an address is in. */
static size_t find_unbounded(const char *text) {
        size_t unbounded = 0, found = 0, n;

        for (size_t i = 0; text[i]; i += n) {
                const char *s = text + i;

                n = quantifier_size(s);
                if (n > 0 && is_unbounded(s) && unbounded == 0)
                        unbounded = i + 1;
                if (strncmp(s, "(?<ip>", 6) == 0 || strncmp(s, "(?<host>", 8) == 0)
                        found = unbounded;
                if (n == 0)
                        n = *s == '\\' ? 2 : *s == '[' ? class_size(s) : *s == '(' && s[1] == '?' ? 2 : 1;
        }
        return found;
}

int regex_new(const char *text, bool jit, Regex **ret, char reterr[static REGEX_REASON_BYTES]) {
        _cleanup_(regex_freep) Regex *r = calloc(1, sizeof(Regex));
        PCRE2_SIZE offset;
        size_t n = strlen(text);
        int code;

        if (!r)
                return -ENOMEM;
        if (n < 4 || memcmp(text, "\\A", 2) != 0 || !streq(text + n - 2, "\\z")) {
                (void) snprintf(reterr, REGEX_REASON_BYTES, "it must begin with \\A and end with \\z");
                return -EINVAL;
        }
        r->code = pcre2_compile((PCRE2_SPTR) text, n,
                PCRE2_DUPNAMES | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C |
                        PCRE2_ANCHORED | PCRE2_ENDANCHORED,
                &code, &offset, NULL);
        if (!r->code) {
                char message[160] = "";

                (void) pcre2_get_error_message(code, (PCRE2_UCHAR *) message, sizeof(message));
                (void) snprintf(
                        reterr, REGEX_REASON_BYTES, "%s, at character %zu", message, (size_t) offset + 1);
                return -EINVAL;
        }
        r->data = pcre2_match_data_create_from_pattern(r->code, NULL);
        r->context = pcre2_match_context_create(NULL);
        if (!r->data || !r->context)
                return -ENOMEM;
        (void) pcre2_set_match_limit(r->context, REGEX_STEPS_MAX);
        (void) pcre2_set_heap_limit(r->context, HEAP_LIMIT_KIB);
        if (find_groups(r, reterr) < 0)
                return -EINVAL;
        r->unbounded_at = find_unbounded(text);
        r->jit = jit;
        *ret = TAKE_PTR(r);
        return 0;
}

Regex *regex_free(Regex *r) {
        if (!r)
                return NULL;
        pcre2_match_context_free(r->context);
        pcre2_match_data_free(r->data);
        pcre2_code_free(r->code);
        free(r);
        return NULL;
}

bool regex_has_group(const Regex *r, RegexGroup group) {
        return r->n_numbers[group] > 0;
}

size_t regex_unbounded_at(const Regex *r) {
        return r->unbounded_at;
}

bool regex_takes_more_steps(Regex *r, Span subject, uint32_t n) {
        int code;

        (void) pcre2_set_match_limit(r->context, n);
        code = pcre2_match(
                r->code, (PCRE2_SPTR) subject.data, subject.size, 0, PCRE2_NO_JIT, r->data, r->context);
        (void) pcre2_set_match_limit(r->context, REGEX_STEPS_MAX);
        return code == PCRE2_ERROR_MATCHLIMIT;
}

uint32_t regex_steps(Regex *r, Span subject, uint32_t max) {
        uint32_t low = 0, high = max;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (regex_takes_more_steps(r, subject, middle))
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* Machine code for all patterns takes longer to make than some ten thousand lines take to read, and most
 * logs are of one server or two: it is made at the first match. */
static bool has_jit(Regex *r) {
        if (r->jit && !r->jit_made)
                r->jit = r->jit_made = pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) == 0;
        return r->jit;
}

int regex_match(Regex *r, Span subject, RegexMatch *ret) {
        const PCRE2_SIZE *offsets;
        int n = PCRE2_ERROR_MATCHLIMIT;

        if (has_jit(r))
                n = pcre2_match(r->code, (PCRE2_SPTR) subject.data, subject.size, 0, 0, r->data, r->context);
        /* machine code counts its steps differently; the interpreter has the last word, as in the daemon */
        if (n == PCRE2_ERROR_MATCHLIMIT || n == PCRE2_ERROR_JIT_STACKLIMIT)
                n = pcre2_match(r->code, (PCRE2_SPTR) subject.data, subject.size, 0, PCRE2_NO_JIT, r->data,
                        r->context);
        if (n == PCRE2_ERROR_NOMATCH)
                return 0;
        if (n == PCRE2_ERROR_NOMEMORY)
                return -ENOMEM;
        if (n < 0)
                return -E2BIG;
        offsets = pcre2_get_ovector_pointer(r->data);
        *ret = (RegexMatch){0};
        for (int group = 0; group < _REGEX_GROUP_MAX; group++)
                for (unsigned i = 0; i < r->n_numbers[group]; i++) {
                        unsigned number = r->numbers[group][i];

                        if ((int) number < n && offsets[2 * number] != PCRE2_UNSET)
                                ret->group[group] = span_make(subject.data + offsets[2 * number],
                                        offsets[2 * number + 1] - offsets[2 * number]);
                }
        return 1;
}
