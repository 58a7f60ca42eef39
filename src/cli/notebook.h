/* Notebooks of Jupyter, nbformat 4: read into cells; what is not understood is kept for writing. */
#pragma once

#include "cli/cells.h"

/* `json`: the whole document, the caller's. INVALID_ARGUMENT names what is wrong. */
int wr_notebook_parse(const char *text, size_t len, json_t **ret_json, struct wr_error *err)
    WR_MUST_CHECK;
/* Its cells, one per cell of the document; `language` NULL: what the notebook says. `cells` is
 * initialised here; wr_cells_done() it whatever the result is. */
int wr_notebook_cells(const json_t *json, const struct wr_cell_language *language,
                      struct wr_cells *cells, struct wr_error *err) WR_MUST_CHECK;
/* A document for cells that came from elsewhere; NULL without memory. */
json_t *wr_notebook_make(const struct wr_cells *cells) WR_MUST_CHECK;
