/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The file source: follows one log through every kind of rotation. */

#include "source/line-record.h"
#include "source/source.h"

/* Makes a source that follows `path`. `heads` are the forms of line heads to try, copied; `zone` is the time
 * zone of stamps that have none (NULL: the host's own). Nothing is opened before source_attach(). Without a
 * position a log is read from its start; later stamps than its reading do not exist and old ones are the
 * manager's to judge. Returns 0 or -ENOMEM. */
int source_file_new(
        const char *path, const LineHeads *heads, const char *zone, const SourceSink *sink, Source **ret);
