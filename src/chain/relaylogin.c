/* SPDX-License-Identifier: Apache-2.0 */
/* Stands twice in the exec chain of a POP3 or IMAP server that logs nothing. Before the server, as whoever
 * accepted the client, it tells authrelayd(8) the client's address and leaves that connection open. Behind
 * the password, as the mail user, it says on it: this client has logged in. Which of both it is, is said by
 * RELAYLOGIN_FD. It never keeps mail from being read: whatever goes wrong, the next program runs, at once.
 * Invariant: nothing but its own connection is closed, and that is never passed on with anything left to be
 * said on it but one claim. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/parse-util.h"
#include "chain/chain.h"
#include "model/login-message.h"

#define DEFAULT_SOCKET "/run/authrelay/login"
#define VARIABLE "RELAYLOGIN_FD"
/* qmail-popup closes 3, and dies unless its pipe gets it; tcpserver's children use 6 and 7 for UCSPI. */
#define DESCRIPTOR_MIN 10
/* A daemon that is stopped or busy has a long queue for connections first; nobody waits longer for room. */
#define CONNECT_USEC (50 * USEC_PER_MSEC)

static const char *arg_socket = DEFAULT_SOCKET;
static const char *arg_service = "";
static bool arg_dovecot = false;
static bool arg_verbose = false;

static _noreturn_ void wrong_use(const char *what) {
        chain_say(
                LOG_ERR, "%s; usage: relaylogin [-dv] [-f SOCKET] [-s SERVICE] PROGRAM [ARGUMENT]...", what);
        _exit(EXIT_WRONG_USE);
}

/* Returns the program and its arguments. */
static char **parse_argv(int argc, char **argv) {
        int c;

        opterr = 0;
        while ((c = getopt(argc, argv, "+:df:s:v")) >= 0)
                switch (c) {
                case 'd':
                        arg_dovecot = true;
                        break;
                case 'f':
                        if (!*optarg || strlen(optarg) >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
                                wrong_use("-f needs a socket");
                        arg_socket = optarg;
                        break;
                case 's':
                        if (!login_service_is_valid(optarg))
                                wrong_use("-s needs a name of at most 14 letters a-z, digits and '-'");
                        arg_service = optarg;
                        break;
                case 'v':
                        arg_verbose = true;
                        break;
                case ':':
                        wrong_use("an option lacks its argument");
                default:
                        wrong_use("unknown option");
                }
        if (optind >= argc || !*argv[optind])
                wrong_use("no program to run");
        return argv + optind;
}

/* ---- before the server: the address ---- */

/* Dovecot tells its scripts the address in a variable of its own. */
static int find_client(IpAddr *ret, const char **ret_variable) {
        const char *value = arg_dovecot ? getenv("IP") : NULL;

        *ret_variable = "IP";
        if (!arg_dovecot)
                return chain_find_client(ret, ret_variable);
        if (!value)
                return -ENOENT;
        return ip_addr_parse(span_from_string(value), ret);
}

/* Returns false, and has said why, when it is not known who the client is. */
static bool has_client(IpAddr *ret) {
        char text[LOG_TEXT_BYTES];
        const char *variable = NULL;
        int r = find_client(ret, &variable);

        if (r == -EINVAL && variable)
                chain_say(LOG_WARNING, "the login will not be noticed: %s is not an address: '%s'", variable,
                        log_text(text, span_from_string(getenv(variable))));
        else if (r == -ENOTUNIQ && variable)
                chain_say(LOG_WARNING, "the login will not be noticed: %s is there twice", variable);
        else if (r == -ENOENT)
                chain_say(LOG_WARNING, "the login will not be noticed: there is no IP in the environment");
        else if (r == -ENXIO)
                chain_say(LOG_WARNING, "the login will not be noticed: the address is that of a proxy");
        else if (r < 0)
                chain_say(LOG_WARNING,
                        "the login will not be noticed: no TCPREMOTEIP, no REMOTE_ADDR, and no peer of "
                        "descriptor 0: %s",
                        strerror(-r));
        return r >= 0;
}

/* Returns a socket on a number that nobody in the chain has a use for, or -errno. */
static int high_socket(void) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, DESCRIPTOR_MIN);

        return high < 0 ? -errno : high;
}

/* Returns the connection, or -errno. */
static int connect_to_daemon(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct timeval patience = {.tv_usec = CONNECT_USEC};
        _cleanup_close_ int fd = high_socket();
        int r = fd;

        if (r < 0)
                return r;
        (void) strcpy(address.sun_path, arg_socket);
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
                connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        fd = -1;
        return r;
}

/* Returns the connection on which a claim can be made, or -1 after it has said why there is none. */
static int announce(void) {
        char path[LOG_TEXT_BYTES], text[IP_TEXT_BYTES];
        uint8_t bytes[LOGIN_ANNOUNCEMENT_BYTES];
        LoginAnnouncement a = {.stamp = time_boot()};
        _cleanup_close_ int fd = -1;
        int r;

        if (!has_client(&a.address))
                return -1;
        (void) strcpy(a.service, arg_service);
        login_announcement_encode(&a, bytes);
        fd = r = connect_to_daemon();
        if (r >= 0 && send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                r = -errno;
        if (r < 0) {
                chain_say(LOG_WARNING, "the login will not be noticed: %s: %s",
                        log_text(path, span_from_string(arg_socket)), strerror(-r));
                return -1;
        }
        if (arg_verbose)
                chain_say(LOG_INFO, "%s is announced", ip_addr_format(text, &a.address));
        fd = -1;
        return r;
}

/* ---- behind the password: the claim ---- */

/* Whoever serves the mail has the name here: Courier's servers in the first, checkpassword and Dovecot in
 * the second. Empty: the daemon looks for whose uid this is. */
static Span find_user(void) {
        const char *user = arg_dovecot ? NULL : getenv("AUTHENTICATED");

        return span_from_string(strempty(user && *user ? user : getenv("USER")));
}

static void claim(int fd) {
        uint8_t bytes[LOGIN_CLAIM_MAX_BYTES];
        char text[LOG_TEXT_BYTES];
        Span user = find_user();
        int r = login_claim_encode(user, bytes);

        if (r >= 0 && send(fd, bytes, (size_t) r, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                r = -errno;
        if (r < 0)
                chain_say(LOG_WARNING, "the login of '%s' is not noticed: %s", log_text(text, user),
                        r == -EPIPE ? "authrelayd has given it up" : strerror(-r));
        else if (arg_verbose)
                chain_say(LOG_INFO, "the login of '%s' is claimed", log_text(text, user));
}

/* The descriptor of RELAYLOGIN_FD; -1: the first half has failed, and has said so. -EBADF: it is none of
 * ours, whoever has set the variable, and is left alone. */
static int inherited_connection(const char *value) {
        struct sockaddr_un peer;
        socklen_t size = sizeof(int), peer_size = sizeof(peer);
        uint64_t fd;
        int type;

        if (!*value)
                return -1;
        if (parse_u64(span_from_string(value), INT32_MAX, &fd) < 0 || fd < DESCRIPTOR_MIN ||
                getsockopt((int) fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET ||
                getpeername((int) fd, (struct sockaddr *) &peer, &peer_size) < 0 ||
                peer.sun_family != AF_UNIX)
                return -EBADF;
        return (int) fd;
}

/* ---- both ---- */

static void first_half(void) {
        char number[16] = "";
        int fd = announce();

        if (fd >= 0) {
                (void) snprintf(number, sizeof(number), "%d", fd);
                (void) fcntl(fd, F_SETFD, 0);
        }
        /* empty, so that the second one knows that it is not the first */
        if (setenv(VARIABLE, number, true) < 0) {
                chain_say(LOG_WARNING, "the login will not be noticed: out of memory");
                close_fd(fd);
        }
}

static void second_half(const char *value) {
        char text[LOG_TEXT_BYTES];
        int fd = inherited_connection(value);

        if (fd >= 0) {
                claim(fd);
                close_fd(fd);
        } else if (fd == -EBADF)
                chain_say(LOG_WARNING,
                        "the login is not noticed: " VARIABLE " is no connection to authrelayd: '%s'",
                        log_text(text, span_from_string(value)));
        (void) unsetenv(VARIABLE);
}

static void both_halves(void) {
        int fd = announce();

        if (fd < 0)
                return;
        claim(fd);
        close_fd(fd);
}

int main(int argc, char **argv) {
        const char *value;

        if (argc < 1)
                wrong_use("no argv[0]");
        /* the caller's environment would decide which address is announced */
        if (getauxval(AT_SECURE))
                wrong_use("does not run setuid or setgid");
        argv = parse_argv(argc, argv);

        value = getenv(VARIABLE);
        if (arg_dovecot)
                both_halves();
        else if (value)
                second_half(value);
        else
                first_half();
        return chain_exec(argv);
}
