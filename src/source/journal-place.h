/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The directories that a journal's files are in. libsystemd watches those that were there when it opened the
 * journal; one that comes later, or comes back as another one, it never sees. */

#include <systemd/sd-event.h>

#include "basic/macro.h"
#include "source/path-watch.h"

typedef struct JournalPlace JournalPlace;

/* The place of the journal in `directory`, or (NULL) of this machine's, by its id, in a namespace or (NULL)
 * without one. `handler` is called from the event loop when something may have changed. Returns 0 or -errno.
 */
int journal_place_new(sd_event *event, const char *directory, const char *journal_namespace,
        const char *machine, PathWatchHandler handler, void *userdata, JournalPlace **ret);
JournalPlace *journal_place_free(JournalPlace *p);

DEFINE_CLEANUP(JournalPlace *, journal_place_free)

/* Looks. True if one of the directories has come, has gone or is another one than at the last look. */
bool journal_place_has_changed(JournalPlace *p);
