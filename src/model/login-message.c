/* SPDX-License-Identifier: Apache-2.0 */
/* The two messages of the login socket:
 *
 *     announcement   'A' '1'  service, NUL-padded (14)  stamp, little endian (8)  address, as in IpAddr (16)
 *     claim          'C' '1'  user (0 to 320)
 */

#include "model/login-message.h"

#include <errno.h>

#define VERSION_BYTE '1'
#define STAMP_AT (2 + LOGIN_SERVICE_MAX_BYTES)
#define ADDRESS_AT (STAMP_AT + 8)

static_assert(ADDRESS_AT + sizeof(IpAddr) == LOGIN_ANNOUNCEMENT_BYTES, "the parts fill the message");

static bool has_head(Span bytes, char kind) {
        return bytes.size >= 2 && bytes.data[0] == kind && bytes.data[1] == VERSION_BYTE;
}

bool login_service_is_valid(const char *service) {
        size_t n = strspn(service, "abcdefghijklmnopqrstuvwxyz0123456789-");

        return n <= LOGIN_SERVICE_MAX_BYTES && service[n] == 0;
}

void login_announcement_encode(const LoginAnnouncement *a, uint8_t buf[static LOGIN_ANNOUNCEMENT_BYTES]) {
        memset(buf, 0, LOGIN_ANNOUNCEMENT_BYTES);
        buf[0] = 'A';
        buf[1] = VERSION_BYTE;
        memcpy(buf + 2, a->service, strnlen(a->service, LOGIN_SERVICE_MAX_BYTES));
        for (unsigned i = 0; i < 8; i++)
                buf[STAMP_AT + i] = (uint8_t) (a->stamp >> (8 * i));
        memcpy(buf + ADDRESS_AT, a->address.bytes, sizeof(a->address.bytes));
}

int login_announcement_decode(Span bytes, LoginAnnouncement *ret) {
        LoginAnnouncement a = {.stamp = 0};
        size_t n;

        if (bytes.size != LOGIN_ANNOUNCEMENT_BYTES || !has_head(bytes, 'A'))
                return -EBADMSG;
        memcpy(a.service, bytes.data + 2, LOGIN_SERVICE_MAX_BYTES);
        n = strlen(a.service);
        if (!login_service_is_valid(a.service))
                return -EBADMSG;
        for (; n < LOGIN_SERVICE_MAX_BYTES; n++)
                if (a.service[n] != 0)
                        return -EBADMSG;
        for (unsigned i = 0; i < 8; i++)
                a.stamp |= (usec_t) (uint8_t) bytes.data[STAMP_AT + i] << (8 * i);
        memcpy(a.address.bytes, bytes.data + ADDRESS_AT, sizeof(a.address.bytes));
        *ret = a;
        return 0;
}

static bool is_name(Span user) {
        for (size_t i = 0; i < user.size; i++)
                if ((unsigned char) user.data[i] < 0x20 || user.data[i] == 0x7f)
                        return false;
        return true;
}

int login_claim_encode(Span user, uint8_t buf[static LOGIN_CLAIM_MAX_BYTES]) {
        if (user.size > LOGIN_USER_MAX_BYTES)
                return -ENAMETOOLONG;
        if (!is_name(user))
                return -EINVAL;
        buf[0] = 'C';
        buf[1] = VERSION_BYTE;
        if (user.size > 0)
                memcpy(buf + 2, user.data, user.size);
        return (int) (2 + user.size);
}

int login_claim_decode(Span bytes, Span *ret_user) {
        Span user;

        if (bytes.size > LOGIN_CLAIM_MAX_BYTES || !has_head(bytes, 'C'))
                return -EBADMSG;
        user = span_skip(bytes, 2);
        if (!is_name(user))
                return -EBADMSG;
        *ret_user = user;
        return 0;
}
