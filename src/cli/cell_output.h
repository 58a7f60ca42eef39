/*
 * Where cells write: standard output and standard error on the loop, the source slowed down when
 * nobody reads them, and on a terminal a line that says how long a silent cell has been running.
 */
#pragma once

#include "cli/sink.h"
#include "client/interpreter.h"

struct wr_cell_output {
    struct wr_loop *loop;
    struct wr_sink out, err;
    struct wr_execution *running; /* paused while a sink is full; NULL between cells */
    struct wr_timer tick;
    const char *what; /* for the line; NULL: none is wanted */
    uint64_t began_ms, last_ms;
    bool terminal;                 /* standard error is one: the line may be drawn */
    bool drawn;                    /* it stands there now */
    struct wr_sink *open_line;     /* where text without a line break came last, or NULL */
    void (*on_broken)(void *data); /* the reader is gone */
    void *data;
};

/* Stays where it is until wr_cell_output_done(). */
void wr_cell_output_init(struct wr_cell_output *output, struct wr_loop *loop,
                         void (*on_broken)(void *data), void *data);
/* Writes what is left, unless `discard`. */
void wr_cell_output_done(struct wr_cell_output *output, bool discard);

/* A cell begins, or ends (NULL); `what` is borrowed: "[3]". */
void wr_cell_output_watch(struct wr_cell_output *output, const char *what);
void wr_cell_output_write(struct wr_cell_output *output, bool to_err, const char *bytes,
                          size_t len);
/* A line break if the cell left a line open. */
void wr_cell_output_end_line(struct wr_cell_output *output);
