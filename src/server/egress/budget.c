#include "server/egress/budget.h"

#include "base/base.h"

#define MILLION      1000000u
#define BYTES_FLOOR  (64 * WR_KIB)
#define BYTES_TURN   (16 * WR_KIB)       /* less than that is not worth a system call */
#define MAX_PER_S    ((uint64_t)1 << 40) /* above it products would not fit; nothing is as fast */
#define MAX_WAIT_MS  1000
#define MAX_TURN_MS  10000u
#define US_OF_ONE_MS 1000u

/* What one bucket adds per second, and how much it holds. */
static struct wr_bucket_rate rate_of_new(const struct wr_net_limits *limits)
{
    return (struct wr_bucket_rate){limits->new_per_s, limits->max_connections};
}

static struct wr_bucket_rate rate_of_dns(const struct wr_net_limits *limits)
{
    return (struct wr_bucket_rate){limits->dns_per_s, (uint64_t)limits->dns_per_s * 2};
}

static struct wr_bucket_rate rate_of_bytes(const struct wr_net_limits *limits)
{
    uint64_t per_s = WR_MIN(limits->bytes_per_s, MAX_PER_S);

    return (struct wr_bucket_rate){per_s, WR_MAX(per_s / 4, BYTES_FLOOR)};
}

/* A token per second is a millionth of it per microsecond: no remainder is lost. */
static void fill(uint64_t *tokens, struct wr_bucket_rate rate, uint64_t passed_us)
{
    uint64_t full = rate.burst * MILLION;

    if (*tokens >= full || rate.per_s == 0)
        return;
    if (passed_us > (full - *tokens) / rate.per_s)
        *tokens = full;
    else
        *tokens += rate.per_s * passed_us;
}

static void count(struct wr_net_budget *budget, uint64_t now_us)
{
    uint64_t passed_us = now_us > budget->counted_us ? now_us - budget->counted_us : 0;

    fill(&budget->new_tokens, rate_of_new(&budget->limits), passed_us);
    fill(&budget->dns_tokens, rate_of_dns(&budget->limits), passed_us);
    fill(&budget->byte_tokens, rate_of_bytes(&budget->limits), passed_us);
    budget->counted_us += passed_us;
}

static bool take_one(uint64_t *tokens, uint64_t per_s)
{
    if (per_s == 0)
        return true;
    if (*tokens < MILLION)
        return false;
    *tokens -= MILLION;
    return true;
}

void wr_net_budget_init(struct wr_net_budget *budget, const struct wr_net_limits *limits,
                        uint64_t now_us)
{
    *budget = (struct wr_net_budget){
        .limits = *limits,
        .new_tokens = rate_of_new(limits).burst * MILLION,
        .dns_tokens = rate_of_dns(limits).burst * MILLION,
        .byte_tokens = rate_of_bytes(limits).burst * MILLION,
        .counted_us = now_us,
    };
}

const char *wr_net_budget_connect(struct wr_net_budget *budget, uint64_t now_us)
{
    count(budget, now_us);
    if (budget->connections >= budget->limits.max_connections)
        return "connection limit";
    if (!take_one(&budget->new_tokens, budget->limits.new_per_s))
        return "connection rate";
    budget->connections++;
    return NULL;
}

void wr_net_budget_disconnect(struct wr_net_budget *budget)
{
    if (budget->connections > 0)
        budget->connections--;
}

bool wr_net_budget_question(struct wr_net_budget *budget, uint64_t now_us)
{
    count(budget, now_us);
    return take_one(&budget->dns_tokens, budget->limits.dns_per_s);
}

uint64_t wr_net_budget_handshake(struct wr_net_budget *budget, uint64_t now_us)
{
    const uint64_t step_us = MILLION / WR_HANDSHAKES_PER_S;
    const uint64_t burst_us = step_us * (WR_HANDSHAKES_BURST - 1);
    uint64_t turn_us = WR_MAX(budget->handshake_us, now_us > burst_us ? now_us - burst_us : 0);

    /* Those who gave up have had their turns nevertheless, so there is an end of waiting. */
    turn_us = WR_MIN(turn_us, now_us + MAX_TURN_MS * US_OF_ONE_MS);
    budget->handshake_us = turn_us + step_us;
    return turn_us <= now_us ? 0 : (turn_us - now_us) / US_OF_ONE_MS + 1;
}

size_t wr_net_budget_bytes(struct wr_net_budget *budget, size_t want, uint64_t now_us,
                           uint64_t *ret_wait_ms)
{
    struct wr_bucket_rate rate = rate_of_bytes(&budget->limits);
    uint64_t least = WR_MIN((uint64_t)want, BYTES_TURN);

    if (rate.per_s == 0 || want == 0)
        return want;
    count(budget, now_us);
    uint64_t have = budget->byte_tokens / MILLION;
    if (have < least) {
        uint64_t missing_us = (least * MILLION - budget->byte_tokens) / rate.per_s + 1;
        uint64_t wait_ms = missing_us / US_OF_ONE_MS + 1;
        *ret_wait_ms = WR_MIN(wait_ms, (uint64_t)MAX_WAIT_MS);
        return 0;
    }
    size_t granted = WR_MIN(want, (size_t)have);
    budget->byte_tokens -= granted * MILLION;
    return granted;
}

void wr_net_budget_return(struct wr_net_budget *budget, size_t unused)
{
    uint64_t full = rate_of_bytes(&budget->limits).burst * MILLION;

    if (budget->limits.bytes_per_s == 0)
        return;
    budget->byte_tokens = WR_MIN(full, budget->byte_tokens + unused * MILLION);
}
