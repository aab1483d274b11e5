/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A borrowed run of bytes. It never ends in a NUL by contract and may hold any byte: all that comes from a
 * log is passed on as spans, so that no line is copied on its way through the house. */

#include <string.h>

#include "basic/macro.h"

typedef struct Span {
        const char *data;
        size_t size;
} Span;

#define SPAN_NONE ((Span){NULL, 0})
#define SPAN_LITERAL(s) ((Span){(s), sizeof(s) - 1})

static inline Span span_make(const char *data, size_t size) {
        return (Span){data, size};
}

static inline Span span_from_string(const char *s) {
        return (Span){s, s ? strlen(s) : 0};
}

static inline bool span_equal(Span a, Span b) {
        return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool span_equal_string(Span a, const char *s) {
        return span_equal(a, span_from_string(s));
}

static inline bool span_starts_with(Span a, Span prefix) {
        return a.size >= prefix.size && memcmp(a.data, prefix.data, prefix.size) == 0;
}

/* The rest of the span after n bytes; n is at most its size. */
static inline Span span_skip(Span a, size_t n) {
        assert(n <= a.size);
        return (Span){a.data + n, a.size - n};
}

/* True if the literal stands anywhere in the span. */
static inline bool span_contains(Span a, Span literal) {
        return literal.size == 0 ||
               (a.size >= literal.size && memmem(a.data, a.size, literal.data, literal.size));
}

static inline Span span_trim(Span a) {
        while (a.size > 0 && (a.data[0] == ' ' || a.data[0] == '\t'))
                a = span_skip(a, 1);
        while (a.size > 0 && (a.data[a.size - 1] == ' ' || a.data[a.size - 1] == '\t'))
                a.size--;
        return a;
}
