/* SPDX-License-Identifier: Apache-2.0 */
/* The look-up of any address at any time, in files that say anything and are others at each opening. What it
 * calls is as relay-entry.c, cdb-file.c and ip-addr.c have found it to be. */

#include <time.h>

#include "any.h"
#include "cdb/cdb-file.h"

static int any_wait(void) {
        return any_bool() ? -1 : 0;
}

#define nanosleep(request, rest) any_wait()

/* ---- model/ip-addr.h: an address is of one family or the other, and stays so ---- */

#define ip_addr_is_v4 by_its_bytes_addr_is_v4
#define ip_network_is_v4 by_its_bytes_network_is_v4
#include "model/ip-addr.h"
#undef ip_addr_is_v4
#undef ip_network_is_v4

static bool is_v4;

static bool ip_addr_is_v4(const IpAddr *addr) {
        read_bytes(addr->bytes, sizeof(addr->bytes));
        return is_v4;
}

static bool ip_network_is_v4(const IpNetwork *n) {
        return n->length >= 96 && ip_addr_is_v4(&n->addr);
}

#include "cdb/relay-lookup.c"

static int any_error(void) {
        return -(int) any_number(1, 4095);
}

/* ---- cdb/cdb-file.c ---- */

int cdb_file_open(CdbFile *f, const char *path) {
        (void) path; /* it ends in a NUL */
        if (any_bool())
                return any_error();
        f->fd = (int) any_number(3, INT32_MAX);
        return 0;
}

void cdb_file_close(CdbFile *f) {
        f->fd = -1;
}

int cdb_file_find(const CdbFile *f, Span key, char *buf, size_t room, size_t *ret_size) {
        (void) f->fd;
        //@ check 1 <= key.size <= CDB_KEY_MAX_BYTES;
        read_bytes(key.data, key.size);
        if (any_bool())
                return any_bool() ? 0 : any_error();
        any_bytes(buf, room);
        *ret_size = any_number(0, room);
        return 1;
}

/* ---- model/relay-entry.c ---- */

int relay_header_parse(Span value, RelayHeader *ret) {
        read_bytes(value.data, value.size);
        if (any_bool())
                return any_bool() ? -EPROTONOSUPPORT : -EBADMSG;
        ret->generation = any_number(0, RELAY_GENERATION_MAX);
        ret->written = any_number(0, RELAY_WRITTEN_MAX);
        ret->ttl = any_number(0, RELAY_TTL_MAX);
        ret->count = any_number(0, UINT32_MAX);
        for (size_t i = 0; i < ELEMENTSOF(ret->lengths.v4); i++)
                ret->lengths.v4[i] = any_bool();
        for (size_t i = 0; i < ELEMENTSOF(ret->lengths.v6); i++)
                ret->lengths.v6[i] = any_bool();
        return 0;
}

/* Words that lie in the value, wherever that is. */
static char how[RELAY_HOW_MAX_BYTES], user[RELAY_USER_ENCODED_BYTES];

int relay_value_parse(Span value, RelayEntry *ret) {
        read_bytes(value.data, value.size);
        if (any_bool())
                return -EBADMSG;
        any_bytes(how, sizeof(how));
        any_bytes(user, sizeof(user));
        ret->verdict = (RelayVerdict) any_number(0, _RELAY_VERDICT_MAX - 1);
        ret->until = any_number(0, UINT64_MAX);
        ret->how = span_make(how, any_number(1, sizeof(how)));
        ret->user = span_make(user, any_number(0, sizeof(user)));
        return 0;
}

int relay_user_decode(Span encoded, char buf[static RELAY_USER_MAX_BYTES]) {
        read_bytes(encoded.data, encoded.size);
        if (any_bool())
                return -EBADMSG;
        any_bytes(buf, RELAY_USER_MAX_BYTES);
        return (int) any_number(0, RELAY_USER_MAX_BYTES);
}

/* ---- model/ip-addr.c ---- */

IpNetwork ip_network_of(const IpAddr *addr, unsigned length) {
        IpNetwork n = {*addr, (uint8_t) length};

        //@ check length <= 128;
        return n;
}

const char *ip_network_format(char buf[static IP_TEXT_BYTES], const IpNetwork *n) {
        read_bytes(n->addr.bytes, sizeof(n->addr.bytes));
        any_bytes(buf, IP_TEXT_BYTES);
        for (size_t i = 0; i < 2; i++)
                buf[i] = (char) any_number('.', 'f');
        buf[IP_TEXT_BYTES - 1] = 0;
        return buf;
}

/* ---- what it says ---- */

static void look_up(const char *path, const IpAddr *addr, uint64_t now) {
        RelayAnswer answer;

        (void) relay_lookup(path, addr, now, &answer);
        read_bytes(answer.how, sizeof(answer.how));
        read_bytes(answer.user, sizeof(answer.user));
        read_bytes(&answer.network, sizeof(answer.network));
        if (answer.reason)
                (void) strlen(answer.reason);
        (void) strlen(relay_result_to_string(answer.result));
}

static void look_up_everywhere(void) {
        char long_path[RELAY_PATH_BYTES + 8];
        IpAddr addr;

        any_bytes(addr.bytes, sizeof(addr.bytes));
        look_up("/run/authrelay/relay.cdb", &addr, any_number(0, UINT64_MAX));
        look_up("", &addr, 0);
        memset(long_path, 'x', sizeof(long_path) - 1);
        long_path[sizeof(long_path) - 1] = 0;
        look_up(long_path, &addr, 0);
}

int main(void) {
        is_v4 = false;
        look_up_everywhere();
        is_v4 = true;
        look_up_everywhere();
        return 0;
}
