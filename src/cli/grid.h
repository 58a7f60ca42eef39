/* A table of texts, and its lines for a terminal. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

#define WR_GRID_MAX_CELLS ((size_t)1024 * 1024)

struct wr_grid {
    char **cells; /* row by row; owned texts without line breaks; NULL: empty */
    size_t rows, columns;
    size_t header_rows;    /* at the top: names of columns */
    size_t header_columns; /* on the left: names of rows */
    char *caption;         /* owned, or NULL */
};

/* Accepts a zeroed struct. */
void wr_grid_done(struct wr_grid *grid);
/*
 * Appends its lines as pandas prints a data frame: names of rows to the left, everything else to
 * the right, two blanks between columns. What is wider than `width` loses columns in its middle,
 * long cells their ends, tables of many rows rows in their middle.
 */
int wr_grid_print(const struct wr_grid *grid, size_t width, struct wr_buf *out,
                  struct wr_error *err) WR_MUST_CHECK;
