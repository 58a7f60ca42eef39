#include "cli/cell_run.h"

#include "base/clock.h"
#include "base/str.h"

struct running {
    const struct wr_cell_run *run;
    struct wr_cell_outcome *outcome;
};

static void on_message(struct wr_execution *execution, const struct wr_cell_message *message,
                       void *data)
{
    struct running *running = data;
    const struct wr_cell_run *run = running->run;

    (void)execution;
    if (message->kind == WR_CELL_COUNT)
        running->outcome->count = message->count;
    if (message->kind == WR_CELL_ERROR)
        running->outcome->status = WR_CELL_FAILED;
    run->view->ops->message(run->view, message);
    if (run->recorder)
        wr_recorder_message(run->recorder, message);
}

static int execute(const struct wr_cell_run *run, const struct wr_cell *cell,
                   struct wr_cell_outcome *outcome, struct wr_error *err)
{
    const struct wr_cell_request request = {.code = cell->source,
                                            .code_len = cell->source_len,
                                            .context_id = run->context_id,
                                            .language = run->language};
    struct running running = {run, outcome};
    char what[32];

    if (!wr_strformat(what, sizeof what, "[%u]", cell->number))
        what[0] = '\0';
    int r = wr_cell_session_execute(run->session, &request, what, on_message, &running, err);
    if (r < 0)
        outcome->status = WR_CELL_CUT;
    return r;
}

int wr_cell_run(const struct wr_cell_run *run, const struct wr_cell *cell, size_t index,
                struct wr_cell_outcome *ret, struct wr_error *err)
{
    struct wr_cell_view *view = run->view;
    uint64_t began_us = wr_mono_us();
    int r = 0;

    *ret = (struct wr_cell_outcome){.status = cell->skip ? WR_CELL_SKIPPED : WR_CELL_OK};
    view->cell = cell->number;
    view->pictures = 0;
    view->ops->begin(view, cell);
    if (!cell->skip) {
        if (run->recorder)
            wr_recorder_begin(run->recorder, index);
        r = execute(run, cell, ret, err);
        if (run->recorder)
            wr_recorder_end(run->recorder);
    }
    ret->duration_us = wr_mono_us() - began_us;
    view->ops->end(view, ret);
    return r;
}

int wr_cells_run(const struct wr_cell_run *run, const struct wr_cells *cells, bool keep_going,
                 struct wr_cells_tally *ret, struct wr_error *err)
{
    *ret = (struct wr_cells_tally){0};
    for (size_t i = 0; i < cells->count; i++) {
        const struct wr_cell *cell = &cells->items[i];
        struct wr_cell_outcome outcome;

        if (cell->kind != WR_CELL_CODE)
            continue;
        int r = wr_cell_run(run, cell, i, &outcome, err);
        if (r < 0)
            return r;
        ret->ran += outcome.status != WR_CELL_SKIPPED;
        if (outcome.status != WR_CELL_FAILED || cell->may_fail)
            continue;
        ret->failed++;
        if (!keep_going)
            break;
    }
    return 0;
}
