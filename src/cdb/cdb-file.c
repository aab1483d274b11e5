/* SPDX-License-Identifier: Apache-2.0 */
/* The only file that knows tinycdb. Its cdb_make writes; its readers are not used: cdb_init() maps the file,
 * which fails under qmail's softlimit and dies of SIGBUS when the file shrinks, cdb_find() trusts the map,
 * and cdb_seek() follows 32-bit sums that can wrap round and reads on for as many slots as the file claims.
 * Invariant of the reader: no byte outside the file's own size is asked for, no loop is longer than a
 * constant or the file, and what does not add up is -EBADMSG, never "absent". */

#include "cdb/cdb-file.h"

#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"

#define HEAD_BYTES 2048
#define RECORD_HEAD_BYTES 8
#define SLOT_BYTES 8

/* Tables are half empty, so a look-up ends after a few slots. The longest run of taken slots seen among
 * 300,000 or 1,000,000 addresses was 50 (at random) and 272 (neighbours, which this hash likes least); one
 * thirty times as long was made by somebody else. */
#define PROBES_MAX 8192

/* Slots read at once: enough for nearly every look-up, and less than a page is copied for one. */
#define PROBES_AT_ONCE 16

/* Going through a whole file: one system call for some thousand records. */
#define EACH_BUFFER_BYTES ((size_t) 128 * 1024)

struct CdbWriter {
        struct cdb_make make;
        uint64_t size; /* of the finished file, were it finished now */
        int error;
};

/* Reads exactly n bytes. A regular file gives all that it has at once: less means that it ends earlier than
 * it should, or cannot be read to there. */
static int read_at(int fd, uint64_t position, void *buf, size_t n) {
        ssize_t k;

        do
                k = pread(fd, buf, n, (off_t) position);
        while (k < 0 && errno == EINTR);
        if (k < 0)
                return -errno;
        return (size_t) k == n ? 0 : -EBADMSG;
}

/* Each table must lie between the head and the end of the file; the records end where the first one begins.
 */
static int check_tables(CdbFile *f) {
        f->data_end = f->size;
        for (size_t i = 0; i < HEAD_BYTES; i += SLOT_BYTES) {
                uint32_t start = cdb_unpack(f->tables + i), slots = cdb_unpack(f->tables + i + 4);

                if (start < HEAD_BYTES || start > f->size || slots > (f->size - start) / SLOT_BYTES)
                        return -EBADMSG;
                f->data_end = MIN(f->data_end, start);
        }
        return 0;
}

int cdb_file_open(CdbFile *f, const char *path) {
        _cleanup_(cdb_file_close) CdbFile made = CDB_FILE_INIT;
        struct stat st;
        int r;

        made.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (made.fd >= 0 && made.fd <= STDERR_FILENO) {
                /* somebody has closed a standard descriptor, and the file must not take its place */
                int high = fcntl(made.fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

                made.fd = (close_fd(made.fd), high);
        }
        if (made.fd < 0 || fstat(made.fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size < HEAD_BYTES || st.st_size > (off_t) UINT32_MAX)
                return -EBADMSG;
        made.size = (uint32_t) st.st_size;
        r = read_at(made.fd, 0, made.tables, HEAD_BYTES);
        if (r >= 0)
                r = check_tables(&made);
        if (r < 0)
                return r;
        *f = made;
        made.fd = -1;
        return 0;
}

void cdb_file_close(CdbFile *f) {
        f->fd = close_fd(f->fd);
}

/* Compares the record at `position` with the key. Returns 1 and the value, 0 when it is another one. */
static int read_record(
        const CdbFile *f, uint32_t position, Span key, char *buf, size_t room, size_t *ret_size) {
        uint8_t raw[RECORD_HEAD_BYTES + CDB_KEY_MAX_BYTES + CDB_VALUE_MAX_BYTES] = {0};
        uint64_t key_size, value_size;
        size_t value_max = MIN(room, (size_t) CDB_VALUE_MAX_BYTES), left, n;
        int r;

        if (position < HEAD_BYTES || position > f->data_end)
                return -EBADMSG;
        left = f->data_end - position;
        if (left < RECORD_HEAD_BYTES)
                return -EBADMSG;
        n = RECORD_HEAD_BYTES + key.size + value_max;
        n = MIN(n, left);
        r = read_at(f->fd, position, raw, n);
        if (r < 0)
                return r;
        key_size = cdb_unpack(raw);
        value_size = cdb_unpack(raw + 4);
        if (RECORD_HEAD_BYTES + key_size + value_size > left)
                return -EBADMSG;
        if (key_size != key.size || memcmp(raw + RECORD_HEAD_BYTES, key.data, key.size) != 0)
                return 0;
        if (value_size > value_max)
                return -EBADMSG;
        memcpy(buf, raw + RECORD_HEAD_BYTES + key.size, value_size);
        *ret_size = value_size;
        return 1;
}

int cdb_file_find(const CdbFile *f, Span key, char *buf, size_t room, size_t *ret_size) {
        uint32_t hash, start, slots, at, n;
        uint8_t raw[PROBES_AT_ONCE * SLOT_BYTES] = {0};
        int r;

        assert(key.size > 0 && key.size <= CDB_KEY_MAX_BYTES);
        hash = cdb_hash(key.data, (unsigned) key.size);
        start = cdb_unpack(f->tables + (hash & 255) * SLOT_BYTES);
        slots = cdb_unpack(f->tables + (hash & 255) * SLOT_BYTES + 4);
        if (slots == 0)
                return 0;
        at = (hash >> 8) % slots;
        for (uint32_t done = 0; done < MIN(slots, (uint32_t) PROBES_MAX); done += n, at = (at + n) % slots) {
                uint32_t to_end = slots - at, left = slots - done;

                n = MIN(to_end, left);
                n = MIN(n, (uint32_t) PROBES_AT_ONCE);
                r = read_at(f->fd, start + (uint64_t) at * SLOT_BYTES, raw, n * SLOT_BYTES);
                for (uint32_t i = 0; r >= 0 && i < n; i++) {
                        uint32_t position = cdb_unpack(raw + i * SLOT_BYTES + 4);

                        if (position == 0)
                                return 0;
                        if (cdb_unpack(raw + i * SLOT_BYTES) != hash)
                                continue;
                        r = read_record(f, position, key, buf, room, ret_size);
                        if (r > 0)
                                return r;
                }
                if (r < 0)
                        return r;
        }
        return -EBADMSG; /* a table without a free slot, or a run that no honest writer makes */
}

int cdb_file_each(const CdbFile *f, CdbFileHandler handler, void *userdata) {
        _cleanup_free_ uint8_t *buf = malloc(EACH_BUFFER_BYTES);
        uint64_t position = HEAD_BYTES,
                 loaded = 0; /* loaded: bytes of the file from `position` on in buf + used */
        size_t used = 0;
        int r;

        if (!buf)
                return -ENOMEM;
        while (position < f->data_end) {
                uint64_t left = f->data_end - position, key_size, value_size, whole;

                if (loaded <
                        MIN(left, (uint64_t) RECORD_HEAD_BYTES + CDB_KEY_MAX_BYTES + CDB_VALUE_MAX_BYTES)) {
                        used = 0;
                        loaded = MIN(left, (uint64_t) EACH_BUFFER_BYTES);
                        r = read_at(f->fd, position, buf, loaded);
                        if (r < 0)
                                return r;
                }
                if (left < RECORD_HEAD_BYTES)
                        return -EBADMSG;
                key_size = cdb_unpack(buf + used);
                value_size = cdb_unpack(buf + used + 4);
                whole = RECORD_HEAD_BYTES + key_size + value_size;
                if (whole > left || key_size > CDB_KEY_MAX_BYTES || value_size > CDB_VALUE_MAX_BYTES)
                        return -EBADMSG;
                r = handler(userdata, span_make((char *) buf + used + RECORD_HEAD_BYTES, key_size),
                        span_make((char *) buf + used + RECORD_HEAD_BYTES + key_size, value_size));
                if (r < 0)
                        return r;
                used += whole;
                loaded -= whole;
                position += whole;
        }
        return 0;
}

int cdb_writer_new(int fd, CdbWriter **ret) {
        CdbWriter *w = calloc(1, sizeof(CdbWriter));

        if (!w)
                return -ENOMEM;
        w->size = HEAD_BYTES;
        (void) cdb_make_start(&w->make, fd); /* only fills the structure */
        *ret = w;
        return 0;
}

/* The errno of a failed call of tinycdb, which the writer remembers. */
static int writer_failed(CdbWriter *w) {
        w->error = errno > 0 ? -errno : -EIO;
        return w->error;
}

int cdb_writer_add(CdbWriter *w, Span key, Span value) {
        /* a record's two slots in its table are counted at once, so that finishing can't run into the limit
         */
        uint64_t more = RECORD_HEAD_BYTES + key.size + value.size + 2 * SLOT_BYTES;

        if (key.size > CDB_KEY_MAX_BYTES || value.size > CDB_VALUE_MAX_BYTES)
                return -EINVAL;
        if (w->error < 0)
                return w->error;
        if (w->size + more > UINT32_MAX)
                return -EFBIG;
        w->size += more;
        if (cdb_make_add(&w->make, key.data, (unsigned) key.size, value.data, (unsigned) value.size) < 0)
                return writer_failed(w);
        return 0;
}

/* cdb_make_finish() frees what cdb_make holds, whether it succeeds or not, and there is no other way. */
static int finish_make(CdbWriter *w) {
        int r = cdb_make_finish(&w->make);

        memset(w->make.cdb_rec, 0, sizeof(w->make.cdb_rec));
        w->make.cdb_fd = -1;
        return r;
}

int cdb_writer_finish(CdbWriter *w) {
        if (w->error < 0)
                return w->error;
        if (finish_make(w) < 0)
                return writer_failed(w);
        w->error = -EBADFD; /* it is finished: whatever comes now is a mistake */
        return 0;
}

CdbWriter *cdb_writer_free(CdbWriter *w) {
        if (!w)
                return NULL;
        if (w->make.cdb_fd >= 0) {
                w->make.cdb_fd = -1; /* nothing more may be written into the caller's file */
                (void) finish_make(w);
        }
        free(w);
        return NULL;
}
