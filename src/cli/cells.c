#include "cli/cells.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"

#define MAX_CELLS 100000

void wr_cells_done(struct wr_cells *cells)
{
    for (size_t i = 0; i < cells->count; i++) {
        free(cells->items[i].source);
        free(cells->items[i].title);
    }
    free(cells->items);
    *cells = (struct wr_cells){0};
}

static int grow(struct wr_cells *cells, struct wr_error *err)
{
    size_t cap = cells->cap ? 2 * cells->cap : 64;

    if (cells->count < cells->cap)
        return 0;
    if (cells->count >= MAX_CELLS)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "more than %d cells", MAX_CELLS);
    struct wr_cell *items = wr_calloc(cap, sizeof *items);
    if (!items)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cells");
    if (cells->count > 0)
        memcpy(items, cells->items, cells->count * sizeof *items);
    free(cells->items);
    cells->items = items;
    cells->cap = cap;
    return 0;
}

static bool is_blank(const char *source, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r\n\f", source[i]))
            return false;
    return true;
}

int wr_cells_add(struct wr_cells *cells, enum wr_cell_kind kind, const char *source, size_t len,
                 struct wr_cell **ret, struct wr_error *err)
{
    int r = grow(cells, err);
    if (r < 0)
        return r;
    char *copy = wr_calloc(len + 1, 1);
    if (!copy)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cells");
    if (len > 0)
        memcpy(copy, source, len);
    struct wr_cell *cell = &cells->items[cells->count++];
    *cell = (struct wr_cell){.kind = kind, .source = copy, .source_len = len};
    if (kind == WR_CELL_CODE) {
        cell->number = ++cells->code_count;
        cell->skip = is_blank(source, len);
    }
    *ret = cell;
    return 0;
}

void wr_cell_apply_tag(struct wr_cell *cell, const char *tag)
{
    if (wr_streq(tag, "raises-exception"))
        cell->may_fail = true;
    else if (wr_streq(tag, "skip-execution"))
        cell->skip = true;
}
