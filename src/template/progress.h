/* Progress of a long operation: a bar that redraws itself on a terminal, else a plain line when the
 * phase changes and every few seconds. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/base.h"

struct wr_progress {
    FILE *out;      /* borrowed; NULL: silent */
    bool terminal;  /* redraw one line */
    char phase[48]; /* "downloading" */
    char shown[48]; /* phase of the last line */
    uint64_t done;  /* of `total` things, when total > 0 */
    uint64_t total;
    const char *unit;    /* "packages", "MB" */
    uint64_t started_ms; /* monotonic */
    uint64_t shown_ms;
};

void wr_progress_init(struct wr_progress *p, FILE *out, const char *unit);
/* Changes what is being done; shown at once, unless phases follow each other within a second. */
void wr_progress_phase(struct wr_progress *p, const char *phase, uint64_t done, uint64_t total);
/* Shows the numbers if the last line is old enough. */
void wr_progress_tick(struct wr_progress *p);
/* Ends the bar, so that other text may follow. */
void wr_progress_end(struct wr_progress *p);
