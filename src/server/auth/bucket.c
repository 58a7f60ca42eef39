#include "server/auth/bucket.h"

#define SECOND_US ((uint64_t)1000000)

bool wr_bucket_take(struct wr_bucket *bucket, uint32_t per_s, uint64_t now_us,
                    uint64_t *ret_wait_ms)
{
    if (per_s == 0)
        return true;
    uint64_t interval_us = SECOND_US / per_s, next_us = WR_MAX(bucket->next_us, now_us);

    next_us += WR_MAX(interval_us, (uint64_t)1);
    if (next_us > now_us + SECOND_US) {
        *ret_wait_ms = (next_us - now_us - SECOND_US + 999) / 1000;
        return false;
    }
    bucket->next_us = next_us;
    return true;
}

bool wr_bucket_take_many(struct wr_bucket *bucket, uint32_t count, uint32_t per_s, uint64_t now_us,
                         uint64_t *ret_wait_ms)
{
    if (!wr_bucket_take(bucket, per_s, now_us, ret_wait_ms))
        return false;
    if (per_s && count > 1)
        bucket->next_us += (count - 1) * WR_MAX(SECOND_US / per_s, (uint64_t)1);
    return true;
}
