/* SPDX-License-Identifier: Apache-2.0 */
/* A helper process that looks users up, and the queue before it. One question is under way at a time, so
 * that a time-out is of that one. A helper that does not answer in time is killed, and another one is asked
 * what waits. Who asks for names that take long keeps others waiting, but no longer than the few questions
 * of one uid take. Whatever goes wrong, the answer is not "yes". */

#include "source/name-check.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/time-util.h"

/* Helpers that were killed and are not dead yet, as one may take that waits for a disk or for NFS. With more
 * than these no other is started. */
#define DYING_MAX 4

/* What goes both ways. */
typedef struct Packet {
        int result;
        uid_t uid;
        char name[NAME_CHECK_NAME_MAX_BYTES + 1];
} Packet;

typedef struct Question {
        struct Question *next;
        uint64_t number;
        Packet packet;
} Question;

/* One that was killed. Nobody waits for it: it is reaped when it is dead. */
typedef struct Dying {
        pid_t pid; /* 0: none */
        sd_event_source *io;
} Dying;

struct NameCheck {
        sd_event *event;
        NameCheckListener listener;
        void *userdata;
        pid_t helper; /* 0: none */
        int fd;       /* to it */
        sd_event_source *io, *timer;
        Dying dying[DYING_MAX];
        Question *first, *last; /* the first is under way */
        size_t n;
};

/* ---- the helper ---- */

static int look_up(Packet *p) {
        struct passwd *entry;

        errno = 0;
        entry = p->name[0] ? getpwnam(p->name) : getpwuid(p->uid);
        if (!entry)
                return errno == 0 || errno == ENOENT || errno == ESRCH ? -ENOENT : -errno;
        if (entry->pw_uid != p->uid || !entry->pw_name[0] || strlen(entry->pw_name) >= sizeof(p->name))
                return -ENOENT;
        /* a directory may know one user by many spellings, and they are to count as one */
        (void) strcpy(p->name, entry->pw_name);
        return 0;
}

static _noreturn_ void run_helper(int fd, pid_t parent) {
        static const int ignored[] = {SIGTERM, SIGINT, SIGHUP};
        sigset_t none;
        Packet p;

        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        /* what is sent to the whole service, or by a terminal, is for the daemon, which goes on asking until
         * it ends */
        for (size_t i = 0; i < ELEMENTSOF(ignored); i++)
                (void) signal(ignored[i], SIG_IGN);
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(0);
        /* what the daemon holds open, this one must not keep open behind its back */
        if (dup2(fd, STDIN_FILENO) < 0)
                _exit(1);
        closefrom(STDERR_FILENO + 1);
        while (recv(STDIN_FILENO, &p, sizeof(p), 0) == (ssize_t) sizeof(p)) {
                p.result = look_up(&p);
                if (send(STDIN_FILENO, &p, sizeof(p), MSG_NOSIGNAL) < 0)
                        break;
        }
        _exit(0);
}

/* ---- the daemon ---- */

static void reap(Dying *d) {
        if (d->pid <= 0 || waitpid(d->pid, NULL, WNOHANG) == 0)
                return;
        d->io = sd_event_source_disable_unref(d->io);
        d->pid = 0;
}

static int on_death(
        sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_, void *userdata) {
        reap(userdata);
        return 0;
}

/* Returns a place for one more, or NULL. */
static Dying *find_place(NameCheck *c) {
        Dying *place = NULL;

        for (size_t i = 0; i < DYING_MAX; i++) {
                reap(&c->dying[i]);
                if (c->dying[i].pid == 0)
                        place = &c->dying[i];
        }
        return place;
}

static void watch_death(NameCheck *c, Dying *d) {
        int fd = pidfd_open(d->pid, 0);

        /* without this it is reaped when the next one is started */
        if (fd < 0 || sd_event_add_io(c->event, &d->io, fd, EPOLLIN, on_death, d) < 0)
                close_fd(fd);
        else
                (void) sd_event_source_set_io_fd_own(d->io, true);
}

static void stop_helper(NameCheck *c) {
        Dying *d = find_place(c);

        c->io = sd_event_source_disable_unref(c->io);
        c->fd = close_fd(c->fd);
        if (c->helper <= 0)
                return;
        (void) kill(c->helper, SIGKILL);
        assert(d); /* start_helper() has seen that there is one */
        *d = (Dying){.pid = c->helper};
        c->helper = 0;
        reap(d);
        if (d->pid > 0)
                watch_death(c, d);
}

static Question *take_first(NameCheck *c) {
        Question *q = c->first;

        c->first = q->next;
        c->last = c->first ? c->last : NULL;
        c->n--;
        return q;
}

/* The question that was under way, if there is one, gets this answer. */
static void fail_first(NameCheck *c, int error) {
        _cleanup_free_ Question *q = c->first ? take_first(c) : NULL;

        if (q)
                c->listener(c->userdata, q->number, error, span_from_string(q->packet.name));
}

static int start_helper(NameCheck *c);

/* Asks the first question if there is one. */
static void go_on(NameCheck *c) {
        int r;

        (void) sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
        if (!c->first)
                return;
        r = c->helper > 0 ? 0 : start_helper(c);
        if (r >= 0 && send(c->fd, &c->first->packet, sizeof(Packet), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                r = -errno;
        if (r >= 0) {
                (void) sd_event_source_set_time_relative(c->timer, NAME_CHECK_USEC);
                r = sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
        }
        if (r < 0) {
                stop_helper(c);
                /* by the timer, and not now: whoever asks does not expect an answer before the return */
                (void) sd_event_source_set_time_relative(c->timer, 0);
                (void) sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
        }
}

static int on_timeout(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        NameCheck *c = userdata;

        stop_helper(c);
        fail_first(c, -ETIMEDOUT);
        go_on(c);
        return 0;
}

static int on_answer(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata) {
        NameCheck *c = userdata;
        _cleanup_free_ Question *q = NULL;
        Packet p;
        ssize_t n = recv(fd, &p, sizeof(p), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n != (ssize_t) sizeof(p) || !c->first) {
                stop_helper(c); /* it crashed in somebody's module */
                fail_first(c, -EIO);
                go_on(c);
                return 0;
        }
        q = take_first(c);
        p.name[sizeof(p.name) - 1] = 0;
        c->listener(
                c->userdata, q->number, p.result, span_from_string(p.result < 0 ? q->packet.name : p.name));
        go_on(c);
        return 0;
}

static int start_helper(NameCheck *c) {
        _cleanup_close_ int ours = -1, theirs = -1;
        pid_t parent = getpid(), child;
        int fds[2], r;

        if (!find_place(c))
                return -EBUSY;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        ours = fds[0];
        theirs = fds[1];
        child = fork();
        if (child < 0)
                return -errno;
        if (child == 0)
                run_helper(theirs, parent);
        c->helper = child;
        r = sd_event_add_io(c->event, &c->io, ours, EPOLLIN, on_answer, c);
        if (r < 0) {
                stop_helper(c);
                return r;
        }
        c->fd = ours;
        ours = -1;
        return 0;
}

int name_check_new(sd_event *event, NameCheckListener listener, void *userdata, NameCheck **ret) {
        _cleanup_(name_check_freep) NameCheck *c = calloc(1, sizeof(NameCheck));
        int r;

        if (!c)
                return -ENOMEM;
        c->fd = -1;
        c->event = sd_event_ref(event);
        c->listener = listener;
        c->userdata = userdata;
        r = sd_event_add_time_relative(event, &c->timer, CLOCK_MONOTONIC, 0, 0, on_timeout, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = start_helper(c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

static size_t count_of(const NameCheck *c, uid_t uid) {
        size_t n = 0;

        for (const Question *q = c->first; q; q = q->next)
                n += q->packet.uid == uid;
        return n;
}

int name_check_ask(NameCheck *c, uint64_t number, uid_t uid, Span name) {
        Question *q;

        if (name.size > NAME_CHECK_NAME_MAX_BYTES)
                return -ENAMETOOLONG;
        if (name.size > 0 && memchr(name.data, 0, name.size))
                return -EINVAL;
        if (c->n == NAME_CHECK_WAITING_MAX || count_of(c, uid) >= NAME_CHECK_WAITING_OF_UID_MAX)
                return -E2BIG;
        q = calloc(1, sizeof(Question));
        if (!q)
                return -ENOMEM;
        q->number = number;
        q->packet.uid = uid;
        if (name.size > 0)
                memcpy(q->packet.name, name.data, name.size);
        if (c->last)
                c->last->next = q;
        else
                c->first = q;
        c->last = q;
        if (c->n++ == 0)
                go_on(c);
        return 0;
}

NameCheck *name_check_free(NameCheck *c) {
        if (!c)
                return NULL;
        stop_helper(c);
        for (size_t i = 0; i < DYING_MAX; i++)
                sd_event_source_disable_unref(c->dying[i].io);
        while (c->first)
                free(take_first(c));
        sd_event_source_disable_unref(c->timer);
        sd_event_unref(c->event);
        free(c);
        return NULL;
}
