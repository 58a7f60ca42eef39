#include "agent/keepalive.h"

#include "base/parse.h"

uint64_t wr_keepalive_ms(const struct wr_exchange *ex)
{
    char text[16];
    uint64_t seconds = 0;

    if (!wr_h1_get(wr_exchange_head(ex), "Keepalive-Ping-Interval", text, sizeof(text)) ||
        wr_parse_u64(text, 1, WR_KEEPALIVE_MAX_S, &seconds) < 0)
        return WR_KEEPALIVE_MS;
    return seconds * 1000;
}
