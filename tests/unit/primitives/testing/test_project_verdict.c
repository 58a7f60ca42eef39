#include "primitives/testing/project_verdict.h"
#include "test.h"

#define REPORT(passed, failed, errored)                                                          \
    "{\"coverage_percent\": null, \"report\": {\"counts\": {\"passed\": " #passed                \
    ", \"failed\": " #failed ", \"error\": " #errored                                            \
    ", \"skipped\": 0}, \"cases\": [{\"test\": \"t\", \"outcome\": \"passed\", \"error\": null," \
    " \"duration_ms\": 1.5}, 7, {\"test\": 1}]}}"

/* The outcome, with what the error says in *ret_error (to free). */
static void outcome_is(int exit_code, const char *summary, const char *outcome, const char *error)
{
    struct wr_project_verdict verdict = {.ended = true, .exit_code = exit_code};
    json_t *left_out = json_array(), *output = NULL;
    struct wr_error err = {0};

    if (summary)
        wr_project_verdict_report(&verdict, summary);
    CHECK_INT(wr_project_verdict_output(&verdict, left_out, &output, &err), 0);
    CHECK_STR(json_string_value(json_object_get(output, "outcome")), outcome);
    CHECK_INT(json_is_true(json_object_get(output, "success")), strcmp(outcome, "passed") == 0);
    CHECK_INT(json_integer_value(json_object_get(output, "exit_code")), exit_code);
    const char *told = json_string_value(json_object_get(output, "error"));
    if (error)
        CHECK(told && strstr(told, error));
    else
        CHECK(!told);
    json_decref(output);
    json_decref(left_out);
    wr_project_verdict_done(&verdict);
}

TEST(statuses_are_told_apart)
{
    outcome_is(0, REPORT(1, 0, 0), "passed", NULL);
    outcome_is(1, REPORT(1, 1, 0), "failed", NULL);
    outcome_is(2, REPORT(0, 0, 1), "collection_error", "collected");
    outcome_is(3, NULL, "collection_error", "internal error");
    outcome_is(4, NULL, "collection_error", "conftest.py");
    outcome_is(5, REPORT(0, 0, 0), "no_tests", NULL);
    outcome_is(0, REPORT(0, 0, 0), "no_tests", NULL);
    outcome_is(2, REPORT(3, 0, 0), "failed", "interrupted");
    outcome_is(139, NULL, "failed", "a signal ended the runner (status 139)");
    outcome_is(17, NULL, "failed", "status 17");
}

TEST(a_status_that_the_report_does_not_bear_out_is_no_success)
{
    outcome_is(0, NULL, "failed", "report is missing");
    outcome_is(0, "no JSON", "failed", "report is missing");
    outcome_is(0, "{\"report\": []}", "failed", "report is missing");
    outcome_is(0, REPORT(1, 1, 0), "failed", "has failures");
    outcome_is(0, REPORT(1, 0, 1), "failed", "has failures");
}

TEST(cases_are_read_and_what_is_none_is_passed_over)
{
    struct wr_project_verdict verdict = {0};

    wr_project_verdict_report(&verdict, REPORT(4, -3, 2));
    CHECK_INT(verdict.passed, 4);
    CHECK_INT(verdict.failed, 0);
    CHECK_INT(verdict.errored, 2);
    CHECK_INT(json_array_size(verdict.cases), 1);
    const json_t *result = json_array_get(verdict.cases, 0);
    CHECK_STR(json_string_value(json_object_get(result, "test")), "t");
    CHECK(json_is_true(json_object_get(result, "passed")));
    CHECK(json_real_value(json_object_get(result, "duration_ms")) == 1.5);
    wr_project_verdict_done(&verdict);
}

TEST(other_ends)
{
    struct wr_project_verdict verdict = {0};
    json_t *left_out = json_pack("[s]", "link"), *output = NULL;
    struct wr_error err = {.code = WR_E_UNAVAILABLE, .msg = "no server"};

    wr_project_verdict_infrastructure(&verdict, &err);
    CHECK_INT(wr_project_verdict_output(&verdict, left_out, &output, &err), 0);
    CHECK_STR(json_string_value(json_object_get(output, "outcome")), "infrastructure_error");
    CHECK_STR(json_string_value(json_object_get(output, "error")), "no server");
    CHECK(json_is_null(json_object_get(output, "exit_code")));
    CHECK(json_is_null(json_object_get(output, "coverage_percent")));
    CHECK_INT(json_array_size(json_object_get(output, "left_out")), 1);
    CHECK_INT(json_array_size(json_object_get(output, "results")), 0);
    json_decref(output);
    wr_project_verdict_done(&verdict);

    wr_project_verdict_timeout(&verdict, 1500);
    CHECK_INT(wr_project_verdict_output(&verdict, left_out, &output, &err), 0);
    CHECK_STR(json_string_value(json_object_get(output, "outcome")), "failed");
    CHECK(strstr(json_string_value(json_object_get(output, "error")), "1.5 seconds"));
    json_decref(output);
    json_decref(left_out);
    wr_project_verdict_done(&verdict);
}
