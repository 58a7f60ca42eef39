#include "json/jread.h"

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

/* Text above this is refused before parsing: a JSON tree takes some ten times the memory of its
 * text. */
#define MAX_TEXT           (8 * WR_MIB)
/* jansson itself stops at 2048 levels, which is more stack and more freeing recursion than anything
 * here needs. */
#define MAX_DEPTH          64
#define DEFAULT_MAX_LENGTH 4096

void wr_json_free_ptr(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

/* Nesting of brackets outside strings, and what may be a value: good enough before the text is
 * known to be valid, because it never counts too few. */
static int check_shape(const char *text, size_t len, size_t max_values, struct wr_error *err)
{
    size_t depth = 0, values = 1;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            values++;
            if (++depth > MAX_DEPTH)
                return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                               "JSON text is nested deeper than %d levels", MAX_DEPTH);
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        } else if (c == ',') {
            values++;
        }
    }
    return values > max_values ? wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                                         "JSON text has more than %zu values", max_values)
                               : 0;
}

int wr_json_parse(const char *text, size_t len, json_t **ret, struct wr_error *err)
{
    return wr_json_parse_within(text, len, SIZE_MAX, ret, err);
}

int wr_json_parse_within(const char *text, size_t len, size_t max_values, json_t **ret,
                         struct wr_error *err)
{
    const struct wr_json_limits limits = {.bytes = MAX_TEXT, .values = max_values};

    return wr_json_parse_limited(text, len, &limits, ret, err);
}

int wr_json_parse_limited(const char *text, size_t len, const struct wr_json_limits *limits,
                          json_t **ret, struct wr_error *err)
{
    size_t flags = JSON_REJECT_DUPLICATES | (limits->allow_nul ? JSON_ALLOW_NUL : 0) |
                   (limits->any ? JSON_DECODE_ANY : 0);

    if (len > limits->bytes)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "JSON text of %zu bytes is over the limit of %zu bytes", len, limits->bytes);
    int rc = check_shape(text, len, limits->values, err);
    if (rc < 0)
        return rc;

    json_error_t why;
    wr_auto_json *json = json_loadb(len ? text : "", len, flags, &why);
    if (!json && limits->big_integers && json_error_code(&why) == json_error_numeric_overflow)
        json = json_loadb(text, len, flags | JSON_DECODE_INT_AS_REAL, &why);
    if (!json)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "invalid JSON: %.160s at byte %d", why.text,
                       why.position);
    if (!limits->any && !json_is_object(json))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "invalid JSON: an object was expected");
    *ret = wr_steal_ptr(&json);
    return 0;
}

static int too_long(const struct wr_json_field *field, int64_t max, const char *unit,
                    struct wr_error *err)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "field \"%s\" is longer than %lld %s",
                   field->name, (long long)max, unit);
}

static int wrong_kind(const struct wr_json_field *field, struct wr_error *err)
{
    static const char *const kinds[] = {
        [WR_JSON_STRING] = "a string",    [WR_JSON_U64] = "a whole number that is not negative",
        [WR_JSON_I64] = "a whole number", [WR_JSON_BOOL] = "true or false",
        [WR_JSON_OBJECT] = "an object",   [WR_JSON_ARRAY] = "an array",
    };
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "field \"%s\" must be %s", field->name,
                   kinds[field->kind]);
}

static int check_integer(const struct wr_json_field *field, const json_t *value,
                         struct wr_error *err)
{
    json_int_t v = json_integer_value(value);

    if (!json_is_integer(value) || (field->kind == WR_JSON_U64 && v < 0))
        return wrong_kind(field, err);
    if ((field->min != 0 || field->max != 0) && (v < field->min || v > field->max))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "field \"%s\" must be between %lld and %lld",
                       field->name, (long long)field->min, (long long)field->max);
    return 0;
}

static int check_field(const struct wr_json_field *field, const json_t *value, struct wr_error *err)
{
    int64_t max_length = field->max > 0 ? field->max : DEFAULT_MAX_LENGTH;

    switch (field->kind) {
    case WR_JSON_STRING:
        if (!json_is_string(value) ||
            memchr(json_string_value(value), '\0', json_string_length(value)))
            return wrong_kind(field, err);
        if (json_string_length(value) > (size_t)max_length)
            return too_long(field, max_length, "bytes", err);
        return 0;
    case WR_JSON_U64:
    case WR_JSON_I64:
        return check_integer(field, value, err);
    case WR_JSON_BOOL:
        return json_is_boolean(value) ? 0 : wrong_kind(field, err);
    case WR_JSON_OBJECT:
        return json_is_object(value) ? 0 : wrong_kind(field, err);
    case WR_JSON_ARRAY:
        if (!json_is_array(value))
            return wrong_kind(field, err);
        if (json_array_size(value) > (size_t)max_length)
            return too_long(field, max_length, "elements", err);
        return 0;
    }
    return wr_fail(err, WR_E_INTERNAL, 0, "field \"%s\" has no known kind", field->name);
}

static void store(const struct wr_json_field *field, json_t *value)
{
    switch (field->kind) {
    case WR_JSON_STRING:
        *(const char **)field->ret = json_string_value(value);
        break;
    case WR_JSON_U64:
        *(uint64_t *)field->ret = (uint64_t)json_integer_value(value);
        break;
    case WR_JSON_I64:
        *(int64_t *)field->ret = (int64_t)json_integer_value(value);
        break;
    case WR_JSON_BOOL:
        *(bool *)field->ret = json_is_true(value);
        break;
    case WR_JSON_OBJECT:
    case WR_JSON_ARRAY:
        *(json_t **)field->ret = value;
        break;
    }
}

static json_t *get(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

static int check_unknown(const json_t *object, const struct wr_json_field *fields, size_t count,
                         struct wr_error *err)
{
    const char *key = NULL;
    json_t *value = NULL;

    /* jansson's iteration does not write, but its signature is not const. */
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        bool known = false;
        for (size_t i = 0; i < count && !known; i++)
            known = wr_streq(fields[i].name, key);
        if (!known)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "unknown field \"%.100s\"", key);
    }
    return 0;
}

int wr_json_read(const json_t *object, const struct wr_json_field *fields, size_t count,
                 enum wr_json_unknown unknown, struct wr_error *err)
{
    if (!json_is_object(object))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a JSON object was expected");
    if (unknown == WR_JSON_REFUSE_UNKNOWN) {
        int r = check_unknown(object, fields, count, err);
        if (r < 0)
            return r;
    }
    /* All checks come before the first store, so that outputs are untouched on failure. */
    for (size_t i = 0; i < count; i++) {
        const json_t *value = get(object, fields[i].name);
        if (!value && fields[i].required)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "field \"%s\" is missing",
                           fields[i].name);
        int r = value ? check_field(&fields[i], value, err) : 0;
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < count; i++) {
        json_t *value = get(object, fields[i].name);
        if (fields[i].ret_present)
            *fields[i].ret_present = value != NULL;
        if (value)
            store(&fields[i], value);
    }
    return 0;
}
