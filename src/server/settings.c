#include "server/settings.h"

#include <errno.h>
#include <string.h>

#include "json/jread.h"

int wr_metadata_check(const json_t *metadata, struct wr_error *err)
{
    size_t total = 0;
    const char *key;
    json_t *value;

    if (json_object_size(metadata) > WR_METADATA_MAX_PAIRS)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "metadata: more than %d pairs",
                       WR_METADATA_MAX_PAIRS);
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value) {
        if (!json_is_string(value))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "metadata: %.100s: not a string", key);
        if (strlen(key) > WR_METADATA_MAX_KEY)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "metadata: a key is longer than %d bytes",
                           WR_METADATA_MAX_KEY);
        if (json_string_length(value) > WR_METADATA_MAX_VALUE)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "metadata: %.100s: the value is longer than %d bytes", key,
                           WR_METADATA_MAX_VALUE);
        /* It is written as a C string. */
        if (strlen(json_string_value(value)) != json_string_length(value))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "metadata: %.100s: the value has a NUL byte", key);
        total += strlen(key) + json_string_length(value);
    }
    if (total > WR_METADATA_MAX_TOTAL)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "metadata: more than %d bytes of keys and values", WR_METADATA_MAX_TOTAL);
    return 0;
}

json_t *wr_settings_metadata(const json_t *settings)
{
    return json_object_get(settings, "metadata");
}

static const json_t *lifecycle(const json_t *settings, const char *key)
{
    return json_object_get(json_object_get(settings, "lifecycle"), key);
}

bool wr_settings_pauses(const json_t *settings)
{
    const char *what = json_string_value(lifecycle(settings, "onTimeout"));

    return what && strcmp(what, "pause") == 0;
}

bool wr_settings_pause_memory(const json_t *settings)
{
    return !json_is_false(lifecycle(settings, "keepMemory"));
}

bool wr_settings_auto_resume(const json_t *settings)
{
    return json_is_true(lifecycle(settings, "autoResume"));
}

int wr_settings_write(const json_t *settings, char **ret, struct wr_error *err)
{
    wr_auto_json *none = settings ? NULL : json_object();
    char *text = json_dumps(settings ? settings : none, JSON_COMPACT);

    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "settings of a sandbox");
    *ret = text;
    return 0;
}

int wr_settings_read(const char *text, json_t **ret, struct wr_error *err)
{
    wr_auto_json *json = NULL;
    struct wr_error why = {0};

    int r = wr_json_parse(text, strlen(text), &json, &why);
    if (r == 0)
        r = wr_metadata_check(wr_settings_metadata(json), &why);
    if (r < 0)
        return wr_fail(err, WR_E_DATA_LOSS, 0, "settings of a sandbox: %.180s", why.msg);
    *ret = json_incref(json);
    return 0;
}
