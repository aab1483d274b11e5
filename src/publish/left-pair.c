/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/left-pair.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cdb/cdb-file.h"

/* Where a delta is kept. Returns false if the name is too long. */
static bool kept_path(char buf[static RELAY_PATH_BYTES], const char *delta_path) {
        const char *slash = strrchr(delta_path, '/'), *name = slash ? slash + 1 : delta_path;
        int n = snprintf(buf, RELAY_PATH_BYTES, "%.*s.%s.old", (int) (name - delta_path), delta_path, name);

        return n >= 0 && n < (int) RELAY_PATH_BYTES;
}

/* The generation in a file's header; 0: it is not there, or has none. Returns 0 or -errno. */
static int read_generation(const char *path, uint64_t *ret) {
        _cleanup_(cdb_file_close) CdbFile f = CDB_FILE_INIT;
        char value[RELAY_HEADER_BYTES];
        RelayHeader header;
        size_t size;
        int r;

        *ret = 0;
        r = cdb_file_open(&f, path);
        if (r >= 0)
                r = cdb_file_find(&f, SPAN_LITERAL(RELAY_HEADER_KEY), value, sizeof(value), &size);
        if (r == -ENOENT || r == -EBADMSG)
                return 0;
        /* one that leaves no room to count on is nobody's */
        if (r > 0 && relay_header_parse(span_make(value, size), &header) >= 0 &&
                header.generation < RELAY_GENERATION_MAX / 2)
                *ret = header.generation;
        return MIN(r, 0);
}

/* As readers see it: a base may be in place a moment before its delta. */
static bool is_pair(uint64_t base, uint64_t delta) {
        return delta > 0 && (base == delta || base == delta + 1);
}

int left_pair_find_delta(const char *path, char ret[static RELAY_PATH_BYTES]) {
        char kept[RELAY_PATH_BYTES];
        uint64_t base, delta;
        int r;

        r = relay_delta_path(ret, path);
        if (r >= 0)
                r = read_generation(path, &base);
        if (r >= 0)
                r = read_generation(ret, &delta);
        if (r < 0)
                return r;
        if (base == 0 || delta == 0 || is_pair(base, delta))
                return 1;
        if (!kept_path(kept, ret))
                return 0;
        r = read_generation(kept, &delta);
        if (r < 0 || !is_pair(base, delta))
                return r;
        (void) memcpy(ret, kept, sizeof(kept));
        return 1;
}

uint64_t left_pair_take_over(const char *path) {
        char delta_path[RELAY_PATH_BYTES];
        uint64_t base = 0, delta = 0;

        if (relay_delta_path(delta_path, path) < 0)
                return 0;
        (void) read_generation(path, &base);
        (void) read_generation(delta_path, &delta);
        if (is_pair(base, delta))
                left_pair_drop(delta_path);
        return MAX(base, delta);
}

void left_pair_keep(const char *delta_path) {
        char kept[RELAY_PATH_BYTES];

        if (kept_path(kept, delta_path))
                (void) !link(delta_path, kept);
}

void left_pair_drop(const char *delta_path) {
        char kept[RELAY_PATH_BYTES];

        if (kept_path(kept, delta_path))
                (void) unlink(kept);
}
