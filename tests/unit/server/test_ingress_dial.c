/* How the ingress reaches a service over TCP: addresses, a service that is late, limits, the end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "server_fixture.h"
#include "test.h"

#define ID "aaaaaaaaaaaaaaaaaaaa"

/* A socket that is bound to a free port and does not listen yet. */
static int bind_to(int family, uint16_t *ret_port)
{
    const struct sockaddr_in v4 = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in6 got;
    socklen_t len = sizeof got;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(family == AF_INET6 ? bind(fd, (const struct sockaddr *)&v6, sizeof v6) == 0
                             : bind(fd, (const struct sockaddr *)&v4, sizeof v4) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&got, &len) == 0);
    *ret_port = ntohs(got.sin6_port); /* at the same place in both */
    return fd;
}

static struct fixture start_ingress(struct start_opts opts)
{
    opts.preset = 1;
    opts.settings = "{}";
    opts.lifetime_ms = 60000;
    opts.ingress = true;
    return start_with(&opts);
}

static int connect_ingress(const struct fixture *f)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(f->ingress_port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

/* A request on a connection of its own. */
static int ask(const struct fixture *f, uint16_t port, const char *fields)
{
    char request[512];
    int fd = connect_ingress(f);

    snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: %u-" ID ".localhost\r\n%s\r\n", port,
             fields);
    CHECK_INT(wr_write_all(fd, request, strlen(request)), 0);
    return fd;
}

/* The answer of a connection that ends with it. */
static const char *answer(int fd)
{
    static char text[8192];
    ssize_t n = wr_read_full(fd, text, sizeof text - 1);

    CHECK(n >= 0);
    text[n] = '\0';
    close(fd);
    return text;
}

#define CLOSE "Connection: close\r\n"

/* Accepts one connection and answers it. */
static void serve_one(int listener)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct pollfd pfd = {.fd = listener, .events = POLLIN};
    char request[1024];

    CHECK_INT(poll(&pfd, 1, 20000), 1);
    int fd = accept(listener, NULL, NULL);
    CHECK(read(fd, request, sizeof request) > 0);
    CHECK_INT(wr_write_all(fd, ok, sizeof ok - 1), 0);
    close(fd);
}

TEST(both_loopback_addresses_are_tried)
{
    static const int families[] = {AF_INET, AF_INET6};
    struct fixture f = start_ingress((struct start_opts){0});

    for (size_t i = 0; i < WR_ARRAY_SIZE(families); i++) {
        uint16_t port = 0;
        int listener = bind_to(families[i], &port);
        CHECK(listen(listener, 8) == 0);
        /* The second time the address is known. */
        for (int round = 0; round < 2; round++) {
            int fd = ask(&f, port, CLOSE);
            serve_one(listener);
            CHECK(strstr(answer(fd), "HTTP/1.1 200 "));
        }
        close(listener);
        /* What was found before may have moved since. */
        int fd = ask(&f, port, CLOSE);
        CHECK(strstr(answer(fd), "port is not open"));
    }
    stop(&f);
}

TEST(a_service_that_is_late_is_reached)
{
    struct fixture f = start_ingress((struct start_opts){0});
    uint16_t port = 0;
    int listener = bind_to(AF_INET, &port);
    int fd = ask(&f, port, CLOSE);

    (void)poll(NULL, 0, 250);
    CHECK(listen(listener, 8) == 0);
    serve_one(listener);
    CHECK(strstr(answer(fd), "HTTP/1.1 200 "));
    close(listener);
    stop(&f);
}

/* Five attempts with pauses of 100, 200, 300 and 400 ms; the agent's port has no second one. */
TEST(a_closed_port_is_tried_for_a_second)
{
    struct fixture f = start_ingress((struct start_opts){0});
    uint16_t port = 0;
    int unused = bind_to(AF_INET, &port);
    uint64_t start_ms = wr_mono_ms();
    int fd = ask(&f, port, CLOSE);
    struct pollfd pfd = {.fd = fd, .events = POLLIN};

    CHECK(strstr(answer(ask(&f, 49983, CLOSE)), "HTTP/1.1 502 "));
    CHECK_INT(poll(&pfd, 1, 0), 0);
    CHECK(strstr(answer(fd), "\"message\":\"The sandbox is running but port is not open\""));
    CHECK(wr_mono_ms() - start_ms >= 1000);
    close(unused);
    stop(&f);
}

/* A client that leaves, and a sandbox that ends, while a refused dial pauses. */
TEST(a_pause_ends_with_its_client_and_its_sandbox)
{
    struct fixture f = start_ingress((struct start_opts){0});
    uint16_t port = 0;
    int unused = bind_to(AF_INET, &port);
    int gone = ask(&f, port, CLOSE), left = ask(&f, port, CLOSE);

    (void)poll(NULL, 0, 50);
    close(left);
    CHECK_INT(api(&f, -1, "DELETE", "/sandboxes/" ID, NULL, NULL), 204);
    CHECK(strstr(answer(gone), "The sandbox was not found"));
    CHECK_INT(count(&f), 0);
    close(unused);
    stop(&f);
}

TEST(connections_into_a_sandbox_are_limited)
{
    struct fixture f = start_ingress((struct start_opts){.max_connections = 3});
    uint16_t port = 0;
    int listener = bind_to(AF_INET, &port), fds[3];

    CHECK(listen(listener, 8) == 0);
    for (size_t i = 0; i < WR_ARRAY_SIZE(fds); i++)
        fds[i] = ask(&f, port, "");
    (void)poll(NULL, 0, 100);
    const char *text = answer(ask(&f, port, CLOSE));
    CHECK(strstr(text, "HTTP/1.1 429 ") && strstr(text, "\"connectionLimit\":3"));
    /* A place that becomes free is one. */
    serve_one(listener);
    (void)poll(NULL, 0, 500);
    int fd = ask(&f, port, CLOSE);
    for (size_t i = 0; i < WR_ARRAY_SIZE(fds); i++)
        serve_one(listener);
    CHECK(strstr(answer(fd), "HTTP/1.1 200 "));
    for (size_t i = 0; i < WR_ARRAY_SIZE(fds); i++)
        close(fds[i]);
    close(listener);
    stop(&f);
}

/* How a connection ends: 0, or the errno of a reset. */
static int end_of(int fd)
{
    char text[4096];
    ssize_t n;

    while ((n = read(fd, text, sizeof text)) > 0) {
    }
    int error = n < 0 ? errno : 0;
    close(fd);
    return error;
}

static void speak(int fd, const char *text)
{
    char request[1024];

    CHECK(read(fd, request, sizeof request) > 0);
    CHECK_INT(wr_write_all(fd, text, strlen(text)), 0);
}

TEST(the_end_of_a_sandbox_resets_its_streams)
{
    struct fixture f = start_ingress((struct start_opts){0});
    uint16_t port = 0;
    int listener = bind_to(AF_INET, &port);
    char text[4096];

    CHECK(listen(listener, 8) == 0);
    int stream = ask(&f, port, "");
    int service = accept(listener, NULL, NULL);
    speak(service, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    int tunnel = ask(&f, port, "Connection: Upgrade\r\nUpgrade: raw\r\n");
    int upgraded = accept(listener, NULL, NULL);
    speak(upgraded,
          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n");
    int waiting = ask(&f, port, CLOSE);
    CHECK(read(stream, text, sizeof text) > 0 && read(tunnel, text, sizeof text) > 0);
    CHECK_INT(api(&f, -1, "DELETE", "/sandboxes/" ID, NULL, NULL), 204);
    CHECK_INT(end_of(stream), ECONNRESET);
    CHECK_INT(end_of(tunnel), ECONNRESET);
    CHECK(strstr(answer(waiting), "The sandbox was not found"));
    close(service);
    close(upgraded);
    close(listener);
    stop(&f);
}

TEST(a_client_that_leaves_ends_the_upstream)
{
    struct fixture f = start_ingress((struct start_opts){0});
    uint16_t port = 0;
    int listener = bind_to(AF_INET, &port);
    char text[4096];

    CHECK(listen(listener, 8) == 0);
    for (int answered = 0; answered < 2; answered++) {
        int fd = ask(&f, port, "");
        int service = accept(listener, NULL, NULL);
        CHECK(read(service, text, sizeof text) > 0);
        if (answered)
            CHECK_INT(wr_write_all(service, "HTTP/1.1 200 OK\r\n\r\nx", 20), 0);
        struct pollfd pfd = {.fd = service, .events = POLLIN};
        CHECK_INT(poll(&pfd, 1, 100), 0);
        close(fd);
        CHECK_INT(poll(&pfd, 1, 20000), 1);
        CHECK(read(service, text, sizeof text) <= 0);
        close(service);
    }
    close(listener);
    stop(&f);
}

TEST(private_ports_need_the_token)
{
    struct fixture f = start_ingress((struct start_opts){.traffic_token = "secret"});
    uint16_t port = 0;
    int listener = bind_to(AF_INET, &port);

    CHECK(listen(listener, 8) == 0);
    CHECK(
        strstr(answer(ask(&f, port, CLOSE)), "Token header 'e2b-traffic-access-token' is missing"));
    CHECK(strstr(answer(ask(&f, port, CLOSE "e2b-traffic-access-token: Secret\r\n")),
                 "Provided token in header 'e2b-traffic-access-token' is invalid"));
    int fd = ask(&f, port, CLOSE "E2B-Traffic-Access-Token: secret\r\n");
    int service = accept(listener, NULL, NULL);
    char text[1024] = "";
    CHECK(read(service, text, sizeof text - 1) > 0);
    CHECK(!strcasestr(text, "traffic"));
    close(service);
    close(fd);
    close(listener);
    stop(&f);
}
