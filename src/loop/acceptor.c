/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "basic/fd-util.h"
#include "basic/time-util.h"
#include "loop/turn.h"

/* When descriptors or memory run out, others need the time, too. */
#define PAUSE_USEC (1 * USEC_PER_SEC)

typedef struct Listener {
        int fd;
        sd_event_source *io;
} Listener;

struct Acceptor {
        sd_event *event;
        AcceptorSettings settings;
        sd_event_source *resume; /* its timer runs while no connection is accepted */
        size_t n;
        Listener listeners[]; /* settings.max_sockets of them */
};

static void set_accepting(Acceptor *a, bool on) {
        for (size_t i = 0; i < a->n; i++)
                (void) sd_event_source_set_enabled(a->listeners[i].io, on ? SD_EVENT_ON : SD_EVENT_OFF);
        if (!on)
                (void) sd_event_source_set_time_relative(a->resume, PAUSE_USEC);
        (void) sd_event_source_set_enabled(a->resume, on ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static int on_resume(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        set_accepting(userdata, true);
        return 0;
}

/* Returns false when nobody else is to be accepted for now. */
static bool accept_one(Acceptor *a, int listener) {
        const AcceptorSettings *s = &a->settings;
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
                s->accepted(s->userdata, fd);
                return true;
        }
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
                return false;
        /* without descriptors it stays in the queue, and the loop would spin on it */
        if ((errno != EMFILE && errno != ENFILE) || !s->make_room || !s->make_room(s->userdata))
                set_accepting(a, false);
        return false;
}

static int on_connect(
        sd_event_source *source _unused_, int listener, uint32_t events _unused_, void *userdata) {
        Acceptor *a = userdata;

        for (unsigned i = 0; i < a->settings.batch && accept_one(a, listener); i++)
                ;
        return 0;
}

int acceptor_new(sd_event *event, const AcceptorSettings *settings, Acceptor **ret) {
        _cleanup_(acceptor_freep) Acceptor *a =
                calloc(1, sizeof(Acceptor) + settings->max_sockets * sizeof(Listener));
        int r;

        if (!a)
                return -ENOMEM;
        a->event = sd_event_ref(event);
        a->settings = *settings;
        r = sd_event_add_time(event, &a->resume, CLOCK_MONOTONIC, 0, 0, on_resume, a);
        if (r < 0 || (r = sd_event_source_set_enabled(a->resume, SD_EVENT_OFF)) < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

int acceptor_listen(Acceptor *a, int fd) {
        _cleanup_close_ int owned = fd;
        Listener *l = &a->listeners[a->n];
        int r;

        if (a->n == a->settings.max_sockets)
                return -E2BIG;
        r = sd_is_socket_unix(fd, a->settings.type, 1, NULL, 0);
        if (r <= 0)
                return r < 0 ? r : -ENOTSOCK;
        r = fcntl(fd, F_GETFL);
        if (r < 0 || fcntl(fd, F_SETFL, r | O_NONBLOCK) < 0)
                return -errno;
        r = sd_event_add_io(a->event, &l->io, fd, EPOLLIN, on_connect, a);
        if (r < 0)
                return r;
        /* in turn with the logs: those who connect without end must not keep us from hearing of logins */
        (void) sd_event_source_set_priority(l->io, TURN_PRIORITY);
        l->fd = fd;
        owned = -1;
        a->n++;
        return 0;
}

size_t acceptor_sockets(const Acceptor *a) {
        return a->n;
}

Acceptor *acceptor_free(Acceptor *a) {
        if (!a)
                return NULL;
        for (size_t i = 0; i < a->n; i++) {
                sd_event_source_disable_unref(a->listeners[i].io);
                close_fd(a->listeners[i].fd);
        }
        sd_event_source_disable_unref(a->resume);
        sd_event_unref(a->event);
        free(a);
        return NULL;
}
