/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Strict readers of small values: the whole text must be the value, with no sign, blank or garbage. */

#include "basic/span.h"

/* Reads a decimal number from 0 to max. Returns 0, -EINVAL when it is not one, -ERANGE when it is larger. */
int parse_u64(Span s, uint64_t max, uint64_t *ret);

/* Reads yes/no, true/false, on/off, 1/0 as systemd.syntax(7) has them. Returns 0 or -EINVAL. */
int parse_boolean(const char *s, bool *ret);

/* Reads the next word, ended by blanks, and moves *s behind it. Returns false at the end. */
bool parse_word(Span *s, Span *ret_word);
