#include "primitives/testing/test_project.h"

#include <errno.h>
#include <limits.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/core/workflow.h"
#include "primitives/execute/execution_run.h"
#include "primitives/execute/install.h"
#include "primitives/testing/project_archive.h"
#include "primitives/testing/project_input.h"
#include "primitives/testing/project_verdict.h"
#include "primitives/testing/scripts.h"
#include "warren/files.h"
#include "warren/program.h"

#define PROJECT_DIR   "/home/user/project"
#define ARCHIVE_FILE  "/home/user/.warren-project.tar"
#define RUNNER_FILE   "/home/user/.warren-unittest.py"
#define SUMMARY_FILE  "/home/user/.warren-summary.py"
#define REPORT_FILE   "/home/user/.warren-report.xml"
#define COVERAGE_FILE "/home/user/.warren-coverage.json"
#define MAX_REPORT    (16 * WR_MIB)
#define ACQUIRE_MS    ((uint64_t)120000)
#define UNPACK_MS     ((uint64_t)300000)
#define SMALL_MS      ((uint64_t)60000)
#define MAX_ARGV      (WR_PROJECT_MAX_ARGS + 16)

struct run {
    const struct wr_test_project *project;
    const struct wr_project_input *input;
    struct wr_project_archive *archive;
    struct wr_workflow *workflow;
    struct wr_sandbox *sandbox;
    struct wr_project_verdict *verdict;
    bool wrong_input; /* an error is the caller's: the archive cannot be unpacked */
};

/* ---- programs ---- */

static int run_program(const struct run *run, const char *const *argv, size_t count,
                       uint64_t timeout_ms, struct wr_value **ret, struct wr_error *err)
{
    const struct wr_wait wait = wr_workflow_wait(run->workflow, 0);

    return wr_program_run(run->sandbox,
                          WR_OPTS(wr_program_opts, .argv = argv, .argv_count = count,
                                  .cwd = PROJECT_DIR, .timeout_ms = timeout_ms,
                                  .max_output = MAX_REPORT),
                          &wait, ret, err);
}

static int upload(struct run *run, struct wr_error *err)
{
    static const char unpack[] =
        "mkdir -p " PROJECT_DIR " && tar -x --no-same-owner -f " ARCHIVE_FILE " -C " PROJECT_DIR
        " && rm -f " ARCHIVE_FILE;
    static const char *const argv[] = {"/bin/sh", "-c", unpack};
    const struct wr_file files[] = {
        {RUNNER_FILE, wr_unittest_runner, strlen(wr_unittest_runner)},
        {SUMMARY_FILE, wr_report_summary, strlen(wr_report_summary)},
    };
    const struct wr_wait wait = wr_workflow_wait(run->workflow, UNPACK_MS);
    wr_auto_value *result = NULL;

    int r = wr_files_upload(run->sandbox, ARCHIVE_FILE, NULL, run->archive->fd, &wait, err);
    if (r == 0)
        r = wr_files_write_all(run->sandbox, files, WR_ARRAY_SIZE(files), NULL, &wait, err);
    if (r == 0)
        r = wr_program_run(run->sandbox,
                           WR_OPTS(wr_program_opts, .argv = argv, .argv_count = WR_ARRAY_SIZE(argv),
                                   .timeout_ms = UNPACK_MS, .max_output = 4096),
                           &wait, &result, err);
    if (r < 0 || wr_value_int(result, "exit_code", -1) == 0)
        return r;
    run->wrong_input = true;
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "project: tar: %.150s",
                   wr_value_string(result, "stderr"));
}

/* ---- packages ---- */

static int install(const struct run *run, const char *const *packages, size_t count,
                   const char *requirements, struct wr_error *err)
{
    char path[PATH_MAX];

    if (requirements && !wr_strformat(path, sizeof path, "%s/%s", PROJECT_DIR, requirements))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "requirements: the path is too long");
    const struct wr_install what = {.sandbox = run->sandbox,
                                    .packages = packages,
                                    .count = count,
                                    .requirements = requirements ? path : NULL,
                                    .cwd = PROJECT_DIR, /* of relative paths in a requirement */
                                    .timeout_ms = run->project->timeout_ms};
    return wr_install_packages(&what, run->workflow, err);
}

/* What the runner itself needs and neither the template nor the project brought. */
static int install_missing(const struct run *run, struct wr_error *err)
{
    static const char code[] = "import importlib.util, sys\n"
                               "for name in sys.argv[1:]:\n"
                               "    if not importlib.util.find_spec(name): print(name)\n";
    const char *argv[6] = {"python3", "-P", "-c", code};
    const char *missing[2];
    size_t count = 4, n = 0;
    wr_auto_value *result = NULL;

    if (run->input->runner == WR_RUNNER_PYTEST)
        argv[count++] = "pytest";
    if (run->input->coverage)
        argv[count++] = "coverage";
    if (count == 4)
        return 0;
    int r = run_program(run, argv, count, SMALL_MS, &result, err);
    if (r < 0)
        return r;
    for (size_t i = 4; i < count; i++)
        if (strstr(wr_value_string(result, "stdout"), argv[i]))
            missing[n++] = argv[i];
    return n > 0 ? install(run, missing, n, NULL, err) : 0;
}

/* ---- the tests ---- */

static size_t test_command(const struct wr_project_input *input, const char *argv[static MAX_ARGV])
{
    size_t n = 0;

    argv[n++] = "python3";
    if (input->coverage) {
        argv[n++] = "-m";
        argv[n++] = "coverage";
        argv[n++] = "run";
        argv[n++] = "--source=.";
    }
    if (input->runner == WR_RUNNER_PYTEST) {
        argv[n++] = "-m";
        argv[n++] = "pytest";
        argv[n++] = "--junitxml=" REPORT_FILE;
    } else {
        argv[n++] = RUNNER_FILE;
        argv[n++] = REPORT_FILE;
    }
    for (size_t i = 0; i < input->arg_count; i++)
        argv[n++] = input->args[i];
    return n;
}

/* The runner's output in the order of its streams; both together are what a terminal would show. */
static int keep_output(const struct run *run, const struct wr_value *result, struct wr_error *err)
{
    struct wr_project_verdict *verdict = run->verdict;
    const json_t *out = json_object_get(wr_value_json(result), "stdout");
    const json_t *errors = json_object_get(wr_value_json(result), "stderr");
    wr_auto_free char *both =
        wr_calloc(json_string_length(out) + json_string_length(errors) + 1, 1);

    if (!both)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "output of the tests");
    size_t len = json_string_length(out);
    if (len > 0)
        memcpy(both, json_string_value(out), len);
    if (json_string_length(errors) > 0)
        memcpy(both + len, json_string_value(errors), json_string_length(errors));
    len += json_string_length(errors);
    /* The end says what failed. */
    size_t from = len - WR_MIN(len, run->project->max_output);
    while (from < len && ((unsigned char)both[from] & 0xc0) == 0x80)
        from++;
    verdict->output = json_stringn(both + from, len - from);
    return 0;
}

static int run_tests(const struct run *run, struct wr_error *err)
{
    const char *argv[MAX_ARGV];
    size_t count = test_command(run->input, argv);
    wr_auto_value *result = NULL;
    uint64_t start_us = wr_mono_us();

    int r = run_program(run, argv, count, run->project->timeout_ms, &result, err);
    run->verdict->duration_ms = (double)(wr_mono_us() - start_us) / 1e3;
    if (r == -WR_E_DEADLINE_EXCEEDED && wr_workflow_check(run->workflow, err) == 0) {
        wr_project_verdict_timeout(run->verdict, run->project->timeout_ms);
        return 0;
    }
    if (r < 0)
        return -err->code;
    run->verdict->exit_code = (int)wr_value_int(result, "exit_code", -1);
    run->verdict->ended = true;
    return keep_output(run, result, err);
}

/* The tests have ended, but what they left behind may keep a reader of it waiting: a pipe in the
 * place of the report. Then there is no report, which is the tests' doing and not the server's. */
static int unless_stuck(const struct run *run, int r, struct wr_error *err)
{
    if (r != -WR_E_DEADLINE_EXCEEDED)
        return r;
    return wr_workflow_check(run->workflow, err) < 0 ? -err->code : 0;
}

static int read_report(const struct run *run, struct wr_error *err)
{
    static const char *const summary[] = {"python3", "-I", SUMMARY_FILE, REPORT_FILE,
                                          COVERAGE_FILE};
    static const char *const coverage[] = {"python3", "-m", "coverage",   "json",
                                           "-q",      "-o", COVERAGE_FILE};
    const struct wr_wait wait = wr_workflow_wait(run->workflow, SMALL_MS);
    wr_auto_value *unused = NULL;
    wr_auto_value *told = NULL;
    char *xml = NULL;
    size_t len = 0;
    int r = 0;

    if (run->input->coverage)
        r = unless_stuck(
            run, run_program(run, coverage, WR_ARRAY_SIZE(coverage), SMALL_MS, &unused, err), err);
    if (r == 0)
        r = run_program(run, summary, WR_ARRAY_SIZE(summary), SMALL_MS, &told, err);
    if (r < 0)
        return unless_stuck(run, r, err);
    wr_project_verdict_report(run->verdict, wr_value_string(told, "stdout"));
    r = wr_files_read(run->sandbox, REPORT_FILE, NULL, MAX_REPORT, &wait, &xml, &len, err);
    if (r == 0)
        run->verdict->junit_xml = json_stringn(xml, len); /* NULL: no UTF-8, so no report */
    wr_free(xml);
    return r == -WR_E_NOT_FOUND || r == -WR_E_RESOURCE_EXHAUSTED ? 0 : unless_stuck(run, r, err);
}

static int in_sandbox(struct run *run, struct wr_error *err)
{
    const struct wr_project_input *input = run->input;
    int r = upload(run, err);

    if (r == 0)
        r = install(run, input->packages, input->package_count, input->requirements, err);
    if (r == 0)
        r = install_missing(run, err);
    if (r == 0)
        r = run_tests(run, err);
    return r == 0 && run->verdict->ended ? read_report(run, err) : r;
}

/* ---- the whole ---- */

static int with_sandbox(struct run *run, struct wr_error *err)
{
    struct wr_lease lease = {0};
    uint64_t needed_ms = ACQUIRE_MS + UNPACK_MS + 2 * run->project->timeout_ms;
    wr_auto_workflow *scope =
        wr_workflow_scope(run->workflow, &(struct wr_scope_opts){.timeout_ms = needed_ms}, err);
    struct wr_sandbox *longer = NULL;
    enum wr_lease_end end = WR_LEASE_DIRTY; /* files and packages of the project are in it */

    if (!scope)
        return -err->code;
    if (wr_supply_acquire(run->project->supply, scope, &lease, err) < 0)
        return wr_execution_service_error(run->workflow, err);
    run->sandbox = lease.sandbox;
    const struct wr_wait wait = wr_workflow_wait(run->workflow, 0);
    int r = 0;
    if (!lease.fresh) /* it must live until the end of the tests */
        r = wr_sandbox_connect(wr_sandbox_client(lease.sandbox), wr_sandbox_id(lease.sandbox),
                               needed_ms / 1000, &wait, &longer, err);
    wr_sandbox_free(longer);
    if (r == 0)
        r = in_sandbox(run, err);
    if (r < 0 && !run->wrong_input) {
        const struct wr_execution_run used = {
            .sandbox = lease.sandbox, .language = "python", .keeps = run->project->keeps};
        end = wr_execution_lease_end(&used, err);
        r = -err->code;
    }
    if (run->project->keeps && end == WR_LEASE_DIRTY && (r == 0 || run->wrong_input))
        end = WR_LEASE_DONE;
    wr_supply_release(run->project->supply, &lease, end);
    return r;
}

int wr_test_project_run(const struct wr_test_project *project, const json_t *input,
                        struct wr_workflow *workflow, json_t **ret, struct wr_error *err)
{
    wr_auto_project_input read = {0};
    struct wr_project_archive archive = {.fd = -1};
    struct wr_project_verdict verdict = {0};
    struct wr_error over;

    int r = wr_project_input_read(input, &read, err);
    if (r == 0)
        r = wr_project_archive_open(read.path, &archive, err);
    if (r < 0)
        return r;
    struct run run = {.project = project,
                      .input = &read,
                      .archive = &archive,
                      .workflow = workflow,
                      .verdict = &verdict};
    struct wr_span *span = wr_span_begin(workflow, "code_testing.project");
    r = with_sandbox(&run, err);
    if (r < 0 && !run.wrong_input && err->code != WR_E_CANCELED &&
        wr_workflow_check(workflow, &over) == 0) {
        wr_project_verdict_infrastructure(&verdict, err);
        r = 0;
    }
    if (r == 0)
        r = wr_project_verdict_output(&verdict, archive.left_out, ret, err);
    wr_span_end(span, r < 0 ? err : NULL);
    wr_project_verdict_done(&verdict);
    wr_project_archive_close(&archive);
    return r;
}
