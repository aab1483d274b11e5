/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Has a child process write a file out of the memory as it is now, while the loop goes on. */

#include <systemd/sd-event.h>

#include "basic/time-util.h"

/* What is to be written. */
typedef struct ForkedJob {
        int fd; /* the only descriptor but the standard ones that the child keeps; -1: none */

        /* Run in the child, which has a copy of the memory, no event loop, and nobody who would free what it
         * allocates. Returns 0 or -errno, and in *ret_value whatever `done` is to be told. */
        int (*write)(void *what, uint64_t *ret_value);
        void *what; /* need not last longer than the call that starts it */

        /* Called from the loop when the child has ended, with what `write` returned, or -EIO when it has
         * died; `cpu` is the time that it was computing. It may start the next one. */
        void (*done)(void *userdata, int r, uint64_t value, usec_t cpu);
        void *userdata;
} ForkedJob;

typedef struct ForkedWriter {
        pid_t child; /* 0: none */
        int result_fd;
        struct {
                uint64_t value;
                int32_t error;
                uint32_t is_said;
        } result;
        sd_event_source *io;
        ForkedJob job;
} ForkedWriter;

#define FORKED_WRITER_INIT ((ForkedWriter){.result_fd = -1})

/* Forks; there must be no child yet. The job is copied, the writer must stay where it is, and SIGCHLD must
 * not be ignored. Returns 0 or -errno, and then nothing is written. */
int forked_writer_start(ForkedWriter *w, sd_event *event, const ForkedJob *job);

static inline bool forked_writer_is_busy(const ForkedWriter *w) {
        return w->child > 0;
}

/* Ends the child, if there is one, and waits until it is gone; `done` is not called. */
void forked_writer_stop(ForkedWriter *w);
