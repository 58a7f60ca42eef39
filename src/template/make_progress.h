/* Reads what mmdebstrap, apt, dpkg and the scripts of definitions print and turns it into progress
 * and, when they fail, into a reason. */
#pragma once

#include "template/progress.h"

#define WR_MAKE_LOG_LINES 24

struct wr_make_progress {
    struct wr_progress bar;
    uint64_t packages; /* of the running apt call */
    uint64_t unpacked;
    uint64_t configured;
    bool network_trouble;              /* a download failed */
    char reason[160];                  /* the first error line */
    char last[WR_MAKE_LOG_LINES][160]; /* ring of the last lines, for the report of a failure */
    size_t last_count;                 /* lines ever seen */
};

void wr_make_progress_init(struct wr_make_progress *p, FILE *out);
/* One line of output; the signature fits struct wr_tool. */
void wr_make_progress_line(const char *line, void *data);
void wr_make_progress_tick(void *data);
/* Why it failed: the first error line, else the last line of all; "" when nothing was printed. */
const char *wr_make_progress_reason(const struct wr_make_progress *p);
/* Prints the last lines of the tool to the progress stream, if there is one. */
void wr_make_progress_dump(struct wr_make_progress *p);
