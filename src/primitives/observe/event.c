#include "primitives/observe/event.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/core/workflow.h"
#include "primitives/observe/otlp.h"
#include "primitives/observe/telemetry.h"

/* OpenTelemetry's numbers of severities. */
static const struct {
    const char *name;
    unsigned number;
} levels[] = {{"debug", 5}, {"info", 9}, {"warning", 13}, {"error", 17}};

static unsigned severity(const char *level)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(levels); i++)
        if (wr_streq(levels[i].name, level))
            return levels[i].number;
    return 0; /* not specified */
}

/* Ids are the caller's, and may be no UTF-8. */
static void set(json_t *record, const char *key, const char *text)
{
    json_t *value = wr_value_json(wr_value_of_bytes(text, strlen(text)));

    if (value)
        (void)json_object_set_new(record, key, value); /* one member less without memory */
}

static void set_hex(json_t *record, const char *key, const uint8_t *id, size_t len)
{
    char hex[2 * WR_TRACE_ID_BYTES + 1];

    wr_hex_encode(id, WR_MIN(len, (size_t)WR_TRACE_ID_BYTES), hex);
    set(record, key, hex);
}

struct event {
    const struct wr_workflow *workflow;
    const char *level, *name, *primitive;
    uint64_t time_us;
};

/* NULL without memory. */
static json_t *make_record(const struct event *event, json_t *fields)
{
    json_t *record = json_object();
    char time[25];

    if (!record)
        return NULL;
    wr_format_rfc3339(event->time_us / 1000, time);
    set(record, "time", time);
    set(record, "level", event->level);
    set(record, "event", event->name);
    set(record, "primitive", event->primitive);
    set(record, "correlation_id", wr_workflow_correlation_id(event->workflow));
    set(record, "workflow_id", wr_workflow_id(event->workflow));
    set_hex(record, "trace_id", wr_workflow_trace_id(event->workflow), WR_TRACE_ID_BYTES);
    set_hex(record, "span_id", wr_workflow_span_id(event->workflow), WR_SPAN_ID_BYTES);
    (void)json_object_update_missing(record, fields);
    return record;
}

/* Members that have a place of their own in OTLP. */
static bool has_place(const char *key)
{
    static const char *const keys[] = {"time", "level", "event", "trace_id", "span_id"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(keys); i++)
        if (wr_streq(keys[i], key))
            return true;
    return false;
}

static int encode(const struct event *event, json_t *record, struct wr_buf *out)
{
    static const uint8_t no_span[WR_SPAN_ID_BYTES];
    const char *key = NULL;
    json_t *value = NULL;
    struct wr_jw w;

    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_otlp_time(&w, "timeUnixNano", event->time_us);
    wr_otlp_time(&w, "observedTimeUnixNano", event->time_us);
    wr_jw_ku64(&w, "severityNumber", severity(event->level));
    wr_jw_kstr(&w, "severityText", event->level);
    wr_jw_key(&w, "body");
    wr_jw_object(&w);
    wr_jw_kstr(&w, "stringValue", event->name);
    wr_jw_end(&w);
    wr_otlp_hex(&w, "traceId", wr_workflow_trace_id(event->workflow), WR_TRACE_ID_BYTES);
    if (memcmp(wr_workflow_span_id(event->workflow), no_span, sizeof no_span) != 0)
        wr_otlp_hex(&w, "spanId", wr_workflow_span_id(event->workflow), WR_SPAN_ID_BYTES);
    wr_jw_ku64(&w, "flags", wr_workflow_sampled(event->workflow));
    wr_jw_key(&w, "attributes");
    wr_jw_array(&w);
    json_object_foreach(record, key, value)
        if (!has_place(key))
            wr_otlp_json(&w, key, value);
    wr_jw_end(&w);
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}

static void export(struct wr_telemetry *telemetry, const struct event *event, json_t *record)
{
    wr_auto_buf text = WR_BUF(WR_OTLP_RECORD_MAX);

    if (encode(event, record, &text) < 0)
        wr_metric_add(telemetry, WR_METRIC_LOGS_DROPPED, NULL, 1);
    else
        wr_exporter_push(telemetry->exporter, WR_SIGNAL_LOGS, wr_buf_ptr(&text), text.len);
}

void wr_telemetry_log(struct wr_workflow *workflow, const char *level, const char *name,
                      const char *primitive, json_t *fields)
{
    struct wr_telemetry *telemetry = workflow ? wr_workflow_telemetry(workflow) : NULL;
    wr_auto_json *given = fields;

    if (!telemetry || (!telemetry->on_log && !telemetry->exporter))
        return;
    const struct event event = {.workflow = workflow,
                                .level = level,
                                .name = name,
                                .primitive = primitive,
                                .time_us = wr_telemetry_wall_us(telemetry)};
    wr_auto_json *record = make_record(&event, given);
    if (!record) {
        wr_metric_add(telemetry, WR_METRIC_LOGS_DROPPED, NULL, 1);
        return;
    }
    if (telemetry->on_log)
        telemetry->on_log(wr_value_of_json(record), telemetry->on_log_data);
    if (telemetry->exporter)
        export(telemetry, &event, record);
}
