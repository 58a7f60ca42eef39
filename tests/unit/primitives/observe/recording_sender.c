#include "recording_sender.h"

#include "base/error.h"
#include "base/str.h"
#include "test.h"

static int record(void *self, const char *path, const struct wr_buf *body, struct wr_error *err)
{
    struct recorder *recorder = self;
    size_t i = recorder->count;

    CHECK(i < RECORDED_MAX);
    CHECK(wr_strcopy(recorder->paths[i], sizeof recorder->paths[i], path));
    recorder->bodies[i] = json_loadb(wr_buf_ptr(body), body->len, JSON_REJECT_DUPLICATES, NULL);
    CHECK(recorder->bodies[i]);
    recorder->count++;
    if (recorder->answer == 0)
        return 0;
    (void)wr_fail(err, recorder->answer < 0 ? (enum wr_code) - recorder->answer : WR_E_UNAVAILABLE,
                  0, "told to fail");
    err->retry_after_ms = recorder->retry_after_ms;
    return recorder->answer;
}

struct wr_export_sender recorder_sender(struct recorder *recorder)
{
    return (struct wr_export_sender){.send = record, .self = recorder};
}

static uint64_t mono_us(void *self)
{
    return ((struct recorder *)self)->mono_us;
}

static uint64_t wall_us(void *self)
{
    return ((struct recorder *)self)->wall_us;
}

struct wr_telemetry_clock recorder_clock(struct recorder *recorder)
{
    return (struct wr_telemetry_clock){.mono_us = mono_us, .wall_us = wall_us, .self = recorder};
}

struct wr_telemetry *recorder_telemetry(struct recorder *recorder,
                                        const struct wr_telemetry_opts *opts)
{
    const struct wr_export_sender sender = recorder_sender(recorder);
    const struct wr_telemetry_clock clock = recorder_clock(recorder);
    struct wr_error err = {0};
    struct wr_telemetry *telemetry = wr_telemetry_make(
        opts, &(const struct wr_telemetry_seams){.clock = &clock, .sender = &sender}, &err);

    if (!telemetry)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return telemetry;
}

void recorder_done(struct recorder *recorder)
{
    for (size_t i = 0; i < recorder->count; i++)
        json_decref(recorder->bodies[i]);
}

static const json_t *first(const json_t *object, const char *key)
{
    const json_t *array = json_object_get(object, key);

    CHECK_INT(json_array_size(array), 1);
    return json_array_get(array, 0);
}

static const json_t *records(const struct recorder *recorder, size_t request, const char *resources,
                             const char *scopes, const char *key)
{
    CHECK(request < recorder->count);
    const json_t *scope = first(first(recorder->bodies[request], resources), scopes);
    CHECK_STR(json_string_value(json_object_get(json_object_get(scope, "scope"), "name")),
              "warren");
    const json_t *found = json_object_get(scope, key);
    CHECK(json_is_array(found));
    return found;
}

const json_t *recorded(const struct recorder *recorder, size_t request)
{
    CHECK(request < recorder->count);
    if (wr_streq(recorder->paths[request], "/v1/traces"))
        return records(recorder, request, "resourceSpans", "scopeSpans", "spans");
    CHECK_STR(recorder->paths[request], "/v1/logs");
    return records(recorder, request, "resourceLogs", "scopeLogs", "logRecords");
}

const json_t *attribute(const json_t *record, const char *key)
{
    const json_t *found = NULL, *entry = NULL;
    size_t i = 0;

    json_array_foreach(json_object_get(record, "attributes"), i, entry)
        if (wr_streq(json_string_value(json_object_get(entry, "key")), key)) {
            CHECK(!found);
            found = json_object_get(entry, "value");
        }
    return found;
}

const char *attribute_text(const json_t *record, const char *key)
{
    const json_t *value = attribute(record, key);
    const json_t *text = json_object_get(value, "stringValue");

    if (!text)
        text = json_object_get(value, "intValue");
    if (!text)
        return json_is_true(json_object_get(value, "boolValue")) ? "true" : NULL;
    return json_string_value(text);
}

const json_t *recorded_metric(const struct recorder *recorder, size_t request, const char *name)
{
    const json_t *metrics =
        records(recorder, request, "resourceMetrics", "scopeMetrics", "metrics");
    const json_t *metric = NULL;
    size_t i = 0;

    json_array_foreach(metrics, i, metric)
        if (wr_streq(json_string_value(json_object_get(metric, "name")), name))
            return metric;
    wr_test_fail(__FILE__, __LINE__, "there is no metric %s", name);
}
