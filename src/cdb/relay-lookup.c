/* SPDX-License-Identifier: Apache-2.0 */
/* The reader's half of the protocol of authrelay.cdb(5); publish/publisher.c is the writer's. It decides by
 * the files alone and knows nothing of logins. Invariant: every path that is not understood ends in DOUBT,
 * and a pair of files is used only if the delta holds whatever has changed since the snapshot that the base
 * is. */

#include "cdb/relay-lookup.h"

#include <errno.h>
#include <time.h>

#include "cdb/cdb-file.h"

/* Between the writer's two renames lie microseconds, unless it is preempted: waiting 1, 2, 4, 8 and 16 ms
 * outlasts that, and is still less than an SMTP client notices. */
#define TRIES_MAX 6

/* How far the writer's clock may be ahead: it is the same clock, so this is for steps by NTP. */
#define FUTURE_MAX_SEC 5

typedef enum Which { DELTA, BASE, _WHICH_MAX } Which;

typedef enum Trouble { UNOPENED, DAMAGED, HEADLESS, FOREIGN, FUTURE, ENDLESS, _TROUBLE_MAX } Trouble;

static const char *const trouble_texts[_WHICH_MAX][_TROUBLE_MAX] = {
        [DELTA] = {"the delta cannot be opened", "the delta is damaged", "the delta has no valid header",
                "the delta is of a version unknown here", "the delta was written in the future",
                "a record of the delta lasts longer than any grant may"},
        [BASE] = {"the base cannot be opened", "the base is damaged", "the base has no valid header",
                "the base is of a version unknown here", "the base was written in the future",
                "a record of the base lasts longer than any grant may"},
};

typedef struct Opened {
        Which which;
        CdbFile file;
        RelayHeader header;
} Opened;

#define OPENED_INIT(w) ((Opened){.which = (w), .file = CDB_FILE_INIT})

static void opened_done(Opened *o) {
        cdb_file_close(&o->file);
}

const char *relay_result_to_string(RelayResult result) {
        static const char *const names[_RELAY_RESULT_MAX] = {
                [RELAY_RESULT_ABSENT] = "absent",
                [RELAY_RESULT_GRANTED] = "granted",
                [RELAY_RESULT_NEVER] = "never",
                [RELAY_RESULT_EXPIRED] = "expired",
                [RELAY_RESULT_DOUBT] = "doubt",
        };

        assert(result >= 0 && result < _RELAY_RESULT_MAX);
        return names[result];
}

/* Without snprintf(3), which takes as much of relaylock's time as reading a file. */
int relay_delta_path(char buf[static RELAY_PATH_BYTES], const char *path) {
        static const char end[] = "-delta.cdb";
        size_t n = strlen(path);

        if (n == 0)
                return -EINVAL;
        if (n > 4 && streq(path + n - 4, ".cdb"))
                n -= 4;
        if (n > RELAY_PATH_BYTES - sizeof(end))
                return -ENAMETOOLONG;
        (void) memcpy(buf, path, n);
        (void) memcpy(buf + n, end, sizeof(end));
        return 0;
}

static RelayResult doubt(RelayAnswer *ret, const char *reason, int error) {
        *ret = (RelayAnswer){.result = RELAY_RESULT_DOUBT, .reason = reason, .error = error};
        return RELAY_RESULT_DOUBT;
}

/* For messages: -EBADMSG is what the text says already. */
static int plain_error(int r) {
        return r < 0 && r != -EBADMSG ? r : 0;
}

/* Opens one of the two, in the place of what was open before. Returns ABSENT, which means: go on, or DOUBT.
 */
static RelayResult open_one(Opened *o, const char *path, uint64_t now, RelayAnswer *ret) {
        const char *const *texts = trouble_texts[o->which];
        char value[RELAY_HEADER_BYTES];
        size_t size;
        int r;

        cdb_file_close(&o->file);
        r = cdb_file_open(&o->file, path);
        if (r < 0)
                return doubt(ret, texts[r == -EBADMSG ? DAMAGED : UNOPENED], plain_error(r));
        r = cdb_file_find(&o->file, SPAN_LITERAL(RELAY_HEADER_KEY), value, sizeof(value), &size);
        if (r < 0)
                return doubt(ret, texts[DAMAGED], plain_error(r));
        if (r > 0)
                r = relay_header_parse(span_make(value, size), &o->header);
        else
                r = -EBADMSG;
        if (r < 0)
                return doubt(ret, texts[r == -EPROTONOSUPPORT ? FOREIGN : HEADLESS], 0);
        if (now + FUTURE_MAX_SEC < o->header.written)
                return doubt(ret, texts[FUTURE], 0);
        return RELAY_RESULT_ABSENT;
}

/* Opens a base and a delta that belong together. The delta comes first: the writer puts a base in place
 * before its delta, so the base found afterwards is the delta's own or a newer one. A base one generation
 * newer has been put in place a moment ago, or the writer died or failed just then; the delta that is in
 * place *after* the base is then right for it too, as the writer has kept it complete, but one opened before
 * may be too old. */
static RelayResult open_pair(Opened *delta, Opened *base, const char *path, uint64_t now, RelayAnswer *ret) {
        char delta_path[RELAY_PATH_BYTES];
        RelayResult result;
        int r;

        r = relay_delta_path(delta_path, path);
        if (r < 0)
                return doubt(ret, trouble_texts[DELTA][UNOPENED], r);
        for (unsigned i = 0; i < TRIES_MAX; i++) {
                if (i > 0)
                        (void) nanosleep(&(struct timespec){.tv_nsec = 500000L << i}, NULL);
                result = open_one(delta, delta_path, now, ret);
                if (result != RELAY_RESULT_DOUBT)
                        result = open_one(base, path, now, ret);
                if (result != RELAY_RESULT_DOUBT &&
                        base->header.generation == delta->header.generation + 1) {
                        result = open_one(delta, delta_path, now, ret);
                        if (result != RELAY_RESULT_DOUBT &&
                                base->header.generation == delta->header.generation + 1)
                                return RELAY_RESULT_ABSENT;
                }
                if (result == RELAY_RESULT_DOUBT || base->header.generation == delta->header.generation)
                        return result;
        }
        return doubt(ret, "base and delta do not belong together", 0);
}

/* `length` as in IpNetwork */
static bool has_length(const Opened *o, bool v4, unsigned length) {
        return v4 ? o->header.lengths.v4[length - 96] : o->header.lengths.v6[length];
}

/* Reads the record of this network. Returns 1 and the entry, whose texts are in `value`; 0; or -errno. */
static int read_entry(
        const Opened *o, const IpNetwork *network, char value[static RELAY_VALUE_BYTES], RelayEntry *ret) {
        char key[IP_TEXT_BYTES];
        size_t size;
        int r;

        if (!has_length(o, ip_network_is_v4(network), network->length))
                return 0;
        (void) ip_network_format(key, network);
        r = cdb_file_find(&o->file, span_from_string(key), value, RELAY_VALUE_BYTES, &size);
        if (r <= 0)
                return r;
        ret->network = *network;
        r = relay_value_parse(span_make(value, size), ret);
        if (r >= 0 && o->which == BASE && ret->verdict == RELAY_REVOKED)
                r = -EBADMSG;
        return r < 0 ? r : 1;
}

/* What one record says at this time; ABSENT: nothing, a wider one may. */
static RelayResult judge(const Opened *o, const RelayEntry *entry, uint64_t now, RelayAnswer *ret) {
        RelayAnswer made = {.network = entry->network, .until = entry->until};
        int r;

        if (entry->verdict == RELAY_REVOKED)
                return RELAY_RESULT_ABSENT;
        r = relay_user_decode(entry->user, made.user);
        if (r < 0)
                return doubt(ret, trouble_texts[o->which][DAMAGED], 0);
        made.user_size = (size_t) r;
        memcpy(made.how, entry->how.data, entry->how.size);
        if (entry->until != 0 && now >= entry->until)
                made.result = RELAY_RESULT_EXPIRED;
        else if (entry->verdict == RELAY_NEVER)
                made.result = RELAY_RESULT_NEVER; /* barring may last for days */
        else if (entry->until != 0 && entry->until - now > o->header.ttl + o->header.ttl / 16)
                return doubt(ret, trouble_texts[o->which][ENDLESS], 0);
        else
                made.result = RELAY_RESULT_GRANTED;
        *ret = made;
        return made.result;
}

/* What both files say of the address's network of this length: the delta, or else the base. ABSENT: nothing,
 * a wider one may. */
static RelayResult look_at(const Opened *delta, const Opened *base, const IpAddr *addr, unsigned length,
        uint64_t now, RelayAnswer *ret) {
        bool v4 = ip_addr_is_v4(addr);
        char value[RELAY_VALUE_BYTES];
        const Opened *from = delta;
        IpNetwork network;
        RelayEntry entry;
        int r;

        if (!has_length(delta, v4, length) && !has_length(base, v4, length))
                return RELAY_RESULT_ABSENT;
        network = ip_network_of(addr, length);
        r = read_entry(delta, &network, value, &entry);
        if (r == 0)
                r = read_entry(from = base, &network, value, &entry);
        if (r < 0)
                return doubt(ret, trouble_texts[from->which][DAMAGED], plain_error(r));
        return r > 0 ? judge(from, &entry, now, ret) : RELAY_RESULT_ABSENT;
}

RelayResult relay_lookup(const char *path, const IpAddr *addr, uint64_t now, RelayAnswer *ret) {
        _cleanup_(opened_done) Opened delta = OPENED_INIT(DELTA), base = OPENED_INIT(BASE);
        RelayAnswer expired = {.result = RELAY_RESULT_ABSENT};
        int least = ip_addr_is_v4(addr) ? 96 : 0;

        *ret = expired;
        if (open_pair(&delta, &base, path, now, ret) == RELAY_RESULT_DOUBT)
                return RELAY_RESULT_DOUBT;
        for (int length = 128; length >= least; length--) {
                RelayResult result = look_at(&delta, &base, addr, (unsigned) length, now, ret);

                /* one whose time is over neither grants nor bars, but "expired" tells more than "absent" */
                if (result == RELAY_RESULT_EXPIRED && expired.result == RELAY_RESULT_ABSENT)
                        expired = *ret;
                else if (result != RELAY_RESULT_ABSENT && result != RELAY_RESULT_EXPIRED)
                        return result;
        }
        *ret = expired;
        return ret->result;
}
