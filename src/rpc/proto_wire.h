/* The wire types of protocol buffers, shared by decoder and encoder. */
#pragma once

#include "rpc/proto.h"

enum wr_proto_wire {
    WR_WIRE_VARINT = 0,
    WR_WIRE_64 = 1,
    WR_WIRE_BYTES = 2,
    WR_WIRE_GROUP = 3,
    WR_WIRE_GROUP_END = 4,
    WR_WIRE_32 = 5,
};

/* Which wire type carries a kind of field. */
enum wr_proto_wire wr_proto_wire_of(enum wr_proto_kind kind);
/* A value's name, NULL when the table has none; and the other way round. */
const char *wr_proto_enum_name(const struct wr_proto_enum_value *values, int64_t number);
bool wr_proto_enum_number(const struct wr_proto_enum_value *values, const char *name, int32_t *ret)
    WR_MUST_CHECK;
