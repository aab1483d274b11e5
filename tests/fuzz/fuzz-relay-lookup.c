/* SPDX-License-Identifier: Apache-2.0 */
/* The published files, whatever they hold: two bytes for the size of the base, the base, and the delta. */

#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "basic/fd-util.h"
#include "cdb/cdb-file.h"
#include "cdb/relay-lookup.h"
#include "fuzz.h"

/* The reader waits for a writer; there is none. */
int nanosleep(_unused_ const struct timespec *request, _unused_ struct timespec *rest) {
        return 0;
}

static int see(_unused_ void *userdata, Span key, Span value) {
        MUST(key.size <= CDB_KEY_MAX_BYTES && value.size <= CDB_VALUE_MAX_BYTES);
        return 0;
}

static char base_path[64], delta_path[RELAY_PATH_BYTES];

static void remove_files(void) {
        (void) unlink(base_path);
        (void) unlink(delta_path);
        *strrchr(base_path, '/') = 0;
        (void) rmdir(base_path);
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

        if (!base_path[0]) {
                (void) snprintf(base_path, sizeof(base_path), "%s/authrelay-fuzz-XXXXXX",
                        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
                MUST(mkdtemp(base_path) && atexit(remove_files) == 0);
                (void) strcat(base_path, "/relay.cdb");
                MUST(relay_delta_path(delta_path, base_path) >= 0);
        }
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
