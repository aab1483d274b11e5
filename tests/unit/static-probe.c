/* SPDX-License-Identifier: Apache-2.0 */
/* What test-relaylock has run in the place of an SMTP server: writes to the file named first its other arguments, its
 * descriptors and its environment. Static, so that it runs under qmail's softlimit; without a file it does nothing. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv) {
        struct sigaction pipe_action;
        int fd;

        if (argc < 2)
                return 0;
        for (int i = 0; i < 64; i++) /* before anything is opened here */
                if (fcntl(i, F_GETFD) >= 0 && i > 2)
                        return 90; /* one was passed on */
        fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (fd < 0)
                return 91;
        for (int i = 0; i < 3; i++)
                dprintf(fd, "fd %d %s\n", i, i != fd && fcntl(i, F_GETFD) >= 0 ? "open" : "closed");
        (void) sigaction(SIGPIPE, NULL, &pipe_action);
        dprintf(fd, "sigpipe %s\n", pipe_action.sa_handler == SIG_DFL ? "default" : "ignored");
        for (int i = 0; i < argc; i++)
                dprintf(fd, "arg %s\n", argv[i]);
        for (char **e = environ; *e; e++)
                dprintf(fd, "env %s\n", *e);
        return 0;
}
