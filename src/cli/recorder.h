/*
 * The executed notebook: a document whose code cells get what they put out, as nbformat 4.5 has it.
 * Charts and data frames' values are left out: they have no MIME type there, and the picture or the
 * table they belong to is kept.
 */
#pragma once

#include "base/buf.h"
#include "cli/cells.h"
#include "client/interpreter.h"

struct wr_recorder {
    json_t *json;          /* owned; NULL: nothing is recorded */
    json_t *node;          /* of the running cell; borrowed */
    struct wr_buf stream;  /* text that is not in the outputs yet */
    const char *stream_to; /* "stdout", "stderr" */
    json_int_t count;      /* of the running cell; 0: not known */
    bool failed;           /* no memory */
};

/* Takes `json` over (also on failure), whose cells are those of `cells`; NULL: nothing will be
 * recorded. Outputs of an earlier run go, except those of cells that are skipped. */
int wr_recorder_init(struct wr_recorder *recorder, json_t *json, const struct wr_cells *cells,
                     struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed struct. */
void wr_recorder_done(struct wr_recorder *recorder);

/* `index`: of the cell in the document. */
void wr_recorder_begin(struct wr_recorder *recorder, size_t index);
void wr_recorder_message(struct wr_recorder *recorder, const struct wr_cell_message *message);
void wr_recorder_end(struct wr_recorder *recorder);

/* Replaces the file atomically; one that is there keeps its mode, and a link stays one. */
int wr_recorder_write(struct wr_recorder *recorder, const char *path, struct wr_error *err)
    WR_MUST_CHECK;
