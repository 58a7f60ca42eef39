#include "http/router.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"
#include "http/uri.h"

#define MAX_SEGMENTS 12

/* Where a path is cut: its segments, decoded, one after the other in `text`. */
struct segments {
    const char *at[MAX_SEGMENTS];
    size_t count;
    char *text; /* owned */
};

static void segments_done(struct segments *segments)
{
    free(segments->text);
}

/* -EINVAL for a path that no route can have, -ENOMEM. */
static int cut(const struct wr_exchange *ex, struct segments *ret)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    size_t len = 0, room;
    const char *path = wr_uri_raw_path(head->target, head->target_len, &len);

    /* Also refused there: dot segments and what does not decode. */
    if (wr_exchange_path(ex)[0] != '/')
        return -EINVAL;
    room = len + 2;
    ret->text = wr_calloc(room, 1);
    if (!ret->text)
        return -ENOMEM;
    char *out = ret->text;
    for (const char *p = path + (len > 0), *end = path + len;; p++) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        size_t part = slash ? (size_t)(slash - p) : (size_t)(end - p);
        if (ret->count == MAX_SEGMENTS || !wr_uri_decode_segment(p, part, out, room))
            return -EINVAL;
        ret->at[ret->count++] = out;
        room -= strlen(out) + 1;
        out += strlen(out) + 1;
        if (!slash)
            return 0;
        p = slash;
    }
}

/* Segment by segment; `pattern` begins with a slash. */
static bool match(const char *pattern, const struct segments *segments, struct wr_route_match *ret)
{
    size_t params = 0;

    for (size_t i = 0; i < segments->count; i++) {
        const char *segment = segments->at[i];
        size_t len = strlen(segment);
        if (*pattern++ != '/')
            return false;
        if (*pattern == '{') {
            if (len == 0 || params == WR_ROUTE_MAX_PARAMS)
                return false;
            ret->params[params++] = segment;
            pattern += strcspn(pattern, "}") + 1;
        } else if (strcspn(pattern, "/") == len && memcmp(pattern, segment, len) == 0) {
            pattern += len;
        } else {
            return false;
        }
    }
    return *pattern == '\0';
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
    WR_CLEANUP(segments_done) struct segments segments = {0};
    int r = cut(ex, &segments);

    if (r == -ENOMEM) {
        wr_exchange_reply(ex, 503, "text/plain", "out of memory\n", 14);
        return WR_ROUTE_FOUND;
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct wr_route_match found = {0};

        if (!match(routes[i].pattern, &segments, &found))
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
