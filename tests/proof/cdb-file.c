/* SPDX-License-Identifier: Apache-2.0 */
/* A constant database of any bytes and any size, which may be another one at each reading, and the search
 * for keys of every length. */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "any.h"

/* ---- the kernel, which says anything of a file ---- */

static int any_result(int most) {
        if (any_bool())
                return (int) any_number(0, (uint64_t) most);
        errno = (int) any_number(1, 4095);
        return -1;
}

static int any_stat(struct stat *st) {
        int r = any_result(0);

        if (r == 0)
                any_bytes(st, sizeof(*st));
        return r;
}

static ssize_t any_read(void *buf, size_t n) {
        int r = any_result(1);

        if (r < 0)
                return -1;
        if (r > 0)
                return (ssize_t) any_number(0, n); /* of which nothing may be used */
        any_bytes(buf, n);
        return (ssize_t) n;
}

int close_fd(int fd) {
        (void) fd;
        return -1;
}

#define open(path, ...) any_result(INT32_MAX)
#define fcntl(fd, ...) any_result(INT32_MAX)
#define fstat(fd, st) any_stat(st)
#define pread(fd, buf, n, position) any_read(buf, n)

#include "cdb/cdb-file.c"
#include "model/relay-entry.h"

static void find(const CdbFile *f, size_t key_size, size_t key_room, size_t value_room) {
        char *key = malloc(key_room), *value = malloc(value_room);
        size_t size = 0;

        any_bytes(key, key_room);
        (void) cdb_file_find(f, span_make(key, key_size), value, value_room, &size);
        //@ check size <= value_room;
        free(key);
        free(value);
}

int main(void) {
        CdbFile f = CDB_FILE_INIT;

        if (cdb_file_open(&f, "relay.cdb") >= 0) {
                find(&f, any_number(1, CDB_KEY_MAX_BYTES), CDB_KEY_MAX_BYTES, RELAY_VALUE_BYTES);
                find(&f, any_number(1, CDB_KEY_MAX_BYTES), CDB_KEY_MAX_BYTES, RELAY_HEADER_BYTES);
                //@ loop unroll KEY_MAX_EACH;
                for (size_t size = 1; size <= KEY_MAX_EACH; size++)
                        find(&f, size, size, ROOM);
        }
        cdb_file_close(&f);
        return 0;
}
