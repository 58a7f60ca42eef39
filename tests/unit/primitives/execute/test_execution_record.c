/* The spans of an execution as a collector gets them; records and metrics are in test_executor.c.
 */
#include "base/str.h"
#include "primitives/observe/recording_sender.h"
#include "support/fake_driver.h"
#include "test.h"
#include "warren/executor.h"
#include "warren/ledger.h"

struct scene {
    struct recorder recorder;
    struct fake_driver *driver;
    struct wr_client *client;
    struct wr_telemetry *telemetry;
    struct wr_workflow *workflow;
    struct wr_primitive *executor;
    struct wr_error err;
};

static int fail(struct fake_driver *driver, const struct wr_call *call,
                const struct wr_code_opts *opts, void *data, struct wr_value **ret,
                struct wr_error *err)
{
    (void)driver;
    (void)call;
    (void)opts;
    (void)data;
    (void)ret;
    *err = (struct wr_error){.code = WR_E_DEADLINE_EXCEEDED, .msg = "scripted"};
    return -err->code;
}

static void set_up(struct scene *scene, const struct wr_executor_opts *opts)
{
    *scene = (struct scene){.recorder = {.mono_us = 1000000, .wall_us = 1700000000000000}};
    scene->driver = fake_driver_new();
    scene->client = fake_driver_client(scene->driver);
    scene->telemetry = recorder_telemetry(&scene->recorder, NULL);
    scene->workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .telemetry = scene->telemetry), &scene->err);
    scene->executor = wr_executor_new(scene->client, opts, &scene->err);
    CHECK(scene->workflow && scene->executor);
}

static void tear_down(struct scene *scene)
{
    wr_primitive_free(scene->executor);
    wr_workflow_free(scene->workflow);
    wr_telemetry_free(scene->telemetry);
    recorder_done(&scene->recorder);
    wr_client_free(scene->client);
    fake_driver_free(scene->driver);
}

static const char *text(const json_t *span, const char *key)
{
    return json_string_value(json_object_get(span, key));
}

/* The span of that name in what was sent for traces. */
static const json_t *span_named(struct scene *scene, const char *name)
{
    CHECK_INT(wr_exporter_round(scene->telemetry->exporter, true, &scene->err), 0);
    for (size_t i = 0; i < scene->recorder.count; i++) {
        const json_t *spans, *span;
        size_t k;
        if (!wr_streq(scene->recorder.paths[i], "/v1/traces"))
            continue;
        spans = recorded(&scene->recorder, i);
        json_array_foreach(spans, k, span) {
            if (wr_streq(text(span, "name"), name))
                return span;
        }
    }
    wr_test_fail(__FILE__, __LINE__, "there is no span %s", name);
}

TEST(spans_nest_and_say_what_happened)
{
    struct scene scene;
    struct wr_value *result = NULL;

    set_up(&scene, NULL);
    CHECK_INT(wr_execute_code(scene.executor, "h\u00e9", scene.workflow, &result, &scene.err), 0);
    const json_t *whole = span_named(&scene, "code_execution.execute");
    const json_t *init = span_named(&scene, "code_execution.sandbox_init");
    const json_t *run = span_named(&scene, "code_execution.code_run");
    CHECK_STR(text(init, "parentSpanId"), text(whole, "spanId"));
    CHECK_STR(text(run, "parentSpanId"), text(whole, "spanId"));
    CHECK(!json_object_get(whole, "parentSpanId"));
    CHECK_STR(attribute_text(whole, "primitive.name"), "CodeExecutionPrimitive");
    CHECK_STR(attribute_text(whole, "code_length"), "2");
    CHECK_STR(attribute_text(whole, "language"), "python");
    CHECK_STR(attribute_text(whole, "success"), "true");
    CHECK_STR(attribute_text(whole, "sandbox_id"), wr_value_string(result, "sandbox_id"));
    CHECK_STR(attribute_text(init, "sandbox_id"), wr_value_string(result, "sandbox_id"));
    CHECK(attribute(whole, "timeout") && attribute(whole, "execution_time_ms"));
    CHECK(!attribute(whole, "error_class"));
    CHECK_STR(attribute_text(run, "success"), "true");
    wr_value_free(result);
    tear_down(&scene);
}

TEST(spans_of_a_failure)
{
    struct scene scene;
    struct wr_value *result = NULL;

    set_up(&scene, NULL);
    fake_driver_on_code(scene.driver, fail, NULL);
    CHECK_INT(wr_execute_code(scene.executor, "1", scene.workflow, &result, &scene.err),
              -WR_E_DEADLINE_EXCEEDED);
    const json_t *whole = span_named(&scene, "code_execution.execute");
    const json_t *run = span_named(&scene, "code_execution.code_run");
    CHECK_STR(attribute_text(whole, "error_class"), "timeout");
    CHECK(json_is_false(json_object_get(attribute(whole, "success"), "boolValue")));
    CHECK_INT(json_integer_value(json_object_get(json_object_get(whole, "status"), "code")), 2);
    CHECK_INT(json_integer_value(json_object_get(json_object_get(run, "status"), "code")), 2);
    tear_down(&scene);
}

TEST(the_ledger_has_a_row_for_each_that_asked_for_a_sandbox)
{
    char directory[] = "/tmp/test-record-XXXXXX", path[64];
    struct scene scene;
    struct wr_value *result = NULL, *usage = NULL;

    CHECK(mkdtemp(directory) && wr_strformat(path, sizeof path, "%s/ledger.db", directory));
    set_up(&scene, WR_OPTS(wr_executor_opts, .ledger_path = path));
    CHECK_INT(wr_execute_code(scene.executor, "1", scene.workflow, &result, &scene.err), 0);
    wr_value_free(result);
    CHECK_INT(wr_execute_code(scene.executor, "", scene.workflow, &result, &scene.err),
              -WR_E_INVALID_ARGUMENT);
    fake_driver_on_code(scene.driver, fail, NULL);
    CHECK_INT(wr_execute_code(scene.executor, "1", scene.workflow, &result, &scene.err),
              -WR_E_DEADLINE_EXCEEDED);
    tear_down(&scene);

    struct wr_ledger *ledger = wr_ledger_open(path, &scene.err);
    CHECK(ledger);
    CHECK_INT(wr_ledger_usage(ledger, 0, &usage, &scene.err), 0);
    CHECK_INT(wr_value_int(usage, "executions", -1), 2);
    CHECK_INT(wr_value_int(usage, "succeeded", -1), 1);
    wr_value_free(usage);
    wr_ledger_free(ledger);
    for (const char *const *end = (const char *const[]){"", "-wal", "-shm", NULL}; *end; end++) {
        char file[80];
        CHECK(wr_strformat(file, sizeof file, "%s%s", path, *end));
        (void)unlink(file);
    }
    CHECK_INT(rmdir(directory), 0);
}
