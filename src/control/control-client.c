/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the daemon. Knows how the calls are put and nothing of how their answers are shown. */

#include "control/control-client.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/fd-util.h"
#include "control/control-message.h"

/* Reading a large configuration again, or publishing a million grants anew, takes its time. */
#define CALL_USEC (2 * USEC_PER_MINUTE)

struct ControlClient {
        sd_bus *bus;
};

static int explain_connect(int r, const char *path, char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        const char *why = r == -ENOENT || r == -ECONNREFUSED ? "is authrelayd running?"
                          : r == -EACCES ? "you have to be root, or in the group authrelay-admin"
                                         : NULL;

        (void) snprintf(reterr, CONTROL_CLIENT_ERROR_BYTES, "cannot connect to %.300s: %s%s%s", path,
                strerror(-r), why ? "; " : "", strempty(why));
        return r;
}

int control_client_open(
        const char *path, ControlClient **ret, char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        _cleanup_(control_client_closep) ControlClient *c = calloc(1, sizeof(ControlClient));
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = -1;
        int r;

        if (!c)
                return explain_connect(-ENOMEM, path, reterr);
        if (strlen(path) >= sizeof(address.sun_path))
                return explain_connect(-ENAMETOOLONG, path, reterr);
        (void) strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return explain_connect(-errno, path, reterr);
        if ((r = sd_bus_new(&c->bus)) < 0 || (r = sd_bus_set_fd(c->bus, fd, fd)) < 0)
                return explain_connect(r, path, reterr);
        fd = -1;
        if ((r = sd_bus_start(c->bus)) < 0)
                return explain_connect(r, path, reterr);
        *ret = TAKE_PTR(c);
        return 0;
}

ControlClient *control_client_close(ControlClient *c) {
        if (!c)
                return NULL;
        sd_bus_close_unref(c->bus);
        free(c);
        return NULL;
}

static int new_call(ControlClient *c, const char *method, sd_bus_message **ret) {
        return sd_bus_message_new_method_call(c->bus, ret, NULL, CONTROL_OBJECT, CONTROL_INTERFACE, method);
}

/* What went wrong on this side of the socket, or on the way. */
static int explain(int r, char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        if (r == -EBADMSG || r == -ENXIO)
                (void) snprintf(reterr, CONTROL_CLIENT_ERROR_BYTES,
                        "the daemon's answer makes no sense: is it of "
                        "another version?");
        else
                (void) snprintf(
                        reterr, CONTROL_CLIENT_ERROR_BYTES, "cannot ask the daemon: %s", strerror(-r));
        return r;
}

/* Sends a call, whose making went with r, and waits for the answer. */
static int call(ControlClient *c, sd_bus_message *m, int r, sd_bus_message **ret,
        char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        if (r >= 0)
                r = sd_bus_call(c->bus, m, CALL_USEC, &error, ret);
        if (r >= 0)
                return 0;
        if (r == -ECONNRESET || r == -ENOTCONN)
                (void) snprintf(reterr, CONTROL_CLIENT_ERROR_BYTES,
                        "the daemon closed the connection: it stops, or has too many of them");
        else if (error.name && streq(error.name, CONTROL_ERROR))
                (void) snprintf(reterr, CONTROL_CLIENT_ERROR_BYTES, "%s", strempty(error.message));
        else
                return explain(r, reterr);
        return r;
}

int control_client_status(
        ControlClient *c, ControlStatus *ret, char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r = new_call(c, "Status", &m);

        r = call(c, m, r, &reply, reterr);
        if (r < 0)
                return r;
        r = control_status_decode(ret, reply);
        return r < 0 ? explain(r, reterr) : 0;
}

/* Fetches one page. Sets *cursor to the next one. */
static int fetch_page(ControlClient *c, uint64_t *cursor, ControlClientRow row, void *userdata,
        char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        ControlGrantTexts texts;
        ControlGrant grant;
        int r;

        (void) ((r = new_call(c, "List", &m)) < 0 || (r = sd_bus_message_append(m, "t", *cursor)) < 0);
        r = call(c, m, r, &reply, reterr);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(" CONTROL_GRANT_CONTENTS ")");
        while (r >= 0 && (r = control_grant_decode(&grant, &texts, reply)) > 0)
                r = row(userdata, &grant);
        if (r < 0 || (r = sd_bus_message_exit_container(reply)) < 0 ||
                (r = sd_bus_message_read(reply, "t", cursor)) < 0)
                return explain(r, reterr);
        return 0;
}

int control_client_list(ControlClient *c, ControlClientRow row, void *userdata,
        char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        uint64_t cursor = 0;
        int r;

        do
                r = fetch_page(c, &cursor, row, userdata, reterr);
        while (r >= 0 && cursor != 0);
        return r;
}

int control_client_grant(ControlClient *c, const char *network, usec_t ttl, const char *user,
        char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        (void) ((r = new_call(c, "Grant", &m)) < 0 ||
                (r = sd_bus_message_append(m, "st", network, ttl)) < 0 ||
                (r = control_append_bytes(m, span_from_string(strempty(user)))) < 0);
        return call(c, m, r, NULL, reterr);
}

static int append_logins(sd_bus_message *m, const ControlImport *logins, size_t n) {
        char address[IP_TEXT_BYTES];
        int r = sd_bus_message_open_container(m, 'a', "(stay)");

        for (size_t i = 0; r >= 0 && i < n; i++)
                (void) ((r = sd_bus_message_open_container(m, 'r', "stay")) < 0 ||
                        (r = sd_bus_message_append(m, "st", ip_addr_format(address, &logins[i].address),
                                 logins[i].time)) < 0 ||
                        (r = control_append_bytes(m, logins[i].user)) < 0 ||
                        (r = sd_bus_message_close_container(m)) < 0);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* -EBADMSG unless there is a result for each login. */
static int read_results(sd_bus_message *m, size_t n, ControlClientResult result, void *userdata) {
        ControlImportResult row;
        uint8_t verdict;
        int r = sd_bus_message_enter_container(m, 'a', "(ys)");

        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = sd_bus_message_read(m, "(ys)", &verdict, &row.reason);
                if (r == 0 || (r > 0 && verdict >= _CONTROL_IMPORT_VERDICT_MAX))
                        return -EBADMSG;
                row.verdict = (ControlImportVerdict) verdict;
                if (r > 0)
                        result(userdata, i, &row);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int control_client_import(ControlClient *c, const char *from, const ControlImport *logins, size_t n,
        ControlClientResult result, void *userdata, char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        (void) ((r = new_call(c, "Import", &m)) < 0 || (r = sd_bus_message_append(m, "s", from)) < 0 ||
                (r = append_logins(m, logins, n)) < 0);
        r = call(c, m, r, &reply, reterr);
        if (r < 0)
                return r;
        r = read_results(reply, n, result, userdata);
        return r < 0 ? explain(r, reterr) : 0;
}

/* A call whose answer is a number of grants. */
static int call_count(ControlClient *c, sd_bus_message *m, int r, uint32_t *ret_count,
        char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        r = call(c, m, r, &reply, reterr);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "u", ret_count);
        return r < 0 ? explain(r, reterr) : 0;
}

int control_client_revoke(ControlClient *c, const char *network, uint32_t *ret_count,
        char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        (void) ((r = new_call(c, "Revoke", &m)) < 0 || (r = sd_bus_message_append(m, "s", network)) < 0);
        return call_count(c, m, r, ret_count, reterr);
}

int control_client_revoke_user(ControlClient *c, const char *user, bool block, uint32_t *ret_count,
        char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        (void) ((r = new_call(c, "RevokeUser", &m)) < 0 ||
                (r = control_append_bytes(m, span_from_string(user))) < 0 ||
                (r = sd_bus_message_append(m, "b", (int) block)) < 0);
        return call_count(c, m, r, ret_count, reterr);
}

int control_client_revoke_all(
        ControlClient *c, uint32_t *ret_count, char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = new_call(c, "RevokeAll", &m);

        return call_count(c, m, r, ret_count, reterr);
}

int control_client_unblock(
        ControlClient *c, const char *user, char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        (void) ((r = new_call(c, "Unblock", &m)) < 0 ||
                (r = control_append_bytes(m, span_from_string(user))) < 0);
        return call(c, m, r, NULL, reterr);
}

int control_client_reload(ControlClient *c, char reterr[static CONTROL_CLIENT_ERROR_BYTES]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = new_call(c, "Reload", &m);

        return call(c, m, r, NULL, reterr);
}
