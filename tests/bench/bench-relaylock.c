/* SPDX-License-Identifier: Apache-2.0 */
/* What relaylock costs a connection: from the fork to the end of the program behind it, beside the same with a
 * static wrapper that only execs and with env(1). Ways alternate; compared are the medians of the CPU time that
 * a run took (the kernel's, which is all but nothing else here, and its own), so that what else the machine does
 * falls on none of them: a process that waits for a processor costs none. Under `softlimit -m 2000000` all of
 * them have daemontools' four limits, by setrlimit(2). What ptrace(2) counts are system calls up to the last
 * exec, the process's own start included.
 *
 *   bench-relaylock RELAYLOCK WRAPPER */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "publish/relay-writer.h"

#define ROUNDS 700
#define SOFTLIMIT_BYTES 2000000

typedef struct Way {
        const char *what; /* NULL: something that is compared with */
        const char *const *argv;
        const char *client; /* TCPREMOTEIP */
        double times[ROUNDS], median;
        long faults;
} Way;

/* One grant is `first`, the others are 10.0.0.0 and on. */
static int write_file(const char *path, bool is_delta, const char *first, unsigned records) {
        RelayHeader header = {.generation = 1, .written = time_now() / USEC_PER_SEC, .ttl = 3600};
        _cleanup_(relay_writer_done) RelayWriter w = RELAY_WRITER_INIT;
        int r = relay_writer_open(&w, path, &header, is_delta, false);

        for (unsigned i = 0; i < records && r >= 0; i++) {
                IpAddr addr = {{[10] = 0xff, 0xff, 10, (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i}};
                RelayEntry entry = {.until = header.written + 3600, .how = SPAN_LITERAL("dovecot")};

                if (i == 0)
                        (void) ip_addr_parse(span_from_string(first), &addr);
                entry.network = ip_network_of(&addr, 128);
                r = relay_writer_add(&w, &entry);
        }
        if (r >= 0)
                r = relay_writer_finish(&w);
        return r < 0 ? r : relay_writer_commit(&w);
}

static void limit(void) {
        static const int resources[] = {RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK, RLIMIT_AS};
        struct rlimit to = {SOFTLIMIT_BYTES, SOFTLIMIT_BYTES};

        for (size_t i = 0; i < ELEMENTSOF(resources); i++)
                (void) setrlimit(resources[i], &to);
}

static pid_t start(const Way *way, bool limited, bool traced) {
        char client[64];
        char *environment[] = {(char *) "PATH=/usr/bin:/bin", client, NULL};
        pid_t pid;

        (void) snprintf(client, sizeof(client), "TCPREMOTEIP=%s", way->client);
        pid = vfork();
        if (pid != 0)
                return pid;
        if (limited)
                limit();
        if (traced)
                (void) ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        (void) execve(way->argv[0], (char *const *) way->argv, environment);
        _exit(127);
}

/* The CPU time of one run in microseconds, or -1 when it does not end well. */
static double run(Way *way, bool limited) {
        struct rusage usage;
        int status;
        pid_t pid = start(way, limited, false);

        if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || status != 0)
                return -1;
        way->faults = usage.ru_minflt;
        return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
               (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* System calls between its own exec and the one of the program behind it, or -1. */
static int count_calls(const Way *way) {
        int calls = 0, execs = 0, status;
        pid_t pid = start(way, false, true);

        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
                ptrace(PTRACE_SETOPTIONS, pid, NULL,
                        (void *) (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)) < 0)
                return -1;
        while (execs == 0) {
                if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0 || waitpid(pid, &status, 0) != pid ||
                        !WIFSTOPPED(status))
                        return -1;
                execs += status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
                calls += WSTOPSIG(status) == (SIGTRAP | 0x80);
        }
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        return (calls + 1) / 2; /* each stops at its beginning and at its end */
}

static void print(unsigned records, const char *setting, const Way *way, const Way *than, const char *name,
        double goal) {
        double ratio = way->median / than->median;

        (void) printf("bench: relaylock over %s, %s, %s, %u grants | %.1f us | %.1f us | %.3f | %s | %s\n", name,
                way->what, setting, records, way->median, than->median, ratio, goal < 1.01 ? "< 1" : "<= 1.05",
                goal < 1.01 ? (ratio < goal ? "met" : "missed") : ratio <= goal ? "met" : "missed");
}

enum { HIT_BASE, HIT_DELTA, MISS, MISS_V6, NOOP, ENV, WAYS };

/* What ran before leaves its traces in the caches: each way follows each as often. */
static unsigned next_of(unsigned order[static WAYS], unsigned k) {
        unsigned other = k + (unsigned) rand() % (WAYS - k), way = order[other];

        order[other] = order[k];
        order[k] = way;
        return way;
}

static int measure_ways(Way *ways, unsigned records, bool limited) {
        static const char *const settings[] = {"no limit", "softlimit"};
        unsigned order[WAYS] = {HIT_BASE, HIT_DELTA, MISS, MISS_V6, NOOP, ENV};

        for (unsigned i = 0; i < ROUNDS; i++)
                for (unsigned k = 0; k < WAYS; k++) {
                        unsigned w = next_of(order, k);

                        /* env(1) does not start with so little */
                        if (limited && w == ENV)
                                continue;
                        ways[w].times[i] = run(&ways[w], limited);
                        if (ways[w].times[i] < 0) {
                                (void) fprintf(stderr, "%s failed\n", ways[w].argv[0]);
                                return -1;
                        }
                }
        for (unsigned w = 0; w < WAYS; w++) {
                qsort(ways[w].times, ROUNDS, sizeof(double), compare);
                ways[w].median = ways[w].times[ROUNDS / 2];
        }
        for (unsigned w = 0; ways[w].what; w++)
                print(records, settings[limited], &ways[w], &ways[NOOP], "a static no-op wrapper", 1.05);
        for (unsigned w = 0; !limited && ways[w].what; w++)
                print(records, settings[limited], &ways[w], &ways[ENV], "env(1)", 1);
        return 0;
}

static int measure(const char *relaylock, const char *wrapper, unsigned records) {
        static Way ways[WAYS];
        const char *lock[] = {relaylock, "-f", "relay.cdb", wrapper, NULL};
        const char *noop[] = {wrapper, wrapper, NULL};
        const char *env[] = {"/usr/bin/env", wrapper, NULL};

        if (write_file("relay.cdb", false, "192.0.2.7", records) < 0 ||
                write_file("relay-delta.cdb", true, "192.0.2.9", 10) < 0)
                return -1;
        ways[HIT_BASE] = (Way){.what = "hit", .argv = lock, .client = "192.0.2.7"};
        ways[HIT_DELTA] = (Way){.what = "hit in the delta", .argv = lock, .client = "192.0.2.9"};
        ways[MISS] = (Way){.what = "miss", .argv = lock, .client = "192.0.2.8"};
        ways[MISS_V6] = (Way){.what = "miss, IPv6", .argv = lock, .client = "2001:db8::1"};
        ways[NOOP] = (Way){.argv = noop, .client = "192.0.2.7"};
        ways[ENV] = (Way){.argv = env, .client = "192.0.2.7"};
        if (measure_ways(ways, records, false) < 0 || measure_ways(ways, records, true) < 0)
                return -1;
        for (unsigned w = 0; ways[w].what; w++)
                (void) printf("bench: system calls of relaylock, %s, %u grants | %d | %d | - | - | -\n"
                              "bench: page faults of relaylock and what is behind it, %s, %u grants | %ld | %ld | "
                              "- | - | -\n",
                        ways[w].what, records, count_calls(&ways[w]), count_calls(&ways[NOOP]), ways[w].what,
                        records, ways[w].faults, ways[NOOP].faults);
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
