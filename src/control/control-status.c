/* SPDX-License-Identifier: Apache-2.0 */
/* A bag of what the daemon says of itself. It knows no name and no meaning: what is new in the daemon needs
 * no change here. */

#include "control/control-status.h"

/* Makes room for one more item at the end of an array of n. Returns it zeroed, or NULL. */
static void *append(void *array, size_t *n, size_t size) {
        char *more = realloc(*(void **) array, (*n + 1) * size);

        if (!more)
                return NULL;
        *(void **) array = more;
        return memset(more + size * (*n)++, 0, size);
}

static char *copy(ControlStatus *s, Span text) {
        char *p = strndup(strempty(text.data), text.size);

        s->failed |= !p;
        return p;
}

static char *copy_string(ControlStatus *s, const char *text) {
        return copy(s, span_from_string(strempty(text)));
}

void control_status_number(ControlStatus *s, const char *name, uint64_t value) {
        ControlNumber *n = append(&s->numbers, &s->n_numbers, sizeof(ControlNumber));

        if (n)
                *n = (ControlNumber){copy_string(s, name), value};
        else
                s->failed = true;
}

void control_status_text(ControlStatus *s, const char *name, Span value) {
        ControlText *t = append(&s->texts, &s->n_texts, sizeof(ControlText));

        if (t)
                *t = (ControlText){copy_string(s, name), copy(s, value)};
        else
                s->failed = true;
}

void control_status_source(ControlStatus *s, const ControlSource *source) {
        ControlSource *p = append(&s->sources, &s->n_sources, sizeof(ControlSource));

        if (!p) {
                s->failed = true;
                return;
        }
        *p = *source;
        p->name = copy_string(s, source->name);
        p->state = copy_string(s, source->state);
}

void control_status_pattern(ControlStatus *s, const ControlPattern *pattern) {
        ControlPattern *p = append(&s->patterns, &s->n_patterns, sizeof(ControlPattern));

        if (!p) {
                s->failed = true;
                return;
        }
        *p = *pattern;
        p->name = copy_string(s, pattern->name);
        p->trust = copy_string(s, pattern->trust);
}

void control_status_done(ControlStatus *s) {
        for (size_t i = 0; i < s->n_numbers; i++)
                free(s->numbers[i].name);
        for (size_t i = 0; i < s->n_texts; i++) {
                free(s->texts[i].name);
                free(s->texts[i].value);
        }
        for (size_t i = 0; i < s->n_sources; i++) {
                free((char *) s->sources[i].name);
                free((char *) s->sources[i].state);
        }
        for (size_t i = 0; i < s->n_patterns; i++) {
                free((char *) s->patterns[i].name);
                free((char *) s->patterns[i].trust);
        }
        free(s->numbers);
        free(s->texts);
        free(s->sources);
        free(s->patterns);
        *s = (ControlStatus){0};
}
