/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Base and delta that somebody has left in place: the daemon before us, or we, before it was found that they
 * are not to be gone on from. Until both are replaced, which are two renames, the delta is kept under a
 * second name beside them (.relay-delta.cdb.old): killed between the two, the daemon that comes next still
 * finds what belongs to the base. Logins that no log can tell again are nowhere else. */

#include <stdint.h>

#include "cdb/relay-lookup.h"

/* Finds the delta of the base at `path`: the one in place, or the one that was kept. Returns 1 and its path
 * in `ret`, which is that of the one in place, too, if base or delta is not there or has no generation:
 * whoever reads it learns why; 0: none belongs to the base; -errno when they can't be read now, -EINVAL or
 * -ENAMETOOLONG for a path that can't be. */
int left_pair_find_delta(const char *path, char ret[static RELAY_PATH_BYTES]);

/* The highest generation that stands in a file at `path` or its delta, so that a reader with an old one open
 * can see that a new one is not its own; 0: in none. Drops what was kept if it is not needed. */
uint64_t left_pair_take_over(const char *path);

/* Keeps the delta at `delta_path`, unless one is kept. Where links can't be made nothing is kept. */
void left_pair_keep(const char *delta_path);

/* Both files are in place. */
void left_pair_drop(const char *delta_path);
