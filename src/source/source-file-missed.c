/* SPDX-License-Identifier: Apache-2.0 */
/* Rotated files that were missed: those that were the log between two looks, or while the daemon was
 * stopped. They are found beside it, under whatever name, and read; of what is compressed it is told. */

#include "source/source-file-internal.h"

#include <errno.h>

static bool is_among(Tail *const *tails, size_t n, uint64_t device, uint64_t inode) {
        for (size_t i = 0; i < n; i++)
                if (tail_is_of(tails[i], device, inode))
                        return true;
        return false;
}

static int compare_modified(const void *a, const void *b) {
        const Tail *x = *(Tail *const *) a, *y = *(Tail *const *) b;
        uint64_t p = x->file.position.modified, q = y->file.position.modified;

        return (p > q) - (p < q);
}

/* Whether this file is being read, or is to be. */
static bool is_known(const SourceFile *f, const Tail *current, Tail *const *found, size_t n, uint64_t device,
        uint64_t inode) {
        return source_file_has_open(f, device, inode) || tail_is_of(current, device, inode) ||
               is_among(found, n, device, inode);
}

/* Opens what was written since `since` and is not open yet, the newest first, and returns how many they are.
 * A rotation may be at work: a file that is given another name while the names are read may not be seen
 * under any, and a name may be another file's when it is opened. So they are read until they are what they
 * were before. */
static size_t open_missed(
        SourceFile *f, usec_t since, Tail *current, LogSiblings *siblings, Tail *found[static OLD_MAX]) {
        bool settled = false;
        size_t n = 0;

        for (unsigned pass = 0; !settled && pass < PASSES_MAX; pass++) {
                _cleanup_(log_siblings_done) LogSiblings before = *siblings;

                log_siblings_find(f->base.name, siblings);
                settled = pass > 0 && log_siblings_equal(siblings, &before);
                for (size_t i = siblings->n; i > 0 && siblings->items[i - 1].modified >= since; i--) {
                        const LogSibling *s = &siblings->items[i - 1];
                        Tail *t;
                        int r;

                        if (s->compressed || is_known(f, current, found, n, s->device, s->inode))
                                continue;
                        r = n < OLD_MAX ? tail_open(f, s->path, &t) : -EMFILE;
                        if (r < 0) {
                                if (r != -ENOENT && settled)
                                        source_file_note_gap(f, s->path);
                        } else if (is_known(f, current, found, n, t->file.position.device,
                                           t->file.position.inode))
                                tail_free(t);
                        else
                                found[n++] = t;
                }
        }
        if (!settled)
                source_note(&f->base, SOURCE_NOTE_GAP,
                        "%s is rotated faster than its files can be found; logins in them may not be known",
                        f->base.name);
        qsort(found, n, sizeof(found[0]), compare_modified);
        return n;
}

/* Whether what a compressed file holds is open here, or it is only being made. */
static bool is_known_compressed(const SourceFile *f, const LogSiblings *siblings, const LogSibling *s) {
        const char *ending = strrchr(s->path, '.');
        uint32_t size;

        for (size_t i = 0; ending && i < siblings->n; i++)
                if (strlen(siblings->items[i].path) == (size_t) (ending - s->path) &&
                        memcmp(siblings->items[i].path, s->path, (size_t) (ending - s->path)) == 0)
                        return true;
        if (!log_sibling_unpacked_size(s->path, &size))
                return false;
        for (size_t i = 0; i < f->n_old; i++)
                if ((uint32_t) file_tail_size(&f->old[i]->file) == size)
                        return true;
        return false;
}

/* Says that a compressed file was not read: from when to when, and how to see what is in it. `skip` is how
 * much of it is known. */
static void note_compressed(SourceFile *f, const LogSibling *s, usec_t from, uint64_t skip) {
        char from_text[TIME_TEXT_BYTES], to_text[TIME_TEXT_BYTES];
        uint32_t size;

        time_stamp_format(from_text, MIN(from, s->modified));
        time_stamp_format(to_text, s->modified);
        if (log_sibling_unpacked_size(s->path, &size))
                source_note(&f->base, SOURCE_NOTE_GAP,
                        "%s was compressed before it was read; the logins in it are not known, from %s to "
                        "%s: "
                        "zcat <%s | tail -c +%" PRIu64 " | authrelayctl explain",
                        s->path, from_text, to_text, s->path, skip + 1);
        else
                source_note(&f->base, SOURCE_NOTE_GAP,
                        "%s was compressed before it was read; the logins in it are not known, from %s to "
                        "%s",
                        s->path, from_text, to_text);
}

/* Whether it may have been written to after `since`: logrotate gives a compressed file the time of the log
 * in whole seconds. */
static bool is_since(const LogSibling *s, usec_t since) {
        return s->modified + (s->modified % USEC_PER_SEC == 0 ? USEC_PER_SEC - 1 : 0) >= since;
}

/* Whether it is what a position was in, compressed, and had been read to its end. */
static bool is_complete(const LogSibling *s, const FilePosition *p) {
        uint32_t size;

        return s->compressed && p->offset > 0 && is_since(s, p->modified) &&
               log_sibling_unpacked_size(s->path, &size) && size == (uint32_t) p->offset;
}

bool source_file_has_complete(const LogSiblings *siblings, const FilePosition *p) {
        for (size_t i = 0; i < siblings->n; i++)
                if (is_complete(&siblings->items[i], p))
                        return true;
        return false;
}

/* Whether all of a compressed file is known: it is being made, or is open, or was read before. */
static bool is_read_compressed(
        const SourceFile *f, const LogSiblings *siblings, const LogSibling *s, const FilePosition *left) {
        for (size_t i = 0; i < f->n_saved; i++)
                if (is_complete(s, &f->saved[i]))
                        return true;
        return is_complete(s, left) || is_known_compressed(f, siblings, s);
}

/* The compressed files among the siblings. The oldest is the one that was left unless that is `found`. */
static Fate judge_compressed(
        SourceFile *f, const LogSiblings *siblings, const FilePosition *left, bool found) {
        Fate fate = found || source_file_has_complete(siblings, left) ? FATE_WELL : FATE_UNKNOWN;
        usec_t from = left->modified;
        unsigned told = 0;

        for (size_t i = 0; i < siblings->n; i++) {
                const LogSibling *s = &siblings->items[i];
                bool own = fate == FATE_UNKNOWN;

                if (!s->compressed || !(own ? is_since(s, left->modified) : s->modified > from) ||
                        is_read_compressed(f, siblings, s, left))
                        continue;
                if (told++ < OLD_MAX)
                        note_compressed(f, s, from, own ? left->offset : 0);
                if (own)
                        fate = FATE_TOLD;
                from = MAX(from, s->modified);
        }
        if (told > OLD_MAX)
                source_note(&f->base, SOURCE_NOTE_GAP, "%s: %u more compressed files were not read",
                        f->base.name, told - OLD_MAX);
        return fate;
}

void source_file_take_missed(
        SourceFile *f, const FilePosition *left, bool *found, Tail *current, LogSiblings *siblings) {
        Tail *missed[OLD_MAX];
        size_t n = open_missed(f, left->modified, current, siblings, missed);
        /* it may be open already, and have been read before the log was cut short */
        bool copied = !*found && f->n_old > 0 && file_tail_resembles(&f->old[f->n_old - 1]->file, left);
        bool follows = *found || copied;

        *found = follows;
        for (size_t i = 0; i < n; i++) {
                Tail *t = missed[i];

                if (file_tail_resembles(&t->file, left) && file_tail_skip(&t->file, left) >= 0)
                        *found = t->begun = true;
                t->follows = !t->begun && follows && f->n_old > 0;
                t->unknown = true;
                follows = true;
                source_file_add_old(f, t);
        }
        if (current && (n > 0 || copied)) {
                current->unknown = true;
                current->follows = !current->begun;
        }
}

Fate source_file_add_missed(SourceFile *f, const FilePosition *left, bool found, Tail *current) {
        _cleanup_(log_siblings_done) LogSiblings siblings = {0};

        source_file_take_missed(f, left, &found, current, &siblings);
        return judge_compressed(f, &siblings, left, found);
}
