#include "fake_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "test.h"

static void close_peer(struct fake_peer *peer)
{
    if (peer->fd < 0)
        return;
    wr_source_remove(&peer->source);
    peer->fd = wr_close(peer->fd);
    peer->server->open--;
}

static void hang_up(struct fake_peer *peer)
{
    /* A TLS session takes a socket that is just closed for a cut. */
    if (peer->server->tls)
        shutdown(peer->fd, SHUT_WR);
    else
        close_peer(peer);
}

static void act(struct fake_peer *peer)
{
    const char *answer = peer->server->answer ? peer->server->answer : FAKE_OK;
    char what = *peer->script;

    if (what)
        peer->script++;
    if (what == 'A')
        CHECK(send(peer->fd, answer, strlen(answer), MSG_NOSIGNAL) == (ssize_t)strlen(answer));
    else if (what == 'H')
        CHECK(send(peer->fd, "HTTP/1.1 2", 10, MSG_NOSIGNAL) == 10);
    if (what != 'A' || *peer->script == '|')
        hang_up(peer);
}

/* Length of a whole request at the front, or 0. */
static size_t whole(const struct fake_peer *peer)
{
    const char *end = strstr(peer->in, "\r\n\r\n");
    const char *length = strstr(peer->in, "Content-Length: ");
    size_t len = end ? (size_t)(end + 4 - peer->in) : 0;

    if (end && length && length < end)
        len += strtoul(length + 16, NULL, 10);
    return len <= peer->len ? len : 0;
}

static void on_peer(struct wr_source *source, uint32_t events, void *data)
{
    struct fake_peer *peer = data;
    ssize_t n = recv(peer->fd, peer->in + peer->len, sizeof peer->in - 1 - peer->len, MSG_DONTWAIT);

    (void)source;
    (void)events;
    if (n <= 0) {
        close_peer(peer);
        return;
    }
    peer->len += (size_t)n;
    peer->in[peer->len] = '\0';
    size_t len = whole(peer);
    if (len == 0)
        return;
    memcpy(peer->server->last, peer->in, len);
    peer->server->last[len] = '\0';
    peer->len = 0;
    peer->server->requests++;
    act(peer);
}

static int serve(struct fake_server *server, int fd, struct wr_error *err)
{
    CHECK(server->connections < FAKE_CONNECTIONS);
    struct fake_peer *peer = &server->peers[server->connections];
    const char *const *script = server->scripts;

    for (unsigned i = 0; i < server->connections && script[1]; i++)
        script++;
    *peer = (struct fake_peer){.server = server, .fd = fd, .script = *script};
    server->connections++;
    server->open++;
    return wr_source_add(server->loop, &peer->source, fd, EPOLLIN, on_peer, peer, err);
}

static int on_tls_open(struct wr_tls_session *session, int fd, void *data, struct wr_error *err)
{
    (void)session;
    return serve(data, fd, err);
}

static void on_accept(struct wr_source *source, uint32_t events, void *data)
{
    struct fake_server *server = data;
    const struct wr_tls_session_opts opts = {
        .loop = server->loop,
        .context = server->tls,
        .handshake_timeout_ms = 5000,
        .group = &server->sessions,
        .on_open = on_tls_open,
        .data = server,
    };
    struct wr_tls_session *session = NULL;
    struct wr_error err = {0};
    int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)source;
    (void)events;
    CHECK(fd >= 0);
    if (server->tls)
        CHECK_INT(wr_tls_session_new(&opts, fd, &session, &err), 0);
    else
        CHECK_INT(serve(server, fd, &err), 0);
}

void fake_listen(struct fake_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;

    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(server->fd >= 0);
    CHECK(bind(server->fd, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(server->fd, 64) == 0);
    CHECK(getsockname(server->fd, (struct sockaddr *)&address, &len) == 0);
    server->port = ntohs(address.sin_port);
}

void fake_serve(struct fake_server *server, struct wr_loop *loop)
{
    struct wr_error err = {0};

    server->loop = loop;
    wr_list_init(&server->sessions.sessions);
    CHECK_INT(wr_source_add(loop, &server->source, server->fd, EPOLLIN, on_accept, server, &err),
              0);
}

void fake_close(struct fake_server *server)
{
    for (unsigned i = 0; i < server->connections; i++)
        close_peer(&server->peers[i]);
    while (server->loop && !wr_list_empty(&server->sessions.sessions))
        wr_tls_session_cut_node(server->sessions.sessions.next);
    wr_source_remove(&server->source);
    server->fd = wr_close(server->fd);
}

struct wr_transport *fake_transport(struct fake_server *server, const char *host,
                                    uint64_t connect_timeout_ms)
{
    char url[128];
    const struct wr_endpoint_opts opts = {.api_key = FAKE_KEY,
                                          .api_url = url,
                                          .sandbox_url = url,
                                          .connect_timeout_ms = connect_timeout_ms};
    struct wr_endpoint *endpoint = NULL;
    struct wr_transport *transport = NULL;
    struct wr_error err = {0};

    fake_listen(server);
    snprintf(url, sizeof url, "http%s://%s:%d/prefix", server->tls ? "s" : "", host, server->port);
    CHECK_INT(wr_endpoint_new(&opts, &endpoint, &err), 0);
    CHECK_INT(wr_transport_open(endpoint, &transport, &err), 0);
    wr_endpoint_free(endpoint);
    fake_serve(server, wr_transport_loop(transport));
    return transport;
}

int fake_request(struct wr_transport *transport, const char *method, struct wr_error *err)
{
    const struct wr_transport_request request = {.method = method, .target = "/x"};

    return wr_transport_request(transport, &request, 5000, NULL, err);
}
