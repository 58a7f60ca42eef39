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
/* The same for `count`, of which one must be there: what is taken beyond what is left is missing
 * afterwards, so that no number is more than a bucket ever holds. */
bool wr_bucket_take_many(struct wr_bucket *bucket, uint32_t count, uint32_t per_s, uint64_t now_us,
                         uint64_t *ret_wait_ms);
