#include "primitives/observe/resource.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/observe/otel_pairs.h"
#include "primitives/observe/otlp.h"

#define MAX_ATTRIBUTES 64

static int set(json_t *attributes, const char *key, const char *text, struct wr_error *err)
{
    json_t *value = wr_value_json(wr_value_of_bytes(text, strlen(text)));

    if (!value)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "telemetry");
    if (json_object_set_new(attributes, key, value) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the name %.60s is not UTF-8", key);
    return 0;
}

static int add_given(const struct wr_otel_pair *pair, void *data, struct wr_error *err)
{
    json_t *attributes = data;

    if (json_object_size(attributes) >= MAX_ATTRIBUTES)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "more than %d attributes", MAX_ATTRIBUTES);
    return set(attributes, pair->key, pair->value, err);
}

static bool given(const char *text)
{
    return text && *text;
}

/* What comes later wins. */
static int collect(const char *service_name, json_t *attributes, struct wr_error *err)
{
    const char *environment = getenv("OTEL_RESOURCE_ATTRIBUTES");
    const char *name = given(service_name) ? service_name : getenv("OTEL_SERVICE_NAME");
    const struct {
        const char *key, *text;
    } own[] = {
        {"telemetry.sdk.name", "warren"},
        {"telemetry.sdk.language", "c"},
        {"telemetry.sdk.version", WR_VERSION},
        {given(name) ? "service.name" : NULL, name},
    };
    int r = set(attributes, "service.name", "warren", err);

    if (r == 0)
        r = set(attributes, "service.version", WR_VERSION, err);
    if (r == 0 && given(environment)) {
        r = wr_otel_pairs_read(environment, add_given, attributes, err);
        if (r < 0)
            return wr_wrap(err, "OTEL_RESOURCE_ATTRIBUTES");
    }
    for (size_t i = 0; r == 0 && i < WR_ARRAY_SIZE(own); i++)
        if (own[i].key)
            r = set(attributes, own[i].key, own[i].text, err);
    return r;
}

int wr_resource_write(const char *service_name, struct wr_buf *out, struct wr_error *err)
{
    wr_auto_json *attributes = json_object();
    const char *key = NULL;
    const json_t *value = NULL;
    struct wr_jw w;

    if (!attributes)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "telemetry");
    int r = collect(service_name, attributes, err);
    if (r < 0)
        return r;
    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_key(&w, "attributes");
    wr_jw_array(&w);
    json_object_foreach(attributes, key, value)
        wr_otlp_json(&w, key, value);
    wr_jw_end(&w);
    wr_jw_end(&w);
    r = wr_jw_finish(&w);
    return r == 0 ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "attributes of the telemetry");
}
