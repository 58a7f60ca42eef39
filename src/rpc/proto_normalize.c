/* Proto3 JSON as clients may write it, brought into the one form that handlers read. */
#include <errno.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "base/str.h"
#include "json/jread.h"
#include "rpc/proto_wire.h"
#include "rpc/timestamp.h"

#define EXACT_DOUBLE 9007199254740992.0 /* whole numbers up to 2^53 are exact */

static int wrong_kind(struct wr_error *err, const struct wr_proto_field *field)
{
    static const char *const kinds[] = {
        [WR_PROTO_STRING] = "a string",
        [WR_PROTO_BYTES] = "a string of base64",
        [WR_PROTO_BOOL] = "true or false",
        [WR_PROTO_UINT32] = "a whole number from 0 to 4294967295",
        [WR_PROTO_SINT32] = "a whole number of 32 bits",
        [WR_PROTO_INT64] = "a whole number of 64 bits",
        [WR_PROTO_ENUM] = "a name or a number",
        [WR_PROTO_MESSAGE] = "an object",
        [WR_PROTO_STRING_MAP] = "an object of strings",
        [WR_PROTO_TIMESTAMP] = "a time such as 2026-01-02T03:04:05Z",
    };
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s must be %s", field->json_name,
                   kinds[field->kind]);
}

static int no_memory(struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "the message");
}

/* A number, a string of digits, or a number written like 1.0 or 1e3. */
static bool read_integer(const json_t *value, int64_t min, int64_t max, int64_t *ret)
{
    int64_t number = 0;

    if (json_is_integer(value)) {
        number = json_integer_value(value);
    } else if (json_is_string(value)) {
        if (wr_parse_i64(json_string_value(value), INT64_MIN, INT64_MAX, &number) < 0)
            return false;
    } else if (json_is_real(value)) {
        double real = json_real_value(value);
        if (!(real >= -EXACT_DOUBLE && real <= EXACT_DOUBLE))
            return false;
        number = (int64_t)real;
        if ((double)number != real)
            return false;
    } else {
        return false;
    }
    *ret = number;
    return number >= min && number <= max;
}

static json_t *make_integer(const struct wr_proto_field *field, int64_t number)
{
    char decimal[24];
    const char *name = NULL;

    switch (field->kind) {
    case WR_PROTO_INT64:
        return wr_strformat(decimal, sizeof(decimal), "%lld", (long long)number)
                   ? json_string_nocheck(decimal)
                   : NULL;
    case WR_PROTO_ENUM:
        name = wr_proto_enum_name(field->values, number);
        return name ? json_string_nocheck(name) : json_integer(number);
    case WR_PROTO_UINT32:
    case WR_PROTO_SINT32:
    case WR_PROTO_STRING:
    case WR_PROTO_BYTES:
    case WR_PROTO_BOOL:
    case WR_PROTO_MESSAGE:
    case WR_PROTO_STRING_MAP:
    case WR_PROTO_TIMESTAMP:
        break;
    }
    return json_integer(number);
}

static int normalize_integer(const struct wr_proto_field *field, const json_t *value, json_t **ret,
                             struct wr_error *err)
{
    static const struct {
        int64_t min, max;
    } ranges[] = {
        [WR_PROTO_UINT32] = {0, UINT32_MAX},
        [WR_PROTO_SINT32] = {INT32_MIN, INT32_MAX},
        [WR_PROTO_INT64] = {INT64_MIN, INT64_MAX},
        [WR_PROTO_ENUM] = {INT32_MIN, INT32_MAX},
    };
    int64_t number = 0;

    if (!read_integer(value, ranges[field->kind].min, ranges[field->kind].max, &number))
        return wrong_kind(err, field);
    *ret = make_integer(field, number);
    return *ret ? 0 : no_memory(err);
}

static int check_map(const struct wr_proto_field *field, json_t *map, struct wr_error *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(map))
        return wrong_kind(err, field);
    json_object_foreach(map, key, value) {
        if (!json_is_string(value))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: the value of '%.64s' is no string",
                           field->json_name, key);
    }
    return 0;
}

/* One value, in its final form: *ret is owned by the caller. */
static int normalize_value(const struct wr_proto_field *field, json_t *value, json_t **ret,
                           struct wr_error *err)
{
    int64_t seconds = 0;
    uint32_t nanos = 0;
    int rc = 0;

    switch (field->kind) {
    case WR_PROTO_UINT32:
    case WR_PROTO_SINT32:
    case WR_PROTO_INT64:
        return normalize_integer(field, value, ret, err);
    case WR_PROTO_ENUM:
        if (!json_is_string(value))
            return normalize_integer(field, value, ret, err);
        break;
    case WR_PROTO_STRING:
    case WR_PROTO_BYTES:
        if (!json_is_string(value))
            return wrong_kind(err, field);
        break;
    case WR_PROTO_BOOL:
        if (!json_is_boolean(value))
            return wrong_kind(err, field);
        break;
    case WR_PROTO_TIMESTAMP:
        if (!json_is_string(value) ||
            !wr_timestamp_parse(json_string_value(value), &seconds, &nanos))
            return wrong_kind(err, field);
        break;
    case WR_PROTO_STRING_MAP:
        rc = check_map(field, value, err);
        break;
    case WR_PROTO_MESSAGE:
        if (!json_is_object(value))
            return wrong_kind(err, field);
        rc = wr_proto_normalize(field->message, value, err);
        break;
    }
    if (rc == 0)
        *ret = json_incref(value);
    return rc;
}

static int normalize_list(const struct wr_proto_field *field, json_t *list, struct wr_error *err)
{
    if (!json_is_array(list))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s must be an array", field->json_name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *element = NULL;
        int rc = normalize_value(field, json_array_get(list, i), &element, err);
        if (rc < 0)
            return wr_wrap(err, "%s[%zu]", field->json_name, i);
        if (json_array_set_new(list, i, element) < 0)
            return no_memory(err);
    }
    return 0;
}

/* The field's value under either of its names, or NULL. */
static int find_value(const struct wr_proto_field *field, const json_t *json, json_t **ret,
                      struct wr_error *err)
{
    json_t *value = json_object_get(json, field->json_name);

    if (!wr_streq(field->name, field->json_name)) {
        json_t *other = json_object_get(json, field->name);
        if (value && other)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s is given twice", field->json_name);
        if (other)
            value = other;
    }
    *ret = json_is_null(value) ? NULL : value;
    return 0;
}

/* The member that takes the place of the one that the client wrote. */
static int take_field(const struct wr_proto_field *field, const json_t *json, json_t *result,
                      bool *ret_present, struct wr_error *err)
{
    json_t *value = NULL, *final = NULL;
    int rc = find_value(field, json, &value, err);

    *ret_present = value != NULL;
    if (rc < 0 || !value)
        return rc;
    if (field->repeated) {
        rc = normalize_list(field, value, err);
        final = json_incref(value);
    } else {
        rc = normalize_value(field, value, &final, err);
    }
    if (rc < 0) {
        json_decref(final);
        return rc;
    }
    return json_object_set_new_nocheck(result, field->json_name, final) < 0 ? no_memory(err) : 0;
}

int wr_proto_normalize(const struct wr_proto_message *message, json_t *json, struct wr_error *err)
{
    wr_auto_json *result = json_object();
    uint32_t seen_oneofs = 0;

    if (!result)
        return no_memory(err);
    for (size_t i = 0; i < message->field_count; i++) {
        const struct wr_proto_field *field = &message->fields[i];
        uint32_t bit = field->oneof ? 1U << field->oneof : 0;
        bool present = false;
        int rc = take_field(field, json, result, &present, err);
        if (rc < 0)
            return rc;
        if (present && (seen_oneofs & bit))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "%s: more than one alternative is given (%s)", message->name,
                           field->json_name);
        if (present)
            seen_oneofs |= bit;
    }
    (void)json_object_clear(json);
    return json_object_update(json, result) < 0 ? no_memory(err) : 0;
}
