/* SPDX-License-Identifier: Apache-2.0 */
/* A list of strings. */

#include "basic/string-list.h"

#include <errno.h>

int string_list_add(StringList *l, Span s) {
        char **more = realloc(l->items, (l->n + 2) * sizeof(char *));

        if (!more)
                return -ENOMEM;
        l->items = more;
        l->items[l->n] = strndup(strempty(s.data), s.size);
        if (!l->items[l->n])
                return -ENOMEM;
        l->items[++l->n] = NULL;
        return 0;
}

void string_list_done(StringList *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->items[i]);
        free(l->items);
        *l = (StringList){0};
}
