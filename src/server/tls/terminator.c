#include "server/tls/terminator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "tls/context.h"
#include "tls/session.h"

struct wr_tls_terminator {
    struct wr_loop *loop;
    struct wr_http_server *http; /* borrowed */
    SSL_CTX *context;            /* owned */
    int fd;                      /* owned */
    struct wr_source source;
    struct wr_timer retry; /* accept again after the process ran out of descriptors */
    size_t max_connections;
    uint64_t handshake_timeout_ms;
    struct wr_tls_group group;
    struct wr_tls_raw raw; /* without functions: all speak HTTP */
};

/* Connections taken per event, so that a flood of them does not starve the open ones. */
#define ACCEPTS_PER_EVENT 64
#define RETRY_MS          100
#define HTTP_PROTOCOL     "http/1.1"

static void on_retry(struct wr_timer *timer, void *data)
{
    struct wr_tls_terminator *terminator = data;

    (void)timer;
    wr_source_set_events(&terminator->source, EPOLLIN);
}

/* Neither unfinished handshakes nor connections without a request keep anybody out; first those of
 * which there are more. A session hears in the next round that its connection was closed. */
static bool make_room(struct wr_tls_terminator *terminator)
{
    bool http_first =
        wr_http_server_connections(terminator->http) >= terminator->max_connections / 2;

    if (http_first && wr_http_server_make_room(terminator->http))
        return true;
    return wr_tls_session_make_room(&terminator->group) ||
           wr_http_server_make_room(terminator->http);
}

static bool may_be_raw(const struct wr_tls_terminator *terminator, const char *server_name)
{
    return server_name && terminator->raw.allows &&
           terminator->raw.allows(server_name, terminator->raw.data);
}

static bool is_protocol(const unsigned char *name, size_t len, const char *wanted)
{
    return len == strlen(wanted) && memcmp(name, wanted, len) == 0;
}

/* `offered` is a list of lengths and names, checked by OpenSSL. */
static bool offers(const unsigned char *offered, unsigned len, const char *wanted)
{
    for (unsigned at = 0; at < len; at += 1u + offered[at])
        if (is_protocol(offered + at + 1, offered[at], wanted))
            return true;
    return false;
}

/* A client that offers only protocols that are not spoken here would not understand a word. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *offered, unsigned offered_len, void *data)
{
    const char *chosen = NULL, *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    bool raw = may_be_raw(data, name);

    if (raw && offers(offered, offered_len, WR_TLS_RAW_PROTOCOL))
        chosen = WR_TLS_RAW_PROTOCOL;
    else if (offers(offered, offered_len, HTTP_PROTOCOL))
        chosen = HTTP_PROTOCOL;
    if (chosen) {
        *out = (const unsigned char *)chosen;
        *out_len = (unsigned char)strlen(chosen);
        return SSL_TLSEXT_ERR_OK;
    }
    if (!raw || offered_len == 0 || offers(offered, offered_len, "h2"))
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    /* Programs insist on their own protocol's name, which means nothing to a service behind. */
    *out = offered + 1;
    *out_len = offered[0];
    return SSL_TLSEXT_ERR_OK;
}

static int on_open(struct wr_tls_session *session, int fd, void *data, struct wr_error *err)
{
    struct wr_tls_terminator *terminator = data;
    const char *name = wr_tls_session_said(session);
    unsigned len = 0;
    const unsigned char *protocol = wr_tls_session_protocol(session, &len);

    if (is_protocol(protocol, len, HTTP_PROTOCOL) || !may_be_raw(terminator, name))
        return wr_http_server_adopt(terminator->http, fd, err);
    return terminator->raw.open(name, protocol != NULL, fd, terminator->raw.data, err);
}

static void serve(struct wr_tls_terminator *terminator, int fd)
{
    const struct wr_tls_session_opts opts = {
        .loop = terminator->loop,
        .context = terminator->context,
        .handshake_timeout_ms = terminator->handshake_timeout_ms,
        .group = &terminator->group,
        .on_open = on_open,
        .data = terminator,
    };
    struct wr_tls_session *session = NULL;
    struct wr_error err = {0};

    (void)!wr_tls_session_new(&opts, fd, &session, &err);
}

static void on_accept(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_tls_terminator *terminator = data;
    struct wr_error err = {0};

    (void)events;
    for (unsigned i = 0; i < ACCEPTS_PER_EVENT; i++) {
        int fd = accept4(terminator->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            bool exhausted =
                errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
            /* The listener stays readable meanwhile. */
            if (exhausted && wr_timer_start(terminator->loop, &terminator->retry, RETRY_MS,
                                            on_retry, terminator, &err) == 0)
                wr_source_set_events(source, 0);
            return;
        }
        /* Without room for one more, the descriptor is closed and the client sees that. */
        if (terminator->group.count >= terminator->max_connections && !make_room(terminator))
            (void)wr_close(fd);
        else
            serve(terminator, fd);
    }
}

int wr_tls_terminator_new(struct wr_loop *loop, int listen_fd, struct wr_http_server *http,
                          const struct wr_tls_opts *opts, struct wr_tls_terminator **ret,
                          struct wr_error *err)
{
    wr_auto_close int fd = listen_fd;
    struct wr_tls_terminator *terminator = wr_calloc(1, sizeof *terminator);

    if (!terminator)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "new TLS listener");
    terminator->loop = loop;
    terminator->http = http;
    terminator->fd = -1;
    terminator->max_connections = opts->max_connections;
    terminator->handshake_timeout_ms = opts->handshake_timeout_ms;
    if (opts->raw)
        terminator->raw = *opts->raw;
    wr_list_init(&terminator->group.sessions);
    int r = wr_fd_set_nonblock(fd, true);
    if (r < 0)
        r = wr_fail(err, WR_E_INTERNAL, -r, "listening socket %d for TLS", fd);
    if (r == 0)
        r = wr_tls_context_new(opts->cert_pem, opts->key_pem, &terminator->context, err);
    if (r == 0) {
        SSL_CTX_set_alpn_select_cb(terminator->context, choose_protocol, terminator);
        r = wr_source_add(loop, &terminator->source, fd, EPOLLIN, on_accept, terminator, err);
    }
    if (r < 0) {
        (void)wr_tls_terminator_free(terminator);
        return r;
    }
    terminator->fd = wr_steal_fd(&fd);
    *ret = terminator;
    return 0;
}

void wr_tls_terminator_stop_accepting(struct wr_tls_terminator *terminator)
{
    if (!terminator)
        return;
    wr_source_remove(&terminator->source);
    wr_timer_stop(&terminator->retry);
    terminator->fd = wr_close(terminator->fd);
}

struct wr_tls_terminator *wr_tls_terminator_free(struct wr_tls_terminator *terminator)
{
    if (!terminator)
        return NULL;
    wr_tls_terminator_stop_accepting(terminator);
    while (!wr_list_empty(&terminator->group.sessions))
        wr_tls_session_cut_node(terminator->group.sessions.next);
    SSL_CTX_free(terminator->context);
    free(terminator);
    return NULL;
}
