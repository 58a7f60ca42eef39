#include "intercept_scene.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "json/jread.h"
#include "test.h"
#include "tls/certificate.h"

#define SCENE_MS    20000
#define CLIENT_FAIL 77

unsigned scene_dials;
uint16_t scene_port;

/* ---- the way to the servers ---- */

static void on_dialled(struct wr_timer *timer, void *data)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(scene_port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct wr_outbound *outbound = data;
    struct wr_error error = {0};

    (void)timer;
    scene_dials++;
    outbound->policy = NULL;
    if (scene_port == 0) {
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
        char *body = calloc(1, SCENE_LARGE);
        wr_exchange_reply(ex, 200, "text/plain", body, SCENE_LARGE);
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
    scene_port = ntohs(address.sin_port);
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

void scene_start(struct scene *s, bool tls, const char *rules)
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
    CHECK_INT(wr_store_secret_add(s->store.store, &secret, SCENE_SECRET, &err), 0);
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

void scene_wait(struct scene *s, bool (*over)(struct scene *s))
{
    uint64_t end_ms = wr_mono_ms() + SCENE_MS;
    struct wr_error err = {0};

    while (!over(s) && wr_mono_ms() < end_ms)
        CHECK_INT(wr_loop_step(s->loop, 20, &err), 0);
}

bool scene_client_left(struct scene *s)
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
    return scene_client_left(s) && !s->it;
}

void scene_begin(struct scene *s, const char *name, bool tls,
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
}

void scene_run(struct scene *s, const char *name, bool tls,
               void (*play)(const struct scene *s, int fd))
{
    scene_begin(s, name, tls, play);
    scene_wait(s, all_over);
    CHECK(s->client < 0);
    CHECK(!s->it);
}

void scene_stop(struct scene *s)
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

void scene_expect_event(const struct scene *s, const char *line)
{
    if (!strstr(events(s), line))
        wr_test_fail(__FILE__, __LINE__, "no \"%s\" in:\n%s", line, events(s));
    CHECK(!strstr(events(s), SCENE_SECRET));
}

/* ---- clients ---- */

void client_fail(const char *fmt, ...)
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

SSL *client_shake(const struct scene *s, int fd, const char *name)
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

void client_say(SSL *ssl, const char *text)
{
    if (SSL_write(ssl, text, (int)strlen(text)) != (int)strlen(text))
        client_fail("cannot write");
}

const char *client_until(SSL *ssl, const char *end)
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

void client_expect(SSL *ssl, const char *request, const char *end, const char *wanted)
{
    client_say(ssl, request);
    const char *text = client_until(ssl, end);
    if (!strstr(text, wanted))
        client_fail("no %s in: %s", wanted, text);
}

void client_bye(SSL *ssl, int fd)
{
    (void)SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}
