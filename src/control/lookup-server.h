/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The look-up sockets: Postfix and sendmail ask who may relay, in the socketmap protocol
 * (control/socketmap.h). A socket's mode and group, and the directory it is in, decide who may ask. */

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "basic/time-util.h"
#include "model/ip-addr.h"

/* Connections at a time, on all sockets together: more SMTP processes than a large host has, and half of the
 * descriptors that the unit gives. When all are taken, whoever has most of them loses the one that was used
 * the longest ago, so that nobody can keep others out. */
#define LOOKUP_MAX_CONNECTIONS 2000

typedef struct LookupServer LookupServer;

/* How a client can misbehave, for whoever writes the log. It may be told for each request. */
typedef enum LookupTrouble {
        LOOKUP_TROUBLE_GARBAGE, /* what came is no request; mostly the connection was ended */
        LOOKUP_TROUBLE_MAP,     /* a map that there is not; the answer was "PERM …" */
        LOOKUP_TROUBLE_SLOW,    /* half a request, or answers that nobody takes; the connection was ended */
        LOOKUP_TROUBLE_CROWD,   /* all connections were taken; the uid's oldest one was ended */
        _LOOKUP_TROUBLE_MAX,
        _LOOKUP_TROUBLE_INVALID = -22,
} LookupTrouble;

typedef struct LookupHandlers {
        /* May this address relay now? With true the user who logged in there, borrowed until the next call,
         * or an empty one when the name is not to be told. */
        bool (*allows)(void *userdata, const IpAddr *address, Span *ret_user);

        void (*trouble)(void *userdata, LookupTrouble trouble, uid_t uid);

        /* How long to wait for the rest of a request, and for a client to read its answers; 0: ten seconds.
         */
        usec_t patience;
} LookupHandlers;

/* Handlers are borrowed. Returns 0 or -errno. */
int lookup_server_new(sd_event *event, const LookupHandlers *handlers, void *userdata, LookupServer **ret);
LookupServer *lookup_server_free(LookupServer *s);

DEFINE_CLEANUP(LookupServer *, lookup_server_free)

/* Accepts connections on a listening AF_UNIX stream socket. Takes the descriptor, also on failure. Returns
 * 0; -ENOTSOCK when it is not such a socket; -E2BIG; or -errno. */
int lookup_server_listen(LookupServer *s, int fd);

size_t lookup_server_listeners(const LookupServer *s);
size_t lookup_server_connections(const LookupServer *s);
/* Requests that were answered since the start. */
uint64_t lookup_server_requests(const LookupServer *s);
