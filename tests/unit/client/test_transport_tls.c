#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "fake_server.h"
#include "test.h"
#include "tls/certificate.h"
#include "tls/context.h"

static struct fake_server server;
static struct wr_transport *transport;

/* An authority that OpenSSL trusts in this process, and the server's certificate of it. */
static void set_up(const char *names, const char *host, const char *const *scripts)
{
    static const char path[] = "/tmp/wr-transport-tls.pem";
    const struct wr_certificate_spec root = {.common_name = "test authority", .days = 1};
    wr_auto_cert *ca = NULL, *cert = NULL;
    wr_auto_cert_key *ca_key = NULL, *key = NULL;
    wr_auto_buf pem = WR_BUF(65536), key_pem = WR_BUF(65536);
    struct wr_error err = {0};
    char file[64];

    snprintf(file, sizeof file, "%s.%d", path, (int)getpid());
    CHECK_INT(wr_certificate_make(&root, &ca, &ca_key, &err), 0);
    const struct wr_certificate_spec leaf = {
        .common_name = "test", .days = 1, .alt_names = names, .issuer = ca, .issuer_key = ca_key};
    CHECK_INT(wr_certificate_make(&leaf, &cert, &key, &err), 0);
    CHECK_INT(wr_certificate_write(ca, ca_key, &pem, &key_pem, &err), 0);
    FILE *out = fopen(file, "w");
    CHECK(out && fwrite(wr_buf_ptr(&pem), 1, pem.len, out) == pem.len && fclose(out) == 0);
    CHECK(setenv("SSL_CERT_FILE", file, 1) == 0);
    CHECK_INT(wr_tls_context_of(cert, key, &server.tls, &err), 0);
    server.scripts = scripts;
    transport = fake_transport(&server, host, 2000);
}

static void tear_down(void)
{
    fake_close(&server);
    transport = wr_transport_free(transport);
    SSL_CTX_free(server.tls);
    unlink(getenv("SSL_CERT_FILE"));
}

TEST(a_server_by_name)
{
    struct wr_error err = {0};

    set_up("DNS:localhost", "localhost", (const char *const[]){"AAA", NULL});
    for (int i = 0; i < 3; i++)
        CHECK_INT(fake_request(transport, "POST", &err), 0);
    CHECK_INT(server.connections, 1);
    CHECK(strstr(server.last, "\r\nX-API-KEY: " FAKE_KEY "\r\n"));
    tear_down();
}

TEST(a_server_by_address)
{
    struct wr_error err = {0};

    set_up("IP:127.0.0.1", "127.0.0.1", (const char *const[]){"A", NULL});
    CHECK_INT(fake_request(transport, "GET", &err), 0);
    tear_down();
}

TEST(a_certificate_for_another_name)
{
    struct wr_error err = {0};

    set_up("DNS:other.test", "localhost", (const char *const[]){"A", NULL});
    CHECK_INT(fake_request(transport, "GET", &err), -WR_E_UNAVAILABLE);
    CHECK(strstr(err.msg, "localhost") && strstr(err.msg, "certificate"));
    CHECK_INT(server.requests, 0);
    tear_down();
}

TEST(a_certificate_for_a_name_is_none_for_an_address)
{
    struct wr_error err = {0};

    set_up("DNS:localhost", "127.0.0.1", (const char *const[]){"A", NULL});
    CHECK_INT(fake_request(transport, "GET", &err), -WR_E_UNAVAILABLE);
    CHECK(strstr(err.msg, "certificate"));
    tear_down();
}

TEST(an_authority_that_is_not_trusted)
{
    struct wr_error err = {0};
    const char *file = NULL;

    set_up("DNS:localhost", "localhost", (const char *const[]){"A", NULL});
    file = getenv("SSL_CERT_FILE");
    CHECK(truncate(file, 0) == 0);
    CHECK_INT(fake_request(transport, "GET", &err), -WR_E_UNAVAILABLE);
    CHECK(strstr(err.msg, "localhost") && strstr(err.msg, "SSL_CERT_FILE"));
    tear_down();
}

TEST(an_idle_connection_that_was_closed)
{
    struct wr_error err = {0};

    set_up("DNS:localhost", "localhost", (const char *const[]){"A|", NULL});
    for (unsigned i = 0; i < 3; i++) {
        CHECK_INT(fake_request(transport, "POST", &err), 0);
        CHECK_INT(server.connections, i + 1);
        /* Until the server has said goodbye. */
        while (server.sessions.count > 0)
            CHECK_INT(wr_transport_step(transport, 1000, &err), 0);
    }
    tear_down();
}

TEST(a_get_is_repeated)
{
    struct wr_error err = {0};

    set_up("DNS:localhost", "localhost", (const char *const[]){"AC", "A", NULL});
    CHECK_INT(fake_request(transport, "GET", &err), 0);
    CHECK_INT(fake_request(transport, "GET", &err), 0);
    CHECK_INT(server.connections, 2);
    tear_down();
}

struct switched {
    int fd;
    char rest[64];
};

static void on_switched(struct wr_transport_call *call, const struct wr_h1_head *head, void *data)
{
    struct switched *switched = data;
    wr_auto_buf rest = WR_BUF(65536), out = WR_BUF(65536);

    CHECK_INT(head->status, 101);
    switched->fd = wr_transport_hijack(call, &rest, &out);
    CHECK(switched->fd >= 0 && out.len == 0);
    snprintf(switched->rest, sizeof switched->rest, "%.*s", (int)rest.len, wr_buf_ptr(&rest));
}

static void never(struct wr_transport_call *call, const struct wr_error *error, void *data)
{
    (void)call;
    (void)data;
    wr_test_fail(__FILE__, __LINE__, "%s", error ? error->msg : "it ended");
}

TEST(a_connection_that_is_taken_over)
{
    static const struct wr_transport_ops ops = {.on_head = on_switched, .on_end = never};
    const struct wr_transport_request get = {.method = "GET", .target = "/", .upgrade = "raw"};
    struct switched switched = {.fd = -1};
    struct wr_error err = {0};
    char more[8] = "";

    server.answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                    "Upgrade: raw\r\n\r\nhello";
    set_up("DNS:localhost", "localhost", (const char *const[]){"AA", NULL});
    CHECK_INT(wr_transport_begin(transport, &get, &ops, &switched, NULL, &err), 0);
    while (switched.fd < 0)
        CHECK_INT(wr_transport_step(transport, 1000, &err), 0);
    CHECK_STR(switched.rest, "hello");
    /* TLS goes on underneath. */
    CHECK(send(switched.fd, "x\r\n\r\n", 5, MSG_NOSIGNAL) == 5);
    while (recv(switched.fd, more, 4, MSG_DONTWAIT) < 0)
        CHECK_INT(wr_transport_step(transport, 1000, &err), 0);
    CHECK_STR(more, "HTTP");
    wr_close(switched.fd);
    while (server.open > 0)
        CHECK_INT(wr_transport_step(transport, 1000, &err), 0);
    tear_down();
}

/* Something that listens and is silent. */
TEST(a_handshake_that_does_not_end)
{
    struct wr_error err = {0};

    set_up("DNS:localhost", "localhost", (const char *const[]){"A", NULL});
    wr_source_remove(&server.source);
    wr_transport_free(transport);
    wr_close(server.fd);
    transport = fake_transport(&server, "127.0.0.1", 150);
    wr_source_remove(&server.source);
    CHECK_INT(fake_request(transport, "GET", &err), -WR_E_UNAVAILABLE);
    CHECK(strstr(err.msg, "handshake"));
    tear_down();
}

/* Speaks no TLS at all. */
TEST(a_plain_server)
{
    struct wr_error err = {0};
    SSL_CTX *tls = NULL;

    set_up("DNS:localhost", "localhost", (const char *const[]){"A", NULL});
    tls = server.tls;
    server.tls = NULL;
    CHECK_INT(fake_request(transport, "GET", &err), -WR_E_UNAVAILABLE);
    CHECK(strstr(err.msg, "no connection to localhost"));
    server.tls = tls;
    tear_down();
}
