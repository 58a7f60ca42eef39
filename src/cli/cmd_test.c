#include "cli/cmd_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/backend.h"
#include "cli/execution_request.h"
#include "cli/interrupt.h"
#include "cli/ledger_note.h"
#include "cli/out.h"
#include "cli/progress.h"
#include "cli/sandbox_opts.h"
#include "cli/test_report.h"
#include "cli/text_file.h"
#include "json/jread.h"
#include "json/value.h"
#include "warren/testing.h"

#define CASES_MAX  ((size_t)64 * 1024 * 1024) /* bytes of the file */
#define JUNIT_MODE 0644
#define RUNNERS    "pytest|unittest"

struct values {
    struct wr_sandbox_values sandbox;
    const char *lang, *requirements, *junit;
    uint64_t timeout_ms, concurrency, backend, runner;
    struct wr_opt_list install;
    bool coverage, json;
};

static const struct wr_opt opts[] = {
    {"lang", 'l', WR_OPT_STRING, offsetof(struct values, lang), "LANG",
     "cases: language of FILE (by its extension)", 0, 0, false, NULL},
    {"timeout", 0, WR_OPT_DURATION, offsetof(struct values, timeout_ms), "TIME",
     "of a case (30s), or of installing and running a project (10m)", 1, 86400000, false, NULL},
    {"concurrency", 'c', WR_OPT_U64, offsetof(struct values, concurrency), "N",
     "cases: as many sandboxes at once (4)", 1, 64, false, NULL},
    {"runner", 0, WR_OPT_CHOICE, offsetof(struct values, runner), RUNNERS,
     "project: who runs its tests", 0, 0, false, NULL},
    {"install", 0, WR_OPT_LIST, offsetof(struct values, install), "PACKAGE",
     "project: install a Python package first (repeatable)", 0, 0, false, NULL},
    {"requirements", 'r', WR_OPT_STRING, offsetof(struct values, requirements), "PATH",
     "project: install what this file of the project lists", 0, 0, false, NULL},
    {"coverage", 0, WR_OPT_FLAG, offsetof(struct values, coverage), NULL,
     "project: measure how much of it the tests reach", 0, 0, false, NULL},
    {"junit", 0, WR_OPT_STRING, offsetof(struct values, junit), "FILE",
     "write the results as JUnit XML", 0, 0, false, NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL, "print one JSON object", 0, 0,
     false, NULL},
    WR_BACKEND_OPT(offsetof(struct values, backend)),
    WR_SANDBOX_COMMON_OPTS(offsetof(struct values, sandbox)),
};

struct testing {
    const struct wr_invocation *in;
    const struct values *values;
    bool project;
    const char *language;
    size_t case_count;
    json_t *input; /* owned */
    struct wr_interrupt *interrupt;
    struct wr_client *client;
    struct wr_primitive *tester;
};

static void testing_done(struct testing *t)
{
    json_decref(t->input);
    wr_primitive_free(t->tester);
    wr_client_free(t->client);
    wr_interrupt_free(t->interrupt);
}

static int no_memory(struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "test");
}

/* ---- what is tested ---- */

static bool is_project(const char *path)
{
    static const char *const endings[] = {".tar", ".tar.gz", ".tgz", ".tar.zst"};
    struct stat st;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return true;
    for (size_t i = 0; i < WR_ARRAY_SIZE(endings); i++)
        if (wr_ends_with(path, endings[i]))
            return true;
    return false;
}

/* Also when it is what it would be anyway. */
static bool is_given(const struct wr_invocation *in, const char *name)
{
    for (size_t i = 0; i < in->own.count; i++)
        if (in->own.texts[i] && wr_streq(in->own.opts[i].name, name))
            return true;
    return false;
}

/* Options of the other kind. */
static int refuse_options(const struct testing *t, struct wr_error *err)
{
    static const struct {
        const char *name;
        bool project;
    } options[] = {{"lang", false},   {"concurrency", false}, {"runner", true},
                   {"install", true}, {"requirements", true}, {"coverage", true}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(options); i++)
        if (options[i].project != t->project && is_given(t->in, options[i].name))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --%s is for %s", options[i].name,
                           t->project ? "cases (CASES.json FILE)" : "projects (DIR or TARBALL)");
    return 0;
}

/* {"test_cases": [...]} or the array itself. *ret is the caller's. */
static int read_cases(const char *path, json_t **ret, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(CASES_MAX);
    wr_auto_value *value = NULL;

    int r = wr_text_file_read(path, &text, err);
    if (r == 0)
        r = wr_value_parse(text.len ? wr_buf_ptr(&text) : "", text.len, &value, err);
    if (r < 0)
        return wr_wrap(err, "%.100s", path);
    json_t *json = wr_value_json(value), *cases = json;
    if (json_is_object(json)) {
        cases = json_object_get(json, "test_cases");
        if (!cases || json_object_size(json) != 1)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "%.100s: an array of cases, or {\"test_cases\": [...]} and nothing else",
                           path);
    }
    *ret = json_incref(cases);
    return 0;
}

static int read_case_input(struct testing *t, struct wr_error *err)
{
    const struct wr_invocation *in = t->in;
    wr_auto_json *cases = NULL;
    wr_auto_json *parts = json_object();

    if (in->arg_count < 2)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "test: %.80s is no directory and no archive, so FILE, the code, is missing",
                       in->args[0]);
    if (in->arg_count > 2)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "test: too many arguments (\"%.40s\")",
                       in->args[2]);
    int r = read_cases(in->args[0], &cases, err);
    if (r == 0)
        r = wr_execution_request_read(in->args[1], t->values->lang, parts, &t->input, err);
    if (r < 0)
        return r;
    t->case_count = json_array_size(cases);
    t->language = json_string_value(json_object_get(t->input, "language"));
    return json_object_set(t->input, "test_cases", cases) < 0 ? no_memory(err) : 0;
}

static json_t *texts_of(const char *const *items, size_t count)
{
    json_t *texts = json_array();

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(texts, json_string(items[i])) < 0) {
            json_decref(texts);
            return NULL;
        }
    return texts;
}

static int read_project_input(struct testing *t, struct wr_error *err)
{
    const struct wr_invocation *in = t->in;
    const struct values *values = t->values;

    t->language = "python";
    t->input = json_pack("{s:s, s:s, s:o, s:o, s:b}", "project", in->args[0], "runner",
                         values->runner ? "unittest" : "pytest", "args",
                         texts_of(in->args + 1, in->arg_count - 1), "install",
                         texts_of(values->install.items, values->install.count), "coverage",
                         values->coverage);
    if (!t->input)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "test: arguments are UTF-8 text");
    if (values->requirements &&
        json_object_set_new(t->input, "requirements", json_string(values->requirements)) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --requirements: no UTF-8 text");
    return 0;
}

static int prepare(struct testing *t, struct wr_error *err)
{
    const struct values *values = t->values;
    const struct wr_sandbox_opts sandbox = wr_sandbox_opts_of(&values->sandbox);

    int r = refuse_options(t, err);
    if (r == 0)
        r = t->project ? read_project_input(t, err) : read_case_input(t, err);
    if (r == 0)
        r = wr_interrupt_new(&t->interrupt, err);
    if (r == 0)
        r = wr_cli_client(t->in, values->backend, wr_interrupt_cancel(t->interrupt), &t->client,
                          err);
    if (r < 0)
        return r;
    t->tester = wr_tester_new(
        t->client,
        WR_OPTS(wr_tester_opts, .supply_opts = WR_OPTS(wr_supply_opts, .sandbox = &sandbox),
                .max_concurrent = (unsigned)values->concurrency,
                .case_timeout_ms = values->timeout_ms, .project_timeout_ms = values->timeout_ms),
        err);
    return t->tester ? 0 : -err->code;
}

/* ---- the tests ---- */

static void describe(char *line, size_t cap, double elapsed_s, void *data)
{
    struct testing *t = data;
    wr_auto_value *stats = wr_primitive_stats(t->tester);
    long long busy = wr_value_int(stats, "busy", 0);
    long long done = wr_value_int(stats, "leases", 0) - busy;
    bool fits = t->project ? wr_strformat(line, cap, "testing, %.0f s", elapsed_s)
                           : wr_strformat(line, cap, "%lld of %zu cases, %lld running, %.0f s",
                                          done, t->case_count, busy, elapsed_s);

    if (!fits)
        *line = '\0';
}

static int run_tests(struct testing *t, struct wr_value **ret, struct wr_error *err)
{
    struct wr_progress *progress = NULL;
    struct wr_workflow *workflow = wr_workflow_new(
        WR_OPTS(wr_workflow_opts, .cancel = wr_interrupt_cancel(t->interrupt)), err);

    int r = workflow ? wr_progress_start(describe, t, &progress, err) : -err->code;
    if (r == 0)
        r = wr_primitive_execute(t->tester, wr_value_of_json(t->input), workflow, ret, err);
    wr_progress_stop(progress);
    wr_workflow_free(workflow);
    return r;
}

static int write_junit(const struct testing *t, const struct wr_value *output, struct wr_error *err)
{
    const char *path = t->values->junit, *xml = wr_value_string(output, "junit_xml");

    if (!path)
        return 0;
    if (!*xml)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "option --junit: the runner left no report: %.120s",
                       wr_value_string(output, "outcome"));
    int r = wr_file_replace(AT_FDCWD, path, xml, strlen(xml), JUNIT_MODE, WR_VOLATILE);
    return r < 0 ? wr_fail(err, wr_code_from_errno(-r), -r, "option --junit: write %.160s", path)
                 : 0;
}

/* Tests that went well are no failure because they could not be written down. */
static void note(const struct testing *t, const struct wr_value *output)
{
    struct wr_error why = {0};
    const struct wr_ledger_note what = {.backend = wr_client_name(t->client),
                                        .template_name = t->values->sandbox.template_name,
                                        .language = t->language};

    if (wr_ledger_note_tests(&what, wr_value_json(output), &why) < 0)
        fprintf(stderr, "warren: ledger: %s\n", why.msg);
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    WR_CLEANUP(testing_done)
    struct testing t = {.in = in, .values = in->values, .project = is_project(in->args[0])};
    wr_auto_value *output = NULL;

    int r = prepare(&t, err);
    if (r == 0)
        r = run_tests(&t, &output, err);
    if (r == -WR_E_CANCELED && t.interrupt && wr_interrupt_signal(t.interrupt))
        return 128 + wr_interrupt_signal(t.interrupt);
    if (r < 0)
        return r;
    note(&t, output);
    r = t.values->json ? wr_print_json(wr_value_json(output), err)
                       : wr_test_report_print(wr_value_json(output), t.project, err);
    if (r == 0)
        r = write_junit(&t, output, err);
    return r < 0 ? r : wr_test_report_status(wr_value_json(output));
}

const struct wr_command wr_cmd_test = {
    .name = "test",
    .summary = "Test code against cases, or run the tests of a project",
    .usage = "[OPTIONS] CASES.json FILE|- | DIR|TARBALL [-- ARG...]",
    .details =
        "CASES.json is {\"test_cases\": [...]} or the array: each case has a name, an input (given\n"
        "to the code as /test_input.json and, if it is text, as standard input), what is expected\n"
        "(expected_output, expected_regex, or expected_number with tolerance and\n"
        "relative_tolerance) and a timeout in seconds. Each runs in a sandbox of its own.\n\n"
        "The tests of a directory or an archive (.tar, .tar.gz, .tar.zst) are run by pytest or\n"
        "unittest, which get the arguments behind \"--\".\n\n"
        "The status is 0 when all passed, 1 when tests failed, 2 when they could not be collected\n"
        "or there are none; above 64 Warren itself failed, not the tests.\n\n"
        "examples:\n"
        "  warren test cases.json solution.py\n"
        "  warren test --junit report.xml --install numpy . -- -k fast -x",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = WR_OPT_MAX_ARGS,
    .run = run,
};
