#include "server/pause_report.h"

void wr_pause_report_fail(struct wr_pause_report *report, const char *id, const char *reason)
{
    struct wr_pause_failure *failure = &report->failures[report->failure_count];

    report->failed++;
    if (report->failure_count == WR_PAUSE_FAILURES_MAX)
        return;
    if (!wr_strcopy(failure->id, sizeof failure->id, id))
        return;
    if (!wr_strcopy(failure->reason, sizeof failure->reason, reason))
        (void)!wr_strformat(failure->reason, sizeof failure->reason, "%.*s",
                            (int)sizeof failure->reason - 1, reason);
    report->failure_count++;
}
