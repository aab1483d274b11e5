/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A whole line of a log, head and all, judged as the daemon would, for `authrelayctl explain`, the patterns'
 * own examples and the tests: which source it would have come from is worked out from the line itself. */

#include "match/pattern-set.h"

typedef struct LineJudge LineJudge;

/* The set is borrowed; it should have been loaded with `all`. Returns 0 or -ENOMEM. */
int line_judge_new(PatternSet *set, LineJudge **ret);
LineJudge *line_judge_free(LineJudge *j);

DEFINE_CLEANUP(LineJudge *, line_judge_free)

/* Judges a line as if it had been written at `now`; lines are judged in the order of the log, for what one
 * of them says can change the next. `cut` says that it is only the beginning of one. A line goes
 * - by its identifier, if a pattern has it;
 * - to the patterns that have an identifier which is part of the line's ("mydovecot"): these would need a
 * drop-in;
 * - without an identifier, to each pattern whose Header= fits its head: these would need File=PATH PATTERN.
 * The reason says what the daemon would need, and *ret_pattern (NULL: none) is the pattern that has spoken.
 * All text of *ret is borrowed from the line and the judge until the next call. */
void line_judge(LineJudge *j, Span line, bool cut, usec_t now, Login *ret, const Pattern **ret_pattern);

/* Forgets what lines before have said. */
int line_judge_reset(LineJudge *j);
