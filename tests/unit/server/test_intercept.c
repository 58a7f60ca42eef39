/*
 * Intercepted connections: the proxy and the servers behind it run on the loop of the test's
 * process, the client is a process of its own with OpenSSL. What leads to the servers
 * (egress/outbound.h) is replaced here: every name leads to the one that the scene has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "http/server.h"
#include "json/jread.h"
#include "server/egress/intercept.h"
#include "server/tls/certificate.h"
#include "server/tls/terminator.h"
#include "store_fixture.h"
#include "test.h"

#define LARGE       ((size_t)8 * 1024 * 1024)
#define SCENE_MS    20000
#define SECRET      "t0p-s3cret-value"
#define CLIENT_FAIL 77

struct scene {
    struct wr_loop *loop;
    struct store_fixture store;
    struct wr_team team;
    struct wr_intercept *intercept;
    struct wr_intercepted *it;
    struct wr_net_policy *policy;
    struct wr_net_counters counters;
    struct wr_net_log *log;
    struct wr_http_server *plain, *behind_tls;
    struct wr_tls_terminator *tls;
    char root[4096], authority[4096]; /* certificates, PEM */
    char reason[128];                 /* why the connection ended */
    pid_t client;
};

static uint16_t server_port; /* 0: nobody listens */
static unsigned dials;

/* ---- the way to the servers ---- */

static void on_dialled(struct wr_timer *timer, void *data)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(server_port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct wr_outbound *outbound = data;
    struct wr_error error = {0};

    (void)timer;
    dials++;
    outbound->policy = NULL;
    if (server_port == 0) {
        (void)wr_fail(&error, WR_E_UNAVAILABLE, ECONNREFUSED, "connect");
        outbound->fn(outbound, -1, &error);
        return;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    CHECK_INT(wr_fd_set_nonblock(fd, true), 0);
    outbound->fn(outbound, fd, NULL);
}

void wr_outbound_start(struct wr_outbound *outbound, struct wr_loop *loop,
                       struct wr_resolver *resolver, const struct wr_net_guard *guard,
                       struct wr_net_policy *policy, const struct wr_outbound_target *target)
{
    struct wr_error error = {0};

    (void)resolver;
    (void)guard;
    CHECK(target->name);
    outbound->policy = policy;
    CHECK_INT(wr_timer_start(loop, &outbound->timer, 0, on_dialled, outbound, &error), 0);
}

void wr_outbound_cancel(struct wr_outbound *outbound)
{
    wr_timer_stop(&outbound->timer);
    outbound->policy = NULL;
}

/* ---- the servers ---- */

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

/* Every field of the request, a line each. */
static void show(struct wr_exchange *ex)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    wr_auto_buf body = WR_BUF(65536);

    for (size_t i = 0; i < head->header_count; i++)
        CHECK_INT(wr_buf_printf(&body, "%.*s=%.*s\n", (int)head->headers[i].name_len,
                                head->headers[i].name, (int)head->headers[i].value_len,
                                head->headers[i].value),
                  0);
    wr_exchange_reply(ex, 200, "text/plain", wr_buf_ptr(&body), body.len);
}

/* After the upgrade: what comes is sent back. */
struct parrot {
    int fd;
    struct wr_source source;
};

static void on_parrot(struct wr_source *source, uint32_t events, void *data)
{
    struct parrot *parrot = data;
    char text[256];
    ssize_t n = read(parrot->fd, text, sizeof text);

    (void)events;
    if (n > 0) {
        CHECK_INT(write(parrot->fd, text, (size_t)n), n);
        return;
    }
    wr_source_remove(source);
    (void)wr_close(parrot->fd);
    free(parrot);
}

static void upgrade(struct wr_exchange *ex)
{
    wr_auto_buf rest = WR_BUF(WR_HTTP_OUT_MAX), out = WR_BUF(WR_HTTP_OUT_MAX);
    struct wr_loop *loop = wr_exchange_loop(ex);
    struct parrot *parrot = calloc(1, sizeof *parrot);
    struct wr_error error = {0};

    wr_exchange_begin(ex, 101);
    wr_exchange_header(ex, "Upgrade", "parrot");
    wr_exchange_header(ex, "Connection", "Upgrade");
    parrot->fd = wr_exchange_hijack(ex, &rest, &out);
    CHECK(parrot->fd >= 0);
    CHECK_INT(write(parrot->fd, wr_buf_ptr(&out), out.len), (ssize_t)out.len);
    CHECK_INT(wr_source_add(loop, &parrot->source, parrot->fd, EPOLLIN, on_parrot, parrot, &error),
              0);
}

static void on_cut(struct wr_timer *timer, void *data)
{
    (void)timer;
    wr_exchange_abort(data);
}

/* Once what was said before is there. */
static void cut_soon(struct wr_exchange *ex)
{
    static struct wr_timer timer;
    struct wr_error error = {0};

    CHECK_INT(wr_timer_start(wr_exchange_loop(ex), &timer, 100, on_cut, ex, &error), 0);
}

static void handle(struct wr_exchange *ex, void *data)
{
    static const struct wr_exchange_ops echo_ops = {
        .on_body = echo, .on_body_end = echo_end, .on_drain = echo_drain};
    const char *path = wr_exchange_path(ex);

    (void)data;
    if (wr_streq(path, "/echo")) {
        wr_exchange_set_ops(ex, &echo_ops, NULL);
        wr_exchange_begin(ex, 200);
        wr_exchange_stream(ex, -1);
    } else if (wr_streq(path, "/large")) {
        char *body = calloc(1, LARGE);
        wr_exchange_reply(ex, 200, "text/plain", body, LARGE);
        free(body);
    } else if (wr_streq(path, "/close")) {
        wr_exchange_begin(ex, 200);
        wr_exchange_header(ex, "Connection", "close");
        wr_exchange_send(ex, "bye", 3);
    } else if (wr_streq(path, "/cut")) {
        wr_exchange_begin(ex, 200);
        wr_exchange_stream(ex, 1000);
        (void)wr_exchange_write(ex, "part", 4);
        cut_soon(ex);
    } else if (wr_streq(path, "/upgrade")) {
        upgrade(ex);
    } else {
        show(ex);
    }
}

static int listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 64) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    server_port = ntohs(address.sin_port);
    return fd;
}

/* A server certificate for api.test of an authority that only `root` names. */
static void make_pair(struct scene *s, char *cert_pem, char *key_pem, size_t cap)
{
    wr_auto_cert *root = NULL, *cert = NULL;
    wr_auto_cert_key *root_key = NULL, *key = NULL;
    wr_auto_buf root_text = WR_BUF(4095), cert_text = WR_BUF(4095), key_text = WR_BUF(4095);
    const struct wr_certificate_spec root_spec = {.common_name = "root", .days = 10};
    struct wr_error err = {0};

    CHECK_INT(wr_certificate_make(&root_spec, &root, &root_key, &err), 0);
    const struct wr_certificate_spec spec = {.common_name = "api.test",
                                             .days = 10,
                                             .alt_names = "DNS:api.test",
                                             .issuer = root,
                                             .issuer_key = root_key};
    CHECK_INT(wr_certificate_make(&spec, &cert, &key, &err), 0);
    CHECK_INT(wr_certificate_write(root, root_key, &root_text, &key_text, &err), 0);
    wr_buf_clear(&key_text);
    CHECK_INT(wr_certificate_write(cert, key, &cert_text, &key_text, &err), 0);
    CHECK(wr_strcopy(s->root, sizeof s->root, wr_buf_cstr(&root_text)));
    CHECK(wr_strcopy(cert_pem, cap, wr_buf_cstr(&cert_text)));
    CHECK(wr_strcopy(key_pem, cap, wr_buf_cstr(&key_text)));
}

/* ---- a scene ---- */

static void set_up(struct scene *s, bool tls, const char *rules)
{
    static char cert[4096], key[4096];
    const struct wr_http_server_opts opts = {.max_connections = 64, .handler = handle};
    struct wr_store_secret secret = {
        .id = "sec_1", .name = "token", .version = 1, .metadata = "{}"};
    wr_auto_json *network = json_loads(rules, 0, NULL);
    struct wr_error err = {0};

    signal(SIGPIPE, SIG_IGN);
    *s = (struct scene){.client = -1};
    make_pair(s, cert, key, sizeof cert);
    const struct wr_tls_opts tls_opts = {
        .cert_pem = cert, .key_pem = key, .max_connections = 64, .handshake_timeout_ms = 5000};
    CHECK_INT(wr_loop_new(&s->loop, &err), 0);
    s->store = store_start();
    CHECK_INT(wr_store_default_team(s->store.store, &s->team, &err), 0);
    CHECK(wr_strcopy(secret.team_id, sizeof secret.team_id, s->team.id));
    CHECK_INT(wr_store_secret_add(s->store.store, &secret, SECRET, &err), 0);
    if (tls) {
        CHECK_INT(wr_http_server_new(s->loop, -1, &opts, &s->behind_tls, &err), 0);
        CHECK_INT(
            wr_tls_terminator_new(s->loop, listener(), s->behind_tls, &tls_opts, &s->tls, &err), 0);
    } else {
        CHECK_INT(wr_http_server_new(s->loop, listener(), &opts, &s->plain, &err), 0);
    }
    CHECK(network);
    CHECK_INT(wr_net_policy_new(network, true, &s->policy, &err), 0);
    s->log = wr_net_log_new("sandbox", &s->counters);
    CHECK(s->log);
    const struct wr_intercept_opts intercept = {
        .state_dir = s->store.dir, .ca_file = s->root, .store = s->store.store};
    CHECK_INT(wr_intercept_new(s->loop, &intercept, &s->intercept, &err), 0);
    const char *pem = wr_intercept_authority(s->intercept, &err);
    CHECK(pem && wr_strcopy(s->authority, sizeof s->authority, pem));
}

static void on_end(struct wr_intercepted *it, const char *reason, void *data)
{
    struct scene *s = data;

    CHECK(it == s->it);
    s->it = NULL;
    CHECK(wr_strcopy(s->reason, sizeof s->reason, reason));
}

static void stand(struct scene *s, bool (*over)(struct scene *s))
{
    uint64_t end_ms = wr_mono_ms() + SCENE_MS;
    struct wr_error err = {0};

    while (!over(s) && wr_mono_ms() < end_ms)
        CHECK_INT(wr_loop_step(s->loop, 20, &err), 0);
}

static bool client_left(struct scene *s)
{
    int status = 0;

    if (s->client >= 0 && waitpid(s->client, &status, WNOHANG) == s->client) {
        s->client = -1;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            wr_test_fail(__FILE__, __LINE__, "the client failed (status %d)", status);
    }
    return s->client < 0;
}

static bool all_over(struct scene *s)
{
    return client_left(s) && !s->it;
}

/* One connection for `name`; `play` is the client. */
static void run(struct scene *s, const char *name, bool tls,
                void (*play)(const struct scene *s, int fd))
{
    int pair[2];
    struct wr_error err = {0};

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    fflush(NULL);
    s->reason[0] = '\0';
    s->client = fork();
    CHECK(s->client >= 0);
    if (s->client == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[0]);
        play(s, pair[1]);
        _exit(0);
    }
    close(pair[1]);
    CHECK_INT(wr_fd_set_nonblock(pair[0], true), 0);
    const struct wr_intercepted_opts opts = {.fd = pair[0],
                                             .tls = tls,
                                             .name = name,
                                             .port = tls ? 443 : 80,
                                             .policy = s->policy,
                                             .team_id = s->team.id,
                                             .log = s->log,
                                             .connection = 7,
                                             .on_end = on_end,
                                             .data = s};
    CHECK_INT(wr_intercepted_start(s->intercept, &opts, &s->it, &err), 0);
    stand(s, all_over);
    CHECK(s->client < 0);
    CHECK(!s->it);
}

static void tear_down(struct scene *s)
{
    s->it = wr_intercepted_cut(s->it);
    s->intercept = wr_intercept_free(s->intercept);
    s->log = wr_net_log_free(s->log);
    s->policy = wr_net_policy_put(s->policy);
    s->tls = wr_tls_terminator_free(s->tls);
    s->behind_tls = wr_http_server_free(s->behind_tls);
    s->plain = wr_http_server_free(s->plain);
    store_stop(&s->store);
    s->loop = wr_loop_free(s->loop);
}

/* The events so far, a line each: "allow transform api.test | GET 200". */
static const char *events(const struct scene *s)
{
    static char text[4096];
    const struct wr_net_event *event = NULL;
    size_t len = 0;
    uint64_t after = 0;

    text[0] = '\0';
    while ((event = wr_net_log_next(s->log, after))) {
        CHECK(wr_strformat(text + len, sizeof text - len, "%s %s | %s\n",
                           event->verdict == WR_NET_ALLOW ? "allow" : "deny", event->rule,
                           event->detail));
        CHECK_INT(event->connection, 7);
        CHECK_INT(event->kind, WR_NET_EVENT_HTTP);
        len += strlen(text + len);
        after = event->number;
    }
    return text;
}

static void expect_event(const struct scene *s, const char *line)
{
    if (!strstr(events(s), line))
        wr_test_fail(__FILE__, __LINE__, "no \"%s\" in:\n%s", line, events(s));
    CHECK(!strstr(events(s), SECRET));
}

/* ---- clients ---- */

static void client_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void client_fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    printf("# client: ");
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
    fflush(stdout);
    _exit(CLIENT_FAIL);
}

static SSL *shake(const struct scene *s, int fd, const char *name)
{
    const struct timeval timeout = {.tv_sec = 15};
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    X509 *root = wr_certificate_read(s->authority, strlen(s->authority));
    static const unsigned char protocols[] = "\x02h2\x08http/1.1";

    if (!root || X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root) != 1)
        client_fail("the authority is no certificate");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL *ssl = SSL_new(context);
    if (!SSL_set_fd(ssl, fd) || !SSL_set_tlsext_host_name(ssl, name) || !SSL_set1_host(ssl, name) ||
        SSL_set_alpn_protos(ssl, protocols, sizeof protocols - 1) != 0)
        client_fail("no session");
    if (SSL_connect(ssl) != 1)
        client_fail("handshake: %s", ERR_reason_error_string(ERR_peek_last_error()));
    return ssl;
}

static void say(SSL *ssl, const char *text)
{
    if (SSL_write(ssl, text, (int)strlen(text)) != (int)strlen(text))
        client_fail("cannot write");
}

static const char *until(SSL *ssl, const char *end)
{
    static char text[65536];
    int len = 0;

    text[0] = '\0';
    while (!strstr(text, end)) {
        int n = SSL_read(ssl, text + len, (int)sizeof text - 1 - len);
        if (n <= 0)
            client_fail("no %s in: %s", end, text);
        len += n;
        text[len] = '\0';
    }
    return text;
}

static void expect(SSL *ssl, const char *request, const char *end, const char *wanted)
{
    say(ssl, request);
    const char *text = until(ssl, end);
    if (!strstr(text, wanted))
        client_fail("no %s in: %s", wanted, text);
}

static void bye(SSL *ssl, int fd)
{
    (void)SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

#define GET(path, host) "GET " path " HTTP/1.1\r\nHost: " host "\r\n\r\n"

static const char rules[] =
    "{\"rules\":{\"api.test\":[{\"transform\":{\"headers\":{"
    "\"Authorization\":\"Bearer ${e2b.secrets.token}\",\"X-Plain\":\"one\"}}}],"
    "\"missing.test\":[{\"transform\":{\"headers\":{\"X-A\":\"${e2b.secrets.none}\"}}}]}}";

/* ---- with TLS ---- */

static void play_headers(const struct scene *s, int fd)
{
    SSL *ssl = shake(s, fd, "api.test");
    const unsigned char *protocol = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(ssl, &protocol, &len);
    if (len != 8 || memcmp(protocol, "http/1.1", 8) != 0)
        client_fail("another protocol");
    say(ssl, "GET / HTTP/1.1\r\nHost: api.test\r\nauthorization: mine\r\nX-Plain: mine\r\n"
             "X-Own: kept\r\n\r\n");
    const char *text = until(ssl, "X-Plain=one\n");
    if (!strstr(text, "Authorization=Bearer " SECRET "\n") || strstr(text, "mine") ||
        !strstr(text, "X-Own=kept") || !strstr(text, "Host=api.test"))
        client_fail("fields: %s", text);
    /* Further requests take the same way. */
    for (int i = 0; i < 20; i++)
        expect(ssl, GET("/", "api.test"), "X-Plain=one\n", SECRET);
    bye(ssl, fd);
}

TEST(fields_are_set_and_replaced)
{
    struct scene s;

    set_up(&s, true, rules);
    run(&s, "api.test", true, play_headers);
    CHECK_STR(s.reason, "closed");
    expect_event(&s, "allow transform api.test | GET 200");
    CHECK_INT(s.counters.requests_allowed, 21);
    CHECK_INT(dials, 1);
    tear_down(&s);
}

static void play_hosts(const struct scene *s, int fd)
{
    SSL *ssl = shake(s, fd, "api.test");

    expect(ssl, GET("/", "evil.test"), "\n", "HTTP/1.1 421 ");
    expect(ssl, GET("/", "api.test"), "X-Plain=one\n", SECRET);
    expect(ssl, "CONNECT evil.test:443 HTTP/1.1\r\nHost: api.test\r\n\r\n", "CONNECT", " 501 ");
    bye(ssl, fd);
}

TEST(another_host_and_connect_are_refused)
{
    struct scene s;

    set_up(&s, true, rules);
    run(&s, "api.test", true, play_hosts);
    expect_event(&s, "deny Host evil.test is not api.test | GET 421");
    expect_event(&s, "deny CONNECT is not supported | 501");
    expect_event(&s, "allow transform api.test | GET 200");
    CHECK_INT(s.counters.requests_denied, 2);
    tear_down(&s);
}

static void play_missing(const struct scene *s, int fd)
{
    SSL *ssl = shake(s, fd, "missing.test");

    expect(ssl, GET("/", "missing.test"), "missing.test: ", " 502 ");
    bye(ssl, fd);
}

/* The server's certificate is of another name; nothing of the request reaches it. */
TEST(a_server_that_is_not_the_one_is_refused)
{
    struct scene s;

    set_up(&s, true, rules);
    run(&s, "missing.test", true, play_missing);
    expect_event(&s, "GET 502 the certificate is not valid for missing.test");
    tear_down(&s);
}

static void play_refused(const struct scene *s, int fd)
{
    SSL *ssl = shake(s, fd, "api.test");

    expect(ssl, GET("/", "api.test"), "refused", " 502 ");
    bye(ssl, fd);
}

TEST(a_server_that_is_not_there)
{
    struct scene s;

    set_up(&s, true, rules);
    server_port = 0;
    run(&s, "api.test", true, play_refused);
    expect_event(&s, "GET 502 connect");
    tear_down(&s);
}

static void play_secretless(const struct scene *s, int fd)
{
    SSL *ssl = shake(s, fd, "api.test");

    expect(ssl, GET("/", "api.test"), "does not exist", " 502 ");
    bye(ssl, fd);
}

TEST(a_secret_that_is_not_there_is_named)
{
    struct scene s;
    struct wr_error err = {0};

    set_up(&s, true, rules);
    CHECK_INT(wr_store_secret_remove(s.store.store, s.team.id, "token", &err), 0);
    run(&s, "api.test", true, play_secretless);
    expect_event(&s, "GET 502 the secret 'token' does not exist");
    tear_down(&s);
}

static void play_stranger(const struct scene *s, int fd)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    (void)s;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL *ssl = SSL_new(context);
    if (!SSL_set_fd(ssl, fd) || !SSL_set_tlsext_host_name(ssl, "api.test") || SSL_connect(ssl) == 1)
        client_fail("it trusts");
    bye(ssl, fd);
}

TEST(a_client_that_does_not_trust_the_authority)
{
    struct scene s;

    set_up(&s, true, rules);
    run(&s, "api.test", true, play_stranger);
    CHECK(strstr(s.reason, "handshake failed") && strstr(s.reason, "unknown ca"));
    CHECK_INT(dials, 0);
    tear_down(&s);
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
    bye(ssl, fd);
}

TEST(another_server_name_is_refused)
{
    struct scene s;

    set_up(&s, true, rules);
    run(&s, "api.test", true, play_other_sni);
    expect_event(&s, "deny SNI evil.test is not api.test | 421");
    tear_down(&s);
}

static void play_large(const struct scene *s, int fd)
{
    static char junk[65536];
    SSL *ssl = shake(s, fd, "api.test");
    size_t total = 0, sent = 0;

    say(ssl, GET("/large", "api.test"));
    while (total < LARGE) {
        int n = SSL_read(ssl, junk, sizeof junk);
        if (n <= 0)
            client_fail("cut after %zu bytes", total);
        total += (size_t)n;
    }
    /* What is behind the body's length belongs to the head. */
    say(ssl, "POST /echo HTTP/1.1\r\nHost: api.test\r\nExpect: 100-continue\r\n"
             "Content-Length: 100000\r\n\r\n");
    (void)until(ssl, "100 Continue\r\n\r\n");
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
    expect(ssl, "HEAD / HTTP/1.1\r\nHost: api.test\r\n\r\n", "\r\n\r\n", " 200 ");
    bye(ssl, fd);
}

TEST(bodies_stream_both_ways)
{
    struct scene s;

    set_up(&s, true, rules);
    run(&s, "api.test", true, play_large);
    CHECK_STR(s.reason, "closed");
    expect_event(&s, "POST 200");
    expect_event(&s, "HEAD 200");
    tear_down(&s);
}

static void play_close(const struct scene *s, int fd)
{
    SSL *ssl = shake(s, fd, "api.test");
    char byte;
    int n;

    expect(ssl, GET("/close", "api.test"), "bye", " 200 ");
    /* A server that closes costs a further connection, not the client's. */
    expect(ssl, GET("/", "api.test"), "X-Plain=one\n", " 200 ");
    say(ssl, GET("/cut", "api.test"));
    (void)until(ssl, "part");
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

    set_up(&s, true, rules);
    run(&s, "api.test", true, play_close);
    expect_event(&s, "GET 200 cut");
    CHECK_INT(dials, 2);
    tear_down(&s);
}

static void play_upgrade(const struct scene *s, int fd)
{
    SSL *ssl = shake(s, fd, "api.test");

    expect(ssl,
           "GET /upgrade HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\n"
           "Upgrade: parrot\r\n\r\n",
           "\r\n\r\n", " 101 ");
    for (int i = 0; i < 3; i++) {
        say(ssl, "polly");
        (void)until(ssl, "polly");
    }
    bye(ssl, fd);
}

TEST(upgrades_leave_http)
{
    struct scene s;

    set_up(&s, true, rules);
    run(&s, "api.test", true, play_upgrade);
    expect_event(&s, "allow transform api.test | GET 101");
    tear_down(&s);
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
    if (!strstr(text, " 200 ") || !strstr(text, "X-Plain=one") || strstr(text, SECRET))
        client_fail("answer: %s", text);
}

TEST(plain_requests_get_no_secrets)
{
    struct scene s;

    set_up(&s, false, rules);
    run(&s, "api.test", false, play_plain);
    CHECK_STR(s.reason, "closed");
    expect_event(&s, "allow transform api.test | GET 200");
    tear_down(&s);
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

    set_up(&s, false, rules);
    run(&s, "free.test", false, play_fronting);
    expect_event(&s, "allow host free.test | GET 200");
    expect_event(&s, "deny Host evil.test is not free.test | GET 421");
    tear_down(&s);
}

/* ---- the end from our side ---- */

static void play_waiting(const struct scene *s, int fd)
{
    SSL *ssl = shake(s, fd, "api.test");
    char byte;

    say(ssl, "POST /echo HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n"
             "3\r\nabc\r\n");
    (void)until(ssl, "abc");
    if (SSL_read(ssl, &byte, 1) > 0)
        client_fail("more");
    SSL_free(ssl);
    close(fd);
}

static bool cut_when_seen(struct scene *s)
{
    if (s->it && dials > 0 && wr_net_log_last(s->log) == 0) {
        static unsigned rounds;
        if (++rounds == 50)
            s->it = wr_intercepted_cut(s->it);
    }
    return client_left(s);
}

TEST(a_connection_can_be_cut_at_any_time)
{
    struct scene s;
    int pair[2];
    struct wr_error err = {0};

    set_up(&s, true, rules);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    fflush(NULL);
    s.client = fork();
    if (s.client == 0) {
        close(pair[0]);
        play_waiting(&s, pair[1]);
        _exit(0);
    }
    close(pair[1]);
    CHECK_INT(wr_fd_set_nonblock(pair[0], true), 0);
    const struct wr_intercepted_opts opts = {.fd = pair[0],
                                             .tls = true,
                                             .name = "api.test",
                                             .port = 443,
                                             .policy = s.policy,
                                             .team_id = s.team.id,
                                             .log = s.log,
                                             .connection = 7,
                                             .on_end = on_end,
                                             .data = &s};
    CHECK_INT(wr_intercepted_start(s.intercept, &opts, &s.it, &err), 0);
    stand(&s, cut_when_seen);
    CHECK(s.client < 0 && !s.it);
    expect_event(&s, "POST 200 cut");
    CHECK_STR(s.reason, "");
    tear_down(&s);
}
