/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs of an exec chain share. Nothing here opens a descriptor: 0, 1 and 2 may be closed, and
 * what would be opened then, the server would take for its connection. */

#include "chain/chain.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Under inetd, or as a systemd service whose stderr was left as it is, stderr is the connection: what is
 * written there the client takes for SMTP. A full pipe must not hold up the mail either, nor a closed one
 * end it. */
static bool is_stderr_fit(void) {
        struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
        struct stat err, in;

        if (fstat(STDERR_FILENO, &err) < 0)
                return false;
        if (S_ISSOCK(err.st_mode) && fstat(STDIN_FILENO, &in) == 0 && in.st_dev == err.st_dev &&
                in.st_ino == err.st_ino)
                return false;
        return poll(&p, 1, 0) == 1 && p.revents == POLLOUT;
}

void chain_say(int priority, const char *format, ...) {
        struct sigaction ignore = {.sa_handler = SIG_IGN}, inherited;
        char text[2048]; /* what log_line() cuts at */
        sigset_t pending;
        va_list ap;

        if (!is_stderr_fit())
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        log_set_always_named();
        /* a pipe may be closed between the look at it and the writing; but one that waits to be let in would
         * be forgotten, and where one waits already another does nothing */
        if (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) > 0) {
                log_line(priority, "%s", text);
                return;
        }
        (void) sigaction(SIGPIPE, &ignore, &inherited);
        log_line(priority, "%s", text);
        (void) sigaction(SIGPIPE, &inherited, NULL);
}

int chain_peer(IpAddr *ret) {
        static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};
        union {
                struct sockaddr any;
                struct sockaddr_in v4;
                struct sockaddr_in6 v6;
                struct sockaddr_storage room;
        } peer = {0};
        socklen_t n = sizeof(peer);

        if (getpeername(STDIN_FILENO, &peer.any, &n) < 0)
                return -errno;
        if (peer.any.sa_family == AF_INET && n >= sizeof(peer.v4)) {
                memcpy(ret->bytes, v4_prefix, sizeof(v4_prefix));
                memcpy(ret->bytes + 12, &peer.v4.sin_addr, 4);
        } else if (peer.any.sa_family == AF_INET6 && n >= sizeof(peer.v6))
                memcpy(ret->bytes, &peer.v6.sin6_addr, 16);
        else
                return -EAFNOSUPPORT;
        return 0;
}

/* Returns 1 and the value, 0 if it is not set, or -ENOTUNIQ: getenv(3) says the first one, other programs
 * the last. */
static int find_variable(const char *name, const char **ret) {
        const char *found = NULL;
        size_t n = strlen(name);

        for (char **e = environ; *e; e++) {
                if (strncmp(*e, name, n) != 0 || (*e)[n] != '=')
                        continue;
                if (found && !streq(found, *e + n + 1))
                        return -ENOTUNIQ;
                found = *e + n + 1;
        }
        *ret = found;
        return found ? 1 : 0;
}

int chain_find_client(IpAddr *ret, const char **ret_variable) {
        static const char *const names[] = {"TCPREMOTEIP", "REMOTE_ADDR"};

        if (getenv(CHAIN_NO_CLIENT))
                return -ENXIO;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const char *value;
                int r = find_variable(names[i], &value);

                if (r == 0)
                        continue;
                if (r > 0)
                        r = ip_addr_parse(span_from_string(value), ret);
                *ret_variable = names[i];
                return r;
        }
        return chain_peer(ret);
}

int chain_exec(char **argv) {
        char text[LOG_TEXT_BYTES];
        int r;

        (void) execvp(argv[0], argv);
        r = errno;
        chain_say(LOG_ERR, "cannot run '%s': %s", log_text(text, span_from_string(argv[0])), strerror(r));
        return EXIT_TROUBLE;
}
