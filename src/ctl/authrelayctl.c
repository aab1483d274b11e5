/* SPDX-License-Identifier: Apache-2.0 */
/* authrelayctl: the operator's program. Finds the verb, reads the options, and lets the verb do the rest.
 * Nothing is changed but by asking the daemon. */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/log.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

#define MANY 1000000

typedef struct Verb {
        const char *name;
        int (*run)(const Ctl *ctl);
        int min_arguments, max_arguments;
        unsigned options; /* CtlOption; --json goes with all of them */
} Verb;

static const Verb verbs[] = {
        {"status", verb_status, 0, 0, 0},
        {"list", verb_list, 0, 0, 0},
        {"check", verb_check, 1, 1, 0},
        {"grant", verb_grant, 1, 1, CTL_OPTION_TTL | CTL_OPTION_USER},
        {"revoke", verb_revoke, 0, 1, CTL_OPTION_USER | CTL_OPTION_BLOCK | CTL_OPTION_ALL},
        {"unblock", verb_unblock, 1, 1, 0},
        {"reload", verb_reload, 0, 0, 0},
        {"explain", verb_explain, 0, 1, CTL_OPTION_PATTERNS | CTL_OPTION_SUMMARY | CTL_OPTION_ALL},
        {"patterns", verb_patterns, 0, MANY,
                CTL_OPTION_PATTERNS | CTL_OPTION_TEST | CTL_OPTION_ATTACK | CTL_OPTION_LINT},
        {"dump", verb_dump, 0, 1, 0},
        {"import", verb_import, 2, 2, CTL_OPTION_DRY_RUN},
};

static const char help[] =
        "authrelayctl [OPTION...] VERB ...\n"
        "\n"
        "Ask the daemon, or change what it has granted:\n"
        "  status                        How it is, and what it has seen\n"
        "  list                          All grants\n"
        "  grant ADDRESS|NETWORK         Let it relay; --ttl=SPAN (default: TTL=), --user=NAME\n"
        "  revoke ADDRESS|NETWORK        Take the grant away; log in again to get a new one\n"
        "  revoke --user=NAME            The same for all of a user's; --block: and bar the user\n"
        "  revoke --all                  The same for everybody's\n"
        "  unblock NAME                  Let a barred user in again\n"
        "  reload                        Read configuration and patterns again\n"
        "  import FORMAT FILE|DIRECTORY  Take over another program's logins; --dry-run: list them only\n"
        "\n"
        "Without the daemon:\n"
        "  check ADDRESS                 May it relay? Exit status 0: yes, 1: no\n"
        "  explain [FILE]                What is a login in this log (default: standard input), and what is "
        "not;\n"
        "                                --all: every line, --summary: counts only, --patterns=DIR\n"
        "  patterns [NAME...]            The patterns there are; --patterns=DIR;\n"
        "                                --test: run their examples, --attack: try to get past them,\n"
        "                                --lint: look for text without a bound and slow regexes\n"
        "  dump [FILE]                   The records of a published file and its delta\n"
        "  import FORMAT FILE            Write another program's networks as lines for authrelay.conf\n"
        "\n"
        "  --json                        For programs\n"
        "  -h, --help                    This text\n"
        "  --version                     The version\n"
        "\n"
        "See authrelayctl(1).\n";

static const char *const option_names[] = {"--ttl", "--user", "--block", "--all", "--patterns", "--summary",
        "--test", "--attack", "--dry-run", "--lint"};

static const struct option long_options[] = {
        {"ttl", required_argument, NULL, CTL_OPTION_TTL},
        {"user", required_argument, NULL, CTL_OPTION_USER},
        {"block", no_argument, NULL, CTL_OPTION_BLOCK},
        {"all", no_argument, NULL, CTL_OPTION_ALL},
        {"patterns", required_argument, NULL, CTL_OPTION_PATTERNS},
        {"summary", no_argument, NULL, CTL_OPTION_SUMMARY},
        {"test", no_argument, NULL, CTL_OPTION_TEST},
        {"attack", no_argument, NULL, CTL_OPTION_ATTACK},
        {"dry-run", no_argument, NULL, CTL_OPTION_DRY_RUN},
        {"lint", no_argument, NULL, CTL_OPTION_LINT},
        {"json", no_argument, NULL, 0x1001},
        {"version", no_argument, NULL, 0x1002},
        {"help", no_argument, NULL, 0x1003},
        {0},
};

static int read_option(Ctl *ctl, int option) {
        switch (option) {
        case CTL_OPTION_TTL:
                if (time_span_parse(optarg, &ctl->ttl) < 0 || ctl->ttl < USEC_PER_SEC) {
                        log_error("--ttl=%s: not a time span of a second or more", optarg);
                        return -EINVAL;
                }
                break;
        case CTL_OPTION_USER:
                ctl->user = optarg;
                break;
        case CTL_OPTION_PATTERNS:
                ctl->patterns = optarg;
                break;
        }
        ctl->options |= (unsigned) option;
        return 0;
}

/* Returns 1 to go on, 0 when all is said, or -EINVAL. */
static int parse_argv(Ctl *ctl, int argc, char **argv) {
        int c, r;

        while ((c = getopt_long(argc, argv, "h", long_options, NULL)) >= 0)
                switch (c) {
                case 'h':
                case 0x1003:
                        (void) fputs(help, stdout);
                        return 0;
                case 0x1002:
                        (void) puts("authrelayctl " VERSION);
                        return 0;
                case 0x1001:
                        ctl->json = true;
                        break;
                case '?':
                        return -EINVAL;
                default:
                        r = read_option(ctl, c);
                        if (r < 0)
                                return r;
                }
        ctl->arguments = argv + optind;
        ctl->n_arguments = argc - optind;
        return 1;
}

static const Verb *find_verb(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(verbs[i].name, name))
                        return &verbs[i];
        return NULL;
}

/* Says what is wrong with the call of a verb. */
static bool is_usable(const Verb *verb, const Ctl *ctl) {
        for (size_t i = 0; i < ELEMENTSOF(option_names); i++)
                if (ctl->options & ~verb->options & 1u << i) {
                        log_error("%s is not for %s", option_names[i], verb->name);
                        return false;
                }
        if (ctl->n_arguments < verb->min_arguments)
                log_error("%s needs %s", verb->name,
                        verb->min_arguments > 1 ? "two arguments" : "an argument");
        else if (ctl->n_arguments > verb->max_arguments)
                log_error("%s: too many arguments", verb->name);
        else
                return true;
        return false;
}

int main(int argc, char **argv) {
        const Verb *verb = &verbs[0];
        Ctl ctl = {0};
        int r;

        ctl.color = color_is_wanted(STDOUT_FILENO);
        r = parse_argv(&ctl, argc, argv);
        if (r < 0)
                return CTL_USAGE;
        if (r > 0) {
                if (ctl.n_arguments > 0) {
                        verb = find_verb(ctl.arguments[0]);
                        if (!verb) {
                                log_error("unknown verb %s; --help lists them", ctl.arguments[0]);
                                return CTL_USAGE;
                        }
                        ctl.arguments++;
                        ctl.n_arguments--;
                }
                if (!is_usable(verb, &ctl))
                        return CTL_USAGE;
                r = verb->run(&ctl);
        }
        if (fflush(stdout) != 0 || ferror(stdout)) {
                /* a reader that has seen enough is no failure to speak of */
                if (errno != EPIPE)
                        log_errno(LOG_ERR, -errno, "cannot write the output");
                return CTL_NO;
        }
        return r;
}
