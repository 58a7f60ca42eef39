/* Proto3 JSON to the binary form of protocol buffers. */
#include <errno.h>

#include "base/encode.h"
#include "base/parse.h"
#include "base/str.h"
#include "rpc/proto_wire.h"
#include "rpc/timestamp.h"

#define VARINT_MAX 10 /* bytes of the longest one */

static int out_failure(struct wr_error *err, int negative_errno)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -negative_errno, "the message is too large");
}

static int misfit(struct wr_error *err, const struct wr_proto_field *field)
{
    return wr_fail(err, WR_E_INTERNAL, 0, "the value of \"%s\" does not fit its field",
                   field->json_name);
}

static size_t make_varint(uint64_t value, unsigned char out[static VARINT_MAX])
{
    size_t len = 0;

    while (value >= 0x80) {
        out[len++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    out[len++] = (unsigned char)value;
    return len;
}

static int put_varint(struct wr_buf *out, uint64_t value, struct wr_error *err)
{
    unsigned char bytes[VARINT_MAX];
    int r = wr_buf_append(out, bytes, make_varint(value, bytes));
    return r < 0 ? out_failure(err, r) : 0;
}

static int put_tag(struct wr_buf *out, uint32_t number, enum wr_proto_wire wire,
                   struct wr_error *err)
{
    return put_varint(out, (uint64_t)number << 3 | (uint64_t)wire, err);
}

static int put_bytes(struct wr_buf *out, const void *data, size_t len, struct wr_error *err)
{
    int rc = put_varint(out, len, err);
    if (rc < 0)
        return rc;
    int r = wr_buf_append(out, data, len);
    return r < 0 ? out_failure(err, r) : 0;
}

/* Puts the length of everything behind `start` in front of it: the length is not known before. */
static int insert_length(struct wr_buf *out, size_t start, struct wr_error *err)
{
    unsigned char bytes[VARINT_MAX];
    size_t len = out->len - start;
    size_t n = make_varint(len, bytes);

    if (!wr_buf_reserve(out, n))
        return out_failure(err, -ENOBUFS);
    wr_buf_commit(out, n);
    char *at = wr_buf_ptr(out) + start;
    memmove(at + n, at, len);
    memcpy(at, bytes, n);
    return 0;
}

/* Decodes the base64 text in the buffer itself. */
static int put_base64(struct wr_buf *out, const struct wr_proto_field *field, const json_t *value,
                      struct wr_error *err)
{
    size_t text_len = json_string_length(value);
    size_t start = out->len;
    char *at = wr_buf_reserve(out, text_len / 4 * 3 + 3);

    if (!at)
        return out_failure(err, -ENOBUFS);
    ssize_t n = wr_base64_decode(json_string_value(value), text_len, at);
    if (n < 0)
        return misfit(err, field);
    wr_buf_commit(out, (size_t)n);
    return insert_length(out, start, err);
}

/* The number that stands for a scalar on the wire; false when the value is of another kind. */
static bool to_varint(const struct wr_proto_field *field, const json_t *value, uint64_t *ret)
{
    int64_t number = json_is_integer(value) ? json_integer_value(value) : 0;
    int32_t enum_number = 0;

    switch (field->kind) {
    case WR_PROTO_BOOL:
        *ret = json_is_true(value);
        return json_is_boolean(value);
    case WR_PROTO_UINT32:
        *ret = (uint64_t)number;
        return json_is_integer(value) && number >= 0 && number <= UINT32_MAX;
    case WR_PROTO_SINT32:
        *ret = (uint32_t)((uint32_t)number << 1) ^ (number < 0 ? UINT32_MAX : 0);
        return json_is_integer(value) && number >= INT32_MIN && number <= INT32_MAX;
    case WR_PROTO_INT64:
        if (!json_is_string(value) ||
            wr_parse_i64(json_string_value(value), INT64_MIN, INT64_MAX, &number) < 0)
            return false;
        *ret = (uint64_t)number;
        return true;
    case WR_PROTO_ENUM:
        if (json_is_string(value)) {
            if (!wr_proto_enum_number(field->values, json_string_value(value), &enum_number))
                return false;
            number = enum_number;
        }
        *ret = (uint64_t)number; /* negative ones take ten bytes */
        return json_is_string(value) || json_is_integer(value);
    case WR_PROTO_STRING:
    case WR_PROTO_BYTES:
    case WR_PROTO_MESSAGE:
    case WR_PROTO_STRING_MAP:
    case WR_PROTO_TIMESTAMP:
        break;
    }
    return false;
}

static int put_number(struct wr_buf *out, const struct wr_proto_field *field, const json_t *value,
                      struct wr_error *err)
{
    uint64_t varint = 0;

    if (!to_varint(field, value, &varint))
        return misfit(err, field);
    if (varint == 0 && !field->explicit_presence)
        return 0;
    int rc = put_tag(out, field->number, WR_WIRE_VARINT, err);
    return rc < 0 ? rc : put_varint(out, varint, err);
}

static int put_timestamp(struct wr_buf *out, const struct wr_proto_field *field,
                         const json_t *value, struct wr_error *err)
{
    int64_t seconds = 0;
    uint32_t nanos = 0;
    size_t start = out->len;
    int rc = 0;

    if (!wr_timestamp_parse(json_string_value(value), &seconds, &nanos))
        return misfit(err, field);
    if (seconds != 0)
        rc = put_tag(out, 1, WR_WIRE_VARINT, err);
    if (rc == 0 && seconds != 0)
        rc = put_varint(out, (uint64_t)seconds, err);
    if (rc == 0 && nanos != 0)
        rc = put_tag(out, 2, WR_WIRE_VARINT, err);
    if (rc == 0 && nanos != 0)
        rc = put_varint(out, nanos, err);
    return rc < 0 ? rc : insert_length(out, start, err);
}

static int put_map(struct wr_buf *out, const struct wr_proto_field *field, const json_t *map,
                   struct wr_error *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(map))
        return misfit(err, field);
    /* jansson's iteration takes a non-const object and does not change it. */
    json_object_foreach((json_t *)(uintptr_t)map, key, value) {
        if (!json_is_string(value))
            return misfit(err, field);
        int rc = put_tag(out, field->number, WR_WIRE_BYTES, err);
        size_t start = out->len;
        if (rc == 0)
            rc = put_tag(out, 1, WR_WIRE_BYTES, err);
        if (rc == 0)
            rc = put_bytes(out, key, strlen(key), err);
        if (rc == 0)
            rc = put_tag(out, 2, WR_WIRE_BYTES, err);
        if (rc == 0)
            rc = put_bytes(out, json_string_value(value), json_string_length(value), err);
        if (rc == 0)
            rc = insert_length(out, start, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int put_text(struct wr_buf *out, const struct wr_proto_field *field, const json_t *value,
                    struct wr_error *err)
{
    if (!json_is_string(value))
        return misfit(err, field);
    if (json_string_length(value) == 0 && !field->explicit_presence && !field->repeated)
        return 0;
    int rc = put_tag(out, field->number, WR_WIRE_BYTES, err);
    if (rc < 0)
        return rc;
    if (field->kind == WR_PROTO_BYTES)
        return put_base64(out, field, value, err);
    if (field->kind == WR_PROTO_TIMESTAMP)
        return put_timestamp(out, field, value, err);
    return put_bytes(out, json_string_value(value), json_string_length(value), err);
}

/* Recursion follows the tables, which do not refer to themselves: its depth is theirs. */
static int put_message(struct wr_buf *out, const struct wr_proto_message *message,
                       const json_t *json, struct wr_error *err);

static int put_value(struct wr_buf *out, const struct wr_proto_field *field, const json_t *value,
                     struct wr_error *err)
{
    switch (field->kind) {
    case WR_PROTO_BOOL:
    case WR_PROTO_UINT32:
    case WR_PROTO_SINT32:
    case WR_PROTO_INT64:
    case WR_PROTO_ENUM:
        return put_number(out, field, value, err);
    case WR_PROTO_STRING_MAP:
        return put_map(out, field, value, err);
    case WR_PROTO_STRING:
    case WR_PROTO_BYTES:
    case WR_PROTO_TIMESTAMP:
        return put_text(out, field, value, err);
    case WR_PROTO_MESSAGE:
        break;
    }
    if (!json_is_object(value))
        return misfit(err, field);
    int rc = put_tag(out, field->number, WR_WIRE_BYTES, err);
    size_t start = out->len;
    if (rc == 0)
        rc = put_message(out, field->message, value, err);
    return rc < 0 ? rc : insert_length(out, start, err);
}

static int put_list(struct wr_buf *out, const struct wr_proto_field *field, const json_t *list,
                    struct wr_error *err)
{
    if (!json_is_array(list))
        return misfit(err, field);
    for (size_t i = 0; i < json_array_size(list); i++) {
        int rc = put_value(out, field, json_array_get(list, i), err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int put_message(struct wr_buf *out, const struct wr_proto_message *message,
                       const json_t *json, struct wr_error *err)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct wr_proto_field *field = &message->fields[i];
        const json_t *value = json_object_get(json, field->json_name);
        if (!value || json_is_null(value))
            continue;
        int rc =
            field->repeated ? put_list(out, field, value, err) : put_value(out, field, value, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int wr_proto_encode(const struct wr_proto_message *message, const json_t *json, struct wr_buf *out,
                    struct wr_error *err)
{
    return put_message(out, message, json, err);
}
