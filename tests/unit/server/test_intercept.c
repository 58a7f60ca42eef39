/* Requests through intercepted connections: what reaches the server, what is refused, and how
 * either side's end reaches the other. */
#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include "base/str.h"
#include "intercept_scene.h"
#include "test.h"

#define GET(path, host) "GET " path " HTTP/1.1\r\nHost: " host "\r\n\r\n"

static const char rules[] =
    "{\"rules\":{\"api.test\":[{\"transform\":{\"headers\":{"
    "\"Authorization\":\"Bearer ${e2b.secrets.token}\",\"X-Plain\":\"one\"}}}],"
    "\"missing.test\":[{\"transform\":{\"headers\":{\"X-A\":\"${e2b.secrets.none}\"}}}]}}";

/* ---- with TLS ---- */

static void play_headers(const struct scene *s, int fd)
{
    SSL *ssl = client_shake(s, fd, "api.test");
    const unsigned char *protocol = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(ssl, &protocol, &len);
    if (len != 8 || memcmp(protocol, "http/1.1", 8) != 0)
        client_fail("another protocol");
    client_say(ssl, "GET / HTTP/1.1\r\nHost: api.test\r\nauthorization: mine\r\nX-Plain: mine\r\n"
                    "X-Own: kept\r\n\r\n");
    const char *text = client_until(ssl, "X-Plain=one\n");
    if (!strstr(text, "Authorization=Bearer " SCENE_SECRET "\n") || strstr(text, "mine") ||
        !strstr(text, "X-Own=kept") || !strstr(text, "Host=api.test"))
        client_fail("fields: %s", text);
    /* Further requests take the same way. */
    for (int i = 0; i < 20; i++)
        client_expect(ssl, GET("/", "api.test"), "X-Plain=one\n", SCENE_SECRET);
    client_bye(ssl, fd);
}

TEST(fields_are_set_and_replaced)
{
    struct scene s;

    scene_start(&s, true, rules);
    scene_run(&s, "api.test", true, play_headers);
    CHECK_STR(s.reason, "closed");
    scene_expect_event(&s, "allow transform api.test | GET 200");
    CHECK_INT(s.counters.requests_allowed, 21);
    CHECK_INT(scene_dials, 1);
    scene_stop(&s);
}

static void play_hosts(const struct scene *s, int fd)
{
    SSL *ssl = client_shake(s, fd, "api.test");

    client_expect(ssl, GET("/", "evil.test"), "\n", "HTTP/1.1 421 ");
    client_expect(ssl, GET("/", "api.test"), "X-Plain=one\n", SCENE_SECRET);
    client_expect(ssl, "CONNECT evil.test:443 HTTP/1.1\r\nHost: api.test\r\n\r\n", "CONNECT",
                  " 501 ");
    client_bye(ssl, fd);
}

/* Its answer would be the request, with what only the server may see. */
static void play_trace(const struct scene *s, int fd)
{
    SSL *ssl = client_shake(s, fd, "api.test");

    client_expect(ssl, "TRACE /echo HTTP/1.1\r\nHost: api.test\r\n\r\n", "not supported\n",
                  " 405 ");
    client_expect(ssl, GET("/", "api.test"), "X-Plain=one\n", SCENE_SECRET);
    client_bye(ssl, fd);
}

TEST(requests_that_come_back_are_refused)
{
    struct scene s;

    scene_start(&s, true, rules);
    scene_run(&s, "api.test", true, play_trace);
    scene_expect_event(&s, "deny TRACE is not supported | TRACE 405");
    CHECK_INT(scene_dials, 1);
    scene_stop(&s);
}

TEST(another_host_and_connect_are_refused)
{
    struct scene s;

    scene_start(&s, true, rules);
    scene_run(&s, "api.test", true, play_hosts);
    scene_expect_event(&s, "deny Host evil.test is not api.test | GET 421");
    scene_expect_event(&s, "deny CONNECT is not supported | 501");
    scene_expect_event(&s, "allow transform api.test | GET 200");
    CHECK_INT(s.counters.requests_denied, 2);
    scene_stop(&s);
}

static void play_missing(const struct scene *s, int fd)
{
    SSL *ssl = client_shake(s, fd, "missing.test");

    client_expect(ssl, GET("/", "missing.test"), "missing.test: ", " 502 ");
    client_bye(ssl, fd);
}

/* The server's certificate is of another name; nothing of the request reaches it. */
TEST(a_server_that_is_not_the_one_is_refused)
{
    struct scene s;

    scene_start(&s, true, rules);
    scene_run(&s, "missing.test", true, play_missing);
    scene_expect_event(&s, "GET 502 the certificate is not valid for missing.test");
    scene_stop(&s);
}

static void play_refused(const struct scene *s, int fd)
{
    SSL *ssl = client_shake(s, fd, "api.test");

    client_expect(ssl, GET("/", "api.test"), "refused", " 502 ");
    client_bye(ssl, fd);
}

TEST(a_server_that_is_not_there)
{
    struct scene s;

    scene_start(&s, true, rules);
    scene_port = 0;
    scene_run(&s, "api.test", true, play_refused);
    scene_expect_event(&s, "GET 502 connect");
    scene_stop(&s);
}

static void play_secretless(const struct scene *s, int fd)
{
    SSL *ssl = client_shake(s, fd, "api.test");

    client_expect(ssl, GET("/", "api.test"), "does not exist", " 502 ");
    client_bye(ssl, fd);
}

TEST(a_secret_that_is_not_there_is_named)
{
    struct scene s;
    struct wr_error err = {0};

    scene_start(&s, true, rules);
    CHECK_INT(wr_store_secret_remove(s.store.store, s.team.id, "token", &err), 0);
    scene_run(&s, "api.test", true, play_secretless);
    scene_expect_event(&s, "GET 502 the secret 'token' does not exist");
    scene_stop(&s);
}

static void play_stranger(const struct scene *s, int fd)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    (void)s;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL *ssl = SSL_new(context);
    if (!SSL_set_fd(ssl, fd) || !SSL_set_tlsext_host_name(ssl, "api.test") || SSL_connect(ssl) == 1)
        client_fail("it trusts");
    client_bye(ssl, fd);
}

TEST(a_client_that_does_not_trust_the_authority)
{
    struct scene s;

    scene_start(&s, true, rules);
    scene_run(&s, "api.test", true, play_stranger);
    CHECK(strstr(s.reason, "handshake failed") && strstr(s.reason, "unknown ca"));
    CHECK_INT(scene_dials, 0);
    scene_stop(&s);
}

static void play_other_sni(const struct scene *s, int fd)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    char byte;

    (void)s;
    if (!SSL_set_fd(ssl, fd) || !SSL_set_tlsext_host_name(ssl, "evil.test"))
        client_fail("no session");
    if (SSL_connect(ssl) == 1 && SSL_read(ssl, &byte, 1) > 0)
        client_fail("it is served");
    client_bye(ssl, fd);
}

TEST(another_server_name_is_refused)
{
    struct scene s;

    scene_start(&s, true, rules);
    scene_run(&s, "api.test", true, play_other_sni);
    scene_expect_event(&s, "deny SNI evil.test is not api.test | 421");
    scene_stop(&s);
}

static void play_large(const struct scene *s, int fd)
{
    static char junk[65536];
    SSL *ssl = client_shake(s, fd, "api.test");
    size_t total = 0, sent = 0;

    client_say(ssl, GET("/large", "api.test"));
    while (total < SCENE_LARGE) {
        int n = SSL_read(ssl, junk, sizeof junk);
        if (n <= 0)
            client_fail("cut after %zu bytes", total);
        total += (size_t)n;
    }
    /* What is behind the body's length belongs to the head. */
    client_say(ssl, "POST /echo HTTP/1.1\r\nHost: api.test\r\nExpect: 100-continue\r\n"
                    "Content-Length: 100000\r\n\r\n");
    (void)client_until(ssl, "100 Continue\r\n\r\n");
    memset(junk, 'x', sizeof junk);
    while (sent < 100000) {
        int n = SSL_write(ssl, junk, (int)WR_MIN(sizeof junk, 100000 - sent));
        if (n <= 0)
            client_fail("the body is not taken");
        sent += (size_t)n;
    }
    const char *tail = "0\r\n\r\n";
    char text[8] = "";
    while (memcmp(text, tail, 5) != 0) {
        memmove(text, text + 1, 4);
        if (SSL_read(ssl, text + 4, 1) != 1)
            client_fail("no end of the echo");
    }
    client_expect(ssl, "HEAD / HTTP/1.1\r\nHost: api.test\r\n\r\n", "\r\n\r\n", " 200 ");
    client_bye(ssl, fd);
}

TEST(bodies_stream_both_ways)
{
    struct scene s;

    scene_start(&s, true, rules);
    scene_run(&s, "api.test", true, play_large);
    CHECK_STR(s.reason, "closed");
    scene_expect_event(&s, "POST 200");
    scene_expect_event(&s, "HEAD 200");
    scene_stop(&s);
}

static void play_close(const struct scene *s, int fd)
{
    SSL *ssl = client_shake(s, fd, "api.test");
    char byte;
    int n;

    client_expect(ssl, GET("/close", "api.test"), "bye", " 200 ");
    /* A server that closes costs a further connection, not the client's. */
    client_expect(ssl, GET("/", "api.test"), "X-Plain=one\n", " 200 ");
    client_say(ssl, GET("/cut", "api.test"));
    (void)client_until(ssl, "part");
    while ((n = SSL_read(ssl, &byte, 1)) > 0)
        continue;
    if (SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN)
        client_fail("a cut body looks whole");
    SSL_free(ssl);
    close(fd);
}

TEST(servers_that_close_and_cut)
{
    struct scene s;

    scene_start(&s, true, rules);
    scene_run(&s, "api.test", true, play_close);
    scene_expect_event(&s, "GET 200 cut");
    CHECK_INT(scene_dials, 2);
    scene_stop(&s);
}

static void play_upgrade(const struct scene *s, int fd)
{
    SSL *ssl = client_shake(s, fd, "api.test");

    client_expect(ssl,
                  "GET /upgrade HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\n"
                  "Upgrade: websocket\r\n\r\n",
                  "\r\n\r\n", " 101 ");
    for (int i = 0; i < 3; i++) {
        client_say(ssl, "polly");
        (void)client_until(ssl, "polly");
    }
    client_bye(ssl, fd);
}

TEST(upgrades_leave_http)
{
    struct scene s;

    scene_start(&s, true, rules);
    scene_run(&s, "api.test", true, play_upgrade);
    scene_expect_event(&s, "allow transform api.test | GET 101");
    scene_stop(&s);
}

/* ---- without TLS ---- */

static void put(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        client_fail("cannot write");
}

static const char *plain_until_end(int fd)
{
    static char text[65536];
    size_t len = 0;
    ssize_t n;

    while ((n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    if (n < 0)
        client_fail("read: %d", errno);
    text[len] = '\0';
    return text;
}

/* It ends its stream behind its request and still gets the answer. */
static void play_plain(const struct scene *s, int fd)
{
    (void)s;
    put(fd, GET("/", "api.test"));
    (void)shutdown(fd, SHUT_WR);
    const char *text = plain_until_end(fd);
    if (!strstr(text, " 200 ") || !strstr(text, "X-Plain=one") || strstr(text, SCENE_SECRET))
        client_fail("answer: %s", text);
}

TEST(plain_requests_get_no_secrets)
{
    struct scene s;

    scene_start(&s, false, rules);
    scene_run(&s, "api.test", false, play_plain);
    CHECK_STR(s.reason, "closed");
    scene_expect_event(&s, "allow transform api.test | GET 200");
    scene_stop(&s);
}

static void play_fronting(const struct scene *s, int fd)
{
    (void)s;
    put(fd, GET("/", "free.test") GET("/", "evil.test"));
    (void)shutdown(fd, SHUT_WR);
    const char *text = plain_until_end(fd);
    if (!strstr(text, " 200 ") || !strstr(text, " 421 "))
        client_fail("answers: %s", text);
}

TEST(later_requests_are_checked_too)
{
    struct scene s;

    scene_start(&s, false, rules);
    scene_run(&s, "free.test", false, play_fronting);
    scene_expect_event(&s, "allow host free.test | GET 200");
    scene_expect_event(&s, "deny Host evil.test is not free.test | GET 421");
    scene_stop(&s);
}

/* ---- the end from our side ---- */

static void play_waiting(const struct scene *s, int fd)
{
    SSL *ssl = client_shake(s, fd, "api.test");
    char byte;

    client_say(ssl, "POST /echo HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\n");
    (void)client_until(ssl, "abc");
    if (SSL_read(ssl, &byte, 1) > 0)
        client_fail("more");
    SSL_free(ssl);
    close(fd);
}

static bool cut_when_seen(struct scene *s)
{
    if (s->it && scene_dials > 0 && wr_net_log_last(s->log) == 0) {
        static unsigned rounds;
        if (++rounds == 50)
            s->it = wr_intercepted_cut(s->it);
    }
    return scene_client_left(s);
}

TEST(a_connection_can_be_cut_at_any_time)
{
    struct scene s;

    scene_start(&s, true, rules);
    scene_begin(&s, "api.test", true, play_waiting);
    scene_wait(&s, cut_when_seen);
    CHECK(s.client < 0 && !s.it);
    scene_expect_event(&s, "POST 200 cut");
    CHECK_STR(s.reason, "");
    scene_stop(&s);
}
