/* Reads what mmdebstrap, apt and dpkg print and turns it into progress and, when they fail, into a
 * reason. */
#pragma once

#include "template/progress.h"

#define WR_BASE_LOG_LINES 24

struct wr_base_progress {
    struct wr_progress bar;
    uint64_t packages; /* of the running apt call */
    uint64_t unpacked;
    uint64_t configured;
    bool network_trouble;              /* a download failed */
    char reason[160];                  /* the first error line */
    char last[WR_BASE_LOG_LINES][160]; /* ring of the last lines, for the report of a failure */
    size_t last_count;                 /* lines ever seen */
};

void wr_base_progress_init(struct wr_base_progress *p, FILE *out);
/* One line of output; the signature fits struct wr_tool. */
void wr_base_progress_line(const char *line, void *data);
void wr_base_progress_tick(void *data);
/* Prints the last lines of the tool to the progress stream, if there is one. */
void wr_base_progress_dump(struct wr_base_progress *p);
