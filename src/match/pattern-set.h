/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* All patterns in use, and the one function that judges a record by them: the same for the daemon, for
 * `authrelayctl explain` and for the patterns' own examples. */

#include "match/pattern-file.h"
#include "match/stream-state.h"
#include "model/record.h"

typedef struct PatternSet PatternSet;

typedef struct PatternSetSettings {
        /* Where patterns are, NULL-terminated, the most important first: a file there masks those of the
         * same name in the others. */
        char *const *directories;
        char *const *enable; /* names, NULL-terminated; NULL: all but the opt-in ones */
        bool all;            /* the opt-in ones too */
        bool jit;
} PatternSetSettings;

/* Loads them. Returns 0, or -errno with file:line: reason, and then there is no set. No pattern at all is an
 * error: a daemon without one would do nothing and say nothing. */
int pattern_set_load(const PatternSetSettings *settings, PatternSet **ret, IniError *reterr);
PatternSet *pattern_set_free(PatternSet *s);

DEFINE_CLEANUP(PatternSet *, pattern_set_free)

/* The patterns in the order of their names, and their number. Borrowed. */
Pattern *const *pattern_set_patterns(const PatternSet *s, size_t *ret_n);

/* Every value of Identifier=, once. The caller ends the list. Returns 0 or -ENOMEM. */
int pattern_set_identifiers(const PatternSet *s, StringList *ret);

/* True if a pattern has this Identifier=. */
bool pattern_set_knows(PatternSet *s, Span identifier);

/* Some patterns of a set, for a source whose lines have no identifiers. */
typedef struct PatternSelection {
        Pattern **patterns;
        size_t n;
} PatternSelection;

/* Finds patterns by name. Returns 0; -ENOENT and the name in *ret_unknown; -ENOMEM. */
int pattern_set_select(
        const PatternSet *s, char *const *names, PatternSelection *ret, const char **ret_unknown);
/* All patterns that know this form of line head. Returns 0 or -ENOMEM. */
int pattern_set_select_head(const PatternSet *s, LogHead head, PatternSelection *ret);
void pattern_selection_done(PatternSelection *s);

/* Judges a record. With a selection only its patterns are asked, and they need no identifier. `streams` is
 * read and changed. All spans of *ret are borrowed from the record and the set until the next call. */
void pattern_set_match(PatternSet *s, StreamState *streams, const Record *record,
        const PatternSelection *selection, Login *ret);
