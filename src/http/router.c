#include "http/router.h"

#include "base/alloc.h"
#include "base/str.h"

/* Compares a path with a pattern segment by segment; parameters are cut out of `path` in place. */
static bool match(const char *pattern, char *path, struct wr_route_match *ret)
{
    size_t params = 0;

    for (;;) {
        if (*pattern == '{') {
            size_t len = strcspn(path, "/");
            if (len == 0 || params == WR_ROUTE_MAX_PARAMS)
                return false;
            ret->params[params++] = path;
            pattern += strcspn(pattern, "}") + 1;
            bool last = path[len] == '\0';
            if (*pattern != path[len])
                return false;
            path[len] = '\0';
            if (last)
                return true;
            path += len + 1;
            pattern++;
        } else if (*pattern != *path) {
            return false;
        } else if (*pattern == '\0') {
            return true;
        } else {
            pattern++;
            path++;
        }
    }
}

/* HEAD is GET without the body, which the exchange leaves out by itself. */
static bool method_fits(const struct wr_route *route, const struct wr_exchange *ex)
{
    return wr_exchange_is(ex, route->method) ||
           (wr_streq(route->method, "GET") && wr_exchange_is(ex, "HEAD"));
}

enum wr_route_result wr_route_dispatch(const struct wr_route *routes, size_t count,
                                       struct wr_exchange *ex, void *data)
{
    enum wr_route_result result = WR_ROUTE_NO_PATH;
    const char *path = wr_exchange_path(ex);
    size_t size = strlen(path) + 1;
    wr_auto_free char *scratch = wr_calloc(size, 1);

    if (!scratch) {
        wr_exchange_reply(ex, 503, "text/plain", "out of memory\n", 14);
        return WR_ROUTE_FOUND;
    }
    for (size_t i = 0; i < count; i++) {
        struct wr_route_match found = {0};

        memcpy(scratch, path, size);
        if (!match(routes[i].pattern, scratch, &found))
            continue;
        if (!method_fits(&routes[i], ex)) {
            result = WR_ROUTE_NO_METHOD;
            continue;
        }
        routes[i].handler(ex, &found, data);
        return WR_ROUTE_FOUND;
    }
    return result;
}
