#include "agent/cors.h"

#define MAX_AGE_S "7200"

void wr_cors_fields(struct wr_exchange *ex, void *data)
{
    (void)data;
    wr_exchange_header(ex, "Vary", "Origin");
    if (!wr_h1_find(wr_exchange_head(ex), "Origin"))
        return;
    wr_exchange_header(ex, "Access-Control-Allow-Origin", "*");
    wr_exchange_header(ex, "Access-Control-Expose-Headers",
                       "Content-Encoding, Connect-Content-Encoding, Grpc-Status, Grpc-Message, "
                       "Grpc-Status-Details-Bin, Location, Cache-Control, X-Content-Type-Options");
}

bool wr_cors_preflight(struct wr_exchange *ex)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    const struct wr_h1_header *wanted = wr_h1_find(head, "Access-Control-Request-Headers");

    if (!wr_exchange_is(ex, "OPTIONS") || !wr_h1_find(head, "Access-Control-Request-Method"))
        return false;
    wr_exchange_begin(ex, 204);
    wr_exchange_header(ex, "Vary", "Access-Control-Request-Method, Access-Control-Request-Headers");
    wr_exchange_header(ex, "Access-Control-Allow-Methods", "HEAD, GET, POST, PUT, PATCH, DELETE");
    /* "*" would not cover Authorization, so what is wanted is named. */
    if (wanted && wanted->value_len > 0)
        wr_exchange_header_n(ex, "Access-Control-Allow-Headers", 28, wanted->value,
                             wanted->value_len);
    wr_exchange_header(ex, "Access-Control-Max-Age", MAX_AGE_S);
    wr_exchange_send(ex, NULL, 0);
    return true;
}
