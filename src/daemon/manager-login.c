/* SPDX-License-Identifier: Apache-2.0 */
/* The login socket: where it comes from, and where its connections go when the daemon is restarted. */

#include "daemon/manager.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include <systemd/sd-daemon.h>

#include "basic/fd-util.h"
#include "basic/log.h"
#include "basic/unix-socket.h"

/* Their name in systemd's descriptor store. */
#define STORE_NAME "login-connection"
/* SCM_MAX_FD is 253. */
#define STORE_AT_ONCE 200U
/* systemd is busy, or not there: nobody waits for it for long. */
#define STORE_USEC (5 * USEC_PER_SEC)

/* The one from systemd; where the daemon was not started by systemd's sockets, its own. Returns -ENOENT when
 * there is to be none. */
static int login_socket(const Manager *m) {
        _cleanup_free_ char *path = NULL;
        int fd = descriptors_take(m->options.descriptors, DESCRIPTOR_LOGIN);

        if (fd >= 0)
                return fd;
        if (m->options.descriptors->n > 0)
                return -ENOENT;
        if (asprintf(&path, "%s/login", m->options.runtime_directory) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return unix_socket_open(path, SOCK_SEQPACKET, 0660);
}

static void adopt_connections(Manager *m) {
        bool found = false;

        for (;;) {
                int fd = descriptors_take(m->options.descriptors, DESCRIPTOR_LOGIN_CONNECTION), r;

                if (fd < 0)
                        break;
                found = true;
                r = login_server_adopt(m->logins, fd);
                if (r < 0)
                        log_errno(LOG_NOTICE, r, "a login that was under way at the restart is lost");
        }
        /* systemd's copies; they all have one name */
        if (found)
                (void) sd_notify(false, "FDSTOREREMOVE=1\nFDNAME=" STORE_NAME);
}

void manager_open_logins(Manager *m) {
        _cleanup_close_ int fd = login_socket(m);
        int r = fd;

        if (r == -ENOENT) {
                if (m->config.login)
                        log_warning("Login=yes, but there is no login socket; is authrelay-login.socket "
                                    "enabled?");
                return;
        }
        if (r >= 0)
                r = login_server_new(m->event, manager_on_claim, m, &m->logins);
        if (r >= 0)
                r = login_server_trust(m->logins, m->config.virtual_users, m->config.n_virtual_users);
        if (r >= 0) {
                r = login_server_listen(m->logins, fd);
                fd = -1;
        }
        if (r < 0) {
                m->logins = login_server_free(m->logins);
                log_errno(LOG_ERR, r,
                        "the login socket can't be opened; logins of relaylogin are not noticed");
                return;
        }
        adopt_connections(m);
}

void manager_keep_logins(const Manager *m) {
        int fds[LOGIN_SERVER_MAX_CONNECTIONS];
        size_t n = m->logins ? login_server_descriptors(m->logins, fds) : 0;

        /* FDPOLL=0: a claim may lie in the queue of one whose other end is closed */
        for (size_t i = 0; i < n; i += STORE_AT_ONCE)
                (void) sd_pid_notify_with_fds(0, false, "FDSTORE=1\nFDPOLL=0\nFDNAME=" STORE_NAME, fds + i,
                        (unsigned) MIN(n - i, (size_t) STORE_AT_ONCE));
        /* it must know who sent them before that one is gone */
        if (n > 0)
                (void) sd_notify_barrier(false, STORE_USEC);
}
