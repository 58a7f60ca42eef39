#include "peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "test.h"

static socklen_t unix_address(const struct bench *b, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path + 1, b->name, strlen(b->name));
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(b->name));
}

void bench_start(struct bench *b, enum transport transport, struct wr_http_server_opts opts)
{
    struct wr_error err = {0};
    int fd = socket(transport == OVER_TCP ? AF_INET : AF_UNIX,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    *b = (struct bench){0};
    if (transport == OVER_TCP) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(address);
        CHECK_INT(bind(fd, (struct sockaddr *)&address, len), 0);
        CHECK_INT(getsockname(fd, (struct sockaddr *)&address, &len), 0);
        b->port = ntohs(address.sin_port);
    } else {
        struct sockaddr_un address;
        (void)snprintf(b->name, sizeof(b->name), "warren-test-%d", (int)getpid());
        socklen_t len = unix_address(b, &address);
        CHECK_INT(bind(fd, (struct sockaddr *)&address, len), 0);
    }
    CHECK_INT(listen(fd, 64), 0);
    CHECK_INT(wr_loop_new(&b->loop, &err), 0);
    if (opts.max_connections == 0)
        opts.max_connections = 16;
    CHECK_INT(wr_http_server_new(b->loop, fd, &opts, &b->server, &err), 0);
}

void bench_stop(struct bench *b)
{
    b->server = wr_http_server_free(b->server);
    b->loop = wr_loop_free(b->loop);
}

int bench_connect(const struct bench *b)
{
    int fd = socket(b->port ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r = 0;

    CHECK(fd >= 0);
    if (b->port) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)b->port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        r = connect(fd, (struct sockaddr *)&address, sizeof(address));
    } else {
        struct sockaddr_un address;
        socklen_t len = unix_address(b, &address);
        r = connect(fd, (struct sockaddr *)&address, len);
    }
    CHECK(r == 0 || errno == EINPROGRESS);
    return fd;
}

struct wr_http_conn *bench_client(const struct bench *b)
{
    struct wr_http_conn *conn = NULL;
    struct wr_error err = {0};
    CHECK_INT(wr_http_conn_new(b->loop, bench_connect(b), NULL, 0, &conn, &err), 0);
    return conn;
}

bool bench_run(const struct bench *b, const bool *done, uint64_t ms)
{
    struct wr_error err = {0};
    uint64_t end = wr_mono_ms() + ms;

    while (!*done && wr_mono_ms() < end)
        CHECK_INT(wr_loop_step(b->loop, 10, &err), 0);
    return *done;
}

void bench_idle(const struct bench *b, uint64_t ms)
{
    bool never = false;
    (void)bench_run(b, &never, ms);
}

void peer_send(int fd, const char *text)
{
    if (*text)
        CHECK_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

size_t peer_read(const struct bench *b, int fd, char *out, size_t cap, size_t want)
{
    struct wr_error err = {0};
    size_t used = 0;
    uint64_t end = wr_mono_ms() + 2000;

    while (used < WR_MIN(cap - 1, want) && wr_mono_ms() < end) {
        CHECK_INT(wr_loop_step(b->loop, 1, &err), 0);
        ssize_t n = recv(fd, out + used, cap - 1 - used, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        used += n > 0 ? (size_t)n : 0;
    }
    out[used] = '\0';
    return used;
}

void peer_expect(const struct bench *b, int fd, const char *text, const char *expected)
{
    char got[4096];

    peer_send(fd, text);
    (void)peer_read(b, fd, got, sizeof(got), strlen(expected));
    CHECK_STR(got, expected);
}

bool peer_at_end(const struct bench *b, int fd)
{
    struct wr_error err = {0};
    char c = 0;

    for (int i = 0; i < 300; i++) {
        CHECK_INT(wr_loop_step(b->loop, 1, &err), 0);
        ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return true;
    }
    return false;
}
