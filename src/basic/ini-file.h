/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* systemd-style INI: [Section], Key=value, comments at the start of a line. A value is the rest of its line,
 * taken literally: no quoting, no continuation lines, nothing cut at a ';'. Sections and keys may repeat,
 * and everything is delivered in the order in which it stands. */

#include <stdio.h>

#include "basic/macro.h"

/* The longest line and the largest file that are read; a mail server's whole configuration is far smaller.
 */
#define INI_FILE_LINE_MAX_BYTES ((size_t) 16 * 1024)
#define INI_FILE_MAX_BYTES ((size_t) 1024 * 1024)

/* Where an assignment stands, and room to say what is wrong with it. */
typedef struct IniPlace {
        const char *path;
        unsigned line;
} IniPlace;

/* A text that says what is wrong and where, "file:line: reason"; "" when nothing is. */
typedef struct IniError {
        char text[512];
} IniError;

/* Called for a section's head (key and value NULL) and for each assignment in it. All strings are borrowed
 * for the call. Returns 0 to go on, or a negative errno after it has filled `error`, which ends the reading.
 */
typedef int (*IniHandler)(void *userdata, const IniPlace *place, const char *section, const char *key,
        const char *value, IniError *error);

/* Reads one file. Returns 0; -ENOENT and the like when it can't be read, -EBADMSG for bad syntax, or what
 * the handler returned; for each of them `reterr` has the text. */
int ini_file_parse(const char *path, IniHandler handler, void *userdata, IniError *reterr);

/* Reads all `*.conf` of a drop-in directory in the order of their names; a directory that is not there is an
 * empty one. Returns as ini_file_parse(). */
int ini_file_parse_directory(const char *directory, IniHandler handler, void *userdata, IniError *reterr);

/* Writes "file:line: reason" into `error`. Returns r. */
int ini_error_set(IniError *error, const IniPlace *place, int r, const char *format, ...) _printf_(4, 5);
