#include "server/cors.h"

bool wr_cors_preflight(struct wr_exchange *ex)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    const struct wr_h1_header *wanted = wr_h1_find(head, "Access-Control-Request-Headers");

    if (!wr_exchange_is(ex, "OPTIONS") || !wr_h1_find(head, "Origin") ||
        !wr_h1_find(head, "Access-Control-Request-Method"))
        return false;
    wr_exchange_begin(ex, 204);
    wr_exchange_header(ex, "Access-Control-Allow-Methods",
                       "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    /* By name: "*" does not stand for Authorization. */
    if (wanted)
        wr_exchange_header_n(ex, "Access-Control-Allow-Headers", 28, wanted->value,
                             wanted->value_len);
    wr_exchange_header(ex, "Access-Control-Max-Age", "7200");
    wr_exchange_header(ex, "Vary", "Access-Control-Request-Headers");
    wr_exchange_send(ex, NULL, 0);
    return true;
}

void wr_cors_headers(struct wr_exchange *ex)
{
    if (!wr_h1_find(wr_exchange_head(ex), "Origin"))
        return;
    wr_exchange_header(ex, "Access-Control-Allow-Origin", "*");
    wr_exchange_header(ex, "Access-Control-Expose-Headers",
                       "X-Next-Token, X-Total-Running, X-Request-Id, RateLimit-Limit, "
                       "RateLimit-Remaining, RateLimit-Reset, Retry-After");
}
