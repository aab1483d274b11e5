/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login-attack: what a local user who wants to relay would try at the login socket. Each prints what came of it.
 *   login-attack announce SOCKET ADDRESS USER [SECONDS-AGO]   connects, announces the address, claims for the user
 *   login-attack claim FD USER...                             claims on an inherited descriptor, for one after the other
 *   login-attack garbage FD                                   sends what is no claim
 *   login-attack steal PID FD USER [SECONDS]                  takes the descriptor from a process, waits, claims on it
 *   login-attack flood SOCKET NUMBER SECONDS                  opens connections and keeps them
 *   login-attack fill SOCKET                                  opens connections until the queue is full, and keeps them
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

/* "ok", or the error's name: strerror() without locales. */
static int tell(const char *what, int error) {
        printf("%s: %s\n", what, error == 0 ? "ok" : strerrorname_np(error));
        fflush(stdout);
        return error != 0;
}

static int connect_to(const char *path, int flags) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);

        strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        if (fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                int error = errno;

                close(fd);
                errno = error;
                return -1;
        }
        return fd;
}

static int send_claim(int fd, const char *user) {
        char data[1000];
        int n = snprintf(data, sizeof(data), "C1%s", user);

        return send(fd, data, (size_t) n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0;
}

/* Tells a claim, and how the daemon took it: it shuts the connection at once. */
static int claim(int fd, const char *user) {
        int error = send_claim(fd, user);
        char byte;

        if (error == 0)
                (void) !recv(fd, &byte, 1, 0);
        return tell("claim", error);
}

static int announce(char **argv) {
        unsigned char data[40] = "A1pop3";
        struct in_addr v4;
        struct timespec ts;
        uint64_t stamp;
        int fd = connect_to(argv[0], 0);

        if (fd < 0)
                return tell("connect", errno);
        clock_gettime(CLOCK_BOOTTIME, &ts);
        stamp = ((uint64_t) ts.tv_sec - (argv[3] ? strtoull(argv[3], NULL, 10) : 0)) * 1000000;
        memcpy(data + 16, &stamp, 8);
        data[34] = data[35] = 0xff;
        if (inet_pton(AF_INET, argv[1], &v4) != 1)
                return 100;
        memcpy(data + 36, &v4, 4);
        if (send(fd, data, sizeof(data), MSG_NOSIGNAL) < 0)
                return tell("announce", errno);
        tell("announce", 0);
        return claim(fd, argv[2]);
}

static int garbage(int fd) {
        static char huge[60000];
        static const struct { const char *data; size_t size; } messages[] = {
                { "", 0 }, { "x", 1 }, { "C", 1 }, { "C9alice", 7 }, { huge, sizeof(huge) } };

        for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
                tell("garbage", send(fd, messages[i].data, messages[i].size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0);
        return 0;
}

static int steal(char **argv) {
        int process = (int) syscall(SYS_pidfd_open, atoi(argv[0]), 0), fd;

        if (process < 0)
                return tell("open", errno);
        fd = (int) syscall(SYS_pidfd_getfd, process, atoi(argv[1]), 0);
        if (fd < 0)
                return tell("steal", errno);
        tell("steal", 0);
        if (argv[3])
                sleep((unsigned) atoi(argv[3]));
        return claim(fd, argv[2]);
}

static int flood(char **argv) {
        struct rlimit limit = { 4096, 4096 };
        int n = atoi(argv[1]), opened = 0;

        (void) setrlimit(RLIMIT_NOFILE, &limit);
        for (int i = 0; i < n; i++)
                opened += connect_to(argv[0], SOCK_NONBLOCK) >= 0;
        printf("opened %d\n", opened);
        fflush(stdout);
        sleep((unsigned) atoi(argv[2]));
        return 0;
}

/* More processes than one, each with as many descriptors as it may have. */
static int fill(const char *path) {
        struct rlimit limit = { 4096, 4096 };
        int opened = 0;

        (void) setrlimit(RLIMIT_NOFILE, &limit);
        for (;;) {
                if (connect_to(path, SOCK_NONBLOCK) >= 0) {
                        opened++;
                        continue;
                }
                if (errno != EMFILE)
                        break;
                switch (fork()) {
                case -1: return tell("fork", errno);
                case 0: closefrom(3); break;
                default: pause();
                }
        }
        tell("full", errno);
        pause();
        return 0;
}

int main(int argc, char *argv[]) {
        int rc = 100;

        if (argc >= 5 && strcmp(argv[1], "announce") == 0)
                rc = announce(argv + 2);
        else if (argc >= 4 && strcmp(argv[1], "claim") == 0)
                for (char **user = argv + 3; *user; user++)
                        rc = claim(atoi(argv[2]), *user);
        else if (argc == 3 && strcmp(argv[1], "garbage") == 0)
                rc = garbage(atoi(argv[2]));
        else if (argc >= 5 && strcmp(argv[1], "steal") == 0)
                rc = steal(argv + 2);
        else if (argc == 5 && strcmp(argv[1], "flood") == 0)
                rc = flood(argv + 2);
        else if (argc == 3 && strcmp(argv[1], "fill") == 0)
                rc = fill(argv[2]);
        return rc;
}
