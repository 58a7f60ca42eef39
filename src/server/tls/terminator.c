#include "server/tls/terminator.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "server/tls/context.h"
#include "server/tls/session.h"

/* Connections taken per event, so that a flood of them does not starve the open ones. */
#define ACCEPTS_PER_EVENT 64
#define RETRY_MS          100

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
    return wr_tls_session_make_room(terminator) || wr_http_server_make_room(terminator->http);
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
        if (terminator->count >= terminator->max_connections && !make_room(terminator))
            (void)wr_close(fd);
        else
            (void)!wr_tls_session_new(terminator, fd, &err);
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
    wr_list_init(&terminator->sessions);
    int r = wr_fd_set_nonblock(fd, true);
    if (r < 0)
        r = wr_fail(err, WR_E_INTERNAL, -r, "listening socket %d for TLS", fd);
    if (r == 0)
        r = wr_tls_context_new(opts->cert_pem, opts->key_pem, &terminator->context, err);
    if (r == 0)
        r = wr_source_add(loop, &terminator->source, fd, EPOLLIN, on_accept, terminator, err);
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
    while (!wr_list_empty(&terminator->sessions))
        wr_tls_session_cut(terminator->sessions.next);
    SSL_CTX_free(terminator->context);
    free(terminator);
    return NULL;
}
