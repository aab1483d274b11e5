/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* fork(2) fails when a test says so; it must be linked with --wrap=fork. */

#include <errno.h>
#include <unistd.h>

static int fork_error; /* 0: it forks */

pid_t __real_fork(void);
pid_t __wrap_fork(void);

pid_t __wrap_fork(void) {
        if (fork_error == 0)
                return __real_fork();
        errno = fork_error;
        return -1;
}
