/* The TLS terminator in front of an HTTP server, in a process of its own; the clients are
 * OpenSSL's. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "server/tls/terminator.h"
#include "test.h"
#include "tls/context.h"

#define MAX_CONNECTIONS      8
#define HANDSHAKE_TIMEOUT_MS 300
#define LARGE                ((size_t)24 * 1024 * 1024)

/* ---- certificates ---- */

struct pair {
    char cert[4096], key[4096];
};

static void copy_bio(BIO *bio, char *out, size_t cap)
{
    int n = BIO_read(bio, out, (int)cap - 1);
    CHECK(n > 0);
    out[n] = '\0';
    BIO_free(bio);
}

static struct pair make_pair(void)
{
    struct pair pair;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);

    CHECK(key && cert && X509_set_version(cert, 2));
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1));
    CHECK(X509_gmtime_adj(X509_getm_notBefore(cert), 0));
    CHECK(X509_gmtime_adj(X509_getm_notAfter(cert), 3600));
    CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1,
                                     -1, 0));
    CHECK(X509_set_issuer_name(cert, name) && X509_set_pubkey(cert, key));
    CHECK(X509_sign(cert, key, EVP_sha256()));
    BIO *out = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_X509(out, cert));
    copy_bio(out, pair.cert, sizeof pair.cert);
    out = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL));
    copy_bio(out, pair.key, sizeof pair.key);
    X509_free(cert);
    EVP_PKEY_free(key);
    return pair;
}

TEST(check_tells_what_is_wrong)
{
    static struct pair pair, other;
    static char twice[8192];
    struct wr_error err = {0};

    pair = make_pair();
    other = make_pair();
    CHECK_INT(wr_tls_check(pair.cert, pair.key, &err), 0);
    snprintf(twice, sizeof twice, "%s%s", pair.cert, other.cert);
    CHECK_INT(wr_tls_check(twice, pair.key, &err), 0);
    CHECK_INT(wr_tls_check(pair.cert, other.key, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "does not belong"));
    CHECK_INT(wr_tls_check("", pair.key, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "certificate is not readable"));
    CHECK_INT(wr_tls_check(pair.cert, "nonsense", &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "key is not readable"));
    snprintf(twice, sizeof twice,
             "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", pair.cert);
    CHECK_INT(wr_tls_check(twice, pair.key, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "intermediate"));
}

/* ---- the server ---- */

static void echo(struct wr_exchange *ex, const char *bytes, size_t len, void *data)
{
    (void)data;
    if (wr_exchange_write(ex, bytes, len) == WR_HTTP_FULL)
        wr_exchange_pause(ex, true);
}

static void echo_drain(struct wr_exchange *ex, void *data)
{
    (void)data;
    wr_exchange_pause(ex, false);
}

static void echo_end(struct wr_exchange *ex, void *data)
{
    (void)data;
    wr_exchange_end(ex);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    (void)ex;
    if (aborted)
        *(unsigned *)data += 1;
}

static void handle(struct wr_exchange *ex, void *data)
{
    static const struct wr_exchange_ops echo_ops = {
        .on_body = echo, .on_body_end = echo_end, .on_drain = echo_drain};
    static const struct wr_exchange_ops open_ops = {.on_close = on_close};
    static unsigned aborted;
    const char *path = wr_exchange_path(ex);
    char text[16];

    (void)data;
    if (wr_streq(path, "/echo")) {
        wr_exchange_set_ops(ex, &echo_ops, NULL);
        wr_exchange_begin(ex, 200);
        wr_exchange_stream(ex, -1);
    } else if (wr_streq(path, "/open") || wr_streq(path, "/cut")) {
        wr_exchange_set_ops(ex, &open_ops, &aborted);
        wr_exchange_begin(ex, 200);
        wr_exchange_stream(ex, -1);
        (void)wr_exchange_write(ex, "part", 4);
    } else if (wr_streq(path, "/aborted")) {
        snprintf(text, sizeof text, "%u", aborted);
        wr_exchange_reply(ex, 200, "text/plain", text, strlen(text));
    } else if (wr_streq(path, "/large")) {
        char *body = calloc(1, LARGE);
        wr_exchange_reply(ex, 200, "text/plain", body, LARGE);
        free(body);
    } else {
        wr_exchange_reply(ex, 200, "text/plain", path, strlen(path));
    }
    if (wr_streq(path, "/cut"))
        wr_exchange_abort(ex);
}

struct service {
    pid_t pid;
    uint16_t port;
};

static void serve(int fd, const struct pair *pair)
{
    struct wr_error err = {0};
    struct wr_loop *loop = NULL;
    struct wr_http_server *http = NULL;
    struct wr_tls_terminator *tls = NULL;
    const struct wr_http_server_opts opts = {
        .max_connections = 64, .handler = handle, .eof_aborts = true, .idle_timeout_ms = 600};
    const struct wr_tls_opts tls_opts = {.cert_pem = pair->cert,
                                         .key_pem = pair->key,
                                         .max_connections = MAX_CONNECTIONS,
                                         .handshake_timeout_ms = HANDSHAKE_TIMEOUT_MS};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    if (wr_loop_new(&loop, &err) == 0 && wr_http_server_new(loop, -1, &opts, &http, &err) == 0 &&
        wr_tls_terminator_new(loop, fd, http, &tls_opts, &tls, &err) == 0)
        (void)!wr_loop_run(loop, &err);
    _exit(1);
}

static struct service start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    struct pair pair = make_pair();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 64) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    signal(SIGPIPE, SIG_IGN);
    struct service service = {.pid = fork(), .port = ntohs(address.sin_port)};
    if (service.pid == 0)
        serve(fd, &pair);
    close(fd);
    return service;
}

static void stop(const struct service *service)
{
    int status = 0;

    kill(service->pid, SIGKILL);
    CHECK(waitpid(service->pid, &status, 0) == service->pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- clients ---- */

static int connect_to(const struct service *service)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(service->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval timeout = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0);
    return fd;
}

/* The session, or NULL when the handshake fails. `alpn` in wire form, may be NULL. */
static SSL *shake(int fd, int version, const char *alpn)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_security_level(context, 0);
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context);
    CHECK(ssl && SSL_set_fd(ssl, fd));
    if (alpn)
        CHECK(SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn)) == 0);
    if (SSL_connect(ssl) == 1)
        return ssl;
    ERR_clear_error();
    SSL_free(ssl);
    close(fd);
    return NULL;
}

static SSL *dial(const struct service *service)
{
    SSL *ssl = shake(connect_to(service), TLS1_3_VERSION, "\x02h2\x08http/1.1");

    CHECK(ssl);
    return ssl;
}

static void hang_up(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);

    SSL_free(ssl);
    close(fd);
}

static void ask(SSL *ssl, const char *method, const char *path, const char *fields)
{
    char text[512];

    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, path, fields);
    CHECK_INT(SSL_write(ssl, text, (int)strlen(text)), (int)strlen(text));
}

/* Reads until the text holds `end`. */
static const char *until(SSL *ssl, const char *end)
{
    static char text[16384];
    int len = 0;

    text[0] = '\0';
    while (!strstr(text, end)) {
        int n = SSL_read(ssl, text + len, (int)sizeof text - 1 - len);
        if (n <= 0)
            wr_test_fail(__FILE__, __LINE__, "no %s in: %s", end, text);
        len += n;
        text[len] = '\0';
    }
    return text;
}

enum end { CLEAN, CUT, RESET };

/* Reads to the end: how it came, and after how many bytes. */
static enum end end_of(SSL *ssl, size_t *ret_len)
{
    static char text[65536];
    int n;

    *ret_len = 0;
    errno = 0;
    while ((n = SSL_read(ssl, text, sizeof text)) > 0)
        *ret_len += (size_t)n;
    int error = errno, reason = SSL_get_error(ssl, n);
    ERR_clear_error();
    if (reason == SSL_ERROR_ZERO_RETURN)
        return CLEAN;
    return reason == SSL_ERROR_SYSCALL && error == ECONNRESET ? RESET : CUT;
}

/* Waits until the server has seen that many exchanges end early. */
static void expect_aborted(const struct service *service, char count)
{
    for (int i = 0; i < 1000; i++) {
        SSL *ssl = dial(service);
        ask(ssl, "GET", "/aborted", "");
        const char *text = until(ssl, "\r\n\r\n");
        bool seen = text[strlen(text) - 1] == count;
        hang_up(ssl);
        if (seen)
            return;
        (void)poll(NULL, 0, 20);
    }
    wr_test_fail(__FILE__, __LINE__, "not %c exchanges ended early", count);
}

TEST(requests_and_responses)
{
    struct service service = start();
    SSL *ssl = dial(&service);
    const unsigned char *protocol = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(ssl, &protocol, &len);
    CHECK(len == 8 && memcmp(protocol, "http/1.1", 8) == 0);
    for (int i = 0; i < 50; i++) {
        ask(ssl, "GET", "/some", "");
        CHECK(strstr(until(ssl, "/some"), "HTTP/1.1 200 "));
    }
    hang_up(ssl);
    stop(&service);
}

TEST(versions_and_protocols)
{
    static const struct {
        int version;
        const char *alpn;
        bool works;
    } rows[] = {
        {TLS1_3_VERSION, NULL, true},
        {TLS1_2_VERSION, NULL, true},
        {TLS1_2_VERSION, "\x08http/1.1", true},
        {TLS1_1_VERSION, NULL, false},
        {TLS1_VERSION, NULL, false},
        {TLS1_3_VERSION, "\x02h2", false},
    };
    struct service service = start();

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        SSL *ssl = shake(connect_to(&service), rows[i].version, rows[i].alpn);
        if (!ssl != !rows[i].works)
            wr_test_fail(__FILE__, __LINE__, "row %zu", i);
        if (ssl)
            hang_up(ssl);
    }
    stop(&service);
}

/* Both directions at once, more than all buffers hold. */
TEST(large_bodies)
{
    struct service service = start();
    SSL *ssl = dial(&service);
    static char chunk[65536 + 16];
    size_t got = 0;

    int head = snprintf(chunk, sizeof chunk, "10000\r\n");
    memset(chunk + head, 'x', 65536);
    memcpy(chunk + head + 65536, "\r\n", 2);
    int len = head + 65536 + 2;
    ask(ssl, "POST", "/echo", "Transfer-Encoding: chunked\r\nConnection: close\r\n");
    CHECK(fcntl(SSL_get_fd(ssl), F_SETFL, O_NONBLOCK) == 0);
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    size_t total = (size_t)len * 200, sent = 0;
    bool end = false;
    while (!end) {
        static char text[65536];
        struct pollfd pfd = {.fd = SSL_get_fd(ssl), .events = POLLIN};
        int n = 0;
        if (sent < total) {
            size_t offset = sent % (size_t)len;
            n = SSL_write(ssl, chunk + offset, len - (int)offset);
            sent += n > 0 ? (size_t)n : 0;
        } else if (sent == total) {
            n = SSL_write(ssl, "0\r\n\r\n", 5);
            sent += n == 5;
        }
        if (sent <= total)
            pfd.events |= POLLOUT;
        while ((n = SSL_read(ssl, text, sizeof text)) > 0)
            got += (size_t)n;
        end = SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN;
        CHECK(end || SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ);
        if (!end)
            CHECK(poll(&pfd, 1, 10000) == 1);
    }
    CHECK(got > (size_t)200 * 65536);
    hang_up(ssl);
    stop(&service);
}

/* Longer than the HTTP server waits after its last word. */
TEST(a_slow_reader_gets_the_whole_response_and_a_clean_end)
{
    struct service service = start();
    SSL *ssl = dial(&service);
    size_t len = 0;

    ask(ssl, "GET", "/large", "Connection: close\r\n");
    CHECK(until(ssl, "\r\n\r\n"));
    (void)poll(NULL, 0, 2500);
    CHECK_INT(end_of(ssl, &len), CLEAN);
    CHECK(len > LARGE - 16384);
    hang_up(ssl);
    stop(&service);
}

TEST(a_response_that_is_cut_is_reset)
{
    struct service service = start();
    SSL *ssl = dial(&service);
    size_t len = 0;

    ask(ssl, "GET", "/cut", "");
    CHECK_INT(end_of(ssl, &len), RESET);
    hang_up(ssl);
    stop(&service);
}

TEST(an_idle_connection_ends_cleanly)
{
    struct service service = start();
    SSL *ssl = dial(&service);
    size_t len = 0;

    ask(ssl, "GET", "/some", "");
    CHECK_INT(end_of(ssl, &len), CLEAN);
    CHECK(len > 0);
    hang_up(ssl);
    stop(&service);
}

/* With close_notify, with a mere end of the TCP stream, and with a reset. */
TEST(a_client_that_leaves_ends_its_exchange)
{
    struct service service = start();

    for (int how = 0; how < 3; how++) {
        const struct linger reset = {.l_onoff = 1, .l_linger = 0};
        SSL *ssl = dial(&service);
        ask(ssl, "GET", "/open", "");
        CHECK(until(ssl, "part"));
        if (how == 0)
            CHECK(SSL_shutdown(ssl) == 0);
        else if (how == 1)
            CHECK(shutdown(SSL_get_fd(ssl), SHUT_WR) == 0);
        else
            CHECK(setsockopt(SSL_get_fd(ssl), SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
        if (how == 2)
            hang_up(ssl);
        expect_aborted(&service, (char)('1' + how));
        if (how != 2)
            hang_up(ssl);
    }
    stop(&service);
}

static bool is_closed(int fd)
{
    char text[256];

    for (;;) {
        ssize_t n = read(fd, text, sizeof text);
        if (n <= 0)
            return n == 0 || errno == ECONNRESET;
    }
}

TEST(what_is_not_tls_is_closed)
{
    static const char *const texts[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "", "\x16\x03\x01",
                                        "\x16\x03\x01\x40\x01\x01", "SSH-2.0-x\r\n"};
    struct service service = start();

    for (size_t i = 0; i < WR_ARRAY_SIZE(texts); i++) {
        int fd = connect_to(&service);
        CHECK_INT(wr_write_all(fd, texts[i], strlen(texts[i])), 0);
        CHECK(is_closed(fd));
        close(fd);
    }
    stop(&service);
}

TEST(unfinished_handshakes_make_room)
{
    struct service service = start();
    int half[2 * MAX_CONNECTIONS];

    for (size_t i = 0; i < WR_ARRAY_SIZE(half); i++)
        half[i] = connect_to(&service);
    SSL *ssl = dial(&service);
    ask(ssl, "GET", "/some", "");
    CHECK(strstr(until(ssl, "/some"), "HTTP/1.1 200 "));
    hang_up(ssl);
    for (size_t i = 0; i < WR_ARRAY_SIZE(half); i++)
        close(half[i]);
    stop(&service);
}

TEST(connections_without_requests_make_room)
{
    struct service service = start();
    SSL *silent[2 * MAX_CONNECTIONS];

    for (size_t i = 0; i < WR_ARRAY_SIZE(silent); i++)
        silent[i] = dial(&service);
    SSL *ssl = dial(&service);
    ask(ssl, "GET", "/some", "");
    CHECK(strstr(until(ssl, "/some"), "HTTP/1.1 200 "));
    CHECK(is_closed(SSL_get_fd(silent[0])));
    hang_up(ssl);
    for (size_t i = 0; i < WR_ARRAY_SIZE(silent); i++)
        hang_up(silent[i]);
    stop(&service);
}

TEST(connections_are_limited_and_come_free)
{
    struct service service = start();

    for (int round = 0; round < 3; round++) {
        SSL *all[MAX_CONNECTIONS];
        for (size_t i = 0; i < MAX_CONNECTIONS; i++)
            ask(all[i] = dial(&service), "GET", "/open", "");
        for (size_t i = 0; i < MAX_CONNECTIONS; i++)
            CHECK(strstr(until(all[i], "part"), "HTTP/1.1 200 "));
        CHECK(!shake(connect_to(&service), TLS1_3_VERSION, NULL));
        for (size_t i = 0; i < MAX_CONNECTIONS; i++)
            hang_up(all[i]);
        (void)poll(NULL, 0, 500);
    }
    stop(&service);
}
