/* Lines of JSON objects (NDJSON) from pieces of a stream. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

/* As long as the largest frame of an interpreter's runner, with room for what is around it. */
#define WR_NDJSON_LINE_MAX (((size_t)64 * 1024 + 64) * 1024)

struct wr_ndjson {
    struct wr_buf in;
    size_t scanned; /* of `in`: no line ends there */
};

void wr_ndjson_init(struct wr_ndjson *reader);
/* Accepts a zeroed struct. */
void wr_ndjson_done(struct wr_ndjson *reader);
/* Adds what arrived. RESOURCE_EXHAUSTED when a line is longer than WR_NDJSON_LINE_MAX. */
int wr_ndjson_push(struct wr_ndjson *reader, const char *bytes, size_t len, struct wr_error *err)
    WR_MUST_CHECK;
/* The next complete line: 1 and its object, the caller's; 0 when none is complete; INVALID_ARGUMENT
 * when it is not one JSON object. Empty lines are passed over; texts may hold NUL bytes. */
int wr_ndjson_next(struct wr_ndjson *reader, json_t **ret, struct wr_error *err) WR_MUST_CHECK;
