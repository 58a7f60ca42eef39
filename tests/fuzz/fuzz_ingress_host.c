/* A Host field: a route has a port and an id of the allowed characters, and is found again in the
 * host that it would be written as; the kinds exclude each other as they should. */
#include "base/str.h"
#include "fuzz.h"
#include "server/ingress/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const domains[] = {NULL, "sbx.test", "sbx.test:8443", "localhost:3002", ""};
    const char *host = (const char *)data;
    struct wr_ingress_route route = {.port = 0}, again = {.port = 0};
    char text[96];

    const char *bad = wr_host_route(host, size, &route);
    HOLDS(bad ? route.port == 0 : route.port > 0);
    if (!bad) {
        HOLDS(wr_str_only(route.id, "abcdefghijklmnopqrstuvwxyz0123456789", 1, sizeof route.id));
        HOLDS(wr_strformat(text, sizeof text, "%u-%s.x:1", route.port, route.id));
        HOLDS(!wr_host_route(text, strlen(text), &again));
        HOLDS(again.port == route.port && wr_streq(again.id, route.id));
    }
    for (size_t i = 0; i < WR_ARRAY_SIZE(domains); i++) {
        enum wr_host_kind kind = wr_host_kind(host, size, domains[i]);
        HOLDS(kind == WR_HOST_NAME || bad);
        HOLDS(kind != WR_HOST_API || (domains[i] && size >= 4));
    }
    return 0;
}
