/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody calls on the control socket: whatever it is, the daemon is asked only for what can be done,
 * and the next one is served. The first byte chooses the method, the second how the call is put. */

#include <sys/un.h>

#include "basic/fd-util.h"
#include "control/control-message.h"
#include "control/control-server.h"
#include "fuzz-message.h"

static ControlServer *server;
static sd_event *event;
static sd_bus *client;
static int listener = -1;

/* ---- the daemon ---- */

static void check_network(const IpNetwork *n) {
        IpNetwork cut = ip_network_of(&n->addr, n->length);

        MUST(n->length <= 128 && ip_network_equal(n, &cut));
}

static int on_status(void *userdata _unused_, ControlStatus *ret) {
        control_status_number(ret, "grants", 1);
        return 0;
}

static int on_list(void *userdata _unused_, uint64_t cursor, ControlPage *page, uint64_t *ret_next) {
        ControlGrant g = {.user = SPAN_LITERAL("a\xff"), .service = "", .pattern = "p", .source = "s"};

        g.network.length = 128;
        *ret_next = cursor / 2;
        for (uint64_t i = 0; i < cursor % 3; i++)
                (void) control_page_add(page, &g);
        return 0;
}

static int on_grant(void *userdata _unused_, uid_t uid, const IpNetwork *network, usec_t ttl, Span user,
        char reterr[static CONTROL_ERROR_BYTES]) {
        MUST(uid == getuid() && user.size <= 1024);
        check_network(network);
        (void) snprintf(reterr, CONTROL_ERROR_BYTES, "%.*s", (int) user.size, user.data);
        return ttl % 2 ? -1 : 0;
}

static int on_import(void *userdata _unused_, uid_t uid, const char *from, const ControlImport *logins,
        size_t n, ControlImportResult *ret_results, char reterr[static CONTROL_ERROR_BYTES] _unused_) {
        MUST(uid == getuid() && n <= CONTROL_IMPORT_MAX_LOGINS && from[0] && strlen(from) <= 32);
        for (size_t i = 0; i < n; i++) {
                MUST(logins[i].user.size <= 1024);
                ret_results[i] = (ControlImportResult){logins[i].time % 3, "x"};
        }
        return 0;
}

static int on_revoke(void *userdata _unused_, uid_t uid, const ControlRevoke *what, uint32_t *ret_count,
        char reterr[static CONTROL_ERROR_BYTES] _unused_) {
        MUST(uid == getuid() && what->kind >= 0 && what->kind < _CONTROL_REVOKE_KIND_MAX);
        if (what->kind == CONTROL_REVOKE_NETWORK)
                check_network(&what->network);
        MUST(what->kind != CONTROL_REVOKE_USER || (what->user.size > 0 && what->user.size <= 1024));
        *ret_count = 1;
        return 0;
}

static int on_unblock(
        void *userdata _unused_, uid_t uid, Span user, char reterr[static CONTROL_ERROR_BYTES] _unused_) {
        MUST(uid == getuid() && user.size <= 1024);
        return user.size % 2 ? -2 : 0;
}

static int on_reload(void *userdata _unused_, uid_t uid, char reterr[static CONTROL_ERROR_BYTES]) {
        MUST(uid == getuid());
        (void) strcpy(reterr, "\xff:1: \n");
        return -22;
}

static const ControlHandlers handlers = {
        on_status, on_list, on_grant, on_import, on_revoke, on_unblock, on_reload};

/* ---- its client, in the same process ---- */

static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void start_server(void) {
        socklen_t size = sizeof(address);

        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        /* a name that the kernel makes up and that is in no directory */
        MUST(listener >= 0 && bind(listener, (struct sockaddr *) &address, sizeof(sa_family_t)) == 0 &&
                listen(listener, 8) == 0 && getsockname(listener, (struct sockaddr *) &address, &size) == 0);
        MUST(sd_event_new(&event) >= 0 && control_server_new(event, &handlers, NULL, &server) >= 0 &&
                control_server_listen(server, listener) >= 0);
}

static void run_both(void) {
        while (sd_event_run(event, 0) > 0 || sd_bus_process(client, NULL) > 0)
                ;
}

static void connect_client(void) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        MUST(fd >= 0 &&
                connect(fd, (struct sockaddr *) &address, offsetof(struct sockaddr_un, sun_path) + 6) == 0);
        MUST(sd_bus_new(&client) >= 0 && sd_bus_set_fd(client, fd, fd) >= 0 && sd_bus_start(client) >= 0);
        run_both();
}

static unsigned answers;

static int on_answer(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_) {
        const sd_bus_error *e = sd_bus_message_get_error(m);

        answers++;
        for (const char *p = e ? strempty(e->message) : ""; *p; p++)
                MUST(*p >= 0x20 && *p <= 0x7e);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const struct {
                const char *method, *types;
        } calls[] = {{"Grant", "stay"}, {"Import", CONTROL_IMPORT_SIGNATURE}, {"Revoke", "s"},
                {"RevokeUser", "ayb"}, {"Unblock", "ay"}, {"List", "t"}, {"Status", ""}, {"Reload", ""},
                {"RevokeAll", ""}, {"Other", "s"}};
        sd_bus_message *m = NULL;
        Span in = span_make((const char *) data, size);
        size_t method = fuzz_byte(&in) % ELEMENTSOF(calls), put = fuzz_byte(&in);

        if (!server)
                start_server();
        if (!client)
                connect_client();
        MUST(sd_bus_message_new_method_call(client, &m, NULL, put == 0xff ? "/x" : CONTROL_OBJECT,
                     CONTROL_INTERFACE, calls[method].method) >= 0);
        /* what belongs to another method is refused before it is looked at */
        fuzz_message_append(m, calls[put >= 0xf0 ? put % ELEMENTSOF(calls) : method].types, &in);
        answers = 0;
        MUST(sd_bus_call_async(client, NULL, m, on_answer, NULL, UINT64_MAX) >= 0);
        sd_bus_message_unref(m);
        run_both();
        MUST(answers == 1 && control_server_connections(server) == 1);
        return 0;
}
