/* SPDX-License-Identifier: Apache-2.0 */
/* The only file that includes pcre2.h. */

#include "match/regex.h"

#include <errno.h>
#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* A shipped regex takes some hundred steps for an ordinary line, and a few thousand for the longest name. */
#define MATCH_LIMIT 100000
#define HEAP_LIMIT_KIB 256

/* Alternatives of one regex that may name the same group. */
#define NUMBERS_MAX 8

struct Regex {
        pcre2_code *code;
        pcre2_match_data *data;
        pcre2_match_context *context;
        bool jit;
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
        (void) pcre2_set_match_limit(r->context, MATCH_LIMIT);
        (void) pcre2_set_heap_limit(r->context, HEAP_LIMIT_KIB);
        if (find_groups(r, reterr) < 0)
                return -EINVAL;
        r->jit = jit && pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) == 0;
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

int regex_match(Regex *r, Span subject, RegexMatch *ret) {
        const PCRE2_SIZE *offsets;
        int n = PCRE2_ERROR_MATCHLIMIT;

        if (r->jit)
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
