#include "primitives/observe/prometheus_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "http/server.h"
#include "primitives/observe/prometheus_page.h"

#define MAX_CONNECTIONS  16
#define BACKLOG          16
/* A scraper is a machine next door: it asks at once, takes what it gets, and comes back within
 * minutes. */
#define HEAD_TIMEOUT_MS  5000
#define STALL_TIMEOUT_MS 10000
#define IDLE_TIMEOUT_MS  300000

struct wr_prometheus_server {
    struct wr_metric_store *store;
    struct wr_loop *loop;
    struct wr_http_server *http;
    struct wr_source stop;
    int stop_fd;
    bool running;
    pthread_t thread;
};

static void send_page(struct wr_prometheus_server *server, struct wr_exchange *ex)
{
    wr_auto_buf page = WR_BUF(WR_PROMETHEUS_PAGE_MAX);

    if (wr_prometheus_page(server->store, &page) < 0)
        wr_exchange_reply(ex, 503, "text/plain", "no memory\n", 10);
    else
        wr_exchange_reply(ex, 200, WR_PROMETHEUS_TYPE, wr_buf_ptr(&page), page.len);
}

static void on_request(struct wr_exchange *ex, void *data)
{
    static const char not_found[] = "only /metrics is here\n", not_allowed[] = "only GET is\n";

    if (!wr_streq(wr_exchange_path(ex), "/metrics")) {
        wr_exchange_reply(ex, 404, "text/plain", not_found, sizeof not_found - 1);
    } else if (!wr_exchange_is(ex, "GET") && !wr_exchange_is(ex, "HEAD")) {
        wr_exchange_begin(ex, 405);
        wr_exchange_header(ex, "Allow", "GET, HEAD");
        wr_exchange_header(ex, "Content-Type", "text/plain");
        wr_exchange_send(ex, not_allowed, sizeof not_allowed - 1);
    } else {
        send_page(data, ex);
    }
}

static void on_stop(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_prometheus_server *server = data;

    (void)source;
    (void)events;
    wr_loop_stop(server->loop, 0);
}

static void *run(void *data)
{
    struct wr_prometheus_server *server = data;
    struct wr_error ignored = {0};

    /* If epoll itself fails, scrapes fail: nobody here could be told. */
    (void)!wr_loop_run(server->loop, &ignored);
    return NULL;
}

/* ---- making one ---- */

struct endpoint {
    struct sockaddr_storage address;
    socklen_t len;
};

static int parse_address(const char *text, uint16_t port, struct endpoint *ret,
                         struct wr_error *err)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&ret->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ret->address;

    *ret = (struct endpoint){0};
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        ret->len = sizeof *v4;
    } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        ret->len = sizeof *v6;
    } else {
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.60s is not an IPv4 or IPv6 address", text);
    }
    return 0;
}

static int listen_on(const char *address, uint16_t port, int *ret_fd, struct wr_error *err)
{
    struct endpoint endpoint;
    int on = 1;

    int r = parse_address(address, port, &endpoint, err);
    if (r < 0)
        return r;
    wr_auto_close int fd =
        socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return wr_fail_errno(err, WR_E_UNAVAILABLE, "socket for %.60s", address);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&endpoint.address, endpoint.len) < 0 ||
        listen(fd, BACKLOG) < 0)
        return wr_fail_errno(err, errno == EACCES ? WR_E_PERMISSION_DENIED : WR_E_UNAVAILABLE,
                             "metrics cannot be served on %.60s port %u; choose another port",
                             address, port);
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

static int open_all(struct wr_prometheus_server *server, int listen_fd, struct wr_error *err)
{
    const struct wr_http_server_opts opts = {.max_connections = MAX_CONNECTIONS,
                                             .handler = on_request,
                                             .data = server,
                                             .head_timeout_ms = HEAD_TIMEOUT_MS,
                                             .idle_timeout_ms = IDLE_TIMEOUT_MS,
                                             .stall_timeout_ms = STALL_TIMEOUT_MS,
                                             .eof_aborts = true};
    wr_auto_close int fd = listen_fd;

    server->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->stop_fd < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "eventfd");
    int r = wr_loop_new(&server->loop, err);
    if (r == 0)
        r = wr_source_add(server->loop, &server->stop, server->stop_fd, EPOLLIN, on_stop, server,
                          err);
    if (r == 0)
        r = wr_http_server_new(server->loop, wr_steal_fd(&fd), &opts, &server->http, err);
    return r;
}

/* Without signals: they are for the program's own threads. */
static int start(struct wr_prometheus_server *server, struct wr_error *err)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&server->thread, NULL, run, server);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, r, "thread that serves metrics");
    (void)pthread_setname_np(server->thread, "warren-metrics");
    server->running = true;
    return 0;
}

int wr_prometheus_server_new(struct wr_metric_store *store, const char *address, uint16_t port,
                             struct wr_prometheus_server **ret, struct wr_error *err)
{
    wr_auto_close int listen_fd = -1;

    int r = listen_on(address, port, &listen_fd, err);
    if (r < 0)
        return r;
    struct wr_prometheus_server *server = wr_calloc(1, sizeof *server);
    if (!server)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "server of metrics");
    server->store = store;
    server->stop_fd = -1;
    r = open_all(server, wr_steal_fd(&listen_fd), err);
    if (r == 0)
        r = start(server, err);
    if (r < 0) {
        wr_prometheus_server_free(server);
        return r;
    }
    *ret = server;
    return 0;
}

struct wr_prometheus_server *wr_prometheus_server_free(struct wr_prometheus_server *server)
{
    if (!server)
        return NULL;
    if (server->running) {
        (void)!eventfd_write(server->stop_fd, 1);
        (void)pthread_join(server->thread, NULL);
    }
    wr_http_server_free(server->http);
    wr_source_remove(&server->stop);
    wr_loop_free(server->loop);
    (void)wr_close(server->stop_fd);
    free(server);
    return NULL;
}
