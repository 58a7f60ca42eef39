/*
 * Threads take branches until none is left; the caller's thread is one of them, so that a machine
 * without threads to give runs the branches one after the other.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/options.h"
#include "json/value.h"
#include "primitives/compose/parts.h"
#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "primitives/observe/event.h"
#include "warren/compose.h"

#define NAME        "ParallelPrimitive"
#define THREADS_MAX 256 /* for one execution, the caller's among them */

struct parallel {
    struct wr_parts branches;
    unsigned max_concurrent;
    bool keep_going;
};

/* One execution. */
struct run {
    const struct parallel *parallel;
    const struct wr_value *input;
    struct wr_workflow *workflow; /* of the whole */
    struct wr_workflow *group;    /* of the branches: cancelled when one has failed */
    pthread_mutex_t lock;         /* of `next` and `failure` */
    pthread_mutex_t emit_lock;
    size_t next;
    struct wr_error failure; /* the first one */
    size_t failed_branch;
    struct wr_value **outputs; /* each written by the thread that runs the branch */
};

/* What listens to the whole hears one event at a time, as it was promised. */
static int emit(const struct wr_code_event *event, void *data)
{
    struct run *run = data;

    (void)pthread_mutex_lock(&run->emit_lock);
    int r = wr_workflow_emit(run->workflow, event);
    (void)pthread_mutex_unlock(&run->emit_lock);
    return r;
}

static struct wr_value *error_result(const struct wr_error *error)
{
    return wr_value_of_json(
        json_pack("{s:{s:s, s:o}}", "error", "code", wr_code_name((enum wr_code)error->code),
                  "message", wr_value_json(wr_value_of_bytes(error->msg, strlen(error->msg)))));
}

static void fail_run(struct run *run, size_t branch, const struct wr_error *error)
{
    (void)pthread_mutex_lock(&run->lock);
    bool first = run->failure.code == 0;
    if (first) {
        run->failure = *error;
        run->failed_branch = branch;
    }
    (void)pthread_mutex_unlock(&run->lock);
    if (first)
        wr_workflow_cancel(run->group);
}

static void run_branch(struct run *run, size_t index)
{
    const struct wr_parts *branches = &run->parallel->branches;
    const struct wr_part_run part = {.span = "parallel.branch_",
                                     .prefix = "branch",
                                     .primitive = branches->items[index],
                                     .index = index,
                                     .total = branches->count};
    struct wr_error err = {0};
    wr_auto_workflow *scope = wr_workflow_scope(run->group, NULL, &err);
    int r =
        scope ? wr_part_execute(&part, run->input, scope, &run->outputs[index], &err) : -err.code;

    if (r == 0)
        return;
    if (!run->parallel->keep_going) {
        fail_run(run, index, &err);
        return;
    }
    run->outputs[index] = error_result(&err);
    if (!run->outputs[index]) {
        (void)wr_fail(&err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "the result of a branch");
        fail_run(run, index, &err);
    }
}

/* -1: none is left, or the rest is not wanted any more. */
static ssize_t take_branch(struct run *run)
{
    ssize_t index = -1;

    (void)pthread_mutex_lock(&run->lock);
    if (run->next < run->parallel->branches.count && run->failure.code == 0)
        index = (ssize_t)run->next++;
    (void)pthread_mutex_unlock(&run->lock);
    return index;
}

static void *work(void *data)
{
    for (ssize_t index = take_branch(data); index >= 0; index = take_branch(data))
        run_branch(data, (size_t)index);
    return NULL;
}

/* As many of `wanted` as the system gives. */
static size_t start_threads(struct run *run, pthread_t *threads, size_t wanted)
{
    sigset_t all, before;
    size_t started = 0;

    /* Signals are for the threads of the application. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < wanted && pthread_create(&threads[started], NULL, work, run) == 0)
        (void)pthread_setname_np(threads[started++], "warren-branch");
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static int collect(struct run *run, struct wr_value **ret, struct wr_error *err)
{
    size_t count = run->parallel->branches.count;

    if (run->failure.code != 0) {
        *err = run->failure;
        return wr_wrap(err, "branch %zu", run->failed_branch);
    }
    /* Branches that went on are not told from those that were given up; without failures all are
     * here, however late. */
    int r = run->parallel->keep_going ? wr_workflow_check(run->workflow, err) : 0;
    if (r < 0)
        return r;
    wr_auto_value *all = wr_value_array();
    for (size_t i = 0; i < count && r == 0; i++)
        r = wr_value_set(all, NULL, wr_value_ref(run->outputs[i]), err);
    if (r == 0)
        *ret = wr_steal_ptr(&all);
    return r;
}

static int run_all(struct run *run, struct wr_error *err)
{
    const struct parallel *parallel = run->parallel;
    size_t most = parallel->max_concurrent ? parallel->max_concurrent : THREADS_MAX;
    size_t threads_count = WR_MIN(WR_MIN(most, (size_t)THREADS_MAX), parallel->branches.count) - 1;
    pthread_t threads[THREADS_MAX];
    const struct wr_scope_opts opts = {.own_cancel = true,
                                       .has_sink = wr_workflow_listens(run->workflow),
                                       .on_event = emit,
                                       .on_event_data = run};

    run->group = wr_workflow_scope(run->workflow, &opts, err);
    if (!run->group)
        return -err->code;
    wr_workflow_checkpoint(run->workflow, "parallel.fan_out");
    size_t started = start_threads(run, threads, threads_count);
    (void)work(run);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    wr_workflow_checkpoint(run->workflow, "parallel.fan_in");
    wr_workflow_free(run->group);
    return 0;
}

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    const struct parallel *parallel = self;
    struct run run = {.parallel = parallel, .input = input, .workflow = workflow};

    run.outputs = wr_calloc(parallel->branches.count, sizeof *run.outputs);
    if (!run.outputs)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "parallel");
    (void)pthread_mutex_init(&run.lock, NULL);
    (void)pthread_mutex_init(&run.emit_lock, NULL);
    wr_telemetry_log(workflow, "debug", "parallel_workflow_start", NAME,
                     json_pack("{s:i}", "branches", (int)parallel->branches.count));
    int r = run_all(&run, err);
    if (r == 0)
        r = collect(&run, ret, err);
    wr_telemetry_log(workflow, "debug", "parallel_workflow_complete", NAME,
                     json_pack("{s:b}", "success", r == 0));
    for (size_t i = 0; i < parallel->branches.count; i++)
        wr_value_free(run.outputs[i]);
    free(run.outputs);
    (void)pthread_mutex_destroy(&run.lock);
    (void)pthread_mutex_destroy(&run.emit_lock);
    return r;
}

static void parallel_free(void *self)
{
    struct parallel *parallel = self;

    wr_parts_done(&parallel->branches);
    free(parallel);
}

static const struct wr_primitive_ops parallel_ops = {
    .struct_size = sizeof parallel_ops, .execute = execute, .free = parallel_free};

struct wr_primitive *wr_parallel(struct wr_primitive *const *branches, size_t count,
                                 const struct wr_parallel_opts *given, struct wr_error *err)
{
    struct wr_primitive *primitive = NULL;
    struct wr_parallel_opts opts;
    struct wr_parts taken = {0};
    char scope[WR_PRIMITIVE_SCOPE_MAX];

    if (wr_parts_take(branches, count, "parallel", &taken, err) < 0)
        return NULL;
    wr_auto_free struct parallel *parallel = wr_calloc(1, sizeof *parallel);
    if (!parallel)
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "parallel");
    if (parallel && wr_options_read(given, &opts, sizeof opts, "wr_parallel_opts", err) == 0) {
        parallel->max_concurrent = opts.max_concurrent;
        parallel->keep_going = opts.keep_going;
        wr_primitive_scope_of(opts.keep_going ? NAME " keep_going" : NAME, taken.items, taken.count,
                              scope);
        primitive = wr_primitive_make(
            &(struct wr_primitive_spec){
                .name = NAME, .ops = &parallel_ops, .self = parallel, .scope = scope},
            err);
    }
    if (!primitive) {
        wr_parts_done(&taken);
        return NULL;
    }
    wr_steal_ptr(&parallel)->branches = taken;
    return primitive;
}
