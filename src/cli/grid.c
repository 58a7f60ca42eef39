#include "cli/grid.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"
#include "cli/text_width.h"

#define MAX_CELL_WIDTH 50 /* columns of one cell; pandas' own default */
#define MAX_BODY_ROWS  60 /* likewise */
#define ELLIPSIS       "..."

void wr_grid_done(struct wr_grid *grid)
{
    for (size_t i = 0; grid->cells && i < grid->rows * grid->columns; i++)
        free(grid->cells[i]);
    free(grid->cells);
    free(grid->caption);
    *grid = (struct wr_grid){0};
}

/* What of the grid is shown, and how wide. */
struct layout {
    const struct wr_grid *grid;
    size_t *widths;     /* per column of the grid */
    size_t left, right; /* columns from either side; between them an ellipsis if some lack */
    size_t top, bottom; /* rows likewise; top with the headers */
    size_t blanks;      /* due before the next text; none at the end of a line */
    struct wr_buf *out;
    int error;
};

static size_t cell_width(const char *cell)
{
    size_t width = cell ? wr_text_width(cell, strlen(cell)) : 0;

    return WR_MIN(width, (size_t)MAX_CELL_WIDTH);
}

static void choose_rows(struct layout *layout)
{
    const struct wr_grid *grid = layout->grid;
    size_t body = grid->rows - grid->header_rows;

    layout->top = grid->rows;
    layout->bottom = 0;
    if (body > MAX_BODY_ROWS) {
        layout->top = grid->header_rows + MAX_BODY_ROWS / 2;
        layout->bottom = MAX_BODY_ROWS / 2;
    }
}

static void measure(struct layout *layout)
{
    const struct wr_grid *grid = layout->grid;

    for (size_t row = 0; row < grid->rows; row++) {
        if (row >= layout->top && row < grid->rows - layout->bottom)
            continue;
        for (size_t c = 0; c < grid->columns; c++)
            layout->widths[c] =
                WR_MAX(layout->widths[c], cell_width(grid->cells[row * grid->columns + c]));
    }
}

/* From both sides in turn, beginning on the left with the names of the rows, while they fit. */
static void choose_columns(struct layout *layout, size_t width)
{
    const struct wr_grid *grid = layout->grid;
    size_t total = 0, used = 0;

    for (size_t c = 0; c < grid->columns; c++)
        total += layout->widths[c] + (c ? 2 : 0);
    layout->left = grid->columns;
    layout->right = 0;
    if (total <= width)
        return;
    used = strlen(ELLIPSIS) + 2;
    layout->left = WR_MIN(WR_MAX(grid->header_columns, (size_t)1), grid->columns);
    for (size_t c = 0; c < layout->left; c++)
        used += layout->widths[c] + (c ? 2 : 0);
    for (bool from_right = false; layout->left + layout->right < grid->columns;
         from_right = !from_right) {
        size_t c = from_right ? grid->columns - layout->right - 1 : layout->left;
        used += layout->widths[c] + 2;
        if (used > width)
            break;
        if (from_right)
            layout->right++;
        else
            layout->left++;
    }
}

static void append(struct layout *layout, const char *text, size_t len)
{
    for (; len > 0 && layout->blanks > 0 && layout->error == 0; layout->blanks--)
        layout->error = wr_buf_append_char(layout->out, ' ');
    if (layout->error == 0)
        layout->error = wr_buf_append(layout->out, text, len);
}

static void append_cell(struct layout *layout, const char *text, size_t width, bool to_left)
{
    size_t len = strlen(text), own = wr_text_width(text, len);
    bool cut = own > width && width > strlen(ELLIPSIS);

    if (own > width) {
        len = wr_text_fit(text, len, cut ? width - strlen(ELLIPSIS) : width);
        own = wr_text_width(text, len) + (cut ? strlen(ELLIPSIS) : 0);
    }
    if (!to_left)
        layout->blanks += width - own;
    append(layout, text, len);
    if (cut)
        append(layout, ELLIPSIS, strlen(ELLIPSIS));
    if (to_left)
        layout->blanks += width - own;
}

/* `row` NULL: the row that stands for those left out. */
static void append_row(struct layout *layout, char *const *row)
{
    const struct wr_grid *grid = layout->grid;
    bool all = layout->left + layout->right >= grid->columns;

    for (size_t c = 0; c < grid->columns; c++) {
        if (c >= layout->left && c < grid->columns - layout->right)
            continue;
        if (c > 0)
            layout->blanks += 2;
        if (!all && c == grid->columns - layout->right) {
            append(layout, ELLIPSIS, strlen(ELLIPSIS));
            layout->blanks += 2;
        }
        const char *text = !row ? ELLIPSIS : row[c] ? row[c] : "";
        append_cell(layout, text, layout->widths[c], c < grid->header_columns);
    }
    if (!all && layout->right == 0) {
        layout->blanks += 2;
        append(layout, ELLIPSIS, strlen(ELLIPSIS));
    }
    layout->blanks = 0;
    append(layout, "\n", 1);
}

int wr_grid_print(const struct wr_grid *grid, size_t width, struct wr_buf *out,
                  struct wr_error *err)
{
    wr_auto_free size_t *widths = wr_calloc(grid->columns + 1, sizeof *widths);
    struct layout layout = {.grid = grid, .widths = widths, .out = out};

    if (!widths)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "table");
    choose_rows(&layout);
    measure(&layout);
    choose_columns(&layout, width);
    for (size_t row = 0; row < grid->rows && layout.error == 0; row++) {
        if (row == layout.top && layout.bottom > 0) {
            append_row(&layout, NULL);
            row = grid->rows - layout.bottom;
        }
        append_row(&layout, grid->cells + row * grid->columns);
    }
    if (grid->caption) {
        append(&layout, "\n", 1);
        append(&layout, grid->caption, strlen(grid->caption));
        append(&layout, "\n", 1);
    }
    return layout.error < 0
               ? wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -layout.error, "the table is too large")
               : 0;
}
