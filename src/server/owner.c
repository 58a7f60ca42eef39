#include "server/owner.h"

#include "json/jread.h"
#include "json/jwrite.h"

#define FORMAT 1

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
        /* The length limits keep NUL bytes out as well: both are written as C strings. */
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

int wr_owner_write(struct wr_buf *out, uint64_t deadline_ms, const json_t *metadata,
                   struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(WR_ACTION_MAX_OWNER);
    struct wr_jw w;
    const char *key;
    json_t *value;

    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    wr_jw_ku64(&w, "format", FORMAT);
    wr_jw_ku64(&w, "deadlineMs", deadline_ms);
    if (json_object_size(metadata) > 0) {
        wr_jw_key(&w, "metadata");
        wr_jw_object(&w);
        json_object_foreach((json_t *)(uintptr_t)metadata, key, value)
            wr_jw_kstr(&w, key, json_string_value(value));
        wr_jw_end(&w);
    }
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (r == 0)
        r = wr_buf_append(out, wr_buf_ptr(&text), text.len);
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "metadata: more than %d bytes as JSON",
                       WR_ACTION_MAX_OWNER);
    return 0;
}

int wr_owner_read(const char *text, uint64_t *ret_deadline_ms, json_t **ret_metadata,
                  struct wr_error *err)
{
    wr_auto_json *json = NULL;
    json_t *metadata = NULL;
    uint64_t format = 0, deadline_ms = 0;
    const struct wr_json_field fields[] = {
        {.name = "format", .kind = WR_JSON_U64, .required = true, .ret = &format},
        {.name = "deadlineMs", .kind = WR_JSON_U64, .required = true, .ret = &deadline_ms},
        {.name = "metadata", .kind = WR_JSON_OBJECT, .ret = &metadata},
    };

    int r = wr_json_parse(text, strlen(text), &json, err);
    if (r == 0)
        r = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, err);
    if (r == 0 && format != FORMAT)
        r = wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "written by another version of Warren");
    if (r == 0 && metadata)
        r = wr_metadata_check(metadata, err);
    if (r < 0)
        return r;
    *ret_deadline_ms = deadline_ms;
    *ret_metadata = json_incref(metadata);
    return 0;
}
