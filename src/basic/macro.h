/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The few language helpers used everywhere: clean-up by scope, ownership hand-over, small arithmetic. */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _noreturn_ __attribute__((noreturn))
#define _unused_ __attribute__((unused))

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Hands over ownership: the value of p, which is NULL afterwards. */
#define TAKE_PTR(p)                                                                                         \
        ({                                                                                                  \
                typeof(p) _taken = (p);                                                                     \
                (p) = NULL;                                                                                 \
                _taken;                                                                                     \
        })

/* A clean-up function for `_cleanup_` out of one that takes the pointer itself. */
#define DEFINE_CLEANUP(type, func)                                                                          \
        static inline void func##p(type *p) {                                                               \
                if (*p)                                                                                     \
                        (void) func(*p);                                                                    \
        }

static inline void freep(void *p) {
        free(*(void **) p);
}

#define _cleanup_free_ _cleanup_(freep)

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

/* "" for NULL, so that a text can be printed. */
static inline const char *strempty(const char *s) {
        return s ? s : "";
}
