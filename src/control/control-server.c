/* SPDX-License-Identifier: Apache-2.0 */
/* Accepts connections and passes their calls on. It decides nothing about grants and keeps nothing of them.
 * A client can at most harm its own connection: whatever goes wrong on one ends that one, and the callbacks
 * of the event loop never fail. */

#include "control/control-server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "control/control-message.h"
#include "loop/acceptor.h"

/* A client of ours authenticates and asks within milliseconds; a script may keep its connection for a while.
 */
#define FIRST_CALL_USEC (10 * USEC_PER_SEC)
#define IDLE_USEC (60 * USEC_PER_SEC)
/* Replies that a client has not taken yet. Ours asks again when it has read the answer. */
#define UNREAD_REPLIES_MAX 4
#define LISTENERS_MAX 4
#define USER_MAX_BYTES 1024

typedef struct Connection {
        ControlServer *server;
        sd_bus *bus;
        sd_event_source *timer;
        uid_t uid;
        bool doomed; /* its timer is about to end it */
} Connection;

struct ControlServer {
        sd_event *event;
        const ControlHandlers *handlers;
        void *userdata;
        Acceptor *acceptor;
        Connection *connections[CONTROL_MAX_CONNECTIONS];
        size_t n_connections;
};

struct ControlPage {
        sd_bus_message *message;
        unsigned n;
        int error;
};

/* ---- methods ---- */

/* What a handler said, as sd-bus wants to hear it: a D-Bus text that is not UTF-8 would end the connection.
 */
static int refuse(sd_bus_error *error, int r, const char *text) {
        char printable[CONTROL_ERROR_BYTES];

        (void) snprintf(printable, sizeof(printable), "%s", text[0] ? text : strerror(-r));
        for (char *p = printable; *p; p++)
                if (*p < 0x20 || *p > 0x7e)
                        *p = '?';
        return sd_bus_error_set(error, CONTROL_ERROR, printable);
}

static void doom(Connection *c) {
        c->doomed = true;
        (void) sd_event_source_set_time_relative(c->timer, 0);
        (void) sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

/* At the head of each method. Returns false when the call is not to be answered. */
static bool is_welcome(Connection *c) {
        uint64_t unread = 0;

        if (c->doomed)
                return false;
        if (sd_bus_get_n_queued_write(c->bus, &unread) < 0 || unread > UNREAD_REPLIES_MAX) {
                doom(c);
                return false;
        }
        (void) sd_event_source_set_time_relative(c->timer, IDLE_USEC);
        return true;
}

static int read_user(sd_bus_message *m, Span *ret, sd_bus_error *error) {
        int r = control_read_bytes(m, ret);

        if (r >= 0 && ret->size > USER_MAX_BYTES)
                return refuse(error, -EINVAL, "the user's name is too long");
        return r;
}

static int read_network(sd_bus_message *m, IpNetwork *ret, sd_bus_error *error) {
        char reason[CONTROL_ERROR_BYTES];
        const char *text;
        int r = sd_bus_message_read(m, "s", &text);

        if (r < 0)
                return r;
        r = ip_network_parse(span_from_string(text), ret);
        if (r >= 0)
                return r;
        (void) snprintf(reason, sizeof(reason), "%.100s: %s", text,
                r == -EDOM ? "address bits are set behind the prefix" : "not an address or a network");
        return refuse(error, r, reason);
}

static int on_status(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(control_status_done) ControlStatus status = {0};
        Connection *c = userdata;
        int r;

        if (!is_welcome(c))
                return 1;
        r = c->server->handlers->status(c->server->userdata, &status);
        if (r >= 0 && status.failed)
                r = -ENOMEM;
        if (r < 0)
                return refuse(error, r, "");
        if ((r = sd_bus_message_new_method_return(m, &reply)) < 0 ||
                (r = control_status_encode(&status, reply)) < 0)
                return r;
        return sd_bus_send(c->bus, reply, NULL);
}

bool control_page_add(ControlPage *page, const ControlGrant *grant) {
        if (page->error >= 0)
                page->error = control_grant_encode(grant, page->message);
        return ++page->n < CONTROL_PAGE_MAX_ROWS && page->error >= 0;
}

static int on_list(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Connection *c = userdata;
        ControlPage page = {0};
        uint64_t cursor, next = 0;
        int r;

        if (!is_welcome(c))
                return 1;
        if ((r = sd_bus_message_read(m, "t", &cursor)) < 0 ||
                (r = sd_bus_message_new_method_return(m, &reply)) < 0 ||
                (r = sd_bus_message_open_container(reply, 'a', "(" CONTROL_GRANT_CONTENTS ")")) < 0)
                return r;
        page.message = reply;
        r = c->server->handlers->list(c->server->userdata, cursor, &page, &next);
        if (r < 0)
                return refuse(error, r, "");
        if (page.error < 0)
                return page.error;
        if ((r = sd_bus_message_close_container(reply)) < 0 ||
                (r = sd_bus_message_append(reply, "t", next)) < 0)
                return r;
        return sd_bus_send(c->bus, reply, NULL);
}

static int on_grant(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        char reason[CONTROL_ERROR_BYTES] = "";
        Connection *c = userdata;
        IpNetwork network;
        usec_t ttl;
        Span user;
        int r;

        if (!is_welcome(c))
                return 1;
        if ((r = read_network(m, &network, error)) < 0 || (r = sd_bus_message_read(m, "t", &ttl)) < 0 ||
                (r = read_user(m, &user, error)) < 0)
                return r;
        r = c->server->handlers->grant(c->server->userdata, c->uid, &network, ttl, user, reason);
        return r < 0 ? refuse(error, r, reason) : sd_bus_reply_method_return(m, NULL);
}

/* Names of programs stand in the list and in the state: few, short and plain. */
static bool is_program_name(const char *name) {
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

        return n > 0 && n <= 32 && name[n] == 0;
}

static int read_login(sd_bus_message *m, ControlImport *ret, sd_bus_error *error) {
        const char *address;
        int r;

        if ((r = sd_bus_message_enter_container(m, 'r', "stay")) <= 0 ||
                (r = sd_bus_message_read(m, "st", &address, &ret->time)) < 0 ||
                (r = read_user(m, &ret->user, error)) < 0)
                return r;
        if (ip_addr_parse(span_from_string(address), &ret->address) < 0)
                return refuse(error, -EINVAL, "not an address");
        r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}

static int read_logins(sd_bus_message *m, ControlImport logins[static CONTROL_IMPORT_MAX_LOGINS],
        size_t *ret_n, sd_bus_error *error) {
        ControlImport login;
        size_t n = 0;
        int r = sd_bus_message_enter_container(m, 'a', "(stay)");

        while (r >= 0 && (r = read_login(m, &login, error)) > 0) {
                if (n == CONTROL_IMPORT_MAX_LOGINS)
                        return refuse(error, -E2BIG, "too many logins in one call");
                logins[n++] = login;
        }
        if (r < 0)
                return r;
        *ret_n = n;
        return sd_bus_message_exit_container(m);
}

static int append_results(sd_bus_message *m, const ControlImportResult *results, size_t n) {
        int r = sd_bus_message_open_container(m, 'a', "(ys)");

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(
                        m, "(ys)", (uint8_t) results[i].verdict, strempty(results[i].reason));
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int on_import(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        ControlImportResult results[CONTROL_IMPORT_MAX_LOGINS];
        ControlImport logins[CONTROL_IMPORT_MAX_LOGINS];
        char reason[CONTROL_ERROR_BYTES] = "";
        Connection *c = userdata;
        const char *from;
        size_t n = 0;
        int r;

        if (!is_welcome(c))
                return 1;
        if ((r = sd_bus_message_read(m, "s", &from)) < 0 || (r = read_logins(m, logins, &n, error)) < 0)
                return r;
        if (!is_program_name(from))
                return refuse(error, -EINVAL, "not the name of a program");
        r = c->server->handlers->import(c->server->userdata, c->uid, from, logins, n, results, reason);
        if (r < 0)
                return refuse(error, r, reason);
        if ((r = sd_bus_message_new_method_return(m, &reply)) < 0 ||
                (r = append_results(reply, results, n)) < 0)
                return r;
        return sd_bus_send(c->bus, reply, NULL);
}

static int revoke_what(Connection *c, sd_bus_message *m, const ControlRevoke *what, sd_bus_error *error) {
        char reason[CONTROL_ERROR_BYTES] = "";
        uint32_t count = 0;
        int r = c->server->handlers->revoke(c->server->userdata, c->uid, what, &count, reason);

        return r < 0 ? refuse(error, r, reason) : sd_bus_reply_method_return(m, "u", count);
}

static int on_revoke(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ControlRevoke what = {.kind = CONTROL_REVOKE_NETWORK};
        int r;

        if (!is_welcome(userdata))
                return 1;
        r = read_network(m, &what.network, error);
        return r < 0 ? r : revoke_what(userdata, m, &what, error);
}

static int on_revoke_user(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ControlRevoke what = {.kind = CONTROL_REVOKE_USER};
        int r, block;

        if (!is_welcome(userdata))
                return 1;
        if ((r = read_user(m, &what.user, error)) < 0 || (r = sd_bus_message_read(m, "b", &block)) < 0)
                return r;
        if (what.user.size == 0)
                return refuse(error, -EINVAL, "a user's name is needed");
        what.block = block;
        return revoke_what(userdata, m, &what, error);
}

static int on_revoke_all(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ControlRevoke what = {.kind = CONTROL_REVOKE_ALL};

        return is_welcome(userdata) ? revoke_what(userdata, m, &what, error) : 1;
}

static int on_unblock(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        char reason[CONTROL_ERROR_BYTES] = "";
        Connection *c = userdata;
        Span user;
        int r;

        if (!is_welcome(c))
                return 1;
        if ((r = read_user(m, &user, error)) < 0)
                return r;
        r = c->server->handlers->unblock(c->server->userdata, c->uid, user, reason);
        if (r == -ENOENT && !reason[0])
                return refuse(error, r, "this user is not blocked");
        return r < 0 ? refuse(error, r, reason) : sd_bus_reply_method_return(m, NULL);
}

static int on_reload(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        char reason[CONTROL_ERROR_BYTES] = "";
        Connection *c = userdata;
        int r;

        if (!is_welcome(c))
                return 1;
        r = c->server->handlers->reload(c->server->userdata, c->uid, reason);
        return r < 0 ? refuse(error, r, reason) : sd_bus_reply_method_return(m, NULL);
}

/* UNPRIVILEGED: who may connect may call; sd-bus's own rule would let only root and the daemon's uid. */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Status", "", CONTROL_STATUS_SIGNATURE, on_status, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("List", "t", CONTROL_LIST_SIGNATURE, on_list, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Grant", "stay", "", on_grant, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Import", CONTROL_IMPORT_SIGNATURE, CONTROL_IMPORT_RESULTS, on_import,
                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Revoke", "s", "u", on_revoke, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("RevokeUser", "ayb", "u", on_revoke_user, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("RevokeAll", "", "u", on_revoke_all, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Unblock", "ay", "", on_unblock, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Reload", "", "", on_reload, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* ---- connections ---- */

static Connection *connection_free(Connection *c) {
        ControlServer *s;

        if (!c)
                return NULL;
        s = c->server;
        sd_event_source_disable_unref(c->timer);
        /* our own reference may be the last but one: sd-bus may be in the middle of one of its callbacks */
        sd_bus_close_unref(c->bus);
        for (size_t i = 0; i < s->n_connections; i++)
                if (s->connections[i] == c) {
                        s->connections[i] = s->connections[--s->n_connections];
                        break;
                }
        free(c);
        return NULL;
}

DEFINE_CLEANUP(Connection *, connection_free)

static int on_disconnected(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error _unused_) {
        connection_free(userdata);
        return 0;
}

static int on_timeout(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        connection_free(userdata);
        return 0;
}

/* Where libsystemd 252 finds no memory for an object it leaves the places in the tree that it has
 * made for it, and aborts when the connection is freed. Whatever else is put there and taken away takes them
 * along. */
static void clear_tree(sd_bus *bus) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;

        (void) sd_bus_add_object_manager(bus, &slot, CONTROL_OBJECT);
}

/* Takes the descriptor, also on failure. */
static int connection_new(ControlServer *s, int fd, uid_t uid) {
        _cleanup_(connection_freep) Connection *c = calloc(1, sizeof(Connection));
        _cleanup_close_ int owned = fd;
        sd_id128_t id;
        int r;

        if (!c)
                return -ENOMEM;
        c->server = s;
        c->uid = uid;
        if ((r = sd_bus_new(&c->bus)) < 0 || (r = sd_bus_set_fd(c->bus, fd, fd)) < 0)
                return r;
        owned = -1;
        if ((r = sd_id128_randomize(&id)) < 0 || (r = sd_bus_set_server(c->bus, 1, id)) < 0 ||
                (r = sd_bus_start(c->bus)) < 0 ||
                (r = sd_bus_attach_event(c->bus, s->event, SD_EVENT_PRIORITY_NORMAL)) < 0 ||
                (r = sd_bus_match_signal(c->bus, NULL, NULL, "/org/freedesktop/DBus/Local",
                         "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, c)) < 0)
                return r;
        r = sd_bus_add_object_vtable(c->bus, NULL, CONTROL_OBJECT, CONTROL_INTERFACE, vtable, c);
        if (r < 0) {
                clear_tree(c->bus);
                return r;
        }
        r = sd_event_add_time_relative(
                s->event, &c->timer, CLOCK_MONOTONIC, FIRST_CALL_USEC, USEC_PER_SEC, on_timeout, c);
        if (r < 0)
                return r;
        s->connections[s->n_connections++] = TAKE_PTR(c);
        return 0;
}

/* The kernel's word on who connected. Returns false for one that is beyond what its uid, or all, may have.
 */
static bool has_room(const ControlServer *s, int fd, uid_t *ret_uid) {
        struct ucred peer;
        socklen_t size = sizeof(peer);
        size_t n = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return false;
        for (size_t i = 0; i < s->n_connections; i++)
                n += s->connections[i]->uid == peer.uid;
        *ret_uid = peer.uid;
        return n < CONTROL_MAX_CONNECTIONS_PER_UID && s->n_connections < CONTROL_MAX_CONNECTIONS;
}

static void on_accepted(void *userdata, int fd) {
        ControlServer *s = userdata;
        uid_t uid;

        if (has_room(s, fd, &uid))
                (void) connection_new(s, fd, uid);
        else
                close_fd(fd);
}

/* ---- the server ---- */

int control_server_new(
        sd_event *event, const ControlHandlers *handlers, void *userdata, ControlServer **ret) {
        _cleanup_(control_server_freep) ControlServer *s = calloc(1, sizeof(ControlServer));
        AcceptorSettings settings = {
                .type = SOCK_STREAM,
                .batch = 1,
                .max_sockets = LISTENERS_MAX,
                .accepted = on_accepted,
        };
        int r;

        if (!s)
                return -ENOMEM;
        s->event = sd_event_ref(event);
        s->handlers = handlers;
        s->userdata = userdata;
        settings.userdata = s;
        r = acceptor_new(event, &settings, &s->acceptor);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

int control_server_listen(ControlServer *s, int fd) {
        return acceptor_listen(s->acceptor, fd);
}

size_t control_server_connections(const ControlServer *s) {
        return s->n_connections;
}

ControlServer *control_server_free(ControlServer *s) {
        if (!s)
                return NULL;
        while (s->n_connections > 0)
                connection_free(s->connections[0]);
        acceptor_free(s->acceptor);
        sd_event_unref(s->event);
        free(s);
        return NULL;
}
