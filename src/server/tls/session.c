#include "server/tls/session.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "http/limits.h"

#define BUFFER_MAX     (64 * 1024) /* bytes under way per direction */
#define PIECE          (16 * 1024) /* one read or write: the largest record */
#define ROUNDS_PER_RUN 16          /* pieces per direction before the other connections' turn */
/* After our last word the client gets time to read it: closing with unread input would reset. */
#define LINGER_MS      2000
#define LINGER_MAX     (1024 * 1024)

enum phase {
    HANDSHAKE = 0,
    OPEN = 1,
    CLOSING = 2, /* close_notify was sent; what the client still says is read away */
};

struct wr_tls_session {
    struct wr_list link;
    struct wr_tls_terminator *terminator;
    SSL *ssl;
    int tcp, pair; /* owned; `pair` is -1 in the handshake, and once it has ended */
    struct wr_source tcp_source, pair_source;
    struct wr_timer timer; /* of the handshake, of a client that takes nothing, of the linger */
    struct wr_timer kick;
    struct wr_buf in, out; /* client to server, server to client */
    enum phase phase;
    uint32_t tls_wants; /* the event that the TLS session waits for */
    size_t dropped;     /* bytes read away */
    bool client_ready;  /* there may be something to read from the client */
    bool server_ready;  /* the same of the server */
    bool client_eof;    /* the client sends no more */
    bool eof_passed;    /* the server knows */
    bool server_ended;  /* the server ended its stream and is still there: a clean end */
    bool server_gone;   /* it has closed its socket */
    bool server_eof;    /* all that it had to say was read */
};

static void run(struct wr_tls_session *session);

static void free_session(struct wr_tls_session *session)
{
    wr_source_remove(&session->tcp_source);
    wr_source_remove(&session->pair_source);
    wr_timer_stop(&session->timer);
    wr_timer_stop(&session->kick);
    SSL_free(session->ssl);
    wr_close(session->tcp);
    wr_close(session->pair);
    wr_buf_done(&session->in);
    wr_buf_done(&session->out);
    if (wr_list_linked(&session->link)) {
        wr_list_remove(&session->link);
        session->terminator->count--;
    }
    free(session);
}

/* Without close_notify and with a reset: what was sent before must not look complete. */
static void cut(struct wr_tls_session *session)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(session->tcp, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    free_session(session);
}

void wr_tls_session_cut(struct wr_list *node)
{
    cut(wr_list_entry(node, struct wr_tls_session, link));
}

bool wr_tls_session_make_room(struct wr_tls_terminator *terminator)
{
    wr_list_foreach(it, &terminator->sessions) {
        struct wr_tls_session *session = wr_list_entry(it, struct wr_tls_session, link);

        if (session->phase != HANDSHAKE)
            continue;
        cut(session);
        return true;
    }
    return false;
}

static void on_timer(struct wr_timer *timer, void *data)
{
    (void)timer;
    cut(data);
}

static void on_linger_over(struct wr_timer *timer, void *data)
{
    (void)timer;
    free_session(data);
}

/* 0, or -1 without memory. */
static int arm(struct wr_tls_session *session, uint64_t delay_ms, wr_timer_fn fn)
{
    struct wr_error error = {0};

    return wr_timer_start(session->terminator->loop, &session->timer, delay_ms, fn, session, &error)
               ? -1
               : 0;
}

/* ---- the four moves: each returns whether something moved, or -1 when the connection is broken.
 * ---- */

/* What a failed TLS call means: 0 when it waits for the socket. */
static int tls_failure(struct wr_tls_session *session, int result)
{
    int reason = SSL_get_error(session->ssl, result);

    ERR_clear_error();
    switch (reason) {
    case SSL_ERROR_WANT_READ:
        session->tls_wants |= (uint32_t)EPOLLIN;
        return 0;
    case SSL_ERROR_WANT_WRITE:
        session->tls_wants |= (uint32_t)EPOLLOUT;
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        session->client_eof = true;
        return 1;
    default:
        return -1;
    }
}

static int read_client(struct wr_tls_session *session)
{
    size_t want = WR_MIN(wr_buf_room(&session->in), (size_t)PIECE), n = 0;

    if (session->client_eof || !session->client_ready || want == 0)
        return 0;
    char *into = wr_buf_reserve(&session->in, want);
    if (!into)
        return -1;
    int r = SSL_read_ex(session->ssl, into, want, &n);
    wr_buf_commit(&session->in, n);
    /* What comes later is an event of the socket. */
    session->client_ready = r == 1 && (n == want || SSL_has_pending(session->ssl));
    return r == 1 ? 1 : tls_failure(session, r);
}

static int write_server(struct wr_tls_session *session)
{
    struct wr_buf *in = &session->in;

    if (in->len == 0) {
        if (!session->client_eof || session->eof_passed)
            return 0;
        session->eof_passed = true;
        (void)shutdown(session->pair, SHUT_WR);
        return 1;
    }
    ssize_t n = send(session->pair, wr_buf_ptr(in), in->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    /* A server that listens no more may still have something to say. */
    wr_buf_consume(in, n < 0 ? in->len : (size_t)n);
    return 1;
}

static int read_server(struct wr_tls_session *session)
{
    size_t want = WR_MIN(wr_buf_room(&session->out), (size_t)PIECE);

    if (session->server_eof || !session->server_ready || want == 0)
        return 0;
    char *into = wr_buf_reserve(&session->out, want);
    if (!into)
        return -1;
    ssize_t n = recv(session->pair, into, want, MSG_DONTWAIT);
    /* What comes later is an event, except behind a hang-up. */
    session->server_ready = n == (ssize_t)want || session->server_gone;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    session->server_eof = n <= 0;
    wr_buf_commit(&session->out, n > 0 ? (size_t)n : 0);
    return 1;
}

static int write_client(struct wr_tls_session *session)
{
    size_t n = 0;

    if (session->out.len == 0)
        return 0;
    int r = SSL_write_ex(session->ssl, wr_buf_ptr(&session->out), session->out.len, &n);
    if (r != 1)
        return tls_failure(session, r);
    wr_buf_consume(&session->out, n);
    /* A timer that watches over a client that takes nothing starts anew. */
    wr_timer_stop(&session->timer);
    return 1;
}

/* ---- the end ---- */

/* Whether the server's last word was its last: it has ended its stream before it closed its socket,
 * which it does at least one round of the loop later. A client that has ended its own stream hears
 * the rest, whatever it is. */
static bool ended_cleanly(struct wr_tls_session *session)
{
    struct pollfd state = {.fd = session->pair, .events = POLLIN};

    if (!session->server_ended && !session->server_gone)
        session->server_ended = poll(&state, 1, 0) == 1 && !(state.revents & POLLHUP);
    return session->server_ended;
}

/* Says goodbye. The session may be freed afterwards. */
static void start_closing(struct wr_tls_session *session)
{
    int r = SSL_shutdown(session->ssl);

    if (r < 0 && tls_failure(session, r) == 0 && (session->tls_wants & (uint32_t)EPOLLOUT)) {
        /* Again once there is room. */
        wr_source_set_events(&session->tcp_source, EPOLLOUT);
        if (!session->timer.loop && arm(session, LINGER_MS, on_timer) < 0)
            cut(session);
        return;
    }
    ERR_clear_error();
    session->phase = CLOSING;
    wr_source_remove(&session->pair_source);
    session->pair = wr_close(session->pair);
    wr_buf_done(&session->in);
    wr_buf_done(&session->out);
    if (session->client_eof || shutdown(session->tcp, SHUT_WR) < 0 ||
        arm(session, LINGER_MS, on_linger_over) < 0)
        free_session(session);
    else
        wr_source_set_events(&session->tcp_source, EPOLLIN);
}

/* The server has said everything and the client has got it. */
static void end(struct wr_tls_session *session)
{
    if (ended_cleanly(session))
        start_closing(session);
    else if (session->client_eof)
        free_session(session);
    else
        cut(session);
}

static void read_away(struct wr_tls_session *session)
{
    char junk[4096];
    ssize_t n = recv(session->tcp, junk, sizeof junk, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    session->dropped += (size_t)WR_MAX(n, 0);
    if (n <= 0 || session->dropped > LINGER_MAX)
        free_session(session);
}

/* ---- the run of a connection ---- */

static void on_kick(struct wr_timer *timer, void *data)
{
    (void)timer;
    run(data);
}

static void on_pair(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_tls_session *session = data;

    session->server_ready = true;
    if (events & (EPOLLHUP | EPOLLERR)) {
        session->server_gone = true;
        wr_source_remove(source); /* it would be reported without end */
        if (!session->server_ended && !session->client_eof) {
            cut(session);
            return;
        }
    } else if (events & EPOLLRDHUP) {
        session->server_ended = true;
    }
    run(session);
}

/* The handshake is done: one end of a socket pair becomes a connection of the HTTP server. */
static int open_pair(struct wr_tls_session *session)
{
    int pair[2] = {-1, -1};
    struct wr_error error = {0};

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    session->pair = pair[0];
    if (wr_http_server_adopt(session->terminator->http, pair[1], &error) < 0 ||
        wr_source_add(session->terminator->loop, &session->pair_source, session->pair,
                      EPOLLIN | EPOLLRDHUP, on_pair, session, &error) < 0)
        return -1;
    wr_timer_stop(&session->timer);
    session->phase = OPEN;
    return 0;
}

/* False when the session is over. */
static bool shake_hands(struct wr_tls_session *session)
{
    int r = SSL_accept(session->ssl);
    bool failed = r == 1 ? open_pair(session) < 0 : tls_failure(session, r) != 0;

    if (failed)
        free_session(session);
    return !failed;
}

/* Whether more could move at once; -1 when the connection is broken. */
static int move(struct wr_tls_session *session)
{
    static int (*const moves[])(struct wr_tls_session *) = {read_client, write_server, read_server,
                                                            write_client};
    int moved = 0;

    for (unsigned round = 0; round < ROUNDS_PER_RUN; round++) {
        moved = 0;
        session->tls_wants = 0;
        for (size_t i = 0; i < WR_ARRAY_SIZE(moves); i++) {
            int r = moves[i](session);
            if (r < 0)
                return -1;
            moved |= r;
        }
        if (!moved)
            break;
    }
    return moved;
}

static void update_events(struct wr_tls_session *session)
{
    uint32_t tcp = session->tls_wants, pair = session->server_ended ? 0u : (uint32_t)EPOLLRDHUP;

    if (!session->client_eof && wr_buf_room(&session->in) > 0)
        tcp |= (uint32_t)EPOLLIN;
    if (!session->server_eof && wr_buf_room(&session->out) > 0)
        pair |= (uint32_t)EPOLLIN;
    if (session->in.len > 0)
        pair |= (uint32_t)EPOLLOUT;
    wr_source_set_events(&session->tcp_source, tcp);
    if (session->pair_source.loop)
        wr_source_set_events(&session->pair_source, pair);
    wr_buf_trim(&session->in, 0);
    wr_buf_trim(&session->out, 0);
}

static void run(struct wr_tls_session *session)
{
    struct wr_error error = {0};

    if (session->phase == HANDSHAKE) {
        session->tls_wants = 0;
        if (!shake_hands(session))
            return;
    }
    if (session->phase == HANDSHAKE) {
        wr_source_set_events(&session->tcp_source, session->tls_wants);
        return;
    }
    int moved = move(session);
    if (moved < 0) {
        cut(session);
        return;
    }
    if (session->server_eof && session->out.len == 0) {
        end(session);
        return;
    }
    if (moved && wr_timer_start(session->terminator->loop, &session->kick, 0, on_kick, session,
                                &error) < 0) {
        cut(session);
        return;
    }
    /* While the server is there, it is the one that watches over the client. */
    if (session->server_eof && !session->timer.loop &&
        arm(session, WR_HTTP_STALL_TIMEOUT_MS, on_timer) < 0) {
        cut(session);
        return;
    }
    update_events(session);
}

static void on_tcp(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_tls_session *session = data;

    (void)source;
    session->client_ready = true;
    if (session->phase == CLOSING)
        read_away(session);
    else if (events & (EPOLLERR | EPOLLHUP))
        cut(session);
    else
        run(session);
}

int wr_tls_session_new(struct wr_tls_terminator *terminator, int fd, struct wr_error *err)
{
    struct wr_tls_session *session = wr_calloc(1, sizeof *session);
    const int on = 1;

    if (!session) {
        (void)wr_close(fd);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "new TLS connection");
    }
    /* Fails on what is not TCP, which has no such delay. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    session->terminator = terminator;
    session->tcp = fd;
    session->pair = -1;
    wr_buf_init(&session->in, BUFFER_MAX);
    wr_buf_init(&session->out, BUFFER_MAX);
    session->ssl = SSL_new(terminator->context);
    if (!session->ssl || SSL_set_fd(session->ssl, fd) != 1) {
        ERR_clear_error();
        free_session(session);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "new TLS session");
    }
    int r =
        wr_source_add(terminator->loop, &session->tcp_source, fd, EPOLLIN, on_tcp, session, err);
    if (r == 0)
        r = wr_timer_start(terminator->loop, &session->timer, terminator->handshake_timeout_ms,
                           on_timer, session, err);
    if (r < 0) {
        free_session(session);
        return r;
    }
    wr_list_append(&terminator->sessions, &session->link);
    terminator->count++;
    return 0;
}
