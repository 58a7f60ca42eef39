/* start and end of queries for metrics, and the times in their answers. */
#pragma once

#include "http/server.h"
#include "json/jwrite.h"

struct wr_time_range {
    uint64_t start_ms, end_ms; /* wall clock, inclusive */
    bool has_start, has_end;   /* given by the client */
};

/* `start` and `end` of the query, whole seconds since 1970; what is not there stays as `range` has
 * it. INVALID_ARGUMENT for what is no time, an end in the future, or a start after the end. */
int wr_time_range_read(const struct wr_exchange *ex, uint64_t now_ms, struct wr_time_range *range,
                       struct wr_error *err) WR_MUST_CHECK;
/* Seconds between two samples of an answer: 5 up to one hour, 30 up to six, else 300. */
uint32_t wr_time_range_step_s(const struct wr_time_range *range);
/* The members "timestamp" and "timestampUnix". */
void wr_time_write(struct wr_jw *w, uint64_t wall_ms);
