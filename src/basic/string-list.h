/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A list of strings that ends in NULL and owns them. */

#include "basic/span.h"

typedef struct StringList {
        char **items; /* NULL when nothing was ever added */
        size_t n;
} StringList;

/* Appends a copy. Returns 0 or -ENOMEM. */
int string_list_add(StringList *l, Span s);
void string_list_done(StringList *l);
