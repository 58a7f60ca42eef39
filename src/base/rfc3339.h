/* Reading of times in RFC 3339 form. */
#pragma once

#include "base/base.h"

/* "2026-01-02T03:04:05Z", with any fraction of a second (cut to microseconds) and any offset from
 * UTC. Microseconds since 1970. -EINVAL for everything else, times before 1970 included. */
int wr_parse_rfc3339(const char *s, uint64_t *ret_us) WR_MUST_CHECK;
