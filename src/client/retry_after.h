/* The Retry-After field of an answer (RFC 9110 10.2.3). */
#pragma once

#include "base/base.h"

#define WR_RETRY_AFTER_MAX_MS 3600000 /* longer times count as this one */

/* Milliseconds from seconds or from a date; `date` is the answer's Date field, or NULL: then the
 * wall clock is what the date is compared with. 0: it says nothing that is understood, or "now". */
uint32_t wr_retry_after_ms(const char *value, const char *date, uint64_t wall_ms);
