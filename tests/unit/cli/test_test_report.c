#include "cli/test_report.h"
#include "json/jread.h"
#include "test.h"

TEST(statuses)
{
    static const struct {
        const char *outcome;
        int status;
    } cases[] = {{"passed", 0},           {"failed", 1},    {"no_tests", 2},
                 {"collection_error", 2}, {"anything", 77}, {"infrastructure_error", 77}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        wr_auto_json *output = json_pack("{s:s}", "outcome", cases[i].outcome);
        CHECK_INT(wr_test_report_status(output), cases[i].status);
    }
}
