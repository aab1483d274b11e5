/* SPDX-License-Identifier: Apache-2.0 */
/* What relaylock costs a connection: fork, relaylock, the program, exit, against the same with a static wrapper that
 * only execs and with env(1). Rounds alternate, the medians of many are compared, so that what else the machine does
 * falls on all alike. Usage: bench-relaylock RELAYLOCK WRAPPER */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic/time-util.h"
#include "publish/relay-writer.h"

#define ROUNDS 3000
#define WAYS 5

static double monotonic_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}

/* One grant is 192.0.2.7, the others are 10.0.0.0 and on. */
static int write_file(const char *path, bool is_delta, unsigned records) {
        RelayHeader header = {.generation = 1, .written = time_now() / USEC_PER_SEC, .ttl = 3600};
        _cleanup_(relay_writer_done) RelayWriter w = RELAY_WRITER_INIT;
        int r = relay_writer_open(&w, path, &header, is_delta, false);

        for (unsigned i = 0; i < records && r >= 0; i++) {
                IpAddr addr = {{[10] = 0xff, 0xff, 10, (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i}};
                RelayEntry entry = {.until = header.written + 3600, .how = SPAN_LITERAL("dovecot")};

                if (i == 0)
                        (void) ip_addr_parse(SPAN_LITERAL("192.0.2.7"), &addr);
                entry.network = ip_network_of(&addr, 128);
                r = relay_writer_add(&w, &entry);
        }
        if (r >= 0)
                r = relay_writer_finish(&w);
        return r < 0 ? r : relay_writer_commit(&w);
}

/* The time of one run, or -1 when it does not end well. */
static double run(const char *const *argv, const char *const *environment) {
        double begin = monotonic_usec();
        int status;
        pid_t pid;

        if (posix_spawn(&pid, argv[0], NULL, NULL, (char *const *) argv, (char *const *) environment) != 0 || waitpid(pid, &status, 0) != pid ||
            status != 0)
                return -1;
        return monotonic_usec() - begin;
}

static int compare(const void *a, const void *b) {
        return *(const double *) a < *(const double *) b ? -1 : *(const double *) a > *(const double *) b;
}

static void print_ratio(const char *what, const char *than, double ours, double theirs, const char *goal) {
        printf("%-26s over %-14s ours %7.1f us  theirs %7.1f us  ratio %5.3f  goal %s\n", what, than, ours, theirs,
                ours / theirs, goal);
}

static int measure(const char *relaylock, const char *wrapper, unsigned records) {
        static double times[WAYS][ROUNDS];
        const char *lock[] = {relaylock, "-f", "relay.cdb", wrapper, NULL};
        const char *noop[] = {wrapper, wrapper, NULL};
        const char *env[] = {"/usr/bin/env", wrapper, NULL};
        const char *hit[] = {"PATH=/usr/bin:/bin", "TCPREMOTEIP=192.0.2.7", NULL};
        const char *miss[] = {"PATH=/usr/bin:/bin", "TCPREMOTEIP=192.0.2.8", NULL};
        const char *v6[] = {"PATH=/usr/bin:/bin", "TCPREMOTEIP=2001:db8::1", NULL};
        const char *const *const ways[WAYS][2] = {{lock, hit}, {lock, miss}, {lock, v6}, {noop, hit}, {env, hit}};
        static const char *const names[] = {"hit", "miss", "miss, IPv6"};
        double medians[WAYS];

        if (write_file("relay.cdb", false, records) < 0 || write_file("relay-delta.cdb", true, 10) < 0)
                return -1;
        for (unsigned i = 0; i < ROUNDS; i++)
                for (unsigned k = 0; k < WAYS; k++) {
                        /* what ran before leaves its traces in the caches: each follows each */
                        unsigned w = (k * (1 + i % (WAYS - 1)) + i) % WAYS;

                        times[w][i] = run(ways[w][0], ways[w][1]);
                        if (times[w][i] < 0)
                                return -1;
                }
        for (unsigned w = 0; w < WAYS; w++) {
                qsort(times[w], ROUNDS, sizeof(double), compare);
                medians[w] = times[w][ROUNDS / 2];
        }
        for (unsigned w = 0; w < ELEMENTSOF(names); w++) {
                char what[60];

                (void) snprintf(what, sizeof(what), "%u grants, %s", records, names[w]);
                print_ratio(what, "static wrapper", medians[w], medians[3], "<= 1.05");
                print_ratio(what, "env(1)", medians[w], medians[4], "< 1");
        }
        return 0;
}

int main(int argc, char **argv) {
        char path[] = "/dev/shm/authrelay-bench-XXXXXX", command[100];
        _cleanup_free_ char *relaylock = argc > 2 ? realpath(argv[1], NULL) : NULL;
        _cleanup_free_ char *wrapper = argc > 2 ? realpath(argv[2], NULL) : NULL;
        int r;

        if (!relaylock || !wrapper || !mkdtemp(path) || chdir(path) < 0)
                return 1;
        r = measure(relaylock, wrapper, 10);
        if (r >= 0)
                r = measure(relaylock, wrapper, 1000000);
        (void) snprintf(command, sizeof(command), "rm -rf %s", path);
        return system(command) != 0 || r < 0;
}
