/* What became of everything that was to be hibernated at once: numbers, and why some were not. */
#pragma once

#include <stddef.h>

#include "base/str.h"

#define WR_PAUSE_FAILURES_MAX 50 /* that are told by name; the log has all */

struct wr_pause_failure {
    char id[WR_ID_LEN + 1];
    char reason[256]; /* cut if need be */
};

struct wr_pause_report {
    size_t left; /* are still in memory, or on their way */
    size_t done, failed;
    struct wr_pause_failure failures[WR_PAUSE_FAILURES_MAX];
    size_t failure_count; /* at most `failed` */
};

/* One more that failed. */
void wr_pause_report_fail(struct wr_pause_report *report, const char *id, const char *reason);
