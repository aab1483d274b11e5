/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in an exec chain behind a TLS terminator or a load balancer: reads the header of the PROXY protocol
 * with which that says for whom it speaks, and puts the client's address where tcpserver or systemd has put
 * the proxy's. It reads straight down: check argv, look who is there, read, adjust, exec. Without a valid
 * header from a trusted sender the server does not run: whoever may send one can be any client that he
 * likes. Invariant: of descriptor 0 not one byte is read behind the header, and no relay right that was
 * meant for the proxy's address is handed on. It does not look names up. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basic/parse-util.h"
#include "basic/time-util.h"
#include "chain/chain.h"
#include "chain/proxy-header.h"

/* Nobody has more terminators, and it is decided before anything is done. */
#define NETWORKS_MAX 64

/* The specification wants at least 3 seconds, in which TCP sends once more what was lost. */
#define DEFAULT_WAIT_USEC (5 * USEC_PER_SEC)
#define MAX_WAIT_SECONDS 3600

static IpNetwork arg_networks[NETWORKS_MAX];
static unsigned arg_n_networks = 0;
static bool arg_unix = false;
static usec_t arg_wait = DEFAULT_WAIT_USEC;
static bool arg_verbose = false;

static _noreturn_ void wrong_use(const char *what) {
        chain_say(
                LOG_ERR, "%s; usage: relaypeer [-v] [-w SECONDS] -t NETWORK... PROGRAM [ARGUMENT]...", what);
        _exit(EXIT_WRONG_USE);
}

static void add_network(const char *s) {
        IpNetwork n;

        if (streq(s, "unix")) {
                arg_unix = true;
                return;
        }
        if (arg_n_networks == NETWORKS_MAX)
                wrong_use("too many -t");
        if (ip_network_parse(span_from_string(s), &n) < 0)
                wrong_use("-t needs an address, a network, or 'unix'");
        /* as in authrelayd: nobody's terminators are a good part of the Internet */
        if (ip_network_length(&n) < (ip_network_is_v4(&n) ? 8 : 32))
                wrong_use("-t needs a smaller network");
        arg_networks[arg_n_networks++] = n;
}

/* Returns the program and its arguments. */
static char **parse_argv(int argc, char **argv) {
        uint64_t seconds;
        int c;

        opterr = 0;
        while ((c = getopt(argc, argv, "+:t:vw:")) >= 0)
                switch (c) {
                case 't':
                        add_network(optarg);
                        break;
                case 'v':
                        arg_verbose = true;
                        break;
                case 'w':
                        if (parse_u64(span_from_string(optarg), MAX_WAIT_SECONDS, &seconds) < 0 ||
                                seconds == 0)
                                wrong_use("-w needs a number of seconds");
                        arg_wait = seconds * USEC_PER_SEC;
                        break;
                case ':':
                        wrong_use("an option lacks its argument");
                default:
                        wrong_use("unknown option");
                }
        if (arg_n_networks == 0 && !arg_unix)
                wrong_use("no -t: nobody may send a header");
        if (optind >= argc || !*argv[optind])
                wrong_use("no program to run");
        return argv + optind;
}

static bool is_trusted(const IpAddr *addr) {
        IpNetwork host = ip_network_of(addr, 128);

        for (unsigned i = 0; i < arg_n_networks; i++)
                if (ip_network_contains(&arg_networks[i], &host))
                        return true;
        return false;
}

/* The value, if the entry of the environment is NAME=VALUE. */
static const char *value_of(const char *entry, const char *name) {
        size_t n = strlen(name);

        return strncmp(entry, name, n) == 0 && entry[n] == '=' ? entry + n + 1 : NULL;
}

/* Of a datagram the rest would be lost, and anybody can have sent it. */
static bool is_stream(void) {
        int type = 0;
        socklen_t n = sizeof(type);

        return getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM;
}

/* Who may connect to it is said by the file's mode, and whoever runs us has decided that this is enough. */
static bool is_unix_socket(void) {
        struct sockaddr_storage own = {0};
        socklen_t n = sizeof(own);

        return getsockname(STDIN_FILENO, (struct sockaddr *) &own, &n) == 0 && own.ss_family == AF_UNIX;
}

/* The peer that the kernel knows must be trusted. Returns false, and has said why, if it is not; its name
 * for messages is written to `ret`. */
static bool is_peer_trusted(char ret[static IP_TEXT_BYTES]) {
        IpAddr peer;
        bool trusted;
        int r = chain_peer(&peer);

        if ((r >= 0 || r == -EAFNOSUPPORT) && !is_stream())
                r = -EPROTOTYPE;
        if (r == -EAFNOSUPPORT && arg_unix && is_unix_socket()) {
                (void) strcpy(ret, "unix");
                return true;
        }
        if (r < 0) {
                chain_say(LOG_ERR, "descriptor 0 is not a connection over IP: %s", strerror(-r));
                return false;
        }
        (void) ip_addr_format(ret, &peer);
        trusted = is_trusted(&peer);
        if (!trusted)
                chain_say(LOG_WARNING, "no header is taken from %s", ret);
        return trusted;
}

/* And so must every address that relaylock would look at, even where a name is there twice. Behind one
 * relaypeer the second one sees the client that the first was told of: that must be a proxy, too. Returns
 * false, and has said why, if somebody is not. */
static bool is_environment_trusted(void) {
        static const char *const names[] = {"TCPREMOTEIP", "REMOTE_ADDR"};
        char text[LOG_TEXT_BYTES];
        IpAddr addr;

        for (char **e = environ; *e; e++)
                for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                        const char *value = value_of(*e, names[i]);

                        if (!value)
                                continue;
                        if (ip_addr_parse(span_from_string(value), &addr) >= 0 && is_trusted(&addr))
                                continue;
                        chain_say(LOG_WARNING, "no header is taken from %s '%s'", names[i],
                                log_text(text, span_from_string(value)));
                        return false;
                }
        return true;
}

/* Waits until `deadline` for bytes that may all be read. Returns how many came; 0: nothing comes any more;
 * -ETIMEDOUT; or -errno. */
static ssize_t receive(uint8_t *data, size_t size, usec_t deadline) {
        for (;;) {
                struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
                ssize_t n = recv(STDIN_FILENO, data, size, MSG_DONTWAIT);
                usec_t now;

                if (n >= 0)
                        return n;
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
                now = time_monotonic();
                if (now >= deadline)
                        return -ETIMEDOUT;
                if (poll(&p, 1, (int) ((deadline - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC)) < 0 &&
                        errno != EINTR)
                        return -errno;
        }
}

/* Reads the header and ends the program if there is none. */
static void read_header(ProxyHeader *ret, const char *peer) {
        static uint8_t data[PROXY_HEADER_MAX_BYTES]; /* not on the stack, whose pages it would cost */
        usec_t deadline = time_monotonic() + arg_wait;
        size_t size = 0;

        for (;;) {
                const char *why;
                int missing = proxy_header_parse(data, size, ret, &why);
                ssize_t n;

                if (missing == 0)
                        return;
                if (missing < 0) {
                        chain_say(LOG_WARNING, "bad header from %s: %s", peer, why);
                        _exit(EXIT_TROUBLE);
                }
                n = receive(data + size, (size_t) missing, deadline);
                if (n > 0) {
                        size += (size_t) n;
                        continue;
                }
                /* that is how a load balancer looks whether somebody is there */
                if (size == 0 && (n == 0 || n == -ECONNRESET)) {
                        if (arg_verbose)
                                chain_say(LOG_INFO, "%s has closed the connection", peer);
                        _exit(EXIT_SUCCESS);
                }
                chain_say(LOG_WARNING, "no header from %s: %s", peer,
                        n == 0            ? "the connection was closed in the middle of it"
                        : n == -ETIMEDOUT ? "it did not come in time"
                                          : strerror((int) -n));
                _exit(EXIT_TROUBLE);
        }
}

/* One and no other: a second entry of the name, which setenv() would leave there, is what some programs read
 * first. */
static bool set_only(const char *name, const char *value) {
        return unsetenv(name) == 0 && setenv(name, value, true) == 0;
}

static bool set_address(const char *ip_name, const char *port_name, const IpAddr *addr, uint16_t port) {
        char ip[IP_TEXT_BYTES], number[8];

        (void) snprintf(number, sizeof(number), "%u", (unsigned) port);
        return set_only(ip_name, ip_addr_format(ip, addr)) && set_only(port_name, number);
}

/* What tcpserver sets for a client. The names with TCP6 are those of its IPv6 form, which it sets besides.
 */
static bool describe_client(const ProxyHeader *h) {
        /* the proxy's names, and what the rules for its address have said */
        static const char *const gone[] = {"TCPREMOTEHOST", "TCPREMOTEINFO", "TCPLOCALHOST", "TCP6REMOTEIP",
                "TCP6REMOTEPORT", "TCP6REMOTEHOST", "TCP6REMOTEINFO", "TCP6LOCALIP", "TCP6LOCALPORT",
                "TCP6LOCALHOST", "TCP6INTERFACE", "REMOTE_HOST", "RBLSMTPD", CHAIN_NO_CLIENT};
        bool is_v6 = !ip_addr_is_v4(&h->source);

        for (size_t i = 0; i < ELEMENTSOF(gone); i++)
                (void) unsetenv(gone[i]);
        if (getenv("REMOTE_ADDR") && !set_address("REMOTE_ADDR", "REMOTE_PORT", &h->source, h->source_port))
                return false;
        if (is_v6 &&
                (!set_address("TCP6REMOTEIP", "TCP6REMOTEPORT", &h->source, h->source_port) ||
                        !set_address("TCP6LOCALIP", "TCP6LOCALPORT", &h->destination, h->destination_port)))
                return false;
        return set_only("PROTO", is_v6 ? "TCP6" : "TCP") &&
               set_address("TCPREMOTEIP", "TCPREMOTEPORT", &h->source, h->source_port) &&
               set_address("TCPLOCALIP", "TCPLOCALPORT", &h->destination, h->destination_port);
}

/* Returns false when there is no memory. */
static bool adjust(const ProxyHeader *h) {
        /* for the proxy's address, whoever is behind it: any of them would make an open relay */
        static const char *const gone[] = {"RELAYCLIENT", "AUTHRELAY_USER", "RELAYLOGIN_FD"};

        for (size_t i = 0; i < ELEMENTSOF(gone); i++)
                (void) unsetenv(gone[i]);
        switch (h->kind) {
        case PROXY_HEADER_CLIENT:
                return describe_client(h);
        case PROXY_HEADER_LOCAL:
                return set_only(CHAIN_NO_CLIENT, "local");
        case PROXY_HEADER_OTHER:
                break;
        }
        return set_only(CHAIN_NO_CLIENT, "unknown");
}

static void say_header(const ProxyHeader *h, const char *peer) {
        char client[IP_TEXT_BYTES];

        if (h->kind == PROXY_HEADER_CLIENT)
                chain_say(LOG_INFO, "%s by way of %s", ip_addr_format(client, &h->source), peer);
        else if (h->kind == PROXY_HEADER_LOCAL)
                chain_say(LOG_INFO, "%s speaks for itself", peer);
        else
                chain_say(LOG_INFO, "%s does not name the client", peer);
}

int main(int argc, char **argv) {
        char peer[IP_TEXT_BYTES];
        ProxyHeader header;

        if (argc < 1)
                wrong_use("no argv[0]");
        /* it has no use for it, and the caller's environment would be the server's */
        if (getauxval(AT_SECURE))
                wrong_use("does not run setuid or setgid");
        argv = parse_argv(argc, argv);

        if (!is_peer_trusted(peer) || !is_environment_trusted())
                return EXIT_TROUBLE;
        read_header(&header, peer);
        if (arg_verbose)
                say_header(&header, peer);
        if (!adjust(&header)) {
                chain_say(LOG_ERR, "out of memory");
                return EXIT_TROUBLE;
        }
        return chain_exec(argv);
}
