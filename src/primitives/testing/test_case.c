#include "primitives/testing/test_case.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "json/jread.h"
#include "primitives/core/workflow.h"
#include "primitives/execute/execution_input.h"
#include "primitives/execute/execution_run.h"
#include "primitives/testing/test_stdin.h"
#include "warren/files.h"

#define INPUT_FILE  "/test_input.json"
#define MAX_MATCHED (4 * WR_MIB) /* bytes of output that expectations are compared with */
#define ACQUIRE_MS  ((uint64_t)120000)
#define PREAMBLE_MS ((uint64_t)20000)

/* ---- reading ---- */

static int check_members(const json_t *object, const char *const *known, const char *what,
                         struct wr_error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        size_t i = 0;
        while (known[i] && !wr_streq(known[i], name))
            i++;
        if (!known[i])
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: there is no member \"%.60s\"", what,
                           name);
    }
    return 0;
}

static int read_case(const json_t *members, size_t index, uint64_t default_timeout_ms,
                     struct wr_test_case *ret, struct wr_error *err)
{
    static const char *const known[] = {"name",
                                        "input",
                                        "timeout",
                                        "expected_output",
                                        "expected_regex",
                                        "expected_number",
                                        "tolerance",
                                        "relative_tolerance",
                                        NULL};
    const json_t *name = json_object_get(members, "name");
    const json_t *timeout = json_object_get(members, "timeout");
    char what[40];

    if (!wr_strformat(what, sizeof what, "test_cases[%zu]", index))
        return wr_fail(err, WR_E_INTERNAL, 0, "test_cases");
    if (!json_is_object(members))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: no object", what);
    int r = check_members(members, known, what, err);
    if (r < 0)
        return r;
    if (name && (!json_is_string(name) || json_string_length(name) == 0 ||
                 !wr_strcopy(ret->name, sizeof ret->name, json_string_value(name))))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: name is no text of 1 to %zu bytes", what,
                       sizeof ret->name - 1);
    if (!name && !wr_strformat(ret->name, sizeof ret->name, "case %zu", index + 1))
        return wr_fail(err, WR_E_INTERNAL, 0, "test_cases");
    ret->input = json_object_get(members, "input");
    ret->timeout_ms = default_timeout_ms;
    if (timeout && !json_is_null(timeout))
        r = wr_execution_read_timeout(timeout, what, &ret->timeout_ms, err);
    return r < 0 ? r : wr_expectation_read(members, what, &ret->expectation, err);
}

static int read_cases(const json_t *cases, uint64_t default_timeout_ms, struct wr_test_suite *ret,
                      struct wr_error *err)
{
    size_t count = json_array_size(cases), i;
    const json_t *members;

    if (!json_is_array(cases) || count == 0 || count > WR_TEST_MAX_CASES)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "test_cases: no array of 1 to %d cases",
                       WR_TEST_MAX_CASES);
    ret->cases = wr_calloc(count, sizeof *ret->cases);
    if (!ret->cases)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "test_cases");
    ret->count = count;
    json_array_foreach(cases, i, members) {
        int r = read_case(members, i, default_timeout_ms, &ret->cases[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

int wr_test_suite_read(const json_t *input, uint64_t default_timeout_ms, struct wr_test_suite *ret,
                       struct wr_error *err)
{
    static const char *const known[] = {"code", "language", "test_cases", NULL};
    const json_t *code = json_object_get(input, "code");
    const json_t *language = json_object_get(input, "language");

    int r = check_members(input, known, "the input of a test", err);
    if (r == 0)
        r = wr_execution_check_code(code, "code", err);
    if (r == 0 && language && !json_is_null(language))
        r = wr_execution_check_language(language, "language", err);
    if (r < 0)
        return r;
    ret->code = json_string_value(code);
    ret->language = json_is_string(language) ? json_string_value(language) : "python";
    r = read_cases(json_object_get(input, "test_cases"), default_timeout_ms, ret, err);
    if (r < 0)
        wr_test_suite_done(ret);
    return r;
}

void wr_test_suite_done(struct wr_test_suite *suite)
{
    for (size_t i = 0; i < suite->count; i++)
        wr_expectation_done(&suite->cases[i].expectation);
    free(suite->cases);
    suite->cases = NULL;
    suite->count = 0;
}

/* ---- one run ---- */

/* The input as JSON, and text also as it is, for the standard input. Only root can write there. */
static int write_input(struct wr_sandbox *sandbox, const struct wr_test_case *test, bool with_stdin,
                       struct wr_workflow *workflow, struct wr_error *err)
{
    const struct wr_wait wait = wr_workflow_wait(workflow, 0);
    wr_auto_free char *json = json_dumps(test->input, JSON_ENCODE_ANY);

    if (!json)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "input of a case");
    const struct wr_file files[] = {
        {INPUT_FILE, json, strlen(json)},
        {WR_TEST_STDIN_FILE, json_string_value(test->input), json_string_length(test->input)},
    };
    return wr_files_write_all(sandbox, files, with_stdin ? 2 : 1, "root", &wait, err);
}

static int prepare(const struct wr_execution_run *run, const struct wr_test_case *test,
                   struct wr_workflow *workflow, struct wr_error *err)
{
    const char *preamble =
        json_is_string(test->input) ? wr_test_stdin_preamble(run->language) : NULL;
    enum wr_lease_end end = WR_LEASE_DONE;
    wr_auto_json *result = NULL;
    struct wr_execution_run before = *run;

    if (!test->input)
        return 0;
    int r = write_input(run->sandbox, test, preamble, workflow, err);
    if (r < 0)
        return wr_execution_service_error(workflow, err);
    if (!preamble)
        return 0;
    /* Nobody hears what a preamble says. */
    wr_auto_workflow *scope =
        wr_workflow_scope(workflow, &(struct wr_scope_opts){.has_sink = true}, err);
    if (!scope)
        return -err->code;
    before.code = preamble;
    before.timeout_ms = PREAMBLE_MS;
    r = wr_execution_run(&before, scope, NULL, &result, &end, err);
    if (r == 0 && !wr_execution_succeeded(result))
        return wr_fail(err, WR_E_INTERNAL, 0, "the standard input of the case could not be set");
    return r;
}

/* What the cell wrote to its standard output; when that is nothing, the value of its last
 * expression. */
static const char *output_of(const json_t *run, size_t *ret_len)
{
    const json_t *out = json_object_get(run, "stdout");
    const char *value = NULL;

    if (json_string_length(out) == 0)
        value = wr_execution_main_text(run, ret_len);
    if (value)
        return value;
    *ret_len = json_string_length(out);
    return *ret_len > 0 ? json_string_value(out) : "";
}

struct verdict {
    const char *outcome;
    char error[400];
    const char *output; /* borrowed from what the cell gave */
    size_t output_len;
    double duration_ms;
};

static void judge(const struct wr_test_case *test, const json_t *run, struct verdict *verdict)
{
    verdict->duration_ms = json_number_value(json_object_get(run, "time_ms"));
    verdict->output = output_of(run, &verdict->output_len);
    verdict->outcome = "failed";
    if (!wr_execution_succeeded(run)) {
        wr_auto_free char *text = wr_execution_error_text(json_object_get(run, "error"));
        size_t len = text ? wr_execution_prefix(text, strlen(text), 90) : 0;
        (void)!wr_strformat(verdict->error, sizeof verdict->error, "%.*s", (int)len,
                            text ? text : "");
        return;
    }
    switch (wr_expectation_match(&test->expectation, verdict->output, verdict->output_len)) {
    case WR_MATCH_YES:
        verdict->outcome = "passed";
        break;
    case WR_MATCH_NO:
        (void)!wr_strformat(verdict->error, sizeof verdict->error,
                            "the output is not what was expected");
        break;
    case WR_MATCH_TOO_HARD:
        (void)!wr_strformat(verdict->error, sizeof verdict->error,
                            "expected_regex takes too many steps on this output");
        break;
    }
}

static void judge_error(const struct wr_error *err, struct verdict *verdict)
{
    bool timeout = err->code == WR_E_DEADLINE_EXCEEDED;

    verdict->outcome = timeout ? "timeout" : "infrastructure_error";
    (void)!wr_strformat(verdict->error, sizeof verdict->error, "%s", err->msg);
}

static json_t *result_of(const struct wr_test_suite *suite, const struct wr_test_case *test,
                         const struct verdict *verdict)
{
    size_t len = WR_MIN(verdict->output_len, suite->max_output);
    json_t *expected = test->expectation.shown;

    while (len > 0 && len < verdict->output_len &&
           ((unsigned char)verdict->output[len] & 0xc0) == 0x80)
        len--;
    return json_pack("{s:s, s:b, s:s, s:o, s:o, s:o, s:f}", "test", test->name, "passed",
                     wr_streq(verdict->outcome, "passed"), "outcome", verdict->outcome, "output",
                     json_stringn(verdict->output, len), "expected",
                     expected ? json_incref(expected) : json_null(), "error",
                     *verdict->error ? json_string(verdict->error) : json_null(), "duration_ms",
                     verdict->duration_ms);
}

static int run_in_sandbox(const struct wr_test_suite *suite, const struct wr_test_case *test,
                          struct wr_workflow *workflow, json_t **ret_run, struct wr_error *err)
{
    struct wr_lease lease = {0};
    enum wr_lease_end end = WR_LEASE_DONE;
    wr_auto_workflow *scope = wr_workflow_scope(
        workflow,
        &(struct wr_scope_opts){.timeout_ms = ACQUIRE_MS + PREAMBLE_MS + test->timeout_ms}, err);

    if (!scope)
        return -err->code;
    if (wr_supply_acquire(suite->supply, scope, &lease, err) < 0)
        return wr_execution_service_error(workflow, err);
    const struct wr_execution_run run = {.sandbox = lease.sandbox,
                                         .code = suite->code,
                                         .language = suite->language,
                                         .timeout_ms = test->timeout_ms,
                                         .max_output_bytes = MAX_MATCHED,
                                         .keeps = suite->keeps};
    int r = prepare(&run, test, workflow, err);
    if (r < 0) {
        end = wr_execution_lease_end(&run, err);
        if (err->code == WR_E_DEADLINE_EXCEEDED && wr_workflow_check(workflow, err) == 0)
            err->code = WR_E_UNAVAILABLE; /* not the case's time */
        r = -err->code;
    } else {
        r = wr_execution_run(&run, workflow, NULL, ret_run, &end, err);
    }
    wr_supply_release(suite->supply, &lease, end);
    return r;
}

int wr_test_case_run(const struct wr_test_suite *suite, const struct wr_test_case *test,
                     struct wr_workflow *workflow, json_t **ret, struct wr_error *err)
{
    struct verdict verdict = {.output = ""};
    struct wr_error over;
    wr_auto_json *run = NULL;

    struct wr_span *span = wr_span_begin(workflow, "code_testing.case");
    wr_span_set_string(span, "test", test->name);
    int r = run_in_sandbox(suite, test, workflow, &run, err);
    if (r == 0)
        judge(test, run, &verdict);
    else if (wr_workflow_check(workflow, &over) == 0 && err->code != WR_E_CANCELED)
        judge_error(err, &verdict);
    if (verdict.outcome)
        wr_span_set_string(span, "outcome", verdict.outcome);
    wr_span_end(span, verdict.outcome ? NULL : err);
    if (!verdict.outcome)
        return r;
    json_t *made = result_of(suite, test, &verdict);
    if (!made)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "result of a case");
    *ret = made;
    return 0;
}
