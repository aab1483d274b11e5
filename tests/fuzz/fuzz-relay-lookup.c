/* SPDX-License-Identifier: Apache-2.0 */
/* The published files, whatever they hold: two bytes for the size of the base, the base, and the delta. */

#include <fcntl.h>

#include "basic/fd-util.h"
#include "cdb/cdb-file.h"
#include "relay-files.h"

static int see(_unused_ void *userdata, Span key, Span value) {
        MUST(key.size <= CDB_KEY_MAX_BYTES && value.size <= CDB_VALUE_MAX_BYTES);
        return 0;
}

static void put(const char *path, const uint8_t *data, size_t size) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        MUST(fd >= 0 && write_all(fd, data, size) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const addresses[] = {"192.0.2.7", "10.0.0.1", "2001:db8::1"};
        const uint64_t now = FUZZ_NOW / USEC_PER_SEC;
        CdbFile file = CDB_FILE_INIT;
        size_t split;

        if (!base_path[0])
                make_paths();
        if (size < 2)
                return 0;
        split = MIN((size_t) (data[0] | data[1] << 8), size - 2);
        put(base_path, data + 2, split);
        put(delta_path, data + 2 + split, size - 2 - split);
        for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
                RelayAnswer answer;
                IpAddr addr;

                MUST(ip_addr_parse(span_from_string(addresses[i]), &addr) >= 0);
                if (relay_lookup(base_path, &addr, now, &answer) == RELAY_RESULT_GRANTED) {
                        IpNetwork host = ip_network_of(&addr, 128);

                        MUST(ip_network_contains(&answer.network, &host) && answer.how[0]);
                        MUST(answer.until == 0 ||
                                (answer.until > now && answer.until <= now + RELAY_TTL_MAX * 17 / 16));
                }
        }
        if (cdb_file_open(&file, base_path) >= 0)
                (void) cdb_file_each(&file, see, NULL);
        cdb_file_close(&file);
        return 0;
}
