/* SPDX-License-Identifier: Apache-2.0 */
/* The syslog source. Who may send is decided twice, by the mode of the socket and by the uid that the kernel
 * says: an administrator who gives the socket to rsyslogd's user says both by that.
 *
 * Whose words a permitted sender passes on is not known. A datagram is one message: nothing in it, no
 * newline and no NUL, begins another one. */

#include "source/source-syslog.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/log.h"
#include "basic/unix-socket.h"
#include "loop/turn.h"
#include "model/log-line.h"
#include "source/log-stamp.h"

/* The same as of a line of a log. */
#define DATAGRAM_MAX_BYTES ((size_t) 8 * 1024)
/* Datagrams in one go, so that the loop turns while somebody floods the socket: about a millisecond. */
#define DATAGRAMS_AT_ONCE 512
/* One line of warning in this time; the number of what was dropped is in the status. */
#define WARN_USEC (10 * USEC_PER_MINUTE)

typedef struct SourceSyslog {
        Source base;
        LogClock clock;
        char *path;
        int fd;
        uid_t owner; /* of the socket: who may send beside root */
        sd_event_source *io;
        bool resumed; /* taken over from another source: nothing can be missing */
        usec_t stranger_told, unknown_told;
        char buffer[DATAGRAM_MAX_BYTES];
} SourceSyslog;

static usec_t record_time(const Record *record) {
        SourceSyslog *y = record->userdata;

        return log_stamp_time(&y->clock, record);
}

static const RecordOps record_ops = {.time = record_time};

/* What may stand behind a message: the newline of a template, the NUL of a C library. */
static Span trim_end(Span s) {
        if (s.size > 0 && s.data[s.size - 1] == 0)
                s.size--;
        if (s.size > 0 && s.data[s.size - 1] == '\n')
                s.size--;
        return s;
}

/* Counts it, and says whether it is time for a line about it. */
static bool drop(SourceSyslog *y, usec_t *told, usec_t now) {
        y->base.discarded++;
        if (*told > 0 && now - *told < WARN_USEC && now >= *told)
                return false;
        *told = now;
        return true;
}

static void deliver(SourceSyslog *y, Span datagram, bool cut, usec_t now) {
        Record record = {.ops = &record_ops, .userdata = y, .source = y->base.name, .read_time = now};
        Span text = cut ? datagram : trim_end(datagram);
        char sample[LOG_TEXT_BYTES];
        LogLine l;

        if (!log_line_parse_datagram(text, &l)) {
                if (drop(y, &y->unknown_told, now))
                        source_note(&y->base, SOURCE_NOTE_WARNING,
                                "syslog: a message has no head that is known (its template?): %s",
                                log_text(sample, text));
                return;
        }
        record.host = l.host;
        record.identifier = l.identifier;
        record.pid = l.pid;
        record.message = l.message;
        record.stamp = l.stamp;
        record.cut = cut;
        record.raw_size = cut ? DATAGRAM_MAX_BYTES : l.message.size;
        source_deliver(&y->base, &record);
}

/* The sender as the kernel knows it; -1 when it was sent before the socket asked for that. */
static uid_t sender_of(struct msghdr *m) {
        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS &&
                        c->cmsg_len == CMSG_LEN(sizeof(struct ucred))) {
                        struct ucred sender;

                        memcpy(&sender, CMSG_DATA(c), sizeof(sender));
                        return sender.uid;
                }
        return (uid_t) -1;
}

/* Returns 1, 0 if there is nothing, or -errno. */
static int receive(SourceSyslog *y) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct iovec data = {y->buffer, sizeof(y->buffer)};
        struct msghdr m = {.msg_iov = &data,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control)};
        /* descriptors that come with it find no room and are closed by the kernel */
        ssize_t n = recvmsg(y->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        usec_t now = time_now();
        uid_t sender;

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        sender = sender_of(&m);
        if (sender == 0 || (sender == y->owner && sender != (uid_t) -1))
                deliver(y, span_make(y->buffer, (size_t) n), m.msg_flags & MSG_TRUNC, now);
        else if (drop(y, &y->stranger_told, now))
                source_note(&y->base, SOURCE_NOTE_WARNING,
                        "syslog: uid %d sent a message; only root and the owner of %s may (SocketUser=)",
                        (int) sender, y->path);
        return 1;
}

static int on_io(
        _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *userdata) {
        SourceSyslog *y = userdata;
        int r = 1;

        for (unsigned i = 0; r > 0 && i < DATAGRAMS_AT_ONCE; i++)
                r = receive(y);
        if (r < 0)
                source_note(&y->base, SOURCE_NOTE_TROUBLE, "%s can't be read: %s", y->path, strerror(-r));
        else
                source_note(&y->base, SOURCE_NOTE_WELL, "%s can be read again", y->path);
        return 0;
}

/* ---- life ---- */

/* The kernel's uid for whom it can't name; there is a user of that number. */
#define UID_UNKNOWN 65534

/* The socket's file, wherever its unit has put it, says who may send. */
static int find_owner(SourceSyslog *y) {
        struct sockaddr_un address = {0};
        socklen_t size = sizeof(address);
        struct stat st;

        y->owner = 0;
        if (getsockname(y->fd, (struct sockaddr *) &address, &size) < 0)
                return -errno;
        /* an abstract one, or one that was removed, belongs to nobody */
        if (address.sun_path[0] && memchr(address.sun_path, 0, sizeof(address.sun_path)) &&
                lstat(address.sun_path, &st) >= 0 && S_ISSOCK(st.st_mode) && st.st_uid != UID_UNKNOWN)
                y->owner = st.st_uid;
        return 0;
}

static void close_socket(SourceSyslog *y) {
        y->io = sd_event_source_disable_unref(y->io);
        y->fd = close_fd(y->fd);
}

static int source_syslog_attach(Source *s, sd_event *event) {
        SourceSyslog *y = (SourceSyslog *) s;
        const int yes = 1;
        int r = 0;

        if (y->fd < 0)
                y->fd = r = unix_socket_open(y->path, SOCK_DGRAM, 0600);
        if (r < 0)
                source_note(s, SOURCE_NOTE_TROUBLE, "%s can't be opened: %s", y->path, strerror(-r));
        if (r >= 0 && setsockopt(y->fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) < 0)
                r = -errno;
        if (r >= 0)
                r = find_owner(y);
        if (r >= 0)
                r = sd_event_add_io(event, &y->io, y->fd, EPOLLIN, on_io, y);
        if (r >= 0)
                r = sd_event_source_set_priority(y->io, TURN_PRIORITY);
        if (r < 0) {
                close_socket(y);
                return r;
        }
        /* in the hour that a change of the clocks doubles, what is written from now on is of the later one
         */
        if (y->clock.latest == 0)
                y->clock.latest = time_now();
        if (!y->resumed)
                source_note(s, SOURCE_NOTE_GAP, NULL);
        return 0;
}

static void source_syslog_take_over(Source *s, Source *old) {
        SourceSyslog *y = (SourceSyslog *) s, *from = (SourceSyslog *) old;

        if (!from->io)
                return;
        from->io = sd_event_source_disable_unref(from->io);
        close_fd(y->fd);
        y->fd = from->fd;
        y->clock.latest = from->clock.latest;
        y->resumed = true;
        from->fd = -1;
}

static Source *source_syslog_free(Source *s) {
        SourceSyslog *y = (SourceSyslog *) s;

        close_socket(y);
        free(y->path);
        free(y->clock.zone);
        free(s->name);
        free(y);
        return NULL;
}

static const SourceOps source_syslog_ops = {
        .attach = source_syslog_attach,
        .take_over = source_syslog_take_over,
        .free = source_syslog_free,
};

int source_syslog_new(const char *path, int fd, const char *zone, const SourceSink *sink, Source **ret) {
        _cleanup_(source_freep) Source *s = NULL;
        SourceSyslog *y = calloc(1, sizeof(SourceSyslog));

        if (!y) {
                close_fd(fd);
                return -ENOMEM;
        }
        s = &y->base;
        s->ops = &source_syslog_ops;
        s->sink = *sink;
        s->forgeable = true;
        s->name = strdup("syslog");
        y->fd = fd;
        y->path = strdup(path);
        y->clock.zone = zone ? strdup(zone) : NULL;
        if (!s->name || !y->path || (zone && !y->clock.zone))
                return -ENOMEM;
        *ret = TAKE_PTR(s);
        return 0;
}
