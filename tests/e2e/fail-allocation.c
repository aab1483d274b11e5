/* SPDX-License-Identifier: Apache-2.0 */
/* fail-allocation: for LD_PRELOAD. While it is armed, the first allocation whose call stack is not known yet
 * fails, and disarms it: so each way to an allocation fails once, over as many runs as it takes. What is
 * known stands in the file $FAIL_ALLOCATION, which tests/e2e/allocations maps, too. */

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KNOWN_MAX 32768u
#define FRAMES_MAX 48
#define MODULES_MAX 64

/* the file; struct.unpack() of tests/e2e/allocations goes by it */
typedef struct Control {
        _Atomic uint32_t armed;
        uint32_t n_known, n_frames, reserved;
        struct {
                char module[24];
                uint64_t offset;
        } frames[FRAMES_MAX]; /* of the last one that failed */
        uint64_t known[KNOWN_MAX];
} Control;

typedef struct Module {
        uintptr_t start, end;
        char name[24];
} Module;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static Control *control;
static Module modules[MODULES_MAX];
static size_t n_modules;
static pid_t owner; /* a child that the publisher forks is not the daemon */
static _Thread_local bool busy;

static uint64_t hash(uint64_t h, const void *data, size_t n) {
        for (size_t i = 0; i < n; i++)
                h = (h ^ ((const unsigned char *) data)[i]) * UINT64_C(1099511628211);
        return h;
}

static int on_module(struct dl_phdr_info *info, size_t size, void *userdata) {
        Module m = {.start = UINTPTR_MAX};
        const char *slash = strrchr(info->dlpi_name, '/'), *name = slash ? slash + 1 : info->dlpi_name;

        (void) size;
        (void) userdata;
        for (int i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *p = &info->dlpi_phdr[i];
                uintptr_t start = info->dlpi_addr + p->p_vaddr;

                if (p->p_type != PT_LOAD)
                        continue;
                if (start < m.start)
                        m.start = start;
                if (start + p->p_memsz > m.end)
                        m.end = start + p->p_memsz;
        }
        strncpy(m.name, name, sizeof(m.name) - 1);
        if (n_modules < MODULES_MAX)
                modules[n_modules++] = m;
        return 0;
}

static const Module *module_of(uintptr_t address) {
        for (int again = 0; again < 2; again++) {
                for (size_t i = 0; i < n_modules; i++)
                        if (address >= modules[i].start && address < modules[i].end)
                                return &modules[i];
                n_modules = 0;
                (void) dl_iterate_phdr(on_module, NULL);
        }
        return NULL;
}

/* Whether this one is to fail. */
static bool is_new(void) {
        void *frames[FRAMES_MAX];
        uint64_t h = 1;
        int n = backtrace(frames, FRAMES_MAX);
        uint32_t at;

        for (int i = 2; i < n; i++) { /* without this file's own */
                const Module *m = module_of((uintptr_t) frames[i]);

                memset(control->frames[i - 2].module, 0, sizeof(m->name));
                if (m)
                        memcpy(control->frames[i - 2].module, m->name, sizeof(m->name));
                control->frames[i - 2].offset = m ? (uintptr_t) frames[i] - m->start : 0;
                h = hash(h, &control->frames[i - 2], sizeof(control->frames[0]));
        }
        control->n_frames = n > 2 ? (uint32_t) n - 2 : 0;
        for (at = (uint32_t) (h % KNOWN_MAX); control->known[at] != 0; at = (at + 1) % KNOWN_MAX)
                if (control->known[at] == h)
                        return false;
        if (control->n_known >= KNOWN_MAX / 2)
                return false;
        control->known[at] = h;
        control->n_known++;
        atomic_store(&control->armed, 0);
        return true;
}

static bool fails(void) {
        bool result;

        if (!control || busy || !atomic_load(&control->armed))
                return false;
        busy = true;
        result = getpid() == owner && is_new();
        busy = false;
        if (result)
                errno = ENOMEM;
        return result;
}

__attribute__((constructor)) static void start(void) {
        const char *path = getenv("FAIL_ALLOCATION");
        void *frames[2];
        Control *mapped;
        int fd;

        if (!path || (fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
                return;
        mapped = mmap(NULL, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        (void) close(fd);
        (void) backtrace(frames, 2); /* loads its library, which allocates */
        owner = getpid();
        if (mapped != MAP_FAILED)
                control = mapped;
}

__attribute__((visibility("default"))) void *malloc(size_t size) {
        return fails() ? NULL : __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t size) {
        return fails() ? NULL : __libc_calloc(n, size);
}

__attribute__((visibility("default"))) void *realloc(void *p, size_t size) {
        return fails() ? NULL : __libc_realloc(p, size);
}
