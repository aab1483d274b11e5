/* SPDX-License-Identifier: Apache-2.0 */
/* The bar. It is redrawn ten times a second at most, and gone when the work is done. */

#include "ctl/progress.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is read before anybody looks at the screen. */
#define LARGE_BYTES (UINT64_C(64) * 1024 * 1024)
#define REDRAW_USEC (100 * USEC_PER_MSEC)
#define WIDTH 40

void progress_init(Progress *p, int fd, bool wanted) {
        struct stat st;

        *p = (Progress){0};
        if (fstat(fd, &st) >= 0 && S_ISREG(st.st_mode))
                p->size = (uint64_t) st.st_size;
        if (!wanted || p->size < LARGE_BYTES || !isatty(STDERR_FILENO))
                return;
        p->visible = true;
        p->started = p->shown = time_now();
}

bool progress_is_bounded(const Progress *p) {
        return p->size > 0;
}

static void draw(const Progress *p, usec_t now) {
        uint64_t done = MIN(p->done, p->size), filled = done * WIDTH / p->size;
        char left[TIME_TEXT_BYTES];

        (void) fprintf(stderr, "\r[%.*s%*s] %3u%%", (int) filled, "########################################",
                (int) (WIDTH - filled), "", (unsigned) (done * 100 / p->size));
        if (done > 0 && now > p->started + USEC_PER_SEC)
                (void) fprintf(stderr, ", %s left\x1b[K",
                        time_span_format(
                                left, (now - p->started) / (done / 4096 + 1) * ((p->size - done) / 4096)));
}

void progress_add(Progress *p, size_t n) {
        usec_t now;

        p->done += n;
        if (!p->visible)
                return;
        now = time_now();
        if (now - p->shown < REDRAW_USEC)
                return;
        p->shown = now;
        draw(p, now);
}

void progress_done(Progress *p) {
        if (p->visible)
                (void) fprintf(stderr, "\r\x1b[K");
}
