/* SPDX-License-Identifier: Apache-2.0 */
/* How long after a login line was written to a log does a reader of the published files say yes? A real
 * daemon follows a real file; the reader is relay_lookup(), which is what relaylock does before its exec.
 * Beside it, in the same run: how long it takes tail(1) -F to bring the same kind of line to a pipe, the
 * least that any follower of the file needs. With --journal the line goes to journald (in
 * tests/lib/journal-box, as dovecot.service), the other follower is journalctl(1) -f, and it is told what
 * the daemon did in a minute in which nobody logged in.
 *
 *   bench-latency [--journal] DAEMON PATTERNS [GRANTS [LOGINS]] */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "bench.h"
#include "cdb/relay-lookup.h"

/* a tmpfs, as /run is */
static char directory[] = "/dev/shm/bench-latency-XXXXXX";
static char log_path[64], cdb_path[64], config_path[64];
static bool through_journal;

/* The daemon looks for a while after a login, and saves its state: only then it is idle. */
#define QUIET_SECONDS 75

static IpAddr address_of(uint32_t i) {
        IpAddr a = {{[10] = 0xff, [11] = 0xff, [12] = 198}};

        /* 198.18.0.0/15 is for benchmarks (RFC 2544) */
        a.bytes[13] = (uint8_t) (18 + (i >> 16));
        a.bytes[14] = (uint8_t) (i >> 8);
        a.bytes[15] = (uint8_t) i;
        return a;
}

/* To a file, or as a datagram to journald's /dev/log. */
static void write_login(int fd, uint32_t i) {
        char head[32] = "<22>", address[IP_TEXT_BYTES], line[512];
        IpAddr addr = address_of(i);
        time_t now = time(NULL);
        int n;

        if (!through_journal)
                (void) strftime(head, sizeof(head), "%b %e %H:%M:%S mx ", localtime(&now));
        n = snprintf(line, sizeof(line),
                "%sdovecot: imap-login: Login: user=<user%u>, method=PLAIN, rip=%s, lip=203.0.113.1, "
                "mpid=%u, TLS, "
                "session=<cqSejr9gGMl/AAAB>\n",
                head, (unsigned) i, ip_addr_format(address, &addr), (unsigned) i);
        if (write_all(fd, line, (size_t) n) < 0)
                die("write");
}

static bool may_relay(uint32_t i) {
        IpAddr addr = address_of(i);
        RelayAnswer answer;

        return relay_lookup(cdb_path, &addr, (uint64_t) time(NULL), &answer) == RELAY_RESULT_GRANTED;
}

/* It looks every 20 us or so, and not as fast as it can: that would take the core from the daemon, or from
 * the child that writes a base. */
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
        (void) printf("bench: line %s -> relaylock says yes, %u grants, p%u; %s | "
                      "%.2f ms | %.2f ms | %.2f | <= %.0f ms | %s\n",
                through_journal ? "in the journal" : "written", (unsigned) grants, percent,
                through_journal ? "journalctl -f" : "tail -F", ours, theirs, ours / theirs, goal,
                ours <= goal ? "met" : "missed");
}

/* Logins come when they come: not when a follower has just looked. */
static void pause_between(void) {
        (void) usleep(through_journal ? 5000 + (useconds_t) (random() % 20000) : 5000);
}

/* Another program that writes each new line to a pipe. */
static pid_t start_follower(int *ret_fd) {
        const char *const tail[] = {"tail", "-n0", "-F", log_path, NULL};
        const char *const journalctl[] = {"journalctl", "-n0", "-f", "-o", "cat", NULL};
        const char *const *argv = through_journal ? journalctl : tail;
        int fds[2];
        pid_t pid;

        if (pipe(fds) < 0)
                die("pipe");
        pid = fork();
        if (pid == 0) {
                (void) dup2(fds[1], STDOUT_FILENO);
                (void) execvp(argv[0], (char *const *) (uintptr_t) argv);
                _exit(127);
        }
        (void) close(fds[1]);
        *ret_fd = fds[0];
        (void) usleep(500000);
        return pid;
}

/* How long it takes to pass a line on, each of n times. */
static void time_follower(int log, int pipe_fd, double *times, size_t n) {
        for (size_t i = 0; i < n; i++) {
                char buf[4096];
                double start = seconds();

                write_login(log, 0);
                if (read(pipe_fd, buf, sizeof(buf)) <= 0)
                        die(through_journal ? "journalctl" : "tail");
                times[i] = seconds() - start;
                pause_between();
        }
}

/* How often it has waited for something and then run. */
static unsigned long long wake_ups(pid_t pid) {
        static const char key[] = "voluntary_ctxt_switches:";
        char path[32], line[128];
        unsigned long long n = 0;
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/%i/status", (int) pid);
        f = fopen(path, "r");
        if (!f)
                die(path);
        while (fgets(line, sizeof(line), f))
                if (strncmp(line, key, sizeof(key) - 1) == 0)
                        n = strtoull(line + sizeof(key) - 1, NULL, 10);
        (void) fclose(f);
        return n;
}

/* A minute in which nothing is logged. The daemon looks after its files by the timer that feeds its
 * watchdog, once a minute where there is none, as here: nothing else may wake it. */
#define TICKS_A_MINUTE 1

static void watch_idle(pid_t daemon, pid_t follower) {
        unsigned long long ours, theirs;

        (void) sleep(QUIET_SECONDS);
        ours = wake_ups(daemon);
        theirs = wake_ups(follower);
        (void) sleep(60);
        ours = wake_ups(daemon) - ours;
        theirs = wake_ups(follower) - theirs;
        (void) printf(
                "bench: wake-ups in a minute without a login, by the watchdog's timer; journalctl -f | "
                "%llu | %llu | - | %d | %s\n",
                ours, theirs, TICKS_A_MINUTE, ours <= TICKS_A_MINUTE ? "met" : "missed");
}

static int open_log(void) {
        struct sockaddr_un journald = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
        int fd;

        if (!through_journal)
                return open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *) &journald, sizeof(journald)) < 0)
                die(journald.sun_path);
        return fd;
}

static void end(pid_t pid, int signal) {
        (void) kill(pid, signal);
        (void) waitpid(pid, NULL, 0);
}

int main(int argc, char *argv[]) {
        uint32_t grants, logins, n_theirs;
        double *times, *theirs;
        char command[96];
        FILE *config;
        pid_t pid, follower;
        int log, fd;

        through_journal = argc > 1 && strcmp(argv[1], "--journal") == 0;
        argc -= through_journal;
        argv += through_journal;
        grants = argc > 3 ? (uint32_t) atoi(argv[3]) : 10000;
        logins = argc > 4 ? (uint32_t) atoi(argv[4]) : 1000;
        /* journald tells its readers of new entries four times a second */
        n_theirs = through_journal ? logins / 5 : logins;
        times = calloc(logins, sizeof(double));
        theirs = calloc(logins, sizeof(double));
        if (argc < 3 || !times || !theirs || logins < 500 || grants + logins > 131072) {
                (void) fprintf(stderr, "bench-latency [--journal] DAEMON PATTERNS [GRANTS [LOGINS]]\n");
                return 2;
        }
        if (!mkdtemp(directory))
                die("mkdtemp");
        (void) snprintf(log_path, sizeof(log_path), "%s/mail.log", directory);
        (void) snprintf(cdb_path, sizeof(cdb_path), "%s/relay.cdb", directory);
        (void) snprintf(config_path, sizeof(config_path), "%s/conf", directory);
        log = open_log();
        config = fopen(config_path, "w");
        if (log < 0 || !config)
                die(directory);
        (void) fprintf(config, "[Sources]\nJournal=%s\n", through_journal ? "yes" : "no");
        if (!through_journal)
                (void) fprintf(config, "File=%s\n", log_path);
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
                pause_between();
        }
        follower = start_follower(&fd);
        if (through_journal)
                watch_idle(pid, follower);
        end(pid, SIGTERM);
        time_follower(log, fd, theirs, n_theirs);
        end(follower, SIGKILL);
        print(grants, 50, percentile(times, logins, 50), percentile(theirs, n_theirs, 50),
                through_journal ? 20 : 1);
        print(grants, 99, percentile(times, logins, 99), percentile(theirs, n_theirs, 99),
                through_journal ? 20 : 5);
        free(theirs);
        free(times);
        (void) snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command) == 0 ? 0 : 1;
}
