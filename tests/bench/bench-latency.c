/* SPDX-License-Identifier: Apache-2.0 */
/* How long after a login line was written to a log does a reader of the published files say yes? A real daemon
 * follows a real file; the reader is relay_lookup(), which is what relaylock does before its exec. Beside it, in
 * the same run: how long it takes tail(1) -F to bring the same kind of line to a pipe, the least that any follower
 * of the file needs.
 *
 *   bench-latency DAEMON PATTERNS [GRANTS [LOGINS]] */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "bench.h"
#include "cdb/relay-lookup.h"

/* a tmpfs, as /run is */
static char directory[] = "/dev/shm/bench-latency-XXXXXX";
static char log_path[64], cdb_path[64], config_path[64];

static IpAddr address_of(uint32_t i) {
        IpAddr a = {{[10] = 0xff, [11] = 0xff, [12] = 198}};

        /* 198.18.0.0/15 is for benchmarks (RFC 2544) */
        a.bytes[13] = (uint8_t) (18 + (i >> 16));
        a.bytes[14] = (uint8_t) (i >> 8);
        a.bytes[15] = (uint8_t) i;
        return a;
}

static void write_login(int fd, uint32_t i) {
        char stamp[32], address[IP_TEXT_BYTES], line[512];
        IpAddr addr = address_of(i);
        time_t now = time(NULL);
        int n;

        (void) strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", localtime(&now));
        n = snprintf(line, sizeof(line),
                "%s mx dovecot: imap-login: Login: user=<user%u>, method=PLAIN, rip=%s, lip=203.0.113.1, mpid=%u, TLS, "
                "session=<cqSejr9gGMl/AAAB>\n",
                stamp, (unsigned) i, ip_addr_format(address, &addr), (unsigned) i);
        if (write_all(fd, line, (size_t) n) < 0)
                die("write");
}

static bool may_relay(uint32_t i) {
        IpAddr addr = address_of(i);
        RelayAnswer answer;

        return relay_lookup(cdb_path, &addr, (uint64_t) time(NULL), &answer) == RELAY_RESULT_GRANTED;
}

/* It looks every 20 us or so, and not as fast as it can: that would take the core from the daemon, or from the child
 * that writes a base. */
static void wait_for(uint32_t i) {
        for (double end = seconds() + 20; !may_relay(i); (void) usleep(20))
                if (seconds() > end) {
                        (void) fprintf(stderr, "login %u was not granted within 20 s\n", (unsigned) i);
                        exit(1);
                }
}

static pid_t start_daemon(const char *daemon, const char *patterns) {
        char config[80], option[512];
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        (void) snprintf(config, sizeof(config), "--config=%s", config_path);
        (void) snprintf(option, sizeof(option), "--patterns=%s", patterns);
        (void) setenv("RUNTIME_DIRECTORY", directory, 1);
        (void) setenv("STATE_DIRECTORY", directory, 1);
        if (!freopen("/dev/null", "w", stderr))
                _exit(127);
        (void) execl(daemon, daemon, config, option, NULL);
        _exit(127);
}

/* In milliseconds. */
static double percentile(double *times, size_t n, unsigned percent) {
        qsort(times, n, sizeof(double), compare);
        return times[n * percent / 100] * 1000;
}

static void print(uint32_t grants, unsigned percent, double ours, double theirs, double goal) {
        (void) printf("bench: line written -> relaylock says yes, %u grants, p%u; tail -F | "
                      "%.2f ms | %.2f ms | %.2f | <= %.0f ms | %s\n",
                (unsigned) grants, percent, ours, theirs, ours / theirs, goal, ours <= goal ? "met" : "missed");
}

/* How long tail takes to pass a line on: as many times as it is asked for. */
static double *times_of_tail(int log, size_t n) {
        char *argv[] = {(char *) "tail", (char *) "-n0", (char *) "-F", log_path, NULL};
        double *times = calloc(n, sizeof(double));
        int fds[2];
        pid_t pid;

        if (!times || pipe(fds) < 0)
                die("pipe");
        pid = fork();
        if (pid == 0) {
                (void) dup2(fds[1], STDOUT_FILENO);
                (void) execvp(argv[0], argv);
                _exit(127);
        }
        (void) usleep(500000);
        for (size_t i = 0; i < n; i++) {
                char buf[4096];
                double start = seconds();

                write_login(log, 0);
                if (read(fds[0], buf, sizeof(buf)) <= 0)
                        die("tail");
                times[i] = seconds() - start;
                (void) usleep(2000);
        }
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        return times;
}

int main(int argc, char *argv[]) {
        uint32_t grants = argc > 3 ? (uint32_t) atoi(argv[3]) : 10000, logins = argc > 4 ? (uint32_t) atoi(argv[4]) : 1000;
        double *times = calloc(logins, sizeof(double));
        double *tail;
        char command[96];
        FILE *config;
        pid_t pid;
        int log;

        if (argc < 3 || !times || logins < 100 || grants + logins > 131072) {
                (void) fprintf(stderr, "bench-latency DAEMON PATTERNS [GRANTS [LOGINS]]\n");
                return 2;
        }
        if (!mkdtemp(directory))
                die("mkdtemp");
        (void) snprintf(log_path, sizeof(log_path), "%s/mail.log", directory);
        (void) snprintf(cdb_path, sizeof(cdb_path), "%s/relay.cdb", directory);
        (void) snprintf(config_path, sizeof(config_path), "%s/conf", directory);
        log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        config = fopen(config_path, "w");
        if (log < 0 || !config)
                die(directory);
        (void) fprintf(config, "[Sources]\nJournal=no\nFile=%s\n", log_path);
        (void) fclose(config);
        for (uint32_t i = 0; i < grants; i++)
                write_login(log, i);
        pid = start_daemon(argv[1], argv[2]);
        wait_for(grants - 1);
        (void) usleep(300000);
        for (uint32_t i = 0; i < logins; i++) {
                double start = seconds();

                write_login(log, grants + i);
                wait_for(grants + i);
                times[i] = seconds() - start;
                (void) usleep(5000);
        }
        (void) kill(pid, SIGTERM);
        (void) waitpid(pid, NULL, 0);
        tail = times_of_tail(log, logins);
        print(grants, 50, percentile(times, logins, 50), percentile(tail, logins, 50), 1);
        print(grants, 99, percentile(times, logins, 99), percentile(tail, logins, 99), 5);
        free(tail);
        free(times);
        (void) snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command) == 0 ? 0 : 1;
}
