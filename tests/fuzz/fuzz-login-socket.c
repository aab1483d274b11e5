/* SPDX-License-Identifier: Apache-2.0 */
/* The login socket: whatever messages a connection carries, it ends in one login at most, for the address
 * that was announced first. The input is messages, each behind a byte with its size. */

#include <sys/socket.h>

#include "basic/fd-util.h"
#include "fuzz.h"
#include "model/login-message.h"
#include "source/login-server.h"

static unsigned logins;
static IpAddr granted;

static void on_claim(void *userdata _unused_, const LoginClaim *claim) {
        MUST(claim->service && claim->user.size <= LOGIN_USER_MAX_BYTES);
        if (claim->reason)
                return;
        logins++;
        granted = claim->address;
        MUST(login_service_is_valid(claim->service));
        for (size_t i = 0; i < claim->user.size; i++)
                MUST((unsigned char) claim->user.data[i] >= 0x20);
}

/* Also decodes the first of them. */
static void send_all(
        int fd, const uint8_t *data, size_t size, LoginAnnouncement *ret_first, bool *ret_announced) {
        bool first = true;

        while (size > 0) {
                size_t n = MIN((size_t) data[0], size - 1);

                if (first)
                        *ret_announced = login_announcement_decode(
                                                 span_make((const char *) data + 1, n), ret_first) >= 0;
                first = false;
                if (send(fd, data + 1, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                        break;
                data += 1 + n;
                size -= 1 + n;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static LoginServer *server;
        static sd_event *event;
        LoginAnnouncement first = {.stamp = 0};
        uid_t uid = geteuid();
        bool announced = false;
        int fds[2];

        time_set_fake_boot(USEC_PER_MINUTE);
        if (!server)
                MUST(sd_event_new(&event) >= 0 && login_server_new(event, on_claim, NULL, &server) >= 0 &&
                        login_server_trust(server, &uid, 1) >= 0);
        logins = 0;
        MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
        MUST(setsockopt(fds[1], SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)) == 0);
        send_all(fds[0], data, size, &first, &announced);
        MUST(login_server_adopt(server, fds[1]) >= 0);
        while (sd_event_run(event, 0) > 0)
                ;
        MUST(logins == 0 || (logins == 1 && announced && ip_addr_equal(&granted, &first.address)));
        close_fd(fds[0]);
        while (sd_event_run(event, 0) > 0)
                ;
        MUST(login_server_counts(server).connections == 0);
        return 0;
}
