/* SPDX-License-Identifier: Apache-2.0 */
/* systemd-style INI. inih was tried and not taken: it cuts a value at " ;" and a line at 200 bytes, which
 * would silently change a regular expression. */

#include "basic/ini-file.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>

#include "basic/fd-util.h"

int ini_error_set(IniError *error, const IniPlace *place, int r, const char *format, ...) {
        va_list ap;
        int n;

        if (place->line > 0)
                n = snprintf(error->text, sizeof(error->text), "%s:%u: ", place->path, place->line);
        else
                n = snprintf(error->text, sizeof(error->text), "%s: ", place->path);
        n = MIN(MAX(n, 0), (int) sizeof(error->text) - 1);
        va_start(ap, format);
        (void) vsnprintf(error->text + n, sizeof(error->text) - (size_t) n, format, ap);
        va_end(ap);
        return r;
}

static char *trim(char *s) {
        size_t n;

        s += strspn(s, " \t\r");
        for (n = strlen(s); n > 0 && strchr(" \t\r", s[n - 1]); n--)
                ;
        s[n] = 0;
        return s;
}

/* One line, ended by NUL; `section` is changed by a section's head. */
static int parse_line(char *line, char **section, const IniPlace *place, IniHandler handler, void *userdata,
        IniError *reterr) {
        char *equals, *key, *value;

        line = trim(line);
        if (line[0] == 0 || line[0] == '#' || line[0] == ';')
                return 0;
        if (line[0] == '[') {
                size_t n = strlen(line);

                if (line[n - 1] != ']' || n < 3)
                        return ini_error_set(
                                reterr, place, -EBADMSG, "a section's head must look like [Name]");
                line[n - 1] = 0;
                *section = line + 1;
                return handler(userdata, place, *section, NULL, NULL, reterr);
        }
        equals = strchr(line, '=');
        if (!equals)
                return ini_error_set(reterr, place, -EBADMSG, "neither [Section], Key=value nor a comment");
        if (!*section)
                return ini_error_set(reterr, place, -EBADMSG, "an assignment before the first [Section]");
        *equals = 0;
        key = trim(line);
        value = trim(equals + 1);
        if (key[0] == 0)
                return ini_error_set(reterr, place, -EBADMSG, "no key before '='");
        return handler(userdata, place, *section, key, value, reterr);
}

int ini_file_parse(const char *path, IniHandler handler, void *userdata, IniError *reterr) {
        IniPlace place = {path, 0};
        _cleanup_free_ char *data = NULL;
        char *section = NULL, *line, *end;
        size_t size;
        int r;

        r = read_file(path, INI_FILE_MAX_BYTES, &data, &size);
        if (r < 0)
                return ini_error_set(reterr, &place, r, "cannot be read: %s", strerror(-r));
        for (line = data; line < data + size; line = end + 1) {
                place.line++;
                end = memchr(line, '\n', (size_t) (data + size - line));
                if (!end)
                        end = data + size;
                *end = 0;
                if (strlen(line) != (size_t) (end - line))
                        return ini_error_set(reterr, &place, -EBADMSG, "a NUL byte in the line");
                if ((size_t) (end - line) > INI_FILE_LINE_MAX_BYTES)
                        return ini_error_set(reterr, &place, -EBADMSG, "line longer than %zu bytes",
                                INI_FILE_LINE_MAX_BYTES);
                r = parse_line(line, &section, &place, handler, userdata, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int is_drop_in(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);

        return entry->d_name[0] != '.' && n > 5 && streq(entry->d_name + n - 5, ".conf");
}

static void free_entries(struct dirent **entries, int n) {
        for (int i = 0; i < n; i++)
                free(entries[i]);
        free(entries);
}

int ini_file_parse_directory(const char *directory, IniHandler handler, void *userdata, IniError *reterr) {
        IniPlace place = {directory, 0};
        struct dirent **entries;
        int n, r = 0;

        n = scandir(directory, &entries, is_drop_in, alphasort);
        if (n < 0) {
                r = -errno;
                return r == -ENOENT ? 0
                                    : ini_error_set(reterr, &place, r, "cannot be read: %s", strerror(-r));
        }
        for (int i = 0; i < n && r >= 0; i++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s", directory, entries[i]->d_name) < 0) {
                        path = NULL;
                        r = ini_error_set(reterr, &place, -ENOMEM, "out of memory");
                } else
                        r = ini_file_parse(path, handler, userdata, reterr);
        }
        free_entries(entries, n);
        return r;
}
