#include "server/api/unavailable.h"

#include "server/api/errors.h"

#define UNAVAILABLE(function, message)                                                    \
    void function(struct wr_exchange *ex, const struct wr_route_match *match, void *data) \
    {                                                                                     \
        (void)match;                                                                      \
        (void)data;                                                                       \
        wr_api_error(ex, 501, message);                                                   \
    }

UNAVAILABLE(wr_api_no_builds,
            "building and changing templates through the API is not available yet; use "
            "`warren template`")
UNAVAILABLE(wr_api_no_access_tokens, "access tokens are not available yet; use API keys")
UNAVAILABLE(wr_api_no_nodes, "nodes and cluster administration are not available yet")
