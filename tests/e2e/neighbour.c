/* SPDX-License-Identifier: Apache-2.0 */
/*
 * neighbour: what a local user can try on the host's other processes, files and sockets. Each attempt is one
 * line, WHAT: ok, or the error's name; whoever has asked for it judges. neighbour process PID... /proc,
 * ptrace, memory, descriptors, signals, scheduling, namespaces neighbour own PID...                 the same
 * but for signals and scheduling neighbour files DIRECTORY FILE       everything that changes a directory or
 * FILE in it neighbour sockets PATH...            connects in every way and sends nothing, much, and
 * descriptors; FIFOs too neighbour notify PID                 tells PID 1 untruths about the service whose
 * main process is PID neighbour netlink PORT               a route message from nowhere neighbour streams
 * NUMBER             standard output streams to journald, held until the end of input neighbour native BYTES
 * FIELD=VALUE...  a journal entry by memfd, its message padded to BYTES neighbour send FD TEXT writes TEXT
 * and a newline to a descriptor neighbour take PID FD TEXT           takes the descriptor from a process and
 * does that neighbour inotify                    all instances and watches that the user may have, held
 *   neighbour swap PATH TARGET           puts a symbolic link to TARGET in PATH's place as soon as PATH
 * appears, for ever neighbour sit SERVICE-CGROUP         a process in a cgroup of the user's own with that
 * name; then as `exec` neighbour root PROGRAM...            runs it as root of a user namespace neighbour
 * pass SOCKET-FD MESSAGE     sends MESSAGE with as many descriptors as go
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

/* A descriptor is an `ok` as good as 0. */
static void tell(const char *what, const char *object, long result) {
        printf("%s %s: %s\n", what, object, result >= 0 ? "ok" : strerrorname_np(errno));
        fflush(stdout);
}

/* ---- processes ---- */

static void try_proc(const char *pid) {
        static const char *const readable[] = {"environ", "mem", "maps", "smaps", "auxv", "io", "stack",
                "syscall", "pagemap", "personality", "map_files", "fd", "fdinfo", "numa_maps"};
        static const char *const links[] = {"root", "cwd", "exe", "ns/net", "ns/mnt", "fd/0", "fd/3"};
        static const char *const writable[] = {"mem", "comm", "oom_score_adj", "coredump_filter",
                "clear_refs", "timerslack_ns", "uid_map", "setgroups", "attr/current", "autogroup"};
        char path[100], text[100];

        for (size_t i = 0; i < sizeof(readable) / sizeof(*readable); i++) {
                int fd;

                snprintf(path, sizeof(path), "/proc/%s/%s", pid, readable[i]);
                fd = open(path, O_RDONLY);
                /* some say no only when they are read */
                tell("read", path,
                        fd < 0                                             ? -1
                        : strstr(path, "/fd") || strstr(path, "map_files") ? 0
                                                                           : read(fd, text, 1));
        }
        for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
                snprintf(path, sizeof(path), "/proc/%s/%s", pid, links[i]);
                tell("readlink", path, readlink(path, text, sizeof(text)));
        }
        for (size_t i = 0; i < sizeof(writable) / sizeof(*writable); i++) {
                int fd;

                snprintf(path, sizeof(path), "/proc/%s/%s", pid, writable[i]);
                fd = open(path, O_WRONLY);
                tell("write", path, fd < 0 ? -1 : write(fd, "0", 1));
        }
}

static void try_memory(const char *name, pid_t pid) {
        char byte = 0;
        void *page = &byte;
        struct iovec here = {&byte, 1}, there = {&byte, 1};
        struct perf_event_attr perf = {.type = PERF_TYPE_SOFTWARE,
                .size = sizeof(perf),
                .config = PERF_COUNT_SW_PAGE_FAULTS,
                .exclude_kernel = 1};
        unsigned long nodes = 1;
        int status;

        tell("process_vm_readv", name, process_vm_readv(pid, &here, 1, &there, 1, 0));
        tell("process_vm_writev", name, process_vm_writev(pid, &here, 1, &there, 1, 0));
        tell("move_pages", name, syscall(SYS_move_pages, pid, 1UL, &page, NULL, &status, 0));
        tell("migrate_pages", name, syscall(SYS_migrate_pages, pid, 2UL, &nodes, &nodes));
        tell("perf_event_open", name, syscall(SYS_perf_event_open, &perf, pid, -1, -1, 0UL));
        tell("kcmp", name, syscall(SYS_kcmp, getpid(), pid, KCMP_VM, 0UL, 0UL));
        tell("get_robust_list", name, syscall(SYS_get_robust_list, pid, &page, &nodes));
        tell("PTRACE_ATTACH", name, ptrace(PTRACE_ATTACH, pid, NULL, NULL));
        tell("PTRACE_SEIZE", name, ptrace(PTRACE_SEIZE, pid, NULL, NULL));
}

static void try_descriptors(const char *name, pid_t pid) {
        static const int spaces[] = {CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWUSER, CLONE_NEWIPC};
        int process = (int) syscall(SYS_pidfd_open, pid, 0);

        for (int fd = 0; fd < 32; fd++)
                tell("pidfd_getfd", name, syscall(SYS_pidfd_getfd, process, fd, 0));
        for (size_t i = 0; i < sizeof(spaces) / sizeof(*spaces); i++)
                tell("setns", name, setns(process, spaces[i]));
        close(process);
}

static void try_control(const char *name, pid_t pid) {
        int process = (int) syscall(SYS_pidfd_open, pid, 0);
        static const int signals[] = {0, SIGHUP, SIGUSR1, SIGTERM, SIGSTOP, SIGABRT, SIGSEGV, SIGKILL};
        struct sched_param nothing = {0};
        struct rlimit limit = {0, 0};
        union sigval value = {0};
        cpu_set_t cpus;

        for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
                tell("kill", name, kill(pid, signals[i]));
        tell("pidfd_send_signal", name, syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0));
        tell("sigqueue", name, sigqueue(pid, SIGTERM, value));
        tell("prlimit", name, prlimit(pid, RLIMIT_NOFILE, &limit, NULL));
        CPU_ZERO(&cpus);
        CPU_SET(0, &cpus);
        tell("sched_setaffinity", name, sched_setaffinity(pid, sizeof(cpus), &cpus));
        tell("sched_setscheduler", name, sched_setscheduler(pid, SCHED_IDLE, &nothing));
        tell("setpriority", name, setpriority(PRIO_PROCESS, (id_t) pid, 19));
        tell("ioprio_set", name, syscall(SYS_ioprio_set, 1, pid, 3 << 13));
}

/* `control`: one's own process can be killed, of course. */
static int processes(char **pids, bool control) {
        for (; *pids; pids++) {
                pid_t pid = atoi(*pids);

                try_proc(*pids);
                try_memory(*pids, pid);
                try_descriptors(*pids, pid);
                if (control)
                        try_control(*pids, pid);
        }
        return 0;
}

/* ---- files ---- */

static struct sockaddr_un address_of(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        return address;
}

static void bind_in(const char *path) {
        struct sockaddr_un address = address_of(path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        tell("bind", path, bind(fd, (struct sockaddr *) &address, sizeof(address)));
        close(fd);
}

static void try_directory(const char *directory, const char *name) {
        char path[200], other[240];
        int fd;

        snprintf(path, sizeof(path), "%s/.neighbour", directory);
        snprintf(other, sizeof(other), "%s/%s", directory, name);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
        tell("create", path, fd);
        tell("mkdir", path, mkdir(path, 0777));
        tell("mkfifo", path, mkfifo(path, 0666));
        tell("symlink", path, symlink("/etc/passwd", path));
        tell("link", path, link(other, path));
        tell("rename", path, rename(other, path));
        bind_in(path);
        fd = open(directory, O_RDWR | O_TMPFILE, 0666);
        tell("O_TMPFILE", directory, fd);
        snprintf(other, sizeof(other), "%s.neighbour", directory);
        tell("rename", directory, rename(directory, other));
        tell("rmdir", directory, rmdir(directory));
        tell("chmod", directory, chmod(directory, 0777));
        tell("chown", directory, chown(directory, getuid(), getgid()));
        tell("setxattr", directory, setxattr(directory, "user.x", "x", 1, 0));
        tell("mount", directory, mount("/tmp", directory, NULL, MS_BIND, NULL));
        tell("chroot", directory, chroot(directory));
}

static void try_file(const char *directory, const char *name) {
        static const struct timespec long_ago[2];
        char path[200], other[220];
        int fd;

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        snprintf(other, sizeof(other), "%s.neighbour", path);
        tell("open for writing", path, open(path, O_WRONLY | O_NONBLOCK));
        tell("open for both", path, open(path, O_RDWR | O_NONBLOCK));
        tell("truncate", path, truncate(path, 0));
        tell("chmod", path, chmod(path, 0666));
        tell("chown", path, chown(path, getuid(), getgid()));
        tell("utimes", path, utimensat(AT_FDCWD, path, long_ago, 0));
        tell("setxattr", path, setxattr(path, "user.x", "x", 1, 0));
        tell("rename", path, rename(path, other));
        tell("link", path, link(path, other));
        tell("unlink", path, unlink(path));
        fd = open(path, O_RDONLY | O_NONBLOCK);
        tell("open for reading", path, fd);
        if (fd < 0)
                return;
        tell("lease", path, fcntl(fd, F_SETLEASE, F_RDLCK));
        tell("fchmod", path, fchmod(fd, 0666));
        snprintf(other, sizeof(other), "/proc/self/fd/%d", fd);
        tell("open again for writing", path, open(other, O_WRONLY | O_NONBLOCK));
}

static int files(const char *directory, const char *name) {
        try_file(directory, name);
        try_directory(directory, name);
        return 0;
}

/* ---- sockets ---- */

static int connect_to(const char *path, int type) {
        struct sockaddr_un address = address_of(path);
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        return connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ? -1 : fd;
}

static ssize_t send_descriptors(int fd, const struct sockaddr_un *to, const char *message, size_t size) {
        union {
                struct cmsghdr head;
                char bytes[CMSG_SPACE(250 * sizeof(int))];
        } control = {.head = {CMSG_LEN(250 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
        struct iovec data = {(void *) message, size};
        struct msghdr m = {.msg_name = (void *) to,
                .msg_namelen = to ? sizeof(*to) : 0,
                .msg_iov = &data,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control)};

        for (size_t i = 0; i < 250; i++)
                memcpy(CMSG_DATA(&control.head) + i * sizeof(int), &(int){0}, sizeof(int));
        return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void try_datagrams(const char *path) {
        struct sockaddr_un to = address_of(path);
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        static char huge[150000];

        tell("an empty datagram", path, sendto(fd, "", 0, 0, (struct sockaddr *) &to, sizeof(to)));
        tell("a huge datagram", path,
                sendto(fd, huge, sizeof(huge), 0, (struct sockaddr *) &to, sizeof(to)));
        tell("descriptors", path, send_descriptors(fd, &to, "x", 1));
        close(fd);
}

static int sockets(char **paths) {
        for (; *paths; paths++) {
                tell("a stream", *paths, connect_to(*paths, SOCK_STREAM));
                tell("a sequence of packets", *paths, connect_to(*paths, SOCK_SEQPACKET));
                tell("datagrams", *paths, connect_to(*paths, SOCK_DGRAM));
                try_datagrams(*paths);
                tell("open for writing", *paths, open(*paths, O_WRONLY | O_NONBLOCK));
                tell("open for reading", *paths, open(*paths, O_RDONLY | O_NONBLOCK));
        }
        return 0;
}

static int notify(const char *pid) {
        static const char *const untruths[] = {"STOPPING=1", "WATCHDOG=trigger", "WATCHDOG_USEC=1",
                "ERRNO=5", "RELOADING=1", "FDSTOREREMOVE=1 FDNAME=login", "STATUS=mallory was here",
                "BUSERROR=x"};
        struct sockaddr_un to = address_of("/run/systemd/notify");
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        char main_pid[100];

        for (size_t i = 0; i < sizeof(untruths) / sizeof(*untruths); i++)
                tell("notify", untruths[i],
                        sendto(fd, untruths[i], strlen(untruths[i]), 0, (struct sockaddr *) &to,
                                sizeof(to)));
        snprintf(main_pid, sizeof(main_pid), "MAINPID=%d", getpid());
        tell("notify", main_pid,
                sendto(fd, main_pid, strlen(main_pid), 0, (struct sockaddr *) &to, sizeof(to)));
        snprintf(main_pid, sizeof(main_pid), "MAINPID=%s\nSTOPPING=1", pid);
        tell("notify", pid, sendto(fd, main_pid, strlen(main_pid), 0, (struct sockaddr *) &to, sizeof(to)));
        tell("notify", "FDSTORE", send_descriptors(fd, &to, "FDSTORE=1\nFDNAME=authrelay-login", 34));
        usleep(300 * 1000); /* PID 1 looks who it was */
        return 0;
}

static int netlink(const char *port) {
        struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_pid = (unsigned) strtoul(port, NULL, 10)};
        struct nlmsghdr message = {.nlmsg_len = sizeof(message), .nlmsg_type = RTM_DELADDR};
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

        tell("netlink", port, sendto(fd, &message, sizeof(message), 0, (struct sockaddr *) &to, sizeof(to)));
        return 0;
}

/* ---- journald ---- */

static void wait_for_end(void) {
        char byte;

        while (read(0, &byte, 1) > 0)
                ;
}

static int streams(int number) {
        static const char head[] = "dovecot\ndovecot.service\n22\n0\n0\n0\n0\n";
        struct rlimit limit;
        int opened = 0;

        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        for (int i = 0; i < number; i++) {
                struct sockaddr_un to = address_of("/run/systemd/journal/stdout");
                int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

                if (fd < 0 || connect(fd, (struct sockaddr *) &to, sizeof(to)) < 0)
                        break;
                opened += send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL) > 0;
        }
        printf("opened %d\n", opened);
        fflush(stdout);
        wait_for_end();
        return 0;
}

static int native(size_t size, char **fields) {
        struct sockaddr_un to = address_of("/run/systemd/journal/socket");
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0),
            memory = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        union {
                struct cmsghdr head;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
        struct msghdr m = {.msg_name = &to,
                .msg_namelen = sizeof(to),
                .msg_control = &control,
                .msg_controllen = sizeof(control)};
        static char page[65536];

        memset(page, 'x', sizeof(page));
        for (; fields[1]; fields++)
                dprintf(memory, "%s\n", *fields);
        dprintf(memory, "%s", *fields); /* the last one is padded */
        for (size_t n = 0; n < size; n += sizeof(page))
                if (write(memory, page, sizeof(page)) < 0)
                        return 1;
        dprintf(memory, "\n");
        fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
        memcpy(CMSG_DATA(&control.head), &memory, sizeof(int));
        tell("native", "memfd", sendmsg(fd, &m, MSG_NOSIGNAL));
        usleep(500 * 1000);
        return 0;
}

/* ---- others ---- */

static int write_line(int fd, const char *text) {
        char line[4096];
        int n = snprintf(line, sizeof(line), "%s\n", text);

        tell("write", "line", write(fd, line, (size_t) n));
        usleep(300 * 1000);
        return 0;
}

static int take(const char *pid, const char *number, const char *text) {
        int process = (int) syscall(SYS_pidfd_open, atoi(pid), 0);
        int fd = (int) syscall(SYS_pidfd_getfd, process, atoi(number), 0);

        tell("take", number, fd);
        return fd < 0 ? 1 : write_line(fd, text);
}

static int use_up_inotify(void) {
        int instances = 0, watches = 0, first = -1;
        char path[100];

        for (int fd; (fd = inotify_init1(IN_CLOEXEC)) >= 0; instances++)
                first = first < 0 ? fd : first;
        snprintf(path, sizeof(path), "/tmp/inotify-%d", getpid());
        mkdir(path, 0700);
        for (;; watches++) {
                char file[140];

                snprintf(file, sizeof(file), "%s/%d", path, watches);
                close(open(file, O_WRONLY | O_CREAT, 0600));
                if (inotify_add_watch(first, file, IN_ALL_EVENTS) < 0)
                        break;
                unlink(file);
                if (watches >= 20000)
                        break;
        }
        printf("instances %d, watches %d: %s\n", instances, watches, strerrorname_np(errno));
        fflush(stdout);
        wait_for_end();
        return 0;
}

static int swap(const char *path, const char *target) {
        char link_name[220], directory[220];
        int fd = inotify_init1(IN_CLOEXEC);
        char events[4096];

        snprintf(link_name, sizeof(link_name), "%s.swap", path);
        snprintf(directory, sizeof(directory), "%s", path);
        *strrchr(directory, '/') = 0;
        if (inotify_add_watch(fd, directory, IN_CREATE) < 0 || symlink(target, link_name) < 0)
                return 1;
        tell("swap", "ready", 0);
        for (;;) {
                struct stat st;

                if (read(fd, events, sizeof(events)) < 0)
                        return 1;
                if (lstat(path, &st) < 0 || S_ISLNK(st.st_mode))
                        continue;
                tell("swap", path, rename(link_name, path));
                if (symlink(target, link_name) < 0)
                        return 1;
        }
}

static int write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

        if (fd >= 0)
                close(fd);
        return n < 0 ? -1 : 0;
}

static int run(char **program) {
        execvp(program[0], program);
        tell("exec", program[0], -1);
        return 111;
}

/* Below the cgroup of this process, which must be the user's own. */
static int sit(const char *name, char **program) {
        char line[300] = "", path[600], member[16];
        FILE *f = fopen("/proc/self/cgroup", "re");

        if (!f || !fgets(line, sizeof(line), f))
                return 1;
        line[strcspn(line, "\n")] = 0;
        snprintf(path, sizeof(path), "/sys/fs/cgroup%s", line + 3);
        *strrchr(path, '/') =
                0; /* the one of its own holds a process, and so may have no children with controllers */
        strcat(strcat(path, "/"), name);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                tell("mkdir", path, -1);
        strcat(path, "/cgroup.procs");
        snprintf(member, sizeof(member), "%d", getpid());
        tell("sit", path, write_file(path, member));
        return run(program);
}

static int as_root(char **program) {
        char map[40];
        uid_t uid = getuid();
        gid_t gid = getgid();

        if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC) < 0) {
                tell("unshare", "user", -1);
                return 1;
        }
        (void) write_file("/proc/self/setgroups", "deny");
        snprintf(map, sizeof(map), "0 %u 1", uid);
        if (write_file("/proc/self/uid_map", map) < 0)
                tell("map", "user", -1);
        snprintf(map, sizeof(map), "0 %u 1", gid);
        if (write_file("/proc/self/gid_map", map) < 0)
                tell("map", "group", -1);
        return run(program);
}

int main(int argc, char *argv[]) {
        const char *verb = argc > 1 ? argv[1] : "";

        if (argc > 2 && strcmp(verb, "process") == 0)
                return processes(argv + 2, true);
        if (argc > 2 && strcmp(verb, "own") == 0)
                return processes(argv + 2, false);
        if (argc == 4 && strcmp(verb, "files") == 0)
                return files(argv[2], argv[3]);
        if (argc > 2 && strcmp(verb, "sockets") == 0)
                return sockets(argv + 2);
        if (argc == 3 && strcmp(verb, "notify") == 0)
                return notify(argv[2]);
        if (argc == 3 && strcmp(verb, "netlink") == 0)
                return netlink(argv[2]);
        if (argc == 3 && strcmp(verb, "streams") == 0)
                return streams(atoi(argv[2]));
        if (argc > 3 && strcmp(verb, "native") == 0)
                return native(strtoul(argv[2], NULL, 10), argv + 3);
        if (argc == 4 && strcmp(verb, "send") == 0)
                return write_line(atoi(argv[2]), argv[3]);
        if (argc == 5 && strcmp(verb, "take") == 0)
                return take(argv[2], argv[3], argv[4]);
        if (argc == 2 && strcmp(verb, "inotify") == 0)
                return use_up_inotify();
        if (argc == 4 && strcmp(verb, "swap") == 0)
                return swap(argv[2], argv[3]);
        if (argc > 3 && strcmp(verb, "sit") == 0)
                return sit(argv[2], argv + 3);
        if (argc > 2 && strcmp(verb, "root") == 0)
                return as_root(argv + 2);
        if (argc == 4 && strcmp(verb, "pass") == 0) {
                tell("pass", argv[2], send_descriptors(atoi(argv[2]), NULL, argv[3], strlen(argv[3])));
                return 0;
        }
        fputs("usage: see the head of neighbour.c\n", stderr);
        return 100;
}
