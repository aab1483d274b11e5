/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* SIGBUS: what is behind a mapped file has gone, because it was cut short or its disk can't be read.
 * libsystemd maps the journal's files, and the daemon must not die of it. */

#include <stdbool.h>

/* From now on a page of a mapped file that can't be read is one of zeros instead. For the whole process; may
 * be called again. A SIGBUS of another kind still ends it. */
void bus_guard_install(void);

/* True if that has happened since bus_guard_take() was last called. */
bool bus_guard_has_happened(void);
bool bus_guard_take(void);
