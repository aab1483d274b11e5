/* SPDX-License-Identifier: Apache-2.0 */
/* The file source. `current` is what the path names now; `old` are files that it named before and that may
 * still be written to, oldest first: a syslogd goes on writing to a renamed log until it is told. Old ones
 * are always read to their end before the current one. */

#include "source/source-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/file-tail.h"
#include "source/log-stamp.h"
#include "source/path-watch.h"

/* More rotations at once than this are not followed one by one. */
#define OLD_MAX 16
/* How long a rotated file that nobody writes to is kept open: longer than any syslogd takes to reopen. */
#define OLD_KEEP_USEC (2 * USEC_PER_MINUTE)
/* Lines in one go, so that the loop turns while a large log is read: some milliseconds. */
#define LINES_AT_ONCE 8192

typedef struct Tail {
        FileTail file;
        sd_event_source *watch;
        usec_t last_line; /* when something was last read from it */
        bool over;        /* it was cut short: there is nothing more for us */
        bool unknown;     /* what was written before its next line may not be what was read before it */
} Tail;

typedef struct SourceFile {
        Source base;
        LineHeads heads;
        LogClock clock;
        sd_event *event;
        sd_event_source *work;
        PathWatch *path_watch;
        Tail *current; /* NULL: the path names no file that can be read */
        Tail *old[OLD_MAX];
        size_t n_old;
        FilePosition *saved; /* from the state, oldest first; gone after attach */
        size_t n_saved;
} SourceFile;

static Tail *tail_free(Tail *t) {
        if (!t)
                return NULL;
        (void) sd_event_source_disable_unref(t->watch);
        file_tail_done(&t->file);
        free(t);
        return NULL;
}

DEFINE_CLEANUP(Tail *, tail_free)

static void want_work(SourceFile *f) {
        if (f->work)
                (void) sd_event_source_set_enabled(f->work, SD_EVENT_ONESHOT);
}

static int on_modified(sd_event_source *source, const struct inotify_event *event, void *userdata) {
        (void) source;
        (void) event;
        want_work(userdata);
        return 0;
}

/* -ENOENT and the like when there is no such file, 0 and a tail at its start otherwise. */
static int tail_open(SourceFile *f, const char *path, Tail **ret) {
        _cleanup_(tail_freep) Tail *t = calloc(1, sizeof(Tail));
        int r;

        if (!t)
                return -ENOMEM;
        t->file.fd = -1;
        r = file_tail_open(&t->file, path);
        if (r < 0)
                return r;
        /* by descriptor: the name may be another file's by now */
        r = sd_event_add_inotify_fd(f->event, &t->watch, t->file.fd, IN_MODIFY | IN_ATTRIB, on_modified, f);
        if (r < 0)
                return r;
        t->last_line = time_now();
        *ret = TAKE_PTR(t);
        return 0;
}

static bool same_file(const Tail *t, uint64_t device, uint64_t inode) {
        return t && t->file.position.device == device && t->file.position.inode == inode;
}

static bool is_open(const SourceFile *f, uint64_t device, uint64_t inode) {
        if (same_file(f->current, device, inode))
                return true;
        for (size_t i = 0; i < f->n_old; i++)
                if (same_file(f->old[i], device, inode))
                        return true;
        return false;
}

/* `unread` is a rotated file whose lines are lost to us, or NULL when nothing may be missing at all. */
static void note_gap(SourceFile *f, const char *unread) {
        if (unread)
                source_note(&f->base, SOURCE_NOTE_GAP,
                        "%s was rotated away and can't be read any more; the logins in it are not known",
                        unread);
        else
                source_note(&f->base, SOURCE_NOTE_GAP, NULL);
}

static void add_old(SourceFile *f, Tail *t) {
        if (f->n_old == OLD_MAX) {
                note_gap(f, f->base.name);
                tail_free(f->old[0]);
                memmove(f->old, f->old + 1, sizeof(f->old[0]) * --f->n_old);
        }
        f->old[f->n_old++] = t;
}

/* ---- rotated siblings ---- */

typedef struct Sibling {
        char path[PATH_MAX];
        uint64_t device, inode, modified;
        bool compressed;
} Sibling;

/* "mail.log.1", "mail.log-20261121" for mail.log; "@4000….s" for multilog's "current" */
static bool is_sibling_name(const char *name, const char *base) {
        size_t n = strlen(base);

        if (streq(base, "current"))
                return name[0] == '@';
        return strncmp(name, base, n) == 0 && (name[n] == '.' || name[n] == '-');
}

static bool is_compressed_name(const char *name) {
        static const char *const ends[] = {".gz", ".xz", ".bz2", ".zst", ".lz4", ".Z"};
        size_t n = strlen(name);

        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                if (n > strlen(ends[i]) && streq(name + n - strlen(ends[i]), ends[i]))
                        return true;
        return false;
}

static int compare_modified(const void *a, const void *b) {
        const Sibling *x = a, *y = b;

        return x->modified < y->modified ? -1 : x->modified > y->modified;
}

/* All files beside the log that may have been the log, oldest first. The caller frees the array. */
static size_t find_siblings(const SourceFile *f, Sibling **ret) {
        char directory_text[PATH_MAX], base_text[PATH_MAX];
        const char *directory, *base;
        Sibling *found = NULL;
        struct dirent *entry;
        size_t n = 0;
        DIR *d;

        *ret = NULL;
        (void) snprintf(directory_text, sizeof(directory_text), "%s", f->base.name);
        (void) snprintf(base_text, sizeof(base_text), "%s", f->base.name);
        directory = dirname(directory_text);
        base = basename(base_text);
        d = opendir(directory);
        if (!d)
                return 0;
        while ((entry = readdir(d)) && n < 1024) {
                Sibling s = {0}, *more;
                struct stat st;

                if (!is_sibling_name(entry->d_name, base) ||
                        snprintf(s.path, sizeof(s.path), "%s/%s", directory, entry->d_name) >=
                                (int) sizeof(s.path) ||
                        lstat(s.path, &st) < 0 || !S_ISREG(st.st_mode))
                        continue;
                s.device = st.st_dev;
                s.inode = st.st_ino;
                s.modified =
                        (uint64_t) st.st_mtim.tv_sec * USEC_PER_SEC + (uint64_t) st.st_mtim.tv_nsec / 1000;
                s.compressed = is_compressed_name(entry->d_name);
                more = realloc(found, (n + 1) * sizeof(Sibling));
                if (!more)
                        break;
                found = more;
                found[n++] = s;
        }
        (void) closedir(d);
        if (n > 0)
                qsort(found, n, sizeof(Sibling), compare_modified);
        *ret = found;
        return n;
}

/* Files that were the log after it was left at a position, and that nobody has read: rotated away between
 * two looks. Some may be of the same moment, for the clock of files is coarse; one read again changes
 * nothing. Of a copy (copytruncate) only what follows the position is read. One may also be a copy of the
 * current file, and what was dropped as the rest of a torn message come again: nobody can tell what precedes
 * what. */
static void add_missed(SourceFile *f, const FilePosition *left, Tail *current) {
        _cleanup_free_ Sibling *siblings = NULL;
        size_t n = find_siblings(f, &siblings);

        for (size_t i = 0; i < n; i++) {
                const Sibling *s = &siblings[i];
                Tail *t;

                if (s->modified < left->modified || is_open(f, s->device, s->inode) ||
                        same_file(current, s->device, s->inode))
                        continue;
                if (s->compressed)
                        note_gap(f, s->path);
                else if (tail_open(f, s->path, &t) >= 0) {
                        if (file_tail_resembles(&t->file, left))
                                (void) file_tail_skip(&t->file, left);
                        t->unknown = true;
                        if (current)
                                current->unknown = true;
                        add_old(f, t);
                }
        }
}

/* Opens the file that a saved position was in, under whatever name it has now. */
static Tail *find_saved(SourceFile *f, const FilePosition *p) {
        _cleanup_free_ Sibling *siblings = NULL;
        size_t n = find_siblings(f, &siblings);

        for (size_t i = 0; i < n; i++) {
                _cleanup_(tail_freep) Tail *t = NULL;

                if (siblings[i].inode != p->inode || siblings[i].device != p->device ||
                        tail_open(f, siblings[i].path, &t) < 0)
                        continue;
                if (file_tail_matches(&t->file, p) && file_tail_seek(&t->file, p) >= 0)
                        return TAKE_PTR(t);
        }
        return NULL;
}

/* ---- lines ---- */

static usec_t record_time(const Record *record) {
        SourceFile *f = record->userdata;
        usec_t t;

        return log_stamp_parse(&f->clock, record->stamp, record->read_time, &t) < 0 ? 0 : t;
}

static const RecordOps record_ops = {.time = record_time};

static void deliver_line(SourceFile *f, Span line, bool cut, usec_t now) {
        Record record = {.ops = &record_ops, .userdata = f, .source = f->base.name, .read_time = now};

        if (line_record(&f->heads, line, cut, &record))
                source_deliver(&f->base, &record);
}

/* The current file was cut short (copytruncate): it is read from its start, but its copy first. Returns
 * false: there is more to be read. */
static bool restart(SourceFile *f) {
        FilePosition left = f->current->file.position;

        f->current->over = file_tail_rewind(&f->current->file) < 0;
        add_missed(f, &left, f->current);
        return false;
}

/* Reads up to *budget lines. Returns true when it is at the end for now. */
static bool read_tail(SourceFile *f, Tail *t, unsigned *budget) {
        usec_t now = time_now();

        while (*budget > 0) {
                bool cut;
                Span line;
                int r;

                if (t->over)
                        return true;
                r = file_tail_next(&t->file, &line, &cut);

                switch (r) {
                case FILE_TAIL_MORE:
                        (*budget)--;
                        t->last_line = now;
                        if (t->unknown)
                                note_gap(f, NULL);
                        t->unknown = false;
                        deliver_line(f, line, cut, now);
                        break;
                case FILE_TAIL_END:
                        return true;
                case FILE_TAIL_REPLACED:
                        note_gap(f, NULL);
                        if (t == f->current)
                                return restart(f);
                        /* an old file that was cut short has nothing more for us */
                        t->over = true;
                        break;
                default:
                        source_note(&f->base, SOURCE_NOTE_TROUBLE, "%s can't be read: %s", f->base.name,
                                strerror(-r));
                        return true;
                }
        }
        return false;
}

static void close_quiet(SourceFile *f) {
        usec_t now = time_now();
        size_t kept = 0;

        for (size_t i = 0; i < f->n_old; i++)
                if (now - f->old[i]->last_line > OLD_KEEP_USEC && now >= f->old[i]->last_line)
                        tail_free(f->old[i]);
                else
                        f->old[kept++] = f->old[i];
        f->n_old = kept;
}

static int on_work(sd_event_source *source, void *userdata) {
        SourceFile *f = userdata;
        unsigned budget = LINES_AT_ONCE;
        bool at_end = true;

        (void) source;
        for (size_t i = 0; i < f->n_old && at_end; i++)
                at_end = read_tail(f, f->old[i], &budget);
        if (at_end && f->current)
                at_end = read_tail(f, f->current, &budget);
        if (!at_end)
                want_work(f);
        return 0;
}

/* ---- what the path names ---- */

/* Looks at the path anew: the same file, another one, or none. */
static void look(SourceFile *f) {
        _cleanup_(tail_freep) Tail *t = NULL;
        int r = tail_open(f, f->base.name, &t);

        close_quiet(f);
        if (r < 0) {
                /* a renamed log stays the current one until its successor is there */
                if (r != -ENOENT || !f->current)
                        source_note(&f->base, SOURCE_NOTE_TROUBLE, "%s can't be opened: %s", f->base.name,
                                strerror(-r));
                want_work(f);
                return;
        }
        source_note(&f->base, SOURCE_NOTE_WELL, "%s is open", f->base.name);
        if (!same_file(f->current, t->file.position.device, t->file.position.inode)) {
                /* without a current one, which was not there at the start, the newest old one was it */
                if (f->current)
                        add_old(f, TAKE_PTR(f->current));
                if (f->n_old > 0) {
                        FilePosition left = f->old[f->n_old - 1]->file.position;

                        add_missed(f, &left, t);
                }
                f->current = TAKE_PTR(t);
        }
        want_work(f);
}

static void on_path_changed(void *userdata) {
        look(userdata);
}

/* Takes up the saved positions, oldest first; the last one was the log's own. What was written before the
 * first line that is read now is unknown without one that fits: the line may be the rest of a torn one. */
static void resume(SourceFile *f) {
        const FilePosition *left = NULL; /* from where on files may be missing */
        bool lost = f->n_saved == 0;

        for (size_t i = 0; i < f->n_saved; i++) {
                const FilePosition *p = &f->saved[i];
                bool is_last = i + 1 == f->n_saved;
                Tail *t;

                if (f->current && file_tail_matches(&f->current->file, p))
                        lost |= file_tail_seek(&f->current->file, p) < 0;
                else if ((t = find_saved(f, p))) {
                        add_old(f, t);
                        if (is_last && !left)
                                left = p;
                } else {
                        lost = true;
                        if (!left)
                                left = p;
                }
        }
        if (left)
                add_missed(f, left, f->current);
        if (lost)
                note_gap(f, NULL);
        f->saved = (free(f->saved), NULL);
        f->n_saved = 0;
}

static int source_file_attach(Source *s, sd_event *event) {
        SourceFile *f = (SourceFile *) s;
        int r;

        f->event = sd_event_ref(event);
        r = sd_event_add_defer(event, &f->work, on_work, f);
        if (r < 0) {
                f->event = sd_event_unref(f->event);
                return r;
        }
        /* behind the control and lookup sockets: a large log must not keep them waiting */
        (void) sd_event_source_set_priority(f->work, SD_EVENT_PRIORITY_NORMAL + 10);
        r = path_watch_new(event, s->name, on_path_changed, f, &f->path_watch);
        if (r < 0) {
                f->work = sd_event_source_disable_unref(f->work);
                f->event = sd_event_unref(f->event);
                return r;
        }
        look(f);
        resume(f);
        return 0;
}

static void source_file_check(Source *s) {
        look((SourceFile *) s);
}

static void source_file_encode(Source *s, ByteWriter *w) {
        static const FilePosition none;
        SourceFile *f = (SourceFile *) s;
        bool waiting = f->saved != NULL;
        size_t n = waiting ? f->n_saved : f->n_old + (f->current ? 1 : 0);

        byte_writer_u32(w, (uint32_t) n);
        byte_writer_u64(w, f->clock.latest);
        for (size_t i = 0; i < n; i++) {
                Tail *t = i < f->n_old ? f->old[i] : f->current;
                const FilePosition *p = waiting ? &f->saved[i] : &t->file.position;

                /* a position that can't be brought up to date belongs to a file that has been replaced: this
                 * one matches nothing, and that is a gap; the tail itself will see it when it reads on */
                if (!waiting && file_tail_sync(&t->file) < 0)
                        p = &none;
                file_position_encode(p, w);
        }
}

static bool source_file_decode(Source *s, Span bytes) {
        SourceFile *f = (SourceFile *) s;
        _cleanup_free_ FilePosition *saved = NULL;
        ByteReader r = BYTE_READER(bytes);
        uint32_t n = byte_reader_u32(&r);
        uint64_t latest = byte_reader_u64(&r);

        if (r.failed || n > OLD_MAX + 1)
                return false;
        saved = calloc(n + 1, sizeof(FilePosition));
        if (!saved)
                return false;
        for (uint32_t i = 0; i < n; i++)
                if (!file_position_decode(&saved[i], &r))
                        return false;
        if (!byte_reader_complete(&r))
                return false;
        f->saved = TAKE_PTR(saved);
        f->n_saved = n;
        f->clock.latest = MIN(latest, time_now());
        return true;
}

static Source *source_file_free(Source *s) {
        SourceFile *f = (SourceFile *) s;

        path_watch_free(f->path_watch);
        tail_free(f->current);
        for (size_t i = 0; i < f->n_old; i++)
                tail_free(f->old[i]);
        (void) sd_event_source_disable_unref(f->work);
        sd_event_unref(f->event);
        free(f->saved);
        free(f->clock.zone);
        free(s->name);
        free(f);
        return NULL;
}

static const SourceOps source_file_ops = {
        .attach = source_file_attach,
        .encode = source_file_encode,
        .decode = source_file_decode,
        .check = source_file_check,
        .free = source_file_free,
};

int source_file_new(
        const char *path, const LineHeads *heads, const char *zone, const SourceSink *sink, Source **ret) {
        _cleanup_(source_freep) Source *s = NULL;
        SourceFile *f = calloc(1, sizeof(SourceFile));

        if (!f)
                return -ENOMEM;
        s = &f->base;
        s->ops = &source_file_ops;
        s->sink = *sink;
        s->forgeable = true;
        s->name = strdup(path);
        f->clock.zone = zone ? strdup(zone) : NULL;
        if (!s->name || (zone && !f->clock.zone))
                return -ENOMEM;
        f->heads = *heads;
        *ret = TAKE_PTR(s);
        return 0;
}
