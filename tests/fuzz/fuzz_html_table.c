/* HTML that a sandbox calls a data frame: the grid is whole, and what is printed of it holds no
 * control character. */
#include <stdlib.h>

#include "base/str.h"
#include "cli/html_table.h"
#include "cli/text_width.h"
#include "fuzz.h"

static void check_text(const char *text, size_t len)
{
    HOLDS(wr_utf8_valid(text, len));
    for (size_t i = 0; i < len; i++)
        HOLDS(((unsigned char)text[i] >= ' ' && text[i] != 0x7f) || text[i] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_auto_buf out = WR_BUF((size_t)256 * 1024 * 1024);
    struct wr_error err = {0};
    struct wr_grid grid;

    wr_text_locale();
    int r = wr_html_table_read((const char *)data, size, &grid, &err);
    HOLDS(r == 0 || r == 1 || r == -err.code);
    if (r == 1) {
        HOLDS(grid.rows > 0 && grid.columns > 0 && grid.rows * grid.columns <= WR_GRID_MAX_CELLS);
        HOLDS(grid.header_rows <= grid.rows && grid.header_columns <= grid.columns);
        HOLDS(wr_grid_print(&grid, 80, &out, &err) == 0);
        check_text(wr_buf_ptr(&out), out.len);
    }
    wr_grid_done(&grid);
    return 0;
}
