#include <string.h>

#include "base/alloc.h"
#include "base/rand.h"
#include "base/str.h"
#include "primitives/core/workflow.h"
#include "primitives/observe/otlp.h"
#include "primitives/observe/telemetry.h"
#include "warren/telemetry.h"

#define MAX_ATTRIBUTES 64  /* of one span */
#define KEY_MAX_LEN    128 /* bytes */
#define NAME_MAX_LEN   128

enum kind { TEXT, INTEGER, REAL, TRUTH };

struct attribute {
    char *key; /* owned */
    enum kind kind;
    union {
        char *text; /* owned */
        int64_t integer;
        double real;
        bool truth;
    };
};

/* Used by one thread at a time, as its workflow is. */
struct wr_span {
    struct wr_workflow *workflow;   /* held */
    struct wr_telemetry *telemetry; /* the workflow's */
    struct wr_span *outer;          /* what was open before, and its id: put back at the end */
    uint8_t outer_id[WR_SPAN_ID_BYTES], id[WR_SPAN_ID_BYTES];
    char name[NAME_MAX_LEN + 1];
    uint64_t start_wall_us, start_mono_us;
    struct attribute *attributes; /* owned, MAX_ATTRIBUTES; NULL until there is one */
    size_t count;
    uint32_t dropped;
};

static bool is_zero(const uint8_t id[static WR_SPAN_ID_BYTES])
{
    static const uint8_t zero[WR_SPAN_ID_BYTES];

    return memcmp(id, zero, sizeof zero) == 0;
}

struct wr_span *wr_span_begin(struct wr_workflow *workflow, const char *name)
{
    struct wr_telemetry *telemetry = workflow ? wr_workflow_telemetry(workflow) : NULL;

    /* Whoever began the trace does not want it: ids pass through as they are. */
    if (!telemetry || !wr_workflow_sampled(workflow))
        return NULL;
    struct wr_span *span = wr_calloc(1, sizeof *span);
    if (!span) {
        wr_metric_add(telemetry, WR_METRIC_SPANS_DROPPED, NULL, 1);
        return NULL;
    }
    span->workflow = wr_workflow_ref(workflow);
    span->telemetry = telemetry;
    span->outer = wr_workflow_span(workflow);
    memcpy(span->outer_id, wr_workflow_span_id(workflow), WR_SPAN_ID_BYTES);
    do
        wr_random_bytes(span->id, sizeof span->id);
    while (is_zero(span->id));
    memcpy(span->name, name ? name : "", name ? wr_utf8_prefix(name, NAME_MAX_LEN) : 0);
    span->start_wall_us = wr_telemetry_wall_us(telemetry);
    span->start_mono_us = wr_telemetry_mono_us(telemetry);
    wr_workflow_set_span(workflow, span, span->id);
    return span;
}

/* ---- attributes ---- */

static void clear_value(struct attribute *attribute)
{
    if (attribute->kind == TEXT)
        free(attribute->text);
    attribute->kind = INTEGER;
}

/* Where the value of `key` goes, without one; NULL when there is no room. */
static struct attribute *place(struct wr_span *span, const char *key)
{
    for (size_t i = 0; i < span->count; i++)
        if (wr_streq(span->attributes[i].key, key)) {
            clear_value(&span->attributes[i]);
            return &span->attributes[i];
        }
    if (span->count == MAX_ATTRIBUTES || strnlen(key, KEY_MAX_LEN + 1) > KEY_MAX_LEN)
        return NULL;
    if (!span->attributes)
        span->attributes = wr_calloc(MAX_ATTRIBUTES, sizeof *span->attributes);
    char *copy = span->attributes ? wr_strdup(key) : NULL;
    if (!copy)
        return NULL;
    struct attribute *attribute = &span->attributes[span->count++];
    *attribute = (struct attribute){.key = copy, .kind = INTEGER};
    return attribute;
}

/* Takes the value over. */
static void set(struct wr_span *span, const char *key, struct attribute value)
{
    struct attribute *attribute =
        span && span->telemetry->exporter && key ? place(span, key) : NULL;

    if (!attribute) {
        clear_value(&value);
        if (span)
            span->dropped++;
        return;
    }
    value.key = attribute->key;
    *attribute = value;
}

void wr_span_set_string(struct wr_span *span, const char *key, const char *text)
{
    if (!span || !text)
        return;
    char *copy = wr_strndup(text, wr_utf8_prefix(text, WR_OTLP_TEXT_MAX));
    if (copy)
        set(span, key, (struct attribute){.kind = TEXT, .text = copy});
    else
        span->dropped++;
}

void wr_span_set_int(struct wr_span *span, const char *key, int64_t number)
{
    set(span, key, (struct attribute){.kind = INTEGER, .integer = number});
}

void wr_span_set_double(struct wr_span *span, const char *key, double number)
{
    set(span, key, (struct attribute){.kind = REAL, .real = number});
}

void wr_span_set_bool(struct wr_span *span, const char *key, bool truth)
{
    set(span, key, (struct attribute){.kind = TRUTH, .truth = truth});
}

/* ---- its end ---- */

static void write_attributes(struct wr_jw *w, const struct wr_span *span,
                             const struct wr_error *err)
{
    const char *session = wr_workflow_session_id(span->workflow);

    wr_jw_key(w, "attributes");
    wr_jw_array(w);
    wr_otlp_string(w, "workflow.id", wr_workflow_id(span->workflow));
    wr_otlp_string(w, "workflow.correlation_id", wr_workflow_correlation_id(span->workflow));
    if (*session)
        wr_otlp_string(w, "workflow.session_id", session);
    if (err)
        wr_otlp_string(w, "error.type", wr_code_name((enum wr_code)err->code));
    for (size_t i = 0; i < span->count; i++) {
        const struct attribute *attribute = &span->attributes[i];
        switch (attribute->kind) {
        case TEXT:
            wr_otlp_string(w, attribute->key, attribute->text);
            break;
        case INTEGER:
            wr_otlp_int(w, attribute->key, attribute->integer);
            break;
        case REAL:
            wr_otlp_double(w, attribute->key, attribute->real);
            break;
        case TRUTH:
            wr_otlp_bool(w, attribute->key, attribute->truth);
            break;
        }
    }
    wr_jw_end(w);
    if (span->dropped)
        wr_jw_ku64(w, "droppedAttributesCount", span->dropped);
}

/* The event that OpenTelemetry has for it, and the status. */
static void write_error(struct wr_jw *w, const struct wr_error *err, uint64_t time_us)
{
    wr_jw_key(w, "events");
    wr_jw_array(w);
    wr_jw_object(w);
    wr_otlp_time(w, "timeUnixNano", time_us);
    wr_jw_kstr(w, "name", "exception");
    wr_jw_key(w, "attributes");
    wr_jw_array(w);
    wr_otlp_string(w, "exception.type", wr_code_name((enum wr_code)err->code));
    wr_otlp_string(w, "exception.message", err->msg);
    wr_jw_end(w);
    wr_jw_end(w);
    wr_jw_end(w);
    wr_jw_key(w, "status");
    wr_jw_object(w);
    wr_jw_ku64(w, "code", 2); /* STATUS_CODE_ERROR */
    wr_jw_kstr(w, "message", err->msg);
    wr_jw_end(w);
}

static int encode(const struct wr_span *span, const struct wr_error *err, struct wr_buf *out)
{
    uint64_t now_us = wr_telemetry_mono_us(span->telemetry);
    uint64_t took_us = now_us > span->start_mono_us ? now_us - span->start_mono_us : 0;
    const char *tracestate = wr_workflow_tracestate(span->workflow);
    struct wr_jw w;

    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_otlp_hex(&w, "traceId", wr_workflow_trace_id(span->workflow), WR_TRACE_ID_BYTES);
    wr_otlp_hex(&w, "spanId", span->id, sizeof span->id);
    if (!is_zero(span->outer_id))
        wr_otlp_hex(&w, "parentSpanId", span->outer_id, sizeof span->outer_id);
    if (*tracestate)
        wr_jw_kstr(&w, "traceState", tracestate);
    wr_jw_ku64(&w, "flags", 1); /* sampled */
    wr_jw_kstr(&w, "name", span->name);
    wr_jw_ku64(&w, "kind", 1); /* SPAN_KIND_INTERNAL */
    wr_otlp_time(&w, "startTimeUnixNano", span->start_wall_us);
    wr_otlp_time(&w, "endTimeUnixNano", span->start_wall_us + took_us);
    write_attributes(&w, span, err);
    if (err)
        write_error(&w, err, span->start_wall_us + took_us);
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}

static void export(const struct wr_span *span, const struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(WR_OTLP_RECORD_MAX);

    if (encode(span, err, &text) < 0)
        wr_metric_add(span->telemetry, WR_METRIC_SPANS_DROPPED, NULL, 1);
    else
        wr_exporter_push(span->telemetry->exporter, WR_SIGNAL_TRACES, wr_buf_ptr(&text), text.len);
}

void wr_span_end(struct wr_span *span, const struct wr_error *err)
{
    if (!span)
        return;
    if (span->telemetry->exporter)
        export(span, err && err->code ? err : NULL);
    wr_workflow_set_span(span->workflow, span->outer, span->outer_id);
    for (size_t i = 0; i < span->count; i++) {
        free(span->attributes[i].key);
        clear_value(&span->attributes[i]);
    }
    free(span->attributes);
    wr_workflow_free(span->workflow);
    free(span);
}
