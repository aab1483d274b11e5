/* SPDX-License-Identifier: Apache-2.0 */
/* Stands before an SMTP server in its exec chain, and lets the clients relay that have just logged in: looks
 * the client's address up in the published files, sets RELAYCLIENT, becomes the server. It reads straight
 * down: check argv, read the environment, decide, adjust, exec. It never keeps mail out: whatever is wrong
 * with the files, the server runs, without a relay right. Invariant: RELAYCLIENT is set only where
 * relay_lookup() said GRANTED for the very client of this connection, and no variable's name comes from
 * anything but the command line and this file. It leaves an inherited RELAYCLIENT alone, which is the word
 * of tcpserver's own rules. */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "basic/time-util.h"
#include "cdb/relay-lookup.h"
#include "chain/chain.h"

#define DEFAULT_FILE "/run/authrelay/relay.cdb"

/* Nobody needs more, and it is decided before anything is done. */
#define SETTINGS_MAX 16

static const char *arg_file = DEFAULT_FILE;
static bool arg_rblsmtpd = false;
static bool arg_verbose = false;
static char *arg_settings[SETTINGS_MAX]; /* NAME[=VALUE], in the order of the command line */
static unsigned arg_n_settings = 0;

static _noreturn_ void wrong_use(const char *what) {
        chain_say(LOG_ERR, "%s; usage: relaylock [-bv] [-e NAME[=VALUE]]... [-f FILE] PROGRAM [ARGUMENT]...",
                what);
        _exit(EXIT_WRONG_USE);
}

/* POSIX, XBD 8.1, and no digit first: what every shell can use. */
static bool is_name(const char *s) {
        size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

        return n > 0 && (s[n] == 0 || s[n] == '=') && !(s[0] >= '0' && s[0] <= '9');
}

/* Returns the program and its arguments. */
static char **parse_argv(int argc, char **argv) {
        int c;

        opterr = 0;
        while ((c = getopt(argc, argv, "+:be:f:v")) >= 0)
                switch (c) {
                case 'b':
                        arg_rblsmtpd = true;
                        break;
                case 'e':
                        if (!is_name(optarg))
                                wrong_use("-e needs NAME or NAME=VALUE");
                        if (arg_n_settings == SETTINGS_MAX)
                                wrong_use("too many -e");
                        arg_settings[arg_n_settings++] = optarg;
                        break;
                case 'f':
                        if (!*optarg)
                                wrong_use("-f needs a file");
                        arg_file = optarg;
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

/* Called as NAME it stands in the place of a server that is started without arguments that could be changed,
 * and runs NAME.noauth with all of its own. That one's argv[0] says .noauth too, so that a link to relaylock
 * by mistake ends at the next step instead of going round. */
static char **find_substitute(char **argv, char buf[static PATH_MAX]) {
        const char *slash = strrchr(argv[0], '/');

        if (!*(slash ? slash + 1 : argv[0]))
                wrong_use("no name in argv[0]");
        if (snprintf(buf, PATH_MAX, "%s.noauth", argv[0]) >= PATH_MAX)
                wrong_use("argv[0] is too long");
        argv[0] = buf;
        return argv;
}

/* Returns false, and has said why, when it is not known who the client is. */
static bool find_client(IpAddr *ret) {
        char text[LOG_TEXT_BYTES];
        const char *variable = NULL;
        int r = chain_find_client(ret, &variable);

        if (r == -EINVAL && variable)
                chain_say(LOG_WARNING, "no relaying: %s is not an address: '%s'", variable,
                        log_text(text, span_from_string(getenv(variable))));
        else if (r == -ENOTUNIQ)
                chain_say(LOG_WARNING, "no relaying: %s is there twice", variable);
        else if (r < 0 && r != -ENXIO)
                chain_say(LOG_WARNING,
                        "no relaying: no TCPREMOTEIP, no REMOTE_ADDR, and no peer of descriptor 0: %s",
                        strerror(-r));
        else if (r < 0 && arg_verbose)
                chain_say(LOG_INFO, "no relaying: a proxy's own connection");
        return r >= 0;
}

static void say_answer(const IpAddr *client, const RelayAnswer *answer) {
        char text[IP_TEXT_BYTES], network[IP_TEXT_BYTES], file[LOG_TEXT_BYTES];
        char stamp[TIME_TEXT_BYTES];

        (void) ip_addr_format(text, client);
        if (answer->result == RELAY_RESULT_DOUBT)
                chain_say(LOG_WARNING, "%s: no relaying: %s: %s%s%s", text,
                        log_text(file, span_from_string(arg_file)), answer->reason,
                        answer->error < 0 ? ": " : "", answer->error < 0 ? strerror(-answer->error) : "");
        else if (!arg_verbose)
                return;
        else if (answer->result == RELAY_RESULT_ABSENT)
                chain_say(LOG_INFO, "%s: no relaying: absent", text);
        else
                chain_say(LOG_INFO, "%s: %s: %s by %s (%s) until %s", text,
                        answer->result == RELAY_RESULT_GRANTED ? "may relay" : "no relaying",
                        relay_result_to_string(answer->result), ip_network_format(network, &answer->network),
                        answer->how,
                        answer->until == 0 ? "it is taken back"
                                           : time_stamp_format(stamp, answer->until * USEC_PER_SEC));
}

/* A name with control bytes (it may hold NUL, and ends up in Received lines) is not passed on. */
static bool is_user_fit(const RelayAnswer *answer) {
        for (size_t i = 0; i < answer->user_size; i++)
                if ((unsigned char) answer->user[i] < 0x20 || answer->user[i] == 0x7f)
                        return false;
        return answer->user_size > 0;
}

/* Returns 0 or -ENOMEM; then RELAYCLIENT is as it was. */
static int grant(const RelayAnswer *answer) {
        int r = 0;

        if (is_user_fit(answer))
                r = setenv("AUTHRELAY_USER", answer->user, true);
        /* over one that is there: tcpserver's rules bar whole ranges of dial-up lines, from which users log
         * in */
        if (r == 0 && arg_rblsmtpd)
                r = setenv("RBLSMTPD", "", true);
        for (unsigned i = 0; r == 0 && i < arg_n_settings; i++) {
                char *equals = strchr(arg_settings[i], '=');

                if (equals)
                        *equals = 0;
                r = setenv(arg_settings[i], equals ? equals + 1 : "", true);
        }
        if (r == 0)
                r = setenv("RELAYCLIENT", "", false);
        return r == 0 ? 0 : -ENOMEM;
}

int main(int argc, char **argv) {
        static char substitute[PATH_MAX]; /* not on the stack, whose pages it would cost even if it is not
                                             needed */
        RelayAnswer answer;
        IpAddr client;

        if (argc < 1)
                wrong_use("no argv[0]");
        /* it has no use for it, and the caller's environment would decide who may relay */
        if (getauxval(AT_SECURE))
                wrong_use("does not run setuid or setgid");
        if (streq(program_invocation_short_name, "relaylock"))
                argv = parse_argv(argc, argv);
        else
                argv = find_substitute(argv, substitute);

        (void) unsetenv("AUTHRELAY_USER"); /* nobody but us may say it */
        if (find_client(&client)) {
                (void) relay_lookup(arg_file, &client, time_now() / USEC_PER_SEC, &answer);
                say_answer(&client, &answer);
                if (answer.result == RELAY_RESULT_GRANTED && grant(&answer) < 0)
                        chain_say(LOG_WARNING, "no relaying: out of memory");
        }

        return chain_exec(argv);
}
