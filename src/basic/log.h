/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One line to standard error for one failure. Under systemd the line begins with <N>, as sd-daemon(3) has
 * it, so that the journal knows its priority; elsewhere it begins with the program's name. */

#include <syslog.h>

#include "basic/span.h"

/* Priorities above this one are not written; LOG_INFO at first. */
void log_set_max_level(int priority);
int log_max_level(void);

/* Whether standard error is the journal: JOURNAL_STREAM, systemd.exec(5), names its device and inode. The
 * variable alone is inherited by whatever a service starts. */
bool log_is_journal(void);

/* Has each line begin with the program's name in the journal, too, where it otherwise has the name of
 * whatever was started first in an exec chain. */
void log_set_always_named(void);

/* For a daemon: lines that nobody reads (standard error is a pipe that is full, poll(2)) are left out, and
 * counted in the next one that is written, so that whoever keeps the log can't stop it. */
void log_set_never_waits(void);

/* Writes a line. `priority` is LOG_ERR … LOG_DEBUG of syslog(3). Control bytes in the text are written as
 * '?', and what goes beyond 2 kB is cut. */
void log_line(int priority, const char *format, ...) _printf_(2, 3);

/* The same with ": " and the text of `error`, a negative errno. Returns `error`, so that a failing function
 * can end in `return log_errno(LOG_ERR, r, …)`. */
int log_errno(int priority, int error, const char *format, ...) _printf_(3, 4);

#define log_error(...) log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                                                      \
        do {                                                                                                \
                if (log_max_level() >= LOG_DEBUG)                                                           \
                        log_line(LOG_DEBUG, __VA_ARGS__);                                                   \
        } while (0)

/* Room for an untrusted text made printable. */
#define LOG_TEXT_BYTES 256

/* Makes untrusted bytes fit for a log line or a terminal: what is not printable ASCII and every backslash
 * becomes \xHH; a text that does not fit ends in "...". Returns buf. */
const char *log_text(char buf[static LOG_TEXT_BYTES], Span text);
