/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Attacks on a pattern: each of its examples is logged again with hostile text in the places that a client
 * fills. Of a login, the address that is read must be the genuine one, or none; of any other line, none. */

#include "match/line-judge.h"

typedef struct AttackCounts {
        uint64_t tried;
        uint64_t genuine;    /* taken, with the genuine address */
        uint64_t none;       /* not taken */
        uint64_t wrong;      /* taken, with an address that the attacker chose, or without a login */
        uint64_t lost;       /* a genuine login after a torn one that was not taken any more */
        uint64_t undeclared; /* examples of logins that do not say what a client chooses in them */
} AttackCounts;

/* What is heard of the attacks; all arguments are borrowed for the call. */
typedef struct AttackHandlers {
        /* Called for each wrong or lost line. Without a login the example is an undeclared one; without an
         * example, none of the pattern's failures says what a client chooses in it. */
        void (*on_failure)(
                void *userdata, const Pattern *p, const Example *example, Span line, const Login *login);
        /* Called for each hostile text, many times for some; may be NULL. */
        void (*on_text)(void *userdata, Span text);
        void *userdata;
} AttackHandlers;

/* Attacks one pattern of a set; all of the set's patterns judge. Returns 0 or -ENOMEM. An example that is
 * not taken as it stands has nothing to attack: `patterns --test` is there to say so. */
int attack_pattern(PatternSet *set, const Pattern *p, const AttackHandlers *handlers, AttackCounts *ret);
