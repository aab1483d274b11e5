/* SPDX-License-Identifier: Apache-2.0 */
/* Opening what is to be imported. The files may be writable to others (relay-ctrl's directory is, by its own
 * instructions, to everybody), so nothing is followed, waited for or read without end; that whoever may
 * write there could always make himself a relay client is the predecessor's property, and is told in the
 * manual. */

#include "ctl/import-read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/log.h"
#include "cdb/cdb-file.h"

/* relay-ctrl-check reads as much of one of its files. */
#define CLIENT_FILE_MAX_BYTES 8192
/* Longer ones the daemon does not take. */
#define USER_MAX_BYTES 1024

typedef struct Reading {
        ImportFormat format;
        ImportHandler handler;
        void *userdata;
        uint64_t time; /* of logins that have none */
        bool undated;
        bool failed_inside; /* the handler did */
        unsigned n;
} Reading;

static int on_entry(void *userdata, const ImportEntry *entry) {
        Reading *reading = userdata;
        ImportEntry e = *entry;
        int r;

        if (e.kind == IMPORT_LOGIN && e.time == 0) {
                e.time = reading->time;
                reading->undated = true;
        }
        r = reading->handler(reading->userdata, &e);
        reading->failed_inside = r < 0;
        return r;
}

/* ---- relay-ctrl's directory ---- */

/* The value of NAME= among texts that end in NUL each; empty if it is not there. */
static Span find_variable(Span s, const char *name) {
        size_t length = strlen(name);

        while (s.size > 0) {
                size_t n = strnlen(s.data, s.size);

                if (n == s.size)
                        break;
                if (n > length && strncmp(s.data, name, length) == 0 && s.data[length] == '=')
                        return span_make(s.data + length + 1, n - length - 1);
                s = span_skip(s, n + 1);
        }
        return SPAN_NONE;
}

/* relay-ctrl-allow writes USER= and DOMAIN= if the server has set them. */
static Span read_user(int fd, char buf[static 2 * CLIENT_FILE_MAX_BYTES]) {
        char text[CLIENT_FILE_MAX_BYTES];
        ssize_t n = read(fd, text, sizeof(text));
        Span all = n > 0 ? span_make(text, (size_t) n) : SPAN_NONE, user = find_variable(all, "USER"),
             domain = find_variable(all, "DOMAIN");
        bool has_domain = user.size > 0 && domain.size > 0 && !memchr(user.data, '@', user.size);
        int k = snprintf(buf, 2 * CLIENT_FILE_MAX_BYTES, "%.*s%s%.*s", (int) user.size, strempty(user.data),
                has_domain ? "@" : "", has_domain ? (int) domain.size : 0, strempty(domain.data));

        return span_make(buf, (size_t) k);
}

/* A file named after an address: its client has logged in when it was written. */
static int read_client(Reading *reading, int directory, const char *name) {
        _cleanup_close_ int fd =
                openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
        char user[2 * CLIENT_FILE_MAX_BYTES];
        ImportEntry e = {.kind = IMPORT_REFUSED, .text = span_from_string(name)};
        struct stat st;
        IpAddr address;

        if (fd < 0 && errno == ENOENT)
                return 0; /* relay-ctrl-age was faster */
        if (fd < 0 || fstat(fd, &st) < 0)
                e.reason = strerror(errno);
        else if (ip_addr_parse(e.text, &address) < 0)
                e.reason = "its name is not an address";
        else if (!S_ISREG(st.st_mode))
                e.reason = "it is not a file";
        else {
                e.kind = IMPORT_LOGIN;
                e.network = ip_network_of(&address, 128);
                e.time = (uint64_t) MAX(st.st_mtime, 1);
                e.user = read_user(fd, user);
                if (e.user.size > USER_MAX_BYTES) {
                        e.kind = IMPORT_REFUSED;
                        e.reason = "its user's name is too long";
                }
        }
        return on_entry(reading, &e);
}

static int read_directory(Reading *reading, const char *path) {
        DIR *d = opendir(path);
        int r = 0;

        if (!d)
                return -errno;
        while (r >= 0) {
                struct dirent *entry;

                errno = 0;
                entry = readdir(d);
                if (!entry) {
                        r = -errno;
                        break;
                }
                /* what begins with a dot is a file of relay-ctrl-allow's that is not complete */
                if (entry->d_name[0] != '.')
                        r = read_client(reading, dirfd(d), entry->d_name);
        }
        (void) closedir(d);
        return r;
}

/* ---- files ---- */

static int on_record(void *userdata, Span key, Span value) {
        Reading *reading = userdata;

        return import_parse_record(reading->format, ++reading->n, key, value, on_entry, reading);
}

/* pop-before-smtp writes one when it is told to use CDB_File or tcprules. */
static int read_cdb(Reading *reading, const char *path) {
        _cleanup_(cdb_file_close) CdbFile f = CDB_FILE_INIT;
        int r = cdb_file_open(&f, path);

        return r < 0 ? r : cdb_file_each(&f, on_record, reading);
}

/* A table that only a library can read; the commands that print it are known. */
static int refuse_database(ImportFormat format, const char *path, const char *kind) {
        const char *name = import_format_to_string(format);
        size_t n = strlen(path);

        if (strncmp(kind, "Berkeley", 8) != 0)
                log_error(
                        "%s: a %s file, which authrelayctl cannot read: give it lines of ADDRESS and VALUE",
                        path, kind);
        else {
                if (n > 3 && streq(path + n - 3, ".db"))
                        n -= 3;
                log_error("%s: a %s file, which authrelayctl cannot read; try: db_dump -p %s | authrelayctl "
                          "import %s - (or Postfix's: postmap -s %s:%.*s | authrelayctl import %s -)",
                        path, kind, path, name, strstr(kind, "btree") ? "btree" : "hash", (int) n, path,
                        name);
        }
        return -EBADMSG;
}

static int read_text(Reading *reading, const char *path) {
        bool is_stdin = streq(path, "-"),
             is_table = !import_format_is_static(reading->format) && reading->format != IMPORT_VPOPMAIL;
        _cleanup_free_ char *data = NULL;
        const char *kind;
        struct stat st;
        size_t size;
        int r;

        if ((is_stdin ? fstat(STDIN_FILENO, &st) : stat(path, &st)) < 0)
                return log_errno(LOG_ERR, -errno, "cannot read %s", path);
        if (S_ISREG(st.st_mode))
                reading->time = (uint64_t) MAX(st.st_mtime, 1);
        r = read_file(is_stdin ? "/dev/stdin" : path, IMPORT_FILE_MAX_BYTES, &data, &size);
        if (r < 0)
                return log_errno(LOG_ERR, r, "cannot read %s", path);
        kind = import_database_kind(span_make(data, size));
        if (kind)
                return refuse_database(reading->format, path, kind);
        if (memchr(data, 0, size)) {
                r = is_table && !is_stdin ? read_cdb(reading, path) : -EBADMSG;
                if (r == -EBADMSG)
                        log_error("%s: not a text%s", path,
                                reading->format == IMPORT_TCPRULES
                                        ? ": import what tcprules makes its file of, not the file"
                                        : "");
                else if (r < 0 && !reading->failed_inside)
                        log_errno(LOG_ERR, r, "cannot read %s", path);
                return r;
        }
        return import_parse(reading->format, span_make(data, size), on_entry, reading);
}

int import_read(ImportFormat format, const char *path, uint64_t now, ImportHandler handler, void *userdata,
        bool *ret_undated) {
        Reading reading = {.format = format, .handler = handler, .userdata = userdata, .time = now};
        int r;

        if (format == IMPORT_RELAY_CTRL) {
                r = read_directory(&reading, path);
                if (r < 0 && !reading.failed_inside)
                        log_errno(LOG_ERR, r, "cannot read %s", path);
        } else
                r = read_text(&reading, path);
        *ret_undated = reading.undated;
        return r;
}
