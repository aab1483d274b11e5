/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is wrong with a pattern's regexes whatever its examples say: text of any length before the address,
 * where a logger's cut can put somebody else's words in the place of the server's, and costs that grow
 * faster than the line. */

#include "match/pattern-file.h"

typedef struct LintCounts {
        uint64_t tried;      /* long texts, each against each regex */
        uint32_t most_steps; /* of the interpreter, for one of LINT_TEXT_BYTES */
        uint64_t faults;
} LintCounts;

/* Length of the texts that the slowest one is looked for with; it then grows to twice as much. */
#define LINT_TEXT_BYTES ((size_t) 4 * 1024)

/* Called for each fault: the rule's line in the pattern's file, and what is wrong; borrowed for the call. */
typedef void (*LintHandler)(void *userdata, const Pattern *p, unsigned line, const char *fault);

/* Looks at one pattern. Slow texts are made of its examples: something of theirs is repeated at each place,
 * and the end made wrong, so that every way to match is tried. Returns 0 or -ENOMEM. */
int pattern_lint(const Pattern *p, LintHandler on_fault, void *userdata, LintCounts *ret);
