#include "rpc/proto_wire.h"

#include "base/str.h"

enum wr_proto_wire wr_proto_wire_of(enum wr_proto_kind kind)
{
    switch (kind) {
    case WR_PROTO_BOOL:
    case WR_PROTO_UINT32:
    case WR_PROTO_SINT32:
    case WR_PROTO_INT64:
    case WR_PROTO_ENUM:
        return WR_WIRE_VARINT;
    case WR_PROTO_STRING:
    case WR_PROTO_BYTES:
    case WR_PROTO_MESSAGE:
    case WR_PROTO_STRING_MAP:
    case WR_PROTO_TIMESTAMP:
        break;
    }
    return WR_WIRE_BYTES;
}

const char *wr_proto_enum_name(const struct wr_proto_enum_value *values, int64_t number)
{
    for (const struct wr_proto_enum_value *v = values; v->name; v++) {
        if (v->number == number)
            return v->name;
    }
    return NULL;
}

bool wr_proto_enum_number(const struct wr_proto_enum_value *values, const char *name, int32_t *ret)
{
    for (const struct wr_proto_enum_value *v = values; v->name; v++) {
        if (wr_streq(v->name, name)) {
            *ret = v->number;
            return true;
        }
    }
    return false;
}
