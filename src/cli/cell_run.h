/* One cell from its source to its last output, shown and recorded. */
#pragma once

#include "cli/cell_session.h"
#include "cli/cell_view.h"
#include "cli/recorder.h"

struct wr_cell_run {
    struct wr_cell_session *session;
    struct wr_cell_view *view;
    struct wr_recorder *recorder; /* NULL: nothing is recorded */
    const char *context_id;       /* NULL: the default context of `language` */
    const char *language;
};

/* `index`: of the cell in the recorder's document. An error of the cell's code is an outcome, not a
 * failure; `ret` is set in any case. */
int wr_cell_run(const struct wr_cell_run *run, const struct wr_cell *cell, size_t index,
                struct wr_cell_outcome *ret, struct wr_error *err) WR_MUST_CHECK;

struct wr_cells_tally {
    unsigned ran, failed; /* cells; those that may fail are not counted as failed */
};

/* All code cells in their order, to the first that fails unless `keep_going`. */
int wr_cells_run(const struct wr_cell_run *run, const struct wr_cells *cells, bool keep_going,
                 struct wr_cells_tally *ret, struct wr_error *err) WR_MUST_CHECK;
