/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Aligned columns for people. Colour is the caller's decision, made once. */

#include <stdio.h>

#include "basic/span.h"

#define TABLE_MAX_COLUMNS 12
/* Rows that are looked at before the first one is written. Later ones may be wider; the list can be a
 * million. */
#define TABLE_BATCH_ROWS 512

typedef enum TableStyle {
        TABLE_PLAIN,
        TABLE_BOLD,
        TABLE_DIM,
        TABLE_GREEN,
        TABLE_YELLOW,
        TABLE_RED,
        _TABLE_STYLE_MAX,
        _TABLE_STYLE_INVALID = -22,
} TableStyle;

typedef struct TableCell {
        char *text;
        TableStyle style;
} TableCell;

typedef struct Table {
        FILE *stream;
        bool color;
        bool has_head; /* it was written */
        const char *const *columns;
        size_t n_columns, n_cells;
        size_t widths[TABLE_MAX_COLUMNS];
        TableCell cells[TABLE_MAX_COLUMNS * TABLE_BATCH_ROWS];
} Table;

/* Starts a table. `columns` ends in NULL and is borrowed; a name that begins with '>' is of a column of
 * numbers, aligned to the right. */
void table_init(Table *t, FILE *stream, bool color, const char *const *columns);

/* The next cell, left to right, row by row. Untrusted text goes through table_cell_untrusted(). */
void table_cell(Table *t, TableStyle style, const char *text);
void table_cell_format(Table *t, TableStyle style, const char *format, ...) _printf_(3, 4);
void table_cell_untrusted(Table *t, TableStyle style, Span text);
void table_cell_u64(Table *t, uint64_t v);

/* Writes all rows that are complete; the head, too, if there is any row. */
void table_flush(Table *t);
/* Writes what is left, and ends the table. */
void table_done(Table *t);

/* Writes one text in a style. */
void style_begin(FILE *stream, bool color, TableStyle style);
void style_end(FILE *stream, bool color, TableStyle style);

/* Colour is for terminals, unless NO_COLOR is set (no-color.org) or the terminal is a dumb one. */
bool color_is_wanted(int fd);
