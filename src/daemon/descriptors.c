/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <systemd/sd-daemon.h>

#include "basic/fd-util.h"
#include "basic/log.h"

/* Two listening stream sockets can't be told apart but by their names. What comes by the control socket is
 * obeyed, so none becomes that for want of another name; "unknown" is that of all of them where whoever
 * passes them gives no names (sd_listen_fds(3)). */
static DescriptorKind stream_kind(const char *name) {
        if (streq(name, "lookup"))
                return DESCRIPTOR_LOOKUP;
        return streq(name, "authrelay.socket") || streq(name, "control") || streq(name, "unknown")
                       ? DESCRIPTOR_CONTROL
                       : _DESCRIPTOR_KIND_INVALID;
}

static DescriptorKind kind_of(int fd, const char *name) {
        if (sd_is_socket(fd, AF_NETLINK, SOCK_RAW, -1) > 0)
                return DESCRIPTOR_NETLINK;
        if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) > 0)
                return stream_kind(name);
        if (sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) > 0)
                return DESCRIPTOR_LOGIN;
        if (sd_is_socket_unix(fd, SOCK_SEQPACKET, 0, NULL, 0) > 0)
                return DESCRIPTOR_LOGIN_CONNECTION;
        if (sd_is_socket_unix(fd, SOCK_DGRAM, -1, NULL, 0) > 0)
                return DESCRIPTOR_SYSLOG;
        return sd_is_fifo(fd, NULL) > 0 ? DESCRIPTOR_FIFO : _DESCRIPTOR_KIND_INVALID;
}

static void free_names(char **names) {
        for (char **name = names; name && *name; name++)
                free(*name);
        free(names);
}

int descriptors_receive(Descriptors *ret) {
        _cleanup_(descriptors_done) Descriptors d = {0};
        char **names = NULL;
        int n = sd_listen_fds_with_names(true, &names);

        if (n > 0)
                d.items = calloc((size_t) n, sizeof(Descriptor));
        if (n < 0 || (n > 0 && !d.items)) {
                free_names(names);
                return log_errno(
                        LOG_ERR, n < 0 ? n : -ENOMEM, "the descriptors from systemd can't be taken");
        }
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;
                DescriptorKind kind = kind_of(fd, names[i]);

                if (kind >= 0)
                        d.items[d.n++] = (Descriptor){
                                .fd = fd,
                                .kind = kind,
                                .stored = kind == DESCRIPTOR_FIFO && streq(names[i], DESCRIPTOR_STORED_FIFO),
                        };
                else {
                        log_warning("descriptor %d (%s) from systemd is of no kind that is known here", fd,
                                names[i]);
                        close_fd(fd);
                }
        }
        free_names(names);
        *ret = d;
        d = (Descriptors){0};
        return 0;
}

static int take(Descriptor *item) {
        int fd = item->fd;

        item->fd = -1;
        return fd;
}

int descriptors_take(Descriptors *d, DescriptorKind kind) {
        for (size_t i = 0; i < d->n; i++)
                if (d->items[i].fd >= 0 && d->items[i].kind == kind)
                        return take(&d->items[i]);
        return -1;
}

static int lend(Descriptor *item) {
        int fd = fcntl(item->fd, F_DUPFD_CLOEXEC, 3);

        item->lent |= fd >= 0;
        return fd;
}

int descriptors_lend(Descriptors *d, DescriptorKind kind) {
        for (size_t i = 0; i < d->n; i++)
                if (d->items[i].fd >= 0 && d->items[i].kind == kind)
                        return lend(&d->items[i]);
        return -1;
}

int descriptors_lend_fifo(Descriptors *d, const char *path, bool *ret_stored) {
        /* rather the one that a unit holds, should both be there */
        for (int stored = 0; stored < 2; stored++)
                for (size_t i = 0; i < d->n; i++) {
                        Descriptor *item = &d->items[i];

                        if (item->fd < 0 || item->stored != stored || sd_is_fifo(item->fd, path) <= 0)
                                continue;
                        *ret_stored = item->stored;
                        return item->stored ? take(item) : lend(item);
                }
        *ret_stored = false;
        return -1;
}

bool descriptors_has_idle(const Descriptors *d, DescriptorKind kind) {
        for (size_t i = 0; i < d->n; i++)
                if (d->items[i].fd >= 0 && d->items[i].kind == kind && !d->items[i].lent)
                        return true;
        return false;
}

bool descriptors_close_stored(Descriptors *d) {
        bool any = false;

        for (size_t i = 0; i < d->n; i++)
                if (d->items[i].fd >= 0 && d->items[i].stored) {
                        d->items[i].fd = close_fd(d->items[i].fd);
                        any = true;
                }
        return any;
}

void descriptors_done(Descriptors *d) {
        for (size_t i = 0; i < d->n; i++)
                close_fd(d->items[i].fd);
        free(d->items);
        *d = (Descriptors){0};
}
