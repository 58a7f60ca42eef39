#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/prometheus.h"
#include "primitives/observe/prometheus_server.h"
#include "test.h"

/* One that nobody has at the moment. */
static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    wr_auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(bind(fd, (struct sockaddr *)&address, len) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    return ntohs(address.sin_port);
}

static int dial(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

/* The whole answer, until the server closes. */
static const char *ask(uint16_t port, const char *line, struct wr_buf *out)
{
    wr_auto_close int fd = dial(port);
    char bytes[4096], head[256];
    ssize_t count = 0;

    (void)snprintf(head, sizeof head, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", line);
    CHECK_INT(wr_write_all(fd, head, strlen(head)), 0);
    while ((count = read(fd, bytes, sizeof bytes)) > 0)
        CHECK(wr_buf_append(out, bytes, (size_t)count) == 0);
    CHECK_INT(count, 0);
    return wr_buf_cstr(out);
}

TEST(only_the_page_is_there)
{
    struct wr_metric_store *store = wr_metric_store_new();
    struct wr_prometheus_server *server = NULL, *second = NULL;
    struct wr_error err = {0};
    wr_auto_buf out = WR_BUF(1 << 20);
    uint16_t port = free_port();

    CHECK_INT(wr_prometheus_server_new(store, "127.0.0.1", port, &server, &err), 0);
    wr_metric_store_add(store, WR_METRIC_REQUESTS, NULL, 3);
    const char *answer = ask(port, "GET /metrics", &out);
    CHECK(strncmp(answer, "HTTP/1.1 200 ", 13) == 0);
    CHECK(strstr(answer, "Content-Type: " WR_PROMETHEUS_TYPE "\r\n"));
    CHECK(strstr(answer, "\ncode_execution_requests_total 3\n"));

    wr_buf_clear(&out);
    CHECK(strncmp(ask(port, "GET /", &out), "HTTP/1.1 404 ", 13) == 0);
    wr_buf_clear(&out);
    answer = ask(port, "POST /metrics", &out);
    CHECK(strncmp(answer, "HTTP/1.1 405 ", 13) == 0);
    CHECK(strstr(answer, "Allow: GET, HEAD\r\n"));

    CHECK_INT(wr_prometheus_server_new(store, "127.0.0.1", port, &second, &err), -WR_E_UNAVAILABLE);
    CHECK(!second);
    wr_prometheus_server_free(server);
    wr_metric_store_free(store);
}

TEST(whoever_only_connects_keeps_nobody_out)
{
    struct wr_metric_store *store = wr_metric_store_new();
    struct wr_prometheus_server *server = NULL;
    struct wr_error err = {0};
    wr_auto_buf out = WR_BUF(1 << 20);
    uint16_t port = free_port();
    int idle[40];

    CHECK_INT(wr_prometheus_server_new(store, "127.0.0.1", port, &server, &err), 0);
    for (size_t i = 0; i < WR_ARRAY_SIZE(idle); i++)
        idle[i] = dial(port);
    CHECK(strncmp(ask(port, "GET /metrics", &out), "HTTP/1.1 200 ", 13) == 0);
    /* The end does not wait for those that are open. */
    wr_prometheus_server_free(server);
    for (size_t i = 0; i < WR_ARRAY_SIZE(idle); i++)
        wr_close(idle[i]);
    wr_metric_store_free(store);
}

TEST(an_address_is_a_number)
{
    struct wr_metric_store *store = wr_metric_store_new();
    struct wr_prometheus_server *server = NULL;
    struct wr_error err = {0};

    CHECK_INT(wr_prometheus_server_new(store, "localhost", 9464, &server, &err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_prometheus_server_new(store, "::1", free_port(), &server, &err), 0);
    wr_prometheus_server_free(server);
    wr_metric_store_free(store);
}
