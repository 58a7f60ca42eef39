/* What is told of those that could not be hibernated. */
#include <string.h>

#include "server/pause_report.h"
#include "test.h"

TEST(failures_are_told_with_their_reasons)
{
    struct wr_pause_report report = {.done = 3};
    wr_pause_report_fail(&report, "aaaaaaaaaaaaaaaaaaaa", "it uses io_uring");
    CHECK_INT(report.done, 3);
    CHECK_INT(report.failed, 1);
    CHECK_INT(report.failure_count, 1);
    CHECK_STR(report.failures[0].id, "aaaaaaaaaaaaaaaaaaaa");
    CHECK_STR(report.failures[0].reason, "it uses io_uring");
}

TEST(a_long_reason_is_cut)
{
    struct wr_pause_report report = {0};
    char reason[1000] = "";
    memset(reason, 'x', sizeof reason - 1);
    wr_pause_report_fail(&report, "aaaaaaaaaaaaaaaaaaaa", reason);
    CHECK_INT(strlen(report.failures[0].reason), sizeof report.failures[0].reason - 1);
}

TEST(more_than_can_be_told_are_counted)
{
    struct wr_pause_report report = {0};
    for (int i = 0; i < WR_PAUSE_FAILURES_MAX + 5; i++)
        wr_pause_report_fail(&report, "aaaaaaaaaaaaaaaaaaaa", "no");
    CHECK_INT(report.failed, WR_PAUSE_FAILURES_MAX + 5);
    CHECK_INT(report.failure_count, WR_PAUSE_FAILURES_MAX);
}
