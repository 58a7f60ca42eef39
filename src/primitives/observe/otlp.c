#include "primitives/observe/otlp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/str.h"

/* Around the resource and around the records of each kind of request. */
static const struct {
    const char *path, *begin, *middle;
} signals[WR_SIGNAL_COUNT_] = {
#define SCOPE "{\"name\":\"warren\",\"version\":\"" WR_VERSION "\"}"
    [WR_SIGNAL_TRACES] = {"/v1/traces", "{\"resourceSpans\":[{\"resource\":",
                          ",\"scopeSpans\":[{\"scope\":" SCOPE ",\"spans\":["},
    [WR_SIGNAL_LOGS] = {"/v1/logs", "{\"resourceLogs\":[{\"resource\":",
                        ",\"scopeLogs\":[{\"scope\":" SCOPE ",\"logRecords\":["},
    [WR_SIGNAL_METRICS] = {"/v1/metrics", "{\"resourceMetrics\":[{\"resource\":",
                           ",\"scopeMetrics\":[{\"scope\":" SCOPE ",\"metrics\":["},
};

const char *wr_otlp_path(enum wr_signal signal)
{
    return signals[signal].path;
}

int wr_otlp_begin(struct wr_buf *body, enum wr_signal signal, const char *resource)
{
    return wr_buf_printf(body, "%s%s%s", signals[signal].begin, resource, signals[signal].middle);
}

int wr_otlp_end(struct wr_buf *body)
{
    return wr_buf_append_str(body, "]}]}]}");
}

void wr_otlp_number(struct wr_jw *w, const char *key, uint64_t number)
{
    char text[24];

    if (wr_strformat(text, sizeof text, "%llu", (unsigned long long)number))
        wr_jw_kstr(w, key, text);
}

void wr_otlp_time(struct wr_jw *w, const char *key, uint64_t time_us)
{
    wr_otlp_number(w, key, time_us * 1000);
}

void wr_otlp_hex(struct wr_jw *w, const char *key, const uint8_t *id, size_t len)
{
    char hex[33];

    wr_hex_encode(id, WR_MIN(len, sizeof hex / 2), hex);
    wr_jw_kstr(w, key, hex);
}

void wr_otlp_real(struct wr_jw *w, const char *key, double number)
{
    wr_jw_key(w, key);
    if (isfinite(number))
        wr_jw_number(w, number);
    else
        wr_jw_str(w, isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
}

/* ---- attributes ---- */

static void begin_attribute(struct wr_jw *w, const char *key)
{
    wr_jw_object(w);
    wr_jw_kstr(w, "key", key);
    wr_jw_key(w, "value");
    wr_jw_object(w);
}

static void end_attribute(struct wr_jw *w)
{
    wr_jw_end(w);
    wr_jw_end(w);
}

void wr_otlp_string(struct wr_jw *w, const char *key, const char *text)
{
    begin_attribute(w, key);
    wr_jw_key(w, "stringValue");
    wr_jw_strn(w, text, wr_utf8_prefix(text, WR_OTLP_TEXT_MAX));
    end_attribute(w);
}

void wr_otlp_int(struct wr_jw *w, const char *key, int64_t number)
{
    char text[24];

    begin_attribute(w, key);
    if (wr_strformat(text, sizeof text, "%lld", (long long)number))
        wr_jw_kstr(w, "intValue", text);
    end_attribute(w);
}

void wr_otlp_double(struct wr_jw *w, const char *key, double number)
{
    begin_attribute(w, key);
    wr_otlp_real(w, "doubleValue", number);
    end_attribute(w);
}

void wr_otlp_bool(struct wr_jw *w, const char *key, bool truth)
{
    begin_attribute(w, key);
    wr_jw_kbool(w, "boolValue", truth);
    end_attribute(w);
}

void wr_otlp_json(struct wr_jw *w, const char *key, const json_t *value)
{
    wr_auto_free char *text = NULL;

    switch (json_typeof(value)) {
    case JSON_STRING:
        wr_otlp_string(w, key, json_string_value(value));
        return;
    case JSON_INTEGER:
        wr_otlp_int(w, key, json_integer_value(value));
        return;
    case JSON_REAL:
        wr_otlp_double(w, key, json_real_value(value));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        wr_otlp_bool(w, key, json_is_true(value));
        return;
    case JSON_NULL:
        return;
    case JSON_OBJECT:
    case JSON_ARRAY:
        break;
    }
    text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    if (text)
        wr_otlp_string(w, key, text);
}
