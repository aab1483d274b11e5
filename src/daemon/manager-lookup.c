/* SPDX-License-Identifier: Apache-2.0 */
/* The look-up sockets: opening them, answering from the grant table, and telling of clients that misbehave,
 * which is told once and then counted. */

#include "daemon/manager.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "basic/log.h"
#include "basic/unix-socket.h"

/* Whoever may connect could fill the journal otherwise. */
#define TELL_USEC (10 * USEC_PER_MINUTE)

static const char *const trouble_texts[_LOOKUP_TROUBLE_MAX] = {
        [LOOKUP_TROUBLE_GARBAGE] = "sent what is no request of socketmap_table(5)",
        [LOOKUP_TROUBLE_MAP] = "asked for a map that there is not",
        [LOOKUP_TROUBLE_SLOW] = "sent half a request, or does not read the answers; it was cut off",
        [LOOKUP_TROUBLE_CROWD] = "has too many connections; its oldest one made place for another",
};

static bool on_allows(void *userdata, const IpAddr *address, Span *ret_user) {
        const Manager *m = userdata;
        RelayEntry entry;

        if (!grant_table_allows(m->grants, address, time_now() / USEC_PER_SEC, &entry))
                return false;
        /* what is not published is not told here either */
        *ret_user = m->config.publish_users ? entry.user : SPAN_NONE;
        return true;
}

static void on_trouble(void *userdata, LookupTrouble trouble, uid_t uid) {
        Manager *m = userdata;
        LookupTold *told = &m->lookup_told[trouble];
        usec_t now = time_now();

        if (told->at > 0 && now - told->at < TELL_USEC && now >= told->at) {
                told->since++;
                return;
        }
        if (told->since > 0)
                log_warning("look-up socket: uid %u %s (and %" PRIu64 " times before)", (unsigned) uid,
                        trouble_texts[trouble], told->since);
        else
                log_warning("look-up socket: uid %u %s (more of this is told in ten minutes)",
                        (unsigned) uid, trouble_texts[trouble]);
        *told = (LookupTold){.at = now};
}

static const LookupHandlers handlers = {.allows = on_allows, .trouble = on_trouble};

/* Without systemd there is one, beside the control socket. */
static int listen_by_hand(Manager *m) {
        _cleanup_free_ char *path = NULL;
        int fd;

        if (asprintf(&path, "%s/lookup", m->options.runtime_directory) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        fd = unix_socket_open(path, SOCK_STREAM, 0660);
        return fd < 0 ? fd : lookup_server_listen(m->lookup, fd);
}

void manager_open_lookup(Manager *m, bool by_hand) {
        int r = lookup_server_new(m->event, &handlers, m, &m->lookup), fd;

        while (r >= 0 && (fd = descriptors_take(m->options.descriptors, DESCRIPTOR_LOOKUP)) >= 0)
                r = lookup_server_listen(m->lookup, fd);
        if (r >= 0 && by_hand)
                r = listen_by_hand(m);
        /* relaylock works without it, and an SMTP server does not lose mail for want of it */
        if (r < 0)
                log_errno(LOG_WARNING, r, "a look-up socket can't be opened");
}
