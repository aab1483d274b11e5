/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the verbs of authrelayctl share: the options that were given, and how things fail. */

#include "basic/time-util.h"
#include "control/control-client.h"
#include "match/pattern-set.h"

/* Exit statuses; authrelayctl(1) has them. */
enum {
        CTL_OK = 0,
        CTL_NO = 1,    /* "no", or it failed */
        CTL_USAGE = 2, /* wrong use */
};

/* Options as bits, so that a verb can say which it takes. */
typedef enum CtlOption {
        CTL_OPTION_TTL = 1 << 0,
        CTL_OPTION_USER = 1 << 1,
        CTL_OPTION_BLOCK = 1 << 2,
        CTL_OPTION_ALL = 1 << 3,
        CTL_OPTION_PATTERNS = 1 << 4,
        CTL_OPTION_SUMMARY = 1 << 5,
        CTL_OPTION_TEST = 1 << 6,
        CTL_OPTION_ATTACK = 1 << 7,
        CTL_OPTION_DRY_RUN = 1 << 8,
        CTL_OPTION_LINT = 1 << 9,
} CtlOption;

typedef struct Ctl {
        unsigned options; /* CtlOption: those that were given */
        bool json, color;
        const char *patterns; /* --patterns=, NULL: the installed ones */
        const char *user;
        usec_t ttl;
        char **arguments; /* behind the verb; n_arguments of them, then NULL */
        int n_arguments;
} Ctl;

static inline bool ctl_has(const Ctl *ctl, CtlOption option) {
        return ctl->options & option;
}

/* Writes the path of a file of the daemon's runtime directory into buf. Returns 0 or -ENAMETOOLONG, logged.
 */
int ctl_runtime_path(char *buf, size_t room, const char *name);

/* Connects to the daemon. Returns 0 or -errno, logged. */
int ctl_connect(ControlClient **ret);

/* Loads the patterns for off-line work: all of them, with the JIT. Returns 0 or -errno, logged. */
int ctl_load_patterns(const Ctl *ctl, PatternSet **ret);

/* Each returns an exit status. */
int verb_status(const Ctl *ctl);
int verb_list(const Ctl *ctl);
int verb_check(const Ctl *ctl);
int verb_grant(const Ctl *ctl);
int verb_revoke(const Ctl *ctl);
int verb_unblock(const Ctl *ctl);
int verb_reload(const Ctl *ctl);
int verb_explain(const Ctl *ctl);
int verb_patterns(const Ctl *ctl);
int verb_dump(const Ctl *ctl);
int verb_import(const Ctl *ctl);
