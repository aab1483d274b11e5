/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A directory of its own for published files, and a reader that does not wait. */

#include <stdio.h>
#include <time.h>

#include "cdb/relay-lookup.h"
#include "fuzz.h"

/* The reader waits for a writer; there is none. */
int nanosleep(_unused_ const struct timespec *request, _unused_ struct timespec *rest) {
        return 0;
}

static char base_path[64], delta_path[RELAY_PATH_BYTES];

static void remove_files(void) {
        (void) unlink(base_path);
        (void) unlink(delta_path);
        *strrchr(base_path, '/') = 0;
        (void) rmdir(base_path);
}

static void make_paths(void) {
        (void) snprintf(base_path, sizeof(base_path), "%s/authrelay-fuzz-XXXXXX",
                access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        MUST(mkdtemp(base_path) && atexit(remove_files) == 0);
        (void) strcat(base_path, "/relay.cdb");
        MUST(relay_delta_path(delta_path, base_path) >= 0);
}
