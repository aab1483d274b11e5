/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pop3-chain: an exec chain in the manner of qmail's, which Debian does not have, and with its demands on descriptors:
 *   pop3-chain popup HOST CHECKPASSWORD ...   asks for a name and a password, hands them over on descriptor 3, waits
 *   pop3-chain checkpassword PROGRAM ...      the passwords of $PASSWORDS (NAME:PASSWORD:UID:GID lines); becomes that uid
 *   pop3-chain pop3d                          serves an empty mailbox until the client says QUIT
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

static int die(const char *what) {
        fprintf(stderr, "pop3-chain: %s: %s\n", what, strerror(errno));
        return 111;
}

/* A line without its end, byte for byte, so that nothing is taken from whoever reads next. */
static bool read_line(char *line, size_t size) {
        size_t n = 0;

        for (char c; read(0, &c, 1) == 1;) {
                if (c == '\n') {
                        line[n > 0 && line[n - 1] == '\r' ? n - 1 : n] = 0;
                        return true;
                }
                if (n + 1 < size)
                        line[n++] = c;
        }
        return false;
}

static void say(const char *text) {
        if (write(1, text, strlen(text)) < 0)
                _exit(1);
}

/* As qmail-popup: descriptor 3 is closed, and must be what the pipe gets. */
static int hand_over(char **program, const char *user, const char *password) {
        char data[800];
        int fds[2], status, n;
        pid_t child;

        close(3);
        if (pipe(fds) < 0 || fds[0] != 3)
                return die("the pipe is not 3");
        child = fork();
        if (child < 0)
                return die("fork");
        if (child == 0) {
                close(fds[1]);
                execvp(program[0], program);
                _exit(die(program[0]));
        }
        close(fds[0]);
        n = snprintf(data, sizeof(data), "%s%c%s%c<%d.%d@test>%c", user, 0, password, 0, 1, 2, 0);
        if (write(fds[1], data, (size_t) n) != n)
                return die("the pipe");
        close(fds[1]);
        if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
                return die("the child crashed");
        if (WEXITSTATUS(status) != 0)
                say("-ERR authorization failed\r\n");
        return 0;
}

static int popup(char **argv) {
        char line[300], user[300] = "";

        say("+OK <1.2@test>\r\n");
        while (read_line(line, sizeof(line)))
                if (strncasecmp(line, "USER ", 5) == 0) {
                        snprintf(user, sizeof(user), "%s", line + 5);
                        say("+OK\r\n");
                } else if (strncasecmp(line, "PASS ", 5) == 0)
                        return hand_over(argv + 1, user, line + 5);
                else if (strcasecmp(line, "QUIT") == 0) {
                        say("+OK\r\n");
                        return 0;
                } else
                        say("-ERR authorization first\r\n");
        return 0;
}

static int become(const char *user, const char *uid, const char *gid, char **program) {
        if (setgroups(0, NULL) < 0 || setgid((gid_t) atoi(gid)) < 0 || setuid((uid_t) atoi(uid)) < 0)
                return die("another user");
        setenv("USER", user, 1);
        setenv("HOME", "/", 1);
        setenv("SHELL", "/bin/sh", 1);
        execvp(program[0], program);
        return die(program[0]);
}

static int checkpassword(char **program) {
        char data[600] = "", line[600], *field[4];
        const char *path = getenv("PASSWORDS");
        FILE *f = path ? fopen(path, "re") : NULL;
        size_t n = 0;

        for (ssize_t k; n < sizeof(data) - 1 && (k = read(3, data + n, sizeof(data) - 1 - n)) > 0;)
                n += (size_t) k;
        close(3);
        if (!f)
                return die("$PASSWORDS");
        while (fgets(line, sizeof(line), f)) {
                char *rest = line;

                line[strcspn(line, "\n")] = 0;
                for (int i = 0; i < 4; i++)
                        field[i] = strsep(&rest, ":");
                if (field[3] && strcmp(field[0], data) == 0 && strcmp(field[1], data + strlen(data) + 1) == 0)
                        return become(field[0], field[2], field[3], program);
        }
        fclose(f);
        return 1;
}

static int pop3d(void) {
        char line[300];

        say("+OK\r\n");
        while (read_line(line, sizeof(line))) {
                say("+OK 0 0\r\n");
                if (strcasecmp(line, "QUIT") == 0)
                        break;
        }
        return 0;
}

int main(int argc, char *argv[]) {
        if (argc >= 4 && strcmp(argv[1], "popup") == 0)
                return popup(argv + 2);
        if (argc >= 3 && strcmp(argv[1], "checkpassword") == 0)
                return checkpassword(argv + 2);
        if (argc == 2 && strcmp(argv[1], "pop3d") == 0)
                return pop3d();
        fputs("usage: pop3-chain popup HOST CHECKPASSWORD... | checkpassword PROGRAM... | pop3d\n", stderr);
        return 100;
}
