/* What wrappers and compositions tell: their spans and how they nest, metrics, log records. */
#include "json/value.h"
#include "primitives/observe/telemetry.h"
#include "support/fake_primitive.h"
#include "support/primitive_call.h"
#include "test.h"
#include "unit/primitives/observe/recording_sender.h"
#include "warren/cache.h"
#include "warren/compose.h"
#include "warren/limits.h"

struct scene {
    struct recorder recorder;
    struct wr_telemetry *telemetry;
    struct wr_workflow *workflow;
    struct fake_clock clock;
    pthread_mutex_t lock;
    char events[2048]; /* names of log records, each with a blank behind it */
};

static void on_log(const struct wr_value *record, void *data)
{
    struct scene *scene = data;

    (void)pthread_mutex_lock(&scene->lock);
    size_t used = strlen(scene->events);
    (void)snprintf(scene->events + used, sizeof scene->events - used, "%s ",
                   wr_value_string(record, "event"));
    (void)pthread_mutex_unlock(&scene->lock);
}

static void begin(struct scene *scene)
{
    struct wr_error err = {0};

    *scene = (struct scene){.recorder = {.mono_us = 1, .wall_us = 1}};
    (void)pthread_mutex_init(&scene->lock, NULL);
    fake_clock_init(&scene->clock, 0, true);
    scene->telemetry = recorder_telemetry(
        &scene->recorder, WR_OPTS(wr_telemetry_opts, .on_log = on_log, .on_log_data = scene));
    scene->workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .telemetry = scene->telemetry), &err);
    CHECK(scene->workflow);
}

static void end(struct scene *scene)
{
    wr_workflow_free(scene->workflow);
    wr_telemetry_free(scene->telemetry);
    recorder_done(&scene->recorder);
    fake_clock_done(&scene->clock);
    (void)pthread_mutex_destroy(&scene->lock);
}

/* Executes, frees the primitive, and sends what was measured. */
static int run(struct scene *scene, struct wr_primitive *primitive, int times)
{
    struct primitive_call call = {0};
    struct wr_error err = {0};

    for (int i = 0; i < times; i++) {
        primitive_call(&call, primitive, "{\"code\":\"1\"}", scene->workflow);
        primitive_call_done(&call);
    }
    wr_primitive_free(primitive);
    CHECK_INT(wr_exporter_round(scene->telemetry->exporter, true, &err), 0);
    return call.r;
}

static const char *text(const json_t *span, const char *key)
{
    return json_string_value(json_object_get(span, key));
}

static const json_t *span_of(const struct scene *scene, const char *name)
{
    const json_t *span = NULL;
    size_t i = 0;

    json_array_foreach(recorded(&scene->recorder, 0), i, span) {
        if (strcmp(text(span, "name"), name) == 0)
            return span;
    }
    wr_test_fail(__FILE__, __LINE__, "there is no span %s", name);
}

static void check_inside(const struct scene *scene, const char *inner, const char *outer)
{
    CHECK_STR(text(span_of(scene, inner), "parentSpanId"), text(span_of(scene, outer), "spanId"));
}

static void check_attribute(const struct scene *scene, const char *name, const char *key,
                            const char *expected)
{
    CHECK_STR(attribute_text(span_of(scene, name), key), expected);
}

static void check_metric(const struct scene *scene, const char *line)
{
    char *page = wr_telemetry_prometheus(scene->telemetry);
    if (!page || !strstr(page, line))
        wr_test_fail(__FILE__, __LINE__, "%s is not in\n%s", line, page);
    wr_free(page);
}

TEST(retry_and_fallback)
{
    struct scene scene;
    struct wr_error err = {0};
    struct fake_primitive first = {.name = "first", FAKE_STEPS({.code = WR_E_UNAVAILABLE})};
    struct fake_primitive second = {.name = "second"};
    begin(&scene);
    struct wr_primitive *retry =
        wr_retry_new(fake_primitive_new(&first),
                     WR_OPTS(wr_retry_opts, .max_retries = 1, .clock = &scene.clock.clock), &err);
    CHECK_INT(run(&scene, wr_fallback_new(retry, fake_primitive_new(&second), NULL, &err), 1), 0);

    check_inside(&scene, "fallback.primary", "primitive.FallbackPrimitive");
    check_inside(&scene, "primitive.RetryPrimitive", "fallback.primary");
    check_inside(&scene, "retry.attempt_1", "primitive.RetryPrimitive");
    check_inside(&scene, "retry.attempt_2", "primitive.RetryPrimitive");
    check_inside(&scene, "fallback.fallback", "primitive.FallbackPrimitive");
    check_inside(&scene, "primitive.second", "fallback.fallback");
    check_attribute(&scene, "retry.attempt_2", "retry.attempt", "2");
    check_attribute(&scene, "retry.attempt_2", "retry.max_attempts", "2");
    check_attribute(&scene, "retry.attempt_2", "retry.primitive_type", "first");
    check_attribute(&scene, "retry.attempt_2", "retry.status", "error");
    check_attribute(&scene, "retry.attempt_2", "retry.error", "scripted");
    check_attribute(&scene, "fallback.fallback", "fallback.status", "success");
    CHECK_STR(scene.events, "retry_attempt_failed retry_attempt_failed retry_exhausted "
                            "fallback_triggered ");
    check_metric(&scene, "primitive_retries_total 1\n");
    check_metric(&scene, "primitive_fallbacks_total 1\n");
    end(&scene);
    fake_primitive_done(&first);
    fake_primitive_done(&second);
}

TEST(breaker)
{
    struct scene scene;
    struct wr_error err = {0};
    struct fake_primitive fake = {FAKE_STEPS({.code = WR_E_UNAVAILABLE})};
    begin(&scene);
    CHECK_INT(run(&scene,
                  wr_breaker_new(fake_primitive_new(&fake),
                                 WR_OPTS(wr_breaker_opts, .failure_threshold = 1), &err),
                  3),
              -WR_E_UNAVAILABLE);
    CHECK_STR(scene.events, "circuit_breaker_opened ");
    check_metric(&scene, "primitive_circuit_breaker_state 2\n");
    check_metric(&scene, "primitive_circuit_breaker_rejected_total 2\n");
    end(&scene);
    fake_primitive_done(&fake);
}

TEST(timeout)
{
    struct scene scene;
    struct wr_error err = {0};
    struct fake_primitive fake = {FAKE_STEPS({.blocks = true})};
    begin(&scene);
    CHECK_INT(run(&scene, wr_timeout_new(fake_primitive_new(&fake), 5, NULL, &err), 1),
              -WR_E_DEADLINE_EXCEEDED);
    CHECK_STR(scene.events, "timeout_expired ");
    check_metric(&scene, "primitive_timeouts_total 1\n");
    end(&scene);
    fake_primitive_done(&fake);
}

TEST(cache_and_limits)
{
    struct scene scene;
    struct wr_error err = {0};
    struct fake_primitive fake = {
        FAKE_STEPS({.output = "{\"success\":true,\"execution_time_ms\":1800000}"})};
    begin(&scene);
    struct wr_primitive *cache = wr_cache_new(fake_primitive_new(&fake), NULL, &err);
    struct wr_primitive *budget =
        wr_budget_new(cache, WR_OPTS(wr_budget_opts, .max_sandbox_hours = 0.5), &err);
    struct wr_primitive *rate = wr_rate_limit_new(
        wr_primitive_ref(cache),
        WR_OPTS(wr_rate_opts, .per_second = 1, .burst = 1, .clock = &scene.clock.clock), &err);
    struct primitive_call call;
    primitive_call(&call, budget, "{\"code\":\"1\"}", scene.workflow);
    CHECK_INT(call.r, 0);
    primitive_call_done(&call);
    wr_primitive_free(budget);
    CHECK_INT(run(&scene, rate, 2), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_STR(scene.events, "cache_miss cache_store budget_level cache_hit rate_limited ");
    check_metric(&scene, "primitive_cache_hits_total 1\n");
    check_metric(&scene, "primitive_cache_misses_total 1\n");
    check_metric(&scene, "primitive_rate_limited_total 1\n");
    check_metric(&scene, "primitive_budget_used_ratio{limit=\"sandbox_hours\"} 1\n");
    end(&scene);
    fake_primitive_done(&fake);
}

static int second(const struct wr_value *input, struct wr_workflow *workflow, void *data,
                  struct wr_error *err)
{
    (void)input;
    (void)workflow;
    (void)data;
    (void)err;
    return 1;
}

TEST(compositions)
{
    struct scene scene;
    struct wr_error err = {0};
    struct fake_primitive fakes[4] = {{.name = "a"}, {.name = "b"}, {.name = "c"}, {.name = "d"}};
    struct wr_primitive *p[4];
    begin(&scene);
    for (size_t i = 0; i < 4; i++)
        p[i] = fake_primitive_new(&fakes[i]);
    struct wr_primitive *parallel =
        wr_parallel((struct wr_primitive *[]){p[0], p[1]}, 2, NULL, &err);
    struct wr_primitive *branch =
        wr_branch((struct wr_primitive *[]){p[2], p[3]}, 2, second, NULL, &err);
    CHECK_INT(run(&scene, wr_seq((struct wr_primitive *[]){parallel, branch}, 2, &err), 1), 0);
    check_inside(&scene, "sequential.step_0", "primitive.SequentialPrimitive");
    check_inside(&scene, "primitive.ParallelPrimitive", "sequential.step_0");
    check_inside(&scene, "parallel.branch_0", "primitive.ParallelPrimitive");
    check_inside(&scene, "parallel.branch_1", "primitive.ParallelPrimitive");
    check_inside(&scene, "primitive.b", "parallel.branch_1");
    check_inside(&scene, "primitive.BranchPrimitive", "sequential.step_1");
    check_inside(&scene, "branch.1", "primitive.BranchPrimitive");
    check_inside(&scene, "primitive.d", "branch.1");
    check_attribute(&scene, "sequential.step_1", "step.index", "1");
    check_attribute(&scene, "sequential.step_1", "step.name", "BranchPrimitive");
    check_attribute(&scene, "sequential.step_1", "step.total_steps", "2");
    check_attribute(&scene, "parallel.branch_1", "branch.status", "success");
    end(&scene);
    for (size_t i = 0; i < 4; i++)
        fake_primitive_done(&fakes[i]);
}

TEST(refinement)
{
    struct scene scene;
    struct wr_error err = {0};
    struct fake_primitive generator = {.name = "generator", FAKE_STEPS({.output = "\"1\""})};
    struct fake_primitive executor = {
        .name = "executor",
        FAKE_STEPS({.output = "{\"success\":false,\"error\":\"E: 1\"}"},
                   {.output = "{\"success\":true}"})};
    begin(&scene);
    CHECK_INT(run(&scene,
                  wr_refine_new(fake_primitive_new(&generator), fake_primitive_new(&executor), NULL,
                                &err),
                  1),
              0);
    check_inside(&scene, "refine.attempt_1", "primitive.RefinePrimitive");
    check_inside(&scene, "refine.attempt_2", "primitive.RefinePrimitive");
    check_attribute(&scene, "refine.attempt_1", "refine.status", "error");
    check_attribute(&scene, "refine.attempt_2", "refine.status", "success");
    CHECK_STR(scene.events, "refine_attempt_failed ");
    end(&scene);
    fake_primitive_done(&generator);
    fake_primitive_done(&executor);
}
