/* SPDX-License-Identifier: Apache-2.0 */
/* Accepts connections and reads their two messages. What a connection is at is nowhere but in the kernel's
 * queue: the announcement is only looked at (MSG_PEEK) until the claim lies behind it. So a connection that
 * survives the daemon, in systemd's descriptor store, has lost nothing. For that the events are
 * edge-triggered: an announcement that stays in the queue would wake the loop for ever.
 *
 * Invariant: an address comes from a message that the kernel says is root's or a trusted uid's, a name from
 * the name service for the uid that the kernel says the claim is from, unless that one is trusted. A
 * connection is shut at its claim, whatever becomes of it. */

#include "source/login-server.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "loop/acceptor.h"
#include "model/login-message.h"
#include "source/name-check.h"

/* relaylogin announces as soon as it is connected. */
#define ANNOUNCE_USEC (10 * USEC_PER_SEC)
/* At each turn of the loop, so that whoever connects as fast as he can does not keep it. */
#define ACCEPT_MAX 32

typedef enum State {
        STATE_CONNECTED, /* nothing said yet */
        STATE_ANNOUNCED, /* its address is known */
        STATE_CLAIMED,   /* the name is being looked up */
} State;

typedef struct Connection {
        LoginServer *server;
        int fd;
        sd_event_source *io, *timer;
        size_t index;    /* in the server's list */
        uint64_t number; /* in the order of their coming */
        State state;
        LoginAnnouncement announcement;
        uid_t uid;        /* of the claim */
        usec_t time;      /* of the claim, by the wall clock */
        usec_t announced; /* of the announcement, by the wall clock */
} Connection;

struct LoginServer {
        sd_event *event;
        LoginListener listener;
        void *userdata;
        NameCheck *names;
        uid_t *trusted;
        size_t n_trusted;
        Acceptor *acceptor;
        Connection *connections[LOGIN_SERVER_MAX_CONNECTIONS];
        size_t n;
        uint64_t number;
        uint64_t logins, refused;
};

static bool is_trusted(const LoginServer *s, uid_t uid) {
        for (size_t i = 0; i < s->n_trusted; i++)
                if (s->trusted[i] == uid)
                        return true;
        return false;
}

static bool may_announce(const LoginServer *s, uid_t uid) {
        return uid == 0 || is_trusted(s, uid);
}

/* ---- connections ---- */

static Connection *connection_free(Connection *c) {
        LoginServer *s;

        if (!c)
                return NULL;
        s = c->server;
        sd_event_source_disable_unref(c->timer);
        sd_event_source_disable_unref(c->io);
        /* not shut: systemd may hold it for the next server */
        close_fd(c->fd);
        if (c->index < s->n && s->connections[c->index] == c) {
                s->connections[c->index] = s->connections[--s->n];
                s->connections[c->index]->index = c->index;
        }
        free(c);
        return NULL;
}

DEFINE_CLEANUP(Connection *, connection_free)

static void refuse(LoginServer *s, uid_t uid, Span user, const char *reason) {
        s->refused++;
        s->listener(s->userdata, &(LoginClaim){.reason = reason, .uid = uid, .user = user, .service = ""});
}

static void believe(Connection *c, Span user) {
        LoginServer *s = c->server;

        s->logins++;
        s->listener(s->userdata, &(LoginClaim){.address = c->announcement.address,
                                         .user = user,
                                         .service = c->announcement.service,
                                         .time = c->time,
                                         .announced = c->announced,
                                         .uid = c->uid});
}

/* Reads a message and whose process it came from; with MSG_PEEK it stays. Returns its size, at most `room`,
 * or -errno: -EAGAIN: there is none; -EBADMSG: one that is not relaylogin's, by its size or by what is with
 * it. */
static ssize_t receive(int fd, int flags, void *buf, size_t room, uid_t *ret_uid) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct iovec iov = {buf, room};
        struct msghdr msg = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n = recvmsg(fd, &msg, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        struct cmsghdr *head;
        struct ucred sender;

        if (n < 0)
                return -errno;
        head = CMSG_FIRSTHDR(&msg);
        /* no room was made for descriptors, so the kernel has dropped those that came along, and says so */
        if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || !head || head->cmsg_level != SOL_SOCKET ||
                head->cmsg_type != SCM_CREDENTIALS || head->cmsg_len != CMSG_LEN(sizeof(sender)))
                return -EBADMSG;
        memcpy(&sender, CMSG_DATA(head), sizeof(sender));
        if (sender.pid <= 0) /* the kernel has noted nobody */
                return -EBADMSG;
        *ret_uid = sender.uid;
        return n;
}

static usec_t wall_time_of(const LoginAnnouncement *a) {
        usec_t now = time_now(), up = time_boot(), age = up > a->stamp ? up - a->stamp : 0;

        return now > age ? now - age : 1;
}

/* Looks for the announcement. Returns 1 when it is there, 0 when it may still come, or -errno after the
 * listener has heard why it is not one. */
static int look_for_announcement(Connection *c) {
        LoginServer *s = c->server;
        char buf[LOGIN_ANNOUNCEMENT_BYTES];
        usec_t now = time_boot();
        uid_t uid = (uid_t) -1;
        ssize_t n;
        int r;

        if (c->state >= STATE_ANNOUNCED)
                return 1;
        n = receive(c->fd, MSG_PEEK, buf, sizeof(buf), &uid);
        if (n == -EAGAIN || n == -EINTR)
                return 0;
        if (n == 0)
                return -ENODATA; /* nobody is there any more */
        if (n < 0 || login_announcement_decode(span_make(buf, (size_t) n), &c->announcement) < 0) {
                refuse(s, uid, SPAN_NONE, "a message on the login socket is not relaylogin's");
                return -EBADMSG;
        }
        if (!may_announce(s, uid)) {
                refuse(s, uid, SPAN_NONE, "neither root nor a user of VirtualUsers= announced an address");
                return -EPERM;
        }
        if (c->announcement.stamp > now) {
                refuse(s, uid, SPAN_NONE, "an address was announced in the future");
                return -ETIME;
        }
        r = sd_event_source_set_time_relative(
                c->timer, LOGIN_CLAIM_USEC - MIN(now - c->announcement.stamp, LOGIN_CLAIM_USEC));
        if (r < 0)
                return r;
        c->announced = wall_time_of(&c->announcement);
        c->state = STATE_ANNOUNCED;
        return 1;
}

/* Returns 0 if there is none yet, or -errno; 1 and the name, which is borrowed from `buf`. */
static int take_claim(Connection *c, char buf[static LOGIN_CLAIM_MAX_BYTES], Span *ret_user) {
        LoginServer *s = c->server;
        uid_t announcer = (uid_t) -1, uid = (uid_t) -1;
        int queued;
        ssize_t n;

        /* the sizes of all messages together */
        if (ioctl(c->fd, SIOCINQ, &queued) < 0)
                return -errno;
        if (queued <= LOGIN_ANNOUNCEMENT_BYTES)
                return 0;
        n = receive(c->fd, 0, buf, LOGIN_CLAIM_MAX_BYTES, &announcer);
        if (n == LOGIN_ANNOUNCEMENT_BYTES)
                n = receive(c->fd, 0, buf, LOGIN_CLAIM_MAX_BYTES, &uid);
        if (n < 0 || login_claim_decode(span_make(buf, (size_t) n), ret_user) < 0) {
                refuse(s, uid, SPAN_NONE, "a message on the login socket is not relaylogin's");
                return -EBADMSG;
        }
        if (!may_announce(s, announcer)) {
                refuse(s, uid, *ret_user, "whoever announced the address is not in VirtualUsers= any more");
                return -EPERM;
        }
        c->uid = uid;
        /* a revocation that comes while the name is being looked up is later than this login */
        c->time = time_now();
        /* the wall clock may have been set since */
        c->announced = MIN(c->announced, wall_time_of(&c->announcement));
        /* also when the daemon was stopped in the meantime and the timer has not run */
        if (time_boot() - c->announcement.stamp > LOGIN_CLAIM_USEC) {
                refuse(s, uid, *ret_user, "a login was claimed more than 25 minutes after the connection");
                return -ETIME;
        }
        return 1;
}

/* Returns 0 while the name is being looked up; 1 or -errno when the connection has ended. */
static int judge_claim(Connection *c, Span user) {
        LoginServer *s = c->server;
        int r;

        (void) shutdown(c->fd, SHUT_RDWR);
        c->io = sd_event_source_disable_unref(c->io);
        if (is_trusted(s, c->uid)) {
                believe(c, user);
                return 1;
        }
        /* whoever has checked a password has given root up: this comes from before it, from a chain in the
         * wrong order, which would make an open relay */
        if (c->uid == 0) {
                refuse(s, c->uid, user,
                        "root claimed a login; relaylogin must stand behind the password check");
                return -EPERM;
        }
        r = name_check_ask(s->names, c->number, c->uid, user);
        if (r < 0) {
                refuse(s, c->uid, user, "too many logins wait for the name service");
                return r;
        }
        c->state = STATE_CLAIMED;
        return sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
}

static void on_name(void *userdata, uint64_t number, int result, Span name) {
        LoginServer *s = userdata;
        Connection *c = NULL;

        for (size_t i = 0; i < s->n && !c; i++)
                if (s->connections[i]->number == number)
                        c = s->connections[i];
        if (!c)
                return;
        if (result >= 0)
                believe(c, name);
        else
                refuse(s, c->uid, name,
                        result == -ENOENT ? "a user claimed another's login (is VirtualUsers= to name him?)"
                                          : "the name service does not answer");
        connection_free(c);
}

static int on_message(sd_event_source *source _unused_, int fd _unused_, uint32_t events, void *userdata) {
        Connection *c = userdata;
        char buf[LOGIN_CLAIM_MAX_BYTES];
        Span user;
        int r = look_for_announcement(c);

        if (r > 0) {
                r = take_claim(c, buf, &user);
                if (r > 0)
                        r = judge_claim(c, user) == 0 ? 1 : -ECONNRESET;
        }
        if (r < 0 || (r == 0 && (events & (EPOLLHUP | EPOLLERR))))
                connection_free(c);
        return 0;
}

static int on_timeout(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        connection_free(userdata);
        return 0;
}

/* A client that is about to log in is a young connection: who opens many and waits loses his own. */
static void make_room(LoginServer *s) {
        Connection *oldest = NULL;

        for (size_t i = 0; s->n == LOGIN_SERVER_MAX_CONNECTIONS && i < s->n; i++) {
                Connection *c = s->connections[i];

                if (c->state < STATE_CLAIMED && (!oldest || c->number < oldest->number))
                        oldest = c;
        }
        if (oldest) {
                refuse(s, (uid_t) -1, SPAN_NONE, "too many clients have connected and not logged in");
                connection_free(oldest);
        }
}

/* Takes the descriptor, also on failure. */
static int connection_new(LoginServer *s, int fd) {
        _cleanup_(connection_freep) Connection *c = calloc(1, sizeof(Connection));
        _cleanup_close_ int owned = fd;
        int r;

        if (!c)
                return -ENOMEM;
        c->server = s;
        c->fd = -1;
        c->index = SIZE_MAX;
        make_room(s);
        if (s->n == LOGIN_SERVER_MAX_CONNECTIONS) {
                refuse(s, (uid_t) -1, SPAN_NONE, "too many logins wait for the name service");
                return -E2BIG;
        }
        if ((r = sd_event_add_time_relative(
                     s->event, &c->timer, CLOCK_BOOTTIME, ANNOUNCE_USEC, USEC_PER_SEC, on_timeout, c)) < 0 ||
                (r = sd_event_add_io(s->event, &c->io, fd, EPOLLIN | EPOLLET, on_message, c)) < 0)
                return r;
        c->fd = fd;
        owned = -1;
        c->number = s->number++;
        c->index = s->n;
        s->connections[s->n++] = TAKE_PTR(c);
        return 0;
}

/* ---- the listening socket ---- */

/* Whoever may not announce an address has no use for a connection, and gets none. */
static bool is_welcome(LoginServer *s, int fd) {
        struct ucred peer;
        socklen_t size = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return false;
        if (may_announce(s, peer.uid))
                return true;
        refuse(s, peer.uid, SPAN_NONE, "neither root nor a user of VirtualUsers= has connected");
        return false;
}

static void on_accepted(void *userdata, int fd) {
        LoginServer *s = userdata;

        if (is_welcome(s, fd))
                (void) connection_new(s, fd);
        else
                close_fd(fd);
}

/* ---- the server ---- */

int login_server_new(sd_event *event, LoginListener listener, void *userdata, LoginServer **ret) {
        _cleanup_(login_server_freep) LoginServer *s = calloc(1, sizeof(LoginServer));
        AcceptorSettings settings = {
                .type = SOCK_SEQPACKET,
                .batch = ACCEPT_MAX,
                .max_sockets = 1,
                .accepted = on_accepted,
        };
        int r;

        if (!s)
                return -ENOMEM;
        s->event = sd_event_ref(event);
        s->listener = listener;
        s->userdata = userdata;
        settings.userdata = s;
        r = name_check_new(event, on_name, s, &s->names);
        if (r >= 0)
                r = acceptor_new(event, &settings, &s->acceptor);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

int login_server_trust(LoginServer *s, const uid_t *uids, size_t n) {
        uid_t *copy = calloc(n + 1, sizeof(uid_t));

        if (!copy)
                return -ENOMEM;
        if (n > 0)
                memcpy(copy, uids, n * sizeof(uid_t));
        free(s->trusted);
        s->trusted = copy;
        s->n_trusted = n;
        return 0;
}

/* Non-blocking, and with the sender's credentials at each message. What is sent before a connection is
 * accepted has them in any case, and an accepted one inherits it from the listening one. */
static int prepare(int fd, bool listening) {
        int r = sd_is_socket_unix(fd, SOCK_SEQPACKET, listening, NULL, 0), on = 1;

        if (r <= 0)
                return r < 0 ? r : -ENOTSOCK;
        r = fcntl(fd, F_GETFL);
        if (r < 0 || fcntl(fd, F_SETFL, r | O_NONBLOCK) < 0 ||
                setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
                return -errno;
        return 0;
}

int login_server_listen(LoginServer *s, int fd) {
        int r = acceptor_sockets(s->acceptor) > 0 ? -EBUSY : prepare(fd, true);

        if (r < 0) {
                close_fd(fd);
                return r;
        }
        return acceptor_listen(s->acceptor, fd);
}

int login_server_adopt(LoginServer *s, int fd) {
        int r = prepare(fd, false);

        if (r < 0) {
                close_fd(fd);
                return r;
        }
        return connection_new(s, fd);
}

size_t login_server_descriptors(const LoginServer *s, int fds[static LOGIN_SERVER_MAX_CONNECTIONS]) {
        size_t n = 0;

        for (size_t i = 0; i < s->n; i++)
                if (s->connections[i]->state < STATE_CLAIMED)
                        fds[n++] = s->connections[i]->fd;
        return n;
}

LoginServerCounts login_server_counts(const LoginServer *s) {
        return (LoginServerCounts){s->n, s->logins, s->refused};
}

LoginServer *login_server_free(LoginServer *s) {
        if (!s)
                return NULL;
        while (s->n > 0)
                connection_free(s->connections[0]);
        name_check_free(s->names);
        acceptor_free(s->acceptor);
        sd_event_unref(s->event);
        free(s->trusted);
        free(s);
        return NULL;
}
