/* Who may call a running agent, from where. */
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/fs/signature.h"
#include "base/clock.h"
#include "base/fd.h"
#include "live.h"
#include "test.h"

#define TOKEN     "0123456789abcdef"
#define HAS_TOKEN "X-Access-Token: " TOKEN

static const char *const right[] = {HAS_TOKEN, "Content-Type: application/octet-stream", NULL};
static const char *const wrong[] = {"X-Access-Token: 0123456789abcdeF",
                                    "Content-Type: application/octet-stream", NULL};
static const char *const none[] = {"Content-Type: application/octet-stream", NULL};

static void request(struct live *live, const char *method, const char *target,
                    const char *const *headers, int status, const char *text)
{
    struct reply reply;
    bool posts = method[0] == 'P';
    live_request(live, &reply, method, target, headers, posts ? "{}" : NULL, posts ? 2 : 0);
    if (reply.status != status || (text && !strstr(wr_buf_cstr(&reply.body), text)))
        wr_test_fail(__FILE__, __LINE__, "%s %s: %d %s", method, target, reply.status,
                     wr_buf_cstr(&reply.body));
    reply_done(&reply);
}

TEST(everything_but_health_wants_the_token)
{
    static const char denied[] =
        "{\"code\":401,\"message\":\"unauthorized access, please provide a valid access token or "
        "method signing if supported\"}\n";
    static const struct {
        const char *method, *path;
    } routes[] = {
        {"GET", "/envs"},
        {"GET", "/metrics"},
        {"GET", "/logs"},
        {"GET", "/nothing"},
        {"POST", "/files/compose"},
        {"POST", "/health"},
        {"PUT", "/files"},
        {"POST", "/process.Process/List"},
        {"POST", "/process.Process/Start"},
        {"OPTIONS", "/envs"},
    };
    auto_live live = {0};
    live_start_with(&live, TOKEN);
    request(&live, "GET", "/health", NULL, 204, NULL);
    request(&live, "GET", "/health", wrong, 204, NULL);
    for (size_t i = 0; i < WR_ARRAY_SIZE(routes); i++) {
        request(&live, routes[i].method, routes[i].path, none, 401, denied);
        request(&live, routes[i].method, routes[i].path, wrong, 401, denied);
    }
    request(&live, "GET", "/envs", right, 200, "GLOBAL");
    request(&live, "GET", "/nothing", right, 404, NULL);
    static const char *const rpc[] = {HAS_TOKEN, "Content-Type: application/json", NULL};
    request(&live, "POST", "/process.Process/List", rpc, 200, NULL);
}

TEST(without_a_token_anybody_may)
{
    auto_live live = {0};
    live_start(&live);
    request(&live, "GET", "/envs", NULL, 200, NULL);
    request(&live, "GET", "/envs", wrong, 200, NULL);
    request(&live, "POST", "/files?path=a&signature=x&signature_expiration=1", wrong, 200, NULL);
}

static const char *signed_target(const char *path, const char *operation, const char *user,
                                 const int64_t *expires)
{
    static char target[512];
    char signature[WR_SIGNATURE_LEN + 1];
    const struct wr_signed_link link = {path, operation, user, expires};
    int n;

    wr_signature(&link, TOKEN, signature);
    /* '+' in a query is a blank. */
    char encoded[3 * WR_SIGNATURE_LEN + 1] = "";
    for (size_t i = 0, at = 0; signature[i]; i++)
        at += (size_t)snprintf(encoded + at, sizeof(encoded) - at,
                               signature[i] == '+' ? "%%2B" : "%c", signature[i]);
    n = snprintf(target, sizeof(target), "/files?path=%s&username=%s&signature=%s", path, user,
                 encoded);
    if (expires)
        snprintf(target + n, sizeof(target) - (size_t)n, "&signature_expiration=%lld",
                 (long long)*expires);
    return target;
}

TEST(links_to_files)
{
    const int64_t now = (int64_t)(wr_wall_ms() / 1000), later = now + 100, past = now - 5;
    auto_live live = {0};
    live_start_with(&live, TOKEN);

    request(&live, "POST", "/files?path=a.txt", none, 401, "missing signature query parameter");
    request(&live, "POST", "/files?path=a.txt", wrong, 401,
            "access token present in header but does not match");
    request(&live, "POST", "/files?path=a.txt&signature=v1_x", none, 401, "invalid signature");
    request(&live, "GET", "/files?path=a.txt", right, 404, NULL); /* nothing was written */
    request(&live, "POST", "/files?path=a.txt", right, 200, NULL);
    request(&live, "GET", "/files?path=a.txt", right, 200, "{}");
    request(&live, "GET", "/files?path=a.txt", NULL, 401, "missing signature");

    request(&live, "POST", signed_target("b.txt", "write", "user", NULL), none, 200, NULL);
    request(&live, "GET", signed_target("b.txt", "read", "user", NULL), NULL, 200, "{}");
    request(&live, "GET", signed_target("b.txt", "read", "", NULL), NULL, 200, "{}");
    request(&live, "GET", signed_target("b.txt", "write", "user", NULL), NULL, 401,
            "invalid signature");
    request(&live, "GET", signed_target("b.txt", "read", "user", &later), NULL, 200, "{}");
    request(&live, "GET", signed_target("b.txt", "read", "user", &past), NULL, 401,
            "signature is already expired");
    /* the token in the header goes before the link, right or wrong */
    request(&live, "GET", signed_target("b.txt", "read", "user", &past), right, 200, "{}");
    request(&live, "GET", signed_target("b.txt", "read", "user", NULL), wrong, 401,
            "does not match");
    /* a link is for its path, user and time */
    char other[600];
    snprintf(other, sizeof(other), "%s", signed_target("b.txt", "read", "user", &past));
    *strstr(other, "&signature_expiration=") = '\0';
    size_t len = strlen(other);
    snprintf(other + len, sizeof(other) - len, "&signature_expiration=99999999999");
    request(&live, "GET", other, NULL, 401, "invalid signature");
    request(&live, "GET", "/files?path=b.txt&signature=x&signature_expiration=soon", NULL, 400,
            "signature_expiration");
    /* before anything about the file or the user is told */
    request(&live, "GET", "/files?path=missing&username=nobody-here", NULL, 401,
            "missing signature");
}

/* A client that still sends would see a broken connection. */
TEST(a_refused_upload_is_answered_when_it_is_over)
{
    static const char *const targets[] = {"/files?path=a", "/files?path=a&username=nobody-here",
                                          "/files?path=~other/a"};
    const size_t len = 8 * WR_MIB;
    auto_live live = {0};
    struct reply reply;
    char *body = calloc(1, len);
    CHECK(body != NULL);
    live_start_with(&live, TOKEN);
    for (size_t i = 0; i < WR_ARRAY_SIZE(targets); i++) {
        live_request(&live, &reply, "POST", targets[i], i == 0 ? wrong : right, body, len);
        CHECK(!reply.failed);
        CHECK_INT(reply.status, i == 2 ? 400 : 401);
        reply_done(&reply);
    }
    free(body);
}

/* Somebody without the token must not hold connections for ever. */
TEST(a_refused_upload_without_end_is_answered_in_time)
{
    static const char request[] = "POST /files?path=a HTTP/1.1\r\nHost: x\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
    auto_live live = {0};
    char got[64] = "";
    live_start_with(&live, TOKEN);
    wr_auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)live.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_INT(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    CHECK_INT(write(fd, request, sizeof(request) - 1), (ssize_t)sizeof(request) - 1);
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    CHECK_INT(poll(&pollfd, 1, LIVE_WAIT_MS), 1);
    CHECK(read(fd, got, sizeof(got) - 1) > 0);
    CHECK(strncmp(got, "HTTP/1.1 401 ", 13) == 0);
}

TEST(pages_from_anywhere_may_call)
{
    static const char *const preflight[] = {
        "Origin: https://example.com", "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: x-access-token, foo", NULL};
    static const char *const page[] = {"Origin: https://example.com", NULL};
    auto_live live = {0};
    struct reply reply;
    live_start_with(&live, TOKEN);

    live_request(&live, &reply, "OPTIONS", "/process.Process/Start", preflight, NULL, 0);
    CHECK_INT(reply.status, 204);
    CHECK(strstr(reply.headers, "Access-Control-Allow-Origin: *\n") != NULL);
    CHECK(strstr(reply.headers,
                 "Access-Control-Allow-Methods: HEAD, GET, POST, PUT, PATCH, DELETE\n") != NULL);
    CHECK(strstr(reply.headers, "Access-Control-Allow-Headers: x-access-token, foo\n") != NULL);
    CHECK(strstr(reply.headers, "Access-Control-Max-Age: 7200\n") != NULL);
    reply_done(&reply);

    /* every answer: plain, an error, and what the codec says by itself is left out */
    static const char *const targets[] = {"/health", "/envs", "/files?path=x"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(targets); i++) {
        live_request(&live, &reply, "GET", targets[i], page, NULL, 0);
        CHECK(strstr(reply.headers, "Access-Control-Allow-Origin: *\n") != NULL);
        CHECK(strstr(reply.headers, "Access-Control-Expose-Headers: ") != NULL);
        CHECK(strstr(reply.headers, "X-Content-Type-Options\n") != NULL);
        reply_done(&reply);
    }
    live_request(&live, &reply, "GET", "/health", NULL, NULL, 0);
    CHECK(strstr(reply.headers, "Access-Control") == NULL);
    CHECK(strstr(reply.headers, "Vary: Origin\n") != NULL);
    reply_done(&reply);
}

TEST(streams_have_the_fields_too)
{
    static const char *const headers[] = {"Origin: null", "Content-Type: application/connect+json",
                                          HAS_TOKEN, NULL};
    static const char message[] = "{\"process\":{\"cmd\":\"true\"}}";
    char body[5 + sizeof(message)] = {0, 0, 0, 0, sizeof(message) - 1};
    auto_live live = {0};
    struct reply reply;
    memcpy(body + 5, message, sizeof(message));
    live_start_with(&live, TOKEN);
    live_request(&live, &reply, "POST", "/process.Process/Start", headers, body,
                 5 + sizeof(message) - 1);
    CHECK_INT(reply.status, 200);
    CHECK(strstr(reply.headers, "application/connect+json") != NULL);
    CHECK(strstr(reply.headers, "Access-Control-Allow-Origin: *\n") != NULL);
    reply_done(&reply);
}
