/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox-probe: stands in authrelayd's place in its unit and tries, as somebody would who had taken the
 * daemon over, what the unit forbids. One line for each try, to $STATE_DIRECTORY/probe: GROUP WHAT: ok, or
 * the error's name. "needed" is what the daemon can't do without; the other groups must all fail.
 * $PROBE_PIDS: processes of others.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static FILE *out;

static void tell(const char *group, const char *what, long result) {
        fprintf(out, "%s %s: %s\n", group, what, result >= 0 ? "ok" : strerrorname_np(errno));
        fflush(out);
}

/* ---- files ---- */

static int make_in(const char *directory) {
        char path[300];
        int fd;

        snprintf(path, sizeof(path), "%s/.probe", directory);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0) {
                close(fd);
                unlink(path);
        }
        return fd;
}

static void try_files(const char *state, const char *runtime) {
        static const char *const directories[] = {"/", "/boot", "/dev", "/dev/shm", "/dev/mqueue", "/etc",
                "/etc/authrelay", "/home", "/home/alice", "/media", "/mnt", "/opt", "/root", "/run",
                "/run/lock", "/run/systemd/system", "/run/user", "/srv", "/sys", "/sys/fs/cgroup",
                "/sys/fs/cgroup/system.slice/authrelay.service", "/usr", "/usr/share/authrelay", "/var",
                "/var/cache", "/var/lib", "/var/log", "/var/log/journal", "/var/mail", "/var/spool",
                "/proc/sys/kernel"};
        static const char *const written[] = {"/etc/passwd", "/etc/authrelay/authrelay.conf",
                "/usr/sbin/authrelayd", "/proc/sys/kernel/core_pattern", "/proc/sys/net/ipv4/ip_forward",
                "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/fs/cgroup/cgroup.procs",
                "/sys/fs/cgroup/system.slice/authrelay.service/cgroup.procs", "/proc/sysrq-trigger",
                "/proc/1/oom_score_adj", "/dev/kmsg", "/dev/mem", "/dev/rtc0", "/dev/console",
                "/dev/net/tun", "/dev/fuse"};
        static const char *const read_from[] = {"/home/alice/Maildir/cur/secret", "/home/alice", "/root",
                "/run/user", "/var/mail/alice", "/var/mail", "/etc/shadow", "/srv/passwords", "/dev/kmsg",
                "/dev/shm", "/proc/kmsg", "/proc/kcore", "/proc/kallsyms", "/proc/meminfo", "/proc/cpuinfo",
                "/proc/modules"};
        char path[300];

        for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
                tell("write", directories[i], make_in(directories[i]));
        for (size_t i = 0; i < sizeof(written) / sizeof(*written); i++)
                tell("write", written[i], open(written[i], O_WRONLY | O_CLOEXEC));
        for (size_t i = 0; i < sizeof(read_from) / sizeof(*read_from); i++) {
                int fd = open(read_from[i], O_RDONLY | O_CLOEXEC);
                DIR *d = fd < 0 ? NULL : fdopendir(fd);

                /* an empty directory that stands before the real one says nothing of it */
                if (d) {
                        int n = 0;

                        while (readdir(d))
                                n++;
                        errno = ENOENT;
                        tell("read", read_from[i], n > 2 ? 0 : -1);
                } else
                        tell("read", read_from[i], fd);
        }
        tell("needed", "state", make_in(state));
        tell("needed", "runtime", make_in(runtime));
        tell("needed", "/etc/authrelay/authrelay.conf",
                open("/etc/authrelay/authrelay.conf", O_RDONLY | O_CLOEXEC));
        tell("needed", "/var/log/journal", open("/var/log/journal", O_RDONLY | O_CLOEXEC));
        tell("needed", "/var/log/mail.log", open("/var/log/mail.log", O_RDONLY | O_CLOEXEC));
        snprintf(path, sizeof(path), "%s/.setuid", state);
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        tell("privilege", "chmod u+s", chmod(path, 04700));
        tell("privilege", "chown", chown(path, 0, 0));
        tell("privilege", "mknod", mknod("/tmp/null", S_IFCHR | 0600, 0x103));
        unlink(path);
}

/* ---- network ---- */

static void try_sockets(void) {
        static const int families[] = {AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK, AF_ALG,
                AF_BLUETOOTH, AF_CAN, AF_TIPC, AF_KEY, AF_XDP};
        struct sockaddr_un journal = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
        struct io_uring_params ring = {0};
        char what[40];
        int fd;

        for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
                snprintf(what, sizeof(what), "socket(%d)", families[i]);
                tell("network", what,
                        socket(families[i], (families[i] == AF_INET ? SOCK_STREAM : SOCK_RAW) | SOCK_CLOEXEC,
                                0));
                snprintf(what, sizeof(what), "socketpair(%d)", families[i]);
                tell("network", what, socketpair(families[i], SOCK_STREAM, 0, (int[2]){0}));
        }
        /* its operations are no system calls, and pass no filter of those */
        tell("network", "io_uring_setup", syscall(SYS_io_uring_setup, 1, &ring));
        tell("network", "/proc/1/ns/net", open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC));
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        tell("needed", "a local socket", fd);
        tell("needed", "the journal's", connect(fd, (struct sockaddr *) &journal, sizeof(journal)));
}

/* ---- programs and memory ---- */

static void try_program(const char *path, const char *argument) {
        int status, pair[2];
        pid_t child;

        if (pipe2(pair, O_CLOEXEC) < 0)
                return;
        child = fork();
        if (child == 0) {
                execl(path, path, argument, (char *) NULL);
                status = errno;
                _exit(write(pair[1], &status, sizeof(status)) < 0);
        }
        close(pair[1]);
        status = 0;
        /* nothing is read when the pipe was closed because it runs; ld.so runs, and fails */
        if (child > 0 && read(pair[0], &status, sizeof(status)) == 0) {
                int code;

                waitpid(child, &code, 0);
                errno = EACCES;
                tell("program", path, WIFEXITED(code) && WEXITSTATUS(code) == 0 ? 0 : -1);
        } else {
                errno = status;
                tell("program", path, -1);
                waitpid(child, NULL, 0);
        }
        close(pair[0]);
}

static int copy_to(const char *path) {
        int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
            to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
        char buf[65536];
        ssize_t n;

        while (to >= 0 && (n = read(from, buf, sizeof(buf))) > 0)
                if (write(to, buf, (size_t) n) != n)
                        break;
        close(from);
        close(to);
        return to;
}

static void try_programs(const char *state, const char *runtime) {
        static const char *const programs[] = {"/bin/sh", "/usr/bin/env", "/bin/true",
                "/usr/bin/authrelayctl", "/usr/bin/relaylock", "/usr/bin/systemctl", "/bin/su",
                "/bin/mount"};
        static const char *const loaders[] = {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"};
        const char *const places[] = {state, runtime, "/tmp", "/var/tmp"};
        char path[300];

        for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
                try_program(programs[i], "--version");
        for (size_t i = 0; i < sizeof(loaders) / sizeof(*loaders); i++)
                try_program(loaders[i], "/bin/true");
        for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
                int fd;

                snprintf(path, sizeof(path), "%s/.program", places[i]);
                if (copy_to(path) < 0)
                        continue;
                try_program(path, "--nothing");
                fd = open(path, O_RDONLY | O_CLOEXEC);
                tell("memory", path,
                        mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
                unlink(path);
        }
        tell("program", "memfd_create", memfd_create("x", 0));
}

static void try_memory(void) {
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        tell("memory", "mmap W and X",
                mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                                MAP_FAILED
                        ? -1
                        : 0);
        tell("memory", "mprotect X", mprotect(page, 4096, PROT_READ | PROT_EXEC));
        tell("memory", "pkey_mprotect X",
                syscall(SYS_pkey_mprotect, page, 4096UL, PROT_READ | PROT_EXEC, -1));
        tell("memory", "personality", personality(READ_IMPLIES_EXEC));
        tell("memory", "mlockall", mlockall(MCL_CURRENT));
        tell("memory", "shmget", syscall(SYS_shmget, IPC_PRIVATE, 4096UL, 0600));
        tell("memory", "userfaultfd", syscall(SYS_userfaultfd, 1));
}

/* ---- the kernel ---- */

static void try_mounts(void) {
        struct {
                unsigned long a[8];
        } attributes = {{0}};

        tell("mount", "mount", mount("/tmp", "/mnt", NULL, MS_BIND, NULL));
        tell("mount", "remount", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
        tell("mount", "umount", umount2("/home", MNT_DETACH));
        tell("mount", "pivot_root", syscall(SYS_pivot_root, "/", "/mnt"));
        tell("mount", "chroot", chroot("/"));
        tell("mount", "fsopen", syscall(SYS_fsopen, "tmpfs", 0));
        tell("mount", "open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
        tell("mount", "move_mount", syscall(SYS_move_mount, AT_FDCWD, "/home", AT_FDCWD, "/mnt", 0));
        tell("mount", "mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attributes, 32UL));
        tell("mount", "open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, &attributes, 0));
}

static void try_namespaces(void) {
        static const int spaces[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWIPC,
                CLONE_NEWUTS, CLONE_NEWCGROUP};
        char what[40];

        for (size_t i = 0; i < sizeof(spaces) / sizeof(*spaces); i++) {
                snprintf(what, sizeof(what), "unshare(%#x)", (unsigned) spaces[i]);
                tell("namespace", what, unshare(spaces[i]));
                snprintf(what, sizeof(what), "clone(%#x)", (unsigned) spaces[i]);
                {
                        long child = syscall(SYS_clone, spaces[i] | SIGCHLD, 0, 0, 0, 0);

                        if (child == 0)
                                _exit(0);
                        tell("namespace", what, child);
                }
        }
        tell("namespace", "setns", setns(open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC), 0));
}

static void try_clocks(void) {
        struct timespec now;
        struct timex adjust = {.modes = ADJ_OFFSET};

        clock_gettime(CLOCK_REALTIME, &now);
        tell("clock", "clock_settime", clock_settime(CLOCK_REALTIME, &now));
        tell("clock", "settimeofday", syscall(SYS_settimeofday, &now, NULL));
        tell("clock", "adjtimex", adjtimex(&adjust));
        tell("clock", "clock_adjtime", clock_adjtime(CLOCK_REALTIME, &adjust));
}

static void try_kernel(void) {
        union bpf_attr program = {
                .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
        struct perf_event_attr perf = {.type = PERF_TYPE_SOFTWARE, .size = sizeof(perf)};
        char text[10];

        tell("kernel", "init_module", syscall(SYS_init_module, "", 0UL, ""));
        tell("kernel", "finit_module", syscall(SYS_finit_module, 0, "", 0));
        tell("kernel", "delete_module", syscall(SYS_delete_module, "x", 0));
        tell("kernel", "kexec_load", syscall(SYS_kexec_load, 0UL, 0UL, NULL, 0UL));
        tell("kernel", "reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL));
        tell("kernel", "swapon", syscall(SYS_swapon, "/x", 0));
        tell("kernel", "syslog", syscall(SYS_syslog, 3, text, 10));
        tell("kernel", "bpf", syscall(SYS_bpf, BPF_MAP_CREATE, &program, sizeof(program)));
        tell("kernel", "perf_event_open", syscall(SYS_perf_event_open, &perf, 0, -1, -1, 0UL));
        tell("kernel", "sethostname", sethostname("x", 1));
        tell("kernel", "setdomainname", setdomainname("x", 1));
        tell("kernel", "add_key", syscall(SYS_add_key, "user", "x", "x", 1UL, -3));
        tell("kernel", "keyctl", syscall(SYS_keyctl, 0, -3, 1));
        tell("kernel", "quotactl", syscall(SYS_quotactl, 0x800002 << 8, NULL, 0, NULL));
        tell("kernel", "acct", syscall(SYS_acct, "/tmp/x"));
#ifdef SYS_iopl
        tell("kernel", "iopl", syscall(SYS_iopl, 3));
        tell("kernel", "ioperm", syscall(SYS_ioperm, 0x80UL, 1UL, 1));
#endif
}

/* ---- privileges, others ---- */

static void try_privileges(void) {
        struct sched_param real_time = {.sched_priority = 1};
        struct rlimit limit = {1 << 20, 1 << 20};

        tell("privilege", "setuid", syscall(SYS_setuid, 0));
        tell("privilege", "setgid", syscall(SYS_setgid, 0));
        tell("privilege", "setgroups", syscall(SYS_setgroups, 0, NULL));
        tell("privilege", "no_new_privs off", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
        tell("privilege", "ambient capability", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0));
        tell("privilege", "real time", sched_setscheduler(0, SCHED_FIFO, &real_time));
        tell("privilege", "setpriority", setpriority(PRIO_PROCESS, 0, -10));
        tell("privilege", "setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
        errno = EPERM; /* whatever capset() would have said: there is nothing in the bounding set */
        tell("privilege", "bounding set", prctl(PR_CAPBSET_READ, 0, 0, 0, 0) == 1 ? 0 : -1);
}

static void try_process(const char *text) {
        pid_t pid = atoi(text);
        char path[60], what[60], byte;
        struct iovec here = {&byte, 1}, there = {&byte, 1};
        int process;

        snprintf(path, sizeof(path), "/proc/%s", text);
        tell("other", path, access(path, F_OK));
        snprintf(path, sizeof(path), "/proc/%s/environ", text);
        tell("other", path, open(path, O_RDONLY | O_CLOEXEC));
        process = (int) syscall(SYS_pidfd_open, pid, 0);
        snprintf(what, sizeof(what), "pidfd_getfd %s", text);
        tell("other", what, syscall(SYS_pidfd_getfd, process, 0, 0));
        snprintf(what, sizeof(what), "process_vm_readv %s", text);
        tell("other", what, process_vm_readv(pid, &here, 1, &there, 1, 0));
        snprintf(what, sizeof(what), "ptrace %s", text);
        tell("other", what, ptrace(PTRACE_SEIZE, pid, NULL, NULL));
        snprintf(what, sizeof(what), "kill %s", text);
        tell("other", what, kill(pid, SIGKILL));
        snprintf(what, sizeof(what), "pidfd_send_signal %s", text);
        tell("other", what, syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0));
}

/* Nothing but itself may stand in /proc. */
static void try_proc(void) {
        DIR *d = opendir("/proc");
        struct dirent *e;
        long strangers = 0;

        while (d && (e = readdir(d)))
                strangers += atoi(e->d_name) > 0 && atoi(e->d_name) != getpid();
        errno = ENOENT;
        tell("other", "any process in /proc", strangers > 0 ? 0 : -1);
}

int main(int argc, char *argv[]) {
        const char *state = getenv("STATE_DIRECTORY"), *runtime = getenv("RUNTIME_DIRECTORY"),
                   *pids = getenv("PROBE_PIDS");
        char path[300], *copy, *pid;

        if (argc > 1 || !state || !runtime) /* as ExecStopPost=, or run by itself */
                return 0;
        (void) argv;
        snprintf(path, sizeof(path), "%s/probe", state);
        out = fopen(path, "we");
        if (!out)
                return 1;
        try_files(state, runtime);
        try_sockets();
        try_programs(state, runtime);
        try_memory();
        try_mounts();
        try_namespaces();
        try_clocks();
        try_kernel();
        try_privileges();
        try_proc();
        copy = strdup(pids ? pids : "");
        while ((pid = strsep(&copy, " ")))
                try_process(pid);
        tell("needed", "the end", 0);
        return fclose(out) != 0;
}
