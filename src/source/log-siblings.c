/* SPDX-License-Identifier: Apache-2.0 */
/* Rotated logs by their names. A name that is taken by mistake costs the reading of a log that is none of
 * ours, so it must have a number where logrotate(8), savelog(8), newsyslog and multilog(8) put one: beside
 * /var/log/mail there are mail.err and mail.info. */

#include "source/log-siblings.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"

/* Far more than any rotation keeps. */
#define SIBLINGS_MAX 1024
/* Names that are looked at in one directory: whoever can fill it must not hold us up. */
#define NAMES_MAX 65536

static bool ends_with(const char *name, size_t n, const char *end) {
        size_t k = strlen(end);

        return n > k && memcmp(name + n - k, end, k) == 0;
}

/* The length of a name without what a compressor has put behind it. */
static size_t plain_length(const char *name) {
        static const char *const ends[] = {".gz", ".xz", ".bz2", ".zst", ".lz4", ".lzma", ".Z"};
        size_t n = strlen(name);

        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                if (ends_with(name, n, ends[i]))
                        return n - strlen(ends[i]);
        return n;
}

/* ".1", "-20261121", ".t0001", "-2026-11-21_06"; ".old" */
static bool is_number(const char *s, size_t n) {
        if (n == 4 && memcmp(s, ".old", n) == 0)
                return true;
        if (n < 2 || (s[0] != '.' && s[0] != '-'))
                return false;
        return isdigit((unsigned char) s[1]) ||
               (n > 2 && isalpha((unsigned char) s[1]) && isdigit((unsigned char) s[2]));
}

static bool is_sibling_name(const char *name, const char *base) {
        const char *ending = strrchr(base, '.');
        size_t n = strlen(base), size = plain_length(name), stem;

        /* "previous" is what a rotation of multilog's that was broken off leaves */
        if (streq(base, "current"))
                return name[0] == '@' || streq(name, "previous");
        if (size > n && memcmp(name, base, n) == 0 && is_number(name + n, size - n))
                return true;
        /* logrotate's "extension": the number stands before the log's own ending */
        if (!ending || ending == base || !ends_with(name, size, ending))
                return false;
        stem = (size_t) (ending - base);
        size -= strlen(ending);
        return size > stem && memcmp(name, base, stem) == 0 && is_number(name + stem, size - stem);
}

/* What multilog's "!gzip" makes is called as before. */
static bool is_gzip(const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
        unsigned char magic[2];

        return fd >= 0 && read(fd, magic, sizeof(magic)) == sizeof(magic) && magic[0] == 0x1f &&
               magic[1] == 0x8b;
}

/* `wanted` is the one file that is looked for, or NULL. */
static void add(LogSiblings *s, const char *path, const LogSibling *wanted) {
        LogSibling made = {0}, *more;
        struct stat st;

        if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) ||
                (wanted && (st.st_dev != wanted->device || st.st_ino != wanted->inode)))
                return;
        made.device = st.st_dev;
        made.inode = st.st_ino;
        made.modified = (usec_t) st.st_mtim.tv_sec * USEC_PER_SEC + (usec_t) st.st_mtim.tv_nsec / 1000;
        made.compressed = path[plain_length(path)] || is_gzip(path);
        made.path = strdup(path);
        more = made.path ? realloc(s->items, (s->n + 1) * sizeof(LogSibling)) : NULL;
        if (!more) {
                free(made.path);
                return;
        }
        s->items = more;
        s->items[s->n++] = made;
}

/* Adds files of the log's directory: those of a sibling's name, or the one that is wanted. */
static void scan(const char *log, const LogSibling *wanted, LogSiblings *s) {
        char directory_text[PATH_MAX], base_text[PATH_MAX], path[PATH_MAX];
        const char *directory, *base;
        struct dirent *entry;
        unsigned names = 0;
        DIR *d;

        (void) snprintf(directory_text, sizeof(directory_text), "%s", log);
        (void) snprintf(base_text, sizeof(base_text), "%s", log);
        directory = dirname(directory_text);
        base = basename(base_text);
        d = opendir(directory);
        if (!d)
                return;
        while ((entry = readdir(d)) && s->n < SIBLINGS_MAX && names++ < NAMES_MAX)
                if ((wanted || is_sibling_name(entry->d_name, base)) &&
                        snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) < (int) sizeof(path))
                        add(s, path, wanted);
        (void) closedir(d);
}

static int compare_modified(const void *a, const void *b) {
        const LogSibling *x = a, *y = b;

        if (x->modified != y->modified)
                return x->modified < y->modified ? -1 : 1;
        return strcmp(x->path, y->path);
}

void log_siblings_find(const char *path, LogSiblings *ret) {
        *ret = (LogSiblings){0};
        scan(path, NULL, ret);
        if (ret->n > 0)
                qsort(ret->items, ret->n, sizeof(LogSibling), compare_modified);
}

bool log_siblings_equal(const LogSiblings *a, const LogSiblings *b) {
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++) {
                const LogSibling *x = &a->items[i], *y = &b->items[i];

                if (x->device != y->device || x->inode != y->inode || !streq(x->path, y->path))
                        return false;
        }
        return true;
}

void log_siblings_done(LogSiblings *s) {
        for (size_t i = 0; i < s->n; i++)
                free(s->items[i].path);
        free(s->items);
        *s = (LogSiblings){0};
}

static char *find_wanted(const char *log, const LogSibling *wanted) {
        _cleanup_(log_siblings_done) LogSiblings found = {0};

        scan(log, wanted, &found);
        return found.n > 0 ? TAKE_PTR(found.items[0].path) : NULL;
}

char *log_sibling_find_inode(const char *path, uint64_t device, uint64_t inode) {
        LogSibling wanted = {.device = device, .inode = inode};
        char *found = find_wanted(path, &wanted), target[PATH_MAX];

        if (!found && realpath(path, target) && !streq(target, path))
                found = find_wanted(target, &wanted);
        return found;
}

bool log_sibling_unpacked_size(const char *path, uint32_t *ret) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
        unsigned char size[4];
        struct stat st;

        /* RFC 1952, 2.3.1: the last four bytes */
        if (!is_gzip(path) || fd < 0 || fstat(fd, &st) < 0 || st.st_size < 18 ||
                pread(fd, size, sizeof(size), st.st_size - 4) != sizeof(size))
                return false;
        *ret = (uint32_t) size[0] | (uint32_t) size[1] << 8 | (uint32_t) size[2] << 16 |
               (uint32_t) size[3] << 24;
        return true;
}

bool log_siblings_end_within_line(const LogSiblings *s, uint64_t device, uint64_t inode) {
        for (size_t i = s->n; i > 0; i--) {
                const LogSibling *last = &s->items[i - 1];
                _cleanup_close_ int fd = -1;
                struct stat st;
                char c;

                if (last->compressed || (last->device == device && last->inode == inode))
                        continue;
                fd = open(last->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
                return fd >= 0 && fstat(fd, &st) >= 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
                       pread(fd, &c, 1, st.st_size - 1) == 1 && c != '\n';
        }
        return false;
}
