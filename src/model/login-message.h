/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What relaylogin(1) and the daemon say to each other over the login socket, one SOCK_SEQPACKET message
 * each: an announcement of the client's address, and later a claim that it has logged in. Both come from the
 * same host and release; a byte that says otherwise makes the message invalid. */

#include "basic/time-util.h"
#include "model/ip-addr.h"

#define LOGIN_SERVICE_MAX_BYTES 14 /* "pop3", "imap", … */
/* Longer than any mailbox (RFC 5321, 4.5.3.1: 64 + 1 + 255) is nobody's name. */
#define LOGIN_USER_MAX_BYTES 320

#define LOGIN_ANNOUNCEMENT_BYTES 40
#define LOGIN_CLAIM_MAX_BYTES (2 + LOGIN_USER_MAX_BYTES)

typedef struct LoginAnnouncement {
        IpAddr address;
        usec_t stamp;                              /* when it was made, on the clock of time_boot() */
        char service[LOGIN_SERVICE_MAX_BYTES + 1]; /* [a-z0-9-], "" if unknown */
} LoginAnnouncement;

/* True if it can be the service of an announcement. */
bool login_service_is_valid(const char *service);

/* `service` must be valid. */
void login_announcement_encode(const LoginAnnouncement *a, uint8_t buf[static LOGIN_ANNOUNCEMENT_BYTES]);
/* Returns 0 or -EBADMSG. */
int login_announcement_decode(Span bytes, LoginAnnouncement *ret);

/* Writes a claim for this user; empty: whoever has the uid that the kernel tells. Returns its size,
 * -ENAMETOOLONG, or -EINVAL for a name with control bytes. */
int login_claim_encode(Span user, uint8_t buf[static LOGIN_CLAIM_MAX_BYTES]);
/* Returns 0 and the name, which is borrowed from `bytes`, or -EBADMSG. */
int login_claim_decode(Span bytes, Span *ret_user);
