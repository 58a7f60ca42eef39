#include <errno.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "client/connection.h"
#include "client/url.h"
#include "fake_server.h"
#include "test.h"

static struct fake_server server;
static struct wr_transport *transport;

static void set_up(const char *const *scripts)
{
    server.scripts = scripts;
    transport = fake_transport(&server, "127.0.0.1", 0);
}

static void tear_down(void)
{
    fake_close(&server);
    transport = wr_transport_free(transport);
}

static int request(const char *method)
{
    struct wr_error err = {0};

    return fake_request(transport, method, &err);
}

/* ---- connections ---- */

TEST(a_connection_is_used_again)
{
    set_up((const char *const[]){"AAA", NULL});
    for (int i = 0; i < 3; i++)
        CHECK_INT(request("POST"), 0);
    CHECK_INT(server.connections, 1);
    CHECK_INT(server.requests, 3);
    tear_down();
}

TEST(one_that_was_closed_is_not)
{
    set_up((const char *const[]){"A|", NULL});
    for (unsigned i = 0; i < 3; i++) {
        CHECK_INT(request("POST"), 0);
        CHECK_INT(server.connections, i + 1);
    }
    tear_down();
}

/* A server that closes its connection when the second request comes over it. */
static int second(const char *method, const char *const *scripts)
{
    set_up(scripts);
    CHECK_INT(request("GET"), 0);
    return request(method);
}

TEST(what_may_come_twice_is_repeated)
{
    static const char *const methods[] = {"GET", "HEAD", "DELETE"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(methods); i++) {
        memset(&server, 0, sizeof server);
        server.answer = i == 1 ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" : NULL;
        CHECK_INT(second(methods[i], (const char *const[]){"AC", "A", NULL}), 0);
        CHECK_INT(server.connections, 2);
        CHECK_INT(server.requests, 3);
        tear_down();
    }
}

TEST(what_may_not_is_not)
{
    static const char *const methods[] = {"POST", "PUT", "PATCH"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(methods); i++) {
        memset(&server, 0, sizeof server);
        CHECK_INT(second(methods[i], (const char *const[]){"AC", "A", NULL}), -WR_E_UNAVAILABLE);
        CHECK_INT(server.connections, 1);
        tear_down();
    }
}

TEST(it_is_repeated_once)
{
    CHECK_INT(second("GET", (const char *const[]){"AC", "C", NULL}), -WR_E_UNAVAILABLE);
    CHECK_INT(server.connections, 2);
    CHECK_INT(server.requests, 3);
    tear_down();
}

TEST(an_answer_that_has_begun_is_not_repeated)
{
    CHECK_INT(second("GET", (const char *const[]){"AH", "A", NULL}), -WR_E_UNAVAILABLE);
    CHECK_INT(server.connections, 1);
    tear_down();
}

TEST(nor_is_what_fails_on_a_new_connection)
{
    struct wr_error err = {0};

    set_up((const char *const[]){"C", "A", NULL});
    CHECK_INT(fake_request(transport, "GET", &err), -WR_E_UNAVAILABLE);
    CHECK(strstr(err.msg, "127.0.0.1:") == err.msg);
    CHECK_INT(server.connections, 1);
    tear_down();
}

static void count_end(struct wr_transport_call *call, const struct wr_error *error, void *data)
{
    (void)call;
    CHECK(!error);
    (*(unsigned *)data)++;
}

TEST(so_many_wait_and_no_more)
{
    static const struct wr_transport_ops ops = {.on_end = count_end};
    const struct wr_transport_request get = {.method = "GET", .target = "/"};
    struct wr_error err = {0};
    unsigned ended = 0, calls = WR_CONNECTION_IDLE_MAX + 4;

    set_up((const char *const[]){"AA", NULL});
    for (unsigned i = 0; i < calls; i++)
        CHECK_INT(wr_transport_begin(transport, &get, &ops, &ended, NULL, &err), 0);
    while (ended < calls || server.open > WR_CONNECTION_IDLE_MAX)
        CHECK_INT(wr_transport_step(transport, 1000, &err), 0);
    CHECK_INT(server.connections, calls);
    CHECK_INT(server.open, WR_CONNECTION_IDLE_MAX);
    tear_down();
}

/* ---- what is sent ---- */

TEST(the_key_goes_to_the_api_alone)
{
    const struct wr_transport_header extra = {"X-Metadata-A", "b"};
    const struct wr_transport_request api = {.method = "GET", .target = "/sandboxes?a=b"};
    const struct wr_transport_request guest = {.method = "GET",
                                               .target = "/files",
                                               .sandbox_id = "i123",
                                               .port = 49983,
                                               .access_token = "at",
                                               .traffic_token = "tt",
                                               .user = "root",
                                               .headers = &extra,
                                               .header_count = 1};
    struct wr_error err = {0};

    set_up((const char *const[]){"AA", NULL});
    CHECK_INT(wr_transport_request(transport, &api, 0, NULL, &err), 0);
    CHECK(strstr(server.last, "GET /prefix/sandboxes?a=b HTTP/1.1\r\n") == server.last);
    CHECK(strstr(server.last, "\r\nX-API-KEY: " FAKE_KEY "\r\n"));
    CHECK(!strstr(server.last, "E2b-Sandbox") && !strstr(server.last, "Authorization"));
    CHECK_INT(wr_transport_request(transport, &guest, 0, NULL, &err), 0);
    CHECK(!strstr(server.last, FAKE_KEY) && !strcasestr(server.last, "x-api-key"));
    CHECK(strstr(server.last, "\r\nE2b-Sandbox-Id: i123\r\n"));
    CHECK(strstr(server.last, "\r\nE2b-Sandbox-Port: 49983\r\n"));
    CHECK(strstr(server.last, "\r\nX-Access-Token: at\r\n"));
    CHECK(strstr(server.last, "\r\nE2B-Traffic-Access-Token: tt\r\n"));
    CHECK(strstr(server.last, "\r\nAuthorization: Basic cm9vdDo=\r\n"));
    CHECK(strstr(server.last, "\r\nX-Metadata-A: b\r\n"));
    tear_down();
}

TEST(fields_are_not_broken_out_of)
{
    const struct wr_transport_request tokens = {
        .method = "GET", .target = "/", .sandbox_id = "i123", .access_token = "a\r\nX-API-KEY: b"};
    const struct wr_transport_request user = {
        .method = "GET", .target = "/", .sandbox_id = "i123", .user = "a:b"};
    const struct wr_transport_request target = {.method = "GET", .target = "/ HTTP/1.1\r\nX: y"};
    struct wr_error err = {0};

    set_up((const char *const[]){"A", NULL});
    CHECK_INT(wr_transport_request(transport, &tokens, 0, NULL, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_transport_request(transport, &user, 0, NULL, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_transport_request(transport, &target, 0, NULL, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(server.requests, 0);
    tear_down();
}

/* A body that begins before there is a connection: the pieces wait for on_drain. */
struct upload {
    unsigned pieces, drains;
    bool done;
};

static void more(struct wr_transport_call *call, void *data)
{
    struct upload *upload = data;

    upload->drains++;
    if (upload->pieces < 3) {
        upload->pieces++;
        CHECK_INT(wr_transport_write(call, "more", 4), WR_HTTP_MORE);
    }
    wr_transport_end(call);
}

static void uploaded(struct wr_transport_call *call, const struct wr_error *error, void *data)
{
    (void)call;
    CHECK(!error);
    ((struct upload *)data)->done = true;
}

TEST(a_stream_may_begin_before_its_connection)
{
    static const struct wr_transport_ops ops = {.on_drain = more, .on_end = uploaded};
    const struct wr_transport_request put = {
        .method = "PUT", .target = "/", .stream = true, .stream_length = 9};
    struct wr_transport_call *call = NULL;
    struct wr_error err = {0};
    struct upload upload = {.pieces = 2};

    set_up((const char *const[]){"A", NULL});
    CHECK_INT(wr_transport_begin(transport, &put, &ops, &upload, &call, &err), 0);
    CHECK_INT(wr_transport_write(call, "first", 5), WR_HTTP_FULL);
    while (!upload.done)
        CHECK_INT(wr_transport_step(transport, 1000, &err), 0);
    CHECK_INT(upload.drains, 1);
    CHECK(strstr(server.last, "\r\n\r\nfirstmore"));
    tear_down();
}

/* ---- what is answered ---- */

static struct wr_error answer(const char *text, const char *sandbox_id)
{
    const struct wr_transport_request get = {
        .method = "GET", .target = "/", .sandbox_id = sandbox_id, .port = 49983};
    struct wr_error err = {0};

    memset(&server, 0, sizeof server);
    server.answer = text;
    set_up((const char *const[]){"A", NULL});
    CHECK(wr_transport_request(transport, &get, 0, NULL, &err) < 0);
    tear_down();
    return err;
}

TEST(errors_have_the_code_of_their_status)
{
    struct wr_error err = answer(
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 21\r\n\r\n{\"message\":\"bad key\"}", NULL);
    CHECK_INT(err.code, WR_E_UNAUTHENTICATED);
    CHECK(strstr(err.msg, "E2B_API_KEY") && strstr(err.msg, "bad key"));
    CHECK(!strstr(err.msg, FAKE_KEY));
    /* A sandbox has not seen the key. */
    err = answer(
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 21\r\n\r\n{\"message\":\"no token\"}" + 0,
        "i123");
    CHECK_INT(err.code, WR_E_UNAUTHENTICATED);
    CHECK(!strstr(err.msg, "E2B_API_KEY"));
    err = answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", NULL);
    CHECK_INT(err.code, WR_E_PERMISSION_DENIED);
    err = answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", NULL);
    CHECK_INT(err.code, WR_E_NOT_FOUND);
    err = answer("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", NULL);
    CHECK(err.code == WR_E_UNAVAILABLE && err.retry_after_ms == 0);
}

TEST(they_say_how_long_to_wait)
{
    struct wr_error err = answer("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\n"
                                 "Content-Length: 0\r\n\r\n",
                                 NULL);
    CHECK(err.code == WR_E_RESOURCE_EXHAUSTED && err.retry_after_ms == 2000);
    err = answer("HTTP/1.1 503 Service Unavailable\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                 "Retry-After: Sun, 06 Nov 1994 08:49:40 GMT\r\nContent-Length: 0\r\n\r\n",
                 NULL);
    CHECK(err.code == WR_E_UNAVAILABLE && err.retry_after_ms == 3000);
}

/* ---- connections that do not come to be ---- */

TEST(nobody_listens)
{
    struct wr_error err = {0};
    char where[32];

    set_up((const char *const[]){"A", NULL});
    snprintf(where, sizeof where, "127.0.0.1:%d", server.port);
    fake_close(&server);
    CHECK_INT(fake_request(transport, "GET", &err), -WR_E_UNAVAILABLE);
    CHECK(strstr(err.msg, where) && strstr(err.msg, "refused"));
    CHECK_INT(err.os_errno, ECONNREFUSED);
    tear_down();
}

TEST(a_name_leads_to_addresses_in_turn)
{
    server.scripts = (const char *const[]){"A", NULL};
    /* [::1] may come first, where nobody listens. */
    transport = fake_transport(&server, "localhost", 0);
    CHECK_INT(request("GET"), 0);
    tear_down();
}

TEST(a_name_that_leads_nowhere)
{
    struct wr_error err = {0};

    server.scripts = (const char *const[]){"A", NULL};
    transport = fake_transport(&server, "nowhere.invalid", 3000);
    CHECK_INT(fake_request(transport, "GET", &err), -WR_E_UNAVAILABLE);
    CHECK(strstr(err.msg, "nowhere.invalid:") && strstr(err.msg, "name"));
    tear_down();
}

TEST(a_host_that_does_not_answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct wr_error err = {0};
    int full[8];

    server.scripts = (const char *const[]){"A", NULL};
    transport = fake_transport(&server, "127.0.0.1", 150);
    /* The kernel drops what comes beyond a backlog. */
    wr_source_remove(&server.source);
    CHECK(listen(server.fd, 0) == 0);
    address.sin_port = htons((uint16_t)server.port);
    for (size_t i = 0; i < WR_ARRAY_SIZE(full); i++) {
        full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(full[i], (struct sockaddr *)&address, sizeof address);
    }
    CHECK_INT(fake_request(transport, "GET", &err), -WR_E_UNAVAILABLE);
    CHECK(strstr(err.msg, "150 ms"));
    for (size_t i = 0; i < WR_ARRAY_SIZE(full); i++)
        wr_close(full[i]);
    tear_down();
}

/* ---- the end ---- */

TEST(a_token_ends_a_wait)
{
    struct wr_error err = {0};
    int token = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    set_up((const char *const[]){"A", NULL});
    CHECK_INT(wr_transport_watch_cancel(transport, token, &err), 0);
    CHECK_INT(request("GET"), 0);
    CHECK(eventfd_write(token, 1) == 0);
    CHECK_INT(request("GET"), -WR_E_CANCELED);
    CHECK_INT(request("GET"), -WR_E_CANCELED);
    CHECK_INT(wr_transport_watch_cancel(transport, token, &err), 0);
    CHECK_INT(wr_transport_step(transport, 1000, &err), -WR_E_CANCELED);
    CHECK_INT(wr_transport_watch_cancel(transport, -1, &err), 0);
    CHECK_INT(request("GET"), 0);
    wr_close(token);
    tear_down();
}

static void expect_canceled(struct wr_transport_call *call, const struct wr_error *error,
                            void *data)
{
    (void)call;
    CHECK(error && error->code == WR_E_CANCELED);
    (*(unsigned *)data)++;
}

TEST(calls_end_with_their_transport)
{
    static const struct wr_transport_ops ops = {.on_end = expect_canceled};
    const struct wr_transport_request get = {.method = "GET", .target = "/"};
    struct wr_transport_call *call = NULL;
    struct wr_error err = {0};
    unsigned ended = 0;

    server.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no";
    set_up((const char *const[]){"A", NULL});
    CHECK_INT(wr_transport_begin(transport, &get, &ops, &ended, NULL, &err), 0);
    while (server.requests == 0)
        CHECK_INT(wr_transport_step(transport, 1000, &err), 0);
    CHECK_INT(wr_transport_step(transport, 10, &err), 0);
    /* One that is still connecting, and one that is given up while it is. */
    CHECK_INT(wr_transport_begin(transport, &get, &ops, &ended, NULL, &err), 0);
    CHECK_INT(wr_transport_begin(transport, &get, &ops, &ended, &call, &err), 0);
    wr_transport_cancel(call);
    fake_close(&server);
    transport = wr_transport_free(transport);
    CHECK_INT(ended, 2);
}
