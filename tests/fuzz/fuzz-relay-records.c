/* SPDX-License-Identifier: Apache-2.0 */
/* Published files that are whole, with any records: the look-up says what a search through all of them says.
 * And files that were whole, with bytes changed: it says nothing better. The input is a byte that says how
 * many bytes are changed, for each of them two that say where and one that says how, and lines "KEY VALUE";
 * those that begin with '+' are the delta's. */

#include <fcntl.h>

#include "basic/fd-util.h"
#include "cdb/cdb-file.h"
#include "relay-files.h"

#define NOW (FUZZ_NOW / USEC_PER_SEC)
#define RECORDS_MAX 64

typedef struct Records {
        Span keys[RECORDS_MAX], values[RECORDS_MAX];
        size_t n;
} Records;

static void parse_records(Span in, Records *base, Records *delta) {
        while (in.size > 0) {
                Span line = fuzz_line(&in);
                Records *r = line.size > 0 && line.data[0] == '+' ? delta : base;
                const char *blank;

                line = span_skip(line, r == delta);
                blank = line.size > 0 ? memchr(line.data, ' ', line.size) : NULL;
                if (!blank || blank == line.data || r->n == RECORDS_MAX)
                        continue;
                r->keys[r->n] = span_make(line.data, (size_t) (blank - line.data));
                r->values[r->n] = span_skip(line, r->keys[r->n].size + 1);
                if (r->keys[r->n].size <= CDB_KEY_MAX_BYTES && r->values[r->n].size <= CDB_VALUE_MAX_BYTES)
                        r->n++;
        }
}

static void write_file(const char *path, const Records *records) {
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        _cleanup_(cdb_writer_freep) CdbWriter *w = NULL;

        MUST(fd >= 0 && cdb_writer_new(fd, &w) >= 0);
        for (size_t i = 0; i < records->n; i++)
                MUST(cdb_writer_add(w, records->keys[i], records->values[i]) >= 0);
        MUST(cdb_writer_finish(w) >= 0);
}

static void change_byte(const char *path, size_t where, uint8_t how) {
        _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
        off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
        uint8_t b;

        MUST(size >= 2048 && pread(fd, &b, 1, (off_t) where % size) == 1);
        b ^= how;
        MUST(pwrite(fd, &b, 1, (off_t) where % size) == 1);
}

/* ---- the look-up once more, by looking at each record ---- */

static const Span *find(const Records *r, const char *key) {
        for (size_t i = 0; i < r->n; i++)
                if (span_equal_string(r->keys[i], key))
                        return &r->values[i];
        return NULL;
}

static bool read_header(const Records *r, RelayHeader *ret) {
        const Span *value = find(r, RELAY_HEADER_KEY);

        return value && value->size < RELAY_HEADER_BYTES && relay_header_parse(*value, ret) >= 0 &&
               ret->written <= NOW + 5;
}

static bool is_published(const RelayHeader *h, const IpNetwork *n) {
        return ip_network_is_v4(n) ? h->lengths.v4[ip_network_length(n)] : h->lengths.v6[n->length];
}

/* ABSENT: go on with a wider network. */
static RelayResult search_network(const Records *r, const RelayHeader *h, bool is_delta, const IpNetwork *n,
        bool *ret_has, uint64_t *ret_until) {
        char text[IP_TEXT_BYTES];
        RelayEntry e = {.network = *n};
        const Span *value = is_published(h, n) ? find(r, ip_network_format(text, n)) : NULL;

        *ret_has = value;
        if (!value)
                return RELAY_RESULT_ABSENT;
        if (value->size > RELAY_VALUE_BYTES || relay_value_parse(*value, &e) < 0 ||
                (e.verdict == RELAY_REVOKED && !is_delta))
                return RELAY_RESULT_DOUBT;
        *ret_until = e.until;
        if (e.verdict == RELAY_REVOKED)
                return RELAY_RESULT_ABSENT;
        if (e.until != 0 && e.until <= NOW)
                return RELAY_RESULT_EXPIRED;
        if (e.verdict == RELAY_NEVER)
                return RELAY_RESULT_NEVER;
        return e.until > NOW + h->ttl + h->ttl / 16 ? RELAY_RESULT_DOUBT : RELAY_RESULT_GRANTED;
}

static RelayResult search(
        const Records *base, const Records *delta, const IpAddr *addr, uint64_t *ret_until) {
        RelayResult expired = RELAY_RESULT_ABSENT;
        RelayHeader of_base, of_delta;
        uint64_t until = 0;

        if (!read_header(delta, &of_delta) || !read_header(base, &of_base) ||
                of_base.generation - of_delta.generation > 1)
                return RELAY_RESULT_DOUBT;
        for (int length = 128; length >= (ip_addr_is_v4(addr) ? 96 : 0); length--) {
                IpNetwork n = ip_network_of(addr, (unsigned) length);
                bool has;
                RelayResult r = search_network(delta, &of_delta, true, &n, &has, &until);

                if (!has)
                        r = search_network(base, &of_base, false, &n, &has, &until);
                if (r == RELAY_RESULT_EXPIRED && expired == RELAY_RESULT_ABSENT) {
                        expired = r;
                        *ret_until = until;
                } else if (r != RELAY_RESULT_ABSENT && r != RELAY_RESULT_EXPIRED) {
                        *ret_until = until;
                        return r;
                }
        }
        return expired;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const addresses[] = {"192.0.2.7", "10.0.0.1", "2001:db8::1"};
        Span in = span_make((const char *) data, size), changes;
        Records base = {.n = 0}, delta = {.n = 0};

        if (!base_path[0])
                make_paths();
        changes = fuzz_span(&in, (size_t) 3 * (fuzz_byte(&in) % 4));
        parse_records(in, &base, &delta);
        write_file(base_path, &base);
        write_file(delta_path, &delta);
        for (Span c = changes; c.size == 3; c = span_skip(c, 3)) {
                size_t where = (uint8_t) c.data[0] << 8 | (uint8_t) c.data[1];

                change_byte(where & 1 ? base_path : delta_path, where >> 1, (uint8_t) c.data[2]);
        }
        for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
                uint64_t until = 0;
                RelayAnswer answer;
                IpAddr addr;

                MUST(ip_addr_parse(span_from_string(addresses[i]), &addr) >= 0);
                MUST(relay_lookup(base_path, &addr, NOW, &answer) == answer.result);
                if (answer.result == RELAY_RESULT_GRANTED)
                        MUST(answer.until == 0 ||
                                (answer.until > NOW && answer.until <= NOW + RELAY_TTL_MAX * 17 / 16));
                if (changes.size > 0)
                        continue;
                MUST(search(&base, &delta, &addr, &until) == answer.result);
                MUST(answer.result == RELAY_RESULT_DOUBT || answer.until == until);
        }
        return 0;
}
