/* The binary form of protocol buffers to proto3 JSON. */
#include "base/alloc.h"
#include "base/encode.h"
#include "base/str.h"
#include "json/jread.h"
#include "rpc/proto_wire.h"
#include "rpc/timestamp.h"

#define MAX_DEPTH 16

struct reader {
    const unsigned char *at, *end;
};

struct decoder {
    size_t values; /* so far */
    struct wr_error *err;
};

static int malformed(const struct decoder *d, const struct wr_proto_message *message)
{
    return wr_fail(d->err, WR_E_INVALID_ARGUMENT, 0, "%s: malformed message", message->name);
}

static int no_memory(const struct decoder *d)
{
    return wr_fail(d->err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the message");
}

static bool read_varint(struct reader *r, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        unsigned char byte = *r->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool read_bytes(struct reader *r, struct reader *ret)
{
    uint64_t len = 0;

    if (!read_varint(r, &len) || len > (uint64_t)(r->end - r->at))
        return false;
    *ret = (struct reader){r->at, r->at + len};
    r->at += len;
    return true;
}

static bool read_tag(struct reader *r, uint32_t *ret_number, enum wr_proto_wire *ret_wire)
{
    uint64_t tag = 0;

    if (!read_varint(r, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return false;
    *ret_number = (uint32_t)tag >> 3;
    *ret_wire = (enum wr_proto_wire)(tag & 7);
    return true;
}

static bool skip_fixed(struct reader *r, size_t len)
{
    if (len > (size_t)(r->end - r->at))
        return false;
    r->at += len;
    return true;
}

/* Steps over a value that nobody wants; a group with everything in it. */
static bool skip_value(struct reader *r, enum wr_proto_wire wire)
{
    struct reader ignored;
    uint64_t varint = 0;
    uint32_t number = 0;
    size_t groups = 0;

    for (;;) {
        bool good = false;
        switch (wire) {
        case WR_WIRE_VARINT:
            good = read_varint(r, &varint);
            break;
        case WR_WIRE_64:
            good = skip_fixed(r, 8);
            break;
        case WR_WIRE_BYTES:
            good = read_bytes(r, &ignored);
            break;
        case WR_WIRE_GROUP:
            good = true;
            groups++;
            break;
        case WR_WIRE_GROUP_END:
            good = groups > 0;
            groups--;
            break;
        case WR_WIRE_32:
            good = skip_fixed(r, 4);
            break;
        }
        if (!good)
            return false;
        if (groups == 0)
            return true;
        if (!read_tag(r, &number, &wire))
            return false;
    }
}

static bool is_text(const struct reader *bytes)
{
    size_t len = (size_t)(bytes->end - bytes->at);
    return !memchr(bytes->at, '\0', len) && wr_utf8_valid((const char *)bytes->at, len);
}

static int decode_text(const struct decoder *d, const char *name, const struct reader *bytes,
                       json_t **ret)
{
    if (!is_text(bytes))
        return wr_fail(d->err, WR_E_INVALID_ARGUMENT, 0, "%s is not UTF-8 without NUL bytes", name);
    *ret = json_stringn_nocheck((const char *)bytes->at, (size_t)(bytes->end - bytes->at));
    return *ret ? 0 : no_memory(d);
}

static int decode_bytes(const struct decoder *d, const struct reader *bytes, json_t **ret)
{
    size_t len = (size_t)(bytes->end - bytes->at);
    wr_auto_free char *text = malloc(WR_BASE64_LEN(len) + 1);

    if (text)
        *ret = json_stringn_nocheck(text, wr_base64_encode(bytes->at, len, text));
    return text && *ret ? 0 : no_memory(d);
}

static int decode_number(const struct decoder *d, const struct wr_proto_field *field,
                         uint64_t varint, json_t **ret)
{
    char decimal[24];
    const char *name = NULL;
    uint32_t low = (uint32_t)varint;

    switch (field->kind) {
    case WR_PROTO_BOOL:
        *ret = json_boolean(varint != 0);
        break;
    case WR_PROTO_SINT32: /* zigzag: 0, -1, 1, -2, ... */
        *ret = json_integer((int32_t)(low >> 1 ^ (0 - (low & 1))));
        break;
    case WR_PROTO_INT64:
        if (wr_strformat(decimal, sizeof(decimal), "%lld", (long long)varint))
            *ret = json_string_nocheck(decimal);
        break;
    case WR_PROTO_ENUM:
        name = wr_proto_enum_name(field->values, (int32_t)low);
        *ret = name ? json_string_nocheck(name) : json_integer((int32_t)low);
        break;
    case WR_PROTO_UINT32:
    case WR_PROTO_STRING:
    case WR_PROTO_BYTES:
    case WR_PROTO_MESSAGE:
    case WR_PROTO_STRING_MAP:
    case WR_PROTO_TIMESTAMP:
        *ret = json_integer(low);
        break;
    }
    return *ret ? 0 : no_memory(d);
}

static int decode_timestamp(const struct decoder *d, const struct wr_proto_field *field,
                            struct reader bytes, json_t **ret)
{
    char text[WR_TIMESTAMP_LEN];
    uint64_t parts[2] = {0}; /* seconds, nanos */

    while (bytes.at < bytes.end) {
        uint32_t number = 0;
        enum wr_proto_wire wire = WR_WIRE_VARINT;
        if (!read_tag(&bytes, &number, &wire))
            return wr_fail(d->err, WR_E_INVALID_ARGUMENT, 0, "%s: malformed time", field->name);
        bool wanted = (number == 1 || number == 2) && wire == WR_WIRE_VARINT;
        if (!(wanted ? read_varint(&bytes, &parts[number - 1]) : skip_value(&bytes, wire)))
            return wr_fail(d->err, WR_E_INVALID_ARGUMENT, 0, "%s: malformed time", field->name);
    }
    if (parts[1] > UINT32_MAX || !wr_timestamp_format((int64_t)parts[0], (uint32_t)parts[1], text))
        return wr_fail(d->err, WR_E_INVALID_ARGUMENT, 0, "%s is out of range", field->name);
    *ret = json_string_nocheck(text);
    return *ret ? 0 : no_memory(d);
}

/* One entry of a map into the object that holds them. */
static int decode_map_entry(const struct decoder *d, const struct wr_proto_field *field,
                            struct reader bytes, json_t *map)
{
    struct reader parts[2] = {{bytes.end, bytes.end}, {bytes.end, bytes.end}}; /* key, value */
    wr_auto_json *value = NULL;

    while (bytes.at < bytes.end) {
        uint32_t number = 0;
        enum wr_proto_wire wire = WR_WIRE_VARINT;
        if (!read_tag(&bytes, &number, &wire))
            return wr_fail(d->err, WR_E_INVALID_ARGUMENT, 0, "%s: malformed entry", field->name);
        bool wanted = (number == 1 || number == 2) && wire == WR_WIRE_BYTES;
        if (!(wanted ? read_bytes(&bytes, &parts[number - 1]) : skip_value(&bytes, wire)))
            return wr_fail(d->err, WR_E_INVALID_ARGUMENT, 0, "%s: malformed entry", field->name);
    }
    if (!is_text(&parts[0]))
        return wr_fail(d->err, WR_E_INVALID_ARGUMENT, 0, "a key of %s is not UTF-8 without NUL",
                       field->name);
    int rc = decode_text(d, field->name, &parts[1], &value);
    if (rc < 0)
        return rc;
    size_t key_len = (size_t)(parts[0].end - parts[0].at);
    if (json_object_setn_new_nocheck(map, (const char *)parts[0].at, key_len,
                                     wr_steal_ptr(&value)) < 0)
        return no_memory(d);
    return 0;
}

static bool is_default(const struct wr_proto_field *field, const json_t *value)
{
    if (field->kind == WR_PROTO_ENUM) {
        const char *zero = wr_proto_enum_name(field->values, 0);
        return json_is_string(value) && zero && wr_streq(json_string_value(value), zero);
    }
    if (field->kind == WR_PROTO_INT64)
        return wr_streq(json_string_value(value), "0");
    return json_is_false(value) || (json_is_integer(value) && json_integer_value(value) == 0) ||
           (json_is_string(value) && json_string_length(value) == 0);
}

/* The value itself, a further element, or nothing for a default that is not told from absence.
 * Steals `value`. */
static int store(const struct decoder *d, const struct wr_proto_field *field, json_t *object,
                 json_t *value)
{
    wr_auto_json *owned = value;

    if (field->repeated) {
        json_t *list = json_object_get(object, field->json_name);
        if (!list) {
            list = json_array();
            if (json_object_set_new_nocheck(object, field->json_name, list) < 0)
                return no_memory(d);
        }
        return json_array_append_new(list, wr_steal_ptr(&owned)) < 0 ? no_memory(d) : 0;
    }
    bool has_default = field->kind != WR_PROTO_MESSAGE && field->kind != WR_PROTO_TIMESTAMP;
    if (has_default && !field->explicit_presence && is_default(field, owned)) {
        (void)json_object_del(object, field->json_name);
        return 0;
    }
    return json_object_set_new_nocheck(object, field->json_name, wr_steal_ptr(&owned)) < 0
               ? no_memory(d)
               : 0;
}

/* A message inside another one that is being decoded. */
struct frame {
    const struct wr_proto_message *message;
    struct reader bytes;
    json_t *object; /* borrowed: the root holds it */
};

/* The object that a message, or a map, is decoded into: a second occurrence adds to the first. */
static json_t *open_object(const struct wr_proto_field *field, json_t *object)
{
    json_t *inner = field->repeated ? NULL : json_object_get(object, field->json_name);

    if (inner)
        return inner;
    inner = json_object();
    if (!inner)
        return NULL;
    if (!field->repeated)
        return json_object_set_new_nocheck(object, field->json_name, inner) < 0 ? NULL : inner;
    json_t *list = json_object_get(object, field->json_name);
    if (!list) {
        list = json_array();
        if (json_object_set_new_nocheck(object, field->json_name, list) < 0) {
            json_decref(inner);
            return NULL;
        }
    }
    return json_array_append_new(list, inner) < 0 ? NULL : inner;
}

/* One value. A message only gets its frame here, in *ret_inner. */
static int decode_value(struct decoder *d, const struct frame *frame,
                        const struct wr_proto_field *field, struct reader *r,
                        struct frame *ret_inner)
{
    json_t *value = NULL, *inner = NULL;
    struct reader bytes = {0};
    uint64_t varint = 0;
    int rc = 0;

    if (++d->values > WR_PROTO_MAX_VALUES)
        return wr_fail(d->err, WR_E_RESOURCE_EXHAUSTED, 0, "the message has more than %d values",
                       WR_PROTO_MAX_VALUES);
    if (wr_proto_wire_of(field->kind) == WR_WIRE_VARINT) {
        if (!read_varint(r, &varint))
            return malformed(d, frame->message);
        rc = decode_number(d, field, varint, &value);
        return rc < 0 ? rc : store(d, field, frame->object, value);
    }
    if (!read_bytes(r, &bytes))
        return malformed(d, frame->message);
    if (field->kind == WR_PROTO_MESSAGE || field->kind == WR_PROTO_STRING_MAP) {
        inner = open_object(field, frame->object);
        if (!inner)
            return no_memory(d);
        if (field->kind == WR_PROTO_STRING_MAP)
            return decode_map_entry(d, field, bytes, inner);
        *ret_inner = (struct frame){field->message, bytes, inner};
        return 0;
    }
    if (field->kind == WR_PROTO_STRING)
        rc = decode_text(d, field->name, &bytes, &value);
    else if (field->kind == WR_PROTO_BYTES)
        rc = decode_bytes(d, &bytes, &value);
    else
        rc = decode_timestamp(d, field, bytes, &value);
    return rc < 0 ? rc : store(d, field, frame->object, value);
}

static const struct wr_proto_field *find_field(const struct wr_proto_message *message,
                                               uint32_t number)
{
    for (size_t i = 0; i < message->field_count; i++) {
        if (message->fields[i].number == number)
            return &message->fields[i];
    }
    return NULL;
}

/* Of a oneof the last member counts. */
static void drop_siblings(const struct frame *frame, const struct wr_proto_field *field)
{
    for (size_t i = 0; field->oneof && i < frame->message->field_count; i++) {
        const struct wr_proto_field *other = &frame->message->fields[i];
        if (other->oneof == field->oneof && other != field)
            (void)json_object_del(frame->object, other->json_name);
    }
}

/* Messages in messages are a stack here, not recursion: its depth is the bound. */
static int decode_frames(struct decoder *d, struct frame *frames)
{
    size_t depth = 1;

    while (depth > 0) {
        struct frame *frame = &frames[depth - 1];
        struct frame inner = {0};
        uint32_t number = 0;
        enum wr_proto_wire wire = WR_WIRE_VARINT;
        if (frame->bytes.at == frame->bytes.end) {
            depth--;
            continue;
        }
        if (!read_tag(&frame->bytes, &number, &wire))
            return malformed(d, frame->message);
        const struct wr_proto_field *field = find_field(frame->message, number);
        if (!field || wr_proto_wire_of(field->kind) != wire) {
            if (!skip_value(&frame->bytes, wire))
                return malformed(d, frame->message);
            continue;
        }
        drop_siblings(frame, field);
        int rc = decode_value(d, frame, field, &frame->bytes, &inner);
        if (rc < 0)
            return rc;
        if (!inner.message)
            continue;
        if (depth == MAX_DEPTH)
            return wr_fail(d->err, WR_E_INVALID_ARGUMENT, 0, "message nested too deeply");
        frames[depth++] = inner;
    }
    return 0;
}

int wr_proto_decode(const struct wr_proto_message *message, const void *data, size_t len,
                    json_t **ret, struct wr_error *err)
{
    const unsigned char *bytes = len > 0 ? data : (const unsigned char *)"";
    struct decoder d = {.err = err};
    struct frame frames[MAX_DEPTH];
    wr_auto_json *root = json_object();

    if (!root)
        return no_memory(&d);
    frames[0] = (struct frame){message, {bytes, bytes + len}, root};
    int rc = decode_frames(&d, frames);
    if (rc == 0)
        *ret = wr_steal_ptr(&root);
    return rc;
}
