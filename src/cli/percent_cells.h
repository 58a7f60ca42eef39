/*
 * The percent format: a program whose comments "# %%" (JavaScript, TypeScript and Java: "// %%")
 * begin cells, as Jupytext, Spyder and VS Code have it:
 *
 *     # %% Title [markdown] tags=["raises-exception"]
 *
 * Title, kind ([markdown], [md], [raw]) and what follows are optional.
 */
#pragma once

#include "cli/cells.h"

/* `cells` is initialised here; wr_cells_done() it whatever the result is. */
int wr_percent_cells_read(const char *text, size_t len, const struct wr_cell_language *language,
                          struct wr_cells *cells, struct wr_error *err) WR_MUST_CHECK;
