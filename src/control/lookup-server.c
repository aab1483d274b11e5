/* SPDX-License-Identifier: Apache-2.0 */
/* Accepts connections and answers what comes on them, in its order, many requests at a time. It knows
 * nothing of grants. Nobody is waited for, and a client can at most harm its own connection: what it has
 * sent in part and what it has not read yet is kept for it, each within a bound; while answers wait to be
 * read nothing more is read from it; and neither may wait for long.
 *
 * The connections have an epoll descriptor of their own, which is one source of the loop: sd-event serves
 * one source a turn, and has the kernel look at all that are ready in each. */

#include "control/lookup-server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/time-util.h"
#include "control/socketmap.h"
#include "loop/acceptor.h"
#include "loop/turn.h"
#include "model/relay-entry.h"

/* Of one read and of one write: some hundred requests for a system call. It must hold the longest request
 * and its length. */
#define BUFFER_BYTES 16384
/* Postfix closes a connection that was idle for ten seconds; sendmail keeps it as long as an SMTP session
 * lasts, and does not ask again when it finds it closed. */
#define IDLE_USEC USEC_PER_HOUR
#define PATIENCE_USEC (10 * USEC_PER_SEC)
/* Connections accepted before others have their turn. */
#define ACCEPT_MAX 16
/* Connections served before others have theirs: the turn's own cost falls on so many, and a buffer full of
 * requests from each takes no longer than a turn of the logs. */
#define SERVE_MAX 64
/* One for each queue directory of Postfix. */
#define LISTENERS_MAX 64

typedef struct Connection {
        LookupServer *server;
        struct Connection *previous, *next; /* in the order of use */
        int fd;
        uint32_t awaits; /* EPOLLIN or EPOLLOUT; 0: it is not watched yet */
        uid_t uid;
        usec_t used;    /* monotonic clock: when it was last of use */
        usec_t stuck;   /* since when its client is waited for; 0: it is not */
        char *in, *out; /* what has come and was not answered; what was answered and is not sent */
        size_t in_size, out_size;
} Connection;

/* How many connections a uid has. */
typedef struct Share {
        uid_t uid;
        unsigned n;
} Share;

struct LookupServer {
        sd_event *event;
        const LookupHandlers *handlers;
        void *userdata;
        Acceptor *acceptor;
        int ready; /* epoll descriptor of all connections */
        sd_event_source *io;
        sd_event_source *sweep; /* its timer runs out when a connection may have waited for too long */
        usec_t sweep_at;
        Connection *oldest, *newest;
        Share shares[LOOKUP_MAX_CONNECTIONS];
        size_t n_shares, n_connections;
        uint64_t requests;
        char in[BUFFER_BYTES], out[BUFFER_BYTES]; /* of the connection that is being served */
};

static usec_t monotonic_now(const LookupServer *s) {
        uint64_t now = 0;

        (void) sd_event_now(s->event, CLOCK_MONOTONIC, &now);
        return now;
}

/* ---- connections ---- */

static void unlink_connection(LookupServer *s, Connection *c) {
        *(c->previous ? &c->previous->next : &s->oldest) = c->next;
        *(c->next ? &c->next->previous : &s->newest) = c->previous;
}

static void link_newest(LookupServer *s, Connection *c) {
        c->previous = s->newest;
        c->next = NULL;
        *(s->newest ? &s->newest->next : &s->oldest) = c;
        s->newest = c;
}

static Share *find_share(LookupServer *s, uid_t uid) {
        for (size_t i = 0; i < s->n_shares; i++)
                if (s->shares[i].uid == uid)
                        return &s->shares[i];
        return NULL;
}

static Connection *connection_free(Connection *c) {
        LookupServer *s = c->server;
        Share *share = find_share(s, c->uid);

        if (--share->n == 0)
                *share = s->shares[--s->n_shares];
        s->n_connections--;
        unlink_connection(s, c);
        /* closing alone would not do: a child that writes a file has a copy of it */
        (void) epoll_ctl(s->ready, EPOLL_CTL_DEL, c->fd, NULL);
        close_fd(c->fd);
        free(c->in);
        free(c->out);
        free(c);
        return NULL;
}

/* Waits for requests, or while there are answers that were not taken, for these to be. Returns 0 or -errno.
 */
static int watch(Connection *c) {
        uint32_t awaits = c->out_size > 0 ? EPOLLOUT : EPOLLIN;
        struct epoll_event event = {.events = awaits, .data.ptr = c};

        if (awaits == c->awaits)
                return 0;
        if (epoll_ctl(c->server->ready, c->awaits > 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &event) < 0)
                return -errno;
        c->awaits = awaits;
        return 0;
}

static void end_for(Connection *c, LookupTrouble trouble) {
        LookupServer *s = c->server;
        uid_t uid = c->uid;

        connection_free(c);
        s->handlers->trouble(s->userdata, trouble, uid);
}

static usec_t deadline_of(const Connection *c) {
        usec_t patience = c->server->handlers->patience;

        if (c->stuck == 0)
                return c->used + IDLE_USEC;
        return c->stuck + (patience > 0 ? patience : PATIENCE_USEC);
}

/* Has on_sweep() look at the connections no later than then. */
static void sweep_by(LookupServer *s, usec_t at) {
        if (at >= s->sweep_at)
                return;
        s->sweep_at = at;
        (void) sd_event_source_set_time(s->sweep, at);
        (void) sd_event_source_set_enabled(s->sweep, SD_EVENT_ONESHOT);
}

static int on_sweep(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        LookupServer *s = userdata;
        usec_t now = monotonic_now(s), due = USEC_INFINITY;

        s->sweep_at = USEC_INFINITY;
        for (Connection *c = s->oldest, *next; c; c = next) {
                next = c->next;
                if (deadline_of(c) > now)
                        due = MIN(due, deadline_of(c));
                else if (c->stuck > 0)
                        end_for(c, LOOKUP_TROUBLE_SLOW);
                else
                        connection_free(c);
        }
        sweep_by(s, due);
        return 0;
}

/* Makes place for another connection. Returns false if there is none that could be ended. */
static bool end_oldest_of_most(LookupServer *s) {
        const Share *most = s->shares;
        Connection *c = s->oldest;

        if (!c)
                return false;
        for (size_t i = 1; i < s->n_shares; i++)
                if (s->shares[i].n > most->n)
                        most = &s->shares[i];
        while (c->uid != most->uid)
                c = c->next;
        end_for(c, LOOKUP_TROUBLE_CROWD);
        return true;
}

/* ---- requests ---- */

static Span find_answer(LookupServer *s, SocketmapMap map, const IpAddr *address, char *buf) {
        Span user = SPAN_NONE;

        if (!s->handlers->allows(s->userdata, address, &user))
                return SPAN_NONE;
        if (map == SOCKETMAP_RELAY_ACCESS)
                return SPAN_LITERAL("RELAY");
        return map == SOCKETMAP_RELAY_USER ? span_make(buf, relay_user_encode(buf, user))
                                           : SPAN_LITERAL("OK");
}

/* Writes the reply to one request. Returns its length. */
static size_t answer(Connection *c, Span request, char *reply) {
        LookupServer *s = c->server;
        char user[RELAY_USER_ENCODED_BYTES];
        Span found = SPAN_NONE;
        SocketmapMap map;
        IpAddr address;
        int r = socketmap_request_parse(request, &map, &address);

        s->requests++;
        if (r < 0) {
                s->handlers->trouble(
                        s->userdata, r == -ENOENT ? LOOKUP_TROUBLE_MAP : LOOKUP_TROUBLE_GARBAGE, c->uid);
                return netstring_format(reply, SOCKETMAP_REPLY_BYTES, SPAN_LITERAL("PERM "),
                        r == -ENOENT ? SPAN_LITERAL("there is no such map") : SPAN_LITERAL("not a request"));
        }
        if (r > 0)
                found = find_answer(s, map, &address, user);
        return netstring_format(reply, SOCKETMAP_REPLY_BYTES,
                found.size > 0 ? SPAN_LITERAL("OK ") : SPAN_LITERAL("NOTFOUND "), found);
}

/* Keeps a copy of what is left in a shared buffer. */
static int keep(char **where, size_t *ret_size, Span rest) {
        char *copy = NULL;

        if (rest.size > 0) {
                copy = malloc(rest.size);
                if (!copy)
                        return -ENOMEM;
                (void) memcpy(copy, rest.data, rest.size);
        }
        free(*where);
        *where = copy;
        *ret_size = rest.size;
        return 0;
}

/* Sends what is in `out`. Returns what could not be sent now, or SPAN_NONE with -errno in *ret_error. */
static Span send_out(const Connection *c, Span out, int *ret_error) {
        while (out.size > 0) {
                ssize_t n = send(c->fd, out.data, out.size, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        *ret_error = errno == EAGAIN ? 0 : -errno;
                        return errno == EAGAIN ? out : SPAN_NONE;
                }
                out = span_skip(out, (size_t) n);
        }
        *ret_error = 0;
        return SPAN_NONE;
}

/* Answers all whole requests of `in`, which is the shared buffer's, as long as the answers are taken. Leaves
 * in the connection what remains. Returns 0; -EBADMSG or -EMSGSIZE when what came is no request; or -errno:
 * the connection is of no use any more. */
static int serve(Connection *c, Span in) {
        LookupServer *s = c->server;
        uint64_t before = s->requests;
        Span request, out = SPAN_NONE;
        size_t used, n = 0;
        int r = 1, error;

        do {
                n = 0;
                while (BUFFER_BYTES - n >= SOCKETMAP_REPLY_BYTES &&
                        (r = netstring_parse(in, SOCKETMAP_REQUEST_MAX_BYTES, &request, &used)) > 0) {
                        n += answer(c, request, s->out + n);
                        in = span_skip(in, used);
                }
                out = send_out(c, span_make(s->out, n), &error);
        } while (error >= 0 && r > 0 && out.size == 0);
        if (error < 0 || r < 0)
                return error < 0 ? error : r;
        error = keep(&c->in, &c->in_size, in);
        if (error >= 0)
                error = keep(&c->out, &c->out_size, out);
        if (error < 0)
                return error;
        if (s->requests > before) {
                c->used = monotonic_now(s);
                c->stuck = 0;
                unlink_connection(s, c);
                link_newest(s, c);
        }
        if (c->in_size == 0 && c->out_size == 0)
                c->stuck = 0;
        else if (c->stuck == 0) {
                c->stuck = monotonic_now(s);
                sweep_by(s, deadline_of(c));
        }
        return watch(c);
}

/* Goes on with what was kept: first the answers that were not taken, then the requests behind them. Returns
 * 1, or as serve(). */
static int go_on(Connection *c) {
        LookupServer *s = c->server;
        int error;
        Span rest = send_out(c, span_make(c->out, c->out_size), &error);

        if (error < 0)
                return error;
        (void) memmove(c->out, rest.data ? rest.data : c->out, rest.size);
        c->out_size = rest.size;
        if (rest.size > 0)
                return 1;
        (void) memcpy(s->in, strempty(c->in), c->in_size);
        error = serve(c, span_make(s->in, c->in_size));
        return error < 0 ? error : 1;
}

/* Reads what has come behind what was kept. Returns 1; 0 at the end; or as serve(). */
static int read_and_serve(Connection *c) {
        LookupServer *s = c->server;
        ssize_t n = recv(c->fd, s->in + c->in_size, BUFFER_BYTES - c->in_size, MSG_DONTWAIT);
        int r;

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 1 : -errno;
        if (n == 0)
                return 0;
        (void) memcpy(s->in, strempty(c->in), c->in_size);
        r = serve(c, span_make(s->in, c->in_size + (size_t) n));
        return r < 0 ? r : 1;
}

static void on_connection(Connection *c, uint32_t events) {
        int r;

        if (c->out_size > 0)
                r = events & (EPOLLERR | EPOLLHUP) ? 0 : go_on(c);
        else
                r = read_and_serve(c);
        if (r == -EBADMSG || r == -EMSGSIZE)
                end_for(c, LOOKUP_TROUBLE_GARBAGE);
        else if (r <= 0)
                connection_free(c);
}

/* Serves those that are ready, each once: none of them ends another. The kernel tells next time of those
 * that there was no room for. */
static int on_ready(
        sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata _unused_) {
        struct epoll_event ready[SERVE_MAX];
        int n = epoll_wait(fd, ready, ELEMENTSOF(ready), 0);

        for (int i = 0; i < n; i++)
                on_connection(ready[i].data.ptr, ready[i].events);
        return 0;
}

/* ---- accepting ---- */

/* Takes the descriptor, also on failure. */
static int connection_new(LookupServer *s, int fd) {
        _cleanup_close_ int owned = fd;
        _cleanup_free_ Connection *c = calloc(1, sizeof(Connection));
        struct ucred peer;
        socklen_t size = sizeof(peer);
        Share *share;
        int r;

        if (!c)
                return -ENOMEM;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return -errno;
        *c = (Connection){.server = s, .fd = fd, .uid = peer.uid, .used = monotonic_now(s)};
        r = watch(c);
        if (r < 0)
                return r;
        share = find_share(s, peer.uid);
        if (!share) {
                share = &s->shares[s->n_shares++];
                *share = (Share){peer.uid, 0};
        }
        share->n++;
        s->n_connections++;
        link_newest(s, c);
        sweep_by(s, deadline_of(c));
        owned = -1;
        c = NULL;
        return 0;
}

static void on_accepted(void *userdata, int fd) {
        LookupServer *s = userdata;

        if (s->n_connections == LOOKUP_MAX_CONNECTIONS)
                (void) end_oldest_of_most(s);
        (void) connection_new(s, fd);
}

static bool on_no_room(void *userdata) {
        return end_oldest_of_most(userdata);
}

/* ---- the server ---- */

int lookup_server_new(sd_event *event, const LookupHandlers *handlers, void *userdata, LookupServer **ret) {
        _cleanup_(lookup_server_freep) LookupServer *s = calloc(1, sizeof(LookupServer));
        AcceptorSettings settings = {
                .type = SOCK_STREAM,
                .batch = ACCEPT_MAX,
                .max_sockets = LISTENERS_MAX,
                .accepted = on_accepted,
                .make_room = on_no_room,
        };
        int r;

        if (!s)
                return -ENOMEM;
        s->event = sd_event_ref(event);
        s->handlers = handlers;
        s->userdata = userdata;
        s->sweep_at = USEC_INFINITY;
        s->ready = epoll_create1(EPOLL_CLOEXEC);
        if (s->ready < 0)
                return -errno;
        settings.userdata = s;
        if ((r = acceptor_new(event, &settings, &s->acceptor)) < 0 ||
                (r = sd_event_add_io(event, &s->io, s->ready, EPOLLIN, on_ready, s)) < 0 ||
                /* as the logs are read: those who ask without end must not keep us from hearing of logins */
                (r = sd_event_source_set_priority(s->io, TURN_PRIORITY)) < 0 ||
                (r = sd_event_add_time(event, &s->sweep, CLOCK_MONOTONIC, 0, USEC_PER_SEC, on_sweep, s)) <
                        0 ||
                (r = sd_event_source_set_enabled(s->sweep, SD_EVENT_OFF)) < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

int lookup_server_listen(LookupServer *s, int fd) {
        return acceptor_listen(s->acceptor, fd);
}

size_t lookup_server_listeners(const LookupServer *s) {
        return acceptor_sockets(s->acceptor);
}

size_t lookup_server_connections(const LookupServer *s) {
        return s->n_connections;
}

uint64_t lookup_server_requests(const LookupServer *s) {
        return s->requests;
}

LookupServer *lookup_server_free(LookupServer *s) {
        if (!s)
                return NULL;
        while (s->oldest)
                connection_free(s->oldest);
        acceptor_free(s->acceptor);
        sd_event_source_disable_unref(s->io);
        sd_event_source_disable_unref(s->sweep);
        close_fd(s->ready);
        sd_event_unref(s->event);
        free(s);
        return NULL;
}
