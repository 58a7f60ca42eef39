/* The cells of a notebook or of a file in the percent format, in their order. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "cli/cell_language.h"

#define WR_CELLS_FILE_MAX ((size_t)256 * 1024 * 1024) /* bytes of the file */

enum wr_cell_kind {
    WR_CELL_CODE = 0,
    WR_CELL_MARKDOWN = 1,
    WR_CELL_RAW = 2,
};

struct wr_cell {
    enum wr_cell_kind kind;
    unsigned number; /* among the code cells, from 1; 0 for others */
    char *source;    /* owned, with NUL */
    size_t source_len;
    char *title;   /* owned, or NULL */
    bool may_fail; /* tagged raises-exception: its error does not end the run */
    bool skip;     /* tagged skip-execution, or nothing but blanks */
};

struct wr_cells {
    struct wr_cell *items;
    size_t count, cap;
    unsigned code_count;
    const struct wr_cell_language *language;
};

/* Accepts a zeroed struct. */
void wr_cells_done(struct wr_cells *cells);
/* Copies the source; `number` is counted here, `skip` set for blank code. *ret is valid until the
 * next call. */
int wr_cells_add(struct wr_cells *cells, enum wr_cell_kind kind, const char *source, size_t len,
                 struct wr_cell **ret, struct wr_error *err) WR_MUST_CHECK;
/* What a tag of a cell asks for; unknown tags are for others. */
void wr_cell_apply_tag(struct wr_cell *cell, const char *tag);
