/* SPDX-License-Identifier: Apache-2.0 */
/* publication: is any answer ever given that was not the true one at some moment of the look-up?
 *
 *      publication [--lookups=N] [--filler=N] [--full] [--break=MUTANT] [--relaylock=PROGRAM
 * --probe=PROGRAM] DIRECTORY
 *
 * A writer, which is the daemon's publisher, grants, extends, revokes and bars hosts and networks, and
 * replaces base and delta as fast as it can. Readers look up all the while, by relay_lookup() and by running
 * relaylock. Each change is a version of the table, whose right answers stand in shared memory before
 * anybody can see them. `possible` is set before a rename, `certain` after it: a look-up that began when
 * version B was certain and ended when version E was possible must have the answer of one of B to E. As
 * every answer names the change that it comes from, no other one passes.
 *
 * --lookups: how many. --filler: so many further records, so that bases are built by a child. --full: the
 * disk has too little room at random moments, before, between and after base and delta. Mutants: "order"
 * (where nothing is known of the files in place, the base goes first), "reopen" (the reader does not look at
 * the delta again after a newer base), "lost" (a delta is not in place when it was said to be), "in-place"
 * (a file is overwritten, not replaced).
 *
 * Prints what was counted. Exit status: 0, or 1 after a wrong answer, 2 when something else is wrong. */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/time-util.h"
#include "cdb/relay-lookup.h"
#include "publish/publisher.h"

#define READERS 2
#define TTL (UINT64_C(2000) * 24 * 3600)
/* versions that can be told apart while a look-up takes */
#define RING (UINT64_C(1) << 18)
#define USERS_BYTES 24

/* hosts, whose answers are asked for, and networks around some of them */
static const char *const keys[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.5", "2001:db8::1",
        "2001:db8:0:1::1", "10.0.0.0/30", "10.0.0.0/29", "10.0.0.0/8", "2001:db8::/64", "2001:db8::/32"};
#define HOSTS 6u
#define KEYS ELEMENTSOF(keys)

typedef enum Mutant { SOUND, ORDER, REOPEN, LOST, IN_PLACE, _MUTANT_MAX } Mutant;

static const char *const mutant_names[_MUTANT_MAX] = {"none", "order", "reopen", "lost", "in-place"};

/* result, prefix length and end of a grant in one number; the end says which change it comes from */
typedef uint64_t Answer;

#define ANSWER(result, length, until) ((Answer) (result) << 56 | (Answer) (length) << 48 | (until))
#define IS_GRANTED(answer) ((answer) >> 56 == RELAY_RESULT_GRANTED)

typedef struct Shared {
        atomic_bool stop;
        _Atomic uint64_t newest;            /* version of the table */
        _Atomic uint64_t possible, certain; /* the newest one that may be seen, that must be seen */
        _Atomic uint64_t lookups, programs, doubts, wrong, unjudged, switches;
        Answer ring[RING][HOSTS];
} Shared;

typedef struct Key {
        IpNetwork network;
        bool there;
        RelayVerdict verdict;
        uint64_t until;
        char user[USERS_BYTES];
} Key;

static Shared *shared;
static Key table[KEYS];
static uint64_t now, seed = 1;
static uint64_t arg_lookups = 1000000;
static unsigned arg_filler;
static bool arg_full;
static Mutant arg_mutant;
static const char *arg_relaylock, *arg_probe;
static bool is_reader, is_slow, has_base, rewriting;
static char filler_path[PATH_MAX], *held_from, *held_to;
static uint64_t bases, deltas, rewrites, failed, full, unsynced;

static uint64_t next(void) {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        return seed * UINT64_C(2685821657736338717);
}

static _noreturn_ void broken(const char *what) {
        (void) fprintf(stderr, "publication: %s: %s\n", what, strerror(errno));
        exit(2);
}

/* ---- faults and mutants ---- */

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

static bool is_delta(const char *path) {
        return strstr(path, "-delta.cdb") != NULL;
}

static int overwrite(const char *from, const char *to) {
        _cleanup_free_ char *data = NULL;
        _cleanup_close_ int fd = -1;
        size_t size;

        if (access(to, F_OK) < 0)
                return __real_rename(from, to);
        fd = __real_open(to, O_WRONLY | O_TRUNC | O_CLOEXEC);
        if (fd < 0 || read_file(from, INT_MAX, &data, &size) < 0 || write_all(fd, data, size) < 0)
                broken(to);
        return unlink(from);
}

static int put_in_place(const char *from, const char *to) {
        int r;

        atomic_store(&shared->possible, atomic_load(&shared->newest));
        if (arg_mutant == LOST && is_delta(to) && next() % 64 == 0)
                r = unlink(from);
        else
                r = arg_mutant == IN_PLACE ? overwrite(from, to) : __real_rename(from, to);
        if (r < 0)
                return r;
        if (is_delta(to)) {
                deltas++;
                atomic_store(&shared->certain, atomic_load(&shared->newest));
        } else
                bases++;
        return 0;
}

int __wrap_rename(const char *from, const char *to) {
        int r;

        if (arg_mutant == ORDER && rewriting && is_delta(to)) {
                held_from = strdup(from);
                held_to = strdup(to);
                return 0;
        }
        r = put_in_place(from, to);
        if (r >= 0 && held_from) {
                (void) usleep(200); /* as in opened_before() */
                r = put_in_place(held_from, held_to);
                free(held_from);
                free(held_to);
                held_from = held_to = NULL;
        }
        return r;
}

/* With --full a directory cannot be synced at times: its file is in place then, and not known to be durable.
 */
int __wrap_fsync(int fd) {
        struct stat st;

        if (arg_full && fstat(fd, &st) >= 0 && S_ISDIR(st.st_mode) && next() % 16 == 0) {
                unsynced++;
                errno = EIO;
                return -1;
        }
        return __real_fsync(fd);
}

/* A reader that is broken takes the delta that it had before the base once more. */
static int opened_before(const char *path) {
        static int kept = -1;

        if (!is_delta(path)) {
                (void) usleep(100); /* or it is seldom that somebody comes between */
                has_base = true;
                return -1;
        }
        if (!has_base)
                kept = (close_fd(kept), __real_open(path, O_RDONLY | O_CLOEXEC));
        has_base = false;
        return fcntl(kept, F_DUPFD_CLOEXEC, 3);
}

int __wrap_open(const char *path, int flags, ...) {
        mode_t mode = 0;
        va_list ap;
        int fd;

        if (flags & O_CREAT) {
                va_start(ap, flags);
                mode = va_arg(ap, mode_t);
                va_end(ap);
        }
        if (is_slow && next() % 4 == 0)
                (void) usleep((useconds_t) (next() % 512));
        fd = is_reader && arg_mutant == REOPEN ? opened_before(path) : -1;
        return fd >= 0 ? fd : __real_open(path, flags, mode);
}

int __wrap_open64(const char *path, int flags, ...) {
        mode_t mode = 0;
        va_list ap;

        if (flags & O_CREAT) {
                va_start(ap, flags);
                mode = va_arg(ap, mode_t);
                va_end(ap);
        }
        return __wrap_open(path, flags, mode);
}

/* ---- the writer ---- */

static RelayEntry entry_of(const Key *key) {
        return (RelayEntry){
                .network = key->network,
                .verdict = key->there ? key->verdict : RELAY_REVOKED,
                .until = key->until,
                .how = SPAN_LITERAL("test"),
                .user = span_from_string(key->user),
        };
}

static int snapshot(_unused_ void *userdata, PublisherSink *sink) {
        int r = 0;

        for (unsigned i = 0; i < KEYS && r >= 0; i++) {
                RelayEntry entry = entry_of(&table[i]);

                if (table[i].there)
                        r = publisher_sink_add(sink, &entry);
        }
        for (unsigned i = 0; i < arg_filler && r >= 0; i++) {
                IpAddr addr = {{[10] = 0xff, 0xff, 172, 16, (uint8_t) (i / 256), (uint8_t) i}};
                RelayEntry entry = {.network = ip_network_of(&addr, 128),
                        .until = now + TTL,
                        .how = SPAN_LITERAL("filler")};

                r = publisher_sink_add(sink, &entry);
        }
        return r;
}

/* What is true for a host now: its longest record decides. */
static Answer truth_of(unsigned host) {
        const Key *best = NULL;

        for (unsigned i = 0; i < KEYS; i++)
                if (table[i].there && ip_network_contains(&table[i].network, &table[host].network) &&
                        (!best || table[i].network.length > best->network.length))
                        best = &table[i];
        if (!best)
                return ANSWER(RELAY_RESULT_ABSENT, 0, 0);
        return ANSWER(best->verdict == RELAY_ALLOW ? RELAY_RESULT_GRANTED : RELAY_RESULT_NEVER,
                best->network.length, best->until);
}

/* Up to three records change at once: a new grant, an extension, a revocation, a bar. */
static void change_some(Publisher *p) {
        uint64_t version = atomic_load(&shared->newest) + 1;
        unsigned changed[3], n = 0;

        for (uint64_t left = 1 + next() % 3; left > 0; left--) {
                unsigned i = (unsigned) (next() % KEYS);
                Key *key = &table[i];

                key->there = next() % 3 != 0;
                key->verdict = next() % 4 == 0 ? RELAY_NEVER : RELAY_ALLOW;
                key->until = now + TTL / 2 + version;
                (void) snprintf(key->user, sizeof(key->user), "v%" PRIu64, key->until);
                changed[n++] = i;
        }
        /* before anybody can see it */
        for (unsigned host = 0; host < HOSTS; host++)
                shared->ring[version % RING][host] = truth_of(host);
        atomic_store(&shared->newest, version);
        for (unsigned i = 0; i < n; i++) {
                RelayEntry entry = entry_of(&table[changed[i]]);

                if (publisher_put(p, &entry) < 0)
                        broken("publisher_put");
        }
}

/* Somebody else's file comes and goes, until there is just too little room for something. */
static void fill_disk(void) {
        struct stat st = {0};
        int fd;

        if (next() % 8 != 0)
                return;
        fd = __real_open(filler_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return;
        if (next() % 4 == 0)
                (void) !ftruncate(fd, 0);
        else {
                char page[4096];

                memset(page, 'x', sizeof(page));
                (void) fstat(fd, &st);
                /* the last few pages are what matters */
                for (uint64_t n = 1 + (next() % 2 ? 64 : next() % 3);
                        n > 0 && pwrite(fd, page, sizeof(page), st.st_size) > 0; n--)
                        st.st_size += (off_t) sizeof(page);
                if (next() % 2)
                        (void) !ftruncate(
                                fd, MAX(st.st_size - (off_t) (next() % 4 * sizeof(page)), (off_t) 0));
        }
        (void) close(fd);
}

static void on_published(_unused_ void *userdata, const PublisherReport *report) {
        full += report->error == -ENOSPC;
}

static void write_on(Publisher *p, sd_event *event) {
        int r;

        for (uint64_t n = next() % 3; n > 0; n--)
                change_some(p);
        if (next() % 4 == 0)
                publisher_set_options(p, TTL, true); /* a new base is due */
        if (arg_full)
                fill_disk();
        rewriting = next() % 32 == 0;
        rewrites += rewriting;
        r = rewriting ? publisher_rewrite(p) : publisher_flush(p);
        rewriting = false;
        if (r < 0 && !arg_full)
                broken("publishing failed");
        failed += r < 0;
        /* a child may have built a base */
        if (sd_event_run(event, 0) < 0)
                broken("sd_event_run");
}

static void run_writer(const char *path) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(publisher_freep) Publisher *p = NULL;
        PublisherConfig config = {.path = path,
                .ttl = TTL,
                .publish_users = true,
                .snapshot = snapshot,
                .on_published = on_published};

        if (sd_event_new(&event) < 0 || publisher_new(&config, &p) < 0 || publisher_attach(p, event) < 0 ||
                publisher_flush(p) < 0)
                broken("the publisher can't be set up");
        while (atomic_load(&shared->lookups) < arg_lookups && atomic_load(&shared->wrong) == 0)
                write_on(p, event);
        /* when there is room again, one more try puts all in place */
        (void) unlink(filler_path);
        if (arg_mutant == SOUND &&
                (publisher_flush(p) < 0 || atomic_load(&shared->certain) != atomic_load(&shared->newest)))
                broken("what was changed last is not published");
        atomic_store(&shared->stop, true);
}

/* ---- the readers ---- */

/* Was it true at some moment between `begin` and `end`? `only_granted`: whether it grants, and until when,
 * is known. */
static void judge(unsigned host, Answer answer, bool only_granted, uint64_t begin, uint64_t end) {
        bool found = false;

        for (uint64_t v = end + 1; v-- > begin && !found;) {
                Answer truth = shared->ring[v % RING][host];

                found = only_granted && !IS_GRANTED(answer) ? !IS_GRANTED(truth)
                        : only_granted ? IS_GRANTED(truth) && (uint32_t) truth == (uint32_t) answer
                                       : truth == answer;
        }
        if (atomic_load(&shared->newest) >= begin + RING)
                atomic_fetch_add(&shared->unjudged, 1);
        else if (!found && atomic_fetch_add(&shared->wrong, 1) == 0)
                (void) fprintf(stderr,
                        "wrong: %s: result %u of /%u until %u, versions %" PRIu64 " to %" PRIu64 "%s\n",
                        keys[host], (unsigned) (answer >> 56), (unsigned) (answer >> 48 & 255),
                        (unsigned) answer, begin, end, only_granted ? " (relaylock)" : "");
}

static void run_reader(const char *path) {
        Answer last[HOSTS] = {0};

        while (!atomic_load(&shared->stop)) {
                unsigned host = (unsigned) (next() % HOSTS);
                uint64_t begin = atomic_load(&shared->certain), end;
                RelayAnswer answer;
                Answer got;

                has_base = false;
                (void) relay_lookup(path, &table[host].network.addr, time_now() / USEC_PER_SEC, &answer);
                end = atomic_load(&shared->possible);
                atomic_fetch_add(&shared->lookups, 1);
                if (answer.result == RELAY_RESULT_DOUBT) {
                        atomic_fetch_add(&shared->doubts, 1);
                        continue;
                }
                got = ANSWER(answer.result, answer.result == RELAY_RESULT_ABSENT ? 0 : answer.network.length,
                        answer.result == RELAY_RESULT_ABSENT ? 0 : answer.until);
                if (got != last[host])
                        atomic_fetch_add(&shared->switches, 1);
                last[host] = got;
                judge(host, got, false, begin, end);
        }
}

/* Runs relaylock for a host. Returns what it and the program that it becomes have written. */
static const char *run_relaylock(const char *path, unsigned host) {
        static char text[8192];
        char variable[64],
                *argv[] = {(char *) "relaylock", (char *) "-f", (char *) (uintptr_t) path,
                        (char *) (uintptr_t) arg_probe, (char *) "/proc/self/fd/1", NULL},
                *environment[] = {variable, NULL};
        posix_spawn_file_actions_t actions;
        size_t n = 0;
        ssize_t k;
        int fds[2], status;
        pid_t pid;

        (void) snprintf(variable, sizeof(variable), "TCPREMOTEIP=%s", keys[host]);
        if (pipe2(fds, O_CLOEXEC) < 0 || posix_spawn_file_actions_init(&actions) != 0 ||
                posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO) != 0 ||
                posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO) != 0 ||
                posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1) != 0 ||
                posix_spawn(&pid, arg_relaylock, &actions, NULL, argv, environment) != 0)
                broken(arg_relaylock);
        (void) posix_spawn_file_actions_destroy(&actions);
        (void) close(fds[1]);
        while (n < sizeof(text) - 1 && (k = read(fds[0], text + n, sizeof(text) - 1 - n)) > 0)
                n += (size_t) k;
        text[n] = 0;
        (void) close(fds[0]);
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
                broken("relaylock did not end well");
        return text;
}

static void run_programs(const char *path) {
        while (!atomic_load(&shared->stop)) {
                unsigned host = (unsigned) (next() % HOSTS);
                uint64_t begin = atomic_load(&shared->certain), end;
                const char *text = run_relaylock(path, host), *user = strstr(text, "AUTHRELAY_USER=v");
                bool granted = strstr(text, "env RELAYCLIENT=\n") != NULL;

                end = atomic_load(&shared->possible);
                atomic_fetch_add(&shared->programs, 1);
                if (strstr(text, "no relaying: "))
                        atomic_fetch_add(&shared->doubts, 1);
                else if (granted != (user != NULL))
                        atomic_fetch_add(&shared->wrong, 1);
                else
                        judge(host,
                                ANSWER(granted ? RELAY_RESULT_GRANTED : RELAY_RESULT_ABSENT, 0,
                                        user ? strtoull(user + strlen("AUTHRELAY_USER=v"), NULL, 10) : 0),
                                true, begin, end);
        }
}

static void start_reader(unsigned number, void (*run)(const char *path), const char *path) {
        pid_t pid = fork();

        if (pid < 0)
                broken("fork");
        if (pid > 0)
                return;
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        is_reader = true;
        /* who is interrupted between two steps meets more of the writer's */
        is_slow = number == 1;
        seed += number;
        while (atomic_load(&shared->certain) == 0)
                (void) usleep(1000);
        run(path);
        exit(0);
}

static void parse_argv(int argc, char **argv) {
        static const struct option options[] = {{"lookups", required_argument, NULL, 'l'},
                {"filler", required_argument, NULL, 'n'}, {"full", no_argument, NULL, 'f'},
                {"break", required_argument, NULL, 'b'}, {"relaylock", required_argument, NULL, 'r'},
                {"probe", required_argument, NULL, 'p'}, {0}};
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'l':
                        arg_lookups = strtoull(optarg, NULL, 10);
                        break;
                case 'n':
                        arg_filler = (unsigned) atoi(optarg);
                        break;
                case 'f':
                        arg_full = true;
                        break;
                case 'b':
                        while (arg_mutant < _MUTANT_MAX && !streq(optarg, mutant_names[arg_mutant]))
                                arg_mutant++;
                        break;
                case 'r':
                        arg_relaylock = optarg;
                        break;
                case 'p':
                        arg_probe = optarg;
                        break;
                default:
                        exit(2);
                }
        if (optind + 1 != argc || arg_mutant == _MUTANT_MAX || !arg_relaylock != !arg_probe)
                exit(2);
}

int main(int argc, char **argv) {
        char path[PATH_MAX];
        int status, rc = 0;

        parse_argv(argc, argv);
        (void) snprintf(path, sizeof(path), "%s/relay.cdb", argv[optind]);
        (void) snprintf(filler_path, sizeof(filler_path), "%s/filler", argv[optind]);
        shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED)
                broken("mmap");
        now = time_now() / USEC_PER_SEC;
        for (unsigned i = 0; i < KEYS; i++)
                if (ip_network_parse(span_from_string(keys[i]), &table[i].network) < 0)
                        broken(keys[i]);
        for (unsigned i = 0; i < READERS; i++)
                start_reader(i + 1, run_reader, path);
        if (arg_relaylock)
                start_reader(READERS + 1, run_programs, path);
        run_writer(path);
        while (wait(&status) > 0)
                if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                        rc = 2;
        (void) printf("%" PRIu64 " look-ups, %" PRIu64 " runs of relaylock, %" PRIu64 " doubts, %" PRIu64
                      " times another answer; %" PRIu64 " changes, %" PRIu64 " bases, %" PRIu64
                      " deltas, %" PRIu64 " both anew; %" PRIu64 " failed writings, %" PRIu64
                      " times no room, %" PRIu64 " directories not synced; %" PRIu64 " not judged, %" PRIu64
                      " wrong\n",
                atomic_load(&shared->lookups), atomic_load(&shared->programs), atomic_load(&shared->doubts),
                atomic_load(&shared->switches), atomic_load(&shared->newest), bases, deltas, rewrites,
                failed, full, unsynced, atomic_load(&shared->unjudged), atomic_load(&shared->wrong));
        return rc > 0 ? rc : atomic_load(&shared->wrong) > 0;
}
