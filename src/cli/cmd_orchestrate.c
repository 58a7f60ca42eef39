#include "cli/cmd_orchestrate.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/backend.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/sandbox_opts.h"
#include "cli/task_lines.h"
#include "cli/text_file.h"
#include "cli/turns.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/ledger/state_dir.h"
#include "warren/orchestrator.h"

#define LEDGER_FILE "ledger.db"
#define EXIT_FAILED 1
/* A result that waits for those before it must not keep others from ending. */
#define KEEP_MAX    ((size_t)1024 * 1024 * 1024)

enum { SHARE_NONE, SHARE_VOLUME, SHARE_BLACKBOARD };

struct values {
    struct wr_sandbox_values sandbox;
    uint64_t concurrency, retry, timeout_ms, share, backend;
    const char *board;
    bool stop_on_failure;
};

static const struct wr_opt opts[] = {
    {"concurrency", 'c', WR_OPT_U64, offsetof(struct values, concurrency), "N",
     "as many sandboxes at once (5)", 1, 1000, false, NULL},
    {"retry", 0, WR_OPT_U64, offsetof(struct values, retry), "N",
     "try a task N times more when the service fails", 1, 100, false, NULL},
    {"timeout", 0, WR_OPT_DURATION, offsetof(struct values, timeout_ms), "TIME",
     "of a task without a time of its own (60s)", 1, 86400000, false, NULL},
    {"stop-on-failure", 0, WR_OPT_FLAG, offsetof(struct values, stop_on_failure), NULL,
     "cancel and skip the rest when a task fails", 0, 0, false, NULL},
    {"share", 0, WR_OPT_CHOICE, offsetof(struct values, share), "none|volume|blackboard",
     "how tasks share files, in /board (none)", 0, 0, false, NULL},
    {"board", 0, WR_OPT_STRING, offsetof(struct values, board), "DIR",
     "directory here that is the blackboard (a temporary one)", 0, 0, false, NULL},
    WR_BACKEND_OPT(offsetof(struct values, backend)),
    WR_SANDBOX_COMMON_OPTS(offsetof(struct values, sandbox)),
};

struct orchestration {
    const struct wr_invocation *in;
    const struct values *values;
    json_t *tasks; /* owned */
    struct wr_interrupt *interrupt;
    struct wr_client *client;
    struct wr_primitive *orchestrator;
    struct wr_turns *turns;
    struct wr_progress *progress;
    pthread_mutex_t lock; /* of the counts */
    size_t ended, failed;
    char ledger[PATH_MAX];
};

static void orchestration_done(struct orchestration *o)
{
    wr_progress_stop(o->progress);
    wr_primitive_free(o->orchestrator);
    wr_client_free(o->client);
    wr_turns_free(o->turns);
    wr_interrupt_free(o->interrupt);
    json_decref(o->tasks);
    (void)pthread_mutex_destroy(&o->lock);
}

/* ---- while it runs ---- */

static void on_broken(void *data)
{
    struct orchestration *o = data;

    wr_interrupt_raise(o->interrupt, SIGPIPE);
}

/* One at a time, says the orchestrator. */
static void on_result(size_t index, const struct wr_value *result, void *data)
{
    struct orchestration *o = data;
    wr_auto_free char *line =
        json_dumps(wr_value_json(result), JSON_COMPACT | JSON_REAL_PRECISION(15));

    (void)pthread_mutex_lock(&o->lock);
    o->ended++;
    o->failed += !wr_value_bool(result, "success", false);
    (void)pthread_mutex_unlock(&o->lock);
    wr_progress_erase(o->progress);
    if (line && wr_turns_write(o->turns, index, false, line, strlen(line)) == 0)
        (void)wr_turns_write(o->turns, index, false, "\n", 1);
    wr_turns_end(o->turns, index);
}

static void describe(char *line, size_t cap, double elapsed_s, void *data)
{
    struct orchestration *o = data;

    (void)pthread_mutex_lock(&o->lock);
    size_t ended = o->ended, failed = o->failed;
    (void)pthread_mutex_unlock(&o->lock);
    if (!wr_strformat(line, cap, "%zu of %zu tasks, %zu failed, %.0f s", ended,
                      json_array_size(o->tasks), failed, elapsed_s))
        *line = '\0';
}

/* ---- before ---- */

static int read_tasks(struct orchestration *o, struct wr_error *err)
{
    const char *file = o->in->args[0];
    wr_auto_buf text = WR_BUF(WR_TASKS_FILE_MAX);

    int r = wr_text_file_read(file, &text, err);
    return r < 0
               ? r
               : wr_task_lines_parse(text.len ? wr_buf_ptr(&text) : "", text.len,
                                     wr_streq(file, "-") ? "standard input" : file, &o->tasks, err);
}

static int make_orchestrator(struct orchestration *o, struct wr_error *err)
{
    static const enum wr_share shares[] = {[SHARE_NONE] = WR_SHARE_NONE,
                                           [SHARE_VOLUME] = WR_SHARE_VOLUME,
                                           [SHARE_BLACKBOARD] = WR_SHARE_BLACKBOARD};
    const struct values *values = o->values;
    const struct wr_sandbox_opts sandbox = wr_sandbox_opts_of(&values->sandbox);

    o->orchestrator = wr_orchestrator_new(
        o->client,
        WR_OPTS(wr_orchestrator_opts, .max_concurrent = (unsigned)values->concurrency,
                .supply_opts = WR_OPTS(wr_supply_opts, .sandbox = &sandbox),
                .task_timeout_ms = values->timeout_ms, .stop_on_failure = values->stop_on_failure,
                .share = shares[values->share], .blackboard_dir = values->board,
                .on_result = on_result, .on_result_data = o, .max_retries = (unsigned)values->retry,
                .ledger_path = o->ledger),
        err);
    return o->orchestrator ? 0 : -err->code;
}

static int prepare(struct orchestration *o, struct wr_error *err)
{
    if (o->values->board && o->values->share != SHARE_BLACKBOARD)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --board needs --share blackboard");
    int r = read_tasks(o, err);
    if (r == 0)
        r = wr_state_path(LEDGER_FILE, o->ledger, sizeof o->ledger, err);
    if (r == 0)
        r = wr_interrupt_new(&o->interrupt, err);
    if (r < 0)
        return r;
    struct wr_cancel *cancel = wr_interrupt_cancel(o->interrupt);
    const struct wr_turns_opts turns = {.count = json_array_size(o->tasks),
                                        .keep = KEEP_MAX,
                                        .out_fd = STDOUT_FILENO,
                                        .err_fd = STDERR_FILENO,
                                        .cancel = cancel,
                                        .on_broken = on_broken,
                                        .data = o};
    r = wr_turns_new(&turns, &o->turns, err);
    if (r == 0)
        r = wr_cli_client(o->in, o->values->backend, cancel, &o->client, err);
    return r < 0 ? r : make_orchestrator(o, err);
}

static int execute(struct orchestration *o, struct wr_value **ret, struct wr_error *err)
{
    wr_auto_value *input = wr_value_of_json(json_pack("{s:O}", "tasks", o->tasks));
    struct wr_workflow *workflow = wr_workflow_new(
        WR_OPTS(wr_workflow_opts, .cancel = wr_interrupt_cancel(o->interrupt)), err);
    int r = workflow ? wr_progress_start(describe, o, &o->progress, err) : -err->code;

    if (r == 0)
        r = wr_primitive_execute(o->orchestrator, input, workflow, ret, err);
    o->progress = wr_progress_stop(o->progress);
    wr_workflow_free(workflow);
    return r;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    WR_CLEANUP(orchestration_done)
    struct orchestration o = {.in = in, .values = in->values, .lock = PTHREAD_MUTEX_INITIALIZER};
    wr_auto_value *output = NULL;

    int r = prepare(&o, err);
    if (r == 0)
        r = execute(&o, &output, err);
    struct wr_error unwritten = {0};
    if (o.turns && wr_turns_check(o.turns, &unwritten) < 0)
        return -(*err = unwritten).code;
    if (o.interrupt && wr_interrupt_signal(o.interrupt))
        return 128 + wr_interrupt_signal(o.interrupt);
    if (r < 0)
        return r;
    long long failed = wr_value_int(output, "failed", 0);
    long long skipped = wr_value_int(output, "skipped", 0);
    fprintf(stderr, "%lld of %zu tasks succeeded, %lld failed, %lld skipped, in %.1f ms\n",
            (long long)wr_value_int(output, "succeeded", 0), json_array_size(o.tasks), failed,
            skipped, wr_value_double(output, "wall_ms", 0));
    return failed + skipped > 0 ? EXIT_FAILED : 0;
}

const struct wr_command wr_cmd_orchestrate = {
    .name = "orchestrate",
    .summary = "Run many tasks over few sandboxes",
    .usage = "[OPTIONS] TASKS.jsonl|-",
    .details =
        "Each line of TASKS.jsonl is a task, a JSON object: code, and if wanted id, language,\n"
        "timeout (seconds), files, install and env, as executors take them. All lines are checked\n"
        "before the first one runs. The results are JSON lines in the order of the tasks, each as\n"
        "soon as those before it are there; a summary is on standard error.\n\n"
        "With --share the directory /board is common to the tasks: a volume of the server, or a\n"
        "copy of DIR that goes to a task and what it changed comes back.\n\n"
        "The status is 0 when all tasks succeeded, 1 when some failed or were skipped.\n\n"
        "examples:\n"
        "  warren orchestrate --concurrency 20 tasks.jsonl > results.jsonl\n"
        "  warren orchestrate --share blackboard --board work tasks.jsonl",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
