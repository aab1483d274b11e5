/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines to standard error. Rooms do not log above debug; daemon/, ctl/ and chain/ do, at the place where
 * it is decided whether to go on. Structured journal entries are publish/event-log.c's business. */

#include "basic/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int max_level = LOG_INFO;
static bool always_named = false, never_waits = false;
static unsigned left_out; /* lines, since the last one that was written */

void log_set_max_level(int priority) {
        max_level = priority;
}

void log_set_always_named(void) {
        always_named = true;
}

void log_set_never_waits(void) {
        never_waits = true;
}

int log_max_level(void) {
        return max_level;
}

bool log_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        char wanted[48];
        struct stat st;

        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;
        (void) snprintf(wanted, sizeof(wanted), "%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino);
        return streq(stream, wanted);
}

/* A pipe that has any has enough for a line (PIPE_BUF, pipe(7)). */
static bool has_room(void) {
        struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

        return poll(&fd, 1, 0) != 0;
}

static _printf_(3, 0) void write_line(int priority, int error, const char *format, va_list ap) {
        static int under_journal = -1;
        char line[2048];
        size_t n = 0, start;
        int k;

        if (priority > max_level)
                return;
        if (under_journal < 0)
                under_journal = log_is_journal();
        if (under_journal)
                n = (size_t) snprintf(line, sizeof(line), "<%d>", priority);
        if (!under_journal || always_named)
                n += (size_t) snprintf(line + n, sizeof(line) - n, "%s: ", program_invocation_short_name);
        if (left_out > 0)
                n += (size_t) snprintf(
                        line + n, sizeof(line) - n, "(%u lines that nobody read are left out) ", left_out);
        n = start = MIN(n, sizeof(line) - 2);
        k = vsnprintf(line + n, sizeof(line) - 1 - n, format, ap);
        n = MIN(n + (size_t) MAX(k, 0), sizeof(line) - 2);
        if (error != 0) {
                k = snprintf(line + n, sizeof(line) - 1 - n, ": %s", strerror(-error));
                n = MIN(n + (size_t) MAX(k, 0), sizeof(line) - 2);
        }
        for (size_t i = start; i < n; i++)
                if ((unsigned char) line[i] < 0x20 || line[i] == 0x7f)
                        line[i] = '?';
        line[n++] = '\n';
        if (never_waits && !has_room()) {
                left_out++;
                return;
        }
        left_out = 0;
        (void) !write(STDERR_FILENO, line, n);
}

void log_line(int priority, const char *format, ...) {
        int saved = errno;
        va_list ap;

        va_start(ap, format);
        write_line(priority, 0, format, ap);
        va_end(ap);
        errno = saved;
}

int log_errno(int priority, int error, const char *format, ...) {
        int saved = errno;
        va_list ap;

        va_start(ap, format);
        write_line(priority, error, format, ap);
        va_end(ap);
        errno = saved;
        return error;
}

const char *log_text(char buf[static LOG_TEXT_BYTES], Span text) {
        size_t n = 0;

        for (size_t i = 0; i < text.size; i++) {
                unsigned char c = (unsigned char) text.data[i];
                bool plain = c >= 0x20 && c < 0x7f && c != '\\';

                if (n + (plain ? 1 : 4) + 4 > LOG_TEXT_BYTES) {
                        memcpy(buf + n, "...", 3);
                        n += 3;
                        break;
                }
                if (plain)
                        buf[n++] = (char) c;
                else
                        n += (size_t) snprintf(buf + n, 5, "\\x%02x", c);
        }
        buf[n] = 0;
        return buf;
}
