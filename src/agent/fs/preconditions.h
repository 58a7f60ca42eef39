/*
 * Conditional and range requests (RFC 9110 13 and 14) for a file whose only validator is the time
 * of its last change: it has no entity tag, so a list of tags never matches and "*" always does.
 */
#pragma once

#include "http/h1.h"

/* Whether one of the fields below is there: such an answer is about the bytes of the file, not
 * about a packed form of them. */
bool wr_request_is_conditional(const struct wr_h1_head *head) WR_MUST_CHECK;

/* 200: send it; 304: the client has it; 412: not what the client wanted it to be. */
int wr_preconditions_check(const struct wr_h1_head *head, int64_t modified_s) WR_MUST_CHECK;

enum wr_range_kind {
    WR_RANGE_WHOLE = 0,  /* no range, several, another unit, or of another version (If-Range) */
    WR_RANGE_PART = 1,   /* 206 */
    WR_RANGE_BEYOND = 2, /* 416: malformed, or none of the file's bytes */
};
struct wr_range {
    uint64_t start, len;
};
/* What is asked for of `size` bytes; `ret` is set for WR_RANGE_PART only. Several ranges are
 * answered with the whole, as a server may. */
enum wr_range_kind wr_range_read(const struct wr_h1_head *head, int64_t modified_s, uint64_t size,
                                 struct wr_range *ret) WR_MUST_CHECK;
