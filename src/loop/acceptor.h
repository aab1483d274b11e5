/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Accepts connections on listening AF_UNIX sockets: some at a time, so that others have their turn, and none
 * for a while when there are no descriptors left. */

#include <systemd/sd-event.h>

#include "basic/macro.h"

typedef struct Acceptor Acceptor;

typedef struct AcceptorSettings {
        int type;           /* SOCK_STREAM or SOCK_SEQPACKET: of the sockets to listen on */
        unsigned batch;     /* connections accepted in one turn of the loop */
        size_t max_sockets; /* to listen on */

        /* A connection, non-blocking and closed on exec; takes the descriptor. */
        void (*accepted)(void *userdata, int fd);

        /* Descriptors have run out: gives one back and returns true, or false, and then no connection is
         * accepted for a second. NULL: there is never one to give. */
        bool (*make_room)(void *userdata);
        void *userdata;
} AcceptorSettings;

/* Makes one that listens to nothing yet. The settings are copied. Returns 0 or -errno. */
int acceptor_new(sd_event *event, const AcceptorSettings *settings, Acceptor **ret);

/* Listens on one more socket. Takes the descriptor, also on failure. Returns 0; -E2BIG; -ENOTSOCK when it is
 * no listening AF_UNIX socket of this type; or -errno. */
int acceptor_listen(Acceptor *a, int fd);

size_t acceptor_sockets(const Acceptor *a);

/* Closes the listening sockets. Returns NULL. */
Acceptor *acceptor_free(Acceptor *a);

DEFINE_CLEANUP(Acceptor *, acceptor_free)
