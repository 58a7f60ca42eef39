/* Decompression of request messages. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

/* Appends what a whole gzip stream holds to `out`, whose maximum bounds it. INVALID_ARGUMENT for
 * other bytes and for any behind its end, RESOURCE_EXHAUSTED above the maximum. */
int wr_inflate(const char *data, size_t len, struct wr_buf *out, struct wr_error *err)
    WR_MUST_CHECK;
