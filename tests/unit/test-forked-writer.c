/* SPDX-License-Identifier: Apache-2.0 */
/* A child that writes: what it says is heard, whatever ends it is noticed, and it holds nothing of the
 * daemon's.
 */
#include "check.h"
#include "failing-fork.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "basic/fd-util.h"
#include "loop/forked-writer.h"

#define WAIT_USEC (60 * USEC_PER_SEC)

/* ---- what the child does, and what is heard of it ---- */

static unsigned heard;
static int last_result;
static uint64_t last_value;
static usec_t last_cpu;
static unsigned what = 7; /* the child has it as it was */

static void on_done(void *userdata, int r, uint64_t value, usec_t cpu) {
        assert_ptr_equal(userdata, &heard);
        heard++;
        last_result = r;
        last_value = value;
        last_cpu = cpu;
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* it is gone by now */
        assert_int_equal(errno, ECHILD);
}

static int say(void *userdata, uint64_t *ret_value) {
        unsigned *p = userdata;

        *ret_value = *p;
        *p = 99;
        return 0;
}

static int fail_to_write(_unused_ void *userdata, uint64_t *ret_value) {
        *ret_value = 1;
        return -ENOSPC;
}

static int die(_unused_ void *userdata, _unused_ uint64_t *ret_value) {
        (void) raise(SIGKILL);
        return 0;
}

static int hang(_unused_ void *userdata, _unused_ uint64_t *ret_value) {
        (void) pause();
        return -EINTR;
}

static int compute(_unused_ void *userdata, uint64_t *ret_value) {
        for (clock_t end = clock() + CLOCKS_PER_SEC / 20; clock() < end;)
                ++*ret_value;
        return 0;
}

static void start(ForkedWriter *w, sd_event *event, int (*write)(void *, uint64_t *)) {
        ForkedJob job = {.fd = -1, .write = write, .what = &what, .done = on_done, .userdata = &heard};

        heard = 0;
        assert_ok(forked_writer_start(w, event, &job));
        assert_true(forked_writer_is_busy(w));
}

static void run(ForkedWriter *w, sd_event *event, int (*write)(void *, uint64_t *)) {
        start(w, event, write);
        while (heard == 0)
                assert_true(sd_event_run(event, WAIT_USEC) > 0);
        assert_int_equal(heard, 1);
        assert_false(forked_writer_is_busy(w));
        /* nothing is left in the loop */
        assert_int_equal(sd_event_run(event, 0), 0);
}

static void test_results(_unused_ void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        ForkedWriter w = FORKED_WRITER_INIT;

        assert_ok(sd_event_new(&event));
        for (unsigned i = 0; i < 3; i++) {
                run(&w, event, say);
                assert_int_equal(last_result, 0);
                assert_int_equal(last_value, 7);
                assert_int_equal(what, 7);
                run(&w, event, fail_to_write);
                assert_int_equal(last_result, -ENOSPC);
                run(&w, event, die);
                assert_int_equal(last_result, -EIO);
        }
        run(&w, event, compute);
        assert_true(last_value > 0);
        assert_true(last_cpu >= 40 * USEC_PER_MSEC);
}

static void test_killed_from_outside(_unused_ void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        ForkedWriter w = FORKED_WRITER_INIT;

        assert_ok(sd_event_new(&event));
        start(&w, event, hang);
        assert_int_equal(sd_event_run(event, 0), 0);
        assert_int_equal(kill(w.child, SIGKILL), 0);
        while (heard == 0)
                assert_true(sd_event_run(event, WAIT_USEC) > 0);
        assert_int_equal(last_result, -EIO);
}

static void test_stopped(_unused_ void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        ForkedWriter w = FORKED_WRITER_INIT;

        assert_ok(sd_event_new(&event));
        forked_writer_stop(&w);
        start(&w, event, hang);
        forked_writer_stop(&w);
        assert_false(forked_writer_is_busy(&w));
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        forked_writer_stop(&w);
        assert_int_equal(sd_event_run(event, 0), 0);
        assert_int_equal(heard, 0);
        /* and after it has said its last word, too */
        start(&w, event, say);
        assert_int_equal(waitid(P_PID, (id_t) w.child, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
        forked_writer_stop(&w);
        assert_int_equal(sd_event_run(event, 0), 0);
        assert_int_equal(heard, 0);
        run(&w, event, say);
}

static unsigned count_descriptors(void) {
        unsigned n = 0;

        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

static void test_fork_fails(_unused_ void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        ForkedJob job = {.fd = -1, .write = say, .what = &what, .done = on_done, .userdata = &heard};
        ForkedWriter w = FORKED_WRITER_INIT;
        unsigned before;

        assert_ok(sd_event_new(&event));
        before = count_descriptors();
        fork_error = EAGAIN;
        heard = 0;
        assert_int_equal(forked_writer_start(&w, event, &job), -EAGAIN);
        fork_error = 0;
        assert_false(forked_writer_is_busy(&w));
        assert_int_equal(count_descriptors(), before);
        forked_writer_stop(&w);
        assert_int_equal(sd_event_run(event, 0), 0);
        assert_int_equal(heard, 0);
        run(&w, event, say);
        assert_int_equal(count_descriptors(), before);
}

/* A bit for each descriptor that is open. */
static int list_descriptors(_unused_ void *userdata, uint64_t *ret_value) {
        for (int fd = 0; fd < 64; fd++)
                if (fcntl(fd, F_GETFD) >= 0)
                        *ret_value |= UINT64_C(1) << fd;
        return 0;
}

/* A connection that the daemon closes must end, though a child is at work. */
static void test_descriptors(_unused_ void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        ForkedWriter w = FORKED_WRITER_INIT;
        int fds[8];

        assert_ok(sd_event_new(&event));
        for (unsigned i = 0; i < ELEMENTSOF(fds); i += 2)
                assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds + i), 0);
        for (int kept = -1; kept < (int) ELEMENTSOF(fds); kept++) {
                ForkedJob job = {.fd = kept < 0 ? -1 : fds[kept],
                        .write = list_descriptors,
                        .done = on_done,
                        .userdata = &heard};
                unsigned others = 0;

                heard = 0;
                assert_ok(forked_writer_start(&w, event, &job));
                while (heard == 0)
                        assert_true(sd_event_run(event, WAIT_USEC) > 0);
                assert_true(kept < 0 || last_value & UINT64_C(1) << fds[kept]);
                for (int fd = STDERR_FILENO + 1; fd < 64; fd++)
                        others += (last_value >> fd & 1) && (kept < 0 || fd != fds[kept]);
                assert_int_equal(others, 1); /* the pipe to the daemon */
        }
        for (unsigned i = 0; i < ELEMENTSOF(fds); i++)
                close_fd(fds[i]);
}

/* Whoever started it is killed: it writes nothing more. */
static void test_daemon_killed(_unused_ void **state) {
        pid_t daemon, writer;
        int fds[2], status;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        daemon = __real_fork();
        assert_true(daemon >= 0);
        if (daemon == 0) {
                ForkedJob job = {
                        .fd = -1, .write = hang, .what = &what, .done = on_done, .userdata = &heard};
                ForkedWriter w = FORKED_WRITER_INIT;
                sd_event *event;

                if (sd_event_new(&event) < 0 || forked_writer_start(&w, event, &job) < 0)
                        _exit(1);
                (void) !write(fds[1], &w.child, sizeof(w.child));
                for (;;)
                        (void) pause();
        }
        assert_int_equal(read(fds[0], &writer, sizeof(writer)), sizeof(writer));
        assert_int_equal(kill(daemon, SIGKILL), 0);
        assert_int_equal(waitpid(daemon, &status, 0), daemon);
        /* it is somebody else's child now, who may be slow to collect it: a zombie writes nothing either */
        for (unsigned i = 0; kill(writer, 0) == 0; i++) {
                char path[64], text[256] = "", *state_letter;
                FILE *f;

                (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) writer);
                f = fopen(path, "r");
                if (!f)
                        break;
                (void) !fgets(text, sizeof(text), f);
                (void) fclose(f);
                state_letter = strrchr(text, ')');
                if (!state_letter || state_letter[2] == 'Z')
                        break;
                assert_true(i < 60000);
                (void) usleep(1000);
        }
        close_fd(fds[0]);
        close_fd(fds[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_results),
                cmocka_unit_test(test_killed_from_outside),
                cmocka_unit_test(test_stopped),
                cmocka_unit_test(test_fork_fails),
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_daemon_killed),
        };

        return cmocka_run_group_tests_name("forked-writer", tests, NULL, NULL);
}
