#include "json/value.h"
#include "primitives/core/workflow.h"
#include "primitives/observe/event.h"
#include "recording_sender.h"
#include "test.h"

static void keep(const struct wr_value *record, void *data)
{
    json_t **kept = data;

    CHECK(!*kept);
    *kept = json_deep_copy(wr_value_json(record));
}

static struct wr_workflow *workflow_with(struct wr_telemetry *telemetry)
{
    struct wr_error err = {0};
    struct wr_workflow *workflow = wr_workflow_new(
        WR_OPTS(wr_workflow_opts, .telemetry = telemetry, .correlation_id = "req-\xff",
                .workflow_id = "flow",
                .traceparent = "00-0123456789abcdef0123456789abcdef-00000000000000aa-01"),
        &err);

    CHECK(workflow);
    return workflow;
}

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

TEST(a_record_has_the_ids_and_its_fields)
{
    struct recorder recorder = {.wall_us = 1767322984567000};
    json_t *kept = NULL;
    struct wr_telemetry *telemetry = recorder_telemetry(
        &recorder, WR_OPTS(wr_telemetry_opts, .on_log = keep, .on_log_data = &kept));
    struct wr_workflow *workflow = workflow_with(telemetry);
    struct wr_error err = {0};

    wr_telemetry_log(workflow, "warning", "code_execution", "CodeExecutionPrimitive",
                     json_pack("{s:b, s:f, s:i, s:n, s:[s], s:s}", "success", 1,
                               "execution_time_ms", 12.5, "code_length", 3, "nothing", "list", "a",
                               "event", "not this one"));
    CHECK_STR(text(kept, "time"), "2026-01-02T03:03:04.567Z");
    CHECK_STR(text(kept, "level"), "warning");
    CHECK_STR(text(kept, "event"), "code_execution");
    CHECK_STR(text(kept, "primitive"), "CodeExecutionPrimitive");
    CHECK_STR(text(kept, "correlation_id"), "req-\xef\xbf\xbd");
    CHECK_STR(text(kept, "workflow_id"), "flow");
    CHECK_STR(text(kept, "trace_id"), "0123456789abcdef0123456789abcdef");
    CHECK_STR(text(kept, "span_id"), "00000000000000aa");
    CHECK(json_is_true(json_object_get(kept, "success")));
    CHECK_INT(json_object_size(kept), 13);

    CHECK_INT(wr_exporter_round(telemetry->exporter, true, &err), 0);
    CHECK_STR(recorder.paths[0], "/v1/logs");
    const json_t *sent = json_array_get(recorded(&recorder, 0), 0);
    CHECK_STR(text(sent, "timeUnixNano"), "1767322984567000000");
    CHECK_INT(json_integer_value(json_object_get(sent, "severityNumber")), 13);
    CHECK_STR(text(json_object_get(sent, "body"), "stringValue"), "code_execution");
    CHECK_STR(text(sent, "traceId"), "0123456789abcdef0123456789abcdef");
    CHECK_STR(text(sent, "spanId"), "00000000000000aa");
    CHECK_STR(attribute_text(sent, "success"), "true");
    CHECK_STR(attribute_text(sent, "code_length"), "3");
    CHECK_STR(attribute_text(sent, "list"), "[\"a\"]");
    CHECK(!attribute(sent, "nothing") && !attribute(sent, "event") && !attribute(sent, "time"));
    wr_workflow_free(workflow);
    wr_telemetry_free(telemetry);
    recorder_done(&recorder);
    json_decref(kept);
}

TEST(without_telemetry_the_fields_are_freed)
{
    struct wr_error err = {0};
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);

    wr_telemetry_log(workflow, "info", "e", "p", json_pack("{s:s}", "a", "b"));
    wr_telemetry_log(NULL, "info", "e", "p", json_pack("{s:s}", "a", "b"));
    wr_telemetry_log(workflow, "info", "e", "p", NULL);
    wr_workflow_free(workflow);
}

TEST(without_a_span_there_is_no_span_id_in_otlp)
{
    struct recorder recorder = {.wall_us = 1};
    struct wr_telemetry *telemetry = recorder_telemetry(&recorder, NULL);
    struct wr_error err = {0};
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .telemetry = telemetry), &err);

    wr_telemetry_log(workflow, "info", "e", "p", NULL);
    CHECK_INT(wr_exporter_round(telemetry->exporter, true, &err), 0);
    CHECK(!json_object_get(json_array_get(recorded(&recorder, 0), 0), "spanId"));
    wr_workflow_free(workflow);
    wr_telemetry_free(telemetry);
    recorder_done(&recorder);
}
