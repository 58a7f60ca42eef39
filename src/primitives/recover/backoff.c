#include "primitives/recover/backoff.h"

#include "base/base.h"
#include "base/rand.h"

static double system_next(void *self)
{
    uint64_t bits;

    (void)self;
    wr_random_bytes(&bits, sizeof bits);
    /* 53 bits are what a double holds exactly. */
    return (double)(bits >> 11) / (double)(1ULL << 53);
}

const struct wr_random wr_system_random = {.next = system_next};

static double exponential(const struct wr_backoff_policy *policy, unsigned retry)
{
    double delay = (double)policy->delay_ms, most = (double)policy->max_delay_ms;

    if (policy->factor <= 1)
        return delay;
    for (unsigned i = 0; i < retry && delay < most; i++)
        delay *= policy->factor;
    return delay;
}

static double linear(const struct wr_backoff_policy *policy, unsigned retry)
{
    return (double)policy->delay_ms * ((double)retry + 1);
}

static double constant(const struct wr_backoff_policy *policy, unsigned retry)
{
    (void)retry;
    return (double)policy->delay_ms;
}

uint64_t wr_backoff_delay_ms(const struct wr_backoff_policy *policy, unsigned retry, double random)
{
    static double (*const kinds[])(const struct wr_backoff_policy *, unsigned) = {
        [WR_BACKOFF_EXPONENTIAL] = exponential,
        [WR_BACKOFF_LINEAR] = linear,
        [WR_BACKOFF_CONSTANT] = constant,
    };
    double most = (double)policy->max_delay_ms;
    double delay = WR_MIN(kinds[policy->kind](policy, retry), most);

    if (policy->jitter)
        delay = WR_MIN(delay * (0.5 + random), most);
    return (uint64_t)delay;
}
