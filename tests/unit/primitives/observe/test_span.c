#include "base/encode.h"
#include "base/str.h"
#include "primitives/core/workflow.h"
#include "recording_sender.h"
#include "test.h"

#define SECOND ((uint64_t)1000000) /* in us */

struct scene {
    struct recorder recorder;
    struct wr_telemetry *telemetry;
    struct wr_workflow *workflow;
};

static void begin(struct scene *scene, const char *traceparent)
{
    struct wr_error err = {0};

    *scene = (struct scene){.recorder = {.mono_us = SECOND, .wall_us = 1700000000 * SECOND}};
    scene->telemetry = recorder_telemetry(&scene->recorder, NULL);
    scene->workflow = wr_workflow_new(WR_OPTS(wr_workflow_opts, .telemetry = scene->telemetry,
                                              .correlation_id = "req-1", .workflow_id = "flow-1",
                                              .traceparent = traceparent),
                                      &err);
    CHECK(scene->workflow);
}

static void send(struct scene *scene)
{
    struct wr_error err = {0};

    CHECK_INT(wr_exporter_round(scene->telemetry->exporter, true, &err), 0);
}

static void end(struct scene *scene)
{
    wr_workflow_free(scene->workflow);
    wr_telemetry_free(scene->telemetry);
    recorder_done(&scene->recorder);
}

static const char *text(const json_t *span, const char *key)
{
    return json_string_value(json_object_get(span, key));
}

TEST(spans_nest)
{
    struct scene scene;
    char trace_id[33];

    begin(&scene, NULL);
    struct wr_span *outer = wr_span_begin(scene.workflow, "outer");
    struct wr_span *first = wr_span_begin(scene.workflow, "first");
    CHECK(wr_workflow_span(scene.workflow) == first);
    wr_span_end(first, NULL);
    CHECK(wr_workflow_span(scene.workflow) == outer);
    struct wr_span *second = wr_span_begin(scene.workflow, "second");
    wr_span_end(second, NULL);
    wr_span_end(outer, NULL);
    CHECK(!wr_workflow_span(scene.workflow));
    send(&scene);

    const json_t *spans = recorded(&scene.recorder, 0);
    CHECK_INT(json_array_size(spans), 3);
    const json_t *a = json_array_get(spans, 0), *b = json_array_get(spans, 1),
                 *root = json_array_get(spans, 2);
    CHECK_STR(text(root, "name"), "outer");
    CHECK(!json_object_get(root, "parentSpanId"));
    CHECK_STR(text(a, "parentSpanId"), text(root, "spanId"));
    CHECK_STR(text(b, "parentSpanId"), text(root, "spanId"));
    CHECK(strcmp(text(a, "spanId"), text(b, "spanId")) != 0);
    wr_hex_encode(wr_workflow_trace_id(scene.workflow), 16, trace_id);
    CHECK_STR(text(a, "traceId"), trace_id);
    CHECK_STR(text(root, "traceId"), trace_id);
    CHECK_STR(attribute_text(a, "workflow.id"), "flow-1");
    CHECK_STR(attribute_text(a, "workflow.correlation_id"), "req-1");
    CHECK(!attribute(a, "workflow.session_id"));
    end(&scene);
}

TEST(parallel_parts_have_the_span_around_them_as_parent)
{
    struct scene scene;
    struct wr_error err = {0};

    begin(&scene, NULL);
    struct wr_span *outer = wr_span_begin(scene.workflow, "outer");
    struct wr_workflow *left = wr_workflow_scope(scene.workflow, NULL, &err),
                       *right = wr_workflow_scope(scene.workflow, NULL, &err);
    struct wr_span *a = wr_span_begin(left, "left"), *b = wr_span_begin(right, "right");
    wr_span_end(a, NULL);
    wr_span_end(b, NULL);
    wr_workflow_free(left);
    wr_workflow_free(right);
    wr_span_end(outer, NULL);
    send(&scene);
    const json_t *spans = recorded(&scene.recorder, 0);
    for (size_t i = 0; i < 2; i++)
        CHECK_STR(text(json_array_get(spans, i), "parentSpanId"),
                  text(json_array_get(spans, 2), "spanId"));
    end(&scene);
}

TEST(a_given_trace_is_continued)
{
    struct scene scene;
    char traceparent[56];

    begin(&scene, "00-0123456789abcdef0123456789abcdef-00000000000000aa-01");
    struct wr_span *span = wr_span_begin(scene.workflow, "mine");
    wr_workflow_traceparent(scene.workflow, traceparent);
    wr_span_end(span, NULL);
    send(&scene);
    const json_t *sent = json_array_get(recorded(&scene.recorder, 0), 0);
    CHECK_STR(text(sent, "traceId"), "0123456789abcdef0123456789abcdef");
    CHECK_STR(text(sent, "parentSpanId"), "00000000000000aa");
    /* What a sandbox is told is the span, not its parent. */
    CHECK(memcmp(traceparent + 36, text(sent, "spanId"), 16) == 0);
    end(&scene);
}

TEST(a_trace_that_is_not_sampled_passes_through)
{
    struct scene scene;
    char traceparent[56];

    begin(&scene, "00-0123456789abcdef0123456789abcdef-00000000000000aa-00");
    CHECK(!wr_span_begin(scene.workflow, "mine"));
    wr_workflow_traceparent(scene.workflow, traceparent);
    CHECK_STR(traceparent, "00-0123456789abcdef0123456789abcdef-00000000000000aa-00");
    end(&scene);
}

TEST(without_telemetry_there_is_no_span)
{
    struct wr_error err = {0};
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    struct wr_span *span = wr_span_begin(workflow, "none");

    CHECK(!span);
    wr_span_set_string(span, "a", "b");
    wr_span_set_int(span, "a", 1);
    wr_span_set_double(span, "a", 1);
    wr_span_set_bool(span, "a", true);
    wr_span_end(span, &err);
    CHECK(!wr_span_begin(NULL, "none"));
    wr_workflow_free(workflow);
}

TEST(attributes_have_their_kind_and_the_last_value)
{
    struct scene scene;

    begin(&scene, NULL);
    struct wr_span *span = wr_span_begin(scene.workflow, "s");
    wr_span_set_string(span, "text", "first");
    wr_span_set_string(span, "text", "a\"b\xff");
    wr_span_set_int(span, "int", INT64_MIN);
    wr_span_set_double(span, "double", 0.25);
    wr_span_set_string(span, "bool", "was text");
    wr_span_set_bool(span, "bool", true);
    wr_span_set_string(span, "absent", NULL);
    wr_span_end(span, NULL);
    send(&scene);
    const json_t *sent = json_array_get(recorded(&scene.recorder, 0), 0);
    CHECK_STR(attribute_text(sent, "text"), "a\"b\xef\xbf\xbd");
    CHECK_STR(attribute_text(sent, "int"), "-9223372036854775808");
    CHECK(json_real_value(json_object_get(attribute(sent, "double"), "doubleValue")) == 0.25);
    CHECK_STR(attribute_text(sent, "bool"), "true");
    CHECK(!attribute(sent, "absent"));
    CHECK(!json_object_get(sent, "droppedAttributesCount"));
    CHECK(!json_object_get(sent, "status"));
    end(&scene);
}

TEST(attributes_are_bounded)
{
    struct scene scene;
    char key[16], longest[4096 + 2], name[130];

    begin(&scene, NULL);
    struct wr_span *span = wr_span_begin(scene.workflow, "s");
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memset(name, 'k', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    wr_span_set_int(span, name, 1); /* 129 bytes: no key */
    wr_span_set_string(span, "k0", longest);
    for (int i = 1; i < 66; i++) {
        CHECK(wr_strformat(key, sizeof key, "k%d", i));
        wr_span_set_int(span, key, i);
    }
    wr_span_set_int(span, "k63", 1000); /* the 64th one can still be changed */
    wr_span_end(span, NULL);
    send(&scene);
    const json_t *sent = json_array_get(recorded(&scene.recorder, 0), 0);
    CHECK_INT(strlen(attribute_text(sent, "k0")), 4096);
    CHECK_STR(attribute_text(sent, "k63"), "1000");
    CHECK(!attribute(sent, "k64"));
    CHECK_INT(json_integer_value(json_object_get(sent, "droppedAttributesCount")), 3);
    end(&scene);
}

TEST(time_is_that_of_the_clock_that_does_not_jump)
{
    struct scene scene;

    begin(&scene, NULL);
    struct wr_span *span = wr_span_begin(scene.workflow, "s");
    scene.recorder.mono_us += 3 * SECOND / 2;
    scene.recorder.wall_us -= 3600 * SECOND;
    wr_span_end(span, NULL);
    send(&scene);
    const json_t *sent = json_array_get(recorded(&scene.recorder, 0), 0);
    CHECK_STR(text(sent, "startTimeUnixNano"), "1700000000000000000");
    CHECK_STR(text(sent, "endTimeUnixNano"), "1700000001500000000");
    end(&scene);
}

TEST(an_error_is_status_and_event)
{
    struct scene scene;
    const struct wr_error error = {.code = WR_E_UNAVAILABLE, .msg = "the server is gone"};

    begin(&scene, NULL);
    wr_span_end(wr_span_begin(scene.workflow, "s"), &error);
    wr_span_end(wr_span_begin(scene.workflow, "s"), &(struct wr_error){0});
    send(&scene);
    const json_t *failed = json_array_get(recorded(&scene.recorder, 0), 0),
                 *fine = json_array_get(recorded(&scene.recorder, 0), 1),
                 *status = json_object_get(failed, "status");
    CHECK_INT(json_integer_value(json_object_get(status, "code")), 2);
    CHECK_STR(text(status, "message"), "the server is gone");
    CHECK_STR(attribute_text(failed, "error.type"), "unavailable");
    const json_t *event = json_array_get(json_object_get(failed, "events"), 0);
    CHECK_STR(text(event, "name"), "exception");
    CHECK_STR(attribute_text(event, "exception.message"), "the server is gone");
    CHECK(!json_object_get(fine, "status") && !json_object_get(fine, "events"));
    CHECK(!attribute(fine, "error.type"));
    end(&scene);
}

TEST(a_span_that_is_too_large_is_counted)
{
    struct scene scene;
    char key[16], text_of_controls[4097];

    begin(&scene, NULL);
    struct wr_span *span = wr_span_begin(scene.workflow, "s");
    memset(text_of_controls, 1, sizeof text_of_controls - 1); /* 6 bytes each as JSON */
    text_of_controls[sizeof text_of_controls - 1] = '\0';
    for (int i = 0; i < 64; i++) {
        CHECK(wr_strformat(key, sizeof key, "k%d", i));
        wr_span_set_string(span, key, text_of_controls);
    }
    wr_span_end(span, NULL);
    CHECK(wr_metric_store_value(scene.telemetry->metrics, WR_METRIC_SPANS_DROPPED) == 1);
    end(&scene);
}
