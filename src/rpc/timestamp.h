/* google.protobuf.Timestamp in JSON: RFC 3339, UTC, years 1 to 9999. */
#pragma once

#include <stdbool.h>

#include "base/base.h"

#define WR_TIMESTAMP_LEN 36 /* of the longest text, with NUL, and room */

/* "2026-01-02T03:04:05.678Z" with 0, 3, 6 or 9 digits of the second, as many as it takes. False
 * when the time is out of range; `out` is then untouched. */
bool wr_timestamp_format(int64_t seconds, uint32_t nanos, char out[static WR_TIMESTAMP_LEN])
    WR_MUST_CHECK;
/* Takes any number of up to 9 digits, and "Z" or an offset such as "+02:00". */
bool wr_timestamp_parse(const char *text, int64_t *ret_seconds, uint32_t *ret_nanos) WR_MUST_CHECK;
