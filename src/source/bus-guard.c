/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a page of zeros in the place of one that can't be read, as systemd's own programs do. Whoever reads
 * on finds nothing that makes sense, and unmaps it some time. Only system calls here: it runs in the midst
 * of whatever touched the page. */

#include "source/bus-guard.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile sig_atomic_t happened;
static uintptr_t page_size; /* a power of two; set before the handler can run */

static void on_bus_error(int signal, siginfo_t *info, void *context) {
        (void) context;
        if (info->si_code == BUS_ADRERR) {
                char *page = (char *) info->si_addr - ((uintptr_t) info->si_addr & (page_size - 1));
                void *zeros =
                        mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

                if (zeros == page) {
                        happened = 1;
                        return;
                }
        }
        /* it comes as soon as this returns, and ends the process */
        (void) sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        (void) raise(signal);
}

void bus_guard_install(void) {
        struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

        page_size = (uintptr_t) sysconf(_SC_PAGESIZE);
        (void) sigaction(SIGBUS, &action, NULL);
}

bool bus_guard_has_happened(void) {
        return happened != 0;
}

bool bus_guard_take(void) {
        bool r = happened != 0;

        happened = 0;
        return r;
}
