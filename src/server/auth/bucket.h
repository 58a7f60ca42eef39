/* A token bucket: so many per second, and at most one second's worth at once. Zeroed is full. */
#pragma once

#include <stdbool.h>

#include "base/base.h"

struct wr_bucket {
    uint64_t next_us; /* when everything that was taken will have been refilled */
};

/* Takes one; `per_s` 0 means no limit. False: empty, and `ret_wait_ms` says until when. */
bool wr_bucket_take(struct wr_bucket *bucket, uint32_t per_s, uint64_t now_us,
                    uint64_t *ret_wait_ms);
