/* SPDX-License-Identifier: Apache-2.0 */
/* A child that writes what would hold the loop for too long. It has what it needs by fork(2): nothing is
 * shared with it, so whatever changes meanwhile does not concern it. It dies with the daemon, keeps none of
 * its sockets open, and is waited for only when it is as good as gone: its end of the pipe is closed after
 * its memory has been given back, which takes as long as the fork. */

#include "loop/forked-writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fd-util.h"

/* Closes whatever the child has inherited but two: a socket of the daemon must not be kept open by it. */
static void close_others(int a, int b) {
        int low = MAX(MIN(a, b), STDERR_FILENO), high = MAX(a, b);

        if (low > STDERR_FILENO + 1)
                (void) close_range(STDERR_FILENO + 1, (unsigned) low - 1, 0);
        if (high > low + 1)
                (void) close_range((unsigned) low + 1, (unsigned) high - 1, 0);
        (void) close_range((unsigned) high + 1, UINT_MAX, 0);
}

static _noreturn_ void run_child(ForkedWriter *w, int result_fd, pid_t parent) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(1);
        close_others(w->job.fd, result_fd);
        w->result.error = w->job.write(w->job.what, &w->result.value);
        w->result.is_said = true;
        _exit(write_all(result_fd, &w->result, sizeof(w->result)) < 0 ? 1 : 0);
}

/* Waits for the child and forgets it. Returns the time that it was computing. */
static usec_t reap(ForkedWriter *w) {
        struct rusage used = {0};

        while (wait4(w->child, NULL, 0, &used) < 0 && errno == EINTR)
                ;
        w->child = 0;
        w->io = sd_event_source_disable_unref(w->io);
        w->result_fd = close_fd(w->result_fd);
        return (usec_t) (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * USEC_PER_SEC +
               (usec_t) (used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static int on_result(
        _unused_ sd_event_source *s, _unused_ int fd, _unused_ uint32_t revents, void *userdata) {
        ForkedWriter *w = userdata;
        usec_t cpu;

        /* short enough that a pipe gives it at once; after it comes the end */
        if (!w->result.is_said && read(w->result_fd, &w->result, sizeof(w->result)) == sizeof(w->result))
                return 0;
        cpu = reap(w);
        if (!w->result.is_said)
                w->result.error = -EIO;
        w->job.done(w->job.userdata, w->result.error, w->result.value, cpu);
        return 0;
}

int forked_writer_start(ForkedWriter *w, sd_event *event, const ForkedJob *job) {
        _cleanup_close_ int read_end = -1, write_end = -1;
        pid_t parent = getpid();
        int fds[2], r;

        assert(w->child == 0);
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        read_end = fds[0];
        write_end = fds[1];
        *w = FORKED_WRITER_INIT;
        w->job = *job;
        r = sd_event_add_io(event, &w->io, read_end, POLLIN, on_result, w);
        if (r < 0)
                return r;
        w->child = fork();
        if (w->child == 0)
                run_child(w, write_end, parent);
        if (w->child < 0) {
                r = -errno;
                w->child = 0;
                w->io = sd_event_source_disable_unref(w->io);
                return r;
        }
        w->result_fd = read_end;
        read_end = -1;
        return 0;
}

void forked_writer_stop(ForkedWriter *w) {
        if (w->child == 0)
                return;
        (void) kill(w->child, SIGKILL);
        (void) reap(w);
}
