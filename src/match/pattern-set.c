/* SPDX-License-Identifier: Apache-2.0 */
/* Loading all patterns, and finding those that an identifier or a line head selects. A set that is loaded
 * does not change: a reload makes another one. Nothing is judged here. */

#include "match/pattern-set.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "match/pattern-set-internal.h"

#define PATTERNS_MAX 256

static bool reference_equal(const void *items, uint32_t index, Span key) {
        return span_equal(((const Reference *) items)[index].identifier, key);
}

static int add_references(PatternSet *s, Pattern *p) {
        for (size_t i = 0; i < p->identifiers.n; i++) {
                Span identifier = span_from_string(p->identifiers.items[i]);
                uint32_t first =
                        hash_index_find(&s->by_identifier, identifier, reference_equal, s->references);
                Reference *more = realloc(s->references, (s->n_references + 1) * sizeof(Reference));

                if (!more)
                        return -ENOMEM;
                s->references = more;
                s->references[s->n_references] = (Reference){identifier, p, HASH_INDEX_NONE};
                if (first == HASH_INDEX_NONE) {
                        if (hash_index_add(&s->by_identifier, identifier, s->n_references) < 0)
                                return -ENOMEM;
                } else {
                        s->references[s->n_references].next = s->references[first].next;
                        s->references[first].next = s->n_references;
                }
                s->n_references++;
        }
        return 0;
}

static int is_pattern_name(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);

        return entry->d_name[0] != '.' && n > 8 && streq(entry->d_name + n - 8, ".pattern");
}

static bool is_listed(char *const *names, const char *name) {
        for (size_t i = 0; names && names[i]; i++)
                if (streq(names[i], name))
                        return true;
        return false;
}

static int add_pattern(PatternSet *s, const PatternSetSettings *settings, Pattern *p, IniError *reterr) {
        IniPlace place = {p->path, 0};
        Pattern **more;

        if (settings->enable ? !is_listed(settings->enable, p->name) : p->opt_in && !settings->all) {
                pattern_free(p);
                return 0;
        }
        more = realloc(s->patterns, (s->n_patterns + 1) * sizeof(Pattern *));
        if (!more || s->n_patterns == PATTERNS_MAX) {
                s->patterns = more ? more : s->patterns;
                pattern_free(p);
                return ini_error_set(reterr, &place, -E2BIG, "no room for more patterns");
        }
        s->patterns = more;
        s->patterns[s->n_patterns++] = p;
        return 0;
}

/* Loads one file unless one of the same name was seen in a directory before. */
static int load_file(PatternSet *s, const PatternSetSettings *settings, StringList *seen,
        const char *directory, const char *file, IniError *reterr) {
        char name[256];
        _cleanup_free_ char *path = NULL;
        Pattern *p;
        int r;

        (void) snprintf(name, sizeof(name), "%.*s", (int) (strlen(file) - 8), file);
        if (is_listed(seen->items, name))
                return 0;
        r = string_list_add(seen, span_from_string(name));
        if (r < 0)
                return r;
        if (asprintf(&path, "%s/%s", directory, file) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = pattern_load(name, path, settings->directories, settings->jit, &p, reterr);
        if (r < 0 || !p)
                return r;
        return add_pattern(s, settings, p, reterr);
}

static int load_directory(PatternSet *s, const PatternSetSettings *settings, StringList *seen,
        const char *directory, IniError *reterr) {
        IniPlace place = {directory, 0};
        struct dirent **entries;
        int n, r = 0;

        n = scandir(directory, &entries, is_pattern_name, alphasort);
        if (n < 0) {
                r = -errno;
                return r == -ENOENT ? 0
                                    : ini_error_set(reterr, &place, r, "cannot be read: %s", strerror(-r));
        }
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = load_file(s, settings, seen, directory, entries[i]->d_name, reterr);
                free(entries[i]);
        }
        free(entries);
        if (r == -ENOMEM)
                return ini_error_set(reterr, &place, r, "out of memory");
        return r;
}

static int compare_names(const void *a, const void *b) {
        return strcmp((*(Pattern *const *) a)->name, (*(Pattern *const *) b)->name);
}

static int check_enabled(const PatternSet *s, const PatternSetSettings *settings, IniError *reterr) {
        IniPlace place = {settings->directories[0] ? settings->directories[0] : "patterns", 0};
        PatternSelection selection = {0};
        const char *unknown = NULL;
        int r = 0;

        if (settings->enable)
                r = pattern_set_select(s, settings->enable, &selection, &unknown);
        pattern_selection_done(&selection);
        if (r == -ENOENT)
                return ini_error_set(
                        reterr, &place, r, "Enable=%s: there is no pattern of this name", unknown);
        if (s->n_patterns == 0)
                return ini_error_set(reterr, &place, -ENOENT, "no pattern is enabled");
        return r;
}

int pattern_set_load(const PatternSetSettings *settings, PatternSet **ret, IniError *reterr) {
        _cleanup_(pattern_set_freep) PatternSet *s = calloc(1, sizeof(PatternSet));
        _cleanup_(string_list_done) StringList seen = {0};
        int r;

        if (!s)
                return -ENOMEM;
        for (size_t i = 0; settings->directories[i]; i++) {
                r = load_directory(s, settings, &seen, settings->directories[i], reterr);
                if (r < 0)
                        return r;
        }
        r = check_enabled(s, settings, reterr);
        if (r < 0)
                return r;
        qsort(s->patterns, s->n_patterns, sizeof(Pattern *), compare_names);
        for (size_t i = 0; i < s->n_patterns; i++) {
                r = add_references(s, s->patterns[i]);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

PatternSet *pattern_set_free(PatternSet *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_patterns; i++)
                pattern_free(s->patterns[i]);
        free(s->patterns);
        free(s->references);
        hash_index_done(&s->by_identifier);
        free(s);
        return NULL;
}

Pattern *const *pattern_set_patterns(const PatternSet *s, size_t *ret_n) {
        *ret_n = s->n_patterns;
        return s->patterns;
}

int pattern_set_identifiers(const PatternSet *s, StringList *ret) {
        _cleanup_(string_list_done) StringList list = {0};

        for (uint32_t i = 0; i < s->n_references; i++) {
                Span identifier = s->references[i].identifier;

                /* the first of its list stands for all */
                if (hash_index_find(&s->by_identifier, identifier, reference_equal, s->references) == i &&
                        string_list_add(&list, identifier) < 0)
                        return -ENOMEM;
        }
        *ret = list;
        list = (StringList){0};
        return 0;
}

uint32_t pattern_set_find_identifier(PatternSet *s, Span identifier) {
        IdentifierKey key = identifier_key(identifier);
        Recent *e;

        if (key.size == 0)
                return HASH_INDEX_NONE;
        if (key.size > IDENTIFIER_KEY_BYTES)
                return hash_index_find(&s->by_identifier, identifier, reference_equal, s->references);
        e = s->recent[identifier_key_pair(&key)];
        if (identifier_key_equal(&e[0].key, &key))
                return e[0].first;
        if (identifier_key_equal(&e[1].key, &key))
                return e[1].first;
        e[1] = e[0];
        e[0].first = hash_index_find(&s->by_identifier, identifier, reference_equal, s->references);
        e[0].key = key;
        return e[0].first;
}

bool pattern_set_knows(PatternSet *s, Span identifier) {
        return pattern_set_find_identifier(s, identifier) != HASH_INDEX_NONE;
}

static int selection_add(PatternSelection *s, Pattern *p) {
        Pattern **more = realloc(s->patterns, (s->n + 1) * sizeof(Pattern *));

        if (!more)
                return -ENOMEM;
        s->patterns = more;
        s->patterns[s->n++] = p;
        return 0;
}

int pattern_set_select(
        const PatternSet *s, char *const *names, PatternSelection *ret, const char **ret_unknown) {
        _cleanup_(pattern_selection_done) PatternSelection selection = {0};

        for (size_t i = 0; names[i]; i++) {
                Pattern *found = NULL;

                for (size_t k = 0; k < s->n_patterns && !found; k++)
                        if (streq(s->patterns[k]->name, names[i]))
                                found = s->patterns[k];
                if (!found) {
                        *ret_unknown = names[i];
                        return -ENOENT;
                }
                if (selection_add(&selection, found) < 0)
                        return -ENOMEM;
        }
        *ret = selection;
        selection = (PatternSelection){0};
        return 0;
}

int pattern_set_select_head(const PatternSet *s, LogHead head, PatternSelection *ret) {
        _cleanup_(pattern_selection_done) PatternSelection selection = {0};

        for (size_t i = 0; i < s->n_patterns; i++)
                if (s->patterns[i]->heads[head] && selection_add(&selection, s->patterns[i]) < 0)
                        return -ENOMEM;
        *ret = selection;
        selection = (PatternSelection){0};
        return 0;
}

void pattern_selection_done(PatternSelection *s) {
        free(s->patterns);
        *s = (PatternSelection){0};
}
