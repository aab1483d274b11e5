/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs share. */

#include "ctl/ctl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "basic/log.h"

int ctl_runtime_path(char *buf, size_t room, const char *name) {
        const char *directory = getenv("RUNTIME_DIRECTORY");
        int n;

        if (!directory || !*directory)
                directory = "/run/authrelay";
        /* systemd lists several with ':' between them; the first is the daemon's own */
        n = snprintf(buf, room, "%.*s/%s", (int) strcspn(directory, ":"), directory, name);
        if (n < 0 || (size_t) n >= room)
                return log_errno(LOG_ERR, -ENAMETOOLONG, "cannot use $RUNTIME_DIRECTORY");
        return 0;
}

int ctl_connect(ControlClient **ret) {
        char path[PATH_MAX], reason[CONTROL_CLIENT_ERROR_BYTES];
        int r;

        r = ctl_runtime_path(path, sizeof(path), "control");
        if (r < 0)
                return r;
        r = control_client_open(path, ret, reason);
        if (r < 0)
                log_error("%s", reason);
        return r;
}

int ctl_load_patterns(const Ctl *ctl, PatternSet **ret) {
        char *installed[] = {(char *) PATTERNS_OVERRIDE_DIRECTORY, (char *) PATTERNS_DIRECTORY, NULL};
        char *given[] = {(char *) ctl->patterns, NULL};
        PatternSetSettings settings = {
                .directories = ctl->patterns ? given : installed, .all = true, .jit = true};
        IniError error = {""};
        int r;

        r = pattern_set_load(&settings, ret, &error);
        if (r < 0)
                log_error("%s", error.text[0] ? error.text : strerror(-r));
        return r;
}
