#include "primitives/orchestrate/orchestrator_run.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "primitives/observe/metrics.h"
#include "primitives/orchestrate/board_names.h"
#include "primitives/orchestrate/task_supply.h"
#include "warren/executor.h"
#include "warren/recovery.h"

#define MAX_TASKS  100000
#define MAX_ID_LEN 128
#define PYTHON     "python"

/* One task. */
struct task {
    struct wr_orchestration *run;
    size_t index;
    char id[MAX_ID_LEN + 1];
    json_t *input; /* owned: the executor's */
    bool python;
    struct wr_error leave; /* what went wrong after the code */
};

/* ---- input ---- */

static int check_task(const json_t *task, size_t index, struct wr_error *err)
{
    const json_t *id = json_object_get(task, "id");
    const json_t *env = json_object_get(task, "env");

    if (!json_is_object(task))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "tasks[%zu] is no object", index);
    if (id && (!json_is_string(id) || json_string_length(id) == 0 ||
               json_string_length(id) > MAX_ID_LEN ||
               strlen(json_string_value(id)) != json_string_length(id)))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "tasks[%zu].id is a text of 1 to %d bytes",
                       index, MAX_ID_LEN);
    if (env && !json_is_null(env) && !json_is_object(env))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "tasks[%zu].env is no object", index);
    return 0;
}

int wr_orchestration_check(const json_t *tasks, struct wr_error *err)
{
    size_t i;
    json_t *task;

    if (!json_is_array(tasks) || json_array_size(tasks) > MAX_TASKS)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "the input is {\"tasks\": [...]} with at most %d tasks", MAX_TASKS);
    json_array_foreach((json_t *)(uintptr_t)tasks, i, task) {
        int r = check_task(task, i, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int set_env(json_t *env, const char *name, const char *value, struct wr_error *err)
{
    return json_object_set_new(env, name, json_string(value)) == 0
               ? 0
               : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "task");
}

/* What a task finds in its environment, besides its own. */
static int fill_env(const struct task *task, json_t *env, struct wr_error *err)
{
    const struct wr_task_share *share = &task->run->share;
    char index[24], count[24], path[1024];
    const char *own = json_string_value(json_object_get(env, "PYTHONPATH"));

    if (!wr_strformat(index, sizeof index, "%zu", task->index) ||
        !wr_strformat(count, sizeof count, "%zu", task->run->queue.count))
        return wr_fail(err, WR_E_INTERNAL, 0, "task");
    int r = set_env(env, "WARREN_TASK_INDEX", index, err);
    if (r == 0)
        r = set_env(env, "WARREN_TASK_COUNT", count, err);
    if (r == 0)
        r = set_env(env, "WARREN_TASK_ID", task->id, err);
    if (r < 0 || share->kind == WR_SHARE_NONE)
        return r;
    r = set_env(env, "WARREN_BOARD", share->path, err);
    if (r == 0)
        r = set_env(env, "WARREN_BOARD_SHARED", share->kind == WR_SHARE_VOLUME ? "1" : "0", err);
    if (!wr_strformat(path, sizeof path, "%s%s" WR_BOARD_LIB, own ? own : "", own ? ":" : ""))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "PYTHONPATH of the task is too long");
    return r < 0 ? r : set_env(env, "PYTHONPATH", path, err);
}

static int prepare(struct task *task, struct wr_error *err)
{
    const json_t *given = json_array_get(task->run->tasks, task->index);
    const json_t *id = json_object_get(given, "id");
    const json_t *env = json_object_get(given, "env");
    const char *language = json_string_value(json_object_get(given, "language"));

    if (!(id ? wr_strcopy(task->id, sizeof task->id, json_string_value(id))
             : wr_strformat(task->id, sizeof task->id, "%zu", task->index)))
        return wr_fail(err, WR_E_INTERNAL, 0, "task");
    task->python = !language || wr_streq(language, PYTHON);
    task->input = json_copy((json_t *)(uintptr_t)given);
    wr_auto_json *own = json_is_object(env) ? json_copy((json_t *)(uintptr_t)env) : json_object();
    if (!task->input || !own)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "task");
    (void)json_object_del(task->input, "id"); /* no member of an executor's input */
    int r = fill_env(task, own, err);
    if (r == 0 && json_object_set(task->input, "env", own) < 0)
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "task");
    return r;
}

/* ---- results ---- */

static json_t *failure(const struct wr_error *err)
{
    return json_pack("{s:b, s:s, s:s}", "success", false, "error", err->msg, "error_code",
                     wr_code_name((enum wr_code)err->code));
}

/* Consumes `result`; NULL becomes a result as well. */
static void keep(struct task *task, json_t *result)
{
    struct wr_orchestration *run = task->run;

    if (!result)
        result = json_pack("{s:b, s:s, s:s}", "success", false, "error", "no memory", "error_code",
                           "resource_exhausted");
    (void)json_object_set_new(result, "id", json_string(task->id));
    (void)json_object_set_new(result, "index", json_integer((json_int_t)task->index));
    run->results[task->index] = result;
    if (!run->opts->on_result)
        return;
    (void)pthread_mutex_lock(&run->result_lock);
    run->opts->on_result(task->index, wr_value_of_json(result), run->opts->on_result_data);
    (void)pthread_mutex_unlock(&run->result_lock);
}

/* ---- one task ---- */

/* What listens to the whole hears one event at a time, as it was promised. */
static int emit(const struct wr_code_event *event, void *data)
{
    struct wr_orchestration *run = data;

    (void)pthread_mutex_lock(&run->event_lock);
    int r = wr_workflow_emit(run->workflow, event);
    (void)pthread_mutex_unlock(&run->event_lock);
    return r;
}

static int execute(struct task *task, struct wr_value **ret, struct wr_error *err)
{
    struct wr_orchestration *run = task->run;
    const struct wr_scope_opts scope = {
        .has_sink = wr_workflow_listens(run->workflow), .on_event = emit, .on_event_data = run};
    wr_auto_workflow *workflow = wr_workflow_scope(run->workflow, &scope, err);
    wr_auto_primitive *executor = NULL;

    if (!workflow)
        return -err->code;
    struct wr_supply *supply =
        wr_task_supply(&(struct wr_task_supply_opts){.inner = run->supply,
                                                     .share = &run->share,
                                                     .workflow = workflow,
                                                     .python = task->python,
                                                     .ret_leave = &task->leave},
                       err);
    if (!supply)
        return -err->code;
    executor = wr_executor_new(run->client,
                               WR_OPTS(wr_executor_opts, .supply = supply,
                                       .timeout_ms = run->opts->task_timeout_ms,
                                       .ledger_path = run->opts->ledger_path),
                               err);
    wr_supply_free(supply);
    if (run->opts->max_retries > 0)
        executor = wr_retry_new(executor,
                                WR_OPTS(wr_retry_opts, .max_retries = run->opts->max_retries), err);
    if (!executor)
        return -err->code;
    return wr_primitive_execute(executor, wr_value_of_json(task->input), workflow, ret, err);
}

/* Whether it went well. */
static bool run_task(struct task *task)
{
    struct wr_telemetry *telemetry = wr_workflow_telemetry(task->run->workflow);
    struct wr_error err = {0};
    wr_auto_value *output = NULL;
    json_t *result = NULL;

    wr_metric_add(telemetry, WR_METRIC_TASKS_RUNNING, NULL, 1);
    int r = prepare(task, &err);
    if (r == 0)
        r = execute(task, &output, &err);
    if (r == 0 && task->leave.code) {
        /* What it was to leave on the board is not there. */
        err = task->leave;
        r = -err.code;
    }
    wr_metric_add(telemetry, WR_METRIC_TASKS_RUNNING, NULL, -1);
    result = r == 0 ? json_copy(wr_value_json(output)) : failure(&err);
    bool succeeded = r == 0 && json_is_true(json_object_get(result, "success"));
    wr_metric_add(telemetry, WR_METRIC_TASKS, succeeded ? "succeeded" : "failed", 1);
    keep(task, result);
    return succeeded;
}

static void *work(void *data)
{
    struct wr_orchestration *run = data;
    size_t index = 0;

    while (wr_task_queue_take(&run->queue, &index)) {
        struct task task = {.run = run, .index = index};
        struct wr_error ended = {0};
        bool succeeded = run_task(&task);
        json_decref(task.input);
        wr_task_queue_end(&run->queue, succeeded);
        if (!succeeded && run->opts->stop_on_failure) {
            (void)wr_task_queue_stop(&run->queue);
            wr_workflow_cancel(run->workflow);
        }
        if (wr_workflow_check(run->workflow, &ended) < 0)
            (void)wr_task_queue_stop(&run->queue);
    }
    return NULL;
}

/* ---- all of them ---- */

static void skip_rest(struct wr_orchestration *run)
{
    struct wr_telemetry *telemetry = wr_workflow_telemetry(run->workflow);

    for (size_t i = 0; i < run->queue.count; i++) {
        struct task task = {.run = run, .index = i};
        struct wr_error err = {0};
        if (run->results[i])
            continue;
        if (prepare(&task, &err) == 0)
            (void)wr_fail(&err, WR_E_CANCELED, 0, "skipped: the execution ended before its turn");
        keep(&task, failure(&err));
        json_decref(task.input);
        wr_metric_add(telemetry, WR_METRIC_TASKS, "skipped", 1);
    }
}

/* Signals are for the caller's threads. */
static int start(pthread_t *thread, struct wr_orchestration *run)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(thread, NULL, work, run);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r == 0)
        (void)pthread_setname_np(*thread, "warren-task");
    return r;
}

int wr_orchestration_run(struct wr_orchestration *run, struct wr_error *err)
{
    unsigned most = (unsigned)WR_MIN((size_t)run->opts->max_concurrent, run->queue.count);
    wr_auto_free pthread_t *threads = wr_calloc(most + 1, sizeof *threads);
    unsigned started = 0;
    int r = 0;

    if (!threads)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "orchestrator");
    while (started < most && (r = start(&threads[started], run)) == 0)
        started++;
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    /* Fewer threads than wanted do the work as well. */
    if (started == 0 && most > 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, r, "orchestrator: no thread");
    (void)wr_task_queue_stop(&run->queue);
    skip_rest(run);
    return 0;
}
