/* The traceparent header of W3C Trace Context (w3.org/TR/trace-context, section 3.2), version 00.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct wr_traceparent {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t flags; /* 1: sampled */
};

#define WR_TRACEPARENT_SIZE 56 /* bytes, its NUL included */

/* False for what is not of that form, has version ff, or an id of zeros. */
bool wr_traceparent_parse(const char *text, struct wr_traceparent *ret);
void wr_traceparent_write(const struct wr_traceparent *trace, char ret[static WR_TRACEPARENT_SIZE]);
/* A new trace without a parent (span id zero), sampled. */
void wr_traceparent_random(struct wr_traceparent *ret);
