/* SPDX-License-Identifier: Apache-2.0 */
/* The state file: a magic line, sections {name, size, checksum, bytes}, and a last one of the name "end"
 * that holds the number of the others: without it a file that was cut short between two sections would look
 * whole, and what is missing as if it had never been. The checksum finds damage, not malice: whoever can
 * write to the state directory is the daemon's own user, and a file of somebody else's is not read. */

#include "state/state-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/atomic-file.h"
#include "basic/fd-util.h"
#include "basic/hash-index.h"

#define END_NAME "end"

static const char magic[] = "authrelay state 2\n";

static uint64_t checksum(const char *name, Span bytes) {
        static const uint64_t key[2] = {UINT64_C(0x6175746872656c61), UINT64_C(0x7920737461746520)};

        return siphash24(bytes.data, bytes.size, key) ^ siphash24(name, strlen(name), key);
}

/* ---- saving ---- */

static int write_section(int fd, const StateSection *section) {
        _cleanup_(byte_writer_done) ByteWriter head = BYTE_WRITER_INIT;
        int r;

        byte_writer_text(&head, span_from_string(section->name));
        byte_writer_u64(&head, section->bytes.size);
        byte_writer_u64(&head, checksum(section->name, section->bytes));
        if (head.failed)
                return -ENOMEM;
        r = write_all(fd, head.data, head.size);
        return r < 0 ? r : write_all(fd, section->bytes.data, section->bytes.size);
}

int state_file_save(const char *path, const StateSection *sections, size_t n) {
        _cleanup_(atomic_file_done) AtomicFile file = ATOMIC_FILE_INIT;
        _cleanup_(byte_writer_done) ByteWriter count = BYTE_WRITER_INIT;
        int r;

        assert(n <= STATE_FILE_SECTIONS_MAX);
        byte_writer_u32(&count, (uint32_t) n);
        if (count.failed)
                return -ENOMEM;
        r = atomic_file_open(&file, path, 0600);
        if (r >= 0)
                r = write_all(file.fd, magic, sizeof(magic) - 1);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = write_section(file.fd, &sections[i]);
        if (r >= 0)
                r = write_section(file.fd, &(StateSection){END_NAME, span_make(count.data, count.size)});
        return r < 0 ? r : atomic_file_commit(&file);
}

/* ---- loading ---- */

static int refuse(const char **ret_reason, int r, const char *reason) {
        *ret_reason = reason;
        return r;
}

/* Opens the file if it is one that we could have written. Returns a descriptor or -errno. */
static int open_own(const char *path, size_t *ret_size, const char **ret_reason) {
        /* O_NONBLOCK: a FIFO must not hold us */
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
        struct stat st;
        int opened;

        if (fd < 0 && errno == ELOOP)
                return refuse(ret_reason, -ELOOP, "it is a symbolic link");
        if (fd < 0 || fstat(fd, &st) < 0)
                return refuse(ret_reason, -errno, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return refuse(ret_reason, -EINVAL, "it is no regular file");
        if (st.st_uid != geteuid() && st.st_uid != 0)
                return refuse(ret_reason, -EPERM, "it belongs to another user");
        if (st.st_mode & (S_IWGRP | S_IWOTH))
                return refuse(ret_reason, -EPERM, "others may write to it");
        if (st.st_size > (off_t) STATE_FILE_MAX_BYTES)
                return refuse(ret_reason, -EFBIG, "it is larger than 1 GiB");
        *ret_size = (size_t) st.st_size;
        opened = fd;
        fd = -1;
        return opened;
}

/* Reads what follows the magic line. */
static int read_sections(const char *path, char **ret_data, size_t *ret_size, const char **ret_reason) {
        char head[sizeof(magic) - 1];
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *data = NULL;
        size_t size = 0;
        ssize_t k;

        fd = open_own(path, &size, ret_reason);
        if (fd < 0)
                return fd;
        k = read_up_to(fd, head, sizeof(head));
        if (k < 0)
                return refuse(ret_reason, (int) k, strerror((int) -k));
        if (k < (ssize_t) sizeof(head) || memcmp(head, magic, sizeof(head)) != 0)
                return refuse(ret_reason, -EBADMSG, "it is not a saved state of this version");
        size -= sizeof(head);
        data = malloc(size + 1);
        if (!data)
                return refuse(ret_reason, -ENOMEM, strerror(ENOMEM));
        k = read_up_to(fd, data, size);
        if (k < 0)
                return refuse(ret_reason, (int) k, strerror((int) -k));
        *ret_data = TAKE_PTR(data);
        *ret_size = (size_t) k;
        return 0;
}

/* Takes one section out. Returns false when the framing is damaged. */
static bool take_section(ByteReader *reader, char name[static STATE_FILE_NAME_MAX_BYTES + 1],
        Span *ret_bytes, bool *ret_whole) {
        Span text = byte_reader_text(reader);
        uint64_t length = byte_reader_u64(reader), sum = byte_reader_u64(reader);

        if (reader->failed || text.size == 0 || text.size > STATE_FILE_NAME_MAX_BYTES ||
                length > reader->rest.size || memchr(text.data, 0, text.size))
                return false;
        memcpy(name, text.data, text.size);
        name[text.size] = 0;
        *ret_bytes = span_make(reader->rest.data, length);
        reader->rest = span_skip(reader->rest, length);
        *ret_whole = checksum(name, *ret_bytes) == sum;
        return true;
}

static bool is_end(Span bytes, unsigned n, Span rest) {
        ByteReader count = BYTE_READER(bytes);

        return byte_reader_u32(&count) == n && byte_reader_complete(&count) && rest.size == 0;
}

void state_file_parse(Span sections, StateSectionHandler handler, void *userdata) {
        ByteReader reader = BYTE_READER(sections);

        for (unsigned n = 0; n <= STATE_FILE_SECTIONS_MAX; n++) {
                char name[STATE_FILE_NAME_MAX_BYTES + 1];
                Span bytes;
                bool whole;

                if (!take_section(&reader, name, &bytes, &whole))
                        break;
                if (whole && streq(name, END_NAME)) {
                        if (is_end(bytes, n, reader.rest))
                                return;
                        break;
                }
                handler(userdata, name, whole ? bytes : SPAN_NONE, whole ? NULL : "its checksum is wrong");
        }
        handler(userdata, "", SPAN_NONE, "the file is cut short, or its framing is damaged");
}

int state_file_load(const char *path, StateSectionHandler handler, void *userdata, const char **ret_reason) {
        _cleanup_free_ char *data = NULL;
        size_t size = 0;
        int r = read_sections(path, &data, &size, ret_reason);

        if (r >= 0)
                state_file_parse(span_make(data, size), handler, userdata);
        return r;
}
