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
 * alternatives. It must begin with \A and end with \z. With `jit` the first match also makes it into machine
 * code, which MemoryDenyWriteExecute= forbids to the daemon.
 * Returns 0, -ENOMEM, or -EINVAL with the reason. */
int regex_new(const char *text, bool jit, Regex **ret, char reterr[static REGEX_REASON_BYTES]);
Regex *regex_free(Regex *r);

DEFINE_CLEANUP(Regex *, regex_free)

bool regex_has_group(const Regex *r, RegexGroup group);

/* A shipped regex takes some hundred steps for an ordinary line, and a few thousand for the longest name. */
#define REGEX_STEPS_MAX 100000

/* Where text of any length ("*", "+" or "{n,}", possessive or not) may stand before group <ip> or <host>:
 * a character of the text, counted from 1. 0: nowhere, or there is no such group. */
size_t regex_unbounded_at(const Regex *r);

/* Whether the interpreter takes more than n steps with the subject, as pcre2_set_match_limit(3) counts. */
bool regex_takes_more_steps(Regex *r, Span subject, uint32_t n);

/* How many steps it takes, `max` at the most. */
uint32_t regex_steps(Regex *r, Span subject, uint32_t max);

/* Matches. Returns 1 and sets *ret, 0 when it does not match, -E2BIG when that would take more than
 * REGEX_STEPS_MAX steps, -ENOMEM. */
int regex_match(Regex *r, Span subject, RegexMatch *ret);
