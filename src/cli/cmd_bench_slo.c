#include "cli/cmd_bench_slo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/backend.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/sandbox_opts.h"
#include "cli/slo_view.h"
#include "json/jread.h"
#include "json/value.h"
#include "warren/orchestrator.h"

#define DEFAULT_ROUNDS 20
#define CODE           "print('ok')"

struct values {
    struct wr_slo_values slo;
    struct wr_sandbox_values sandbox;
    uint64_t rounds, concurrency, backend;
};

static const struct wr_opt opts[] = {
    {"rounds", 'n', WR_OPT_U64, offsetof(struct values, rounds), "N", "executions (20)", 1, 10000,
     false, NULL},
    {"concurrency", 'c', WR_OPT_U64, offsetof(struct values, concurrency), "N",
     "as many at once (1)", 1, 1000, false, NULL},
    WR_SLO_OPTS(offsetof(struct values, slo)),
    WR_BACKEND_OPT(offsetof(struct values, backend)),
    WR_SANDBOX_COMMON_OPTS(offsetof(struct values, sandbox)),
};

struct bench {
    const struct wr_invocation *in;
    const struct values *values;
    size_t rounds;
    char dir[PATH_MAX], ledger[PATH_MAX]; /* "": not made */
    struct wr_interrupt *interrupt;
    struct wr_client *client;
    struct wr_primitive *orchestrator;
    atomic_size_t ended;
};

static void bench_done(struct bench *bench)
{
    wr_primitive_free(bench->orchestrator);
    wr_client_free(bench->client);
    wr_interrupt_free(bench->interrupt);
    if (*bench->dir)
        (void)!wr_remove_tree(AT_FDCWD, bench->dir); /* a few files in a temporary directory */
}

/* A ledger of its own: neither do older executions count, nor these later. */
static int make_ledger(struct bench *bench, struct wr_error *err)
{
    const char *tmp = getenv("TMPDIR");
    char path[PATH_MAX];

    if (!wr_strformat(path, sizeof path, "%s/warren-slo-XXXXXX", tmp && *tmp ? tmp : "/tmp"))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, ENAMETOOLONG, "TMPDIR");
    if (!mkdtemp(path))
        return wr_fail_errno(err, WR_E_INTERNAL, "make a temporary directory %.160s", path);
    if (!realpath(path, bench->dir)) {
        int r = wr_fail_errno(err, WR_E_INTERNAL, "%.160s", path);
        (void)!wr_remove_tree(AT_FDCWD, path);
        bench->dir[0] = '\0';
        return r;
    }
    if (!wr_strformat(bench->ledger, sizeof bench->ledger, "%.4000s/ledger.db", bench->dir))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, ENAMETOOLONG, "TMPDIR");
    return 0;
}

static void on_result(size_t index, const struct wr_value *result, void *data)
{
    struct bench *bench = data;

    (void)index;
    (void)result; /* the ledger knows how it went */
    atomic_fetch_add(&bench->ended, 1);
}

static void describe(char *line, size_t cap, double elapsed_s, void *data)
{
    struct bench *bench = data;

    if (!wr_strformat(line, cap, "%zu of %zu executions, %.0f s", atomic_load(&bench->ended),
                      bench->rounds, elapsed_s))
        *line = '\0';
}

static int prepare(struct bench *bench, struct wr_error *err)
{
    const struct values *values = bench->values;
    const struct wr_sandbox_opts sandbox = wr_sandbox_opts_of(&values->sandbox);
    double rate = 0;

    /* A wrong target is told before anything is executed. */
    int r = values->slo.success ? wr_slo_rate_read(values->slo.success, &rate, err) : 0;
    if (r == 0)
        r = make_ledger(bench, err);
    if (r == 0)
        r = wr_interrupt_new(&bench->interrupt, err);
    if (r == 0)
        r = wr_cli_client(bench->in, values->backend, wr_interrupt_cancel(bench->interrupt),
                          &bench->client, err);
    if (r < 0)
        return r;
    bench->orchestrator = wr_orchestrator_new(
        bench->client,
        WR_OPTS(wr_orchestrator_opts,
                .max_concurrent = values->concurrency ? (unsigned)values->concurrency : 1,
                .supply_opts = WR_OPTS(wr_supply_opts, .sandbox = &sandbox), .on_result = on_result,
                .on_result_data = bench, .ledger_path = bench->ledger),
        err);
    return bench->orchestrator ? 0 : -err->code;
}

static int execute(struct bench *bench, struct wr_error *err)
{
    wr_auto_json *tasks = json_array();
    wr_auto_value *output = NULL;
    struct wr_progress *progress = NULL;
    int r = 0;

    for (size_t i = 0; i < bench->rounds; i++)
        r |= json_array_append_new(tasks, json_pack("{s:s}", "code", CODE));
    wr_auto_value *input = wr_value_of_json(json_pack("{s:O}", "tasks", tasks));
    if (r != 0 || !input)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "tasks");
    struct wr_workflow *workflow = wr_workflow_new(
        WR_OPTS(wr_workflow_opts, .cancel = wr_interrupt_cancel(bench->interrupt)), err);
    r = workflow ? wr_progress_start(describe, bench, &progress, err) : -err->code;
    if (r == 0)
        r = wr_primitive_execute(bench->orchestrator, input, workflow, &output, err);
    wr_progress_stop(progress);
    wr_workflow_free(workflow);
    return r;
}

static int show(const struct bench *bench, struct wr_error *err)
{
    struct wr_ledger *ledger = wr_ledger_open(bench->ledger, err);

    if (!ledger)
        return -err->code;
    int r = wr_slo_show(ledger, 0, &bench->values->slo, err);
    wr_ledger_free(ledger);
    return r;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    WR_CLEANUP(bench_done)
    struct bench bench = {.in = in,
                          .values = values,
                          .rounds = (size_t)(values->rounds ? values->rounds : DEFAULT_ROUNDS)};

    atomic_init(&bench.ended, 0);
    int r = prepare(&bench, err);
    if (r == 0)
        r = execute(&bench, err);
    if (bench.interrupt && wr_interrupt_signal(bench.interrupt))
        return 128 + wr_interrupt_signal(bench.interrupt);
    return r < 0 ? r : show(&bench, err);
}

const struct wr_command wr_cmd_bench_slo = {
    .name = "bench-slo",
    .summary = "Execute now, and compare that with what was promised",
    .usage = "[--rounds N] [--concurrency N] [OPTIONS]",
    .details =
        "Makes a sandbox for each of N executions of a line of Python and shows the table of\n"
        "`warren slo` for these alone; they are not written into the ledger. The status is 1 when a\n"
        "target was missed.\n\n"
        "examples:\n"
        "  warren bench-slo --rounds 100 --concurrency 4\n"
        "  warren bench-slo --backend e2b --json",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .run = run,
};
