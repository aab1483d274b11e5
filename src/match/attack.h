/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Attacks on a pattern: each of its examples of a login is logged again with hostile text in the places that
 * a client fills, and the address that is read must be the genuine one, or none. */

#include "match/line-judge.h"

typedef struct AttackCounts {
        uint64_t tried;
        uint64_t genuine; /* taken, with the genuine address */
        uint64_t none;    /* not taken */
        uint64_t wrong;   /* taken, with an address that the attacker chose */
        uint64_t lost;    /* a genuine login after a torn one that was not taken any more */
} AttackCounts;

/* Called for each wrong or lost line, all borrowed for the call. */
typedef void (*AttackHandler)(
        void *userdata, const Pattern *p, const Example *example, Span line, const Login *login);

/* Attacks one pattern of a set; all of the set's patterns judge. Returns 0 or -ENOMEM. An example that is
 * not taken as it stands has nothing to attack: `patterns --test` is there to say so. */
int attack_pattern(
        PatternSet *set, const Pattern *p, AttackHandler on_failure, void *userdata, AttackCounts *ret);
