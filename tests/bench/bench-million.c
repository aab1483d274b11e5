/* SPDX-License-Identifier: Apache-2.0 */
/* Real daemons with a thousand to a million live grants, a tenth of them IPv6: what a restart, a change, a
 * save of the state and memory cost, and how that grows; and with a million 1,000 new logins a second beside
 * 10,000 repeated ones. All look at the published files with relay_lookup(), which is what relaylock does
 * before its exec. The runtime directories are on a tmpfs, as /run is; the state directories on the disk of
 * /var/tmp.
 *
 * Restarts: the median of three. A change: one login at a time, LOGINS of them. How long the loop stood
 * still: the longest that a question on the look-up socket waited, asked one after the other while the
 * daemon, a minute after the first login, saved its state. Load: as one stream of lines, for 14 s in which
 * the state is saved; or with AUTHRELAY_LONG=1 for 60 s.
 *
 *   bench-million DAEMON PATTERNS [GRANTS...] */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "bench.h"
#include "cdb/relay-lookup.h"

#define SIZES_MAX 8
#define RESTARTS 3
#define LOGINS 300u
#define NEW_PER_SECOND 1000u
#define REPEATED_PER_NEW 10u
/* The daemon saves a minute after the first change, with an accuracy of a second. */
#define SAVE_SECONDS 60
#define LOAD_SECONDS 10
/* So long before and after that the load goes on. */
#define SAVING_SECONDS 2
/* Between an answer and the next question, so that these cost the daemon next to nothing. */
#define ASK_SECONDS 0.002
#define BATCH_BYTES ((size_t) 1 << 20)

typedef struct Server {
        unsigned grants, used; /* at the start; addresses that have logged in so far */
        char runtime[64], state[64], cdb[80];
        int log, lookup;
        pid_t pid;
        double ready, stop, dirty; /* seconds; dirty: when the first login came */
        double p50, p99, stall, save;
        double since; /* when the question was asked, or the answer taken */
        bool asked;
        off_t state_size;
        int watch;
} Server;

static const char *program, *patterns;
static char tmpfs[] = "/dev/shm/bench-million-XXXXXX", disk[] = "/var/tmp/bench-million-XXXXXX";
static Server servers[SIZES_MAX];
static unsigned n_servers;
static uint64_t random_state = 88172645463325252u;

static void end_all(void) {
        char command[200];

        for (unsigned i = 0; i < n_servers; i++)
                if (servers[i].pid > 0) {
                        (void) kill(servers[i].pid, SIGKILL);
                        (void) waitpid(servers[i].pid, NULL, 0);
                }
        (void) snprintf(command, sizeof(command), "rm -rf %s %s", tmpfs, disk);
        (void) !system(command);
}

static _noreturn_ void give_up(const char *what) {
        (void) fprintf(stderr, "bench-million: %s: %s\n", what, strerror(errno));
        end_all();
        _exit(1);
}

static uint32_t any_of(uint32_t n) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (uint32_t) (random_state % n);
}

/* From 20.0.0.0 and 2a00:0:0:1::/64 on. */
static IpAddr address_of(uint32_t i) {
        IpAddr a = {{0}};

        if (i % 10 == 9) {
                a = (IpAddr){{0x2a, [15] = 1}};
                for (unsigned k = 0; k < 4; k++)
                        a.bytes[4 + k] = (uint8_t) (i >> (24 - 8 * k));
                return a;
        }
        a = (IpAddr){{[10] = 0xff, [11] = 0xff}};
        for (unsigned k = 0; k < 4; k++)
                a.bytes[12 + k] = (uint8_t) ((0x14000000 + i) >> (24 - 8 * k));
        return a;
}

/* ---- lines ---- */

static char batch[BATCH_BYTES];
static size_t batch_size;

static void write_batch(const Server *s) {
        if (write_all(s->log, batch, batch_size) < 0)
                give_up("the log");
        batch_size = 0;
}

static void add_login(uint32_t i) {
        static char stamp[32];
        static time_t stamped;
        char address[IP_TEXT_BYTES];
        IpAddr addr = address_of(i);
        time_t now = time(NULL);

        if (now != stamped)
                (void) strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", localtime(&now));
        stamped = now;
        batch_size += (size_t) sprintf(batch + batch_size,
                "%s mx dovecot: pop3-login: Login: user=<user%u>, method=PLAIN, rip=%s, lip=203.0.113.1, "
                "mpid=%u, "
                "TLS\n",
                stamp, (unsigned) i, ip_addr_format(address, &addr), (unsigned) i);
}

static bool may_relay(const Server *s, uint32_t i) {
        IpAddr addr = address_of(i);
        RelayAnswer answer;

        return relay_lookup(s->cdb, &addr, (uint64_t) time(NULL), &answer) == RELAY_RESULT_GRANTED;
}

static void wait_for(const Server *s, uint32_t i, unsigned pause_usec) {
        for (double end = seconds() + 60; !may_relay(s, i); (void) usleep(pause_usec))
                if (seconds() > end)
                        give_up("a login was not granted within a minute");
}

/* ---- the daemon ---- */

static void connect_lookup(Server *s) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/lookup", s->runtime);
        s->lookup = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (s->lookup < 0 || connect(s->lookup, (struct sockaddr *) &address, sizeof(address)) < 0)
                give_up("the look-up socket");
        s->asked = false;
        s->since = 0;
}

/* Starts it and waits for READY=1. Returns the seconds that it took. */
static double start(Server *s) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char config[100], option[1024], message[4096];
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        double begin;
        ssize_t n;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", s->runtime);
        (void) unlink(address.sun_path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                give_up(address.sun_path);
        (void) snprintf(config, sizeof(config), "--config=%s/conf", s->runtime);
        (void) snprintf(option, sizeof(option), "--patterns=%s", patterns);
        begin = seconds();
        s->pid = fork();
        if (s->pid == 0) {
                (void) setenv("RUNTIME_DIRECTORY", s->runtime, 1);
                (void) setenv("STATE_DIRECTORY", s->state, 1);
                (void) setenv("NOTIFY_SOCKET", address.sun_path, 1);
                if (!freopen("/dev/null", "w", stderr))
                        _exit(127);
                (void) execl(program, program, config, option, NULL);
                _exit(127);
        }
        do {
                struct pollfd poller = {.fd = fd, .events = POLLIN};

                if (poll(&poller, 1, 120000) != 1)
                        give_up("the daemon is not ready");
                n = recv(fd, message, sizeof(message) - 1, 0);
                message[MAX(n, (ssize_t) 0)] = 0;
        } while (!strstr(message, "READY=1"));
        begin = seconds() - begin;
        close_fd(fd);
        connect_lookup(s);
        return begin;
}

static double stop(Server *s) {
        double begin = seconds();

        s->lookup = close_fd(s->lookup);
        if (kill(s->pid, SIGTERM) < 0 || waitpid(s->pid, NULL, 0) < 0)
                give_up("the daemon has ended by itself");
        s->pid = 0;
        return seconds() - begin;
}

/* A number behind `name` in a file of /proc/PID/. */
static uint64_t proc_number(const Server *s, const char *file, const char *name) {
        char path[64], line[256];
        uint64_t v = 0;
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) s->pid, file);
        f = fopen(path, "r");
        while (f && fgets(line, sizeof(line), f))
                if (strncmp(line, name, strlen(name)) == 0)
                        v = strtoull(line + strlen(name), NULL, 10);
        if (f)
                (void) fclose(f);
        return v;
}

/* Seconds that the daemon and the children that it has waited for have computed. */
static double cpu_of(const Server *s) {
        unsigned long user, system, child_user, child_system;
        char path[64], text[1024] = "";
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) s->pid);
        f = fopen(path, "r");
        if (!f || !fgets(text, sizeof(text), f) ||
                sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu",
                        &user, &system, &child_user, &child_system) != 4)
                give_up(path);
        (void) fclose(f);
        return (double) (user + system + child_user + child_system) / (double) sysconf(_SC_CLK_TCK);
}

/* ---- what is measured ---- */

static void make(Server *s, unsigned grants) {
        char path[80];
        FILE *config;

        *s = (Server){.grants = grants, .lookup = -1};
        (void) snprintf(s->runtime, sizeof(s->runtime), "%s/%u", tmpfs, grants);
        (void) snprintf(s->state, sizeof(s->state), "%s/%u", disk, grants);
        (void) snprintf(s->cdb, sizeof(s->cdb), "%s/%u/relay.cdb", tmpfs, grants);
        if (mkdir(s->runtime, 0755) < 0 || mkdir(s->state, 0700) < 0)
                give_up(s->runtime);
        (void) snprintf(path, sizeof(path), "%s/mail.log", s->runtime);
        s->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        (void) snprintf(path, sizeof(path), "%s/conf", s->runtime);
        config = fopen(path, "w");
        if (s->log < 0 || !config ||
                fprintf(config, "[Sources]\nJournal=no\nFile=%s/mail.log\n[Grants]\nMaxGrants=2000000\n",
                        s->runtime) < 0 ||
                fclose(config) != 0)
                give_up(path);
}

/* A log of so many logins, which is read at the first start; then the same with what was saved. */
static void fill(Server *s) {
        double ready[RESTARTS], stops[RESTARTS];
        struct stat st;
        char path[80];

        for (; s->used < s->grants; s->used++) {
                add_login(s->used);
                if (batch_size > BATCH_BYTES / 2)
                        write_batch(s);
        }
        write_batch(s);
        (void) start(s);
        wait_for(s, s->grants - 1, 10000);
        for (unsigned i = 0; i < RESTARTS; i++) {
                stops[i] = stop(s);
                ready[i] = start(s);
        }
        qsort(ready, RESTARTS, sizeof(double), compare);
        qsort(stops, RESTARTS, sizeof(double), compare);
        s->ready = ready[RESTARTS / 2];
        s->stop = stops[RESTARTS / 2];
        (void) snprintf(path, sizeof(path), "%s/state", s->state);
        if (stat(path, &st) < 0 || !may_relay(s, s->grants - 1))
                give_up("nothing was saved");
        s->state_size = st.st_size;
}

static void one_at_a_time(Server *s) {
        double times[LOGINS];

        s->dirty = seconds();
        for (unsigned i = 0; i < LOGINS; i++) {
                double begin = seconds();

                add_login(s->used);
                write_batch(s);
                /* as fast as it can it would take the core from the daemon, or from a base's child */
                wait_for(s, s->used++, 20);
                times[i] = seconds() - begin;
                (void) usleep(5000);
        }
        qsort(times, LOGINS, sizeof(double), compare);
        s->p50 = times[LOGINS / 2];
        s->p99 = times[LOGINS * 99 / 100];
}

static void watch_state(Server *s) {
        s->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (s->watch < 0 || inotify_add_watch(s->watch, s->state, IN_CREATE | IN_MOVED_TO) < 0)
                give_up(s->state);
        s->save = 0;
}

/* Notes when the state begins to be written, and the time that it took. */
static void look_at_state(Server *s) {
        union {
                struct inotify_event event;
                char room[4096];
        } buf;
        ssize_t n = read(s->watch, &buf, sizeof(buf));

        for (char *p = buf.room; n > 0 && p < buf.room + n;) {
                struct inotify_event *event = (struct inotify_event *) (void *) p;

                if (event->mask & IN_CREATE && s->save == 0)
                        s->save = -seconds();
                else if (event->mask & IN_MOVED_TO && s->save < 0)
                        s->save += seconds();
                p += sizeof(struct inotify_event) + event->len;
        }
}

/* Takes the answer if there is one, and asks again a little later. What counts is the last time at which
 * there was none: this program may have stood still itself. */
static void ask(Server *s) {
        static const char question[] = "14:relay 20.0.0.0,";
        double now = seconds();
        char buf[64];

        if (s->asked && recv(s->lookup, buf, sizeof(buf), MSG_DONTWAIT) < 0) {
                if (errno != EAGAIN)
                        give_up("the look-up socket");
                s->stall = MAX(s->stall, now - s->since);
                return;
        }
        if (!s->asked && now - s->since >= ASK_SECONDS) {
                if (send(s->lookup, question, sizeof(question) - 1, MSG_NOSIGNAL) < 0)
                        give_up("the look-up socket");
                s->asked = true;
                s->since = now;
        } else if (s->asked) {
                s->asked = false;
                s->since = now;
        }
}

/* Between 0 and `n` − 1: how long their loops stand still until `end`, with nothing to do but to save. */
static void watch_saves(unsigned n, double end) {
        for (unsigned i = 0; i < n; i++)
                watch_state(&servers[i]);
        while (seconds() < end) {
                for (unsigned i = 0; i < n; i++) {
                        ask(&servers[i]);
                        look_at_state(&servers[i]);
                }
                (void) usleep(100);
        }
}

static void sleep_until(double when) {
        while (seconds() < when)
                (void) usleep(10000);
}

/* "1,000,000" */
static const char *with_commas(char buf[static 16], unsigned n) {
        if (n >= 1000000)
                (void) snprintf(buf, 16, "%u,%03u,%03u", n / 1000000, n / 1000 % 1000, n % 1000);
        else if (n >= 1000)
                (void) snprintf(buf, 16, "%u,%03u", n / 1000, n % 1000);
        else
                (void) snprintf(buf, 16, "%u", n);
        return buf;
}

/* `goal` is in the unit of v; 0: none. */
static void row(const char *what, const Server *s, int decimals, const char *unit, double v, double goal,
        const char *goal_text) {
        char grants[16];

        (void) printf("bench: %s, at %s grants | %.*f %s | - | - | %s | %s\n", what,
                with_commas(grants, s->grants), decimals, v, unit, goal_text,
                goal == 0   ? "-"
                : v <= goal ? "met"
                            : "missed");
        (void) fflush(stdout);
}

typedef struct Load {
        double p50, p99, cpu, bytes, stall; /* seconds; share of a core; for each new login; seconds */
} Load;

/* New logins and repeated ones at their rates for so many seconds. */
static Load load(Server *s, unsigned duration) {
        unsigned n = duration * NEW_PER_SECOND, written = 0, seen = 0, first = s->used;
        double *at = calloc(n, sizeof(double)), *times = calloc(n, sizeof(double));
        uint64_t bytes = proc_number(s, "io", "wchar:");
        double cpu = cpu_of(s), begin = seconds();
        Load l;

        if (!at || !times)
                give_up("memory");
        s->stall = 0;
        while (seen < n) {
                double now = seconds();
                unsigned due = (unsigned) MIN((now - begin) * NEW_PER_SECOND, (double) n);

                for (unsigned k = 0; written < due && k < 500; k++, written++) {
                        at[written] = now;
                        add_login(s->used++);
                        for (unsigned i = 0; i < REPEATED_PER_NEW; i++)
                                add_login(any_of(s->grants));
                }
                if (batch_size > 0)
                        write_batch(s);
                while (seen < written && may_relay(s, first + seen)) {
                        times[seen] = seconds() - at[seen];
                        seen++;
                }
                ask(s);
                look_at_state(s);
                (void) usleep(100);
                if (now - begin > duration + 60)
                        give_up("not all logins were granted");
        }
        l.cpu = (cpu_of(s) - cpu) / (seconds() - begin);
        bytes = proc_number(s, "io", "wchar:") - bytes;
        if (s->save > 0)
                bytes -= MIN((uint64_t) s->state_size, bytes);
        l.bytes = (double) bytes / n;
        qsort(times, n, sizeof(double), compare);
        l.p50 = times[n / 2];
        l.p99 = times[n * 99 / 100];
        l.stall = s->stall;
        free(at);
        free(times);
        return l;
}

/* All grants, by the program that an administrator asks, in seconds. */
static double list(const Server *s) {
        char command[2048];
        double begin = seconds();

        (void) snprintf(command, sizeof(command), "RUNTIME_DIRECTORY=%s %.*sctl list >/dev/null", s->runtime,
                (int) strlen(program) - 1, program);
        if (system(command) != 0)
                give_up("authrelayctl list");
        return seconds() - begin;
}

static void report(const Server *s) {
        unsigned n = s->grants;

        row("restart: start to READY", s, 1, "ms", s->ready * 1e3,
                n == 10000     ? 100
                : n == 1000000 ? 1000
                               : 0,
                n == 10000     ? "< 100 ms"
                : n == 1000000 ? "< 1 s"
                               : "-");
        row("stop, state saved", s, 1, "ms", s->stop * 1e3, 0, "-");
        row("change: line -> relaylock p50", s, 3, "ms", s->p50 * 1e3, n == 10000 ? 1 : 0,
                n == 10000 ? "<= 1 ms" : "-");
        row("change: line -> relaylock p99", s, 3, "ms", s->p99 * 1e3, n == 10000 ? 5 : 0,
                n == 10000 ? "<= 5 ms" : "-");
        if (s->save > 0)
                row("state written each minute, in the background", s, 1, "ms", s->save * 1e3, 0, "-");
        row("authrelayctl list", s, 1, "ms", list(s) * 1e3, 0, "-");
        row("loop's longest stall while it is", s, 2, "ms", s->stall * 1e3, 0, "-");
        row("saved state", s, 0, "bytes", (double) s->state_size, 0, "-");
        row("memory at most (VmHWM)", s, 0, "bytes", (double) proc_number(s, "status", "VmHWM:") * 1024, 0,
                "-");
}

int main(int argc, char *argv[]) {
        static const unsigned usual[] = {1000, 10000, 100000, 1000000};
        bool is_long = streq(strempty(getenv("AUTHRELAY_LONG")), "1");
        unsigned duration = is_long ? 60 : LOAD_SECONDS, n;
        Load busy;
        Server *last;

        if (argc < 3 || argc > 3 + SIZES_MAX) {
                (void) fprintf(stderr, "bench-million DAEMON PATTERNS [GRANTS...]\n");
                return 2;
        }
        program = realpath(argv[1], NULL);
        patterns = realpath(argv[2], NULL);
        (void) prctl(PR_SET_TIMERSLACK, 1000UL);
        if (!program || !patterns || !mkdtemp(tmpfs) || !mkdtemp(disk))
                give_up(argv[1]);
        n = argc > 3 ? (unsigned) argc - 3 : ELEMENTSOF(usual);
        for (; n_servers < n; n_servers++) {
                Server *s = &servers[n_servers];

                make(s, argc > 3 ? (unsigned) atoi(argv[n_servers + 3]) : usual[n_servers]);
                fill(s);
        }
        for (unsigned i = 0; i < n; i++) {
                /* the load must not begin before the others have saved */
                if (i > 0 && i == n - 1)
                        sleep_until(servers[i - 1].dirty + LOAD_SECONDS);
                one_at_a_time(&servers[i]);
        }
        last = &servers[n - 1];
        sleep_until(servers[0].dirty + SAVE_SECONDS - 1);
        if (n > 1)
                watch_saves(n - 1, servers[n - 2].dirty + SAVE_SECONDS + 2);
        for (unsigned i = 0; i < n - 1; i++)
                report(&servers[i]);
        watch_state(last);
        if (!is_long)
                sleep_until(last->dirty + SAVE_SECONDS - SAVING_SECONDS - duration);
        busy = load(last, is_long ? duration : duration + 2 * SAVING_SECONDS);
        row("1,000 new logins/s, 10,000 repeated: line -> relaylock p50", last, 2, "ms", busy.p50 * 1e3, 0,
                "-");
        row("1,000 new logins/s, 10,000 repeated: line -> relaylock p99", last, 2, "ms", busy.p99 * 1e3, 50,
                "<= 50 ms");
        row("the daemon's share of a core then", last, 1, "%", busy.cpu * 100, 20, "< 20 %");
        row("written to the runtime directory for a new login", last, 0, "bytes", busy.bytes, 0, "-");
        row("loop's longest stall then", last, 2, "ms", busy.stall * 1e3, 0, "-");
        report(last);
        for (unsigned i = 0; i < n; i++)
                (void) stop(&servers[i]);
        end_all();
        return 0;
}
