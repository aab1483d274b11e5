/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that change something: each is one call of the daemon, and says in a line what came of it. */

#include <inttypes.h>
#include <stdio.h>

#include "basic/json-writer.h"
#include "basic/log.h"
#include "ctl/ctl.h"

static int fail(const char *reason) {
        log_error("%s", reason);
        return CTL_NO;
}

/* `{"done":true}`, with a count if it is not negative. */
static void say_done(const Ctl *ctl, int64_t count, const char *text) {
        JsonWriter w;

        if (!ctl->json) {
                (void) printf("%s\n", text);
                return;
        }
        json_writer_init(&w, stdout);
        json_begin_object(&w);
        json_key(&w, "done");
        json_bool(&w, true);
        if (count >= 0) {
                json_key(&w, "revoked");
                json_u64(&w, (uint64_t) count);
        }
        json_end_object(&w);
        (void) putchar('\n');
}

int verb_grant(const Ctl *ctl) {
        _cleanup_(control_client_closep) ControlClient *client = NULL;
        char reason[CONTROL_CLIENT_ERROR_BYTES], text[512];

        if (ctl_connect(&client) < 0)
                return CTL_NO;
        if (control_client_grant(client, ctl->arguments[0], ctl->ttl, ctl->user, reason) < 0)
                return fail(reason);
        (void) snprintf(text, sizeof(text), "%s may relay now.", ctl->arguments[0]);
        say_done(ctl, -1, text);
        return CTL_OK;
}

/* Exactly one of the three ways to say whose grants. */
static bool is_clear(const Ctl *ctl) {
        int ways = ctl->n_arguments + ctl_has(ctl, CTL_OPTION_USER) + ctl_has(ctl, CTL_OPTION_ALL);

        if (ways != 1)
                log_error("revoke needs one of ADDRESS, --user=NAME and --all");
        else if (ctl_has(ctl, CTL_OPTION_BLOCK) && !ctl_has(ctl, CTL_OPTION_USER))
                log_error("--block goes with --user= only");
        else if (ctl->user && !*ctl->user)
                log_error("--user= needs a name");
        else
                return true;
        return false;
}

int verb_revoke(const Ctl *ctl) {
        _cleanup_(control_client_closep) ControlClient *client = NULL;
        char reason[CONTROL_CLIENT_ERROR_BYTES], text[128];
        uint32_t count;
        size_t n;
        int r;

        if (!is_clear(ctl))
                return CTL_USAGE;
        if (ctl_connect(&client) < 0)
                return CTL_NO;
        if (ctl_has(ctl, CTL_OPTION_ALL))
                r = control_client_revoke_all(client, &count, reason);
        else if (ctl->user)
                r = control_client_revoke_user(
                        client, ctl->user, ctl_has(ctl, CTL_OPTION_BLOCK), &count, reason);
        else
                r = control_client_revoke(client, ctl->arguments[0], &count, reason);
        if (r < 0)
                return fail(reason);
        if (ctl->n_arguments > 0)
                (void) snprintf(text, sizeof(text), "%.64s is revoked; ", ctl->arguments[0]);
        else if (ctl->user)
                (void) snprintf(text, sizeof(text), "The user is %s; ",
                        ctl_has(ctl, CTL_OPTION_BLOCK) ? "revoked and blocked" : "revoked");
        else
                (void) snprintf(text, sizeof(text), "All are revoked; ");
        n = strlen(text);
        (void) snprintf(
                text + n, sizeof(text) - n, "%" PRIu32 " grant%s ended.", count, count == 1 ? "" : "s");
        say_done(ctl, count, text);
        return CTL_OK;
}

int verb_unblock(const Ctl *ctl) {
        _cleanup_(control_client_closep) ControlClient *client = NULL;
        char reason[CONTROL_CLIENT_ERROR_BYTES];

        if (ctl_connect(&client) < 0)
                return CTL_NO;
        if (control_client_unblock(client, ctl->arguments[0], reason) < 0)
                return fail(reason);
        say_done(ctl, -1, "The user may log in for relaying again.");
        return CTL_OK;
}

int verb_reload(const Ctl *ctl) {
        _cleanup_(control_client_closep) ControlClient *client = NULL;
        char reason[CONTROL_CLIENT_ERROR_BYTES];

        if (ctl_connect(&client) < 0)
                return CTL_NO;
        if (control_client_reload(client, reason) < 0)
                return fail(reason);
        say_done(ctl, -1, "Reloaded.");
        return CTL_OK;
}
