/* The table in the HTML of a data frame (pandas, polars): its texts, without anything of the markup
 * but rows, cells and their spans. */
#pragma once

#include "cli/grid.h"

/* The first table of the text: 1; 0 when there is none that this understands. `grid` is zeroed or
 * the caller's to free. RESOURCE_EXHAUSTED without memory. */
int wr_html_table_read(const char *html, size_t len, struct wr_grid *grid, struct wr_error *err)
    WR_MUST_CHECK;
