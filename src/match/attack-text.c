/* SPDX-License-Identifier: Apache-2.0 */
/* What a client would write. It knows no server: the forged text is the example's own with another address
 * in it, since nothing else can look more genuine. It writes more than a server would let through; what
 * withstands that withstands the server. */

#include "match/attack-internal.h"

/* Logs the example with a->text in a field's place. */
static void try_text(Attack *a, const Field *f) {
        Span line = example_line(a), old = span_make(line.data + f->begin, f->end - f->begin);

        text_set(&a->line, a->head.size > 0 ? a->head : span_make(line.data, a->message));
        for (size_t i = a->message; i < line.size;)
                if (i == f->begin || (f->everywhere && span_starts_with(span_skip(line, i), old))) {
                        text_add(&a->line, text_span(&a->text));
                        i += old.size;
                } else
                        text_add(&a->line, span_make(line.data + i++, 1));
        if (a->handlers->on_text)
                a->handlers->on_text(a->handlers->userdata, text_span(&a->text));
        attack_judge(a, text_span(&a->line));
}

static void try_parts(Attack *a, const Field *f, const Span *parts, size_t n) {
        a->text.size = 0;
        for (size_t i = 0; i < n; i++)
                text_add(&a->text, parts[i]);
        try_text(a, f);
}

#define TRY(a, f, ...)                                                                                      \
        try_parts((a), (f), (Span[]){__VA_ARGS__}, sizeof((Span[]){__VA_ARGS__}) / sizeof(Span))

/* ---- hostile texts ---- */

static Span evil_tail(const Attack *a) {
        return span_skip(text_span(&a->evil), a->evil_field[1]);
}

static Span evil_front(const Attack *a) {
        return span_make(a->evil.data, a->evil_field[0]);
}

/* Every byte, before, behind and inside the genuine text, and instead of it. */
static void try_bytes(Attack *a, const Field *f, Span old) {
        TRY(a, f, SPAN_NONE);
        for (unsigned c = 0; c < 256; c++) {
                char byte = (char) c;
                Span s = span_make(&byte, 1);

                TRY(a, f, s);
                TRY(a, f, s, old);
                TRY(a, f, old, s);
                TRY(a, f, old, s, old);
                TRY(a, f, old, s, SPAN_LITERAL(EVIL), s);
                TRY(a, f, old, s, evil_tail(a));
                TRY(a, f, old, s, text_span(&a->evil));
                TRY(a, f, s, text_span(&a->evil), s);
        }
}

static void try_addresses(Attack *a, const Field *f, Span old) {
        static const char *const texts[] = {EVIL, "[" EVIL "]", "(" EVIL ")", "<" EVIL ">", "::ffff:" EVIL,
                "rip=" EVIL, "ip=[::ffff:" EVIL "]", "host=[" EVIL "]", "x [" EVIL "]", "x (" EVIL ")",
                "x@" EVIL, "x@[" EVIL "]", "x, rip=" EVIL, "x>, rip=" EVIL, "x from " EVIL, "x at " EVIL,
                "x, " EVIL, EVIL " ", " " EVIL, "\"x\" [" EVIL "]", "x]: [" EVIL};

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                TRY(a, f, span_from_string(texts[i]));
                TRY(a, f, old, SPAN_LITERAL(" "), span_from_string(texts[i]));
                TRY(a, f, span_from_string(texts[i]), SPAN_LITERAL(" "), old);
        }
}

/* The example's own text, cut at each place, so that any closing that the regex wants to see is there. */
static void try_tails(Attack *a, const Field *f, Span old) {
        Span tail = evil_tail(a), whole = text_span(&a->evil);

        for (size_t k = 0; k <= tail.size; k++) {
                TRY(a, f, old, span_make(tail.data, k));
                TRY(a, f, span_make(tail.data, k), old);
                TRY(a, f, old, span_skip(tail, k));
                TRY(a, f, old, span_make(tail.data, k), old);
        }
        for (size_t k = 0; k <= whole.size; k++)
                TRY(a, f, old, span_make(whole.data, k));
}

/* Whole forged messages, behind whatever may look like the end of a line. */
static void try_messages(Attack *a, const Field *f, Span old) {
        static const char *const separators[] = {"", " ", ", ", ": ", "; ", ">, ", "> ", "] ", "\" ", "' ",
                ") ", "#012", "#015#012", "#011", "#000", "\\n", "\\012", "\\r\\n", "^J", "%0a", "?", "\n",
                "\r\n", "\r", "\t", "\033[2K", "#012Nov 21 01:02:03 mx dovecot: ", "]: ", "<22>"};
        Span evil = text_span(&a->evil), head = span_make(example_line(a).data, a->message);

        for (size_t i = 0; i < ELEMENTSOF(separators); i++) {
                Span s = span_from_string(separators[i]);

                TRY(a, f, s, evil);
                TRY(a, f, old, s, evil);
                TRY(a, f, old, s, evil, s);
                TRY(a, f, old, s, evil, s, old);
                TRY(a, f, old, s, head, evil);
                TRY(a, f, old, s, head, evil, s);
                TRY(a, f, old, evil_tail(a), s, evil_front(a), old);
                TRY(a, f, old, evil_tail(a), s, evil, s);
                TRY(a, f, old, evil_tail(a), s, old);
                TRY(a, f, old, s, evil_tail(a), s);
        }
}

/* Long texts: at the limits of servers and loggers, alone, and with a forged rest behind them. */
static void try_long(Attack *a, const Field *f, Span old) {
        static const size_t sizes[] = {63, 64, 79, 80, 81, 100, 127, 128, 129, 200, 254, 255, 256, 257, 300,
                319, 320, 321, 486, 500, 503, 504, 505, 506, 510, 511, 512, 513, 1000, 1023, 1024, 1025,
                2047, 2048, 4096, 8000};
        static const char fillers[] = {'a', ' ', '"', '>', '(', '\\', '%'};

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
                for (size_t k = 0; k < ELEMENTSOF(fillers); k++) {
                        a->text.size = 0;
                        text_fill(&a->text, fillers[k], sizes[i]);
                        try_text(a, f);
                        text_add(&a->text, evil_tail(a));
                        try_text(a, f);
                        a->text.size = 0;
                        text_fill(&a->text, fillers[k], sizes[i]);
                        text_add(&a->text, text_span(&a->evil));
                        try_text(a, f);
                        text_set(&a->text, old);
                        text_add(&a->text, evil_tail(a));
                        text_fill(&a->text, fillers[k], sizes[i]);
                        try_text(a, f);
                }
}

/* A logger that cuts long messages off: the forged tail ends the line, and the genuine one is gone. The
 * shortest limit of a logger is 1024 bytes, head and all; what cuts earlier has a pattern with TearsAt=. */
static void try_cut(Attack *a, const Field *f) {
        static const size_t limits[] = {1024, 2048, 8192};
        Span line = example_line(a), tail = evil_tail(a);

        for (size_t i = 0; i < ELEMENTSOF(limits); i++)
                for (size_t spared = 0; spared < 64; spared++) {
                        size_t size = limits[i] - spared;

                        if (f->begin + tail.size >= size)
                                continue;
                        text_set(&a->line, span_make(line.data, f->begin));
                        text_fill(&a->line, 'a', size - f->begin - tail.size);
                        text_add(&a->line, tail);
                        attack_judge(a, text_span(&a->line));
                }
}

static void attack_text(Attack *a, const Field *f) {
        Span old = span_make(example_line(a).data + f->begin, f->end - f->begin);

        try_tails(a, f, old);
        try_messages(a, f, old);
        if (a->brief)
                return;
        try_bytes(a, f, old);
        try_addresses(a, f, old);
        try_long(a, f, old);
        try_cut(a, f);
}

/* Names that a PTR record can have: no more than letters, digits, '-', '_' and '.' gets through a resolver.
 */
static void attack_host(Attack *a, const Field *f) {
        static const char *const names[] = {EVIL, EVIL ".", EVIL ".evil.example.net",
                "evil.example.net." EVIL, "rip." EVIL ".example.net", "rip-" EVIL, "6-6-6-6.example.net",
                "localhost", "unknown", "UNKNOWN", "ffff." EVIL, "-", "_", "_" EVIL, "a.b", "6", "6.6.6",
                "6.6.6.6.6", "0x06060606", "101058054"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                TRY(a, f, span_from_string(names[i]));
        for (size_t n = 50; n <= 250; n += 50) {
                a->text.size = 0;
                text_fill(&a->text, 'a', n);
                text_add(&a->text, SPAN_LITERAL("." EVIL));
                try_text(a, f);
        }
}

/* An address whose local part is quoted can hold nearly everything (RFC 5321, 4.1.2). */
static void attack_sender(Attack *a, const Field *f) {
        static const char *const separators[] = {" ", "", "> ", "\\\" ", ") "};
        Span evil = text_span(&a->evil), tail = evil_tail(a), behind = SPAN_LITERAL("\"@evil.example.net");

        for (size_t i = 0; i < ELEMENTSOF(separators); i++) {
                Span s = span_from_string(separators[i]);

                TRY(a, f, SPAN_LITERAL("\"x"), s, evil, behind);
                TRY(a, f, SPAN_LITERAL("\"x"), s, tail, behind);
                TRY(a, f, SPAN_LITERAL("\"x\"@y"), s, tail);
        }
        for (size_t k = 0; k <= tail.size; k++)
                TRY(a, f, SPAN_LITERAL("\"x "), span_make(tail.data, k), behind);
        attack_host(a, f);
}

void attack_field(Attack *a, const Field *f) {
        switch (f->kind) {
        case FIELD_TEXT:
                return attack_text(a, f);
        case FIELD_HOST:
                return attack_host(a, f);
        case FIELD_SENDER:
                return attack_sender(a, f);
        }
}

/* What would be a login elsewhere: as it is, behind a newline as servers and loggers write it, and with a
 * head that a relay could take for one. */
static void try_other(Attack *a, const Field *f, Span old, Span head, Span message) {
        static const char *const separators[] = {
                "", " ", "\n", "\r\n", "#012", "\\n", ": ", ">, ", "\" ", "<22>"};

        for (size_t i = 0; i < ELEMENTSOF(separators); i++) {
                Span s = span_from_string(separators[i]);

                TRY(a, f, s, message);
                TRY(a, f, message, s, old);
                TRY(a, f, old, s, message);
                TRY(a, f, old, s, message, s);
                TRY(a, f, s, head, message);
                TRY(a, f, old, s, head, message, s);
        }
}

void attack_field_across(Attack *a, const Field *f) {
        Span old = span_make(example_line(a).data + f->begin, f->end - f->begin);

        if (f->kind == FIELD_HOST)
                return;
        for (size_t i = 0; i < a->messages.n; i++) {
                Span head = span_from_string(a->heads.items[i]);
                Span message = span_from_string(a->messages.items[i]);

                try_other(a, f, old, head, message);
                /* the whole line under the other server's name, as where both have been given one; what
                 * begins with a client's text can be anything there */
                if (f->begin == a->message)
                        continue;
                a->head = head;
                try_other(a, f, old, head, message);
                a->head = SPAN_NONE;
        }
}
