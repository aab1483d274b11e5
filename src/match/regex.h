/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Regular expressions, as PCRE2 has them, with a bound on what one match may cost. */

#include "basic/span.h"

typedef enum RegexGroup {
        REGEX_GROUP_IP,
        REGEX_GROUP_HOST,
        REGEX_GROUP_USER,
        REGEX_GROUP_SERVICE,
        REGEX_GROUP_KEY,
        _REGEX_GROUP_MAX,
} RegexGroup;

typedef struct RegexMatch {
        Span group[_REGEX_GROUP_MAX]; /* into the subject; a group that took no part has data NULL */
} RegexMatch;

typedef struct Regex Regex;

#define REGEX_REASON_BYTES 256

/* Compiles `text`: bytes, not UTF; only the named groups of RegexGroup; a name may stand in several
 * alternatives. It must begin with \A and end with \z. With `jit` it is also made into machine code, which
 * MemoryDenyWriteExecute= forbids to the daemon.
 * Returns 0, -ENOMEM, or -EINVAL with the reason. */
int regex_new(const char *text, bool jit, Regex **ret, char reterr[static REGEX_REASON_BYTES]);
Regex *regex_free(Regex *r);

DEFINE_CLEANUP(Regex *, regex_free)

bool regex_has_group(const Regex *r, RegexGroup group);

/* Matches. Returns 1 and sets *ret, 0 when it does not match, -E2BIG when that would cost too much, -ENOMEM.
 */
int regex_match(Regex *r, Span subject, RegexMatch *ret);
