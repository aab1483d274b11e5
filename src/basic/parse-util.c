/* SPDX-License-Identifier: Apache-2.0 */
/* Strict readers of small values. strtoul() and friends are not used: they take blanks, signs and overflow.
 */

#include "basic/parse-util.h"

#include <errno.h>
#include <strings.h>

int parse_u64(Span s, uint64_t max, uint64_t *ret) {
        uint64_t v = 0;

        if (s.size == 0)
                return -EINVAL;
        for (size_t i = 0; i < s.size; i++)
                if (s.data[i] < '0' || s.data[i] > '9')
                        return -EINVAL;
        for (size_t i = 0; i < s.size; i++)
                if (__builtin_mul_overflow(v, 10, &v) ||
                        __builtin_add_overflow(v, (uint64_t) (s.data[i] - '0'), &v))
                        return -ERANGE;
        if (v > max)
                return -ERANGE;
        *ret = v;
        return 0;
}

int parse_boolean(const char *s, bool *ret) {
        static const char *const yes[] = {"yes", "true", "on", "1", "y", "t"}, *const no[] = {"no", "false",
                                                                                       "off", "0", "n", "f"};

        for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
                if (strcasecmp(s, yes[i]) == 0) {
                        *ret = true;
                        return 0;
                }
                if (strcasecmp(s, no[i]) == 0) {
                        *ret = false;
                        return 0;
                }
        }
        return -EINVAL;
}

bool parse_word(Span *s, Span *ret_word) {
        size_t n = 0;

        *s = span_trim(*s);
        if (s->size == 0)
                return false;
        while (n < s->size && s->data[n] != ' ' && s->data[n] != '\t')
                n++;
        *ret_word = span_make(s->data, n);
        *s = span_skip(*s, n);
        return true;
}
