/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The daemon's end of the login socket, for servers that log nothing. A connection carries two messages of
 * model/login-message.h: whoever accepted a client announces its address, and the process that serves the
 * client once it has logged in claims that it has. The kernel says whose process each of them came from:
 *
 * - an announcement is believed of root and of the trusted uids;
 * - a claim is believed of a trusted uid for any name, of root never, and of every other uid for its own;
 * - there is one claim for each announcement, at most LOGIN_CLAIM_USEC after it. */

#include <sys/types.h>

#include <systemd/sd-event.h>

#include "basic/time-util.h"
#include "model/ip-addr.h"

/* As long as the slowest server waits for a password: qmail-popup does for 20 minutes. */
#define LOGIN_CLAIM_USEC (25 * USEC_PER_MINUTE)
/* One for each client between its connection and its login; beyond it the oldest is given up. */
#define LOGIN_SERVER_MAX_CONNECTIONS 1000

typedef struct LoginServer LoginServer;

/* A login, or what is not believed to be one. Text is borrowed for the call. */
typedef struct LoginClaim {
        const char *reason;  /* NULL: a login; else why it is not */
        IpAddr address;      /* of a login */
        Span user;           /* empty: unknown; of a login of an uid that is not trusted never */
        const char *service; /* "" if unknown */
        usec_t time;         /* of a login: when it was claimed, by the wall clock */
        usec_t announced;    /* of a login: and when its connection was announced */
        uid_t uid;           /* who says so; (uid_t) -1: nobody in particular */
} LoginClaim;

typedef void (*LoginListener)(void *userdata, const LoginClaim *claim);

/* Starts the helper that looks names up, so best while the process is small. Returns 0 or -errno. */
int login_server_new(sd_event *event, LoginListener listener, void *userdata, LoginServer **ret);
LoginServer *login_server_free(LoginServer *s);

DEFINE_CLEANUP(LoginServer *, login_server_free)

/* Whom to trust. The list is copied. Returns 0 or -ENOMEM. */
int login_server_trust(LoginServer *s, const uid_t *uids, size_t n);

/* Accepts connections on a listening SOCK_SEQPACKET socket. Takes the descriptor, also on failure. Returns
 * 0, -EBUSY: it listens already; -ENOTSOCK; or -errno. */
int login_server_listen(LoginServer *s, int fd);

/* Goes on with a connection of an earlier server, as if nothing had been: all that matters about it is in
 * the kernel's queue. Takes the descriptor, also on failure. Returns 0 or -errno. */
int login_server_adopt(LoginServer *s, int fd);

/* The descriptors of the connections that could still become logins, for another server's
 * login_server_adopt(). They stay the server's. Returns their number. */
size_t login_server_descriptors(const LoginServer *s, int fds[static LOGIN_SERVER_MAX_CONNECTIONS]);

typedef struct LoginServerCounts {
        size_t connections;
        uint64_t logins, refused;
} LoginServerCounts;

LoginServerCounts login_server_counts(const LoginServer *s);
