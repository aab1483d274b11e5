/* SPDX-License-Identifier: Apache-2.0 */
/* The FIFO source. It holds the FIFO open for reading and writing, so that it never comes to an end, and
 * never lets it fill up, so that no writer waits.
 *
 * What is in a FIFO can be read once. So it is looked at with tee(2), and taken out in whole lines only, and
 * only when the logins among them are published: a daemon that is killed at any moment leaves the next one
 * what it had not yet made good use of, and always a FIFO that begins with a line. */

#include "source/source-fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "loop/turn.h"
#include "source/line-splitter.h"
#include "source/log-stamp.h"
#include "source/path-watch.h"

/* A FIFO's usual size, and that of the pipe that it is looked at through. */
#define LOOK_BYTES ((size_t) 64 * 1024)
/* So much in it, and there is no time left to wait for the publisher. */
#define FULL_BYTES (LOOK_BYTES / 2)
/* Longer than the publisher usually takes, so that it is not made to write more often. */
#define SETTLE_USEC (50 * USEC_PER_MSEC)
/* How soon to look again at the half of a line, and when to leave it to what else wakes us. */
#define AGAIN_MIN_USEC (1 * USEC_PER_MSEC)
#define AGAIN_MAX_USEC (30 * USEC_PER_SEC)
/* Longer than any head of a line is, up to its first byte that is no letter or digit ("@" and 24 digits). */
#define HEAD_MIN_BYTES 32

typedef struct SourceFifo {
        Source base;
        LineHeads heads;
        LogClock clock;
        char *place;
        sd_event *event;
        sd_event_source *io, *work, *settle, *again;
        usec_t again_usec;
        PathWatch *path_watch;
        int fd, look[2]; /* the FIFO, and the pipe that it is looked at through */
        char *buffer;
        size_t seen;    /* bytes at its beginning that were delivered and not taken out yet */
        bool passed;    /* by whoever holds it open: its owner is none of our business */
        bool unsettled; /* there is a login in what was seen */
        bool dropping;  /* inside an over-long line */
        bool resumed;   /* taken over from another source: nothing can be missing */
} SourceFifo;

/* ---- opening ---- */

/* Says why, in trouble. Returns r. */
static int refuse(SourceFifo *f, int r, const char *reason) {
        source_note(&f->base, SOURCE_NOTE_TROUBLE, "%s: Fifo=%s: %s", f->place, f->base.name, reason);
        return r;
}

static int check(SourceFifo *f, const struct stat *st) {
        if (!S_ISFIFO(st->st_mode))
                return refuse(f, -EINVAL, "it is there and is not a FIFO");
        if (st->st_mode & S_IWOTH)
                return refuse(f, -EPERM, "everybody may write to it, and so log in whomever he likes");
        if (!f->passed && st->st_uid != 0 && st->st_uid != geteuid())
                return refuse(f, -EPERM, "it belongs to neither root nor the daemon's user");
        return 0;
}

static int open_path(SourceFifo *f) {
        const char *path = f->base.name;
        struct stat st;
        int r;

        f->passed = false;
        if (lstat(path, &st) < 0 && errno == ENOENT && mkfifo(path, 0600) < 0 && errno != EEXIST)
                return refuse(f, -errno, strerror(errno));
        if (lstat(path, &st) < 0)
                return refuse(f, -errno, strerror(errno));
        if (S_ISLNK(st.st_mode))
                return refuse(f, -ELOOP, "it is a symbolic link");
        /* before it is opened, too: opening a device can do something */
        r = check(f, &st);
        if (r < 0)
                return r;
        f->fd = open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
        return f->fd < 0 ? refuse(f, -errno, strerror(errno)) : 0;
}

static int open_fifo(SourceFifo *f) {
        int r = f->fd < 0 ? open_path(f) : 0;
        struct stat st;

        if (r >= 0)
                r = fstat(f->fd, &st) < 0 ? -errno : check(f, &st);
        if (r >= 0 && fcntl(f->fd, F_SETFL, O_NONBLOCK) < 0)
                r = -errno;
        if (r >= 0 && f->look[0] < 0 && pipe2(f->look, O_CLOEXEC | O_NONBLOCK) < 0)
                r = -errno;
        return r;
}

/* ---- lines ---- */

static usec_t record_time(const Record *record) {
        SourceFifo *f = record->userdata;

        return log_stamp_time(&f->clock, record);
}

static const RecordOps record_ops = {.time = record_time};

static void deliver_line(SourceFifo *f, Span line, usec_t now) {
        Record record = {.ops = &record_ops, .userdata = f, .source = f->base.name, .read_time = now};
        bool cut = line.size > LINE_MAX_BYTES;

        if (cut)
                line.size = LINE_MAX_BYTES;
        else if (line.size > 0 && line.data[line.size - 1] == '\r')
                line.size--;
        if (line_record(&f->heads, line, cut, &record))
                source_deliver(&f->base, &record);
}

static bool is_letter_or_digit(char c) {
        return (unsigned char) ((c | 0x20) - 'a') < 26 || (unsigned char) (c - '0') < 10;
}

/* How many bytes of an over-long line to drop, so that what stays can't be taken for the beginning of a line
 * by a daemon that knows nothing of it: all heads begin with a letter, a digit or "@", and have something
 * else soon. */
static size_t droppable(Span s) {
        for (size_t i = s.size; i > s.size - HEAD_MIN_BYTES; i--)
                if (!is_letter_or_digit(s.data[i - 1]) && s.data[i - 1] != '@')
                        return i - 1;
        return s.size - HEAD_MIN_BYTES;
}

/* Delivers the whole lines among what is in the FIFO now. Returns whether there were any. */
static bool deliver(SourceFifo *f, size_t n) {
        usec_t now = time_now();
        size_t at = MIN(f->seen, n), before = at;
        const char *newline;

        while (at < n && (newline = memchr(f->buffer + at, '\n', n - at))) {
                if (!f->dropping)
                        deliver_line(f, span_make(f->buffer + at, (size_t) (newline - f->buffer) - at), now);
                f->dropping = false;
                at = (size_t) (newline - f->buffer) + 1;
        }
        if (n - at > LINE_MAX_BYTES) {
                if (!f->dropping)
                        deliver_line(f, span_make(f->buffer + at, n - at), now);
                f->dropping = true;
                at += droppable(span_make(f->buffer + at, n - at));
        }
        f->seen = at;
        return at > before;
}

/* ---- the FIFO ---- */

static void want_work(SourceFifo *f) {
        (void) sd_event_source_set_enabled(f->work, SD_EVENT_ONESHOT);
}

/* Copies what is in the FIFO to the buffer and leaves it there. Returns how much, or -errno. */
static ssize_t look(SourceFifo *f) {
        ssize_t n = tee(f->fd, f->look[1], LOOK_BYTES, SPLICE_F_NONBLOCK);

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        /* a pipe gives all it has at once */
        if (read(f->look[0], f->buffer, (size_t) n) == n)
                return n;
        f->look[0] = close_fd(f->look[0]);
        f->look[1] = close_fd(f->look[1]);
        return pipe2(f->look, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : -EIO;
}

/* Takes out of the FIFO what has been delivered. */
static void take(SourceFifo *f) {
        (void) sd_event_source_set_enabled(f->settle, SD_EVENT_OFF);
        f->unsettled = false;
        while (f->seen > 0) {
                ssize_t k = read(f->fd, f->buffer, MIN(f->seen, LOOK_BYTES));

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        break;
                f->seen -= (size_t) k;
        }
        f->seen = 0;
}

static void settle(SourceFifo *f) {
        /* whether or not that works out: the FIFO must not fill up */
        if (f->unsettled && f->base.sink.settle)
                f->base.sink.settle(f->base.sink.userdata);
        take(f);
}

static bool has_more_than(const SourceFifo *f, size_t n) {
        int all;

        return ioctl(f->fd, FIONREAD, &all) >= 0 && (size_t) all > n;
}

/* Once, and not again for each line that comes meanwhile. */
static void want_settling(SourceFifo *f) {
        int enabled;

        if (sd_event_source_get_enabled(f->settle, &enabled) < 0 || enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(f->settle, SETTLE_USEC);
        (void) sd_event_source_set_enabled(f->settle, SD_EVENT_ONESHOT);
}

/* A writer that waits for room in the middle of one write() wakes nobody when it goes on, unless the FIFO
 * was empty; and with the half of a line in it, it was not. */
static void want_another_look(SourceFifo *f, bool any, bool rest) {
        if (any)
                f->again_usec = AGAIN_MIN_USEC;
        if (!rest || f->again_usec > AGAIN_MAX_USEC) {
                (void) sd_event_source_set_enabled(f->again, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time_relative(f->again, f->again_usec);
        (void) sd_event_source_set_enabled(f->again, SD_EVENT_ONESHOT);
        f->again_usec *= 2;
}

/* One look a turn of the loop, so that whoever floods the FIFO keeps nobody else waiting. */
static int on_work(
        _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *userdata) {
        SourceFifo *f = userdata;
        ssize_t n = look(f);
        bool any;

        if (n < 0) {
                source_note(&f->base, SOURCE_NOTE_TROUBLE, "%s can't be read: %s", f->base.name,
                        strerror((int) -n));
                return 0;
        }
        any = deliver(f, (size_t) n);
        want_another_look(f, any, f->seen < (size_t) n);
        if (!f->unsettled || f->seen >= FULL_BYTES || has_more_than(f, (size_t) n))
                settle(f);
        else
                want_settling(f);
        if (any)
                want_work(f);
        return 0;
}

static int on_io(
        _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *userdata) {
        want_work(userdata);
        return 0;
}

static int on_again(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        want_work(userdata);
        return 0;
}

static int on_settle(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        SourceFifo *f = userdata;

        settle(f);
        want_work(f);
        return 0;
}

static void source_fifo_settled(Source *s) {
        SourceFifo *f = (SourceFifo *) s;

        if (f->fd >= 0 && f->work)
                take(f);
}

static void source_fifo_on_login(Source *s) {
        ((SourceFifo *) s)->unsettled = true;
}

/* ---- life ---- */

static void detach(SourceFifo *f) {
        f->io = sd_event_source_disable_unref(f->io);
        f->work = sd_event_source_disable_unref(f->work);
        f->settle = sd_event_source_disable_unref(f->settle);
        f->again = sd_event_source_disable_unref(f->again);
}

static void close_fifo(SourceFifo *f) {
        detach(f);
        f->fd = close_fd(f->fd);
        f->seen = 0;
        f->unsettled = f->dropping = f->resumed = false;
}

static int listen_to(SourceFifo *f) {
        int r = open_fifo(f);

        /* edge-triggered: the half of a line stays where it is until the other half comes */
        if (r >= 0)
                r = sd_event_add_io(f->event, &f->io, f->fd, EPOLLIN | EPOLLET, on_io, f);
        if (r >= 0)
                r = turn_new(f->event, on_work, f, &f->work);
        if (r >= 0)
                r = sd_event_add_time_relative(
                        f->event, &f->settle, CLOCK_MONOTONIC, 0, SETTLE_USEC / 5, on_settle, f);
        if (r >= 0)
                r = sd_event_source_set_enabled(f->settle, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(
                        f->event, &f->again, CLOCK_MONOTONIC, 0, AGAIN_MIN_USEC, on_again, f);
        if (r >= 0)
                r = sd_event_source_set_enabled(f->again, SD_EVENT_OFF);
        if (r < 0) {
                source_note(
                        &f->base, SOURCE_NOTE_TROUBLE, "%s can't be read: %s", f->base.name, strerror(-r));
                close_fifo(f);
                return r;
        }
        /* what was read before may have been the first half of a torn message */
        if (!f->resumed)
                source_note(&f->base, SOURCE_NOTE_GAP, NULL);
        return 0;
}

/* Whether the path names the FIFO that is open. */
static bool is_in_place(const SourceFifo *f) {
        struct stat here, there;

        return f->fd >= 0 && fstat(f->fd, &here) >= 0 && lstat(f->base.name, &there) >= 0 &&
               here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

static void on_path_changed(void *userdata) {
        SourceFifo *f = userdata;

        if (is_in_place(f))
                return;
        if (f->fd >= 0) {
                (void) on_work(NULL, -1, 0, f);
                settle(f);
                close_fifo(f);
        }
        if (listen_to(f) >= 0)
                source_note(&f->base, SOURCE_NOTE_WELL, "%s is open", f->base.name);
}

static int source_fifo_attach(Source *s, sd_event *event) {
        SourceFifo *f = (SourceFifo *) s;
        int r = path_watch_new(event, s->name, on_path_changed, f, &f->path_watch);

        if (r < 0)
                return r;
        f->event = sd_event_ref(event);
        /* in the hour that a change of the clocks doubles, what is written from now on is of the later one
         */
        if (f->clock.latest == 0)
                f->clock.latest = time_now();
        (void) listen_to(f);
        return 0;
}

static void source_fifo_check(Source *s) {
        SourceFifo *f = (SourceFifo *) s;

        on_path_changed(f);
        if (f->work)
                want_work(f);
}

static void source_fifo_take_over(Source *s, Source *old) {
        SourceFifo *f = (SourceFifo *) s, *from = (SourceFifo *) old;

        if (from->fd < 0 || !from->event)
                return;
        settle(from);
        detach(from);
        close_fd(f->fd);
        f->fd = from->fd;
        f->passed = from->passed;
        f->clock.latest = from->clock.latest;
        f->dropping = from->dropping;
        f->resumed = true;
        from->fd = -1;
}

static Source *source_fifo_free(Source *s) {
        SourceFifo *f = (SourceFifo *) s;

        path_watch_free(f->path_watch);
        close_fifo(f);
        close_fd(f->look[0]);
        close_fd(f->look[1]);
        sd_event_unref(f->event);
        free(f->buffer);
        free(f->place);
        free(f->clock.zone);
        free(s->name);
        free(f);
        return NULL;
}

static const SourceOps source_fifo_ops = {
        .attach = source_fifo_attach,
        .take_over = source_fifo_take_over,
        .settled = source_fifo_settled,
        .check = source_fifo_check,
        .on_login = source_fifo_on_login,
        .free = source_fifo_free,
};

int source_fifo_new(const char *path, int fd, const LineHeads *heads, const char *zone, const char *place,
        const SourceSink *sink, Source **ret) {
        _cleanup_(source_freep) Source *s = NULL;
        SourceFifo *f = calloc(1, sizeof(SourceFifo));

        if (!f) {
                close_fd(fd);
                return -ENOMEM;
        }
        s = &f->base;
        s->ops = &source_fifo_ops;
        s->sink = *sink;
        s->forgeable = true;
        s->name = strdup(path);
        f->fd = fd;
        f->passed = fd >= 0;
        f->look[0] = f->look[1] = -1;
        f->heads = *heads;
        f->place = strdup(place);
        f->buffer = malloc(LOOK_BYTES);
        f->clock.zone = zone ? strdup(zone) : NULL;
        if (!s->name || !f->place || !f->buffer || (zone && !f->clock.zone))
                return -ENOMEM;
        *ret = TAKE_PTR(s);
        return 0;
}

int source_fifo_descriptor(const Source *s) {
        return ((const SourceFifo *) s)->fd;
}
