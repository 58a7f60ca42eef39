#include "warren/orchestrator.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/options.h"
#include "base/rand.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "primitives/execute/supply.h"
#include "primitives/execute/supply_scope.h"
#include "primitives/execute/supply_template.h"
#include "primitives/orchestrate/orchestrator_run.h"

#define NAME               "SandboxOrchestrator"
#define DEFAULT_CONCURRENT 5
#define MAX_CONCURRENT     1000
#define DEFAULT_TIMEOUT_MS ((uint64_t)60000)
#define DEFAULT_PATH       "/board"
#define DEFAULT_BOARD      (64 * WR_MIB)

struct orchestrator {
    struct wr_client *client;         /* held; NULL: the supply is the caller's */
    struct wr_orchestrator_opts opts; /* with their defaults; what it names is held here */
    char *share_path, *blackboard_dir, *setup, *ledger_path;
    struct wr_supply *supply;            /* the caller's, held; NULL: one for each execution */
    struct wr_supply_opts supply_opts;   /* of that; `sandbox` is the template's */
    struct wr_supply_template sandboxes; /* owned */
    struct wr_telemetry *telemetry;      /* of the supply options, held */
    atomic_uint_fast64_t executions, succeeded, failed, skipped;
};

/* ---- one execution ---- */

/* The volume beside those that the caller wants in all sandboxes. */
static struct wr_supply *supply_with(const struct orchestrator *self,
                                     const struct wr_task_share *share, struct wr_error *err)
{
    struct wr_sandbox_opts sandbox = self->sandboxes.opts;
    struct wr_supply_opts opts = self->supply_opts;
    const char **volumes = NULL;

    sandbox.struct_size = sizeof sandbox;
    opts.struct_size = sizeof opts;
    opts.sandbox = &sandbox;
    if (*share->volume_mount) {
        volumes = wr_calloc(sandbox.volume_count + 1, sizeof *volumes);
        if (!volumes) {
            (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, NAME);
            return NULL;
        }
        for (size_t i = 0; i < sandbox.volume_count; i++)
            volumes[i] = sandbox.volumes[i];
        volumes[sandbox.volume_count++] = share->volume_mount;
        sandbox.volumes = volumes;
    }
    struct wr_supply *supply = wr_supply_ephemeral(self->client, &opts, err);
    free(volumes);
    return supply;
}

/* Consumes the results. */
static int report(struct orchestrator *self, struct wr_orchestration *run, double wall_ms,
                  struct wr_value **ret, struct wr_error *err)
{
    const struct wr_task_counts *counts = &run->queue.counts;
    json_t *results = json_array();
    int r = 0;

    for (size_t i = 0; i < run->queue.count; i++)
        r |= json_array_append_new(results, run->results[i]);
    json_t *output = json_pack("{s:o, s:I, s:I, s:I, s:f, s:i}", "results", results, "succeeded",
                               (json_int_t)counts->succeeded, "failed", (json_int_t)counts->failed,
                               "skipped", (json_int_t)counts->skipped, "wall_ms", wall_ms,
                               "max_running", (int)counts->max_running);
    atomic_fetch_add(&self->succeeded, counts->succeeded);
    atomic_fetch_add(&self->failed, counts->failed);
    atomic_fetch_add(&self->skipped, counts->skipped);
    if (r != 0 || !output) {
        json_decref(output);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, NAME);
    }
    *ret = wr_value_of_json(output);
    return 0;
}

/* With the share and the results there. */
static int run_tasks(struct orchestrator *self, struct wr_orchestration *run, struct wr_value **ret,
                     struct wr_error *err)
{
    uint64_t start_us = wr_mono_us();

    run->supply = self->supply ? wr_supply_ref(self->supply) : supply_with(self, &run->share, err);
    if (!run->supply)
        return -err->code;
    int r = wr_orchestration_run(run, err);
    /* Waits until the sandboxes are gone, those of tasks that were cancelled too. */
    wr_supply_free(run->supply);
    return r < 0 ? r : report(self, run, (double)(wr_mono_us() - start_us) / 1e3, ret, err);
}

static int with_queue(struct orchestrator *self, struct wr_orchestration *run,
                      struct wr_value **ret, struct wr_error *err)
{
    run->results = wr_calloc(json_array_size(run->tasks) + 1, sizeof *run->results);
    if (!run->results)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, NAME);
    wr_task_queue_init(&run->queue, json_array_size(run->tasks));
    (void)pthread_mutex_init(&run->result_lock, NULL);
    (void)pthread_mutex_init(&run->event_lock, NULL);
    int r = wr_task_share_open(&self->opts, self->client, run->workflow, &run->share, err);
    if (r == 0) {
        r = run_tasks(self, run, ret, err);
        wr_task_share_close(&run->share, run->workflow);
    }
    (void)pthread_mutex_destroy(&run->result_lock);
    (void)pthread_mutex_destroy(&run->event_lock);
    wr_task_queue_done(&run->queue);
    free(run->results);
    return r;
}

static int execute(void *data, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    struct orchestrator *self = data;
    struct wr_orchestration run = {
        .opts = &self->opts,
        .client = self->client,
        .tasks = json_object_get(wr_value_json(input), "tasks"),
    };
    wr_auto_workflow *scope = NULL;
    wr_auto_value *output = NULL;

    int r = wr_orchestration_check(run.tasks, err);
    if (r < 0)
        return r;
    scope = wr_workflow_scope(workflow, &(struct wr_scope_opts){.own_cancel = true}, err);
    if (!scope)
        return -err->code;
    run.workflow = scope;
    atomic_fetch_add(&self->executions, 1);
    r = with_queue(self, &run, &output, err);
    if (r == 0)
        r = wr_workflow_check(workflow, err);
    if (r == 0)
        *ret = wr_steal_ptr(&output);
    return r;
}

/* ---- the primitive ---- */

static struct wr_value *stats(void *data)
{
    struct orchestrator *self = data;

    return wr_value_of_json(json_pack("{s:I, s:I, s:I, s:I}", "executions",
                                      (json_int_t)atomic_load(&self->executions), "succeeded",
                                      (json_int_t)atomic_load(&self->succeeded), "failed",
                                      (json_int_t)atomic_load(&self->failed), "skipped",
                                      (json_int_t)atomic_load(&self->skipped)));
}

static void orchestrator_free(void *data)
{
    struct orchestrator *self = data;

    if (!self)
        return;
    wr_supply_free(self->supply);
    wr_client_free(self->client);
    wr_telemetry_free(self->telemetry);
    wr_supply_template_done(&self->sandboxes);
    free(self->share_path);
    free(self->blackboard_dir);
    free(self->setup);
    free(self->ledger_path);
    free(self);
}

static int check_opts(const struct wr_orchestrator_opts *opts, struct wr_error *err)
{
    if (opts->max_concurrent > MAX_CONCURRENT)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "max_concurrent: at most %d", MAX_CONCURRENT);
    if ((unsigned)opts->share > WR_SHARE_BLACKBOARD)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "share %d: there is no such kind",
                       (int)opts->share);
    if (opts->supply && opts->share == WR_SHARE_VOLUME)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "a volume is mounted when a sandbox is made: without a supply of the "
                       "caller's, or with WR_SHARE_BLACKBOARD");
    return wr_task_share_check_path(opts->share_path, err);
}

static int fill_supply(struct orchestrator *self, struct wr_client *client,
                       const struct wr_orchestrator_opts *opts, struct wr_error *err)
{
    if (opts->supply) {
        self->supply = wr_supply_ref(opts->supply);
        self->client = wr_client_ref(client);
        return 0;
    }
    int r = wr_options_read(opts->supply_opts, &self->supply_opts, sizeof self->supply_opts,
                            "wr_supply_opts", err);
    if (r == 0)
        r = wr_supply_template_init(&self->sandboxes, self->supply_opts.sandbox, err);
    if (r < 0)
        return r;
    self->supply_opts.sandbox = NULL;
    self->telemetry = self->supply_opts.telemetry = wr_telemetry_ref(self->supply_opts.telemetry);
    if (self->supply_opts.setup) {
        self->setup = wr_strdup(self->supply_opts.setup);
        self->supply_opts.setup = self->setup;
        if (!self->setup)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, NAME);
    }
    self->client = client ? wr_client_ref(client) : wr_client_new(NULL, err);
    return self->client ? 0 : -err->code;
}

static int fill(struct orchestrator *self, struct wr_client *client,
                struct wr_orchestrator_opts *opts, struct wr_error *err)
{
    opts->max_concurrent = opts->max_concurrent ? opts->max_concurrent : DEFAULT_CONCURRENT;
    opts->task_timeout_ms = opts->task_timeout_ms ? opts->task_timeout_ms : DEFAULT_TIMEOUT_MS;
    opts->share_path = opts->share_path ? opts->share_path : DEFAULT_PATH;
    opts->max_blackboard_bytes =
        opts->max_blackboard_bytes ? opts->max_blackboard_bytes : DEFAULT_BOARD;
    int r = check_opts(opts, err);
    if (r < 0)
        return r;
    self->share_path = wr_strdup(opts->share_path);
    self->blackboard_dir = opts->blackboard_dir ? wr_strdup(opts->blackboard_dir) : NULL;
    self->ledger_path = opts->ledger_path ? wr_strdup(opts->ledger_path) : NULL;
    if (!self->share_path || (opts->blackboard_dir && !self->blackboard_dir) ||
        (opts->ledger_path && !self->ledger_path))
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, NAME);
    r = fill_supply(self, client, opts, err);
    opts->share_path = self->share_path;
    opts->blackboard_dir = self->blackboard_dir;
    opts->ledger_path = self->ledger_path;
    opts->supply = NULL;
    opts->supply_opts = NULL;
    self->opts = *opts;
    return r;
}

static void supply_scope(const struct orchestrator *self, char ret[static WR_PRIMITIVE_SCOPE_MAX])
{
    if (self->supply)
        (void)!wr_strcopy(ret, WR_PRIMITIVE_SCOPE_MAX, wr_supply_scope(self->supply));
    else
        wr_supply_scope_write(&(struct wr_supply_scope){.kind = "ephemeral",
                                                        .backend = wr_client_name(self->client),
                                                        .setup = self->setup,
                                                        .sandbox = &self->sandboxes.opts},
                              ret);
}

/* What decides results besides the tasks. With a directory of the caller's they depend on what is
 * in it: such an orchestrator is like no other. */
static int write_scope(const struct orchestrator *self, char ret[static WR_PRIMITIVE_SCOPE_MAX],
                       struct wr_error *err)
{
    const struct wr_orchestrator_opts *opts = &self->opts;
    char supply[WR_PRIMITIVE_SCOPE_MAX], directory[21] = "";

    supply_scope(self, supply);
    if (opts->blackboard_dir)
        wr_random_id(directory, sizeof directory - 1);
    wr_auto_json *what = json_pack(
        "{s:s, s:I, s:b, s:i, s:s, s:s, s:I, s:I, s:s}", "orchestrator", NAME, "task_timeout_ms",
        (json_int_t)opts->task_timeout_ms, "stop_on_failure", opts->stop_on_failure, "share",
        (int)opts->share, "share_path", opts->share_path, "directory", directory,
        "max_blackboard_bytes", (json_int_t)opts->max_blackboard_bytes, "max_retries",
        (json_int_t)opts->max_retries, "supply", supply);
    wr_auto_free char *text = what ? json_dumps(what, JSON_COMPACT) : NULL;
    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, NAME);
    wr_primitive_scope_of(text, NULL, 0, ret);
    return 0;
}

struct wr_primitive *wr_orchestrator_new(struct wr_client *client,
                                         const struct wr_orchestrator_opts *given,
                                         struct wr_error *err)
{
    static const struct wr_primitive_ops ops = {
        .struct_size = sizeof ops,
        .execute = execute,
        .stats = stats,
        .free = orchestrator_free,
    };
    struct wr_primitive *primitive = NULL;
    struct wr_orchestrator_opts opts;
    char scope[WR_PRIMITIVE_SCOPE_MAX];

    if (wr_options_read(given, &opts, sizeof opts, "wr_orchestrator_opts", err) < 0)
        return NULL;
    struct orchestrator *self = wr_calloc(1, sizeof *self);
    if (!self)
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, NAME);
    else if (fill(self, client, &opts, err) == 0 && write_scope(self, scope, err) == 0)
        primitive = wr_primitive_make(
            &(struct wr_primitive_spec){.name = NAME, .ops = &ops, .self = self, .scope = scope},
            err);
    if (!primitive)
        orchestrator_free(self);
    return primitive;
}
