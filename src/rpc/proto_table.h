/* Shorthands for tables of messages. */
#pragma once

#include "rpc/proto.h"

#define WR_PB_MESSAGE(full_name, table)                                             \
    {                                                                               \
        .name = (full_name), .fields = (table), .field_count = WR_ARRAY_SIZE(table) \
    }
/* A scalar that is left out when it has its default value. */
#define WR_PB_SCALAR(snake, camel, num, type)                                  \
    {                                                                          \
        .name = (snake), .json_name = (camel), .number = (num), .kind = (type) \
    }
#define WR_PB_OPTIONAL(snake, num, type)                                        \
    {                                                                           \
        .name = (snake), .json_name = (snake), .number = (num), .kind = (type), \
        .explicit_presence = true                                               \
    }
#define WR_PB_ENUM(snake, num, table)                                                  \
    {                                                                                  \
        .name = (snake), .json_name = (snake), .number = (num), .kind = WR_PROTO_ENUM, \
        .values = (table)                                                              \
    }
#define WR_PB_SUB(snake, num, type)                                                       \
    {                                                                                     \
        .name = (snake), .json_name = (snake), .number = (num), .kind = WR_PROTO_MESSAGE, \
        .explicit_presence = true, .message = &(type)                                     \
    }
#define WR_PB_LIST(snake, num, type)                                                      \
    {                                                                                     \
        .name = (snake), .json_name = (snake), .number = (num), .kind = WR_PROTO_MESSAGE, \
        .repeated = true, .message = &(type)                                              \
    }
/* Members of the one oneof that a message has. */
#define WR_PB_ONE_OF(snake, num, type)                                                    \
    {                                                                                     \
        .name = (snake), .json_name = (snake), .number = (num), .kind = WR_PROTO_MESSAGE, \
        .explicit_presence = true, .oneof = 1, .message = &(type)                         \
    }
#define WR_PB_ONE_OF_SCALAR(snake, num, type)                                   \
    {                                                                           \
        .name = (snake), .json_name = (snake), .number = (num), .kind = (type), \
        .explicit_presence = true, .oneof = 1                                   \
    }
