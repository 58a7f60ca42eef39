#include "primitives/execute/supply_maker.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "json/value.h"
#include "primitives/core/clock.h"
#include "primitives/core/workflow.h"
#include "primitives/observe/event.h"
#include "primitives/observe/metrics.h"

#define KILL_ATTEMPTS   3
#define KILL_TIMEOUT_MS 10000
#define KILL_PAUSE_MS   500 /* after the first attempt, then twice as long each time */

/* ---- its life ---- */

static int copy_texts(struct wr_maker *maker, const struct wr_supply_opts *opts,
                      struct wr_error *err)
{
    if (opts->setup) {
        maker->setup = wr_strdup(opts->setup);
        if (!maker->setup)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "supply of sandboxes");
    }
    return wr_supply_template_init(&maker->tmpl, opts->sandbox, err);
}

static int init_own(struct wr_maker *maker, struct wr_client *client,
                    const struct wr_supply_opts *opts, struct wr_error *err)
{
    maker->clock = wr_clock_or_system(opts->clock);
    maker->create_timeout_ms =
        opts->create_timeout_ms ? opts->create_timeout_ms : WR_SUPPLY_CREATE_MS;
    maker->telemetry = wr_telemetry_ref(opts->telemetry);
    if (maker->telemetry) {
        maker->workflow =
            wr_workflow_new(WR_OPTS(wr_workflow_opts, .telemetry = maker->telemetry), err);
        if (!maker->workflow)
            return -err->code;
    }
    int r = copy_texts(maker, opts, err);
    if (r < 0)
        return r;
    maker->client = client ? wr_client_ref(client) : wr_client_new(NULL, err);
    maker->closing = maker->client ? wr_cancel_new(NULL, err) : NULL;
    if (maker->client)
        wr_supply_scope_write(
            &(struct wr_supply_scope){
                .kind = maker->kind,
                .backend = wr_client_name(maker->client),
                .setup = maker->setup,
                .sandbox = &maker->tmpl.opts,
            },
            maker->scope);
    maker->crew = maker->closing ? wr_crew_new("warren-supply", WR_SUPPLY_THREADS_MAX, err) : NULL;
    return maker->crew ? 0 : -err->code;
}

int wr_maker_init(struct wr_maker *maker, const char *kind, struct wr_client *client,
                  const struct wr_supply_opts *opts, struct wr_error *err)
{
    memset(maker, 0, sizeof *maker);
    atomic_init(&maker->created, 0);
    atomic_init(&maker->killed, 0);
    maker->kind = kind;
    int r = init_own(maker, client, opts, err);
    if (r < 0)
        wr_maker_done(maker);
    return r;
}

void wr_maker_close(struct wr_maker *maker)
{
    if (maker->closing)
        wr_cancel_fire(maker->closing);
}

void wr_maker_done(struct wr_maker *maker)
{
    if (!maker->kind)
        return;
    wr_crew_free(maker->crew);
    wr_supply_template_done(&maker->tmpl);
    free(maker->setup);
    wr_workflow_free(maker->workflow);
    wr_telemetry_free(maker->telemetry);
    wr_cancel_free(maker->closing);
    wr_client_free(maker->client);
    memset(maker, 0, sizeof *maker);
}

/* ---- where things are told ---- */

uint64_t wr_maker_now_ms(const struct wr_maker *maker)
{
    return wr_clock_now_ms(maker->clock);
}

struct wr_telemetry *wr_maker_telemetry(const struct wr_maker *maker,
                                        const struct wr_workflow *workflow)
{
    if (maker->telemetry || !workflow)
        return maker->telemetry;
    return wr_workflow_telemetry(workflow);
}

struct wr_workflow *wr_maker_workflow(const struct wr_maker *maker, struct wr_workflow *workflow)
{
    return workflow && wr_workflow_telemetry(workflow) ? workflow : maker->workflow;
}

double wr_maker_age_s(const struct wr_maker *maker, const struct wr_made *made)
{
    return made->sandbox ? (double)(wr_maker_now_ms(maker) - made->made_ms) / 1e3 : 0;
}

/* ---- making ---- */

static int create(struct wr_maker *maker, struct wr_workflow *workflow, uint64_t timeout_s,
                  const struct wr_wait *wait, struct wr_sandbox **ret, struct wr_error *err)
{
    wr_auto_free const char *const *metadata = NULL;
    struct wr_sandbox_opts opts = maker->tmpl.opts;
    const struct wr_metadata_pair pairs[] = {
        {"warren.supply", maker->kind},
        {"correlation_id", workflow ? wr_workflow_correlation_id(workflow) : NULL},
        {"workflow_id", workflow ? wr_workflow_id(workflow) : NULL},
        {"session_id", workflow ? wr_workflow_session_id(workflow) : NULL},
    };

    int r = wr_supply_template_metadata(&maker->tmpl, pairs, WR_ARRAY_SIZE(pairs), &metadata,
                                        &opts.metadata_count, err);
    if (r < 0)
        return r;
    opts.metadata = metadata;
    opts.timeout_s = timeout_s;
    return wr_sandbox_create(maker->client, &opts, wait, ret, err);
}

static void count_created(struct wr_made *made, struct wr_telemetry *telemetry)
{
    made->telemetry = wr_telemetry_ref(telemetry);
    wr_metric_observe(telemetry, WR_METRIC_SANDBOX_CREATE, made->create_s);
    wr_metric_add(telemetry, WR_METRIC_SANDBOXES, NULL, 1);
    wr_metric_add(telemetry, WR_METRIC_SANDBOXES_ALIVE, NULL, 1);
}

void wr_maker_adopt(const struct wr_maker *maker, const struct wr_workflow *workflow,
                    struct wr_made *made)
{
    if (!made->telemetry)
        count_created(made, wr_maker_telemetry(maker, workflow));
}

int wr_maker_create(struct wr_maker *maker, struct wr_workflow *workflow, uint64_t timeout_s,
                    struct wr_made *ret, struct wr_error *err)
{
    struct wr_wait wait = workflow ? wr_workflow_wait(workflow, maker->create_timeout_ms)
                                   : (struct wr_wait){.timeout_ms = maker->create_timeout_ms};
    struct wr_made made = {0};
    uint64_t start_us = wr_mono_us();

    int r = create(maker, workflow, timeout_s, &wait, &made.sandbox, err);
    if (r < 0)
        return r;
    atomic_fetch_add(&maker->created, 1);
    made.made_ms = wr_maker_now_ms(maker);
    made.create_s = (double)(wr_mono_us() - start_us) / 1e6;
    count_created(&made, wr_maker_telemetry(maker, workflow));
    uint64_t used_ms = (wr_mono_us() - start_us) / 1000;
    wait.timeout_ms = used_ms < wait.timeout_ms ? wait.timeout_ms - used_ms : 1;
    r = wr_maker_setup(maker, made.sandbox, &wait, err);
    if (r < 0)
        wr_maker_kill_later(maker, &made);
    else
        *ret = made;
    return r;
}

int wr_maker_setup(const struct wr_maker *maker, struct wr_sandbox *sandbox,
                   const struct wr_wait *wait, struct wr_error *err)
{
    wr_auto_value *result = NULL;

    if (!maker->setup)
        return 0;
    int r = wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = maker->setup), wait, &result, err);
    if (r < 0)
        return wr_wrap(err, "the setup of a sandbox");
    const struct wr_value *error = wr_value_get(result, "error");
    if (!*wr_value_string(error, "name"))
        return 0;
    return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                   "the setup of a sandbox fails with %.60s: %.120s",
                   wr_value_string(error, "name"), wr_value_string(error, "value"));
}

/* ---- ending ---- */

static void log_not_killed(const struct wr_maker *maker, const struct wr_made *made,
                           const struct wr_error *err)
{
    if (maker->workflow)
        wr_telemetry_log(
            maker->workflow, "warning", "sandbox_not_killed", maker->kind,
            json_pack("{s:s, s:s}", "sandbox_id", wr_sandbox_id(made->sandbox), "error", err->msg));
}

void wr_maker_kill(struct wr_maker *maker, struct wr_made *made)
{
    struct wr_error err = {0};
    int r = -1;

    if (!made->sandbox)
        return;
    for (unsigned i = 0; r < 0 && i < KILL_ATTEMPTS; i++) {
        struct wr_error ignored = {0};
        /* Once the supply is closing, attempts follow at once: CANCELED is no reason to stop. */
        if (i > 0)
            (void)maker->clock->sleep_until(
                maker->clock->self, wr_maker_now_ms(maker) + ((uint64_t)KILL_PAUSE_MS << (i - 1)),
                maker->closing, &ignored);
        r = wr_sandbox_kill(made->sandbox, &(struct wr_wait){.timeout_ms = KILL_TIMEOUT_MS}, &err);
    }
    if (r < 0)
        log_not_killed(maker, made, &err);
    else
        atomic_fetch_add(&maker->killed, 1);
    wr_metric_add(made->telemetry, WR_METRIC_SANDBOXES_ALIVE, NULL, -1);
    wr_metric_add(made->telemetry, WR_METRIC_SANDBOX_SECONDS, NULL, wr_maker_age_s(maker, made));
    wr_sandbox_free(made->sandbox);
    wr_telemetry_free(made->telemetry);
    memset(made, 0, sizeof *made);
}

struct kill_job {
    struct wr_job job;
    struct wr_maker *maker;
    struct wr_made made;
};

static void run_kill(struct wr_job *job)
{
    struct kill_job *own = wr_container_of(job, struct kill_job, job);

    wr_maker_kill(own->maker, &own->made);
    free(own);
}

void wr_maker_kill_later(struct wr_maker *maker, struct wr_made *made)
{
    struct kill_job *own = made->sandbox ? wr_calloc(1, sizeof *own) : NULL;

    if (!own) {
        wr_maker_kill(maker, made); /* nothing, or without memory in this thread */
        return;
    }
    *own = (struct kill_job){.job.run = run_kill, .maker = maker, .made = *made};
    memset(made, 0, sizeof *made);
    wr_crew_submit(maker->crew, &own->job);
}
