/* SPDX-License-Identifier: Apache-2.0 */
/* authrelayd(8): arguments, environment, descriptors from systemd; then manager.c. */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "basic/log.h"
#include "daemon/manager.h"

static const char *arg_config;
static const char *arg_patterns;
static bool arg_static;

static void print_help(FILE *out) {
        (void) fprintf(out, "authrelayd [--config=FILE] [--patterns=DIR] [--debug] [--static]\n"
                            "\n"
                            "Lets clients relay mail for a while after they logged in by POP3 or IMAP.\n"
                            "\n"
                            "  --config=FILE   configuration (default " CONFIG_FILE ")\n"
                            "  --patterns=DIR  the only directory to read patterns from\n"
                            "  --debug         log more\n"
                            "  --static        take grants out of the files that carry no expiry, and exit\n"
                            "  --help          this text\n"
                            "  --version       the version\n"
                            "\n"
                            "See authrelayd(8).\n");
}

/* Returns 1 to go on, 0 when all is said, -EINVAL. */
static int parse_argv(int argc, char *argv[]) {
        static const struct option options[] = {
                {"config", required_argument, NULL, 'c'},
                {"patterns", required_argument, NULL, 'p'},
                {"debug", no_argument, NULL, 'd'},
                {"static", no_argument, NULL, 's'},
                {"help", no_argument, NULL, 'h'},
                {"version", no_argument, NULL, 'V'},
                {0},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'c':
                        arg_config = optarg;
                        break;
                case 'p':
                        arg_patterns = optarg;
                        break;
                case 'd':
                        log_set_max_level(LOG_DEBUG);
                        break;
                case 's':
                        arg_static = true;
                        break;
                case 'h':
                        print_help(stdout);
                        return 0;
                case 'V':
                        (void) puts("authrelayd " VERSION);
                        return 0;
                default:
                        return -EINVAL;
                }
        if (optind < argc) {
                log_error("unexpected argument %s; see --help", argv[optind]);
                return -EINVAL;
        }
        return 1;
}

/* The first directory of a list as systemd.exec(5) passes it, or the usual one. */
static const char *directory_from(const char *variable, const char *usual) {
        const char *value = getenv(variable);

        return value && value[0] == '/' && !strchr(value, ':') ? value : usual;
}

int main(int argc, char *argv[]) {
        _cleanup_(manager_freep) Manager *m = NULL;
        _cleanup_(descriptors_done) Descriptors descriptors = {0};
        ManagerOptions options = {.descriptors = &descriptors};
        int r = parse_argv(argc, argv);

        if (r <= 0)
                return r < 0 ? 2 : 0;
        /* whoever reads the log may end, or stand still; systemd ignores it for its services, others do not
         */
        (void) signal(SIGPIPE, SIG_IGN);
        log_set_never_waits();
        options.config_path = arg_config ? arg_config : CONFIG_FILE;
        options.config_optional = !arg_config;
        options.patterns_directory = arg_patterns;
        options.runtime_directory = directory_from("RUNTIME_DIRECTORY", "/run/authrelay");
        options.state_directory = directory_from("STATE_DIRECTORY", "/var/lib/authrelay");
        options.journal = log_is_journal();
        if (arg_static)
                return manager_write_static(&options) < 0 ? 1 : 0;
        if (descriptors_receive(&descriptors) < 0)
                return 1;
        if (manager_new(&options, &m) < 0)
                return 1;
        return manager_run(m) < 0 ? 1 : 0;
}
