/* SPDX-License-Identifier: Apache-2.0 */
/* parse_u64() as its callers know it, for the harnesses that are not about it; parse-util.c is about it. */

#include <errno.h>

#include "any.h"
#include "basic/parse-util.h"

int parse_u64(Span s, uint64_t max, uint64_t *ret) {
        read_bytes(s.data, s.size);
        if (s.size == 0 || any_bool())
                return any_bool() ? -EINVAL : -ERANGE;
        *ret = any_number(0, max);
        return 0;
}
