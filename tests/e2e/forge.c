/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forge: what a local user who wants to relay would try: it says to journald that somebody has logged in.
 * As a program: forge syslog IDENTIFIER MESSAGE [PID] | forge native FIELD=VALUE...
 * As a library (LD_PRELOAD) it sends $FORGE_MESSAGE from inside whatever program loads it.
 * It stays for a moment, so that journald can read who it is; a sender that is gone is untrusted for want of fields.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int send_to(const char *path, const char *data, size_t length) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            send(fd, data, length, 0) < 0) {
                perror("forge");
                return 1;
        }
        usleep(500 * 1000);
        close(fd);
        return 0;
}

/* <22> is mail.info, the facility and level of a mail server. */
static int forge_syslog(const char *identifier, const char *message, const char *pid) {
        char line[8192];
        int n;

        n = snprintf(line, sizeof(line), "<22>%s%s%s%s: %s", identifier, pid ? "[" : "", pid ? pid : "",
                     pid ? "]" : "", message);
        if (n < 0 || (size_t) n >= sizeof(line))
                return 1;
        return send_to("/dev/log", line, (size_t) n);
}

#ifdef FORGE_LIBRARY
__attribute__((constructor)) static void forge_from_inside(void) {
        const char *message = getenv("FORGE_MESSAGE");

        if (message)
                _exit(forge_syslog("dovecot", message, NULL));
}
#else
static int forge_native(char *const *fields) {
        char data[8192];
        size_t used = 0;

        for (; *fields; fields++) {
                size_t length = strlen(*fields);

                if (used + length + 1 > sizeof(data))
                        return 1;
                memcpy(data + used, *fields, length);
                used += length;
                data[used++] = '\n';
        }
        return send_to("/run/systemd/journal/socket", data, used);
}

int main(int argc, char *argv[]) {
        if (argc >= 4 && strcmp(argv[1], "syslog") == 0)
                return forge_syslog(argv[2], argv[3], argv[4]);
        if (argc >= 3 && strcmp(argv[1], "native") == 0)
                return forge_native(argv + 2);
        fputs("usage: forge syslog IDENTIFIER MESSAGE [PID] | forge native FIELD=VALUE...\n", stderr);
        return 100;
}
#endif
