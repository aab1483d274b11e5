/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Users of this host. */

#include <sys/types.h>

#include "basic/macro.h"

/* Finds the uid of a user by name; may wait for a directory server. Returns 0, -ENOENT when there is no such
 * user, or -errno when that can't be found out. */
int user_find(const char *name, uid_t *ret);
