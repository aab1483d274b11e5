/* SPDX-License-Identifier: Apache-2.0 */
/* What test-chain has run behind a program of the chain and without it: writes to descriptor 63 what it has
 * inherited, a line each. Static, and content with next to nothing. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define REPORT 63

extern char **environ;

static uint64_t sum(uint64_t h, const char *s) {
        do
                h = (h ^ (uint8_t) *s) * UINT64_C(0x100000001b3);
        while (*s++);
        return h;
}

static void tell_signals(void) {
        struct itimerval timer;
        sigset_t set;

        (void) sigprocmask(SIG_BLOCK, NULL, &set);
        for (int i = 1; i <= 64; i++) {
                struct sigaction action;
                sigset_t pending;

                (void) sigpending(&pending);
                if (sigaction(i, NULL, &action) == 0)
                        (void) dprintf(REPORT, "signal %d %d%d%d\n", i, action.sa_handler == SIG_IGN,
                                sigismember(&set, i) > 0, sigismember(&pending, i) > 0);
        }
        for (int i = 0; i < 3; i++)
                if (getitimer((__itimer_which_t) i, &timer) == 0)
                        (void) dprintf(REPORT, "timer %d %d\n", i, timer.it_value.tv_sec > 0);
}

static void tell_files(void) {
        struct stat st;
        mode_t mask = umask(0);

        (void) dprintf(REPORT, "umask %o\n", (unsigned) mask);
        for (int i = 0; i < 1024; i++)
                if (i != REPORT && fcntl(i, F_GETFD) >= 0)
                        (void) dprintf(REPORT, "open %d %d\n", i, fcntl(i, F_GETFL));
        if (stat(".", &st) == 0 && st.st_nlink == 0)
                (void) dprintf(REPORT, "directory removed\n"); /* another one each time */
        else if (stat(".", &st) == 0)
                (void) dprintf(REPORT, "directory %ju %ju\n", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino);
        if (stat("/", &st) == 0)
                (void) dprintf(REPORT, "root %ju %ju\n", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino);
}

int main(int argc, char **argv) {
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        for (int i = 0; i < argc; i++)
                h = sum(h, argv[i]);
        (void) dprintf(REPORT, "arguments %d %jx\n", argc, (uintmax_t) h);
        tell_signals();
        tell_files();
        for (int i = 0; i < RLIM_NLIMITS; i++) {
                struct rlimit limit;

                if (getrlimit((__rlimit_resource_t) i, &limit) == 0)
                        (void) dprintf(REPORT, "limit %d %jx %jx\n", i, (uintmax_t) limit.rlim_cur,
                                (uintmax_t) limit.rlim_max);
        }
        for (char **e = environ; *e; e++) {
                size_t n = strcspn(*e, "=");

                (void) dprintf(REPORT, "env %.*s %zu %jx %.20s\n", n > 40 ? 40 : (int) n, *e, strlen(*e),
                        (uintmax_t) sum(UINT64_C(0xcbf29ce484222325), *e), *e + n);
        }
        (void) dprintf(REPORT, "end\n");
        return 7;
}
