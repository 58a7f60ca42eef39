/* A line on standard error that says how far something long is: only on a terminal, after two
 * seconds, and gone when other text comes. A thread draws it. */
#pragma once

#include "base/base.h"
#include "warren/error.h"

/* Writes the line, without a line break. From the thread that draws. */
typedef void (*wr_progress_fn)(char *line, size_t cap, double elapsed_s, void *data);

struct wr_progress;

/* *ret is NULL when standard error is no terminal. */
int wr_progress_start(wr_progress_fn fn, void *data, struct wr_progress **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Before something else is written. Accepts NULL. */
void wr_progress_erase(struct wr_progress *progress);
/* Accepts NULL, returns NULL. */
struct wr_progress *wr_progress_stop(struct wr_progress *progress);
