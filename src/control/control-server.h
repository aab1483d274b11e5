/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The control socket: D-Bus, peer to peer, interface org.authrelay.Daemon1 on object /org/authrelay/Daemon.
 * The socket's mode and group decide who may connect, and who is connected may do everything; the server
 * says to its handlers who it was. */

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "basic/time-util.h"
#include "control/control-grant.h"
#include "control/control-status.h"

/* Connections at a time, and those of one uid: an operator's scripts side by side; a leak in one of them
 * stops itself and nobody else. */
#define CONTROL_MAX_CONNECTIONS 64
#define CONTROL_MAX_CONNECTIONS_PER_UID 16

/* Rows of one page of the list: about 100 kB, far below the 64 MiB that a D-Bus message can have, and made
 * in about a millisecond, which is all that a login has to wait for it. */
#define CONTROL_PAGE_MAX_ROWS 1024

/* Room for the text that tells a caller why it was refused. */
#define CONTROL_ERROR_BYTES 512

typedef struct ControlPage ControlPage;

/* Adds a row to the page. Returns true while there is room for another one. */
bool control_page_add(ControlPage *page, const ControlGrant *grant);

typedef enum ControlRevokeKind {
        CONTROL_REVOKE_NETWORK, /* of one network, and all that lies in it */
        CONTROL_REVOKE_USER,
        CONTROL_REVOKE_ALL,
        _CONTROL_REVOKE_KIND_MAX,
        _CONTROL_REVOKE_KIND_INVALID = -22,
} ControlRevokeKind;

typedef struct ControlRevoke {
        ControlRevokeKind kind;
        IpNetwork network; /* CONTROL_REVOKE_NETWORK */
        Span user;         /* CONTROL_REVOKE_USER; never empty, may hold any byte */
        bool block;        /* the user is to be barred until unblocked */
} ControlRevoke;

/* What the daemon does for a caller. Called from the event loop, one at a time; a change is published when
 * its handler returns. All but status() and list() get the caller's uid, for the log. Each returns 0, or
 * -errno with a text for the caller in `reterr`; with an empty text the caller is told strerror(). */
typedef struct ControlHandlers {
        /* Fills the empty status. */
        int (*status)(void *userdata, ControlStatus *ret);

        /* Calls control_page_add() for one grant after the other, beginning where `cursor` says (0: at the
         * start), until it returns false. Sets *ret_next to the cursor of what follows, 0 when there is no
         * more. A grant that is there all the time stands in exactly one page, whatever else comes and goes
         * between the calls; a cursor that makes no sense gives an empty page and 0. */
        int (*list)(void *userdata, uint64_t cursor, ControlPage *page, uint64_t *ret_next);

        /* Grants a network (one host: the daemon widens it as it does for logins) for `ttl`; 0: for TTL=,
         * USEC_INFINITY: until revoked. `user` may be empty. */
        int (*grant)(void *userdata, uid_t uid, const IpNetwork *network, usec_t ttl, Span user,
                char reterr[static CONTROL_ERROR_BYTES]);

        /* Takes `n` logins that the program `from` has seen, at most CONTROL_IMPORT_MAX_LOGINS, for logins
         * of that time, and says for each what became of it. */
        int (*import)(void *userdata, uid_t uid, const char *from, const ControlImport *logins, size_t n,
                ControlImportResult *ret_results, char reterr[static CONTROL_ERROR_BYTES]);

        /* Sets *ret_count to the number of grants that ended. None is no error. */
        int (*revoke)(void *userdata, uid_t uid, const ControlRevoke *what, uint32_t *ret_count,
                char reterr[static CONTROL_ERROR_BYTES]);

        /* Lets a user in again. Returns -ENOENT when it is not barred. */
        int (*unblock)(void *userdata, uid_t uid, Span user, char reterr[static CONTROL_ERROR_BYTES]);

        /* Reads configuration and patterns again; on failure nothing has changed and the text is file:line:
         * reason. */
        int (*reload)(void *userdata, uid_t uid, char reterr[static CONTROL_ERROR_BYTES]);
} ControlHandlers;

typedef struct ControlServer ControlServer;

/* Makes a server without a socket. The handlers are borrowed. Returns 0 or -errno. */
int control_server_new(
        sd_event *event, const ControlHandlers *handlers, void *userdata, ControlServer **ret);

/* Serves a listening AF_UNIX stream socket, which systemd passed in or unix_socket_open() made; may be
 * called for several. Takes the descriptor, also on failure. Returns 0 or -errno. */
int control_server_listen(ControlServer *s, int fd);

/* Connections that are open now. */
size_t control_server_connections(const ControlServer *s);

/* Ends all connections; replies that were not yet sent are sent if the peer takes them at once. Returns
 * NULL. */
ControlServer *control_server_free(ControlServer *s);

DEFINE_CLEANUP(ControlServer *, control_server_free)
