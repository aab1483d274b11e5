/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The FIFO source: lines that a syslog daemon writes to a named pipe. */

#include "source/line-record.h"
#include "source/source.h"

/* Makes a source that reads the FIFO at `path`. `fd` is that FIFO, open for reading and writing and owned by
 * the source from now on, as systemd passes it; with -1 source_attach() opens it, and makes it, mode 0600,
 * if nothing is there, and so does the source whenever something else is at its place. `heads` is copied;
 * `place` ("FILE:LINE", copied) is what complaints begin with.
 *
 * The source is in trouble, and nothing is read, while the FIFO can't be opened or should not be: it is
 * something else or a symbolic link, everybody may write to it, or (unless it was passed) it belongs to
 * neither root nor this user.
 *
 * A record's time is the earlier of its reading and its stamp, which is in `zone` (NULL: the host's) if it
 * does not say so itself. What was not read is in the FIFO as long as somebody holds it open; there is no
 * position. Returns 0 or -ENOMEM; then fd is closed, too. */
int source_fifo_new(const char *path, int fd, const LineHeads *heads, const char *zone, const char *place,
        const SourceSink *sink, Source **ret);

/* The FIFO's descriptor, borrowed; -1: it is not open. */
int source_fifo_descriptor(const Source *s);
