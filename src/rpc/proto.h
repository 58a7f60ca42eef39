/*
 * Protocol buffers by tables: one description per message serves the binary codec and the names of
 * the JSON codec. A message is held as a jansson object in the form of proto3 JSON (lowerCamelCase
 * names, bytes as base64, int64 as decimal strings, enums as names), so handlers see one form
 * whatever the client speaks.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

enum wr_proto_kind {
    WR_PROTO_STRING,
    WR_PROTO_BYTES,
    WR_PROTO_BOOL,
    WR_PROTO_UINT32,
    WR_PROTO_SINT32,
    WR_PROTO_INT64,
    WR_PROTO_ENUM,
    WR_PROTO_MESSAGE,
    WR_PROTO_STRING_MAP, /* map<string, string> */
    WR_PROTO_TIMESTAMP,  /* google.protobuf.Timestamp; RFC 3339 in JSON */
};

struct wr_proto_enum_value {
    const char *name; /* NULL ends the table */
    int32_t number;
};

struct wr_proto_message;

struct wr_proto_field {
    const char *name;      /* as in the .proto file: snake_case */
    const char *json_name; /* lowerCamelCase */
    uint32_t number;
    enum wr_proto_kind kind;
    bool repeated;          /* of strings, bytes and messages only */
    bool explicit_presence; /* `optional`, and members of a oneof: written also when zero */
    uint8_t oneof;          /* members of one oneof have the same number; 0: none */
    union {
        const struct wr_proto_message *message;
        const struct wr_proto_enum_value *values;
    };
};

struct wr_proto_message {
    const char *name; /* "process.StartRequest" */
    const struct wr_proto_field *fields;
    size_t field_count;
};

/* Values in one binary message, elements of lists and maps included: a tree takes far more memory
 * than the bytes that describe it. */
#define WR_PROTO_MAX_VALUES 65536

/* Parses the binary form. Unknown fields are skipped; depth, lengths and counts are bounded. Texts
 * must be UTF-8 without NUL, as in JSON. `*ret` is owned by the caller. INVALID_ARGUMENT, or
 * RESOURCE_EXHAUSTED above WR_PROTO_MAX_VALUES or without memory. */
int wr_proto_decode(const struct wr_proto_message *message, const void *data, size_t len,
                    json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* Appends the binary form of `json` (proto3 JSON as our handlers write it); members that the
 * message does not have are left out. INTERNAL when a member does not fit its field,
 * RESOURCE_EXHAUSTED when `out` is full; `out` may then hold a part. */
int wr_proto_encode(const struct wr_proto_message *message, const json_t *json, struct wr_buf *out,
                    struct wr_error *err) WR_MUST_CHECK;
/* Brings proto3 JSON of a client into the one form: snake_case names become camelCase, unknown
 * fields and nulls go away, numbers as strings and enums as numbers are normalised. Names of enums
 * that the table does not have stay, for the handler to judge. INVALID_ARGUMENT names the field. */
int wr_proto_normalize(const struct wr_proto_message *message, json_t *json, struct wr_error *err)
    WR_MUST_CHECK;
