/* SPDX-License-Identifier: Apache-2.0 */
/* The file source. `current` is what the path names now; `old` are files that it named before and that may
 * still be written to, oldest first: a syslogd goes on writing to a renamed log until it is told. Old ones
 * are always read to their end before the current one. A line that may be the rest of another one is never
 * delivered, whichever files the two halves are in. */

#include "source/source-file.h"

#include <errno.h>

#include "loop/turn.h"
#include "source/source-file-internal.h"

/* How long a rotated file that nobody writes to is kept open: longer than any syslogd takes to reopen. */
#define OLD_KEEP_USEC (2 * USEC_PER_MINUTE)
/* How long a log may be away, as between a rotation and the next line, before it is told. */
#define GONE_USEC (10 * USEC_PER_MINUTE)
/* Lines in one go, so that the loop turns while a large log is read: some milliseconds. A long line counts
 * as several. */
#define LINES_AT_ONCE 8192
#define LINE_UNIT_BYTES 512

Tail *tail_free(Tail *t) {
        if (!t)
                return NULL;
        if (t->watched >= 0)
                path_watch_remove_file(t->path_watch, t->watched);
        file_tail_done(&t->file);
        free(t);
        return NULL;
}

static void want_work(SourceFile *f) {
        if (f->work)
                (void) sd_event_source_set_enabled(f->work, SD_EVENT_ONESHOT);
}

static void on_written(void *userdata);

int tail_open(SourceFile *f, const char *path, Tail **ret) {
        _cleanup_(tail_freep) Tail *t = calloc(1, sizeof(Tail));
        int r;

        if (!t)
                return -ENOMEM;
        t->file.fd = t->watched = -1;
        t->path_watch = f->path_watch;
        r = file_tail_open(&t->file, path);
        if (r < 0)
                return r;
        /* by descriptor: the name may be another file's by now */
        r = path_watch_add_file(f->path_watch, t->file.fd, on_written);
        /* where inotify(7) has no room for us, it is read whenever it is looked at */
        if (r < 0 && r != -EMFILE && r != -ENOSPC)
                return r;
        t->watched = MAX(r, -1);
        t->serial = ++f->serials;
        *ret = TAKE_PTR(t);
        return 0;
}

bool tail_is_of(const Tail *t, uint64_t device, uint64_t inode) {
        return t && t->file.position.device == device && t->file.position.inode == inode;
}

bool source_file_has_open(const SourceFile *f, uint64_t device, uint64_t inode) {
        if (tail_is_of(f->current, device, inode))
                return true;
        for (size_t i = 0; i < f->n_old; i++)
                if (tail_is_of(f->old[i], device, inode))
                        return true;
        return false;
}

void source_file_note_gap(SourceFile *f, const char *unread) {
        if (unread)
                source_note(&f->base, SOURCE_NOTE_GAP,
                        "%s was rotated away and can't be read any more; the logins in it are not known",
                        unread);
        else
                source_note(&f->base, SOURCE_NOTE_GAP, NULL);
}

static Tail *tail_before(const SourceFile *f, const Tail *t) {
        for (size_t i = f->n_old; i > 0; i--)
                if (t == (i == f->n_old ? f->current : f->old[i]))
                        return f->old[i - 1];
        return NULL;
}

/* Takes one out of the old ones; `newest` is the tail that follows the last of them. */
static Tail *take_old(SourceFile *f, size_t i, Tail *newest) {
        Tail *t = f->old[i], *next = i + 1 < f->n_old ? f->old[i + 1] : newest;

        if (next && next->follows) {
                next->within |= file_tail_is_unfinished(&t->file);
                next->follows = false;
        }
        memmove(f->old + i, f->old + i + 1, sizeof(f->old[0]) * (f->n_old - i - 1));
        f->n_old--;
        return t;
}

static bool has_more(const Tail *t) {
        return !t->over && !file_tail_is_at_end(&t->file);
}

void source_file_add_old(SourceFile *f, Tail *t) {
        size_t i = 0;

        if (f->n_old == OLD_MAX) {
                while (i < OLD_MAX && has_more(f->old[i]))
                        i++;
                if (i == OLD_MAX) {
                        source_file_note_gap(f, f->base.name);
                        i = 0;
                }
                tail_free(take_old(f, i, t));
        }
        f->old[f->n_old++] = t;
}

static unsigned n_changes(const SourceFile *f) {
        return f->changes.created + f->changes.moved + f->changes.others;
}

/* Whether a file has become the log as the very next one after another, with nothing in it yet: then what
 * precedes its first line is the last line of that one. One that was made and deleted again between two
 * looks shows in nothing but the directory's events, and one that was filled elsewhere (sed -i, a backup
 * that is restored) may begin with what was read before. */
static bool is_next(const SourceFile *f, const Tail *t, const Tail *before) {
        if (n_changes(f) != 1)
                return false;
        if (f->changes.moved > 0 && file_tail_size(&t->file) > 0)
                return false;
        return !file_tail_begins_alike(&t->file, &before->file.position);
}

/* A file of which nothing was read: is what precedes it known, and did that end within a line? */
static void begin_anew(SourceFile *f, Tail *t) {
        _cleanup_(log_siblings_done) LogSiblings siblings = {0};

        t->follows = f->n_old > 0;
        if (t->follows) {
                t->unknown |= !is_next(f, t, f->old[f->n_old - 1]);
                return;
        }
        log_siblings_find(f->base.name, &siblings);
        t->within = log_siblings_end_within_line(&siblings, t->file.position.device, t->file.position.inode);
}

/* ---- lines ---- */

static usec_t record_time(const Record *record) {
        SourceFile *f = record->userdata;
        usec_t t;

        return log_stamp_parse(&f->clock, record->stamp, record->read_time, &t) < 0 ? 0 : t;
}

static const RecordOps record_ops = {.time = record_time};

static void deliver_line(SourceFile *f, Span line, bool cut, usec_t read_at) {
        Record record = {.ops = &record_ops, .userdata = f, .source = f->base.name, .read_time = read_at};

        if (line_record(&f->heads, line, cut, &record))
                source_deliver(&f->base, &record);
}

/* The current file was cut short (copytruncate): it is read from its start, but its copy first. Returns
 * false: there is more to be read. */
static bool restart(SourceFile *f) {
        Tail *t = f->current;
        FilePosition left = t->file.position;

        /* where there is no copy that says how the line went on, the file goes on with the rest of it */
        t->within = file_tail_is_unfinished(&t->file);
        t->begun = t->follows = false;
        t->rewound = true;
        t->over = file_tail_rewind(&t->file) < 0;
        (void) source_file_add_missed(f, &left, false, t);
        return false;
}

/* The first line of a file is the rest of another if what came before it ended within a line: multilog
 * splits a long one over two files, and a writer may be between two write(2)s when its log is cut short. A
 * client may have chosen what the rest looks like. */
static bool is_rest(const SourceFile *f, const Tail *t) {
        const Tail *before = t->follows ? tail_before(f, t) : NULL;

        if (t->begun)
                return false;
        return before ? file_tail_is_unfinished(&before->file) : t->within;
}

static bool read_tail(SourceFile *f, Tail *t, unsigned *budget);

/* What a writer wrote to an older file before it went on to this one may have come after we were at the
 * older one's end, but it is there now. */
static void read_older(SourceFile *f, Tail *t) {
        if (t->rewound) {
                _cleanup_(log_siblings_done) LogSiblings siblings = {0};
                FilePosition left = t->file.position;
                bool found = true;

                /* it may have been filled, copied and cut short once more: nothing in it would tell */
                t->rewound = false;
                source_file_take_missed(f, &left, &found, t, &siblings);
        }
        if (t->reads == t->file.reads)
                return;
        t->reads = t->file.reads;
        for (size_t i = 0; i < f->n_old && f->old[i] != t; i++) {
                unsigned budget = LINES_AT_ONCE;

                (void) read_tail(f, f->old[i], &budget);
        }
}

static void on_line(SourceFile *f, Tail *t, Span line, bool cut) {
        bool rest = is_rest(f, t);
        /* two files that are written to in turns: what was read last is not what was written last */
        bool mixed = t->begun && f->last != 0 && f->last != t->serial;

        if (t->unknown || rest || mixed)
                source_file_note_gap(f, NULL);
        t->unknown = false;
        t->begun = true;
        f->last = t->serial;
        if (rest)
                f->base.discarded++;
        else
                /* not the turn's time: what was written during it is younger than that */
                deliver_line(f, line, cut, t->file.read_at);
}

/* Reads up to *budget lines. Returns true when it is at the end for now. */
static bool read_tail(SourceFile *f, Tail *t, unsigned *budget) {
        while (*budget > 0) {
                bool cut;
                Span line;
                int r;

                if (t->over)
                        return true;
                r = file_tail_next(&t->file, &line, &cut);

                switch (r) {
                case FILE_TAIL_MORE:
                        *budget -= MIN(*budget, 1 + (unsigned) (line.size / LINE_UNIT_BYTES));
                        read_older(f, t);
                        on_line(f, t, line, cut);
                        break;
                case FILE_TAIL_END:
                        return true;
                case FILE_TAIL_BUSY:
                        return false;
                case FILE_TAIL_REPLACED:
                        *budget -= 1;
                        source_file_note_gap(f, NULL);
                        if (t == f->current)
                                return restart(f);
                        /* an old file that was cut short has nothing more for us; one that is only being
                         * made may have been given its time before its first byte */
                        t->over = !file_tail_is_unread(&t->file);
                        break;
                default:
                        source_note(&f->base, SOURCE_NOTE_TROUBLE, "%s can't be read: %s", f->base.name,
                                strerror(-r));
                        return true;
                }
        }
        return false;
}

/* Whether a file that came after this old one has been written to: else its writer was never told. */
static bool has_successor(const SourceFile *f, size_t i) {
        while (++i < f->n_old)
                if (f->old[i]->begun)
                        return true;
        return f->current && f->current->begun;
}

static void close_quiet(SourceFile *f) {
        usec_t now = time_now();

        for (size_t i = f->n_old; i > 0; i--) {
                usec_t last = f->old[i - 1]->file.read_at;

                if (now >= last && now - last > OLD_KEEP_USEC && has_successor(f, i - 1))
                        tail_free(take_old(f, i - 1, f->current));
        }
}

static void look(SourceFile *f);

static void work(SourceFile *f) {
        unsigned budget = LINES_AT_ONCE;
        bool at_end = true;

        /* before what is in the log: it may have been away, and what was there instead says what precedes */
        if (path_watch_take(f->path_watch, &f->changes))
                look(f);
        for (size_t i = 0; i < f->n_old && at_end; i++)
                at_end = read_tail(f, f->old[i], &budget);
        if (at_end && f->current)
                at_end = read_tail(f, f->current, &budget);
        f->base.is_read |= at_end;
        if (!at_end)
                want_work(f);
}

static int on_work(
        _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *userdata) {
        work(userdata);
        return 0;
}

/* This is a turn, too, unless one has been asked for. */
static void on_written(void *userdata) {
        SourceFile *f = userdata;
        int enabled;

        if (sd_event_source_get_enabled(f->work, &enabled) == 0)
                work(f);
}

/* ---- what the path names ---- */

/* The path names no file that can be read. */
static void on_missing(SourceFile *f, int error) {
        usec_t now = time_now();

        if (error == -ENOENT && f->current) {
                /* a renamed log stays the current one until its successor is there */
                if (f->gone_since == 0 || now < f->gone_since)
                        f->gone_since = now;
                if (now - f->gone_since < GONE_USEC)
                        return;
        }
        source_note(&f->base, SOURCE_NOTE_TROUBLE, "%s can't be opened: %s", f->base.name,
                error == -EINVAL ? "it is not a regular file" : strerror(-error));
}

/* The path has come to name another file. */
static void take_up(SourceFile *f, Tail *t) {
        /* an old one that is cut short has nothing more for us, but this one was the log until now */
        if (f->current && file_tail_is_replaced(&f->current->file))
                (void) restart(f);
        /* without a current one, which was not there at the start, the newest old one was it */
        if (f->current)
                source_file_add_old(f, TAKE_PTR(f->current));
        for (size_t i = 0; i < f->n_old; i++)
                if (tail_is_of(f->old[i], t->file.position.device, t->file.position.inode)) {
                        Tail *known = take_old(f, i, NULL);

                        /* it has come back, as a directory does, or a link that is set to and fro */
                        f->current = known->over ? t : known;
                        f->current->unknown |= n_changes(f) != 1;
                        tail_free(known->over ? known : t);
                        return;
                }
        begin_anew(f, t);
        if (f->n_old > 0) {
                FilePosition left = f->old[f->n_old - 1]->file.position;

                (void) source_file_add_missed(f, &left, true, t);
        }
        f->current = t;
}

/* Opens what the path names, so that all that it named before has been counted. */
static int open_named(SourceFile *f, Tail **ret) {
        int r = tail_open(f, f->base.name, ret);

        for (unsigned i = 0; path_watch_take(f->path_watch, &f->changes); i++) {
                if (i == PASSES_MAX) {
                        f->changes.others += 2;
                        break;
                }
                if (r >= 0)
                        *ret = tail_free(*ret);
                r = tail_open(f, f->base.name, ret);
        }
        return r;
}

/* Looks at the path anew: the same file, another one, or none. */
static void look(SourceFile *f) {
        _cleanup_(tail_freep) Tail *t = NULL;
        int r = open_named(f, &t);

        close_quiet(f);
        if (r < 0)
                on_missing(f, r);
        else {
                f->gone_since = 0;
                if (t->watched >= 0)
                        source_note(&f->base, SOURCE_NOTE_WELL, "%s is open", f->base.name);
                else
                        source_note(&f->base, SOURCE_NOTE_TROUBLE,
                                "%s is read only now and then: inotify(7) has no room for a watch",
                                f->base.name);
                if (!tail_is_of(f->current, t->file.position.device, t->file.position.inode))
                        take_up(f, TAKE_PTR(t));
                else {
                        if (f->current->watched < 0) {
                                f->current->watched = t->watched;
                                t->watched = -1;
                        }
                        /* it has come back, and another one may have been in its place */
                        f->current->unknown |= n_changes(f) > 0;
                }
                f->changes = (PathChanges){0};
        }
        want_work(f);
}

static void on_path_changed(void *userdata) {
        look(userdata);
}

/* The file that was read before the stop is not to be found. */
static void note_lost(SourceFile *f, const FilePosition *left) {
        char text[TIME_TEXT_BYTES];

        source_note(&f->base, SOURCE_NOTE_GAP,
                "%s is not the file that was read until %s, and that one is gone; what was logged there "
                "after "
                "that is not known",
                f->base.name, time_stamp_format(text, left->modified));
}

/* Whether the file of a position is there, whatever is in it and whoever may read it. */
static bool is_there(const SourceFile *f, const FilePosition *p) {
        _cleanup_free_ char *path = log_sibling_find_inode(f->base.name, p->device, p->inode);

        return path;
}

/* Opens the file that a saved position was in, under whatever name it has now. */
static Tail *find_saved(SourceFile *f, const FilePosition *p) {
        _cleanup_(tail_freep) Tail *t = NULL;
        _cleanup_free_ char *path = NULL;

        if (p->head_size > 0)
                path = log_sibling_find_inode(f->base.name, p->device, p->inode);
        if (!path || tail_open(f, path, &t) < 0 || !file_tail_matches(&t->file, p) ||
                file_tail_seek(&t->file, p) < 0)
                return NULL;
        t->begun = true;
        return TAKE_PTR(t);
}

/* Takes up one saved position. Returns the tail that it was in, or NULL. */
static Tail *resume_one(SourceFile *f, const FilePosition *p) {
        Tail *t;

        if (f->current && file_tail_matches(&f->current->file, p)) {
                if (file_tail_seek(&f->current->file, p) < 0)
                        return NULL;
                f->current->begun = true;
                return f->current;
        }
        t = find_saved(f, p);
        if (t)
                source_file_add_old(f, t);
        return t;
}

/* Takes up the saved positions, oldest first; the last one was the log's own. What was written before the
 * first line that is read now is unknown without one that fits: the line may be the rest of a torn one. So
 * is what was written before another file's, as nobody has counted how many there were. */
static void resume(SourceFile *f) {
        _cleanup_(log_siblings_done) LogSiblings siblings = {0};
        const FilePosition *left = NULL; /* from where on files may be missing */
        unsigned lost = f->n_saved == 0 ? 1 : 0;
        bool found = false; /* the file of `left` is open, or nothing of it is missing */
        Fate fate = FATE_UNKNOWN;

        log_siblings_find(f->base.name, &siblings);
        for (size_t i = 0; i < f->n_saved; i++) {
                const FilePosition *p = &f->saved[i];
                Tail *t = resume_one(f, p);
                bool known = t || source_file_has_complete(&siblings, p);

                if (t && i + 1 == f->saved_last)
                        f->last = t->serial;
                lost += !known;
                if (!left && (!known || (i + 1 == f->n_saved && (!t || t != f->current)))) {
                        left = p;
                        found = known;
                }
        }
        if (left)
                fate = source_file_add_missed(f, left, found, f->current);
        if (f->current && !f->current->begun && !f->current->follows)
                begin_anew(f, f->current);
        if (lost == 1 && left && fate == FATE_WELL)
                lost = 0;
        /* what a restored log says again is no loss, nor what can't be opened for the moment */
        if (lost && left && fate == FATE_UNKNOWN && left->offset > 0 &&
                !(f->current ? file_tail_resembles(&f->current->file, left) : is_there(f, left)))
                note_lost(f, left);
        else if (lost)
                source_file_note_gap(f, NULL);
        f->saved = (free(f->saved), NULL);
        f->n_saved = 0;
}

static int source_file_attach(Source *s, sd_event *event) {
        SourceFile *f = (SourceFile *) s;
        int r;

        f->event = sd_event_ref(event);
        r = turn_new(event, on_work, f, &f->work);
        if (r < 0) {
                f->event = sd_event_unref(f->event);
                return r;
        }
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
        SourceFile *f = (SourceFile *) s;

        path_watch_renew(f->path_watch);
        look(f);
}

static void source_file_encode(Source *s, ByteWriter *w) {
        SourceFile *f = (SourceFile *) s;
        bool waiting = f->saved != NULL;
        size_t n = waiting ? f->n_saved : f->n_old + (f->current ? 1 : 0);
        uint32_t last = waiting ? f->saved_last : 0;

        for (size_t i = 0; !waiting && i < n; i++)
                if ((i < f->n_old ? f->old[i] : f->current)->serial == f->last)
                        last = (uint32_t) i + 1;
        byte_writer_u32(w, (uint32_t) n);
        byte_writer_u32(w, last);
        byte_writer_u64(w, f->clock.latest);
        for (size_t i = 0; i < n; i++) {
                Tail *t = i < f->n_old ? f->old[i] : f->current;
                const FilePosition *p = waiting ? &f->saved[i] : &t->file.position;
                /* matches nothing, but what is newer can be found by it */
                FilePosition none = {.modified = p->modified};

                /* a position that can't be brought up to date belongs to a file that has been replaced, and
                 * that is a gap; the tail itself will see it when it reads on */
                if (!waiting && file_tail_sync(&t->file) < 0)
                        p = &none;
                file_position_encode(p, w);
        }
}

static bool source_file_decode(Source *s, Span bytes) {
        SourceFile *f = (SourceFile *) s;
        _cleanup_free_ FilePosition *saved = NULL;
        ByteReader r = BYTE_READER(bytes);
        uint32_t n = byte_reader_u32(&r), last = byte_reader_u32(&r);
        uint64_t latest = byte_reader_u64(&r);

        if (r.failed || n > OLD_MAX + 1 || last > n)
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
        f->saved_last = last;
        f->clock.latest = MIN(latest, time_now());
        return true;
}

static Source *source_file_free(Source *s) {
        SourceFile *f = (SourceFile *) s;

        tail_free(f->current);
        for (size_t i = 0; i < f->n_old; i++)
                tail_free(f->old[i]);
        path_watch_free(f->path_watch);
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
