/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack-texts PATTERNS-DIRECTORY NAME COUNT: what `authrelayctl patterns --attack` writes into the fields
 * that a client of that pattern's server chooses, each text once and in base64, a line each; COUNT of them,
 * evenly out of all (0: all).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "basic/hash-index.h"
#include "match/attack.h"

typedef struct Texts {
        char **items;
        uint32_t *sizes;
        uint32_t n, room;
        HashIndex index;
} Texts;

static void die(const char *what) {
        (void) fprintf(stderr, "attack-texts: %s\n", what);
        exit(100);
}

static bool equal(const void *items, uint32_t i, Span text) {
        const Texts *t = items;

        return span_equal(span_make(t->items[i], t->sizes[i]), text);
}

static void on_text(void *userdata, Span text) {
        Texts *t = userdata;

        if (hash_index_find(&t->index, text, equal, t) != HASH_INDEX_NONE)
                return;
        if (t->n == t->room) {
                t->room = MAX(2 * t->room, UINT32_C(4096));
                t->items = realloc(t->items, t->room * sizeof(char *));
                t->sizes = realloc(t->sizes, t->room * sizeof(uint32_t));
        }
        if (!t->items || !t->sizes || !(t->items[t->n] = malloc(text.size + 1)))
                die("out of memory");
        if (text.size > 0)
                memcpy(t->items[t->n], text.data, text.size);
        t->sizes[t->n] = (uint32_t) text.size;
        if (hash_index_add(&t->index, text, t->n++) < 0)
                die("out of memory");
}

static void on_failure(void *userdata _unused_, const Pattern *p _unused_, const Example *example _unused_,
        Span line _unused_, const Login *login _unused_) {
        /* `authrelayctl patterns --attack` is there to say so */
}

static void print_base64(const unsigned char *data, size_t size) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        for (size_t i = 0; i < size; i += 3) {
                unsigned v = (unsigned) data[i] << 16 | (i + 1 < size ? (unsigned) data[i + 1] << 8 : 0) |
                             (i + 2 < size ? data[i + 2] : 0U);

                (void) printf("%c%c%c%c", letters[v >> 18], letters[v >> 12 & 63],
                        i + 1 < size ? letters[v >> 6 & 63] : '=', i + 2 < size ? letters[v & 63] : '=');
        }
        (void) putchar('\n');
}

int main(int argc, char *argv[]) {
        char *directories[] = {argc > 1 ? argv[1] : NULL, NULL};
        PatternSetSettings settings = {.directories = directories, .all = true};
        _cleanup_(pattern_set_freep) PatternSet *set = NULL;
        Texts t = {0};
        const AttackHandlers handlers = {on_failure, on_text, &t};
        AttackCounts counts;
        IniError error = {""};
        Pattern *const *patterns;
        uint64_t wanted;
        size_t n;

        if (argc != 4)
                die("usage: attack-texts PATTERNS-DIRECTORY NAME COUNT");
        if (pattern_set_load(&settings, &set, &error) < 0)
                die(error.text);
        patterns = pattern_set_patterns(set, &n);
        for (size_t i = 0; i < n; i++)
                if (streq(patterns[i]->name, argv[2]) &&
                        attack_pattern(set, patterns[i], &handlers, &counts) < 0)
                        die("out of memory");
        if (t.n == 0)
                die("no such pattern");
        wanted = strtoull(argv[3], NULL, 10);
        if (wanted == 0 || wanted > t.n)
                wanted = t.n;
        for (uint64_t i = 0; i < wanted; i++) {
                uint64_t k = i * t.n / wanted;

                print_base64((const unsigned char *) t.items[k], t.sizes[k]);
        }
        return 0;
}
