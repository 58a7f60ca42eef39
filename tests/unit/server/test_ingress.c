/* The ingress of a server as a process; an HTTP service of this host, honest or not, is in place of
 * the sandbox. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "client/request.h"
#include "http/server.h"
#include "server_fixture.h"
#include "test.h"

static void echo_body(struct wr_exchange *ex, const char *bytes, size_t len, void *data)
{
    (void)data;
    if (wr_exchange_write(ex, bytes, len) == WR_HTTP_FULL)
        wr_exchange_pause(ex, true);
}

static void echo_end(struct wr_exchange *ex, void *data)
{
    (void)data;
    wr_exchange_end(ex);
}

static void echo_drain(struct wr_exchange *ex, void *data)
{
    (void)data;
    wr_exchange_pause(ex, false);
}

static void on_service(struct wr_exchange *ex, void *data)
{
    static const struct wr_exchange_ops ops = {
        .on_body = echo_body, .on_body_end = echo_end, .on_drain = echo_drain};
    const struct wr_h1_head *head = wr_exchange_head(ex);

    (void)data;
    wr_exchange_begin(ex, 200);
    /* Routing and hop-by-hop fields must have stayed outside. */
    bool leaked = wr_h1_find(head, "E2b-Sandbox-Id") || wr_h1_find(head, "X-Hop");
    wr_exchange_header(ex, "X-Leaked", leaked ? "yes" : "no");
    wr_exchange_set_ops(ex, &ops, NULL);
    wr_exchange_stream(ex, -1);
}

static pid_t start_service(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 64) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    *ret_port = ntohs(address.sin_port);
    pid_t pid = fork();
    if (pid == 0) {
        struct wr_error err = {0};
        struct wr_loop *loop = NULL;
        struct wr_http_server *http = NULL;
        struct wr_http_server_opts opts = {.max_connections = 64, .handler = on_service};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (wr_loop_new(&loop, &err) == 0 && wr_http_server_new(loop, fd, &opts, &http, &err) == 0)
            (void)!wr_loop_run(loop, &err);
        _exit(1);
    }
    close(fd);
    return pid;
}

TEST(ingress_echoes_a_large_body_both_ways)
{
    struct fixture f = start(0, NULL, 0);
    struct wr_error err = {0};
    struct wr_buf answer = WR_BUF((size_t)16 * 1024 * 1024);
    size_t len = (size_t)8 * 1024 * 1024;
    char *body = malloc(len), id[21];
    uint16_t port = 0;
    pid_t service = start_service(&port);

    for (size_t i = 0; i < len; i++)
        body[i] = (char)(i * 31 + i / 4096);
    CHECK_INT(create(&f, "base", 0, id, &err), 0);
    struct wr_transport_request request = {.method = "POST",
                                           .target = "/x",
                                           .sandbox_id = id,
                                           .port = port,
                                           .content_type = "application/octet-stream"};
    /* Small ones, more than there are spare sockets, then a large one on the kept connection. */
    for (int i = 0; i < 10; i++) {
        request.body = "hello";
        request.body_len = 5;
        wr_buf_clear(&answer);
        CHECK_INT(wr_transport_request(f.client, &request, 0, &answer, &err), 0);
        CHECK_STR(wr_buf_cstr(&answer), "hello");
    }
    struct wr_transport_request stream = request;
    stream.body = body;
    stream.body_len = 900 * 1024;
    wr_buf_clear(&answer);
    CHECK_INT(wr_transport_request(f.client, &stream, 0, &answer, &err), 0);
    CHECK_INT(answer.len, stream.body_len);
    CHECK(memcmp(wr_buf_ptr(&answer), body, stream.body_len) == 0);
    free(body);
    wr_buf_done(&answer);
    kill(service, SIGKILL);
    (void)exit_of(service);
    stop(&f);
}

static void expect(struct fixture *f, const char *headers, const char *status, const char *text)
{
    char request[512], answer[4096], line[64];
    snprintf(request, sizeof request, "GET /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n",
             headers);
    snprintf(line, sizeof line, "HTTP/1.1 %s", status);
    raw(f, request, answer, sizeof answer);
    if (!wr_starts_with(answer, line) || !strstr(answer, text))
        wr_test_fail(__FILE__, __LINE__, "%s: %s", headers, answer);
}

TEST(ingress_answers)
{
    struct fixture f = start(1, "{}", 0);
    uint16_t port = 0;
    char headers[256];
    pid_t service = start_service(&port);

    expect(&f, "E2b-Sandbox-Id: aaaaaaaaaaaaaaaaaaaa\r\n", "400", "missing header");
    expect(&f, "E2b-Sandbox-Port: 80\r\n", "400", "missing header");
    expect(&f, "E2b-Sandbox-Id: A!\r\nE2b-Sandbox-Port: 80\r\n", "400", "Invalid sandbox ID");
    expect(&f, "E2b-Sandbox-Id: aaa\r\nE2b-Sandbox-Port: 0\r\n", "400", "Invalid sandbox port");
    expect(&f, "E2b-Sandbox-Id: aaa\r\nE2b-Sandbox-Port: 65536\r\n", "400", "Invalid sandbox port");
    expect(&f, "E2b-Sandbox-Id: aaa\r\nE2b-Sandbox-Port: 80\r\nE2b-Sandbox-Id: bbb\r\n", "400",
           "Invalid sandbox ID");
    expect(&f, "E2b-Sandbox-Port: 80\r\nE2b-Sandbox-Id: aaa\r\ne2b-sandbox-port: 80\r\n", "400",
           "Invalid sandbox port");
    expect(&f, "E2b-Sandbox-Id: notthere\r\nE2b-Sandbox-Port: 80\r\n", "502",
           "\"message\":\"The sandbox was not found\"");
    snprintf(headers, sizeof headers,
             "E2b-Sandbox-Id: aaaaaaaaaaaaaaaaaaaa-warren\r\nE2b-Sandbox-Port: %u\r\n"
             "X-Hop: 1\r\nConnection: X-Hop\r\n",
             port);
    expect(&f, headers, "200", "X-Leaked: no");
    kill(service, SIGKILL);
    (void)exit_of(service);
    snprintf(headers, sizeof headers,
             "E2b-Sandbox-Id: aaaaaaaaaaaaaaaaaaaa\r\nE2b-Sandbox-Port: %u\r\n", port);
    expect(&f, headers, "502", "The sandbox is running but port is not open");
    stop(&f);
}

/* ---- a service that speaks for itself ---- */

#define SWITCHED "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n"

static void say(int fd, const char *text)
{
    if (wr_write_all(fd, text, strlen(text)) < 0)
        _exit(0);
}

/* One connection: a request per read, told apart by its path. */
static void serve(int fd)
{
    char in[4096];
    unsigned requests = 0;
    ssize_t n = 0;

    while ((n = read(fd, in, sizeof in - 1)) > 0) {
        in[n] = '\0';
        requests++;
        if (strstr(in, " /quick ")) {
            say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        } else if (strstr(in, " /switch ")) {
            say(fd, SWITCHED "first,");
            while ((n = read(fd, in, sizeof in - 1)) > 0) {
                in[n] = '\0';
                say(fd, in);
            }
            say(fd, ",last");
            break;
        } else if (strstr(in, " /deaf ")) {
            say(fd, SWITCHED);
            (void)pause();
        } else if (strstr(in, " /first ")) {
            if (requests > 1)
                break;
            say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst");
        } else if (strstr(in, " /hold ")) {
            (void)pause();
        }
    }
    _exit(0);
}

static pid_t start_raw_service(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 64) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    *ret_port = ntohs(address.sin_port);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int peer = accept(fd, NULL, NULL);
            if (peer >= 0 && fork() == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                serve(peer);
            }
            close(peer);
        }
    }
    close(fd);
    return pid;
}

struct raw_fixture {
    struct fixture server;
    pid_t service;
    uint16_t port;
    char id[21];
};

static struct raw_fixture start_raw(const char *template)
{
    struct raw_fixture r = {.server = start(0, NULL, 0)};
    struct wr_error err = {0};

    r.service = start_raw_service(&r.port);
    CHECK_INT(create(&r.server, template, 0, r.id, &err), 0);
    return r;
}

static void stop_raw(struct raw_fixture *r)
{
    kill(r->service, SIGKILL);
    (void)exit_of(r->service);
    stop(&r->server);
}

/* Sends a request with more header lines; the connection. */
static int ask(const struct raw_fixture *r, const char *start_line, const char *headers)
{
    char request[512];
    int fd = connect_raw(&r->server);

    snprintf(request, sizeof request,
             "%s HTTP/1.1\r\nHost: x\r\nE2b-Sandbox-Id: %s\r\nE2b-Sandbox-Port: %u\r\n%s",
             start_line, r->id, r->port, headers);
    CHECK_INT(wr_write_all(fd, request, strlen(request)), 0);
    return fd;
}

/* What comes until the end of the stream, or until nothing more has come for a second. */
static const char *answer(int fd)
{
    static char text[8192];
    size_t len = 0;
    struct pollfd pfd = {.fd = fd, .events = POLLIN};

    while (len < sizeof text - 1 && poll(&pfd, 1, len > 0 ? 1000 : 20000) > 0) {
        ssize_t n = read(fd, text + len, sizeof text - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    text[len] = '\0';
    return text;
}

TEST(upgrade_carries_both_ways_to_the_end)
{
    struct raw_fixture r = start_raw("base");
    int fd = ask(&r, "GET /switch", "Connection: Upgrade\r\nUpgrade: raw\r\n\r\n");

    CHECK(strstr(answer(fd), "HTTP/1.1 101 "));
    CHECK_INT(wr_write_all(fd, "more", 4), 0);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    CHECK_STR(answer(fd), "more,last");
    close(fd);
    stop_raw(&r);
}

TEST(upgrade_that_nobody_asked_for_is_refused)
{
    static const char *const headers[] = {
        "\r\n",
        "Connection: Upgrade\r\n\r\n",
        "Upgrade: raw\r\n\r\n",
        "Connection: Upgrade\r\nUpgrade: raw\r\nContent-Length: 9\r\n\r\nhalf",
    };
    struct raw_fixture r = start_raw("base");

    for (size_t i = 0; i < WR_ARRAY_SIZE(headers); i++) {
        int fd = ask(&r, i == 3 ? "POST /switch" : "GET /switch", headers[i]);
        const char *text = answer(fd);
        if (!wr_starts_with(text, "HTTP/1.1 503 ") || strstr(text, "first"))
            wr_test_fail(__FILE__, __LINE__, "%s: %s", headers[i], text);
        close(fd);
    }
    stop_raw(&r);
}

static long cpu_ms(pid_t pid)
{
    clockid_t clock;
    struct timespec used;

    CHECK(clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &used) == 0);
    return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

/* A client that leaves while bytes wait for a service that does not read them: the hang-up must not
 * keep the loop busy. */
TEST(hang_up_behind_a_deaf_service_costs_nothing)
{
    struct raw_fixture r = start_raw("base");
    static char junk[65536];
    int fd = ask(&r, "GET /deaf", "Connection: Upgrade\r\nUpgrade: raw\r\n\r\n");
    struct pollfd pfd = {.fd = fd, .events = POLLOUT};

    CHECK(strstr(answer(fd), "HTTP/1.1 101 "));
    CHECK_INT(wr_fd_set_nonblock(fd, true), 0);
    while (poll(&pfd, 1, 200) > 0)
        CHECK(write(fd, junk, sizeof junk) > 0);
    close(fd);
    (void)poll(NULL, 0, 50);
    long before_ms = cpu_ms(r.server.server);
    (void)poll(NULL, 0, 400);
    CHECK(cpu_ms(r.server.server) - before_ms < 100);
    CHECK_INT(count(&r.server), 1);
    stop_raw(&r);
}

/* The request is on a kept connection, so its loss would be a reason to dial again: not into a
 * record that is being removed, where it would wait for a socket for ever. */
TEST(request_during_the_end_of_its_sandbox_is_answered)
{
    struct raw_fixture r = start_raw("dry");
    struct wr_error err = {0};
    char target[64];
    struct wr_transport_request metrics = {.method = "GET", .target = target};

    int fd = ask(&r, "GET /quick", "Connection: close\r\n\r\n");
    CHECK(strstr(answer(fd), "HTTP/1.1 200 "));
    close(fd);
    fd = ask(&r, "GET /hold", "Connection: close\r\n\r\n");
    (void)poll(NULL, 0, 50);
    snprintf(target, sizeof target, "/sandboxes/%s/metrics?live=true", r.id);
    CHECK_INT(wr_transport_request(r.server.client, &metrics, 0, NULL, &err), -WR_E_NOT_FOUND);
    CHECK(strstr(answer(fd), "The sandbox was not found"));
    close(fd);
    CHECK_INT(count(&r.server), 0);
    stop_raw(&r);
}

/* The service closes the kept connection instead of answering. */
TEST(only_what_may_be_repeated_is_asked_again)
{
    static const struct {
        const char *start_line, *headers, *expected;
    } rows[] = {
        {"GET /first", "Connection: close\r\n\r\n", "HTTP/1.1 200 "},
        {"DELETE /first", "Connection: close\r\n\r\n", "HTTP/1.1 200 "},
        {"POST /first", "Connection: close\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 503 "},
        {"PATCH /first", "Connection: close\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 503 "},
        {"PUT /first", "Connection: close\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 503 "},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        struct raw_fixture r = start_raw("base");
        int fd = ask(&r, "GET /quick", "Connection: close\r\n\r\n");
        CHECK(strstr(answer(fd), "HTTP/1.1 200 "));
        close(fd);
        fd = ask(&r, rows[i].start_line, rows[i].headers);
        const char *text = answer(fd);
        if (!wr_starts_with(text, rows[i].expected))
            wr_test_fail(__FILE__, __LINE__, "%s: %s", rows[i].start_line, text);
        close(fd);
        stop_raw(&r);
    }
}
