/* SPDX-License-Identifier: Apache-2.0 */
/* The look-up socket of a real daemon with many grants: requests a second on one connection when they are
 * pipelined, and how long an answer takes with 50 connections that wait for theirs, which is 50 times what
 * client and daemon need for one: each beside a process that only sends as many bytes back. Both by turns; the
 * medians of the rounds are compared. Where there is a postmap(1): what Postfix makes of it, beside a table of
 * its own with the same addresses, cdb: if it knows that, else hash:.
 *
 *   bench-lookup DAEMON PATTERNS [GRANTS] */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "bench.h"
#include "publish/relay-writer.h"

#define PIPELINED 500000u
#define CONNECTIONS 50
#define QUESTIONS 400u /* of each connection in a round */
#define ROUNDS 21
#define POSTMAP_KEYS 200000u

/* a tmpfs, as /run is */
static char directory[] = "/dev/shm/bench-lookup-XXXXXX";

/* 10.0.0.0 and on are granted; every second question is about one that is not. */
static IpAddr address_of(unsigned i) {
        return (IpAddr){{[10] = 0xff, 0xff, 10, (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i}};
}

static size_t write_request(char *p, unsigned i, unsigned grants) {
        unsigned k = i * 7919 % grants;
        IpAddr addr = address_of(k);
        char request[64], text[IP_TEXT_BYTES];

        addr.bytes[12] = (uint8_t) (addr.bytes[12] + i % 2);
        (void) snprintf(request, sizeof(request), "relay %s", ip_addr_format(text, &addr));
        return (size_t) sprintf(p, "%zu:%s,", strlen(request), request);
}

/* What a daemon that was killed would have left: the next one takes it over. */
static void publish(bool is_delta, unsigned grants) {
        RelayHeader header = {.generation = 1, .written = time_now() / USEC_PER_SEC, .ttl = 3600};
        _cleanup_(relay_writer_done) RelayWriter w = RELAY_WRITER_INIT;
        int r = relay_writer_open(&w, is_delta ? "relay-delta.cdb" : "relay.cdb", &header, is_delta, false);

        for (unsigned i = 0; i < grants && !is_delta && r >= 0; i++) {
                IpAddr addr = address_of(i);
                RelayEntry entry = {.network = ip_network_of(&addr, 128),
                        .until = header.written + 3600,
                        .how = SPAN_LITERAL("dovecot")};

                r = relay_writer_add(&w, &entry);
        }
        if (r < 0 || relay_writer_finish(&w) < 0 || relay_writer_commit(&w) < 0)
                die("relay.cdb");
}

static int dial(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "lookup"};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 && errno != ENOENT &&
                              errno != ECONNREFUSED))
                die("connect");
        return fd;
}

static pid_t start_daemon(const char *program, const char *patterns) {
        char option[1024];
        FILE *f = fopen("conf", "w");
        pid_t pid;

        /* a log is needed; its own configuration has no logins in it */
        if (!f ||
                fprintf(f, "[Sources]\nJournal=no\nFile=%s/conf\n[Grants]\nTTL=1h\nPrivate=yes\n",
                        directory) < 0 ||
                fclose(f) != 0)
                die("conf");
        (void) snprintf(option, sizeof(option), "--patterns=%s", patterns);
        (void) setenv("RUNTIME_DIRECTORY", directory, 1);
        (void) setenv("STATE_DIRECTORY", directory, 1);
        pid = fork();
        if (pid == 0) {
                execl(program, program, "--config=conf", option, NULL);
                _exit(127);
        }
        for (unsigned i = 0; i < 1000 && access("lookup", F_OK) < 0; i++)
                (void) usleep(10000);
        return pid;
}

/* A process that answers each request with as many bytes as ours would, and knows nothing. */
static pid_t start_echo(int fds[static CONNECTIONS]) {
        int pairs[CONNECTIONS][2], epoll = epoll_create1(EPOLL_CLOEXEC);
        pid_t pid;

        for (unsigned i = 0; i < CONNECTIONS; i++) {
                struct epoll_event event = {.events = EPOLLIN, .data.fd = -1};

                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]) < 0)
                        die("socketpair");
                fds[i] = pairs[i][0];
                event.data.fd = pairs[i][1];
                (void) epoll_ctl(epoll, EPOLL_CTL_ADD, pairs[i][1], &event);
        }
        pid = fork();
        for (unsigned i = 0; i < CONNECTIONS; i++)
                close_fd(pairs[i][pid == 0 ? 0 : 1]);
        while (pid == 0) {
                struct epoll_event event;
                char buf[4096];

                if (epoll_wait(epoll, &event, 1, -1) != 1 || read(event.data.fd, buf, sizeof(buf)) <= 0)
                        _exit(0);
                (void) !write(event.data.fd, "9:NOTFOUND ,", 12);
        }
        close_fd(epoll);
        return pid;
}

/* Requests a second. */
static double pipelined(int fd, unsigned grants) {
        char *requests = malloc(PIPELINED * 32), *p = requests, buf[65536];
        size_t left, wanted = 0, got = 0;
        double begin;

        for (unsigned i = 0; i < PIPELINED; i++) {
                p += write_request(p, i, grants);
                wanted += i % 2 > 0 ? strlen("9:NOTFOUND ,") : strlen("5:OK OK,");
        }
        left = (size_t) (p - requests);
        p = requests;
        begin = seconds();
        while (got < wanted) {
                struct pollfd poller = {.fd = fd, .events = (short) (left > 0 ? POLLIN | POLLOUT : POLLIN)};
                ssize_t n;

                if (poll(&poller, 1, 10000) != 1)
                        die("poll");
                if (poller.revents & POLLOUT) {
                        n = send(fd, p, MIN(left, (size_t) 65536), MSG_DONTWAIT);
                        p += MAX(n, (ssize_t) 0);
                        left -= (size_t) MAX(n, (ssize_t) 0);
                }
                if (poller.revents & POLLIN) {
                        n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
                        if (n == 0)
                                die("the connection has ended");
                        got += (size_t) MAX(n, (ssize_t) 0);
                }
        }
        free(requests);
        return PIPELINED / (seconds() - begin);
}

/* All connections ask, and each asks again when it has its answer. Returns the median and the 99th
 * percentile. */
static void waiting(const int fds[static CONNECTIONS], unsigned grants, double *ret_p50, double *ret_p99) {
        static double times[CONNECTIONS * QUESTIONS];
        struct pollfd pollers[CONNECTIONS];
        double since[CONNECTIONS];
        unsigned done = 0, asked = 0;
        char buf[64];

        for (unsigned i = 0; i < CONNECTIONS; i++) {
                pollers[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
                since[i] = seconds();
                if (write_all(fds[i], buf, write_request(buf, asked++, grants)) < 0)
                        die("write");
        }
        while (done < CONNECTIONS * QUESTIONS) {
                if (poll(pollers, CONNECTIONS, 10000) <= 0)
                        die("poll");
                for (unsigned i = 0; i < CONNECTIONS && done < CONNECTIONS * QUESTIONS; i++) {
                        if (!(pollers[i].revents & POLLIN))
                                continue;
                        if (read(fds[i], buf, sizeof(buf)) <= 0)
                                die("read");
                        times[done++] = (seconds() - since[i]) * 1e6;
                        since[i] = seconds();
                        if (write_all(fds[i], buf, write_request(buf, asked++, grants)) < 0)
                                die("write");
                }
        }
        qsort(times, done, sizeof(double), compare);
        *ret_p50 = times[done / 2];
        *ret_p99 = times[(size_t) done * 99 / 100];
}

/* The time that a command takes, or -1. */
static double time_of(const char *command) {
        double begin = seconds();

        return system(command) == 0 ? seconds() - begin : -1;
}

static void with_postmap(unsigned grants) {
        FILE *keys = fopen("keys", "w"), *table = fopen("table", "w");
        char text[IP_TEXT_BYTES], command[100];
        const char *type = "cdb";
        double ours, theirs;

        if (!keys || !table)
                die("keys");
        for (unsigned i = 0; i < grants; i++) {
                IpAddr addr = address_of(i);

                (void) fprintf(table, "%s OK\n", ip_addr_format(text, &addr));
        }
        for (unsigned i = 0; i < POSTMAP_KEYS; i++) {
                IpAddr addr = address_of(i * 7919 % grants);

                (void) fprintf(keys, "%s\n", ip_addr_format(text, &addr));
        }
        (void) fclose(keys);
        (void) fclose(table);
        if (time_of("postmap cdb:table 2>/dev/null") < 0) {
                type = "hash";
                if (time_of("postmap hash:table 2>/dev/null") < 0) {
                        (void) fprintf(stderr, "there is no postmap(1) to compare with\n");
                        return;
                }
        }
        (void) snprintf(
                command, sizeof(command), "postmap -q - %s:table <keys >out.table 2>/dev/null", type);
        ours = time_of("postmap -q - socketmap:unix:$RUNTIME_DIRECTORY/lookup:relay <keys >out 2>/dev/null");
        theirs = time_of(command);
        if (ours < 0 || theirs < 0 || time_of("cmp -s out out.table") < 0)
                die("postmap's answers");
        (void) printf("bench: postmap -q of %u addresses, socketmap over %s: | %.0f /s | %.0f /s | %.2f | - | -\n",
                POSTMAP_KEYS, type, POSTMAP_KEYS / ours, POSTMAP_KEYS / theirs, theirs / ours);
}

typedef struct Figures {
        double rate[ROUNDS], p50[ROUNDS], p99[ROUNDS];
} Figures;

static void measure(Figures *f, unsigned round, const int fds[static CONNECTIONS], unsigned grants, bool pipelines) {
        if (pipelines)
                f->rate[round] = pipelined(fds[0], grants);
        waiting(fds, grants, &f->p50[round], &f->p99[round]);
}

static double median(double figures[static ROUNDS]) {
        qsort(figures, ROUNDS, sizeof(double), compare);
        return figures[ROUNDS / 2];
}

static void print(unsigned grants, Figures *ours, Figures *echo) {
        double rate = median(ours->rate), p50 = median(ours->p50), p99 = median(ours->p99);
        double echo50 = median(echo->p50), echo99 = median(echo->p99);

        (void) printf("bench: look-ups pipelined on one connection, %u grants | %.0f /s | - | - | >= 100000 /s | %s\n",
                grants, rate, rate >= 100000 ? "met" : "missed");
        (void) printf("bench: look-ups of %d connections, p50, over an echo | %.0f us | %.0f us | %.2f | - | -\n",
                CONNECTIONS, p50, echo50, p50 / echo50);
        (void) printf("bench: look-ups of %d connections, p99, over an echo | %.0f us | %.0f us | %.2f | <= 1000 us | %s\n",
                CONNECTIONS, p99, echo99, p99 / echo99, p99 <= 1000 ? "met" : "missed");
        (void) printf("bench: look-ups of %d connections, all together | %.0f /s | %.0f /s | %.2f | - | -\n",
                CONNECTIONS, CONNECTIONS / p50 * 1e6, CONNECTIONS / echo50 * 1e6, echo50 / p50);
}

int main(int argc, char *argv[]) {
        unsigned grants = argc > 3 ? (unsigned) atoi(argv[3]) : 100000;
        int fds[CONNECTIONS], echo_fds[CONNECTIONS];
        _cleanup_free_ char *program = argc > 2 ? realpath(argv[1], NULL) : NULL;
        _cleanup_free_ char *patterns = argc > 2 ? realpath(argv[2], NULL) : NULL;
        static Figures ours, theirs;
        char command[100];
        pid_t pid, echo;

        if (!program || !patterns || !mkdtemp(directory) || chdir(directory) < 0)
                die("bench-lookup");
        publish(false, grants);
        publish(true, 0);
        pid = start_daemon(program, patterns);
        for (unsigned i = 0; i < CONNECTIONS; i++)
                fds[i] = dial();
        echo = start_echo(echo_fds);
        for (unsigned i = 0; i < ROUNDS; i++) {
                measure(&ours, i, fds, grants, true);
                measure(&theirs, i, echo_fds, grants, false);
        }
        print(grants, &ours, &theirs);
        with_postmap(grants);
        (void) kill(pid, SIGTERM);
        (void) kill(echo, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        (void) waitpid(echo, NULL, 0);
        (void) snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command) != 0;
}
