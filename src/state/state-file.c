/* SPDX-License-Identifier: Apache-2.0 */
/* The state file: a magic line, then sections {name, size, checksum, bytes}. The checksum finds damage, not
 * malice: whoever can write to the state directory is the daemon's own user. */

#include "state/state-file.h"

#include <errno.h>

#include "basic/atomic-file.h"
#include "basic/fd-util.h"
#include "basic/hash-index.h"

static const char magic[] = "authrelay state 1\n";

static uint64_t checksum(const char *name, Span bytes) {
        static const uint64_t key[2] = {UINT64_C(0x6175746872656c61), UINT64_C(0x7920737461746520)};

        return siphash24(bytes.data, bytes.size, key) ^ siphash24(name, strlen(name), key);
}

int state_file_save(const char *path, const StateSection *sections, size_t n) {
        _cleanup_(atomic_file_done) AtomicFile file = ATOMIC_FILE_INIT;
        int r;

        r = atomic_file_open(&file, path, 0600);
        if (r < 0)
                return r;
        r = write_all(file.fd, magic, sizeof(magic) - 1);
        for (size_t i = 0; i < n && r >= 0; i++) {
                _cleanup_(byte_writer_done) ByteWriter head = BYTE_WRITER_INIT;

                byte_writer_text(&head, span_from_string(sections[i].name));
                byte_writer_u64(&head, sections[i].bytes.size);
                byte_writer_u64(&head, checksum(sections[i].name, sections[i].bytes));
                if (head.failed)
                        return -ENOMEM;
                r = write_all(file.fd, head.data, head.size);
                if (r >= 0)
                        r = write_all(file.fd, sections[i].bytes.data, sections[i].bytes.size);
        }
        if (r < 0)
                return r;
        return atomic_file_commit(&file);
}

int state_file_load(const char *path, StateSectionHandler handler, void *userdata) {
        _cleanup_free_ char *data = NULL;
        ByteReader reader;
        size_t size;
        int r;

        r = read_file(path, STATE_FILE_MAX_BYTES, &data, &size);
        if (r < 0)
                return r;
        if (size < sizeof(magic) - 1 || memcmp(data, magic, sizeof(magic) - 1) != 0)
                return -EBADMSG;
        reader = BYTE_READER(span_skip(span_make(data, size), sizeof(magic) - 1));
        for (unsigned i = 0; reader.rest.size > 0 && i < STATE_FILE_SECTIONS_MAX; i++) {
                Span text = byte_reader_text(&reader), bytes;
                uint64_t length = byte_reader_u64(&reader), sum = byte_reader_u64(&reader);
                char name[256];

                if (reader.failed || text.size >= sizeof(name) || length > reader.rest.size) {
                        handler(userdata, "", SPAN_NONE, true);
                        return 0;
                }
                memcpy(name, text.data, text.size);
                name[text.size] = 0;
                bytes = span_make(reader.rest.data, length);
                reader.rest = span_skip(reader.rest, length);
                if (checksum(name, bytes) == sum)
                        handler(userdata, name, bytes, false);
                else
                        handler(userdata, name, SPAN_NONE, true);
        }
        return 0;
}
