/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Opening what is to be imported: a file, a directory, a constant database or the standard input. */

#include "ctl/import-parse.h"

/* No table of a predecessor that worked was larger. */
#define IMPORT_FILE_MAX_BYTES ((size_t) 64 * 1024 * 1024)

/* Reads all of `path` ("-": the standard input). Logins without a time get the one at which the file was
 * changed last, since whoever was in it then had logged in before; those of a pipe get `now`, in seconds.
 * Sets *ret_undated to true if there were any. Returns 0, what the handler returned, or -errno; what is no
 * handler's failure is logged. */
int import_read(ImportFormat format, const char *path, uint64_t now, ImportHandler handler, void *userdata,
        bool *ret_undated);
