/* SPDX-License-Identifier: Apache-2.0 */
/* One log file. It is read with read(2), never mapped: a log that is cut short under a mapping is SIGBUS.
 * After copytruncate a file may have grown past the old position again before anybody looks; going on there
 * would be in the middle of a line that a stranger wrote, so the bytes before the position are compared each
 * time. */

#include "source/file-tail.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"

#define BUFFER_BYTES ((size_t) 128 * 1024)
/* What is read in search of a line's end before the loop turns: a millisecond. */
#define BYTES_AT_ONCE ((size_t) 4 * 1024 * 1024)

static uint64_t modified_of(const struct stat *st) {
        return (uint64_t) st->st_mtim.tv_sec * USEC_PER_SEC + (uint64_t) st->st_mtim.tv_nsec / 1000;
}

int file_tail_open(FileTail *t, const char *path) {
        struct stat st;
        int r;

        *t = FILE_TAIL_INIT;
        /* a FIFO's writer would take us for its reader, and a device may do something */
        if (stat(path, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        /* O_NONBLOCK: nor must a FIFO that has just taken the log's place hold us */
        t->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (t->fd < 0)
                return -errno;
        if (fstat(t->fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        r = line_splitter_init(&t->splitter, BUFFER_BYTES);
        if (r < 0)
                return r;
        t->position.device = st.st_dev;
        t->position.inode = st.st_ino;
        t->position.modified = t->seen = modified_of(&st);
        t->read_at = time_now();
        return 0;
}

void file_tail_done(FileTail *t) {
        t->fd = close_fd(t->fd);
        line_splitter_done(&t->splitter);
}

/* Compares n bytes of the file at offset. */
static bool same_bytes(int fd, uint64_t offset, const char *expected, size_t n) {
        char buf[FILE_TAIL_MARK_BYTES];

        for (size_t k; n > 0; offset += k, expected += k, n -= k) {
                k = MIN(n, sizeof(buf));
                if (pread(fd, buf, k, (off_t) offset) != (ssize_t) k || memcmp(buf, expected, k) != 0)
                        return false;
        }
        return true;
}

static bool unchanged(int fd, const FilePosition *p) {
        return same_bytes(fd, 0, p->head, p->head_size) &&
               same_bytes(fd, p->offset - p->before_size, p->before, p->before_size);
}

/* What is buffered behind the position, but for the n bytes that were read just now, must still be what the
 * file has there: half a line may be all there is. */
static bool same_content(const FileTail *t, size_t n) {
        const LineSplitter *s = &t->splitter;
        struct stat st;

        /* what was dropped of an over-long line can't be compared, but it must be there */
        if (s->held > 0 && (fstat(t->fd, &st) < 0 || (uint64_t) st.st_size < t->position.offset + s->held))
                return false;
        return unchanged(t->fd, &t->position) &&
               same_bytes(t->fd, t->position.offset + s->held, s->buffer + s->begin, s->end - n - s->begin);
}

bool file_tail_resembles(const FileTail *t, const FilePosition *p) {
        return p->head_size > 0 && p->before_size > 0 && unchanged(t->fd, p);
}

bool file_tail_matches(const FileTail *t, const FilePosition *p) {
        return t->position.device == p->device && t->position.inode == p->inode && file_tail_resembles(t, p);
}

int file_tail_seek(FileTail *t, const FilePosition *p) {
        if (lseek(t->fd, (off_t) p->offset, SEEK_SET) < 0)
                return -errno;
        line_splitter_reset(&t->splitter);
        t->position = *p;
        return 0;
}

int file_tail_rewind(FileTail *t) {
        FilePosition start = {
                .device = t->position.device, .inode = t->position.inode, .modified = t->position.modified};
        struct stat st;

        if (fstat(t->fd, &st) < 0)
                return -errno;
        t->seen = modified_of(&st);
        return file_tail_seek(t, &start);
}

int file_tail_skip(FileTail *t, const FilePosition *p) {
        FilePosition own = *p;

        own.device = t->position.device;
        own.inode = t->position.inode;
        return file_tail_seek(t, &own);
}

/* The lines that were taken are still in the buffer, before what is held of the next one: n of their last
 * bytes, as they were read. The file may have others by now. */
static size_t last_taken(const LineSplitter *s, const char **ret) {
        size_t end = s->begin - (size_t) MIN(s->held, (uint64_t) s->begin);
        size_t n = (size_t) MIN(s->taken, (uint64_t) end);

        *ret = s->buffer + end - n;
        return n;
}

int file_tail_sync(FileTail *t) {
        FilePosition *p = &t->position;
        uint64_t offset = p->offset + t->splitter.taken;
        const char *taken;
        size_t n, kept;

        if (t->splitter.taken == 0)
                return 0;
        n = last_taken(&t->splitter, &taken);
        /* the file may have been replaced since it was read: never stand in the middle of a line */
        if (n == 0 || taken[n - 1] != '\n')
                return -EIO;
        if (p->head_size == p->offset && p->head_size < FILE_TAIL_MARK_BYTES && n == t->splitter.taken) {
                size_t more = MIN(n, FILE_TAIL_MARK_BYTES - (size_t) p->head_size);

                memcpy(p->head + p->head_size, taken, more);
                p->head_size += (uint32_t) more;
        } else if (p->head_size == 0) {
                /* behind a line of which the beginning is not there any more */
                p->head_size = (uint32_t) MIN(offset, (uint64_t) FILE_TAIL_MARK_BYTES);
                if (pread(t->fd, p->head, p->head_size, 0) != (ssize_t) p->head_size) {
                        p->head_size = 0;
                        return -EIO;
                }
        }
        kept = n == t->splitter.taken && n < FILE_TAIL_MARK_BYTES
                       ? MIN((size_t) p->before_size, FILE_TAIL_MARK_BYTES - n)
                       : 0;
        if (n > FILE_TAIL_MARK_BYTES) {
                taken += n - FILE_TAIL_MARK_BYTES;
                n = FILE_TAIL_MARK_BYTES;
        }
        memmove(p->before, p->before + p->before_size - kept, kept);
        memcpy(p->before + kept, taken, n);
        p->before_size = (uint32_t) (kept + n);
        p->offset = offset;
        p->modified = t->seen;
        t->splitter.taken = 0;
        return 0;
}

bool file_tail_is_unfinished(const FileTail *t) {
        return t->splitter.held > 0 || t->splitter.begin < t->splitter.end;
}

/* Behind all that was read. */
static uint64_t read_offset(const FileTail *t) {
        const LineSplitter *s = &t->splitter;

        return t->position.offset + s->taken + s->held + (s->end - s->begin);
}

uint64_t file_tail_size(const FileTail *t) {
        struct stat st;

        return fstat(t->fd, &st) < 0 ? 0 : (uint64_t) st.st_size;
}

bool file_tail_begins_alike(const FileTail *t, const FilePosition *p) {
        return p->head_size > 0 && same_bytes(t->fd, 0, p->head, p->head_size);
}

bool file_tail_is_unread(const FileTail *t) {
        return read_offset(t) == 0;
}

bool file_tail_is_at_end(const FileTail *t) {
        return file_tail_size(t) == read_offset(t);
}

bool file_tail_is_replaced(FileTail *t) {
        return file_tail_sync(t) == -EIO || !same_content(t, 0);
}

/* A writer that does not append goes on where it was when its log is cut short, and leaves a hole of any
 * size before that. There is no newline in it, so the rest of an over-long line, which is dropped, passes
 * over it. Returns 0 or -errno. */
static int skip_hole(FileTail *t) {
        off_t at = (off_t) read_offset(t), data;
        struct stat st;

        if (!t->splitter.dropping)
                return 0;
        /* before the look for data: what is appended after it must not be passed over */
        if (fstat(t->fd, &st) < 0)
                return -errno;
        data = lseek(t->fd, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
                data = st.st_size;
        data = MAX(data, at);
        if (lseek(t->fd, data, SEEK_SET) < 0)
                return -errno;
        line_splitter_skip(&t->splitter, (uint64_t) (data - at));
        return 0;
}

int file_tail_next(FileTail *t, Span *ret_line, bool *ret_cut) {
        size_t done = 0;

        for (;;) {
                struct stat st;
                char *space;
                size_t room;
                ssize_t n;
                int r;

                if (line_splitter_next(&t->splitter, ret_line, ret_cut))
                        return FILE_TAIL_MORE;
                r = file_tail_sync(t);
                if (r < 0)
                        return r == -EIO ? FILE_TAIL_REPLACED : r;
                if (done >= BYTES_AT_ONCE)
                        return FILE_TAIL_BUSY;
                r = skip_hole(t);
                if (r < 0)
                        return r;
                if (fstat(t->fd, &st) < 0)
                        return -errno;
                space = line_splitter_space(&t->splitter, &room);
                do
                        n = read(t->fd, space, room);
                while (n < 0 && errno == EINTR);
                if (n < 0)
                        return -errno;
                line_splitter_fill(&t->splitter, (size_t) n);
                done += (size_t) n;
                if (n > 0) {
                        t->reads++;
                        t->read_at = time_now();
                }
                /* after the read and before any of it is believed: then what was read is what came next */
                if (!same_content(t, (size_t) n)) {
                        t->splitter.end -= (size_t) n;
                        return FILE_TAIL_REPLACED;
                }
                /* nothing to compare, but it was written to: filled and cut short between two looks */
                if (n == 0 && t->position.offset == 0 && !file_tail_is_unfinished(t) &&
                        modified_of(&st) != t->seen) {
                        t->position.modified = t->seen;
                        t->seen = modified_of(&st);
                        return FILE_TAIL_REPLACED;
                }
                t->seen = modified_of(&st);
                if (n == 0)
                        return FILE_TAIL_END;
        }
}

void file_position_encode(const FilePosition *p, ByteWriter *w) {
        byte_writer_u64(w, p->device);
        byte_writer_u64(w, p->inode);
        byte_writer_u64(w, p->offset);
        byte_writer_u64(w, p->modified);
        byte_writer_text(w, span_make(p->head, p->head_size));
        byte_writer_text(w, span_make(p->before, p->before_size));
}

bool file_position_decode(FilePosition *p, ByteReader *r) {
        FilePosition made = {0};
        Span head, before;

        made.device = byte_reader_u64(r);
        made.inode = byte_reader_u64(r);
        made.offset = byte_reader_u64(r);
        made.modified = byte_reader_u64(r);
        head = byte_reader_text(r);
        before = byte_reader_text(r);
        if (r->failed || head.size > sizeof(made.head) || before.size > sizeof(made.before) ||
                before.size > made.offset || head.size > made.offset || made.offset > INT64_MAX ||
                (before.size > 0 && before.data[before.size - 1] != '\n'))
                return false;
        made.head_size = (uint32_t) head.size;
        made.before_size = (uint32_t) before.size;
        memcpy(made.head, head.data, head.size);
        memcpy(made.before, before.data, before.size);
        *p = made;
        return true;
}
