#include <unistd.h>

#include "http/router.h"
#include "peer.h"
#include "test.h"

static void echo(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    char text[128];
    (void)data;
    int n = snprintf(text, sizeof(text), "%s|%s", match->params[0] ? match->params[0] : "-",
                     match->params[1] ? match->params[1] : "-");
    wr_exchange_reply(ex, 200, "text/plain", text, (size_t)n);
}

static const struct wr_route routes[] = {
    {"GET", "/sandboxes", echo},
    {"GET", "/sandboxes/{id}", echo},
    {"DELETE", "/sandboxes/{id}", echo},
    {"POST", "/sandboxes/{id}/x/{y}", echo},
};

static void handler(struct wr_exchange *ex, void *data)
{
    (void)data;
    switch (wr_route_dispatch(routes, WR_ARRAY_SIZE(routes), ex, NULL)) {
    case WR_ROUTE_FOUND:
        break;
    case WR_ROUTE_NO_PATH:
        wr_exchange_reply(ex, 404, "text/plain", "p", 1);
        break;
    case WR_ROUTE_NO_METHOD:
        wr_exchange_reply(ex, 405, "text/plain", "m", 1);
        break;
    }
}

static void check(const struct bench *b, int fd, const char *method, const char *target, int status,
                  const char *body)
{
    char request[256], expected[256];
    (void)snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", method, target);
    (void)snprintf(expected, sizeof(expected),
                   "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
                   status, wr_h1_reason(status), strlen(body),
                   strcmp(method, "HEAD") == 0 ? "" : body);
    peer_expect(b, fd, request, expected);
}

TEST(table)
{
    struct bench b;
    bench_start(&b, OVER_UNIX, (struct wr_http_server_opts){.handler = handler});
    int fd = bench_connect(&b);
    check(&b, fd, "GET", "/sandboxes", 200, "-|-");
    check(&b, fd, "GET", "/sandboxes?limit=1", 200, "-|-");
    check(&b, fd, "HEAD", "/sandboxes", 200, "-|-");
    check(&b, fd, "GET", "/sandboxes/abc", 200, "abc|-");
    check(&b, fd, "DELETE", "/sandboxes/a%20b", 200, "a b|-");
    check(&b, fd, "POST", "/sandboxes/a/x/b", 200, "a|b");
    check(&b, fd, "GET", "/sandboxes/a%2Fb%3ac", 200, "a/b:c|-");
    check(&b, fd, "POST", "/sandboxes/a%2Fb/x/%2f", 200, "a/b|/");
    check(&b, fd, "GET", "http://x/sandboxes/abc?d=/e/f", 200, "abc|-");
    check(&b, fd, "GET", "/%73andboxes", 200, "-|-");
    check(&b, fd, "GET", "/sandboxes%2Fabc", 404, "p");
    check(&b, fd, "GET", "/sandboxes/a%2F..%2Fb", 404, "p");
    check(&b, fd, "GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n", 404, "p");
    check(&b, fd, "GET", "/sandboxes/", 404, "p");
    check(&b, fd, "GET", "/sandboxesx", 404, "p");
    check(&b, fd, "GET", "/sandboxe", 404, "p");
    check(&b, fd, "GET", "/", 404, "p");
    check(&b, fd, "GET", "/sandboxes/a/x", 404, "p");
    check(&b, fd, "POST", "/sandboxes/a/x/", 404, "p");
    check(&b, fd, "POST", "/sandboxes/a/x/b/", 404, "p");
    check(&b, fd, "GET", "/sandboxes/../sandboxes", 404, "p");
    check(&b, fd, "GET", "/%zz", 404, "p");
    check(&b, fd, "PUT", "/sandboxes/a", 405, "m");
    check(&b, fd, "get", "/sandboxes", 405, "m");
    check(&b, fd, "GET", "/sandboxes/a/x/b", 405, "m");
    (void)close(fd);
    bench_stop(&b);
}
