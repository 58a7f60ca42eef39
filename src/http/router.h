/* Routes as a constant table: method, pattern, handler. "{name}" matches one non-empty path
 * segment. The path is cut into segments as it was sent and each is decoded afterwards, so that
 * "%2F" is a slash inside a parameter and ends no segment. */
#pragma once

#include "http/server.h"

#define WR_ROUTE_MAX_PARAMS 3

struct wr_route_match {
    const char *params[WR_ROUTE_MAX_PARAMS]; /* decoded, NUL-terminated; valid during the handler
                                                call only */
};

struct wr_route {
    const char *method;
    const char *pattern; /* "/sandboxes/{id}" */
    void (*handler)(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
};

enum wr_route_result {
    WR_ROUTE_FOUND = 0, /* the handler was called */
    WR_ROUTE_NO_PATH = 1,
    WR_ROUTE_NO_METHOD = 2,
};
enum wr_route_result wr_route_dispatch(const struct wr_route *routes, size_t count,
                                       struct wr_exchange *ex, void *data) WR_MUST_CHECK;
