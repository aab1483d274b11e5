/* SPDX-License-Identifier: Apache-2.0 */
/* Tables. A cell holds what is printable already; widths are counted in characters of UTF-8. */

#include "ctl/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <unistd.h>

#include "basic/log.h"

static const char *const styles[_TABLE_STYLE_MAX] = {
        [TABLE_PLAIN] = NULL,
        [TABLE_BOLD] = "\x1b[1m",
        [TABLE_DIM] = "\x1b[2m",
        [TABLE_GREEN] = "\x1b[32m",
        [TABLE_YELLOW] = "\x1b[33m",
        [TABLE_RED] = "\x1b[31m",
};

bool color_is_wanted(int fd) {
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

        return isatty(fd) && !(no_color && *no_color) && term && !streq(term, "dumb");
}

void style_begin(FILE *stream, bool color, TableStyle style) {
        if (color && styles[style])
                (void) fputs(styles[style], stream);
}

void style_end(FILE *stream, bool color, TableStyle style) {
        if (color && styles[style])
                (void) fputs("\x1b[0m", stream);
}

void table_init(Table *t, FILE *stream, bool color, const char *const *columns) {
        t->stream = stream;
        t->color = color;
        t->has_head = false;
        t->columns = columns;
        t->n_cells = t->n_columns = 0;
        while (columns[t->n_columns]) {
                const char *name = columns[t->n_columns];

                assert(t->n_columns < TABLE_MAX_COLUMNS);
                t->widths[t->n_columns++] = strlen(name) - (name[0] == '>');
        }
}

static size_t width(const char *text) {
        size_t n = 0;

        for (; *text; text++)
                n += ((unsigned char) *text & 0xc0) != 0x80;
        return n;
}

/* Writes a cell. `pending` are the blanks before it that are due unless the rest of the line is empty. */
static void put(const Table *t, size_t column, const char *text, TableStyle style, size_t *pending) {
        size_t pad = t->widths[column] - MIN(width(text), t->widths[column]);
        bool right = t->columns[column][0] == '>';

        if (*text) {
                (void) fprintf(t->stream, "%*s", (int) (*pending + (right ? pad : 0)), "");
                style_begin(t->stream, t->color, style);
                (void) fputs(text, t->stream);
                style_end(t->stream, t->color, style);
                *pending = right ? 0 : pad;
        } else
                *pending += t->widths[column];
        *pending += 2;
        if (column + 1 == t->n_columns) {
                (void) fputc('\n', t->stream);
                *pending = 0;
        }
}

void table_flush(Table *t) {
        size_t n = t->n_cells - t->n_cells % t->n_columns, pending = 0;

        for (size_t i = 0; i < n; i++)
                t->widths[i % t->n_columns] =
                        MAX(t->widths[i % t->n_columns], width(strempty(t->cells[i].text)));
        for (size_t k = 0; n > 0 && !t->has_head && k < t->n_columns; k++)
                put(t, k, t->columns[k] + (t->columns[k][0] == '>'), TABLE_BOLD, &pending);
        t->has_head |= n > 0;
        for (size_t i = 0; i < n; i++) {
                put(t, i % t->n_columns, strempty(t->cells[i].text), t->cells[i].style, &pending);
                free(t->cells[i].text);
        }
        memmove(t->cells, t->cells + n, (t->n_cells - n) * sizeof(TableCell));
        t->n_cells -= n;
}

void table_done(Table *t) {
        table_flush(t);
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i].text);
        t->n_cells = 0;
}

void table_cell(Table *t, TableStyle style, const char *text) {
        t->cells[t->n_cells++] = (TableCell){strdup(text), style};
        if (t->n_cells == t->n_columns * TABLE_BATCH_ROWS)
                table_flush(t);
}

void table_cell_format(Table *t, TableStyle style, const char *format, ...) {
        char text[512];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        table_cell(t, style, text);
}

void table_cell_untrusted(Table *t, TableStyle style, Span text) {
        char buf[LOG_TEXT_BYTES];

        table_cell(t, style, text.size > 0 ? log_text(buf, text) : "-");
}

void table_cell_u64(Table *t, uint64_t v) {
        table_cell_format(t, TABLE_PLAIN, "%" PRIu64, v);
}
