#include "primitives/testing/project_verdict.h"

#include <errno.h>

#include "base/str.h"
#include "json/jread.h"

#define MAX_CASES   10000
#define MAX_SUMMARY (16 * WR_MIB)

/* ---- the report ---- */

static size_t count_of(const json_t *counts, const char *name)
{
    json_int_t count = json_integer_value(json_object_get(counts, name));

    return count > 0 ? (size_t)count : 0;
}

/* A result as those of cases; NULL for what is none. */
static json_t *result_of(const json_t *told)
{
    const char *name = json_string_value(json_object_get(told, "test"));
    const char *outcome = json_string_value(json_object_get(told, "outcome"));
    const json_t *error = json_object_get(told, "error");
    const json_t *ms = json_object_get(told, "duration_ms");

    if (!name || !outcome || !json_is_number(ms))
        return NULL;
    return json_pack("{s:s, s:b, s:s, s:s, s:n, s:o, s:f}", "test", name, "passed",
                     wr_streq(outcome, "passed"), "outcome", outcome, "output", "", "expected",
                     "error",
                     json_is_string(error) ? json_string(json_string_value(error)) : json_null(),
                     "duration_ms", json_number_value(ms));
}

void wr_project_verdict_report(struct wr_project_verdict *verdict, const char *summary)
{
    const struct wr_json_limits limits = {
        .bytes = MAX_SUMMARY, .values = (size_t)MAX_CASES * 8, .allow_nul = true};
    wr_auto_json *told = NULL;
    struct wr_error unused;
    size_t i;
    const json_t *one;

    /* Tests can write what they like in its place; then there is no report. */
    if (wr_json_parse_limited(summary, strlen(summary), &limits, &told, &unused) < 0)
        return;
    const json_t *coverage = json_object_get(told, "coverage_percent");
    verdict->has_coverage = json_is_number(coverage);
    verdict->coverage_percent = json_number_value(coverage);
    const json_t *report = json_object_get(told, "report");
    const json_t *counts = json_object_get(report, "counts");
    if (!json_is_object(report) || verdict->cases)
        return;
    verdict->cases = json_array();
    verdict->passed = count_of(counts, "passed");
    verdict->failed = count_of(counts, "failed");
    verdict->errored = count_of(counts, "error");
    verdict->skipped = count_of(counts, "skipped");
    json_array_foreach(json_object_get(report, "cases"), i, one) {
        json_t *result = i < MAX_CASES ? result_of(one) : NULL;
        if (result)
            (void)json_array_append_new(verdict->cases, result); /* one less without memory */
    }
}

/* ---- other ends ---- */

void wr_project_verdict_timeout(struct wr_project_verdict *verdict, uint64_t timeout_ms)
{
    verdict->outcome = "failed";
    (void)!wr_strformat(verdict->error, sizeof verdict->error,
                        "the tests ran longer than %.6g seconds and were stopped",
                        (double)timeout_ms / 1e3);
}

void wr_project_verdict_infrastructure(struct wr_project_verdict *verdict,
                                       const struct wr_error *why)
{
    verdict->outcome = "infrastructure_error";
    (void)!wr_strformat(verdict->error, sizeof verdict->error, "%s", why->msg);
}

/* ---- the outcome ---- */

/* pytest's statuses (docs.pytest.org, "Exit codes"), which the runner for unittest has too. */
static const struct status {
    int code;
    const char *outcome, *error;
} statuses[] = {
    {0, "passed", NULL},
    {1, "failed", NULL},
    {2, "collection_error", "the tests could not be collected"},
    {3, "collection_error", "the runner had an internal error"},
    {4, "collection_error", "the runner was called in a wrong way, or a conftest.py fails"},
    {5, "no_tests", NULL},
};

static void fail(struct wr_project_verdict *verdict, const char *why)
{
    verdict->outcome = "failed";
    (void)!wr_strformat(verdict->error, sizeof verdict->error, "%s", why);
}

static void conclude(struct wr_project_verdict *verdict)
{
    bool clean = verdict->cases && verdict->failed == 0 && verdict->errored == 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(statuses); i++) {
        if (statuses[i].code != verdict->exit_code)
            continue;
        verdict->outcome = statuses[i].outcome;
        if (statuses[i].error)
            (void)!wr_strformat(verdict->error, sizeof verdict->error, "%s", statuses[i].error);
    }
    if (!verdict->outcome) {
        fail(verdict, "");
        (void)!wr_strformat(verdict->error, sizeof verdict->error,
                            verdict->exit_code > 128 ? "a signal ended the runner (status %d)"
                                                     : "the runner ended with status %d",
                            verdict->exit_code);
    } else if (verdict->exit_code == 0 && clean && verdict->passed == 0 && verdict->skipped == 0) {
        verdict->outcome = "no_tests"; /* pytest --collect-only */
    } else if (verdict->exit_code == 0 && !clean) {
        /* Code under test can end the process with any status. */
        fail(verdict, "the runner ended with status 0, but its report is missing or has failures");
    } else if (verdict->exit_code == 2 && verdict->cases && verdict->errored == 0) {
        fail(verdict, "the run was interrupted");
    }
}

int wr_project_verdict_output(struct wr_project_verdict *verdict, json_t *left_out, json_t **ret,
                              struct wr_error *err)
{
    if (!verdict->outcome)
        conclude(verdict);
    json_t *made = json_pack(
        "{s:b, s:s, s:o, s:I, s:I, s:I, s:I, s:O*, s:o, s:o, s:o, s:o, s:O, s:f}", "success",
        wr_streq(verdict->outcome, "passed"), "outcome", verdict->outcome, "error",
        *verdict->error ? json_string(verdict->error) : json_null(), "tests_passed",
        (json_int_t)verdict->passed, "tests_failed", (json_int_t)verdict->failed, "tests_skipped",
        (json_int_t)verdict->skipped, "tests_errored", (json_int_t)verdict->errored, "results",
        verdict->cases, "exit_code",
        verdict->ended ? json_integer(verdict->exit_code) : json_null(), "output",
        verdict->output ? json_incref(verdict->output) : json_string(""), "junit_xml",
        verdict->junit_xml ? json_incref(verdict->junit_xml) : json_string(""), "coverage_percent",
        verdict->has_coverage ? json_real(verdict->coverage_percent) : json_null(), "left_out",
        left_out, "duration_ms", verdict->duration_ms);
    if (made && !verdict->cases && json_object_set_new(made, "results", json_array()) < 0) {
        json_decref(made);
        made = NULL;
    }
    if (!made)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "result of the tests");
    *ret = made;
    return 0;
}

void wr_project_verdict_done(struct wr_project_verdict *verdict)
{
    json_decref(verdict->output);
    json_decref(verdict->junit_xml);
    json_decref(verdict->cases);
    *verdict = (struct wr_project_verdict){0};
}
