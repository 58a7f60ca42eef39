#include "tls/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "http/limits.h"
#include "tls/socket_bio.h"

#define BUFFER_MAX     (64 * 1024) /* bytes under way per direction */
#define PIECE          (16 * 1024) /* one read or write: the largest record */
#define ROUNDS_PER_RUN 16          /* pieces per direction before the other connections' turn */
/* After our last word the peer gets time to read it: closing with unread input would reset. */
#define LINGER_MS      2000
#define LINGER_MAX     (1024 * 1024)

enum phase {
    HANDSHAKE = 0,
    OPEN = 1,
    CLOSING = 2, /* close_notify was sent; what the peer still says is read away */
};

struct wr_tls_session {
    struct wr_list link;
    struct wr_tls_session_opts opts;
    SSL *ssl;
    BIO_METHOD *socket; /* of its BIO */
    int fd, pair;       /* owned; `pair` is -1 in the handshake, and once it has ended */
    struct wr_source peer_source, pair_source;
    struct wr_timer timer; /* of the handshake, of a peer that takes nothing, of the linger */
    struct wr_timer kick;
    struct wr_buf in, out; /* peer to local side, local side to peer */
    enum phase phase;
    uint32_t tls_wants; /* the event that the TLS session waits for */
    size_t dropped;     /* bytes read away */
    bool peer_ready;    /* there may be something to read from the peer */
    bool local_ready;   /* the same of the local side */
    bool peer_eof;      /* the peer sends no more */
    bool truncated;     /* it did not say so */
    bool eof_passed;    /* the local side knows */
    bool local_ended;   /* the local side ended its stream and is still there: a clean end */
    bool local_gone;    /* it has closed its socket */
    bool local_eof;     /* all that it had to say was read */
};

static void run(struct wr_tls_session *session);

static void free_session(struct wr_tls_session *session)
{
    wr_source_remove(&session->peer_source);
    wr_source_remove(&session->pair_source);
    wr_timer_stop(&session->timer);
    wr_timer_stop(&session->kick);
    SSL_free(session->ssl);
    BIO_meth_free(session->socket);
    wr_close(session->fd);
    wr_close(session->pair);
    wr_buf_done(&session->in);
    wr_buf_done(&session->out);
    if (wr_list_linked(&session->link)) {
        wr_list_remove(&session->link);
        session->opts.group->count--;
    }
    free(session);
}

static void over(struct wr_tls_session *session, const struct wr_error *error)
{
    if (session->opts.on_end)
        session->opts.on_end(session, error, session->opts.data);
    free_session(session);
}

/* Without close_notify: what was sent before must not look complete. */
static void reset(struct wr_tls_session *session)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(session->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void cut(struct wr_tls_session *session)
{
    session->truncated = session->truncated || !session->peer_eof;
    reset(session);
    over(session, NULL);
}

struct wr_tls_session *wr_tls_session_cut(struct wr_tls_session *session)
{
    if (!session)
        return NULL;
    /* Of one that has said goodbye nothing is left to be cut. */
    if (session->phase != CLOSING)
        reset(session);
    free_session(session);
    return NULL;
}

struct wr_tls_session *wr_tls_session_drop(struct wr_tls_session *session)
{
    if (session)
        free_session(session);
    return NULL;
}

void wr_tls_session_forget(struct wr_tls_session *session)
{
    session->opts.on_end = NULL;
}

void wr_tls_session_cut_node(struct wr_list *node)
{
    (void)wr_tls_session_cut(wr_list_entry(node, struct wr_tls_session, link));
}

bool wr_tls_session_make_room(struct wr_tls_group *group)
{
    wr_list_foreach(it, &group->sessions) {
        struct wr_tls_session *session = wr_list_entry(it, struct wr_tls_session, link);

        if (session->phase != HANDSHAKE)
            continue;
        cut(session);
        return true;
    }
    return false;
}

const char *wr_tls_session_said(const struct wr_tls_session *session)
{
    return SSL_get_servername(session->ssl, TLSEXT_NAMETYPE_host_name);
}

const unsigned char *wr_tls_session_protocol(const struct wr_tls_session *session,
                                             unsigned *ret_len)
{
    const unsigned char *chosen = NULL;

    SSL_get0_alpn_selected(session->ssl, &chosen, ret_len);
    return chosen;
}

bool wr_tls_session_truncated(const struct wr_tls_session *session)
{
    return session->truncated;
}

static void on_timer(struct wr_timer *timer, void *data)
{
    struct wr_tls_session *session = data;
    struct wr_error error = {0};

    (void)timer;
    if (session->phase != HANDSHAKE) {
        cut(session);
        return;
    }
    (void)wr_fail(&error, WR_E_DEADLINE_EXCEEDED, 0, "the TLS handshake took too long");
    reset(session);
    over(session, &error);
}

static void on_linger_over(struct wr_timer *timer, void *data)
{
    (void)timer;
    over(data, NULL);
}

/* 0, or -1 without memory. */
static int arm(struct wr_tls_session *session, uint64_t delay_ms, wr_timer_fn fn)
{
    struct wr_error error = {0};

    return wr_timer_start(session->opts.loop, &session->timer, delay_ms, fn, session, &error) ? -1
                                                                                              : 0;
}

/* ---- the four moves: each returns whether something moved, or -1 when the connection is broken.
 * ---- */

/* What a failed TLS call means: 0 when it waits for the socket. */
static int tls_failure(struct wr_tls_session *session, int result)
{
    int kind = SSL_get_error(session->ssl, result);
    bool silent_end = kind == SSL_ERROR_SSL &&
                      ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;

    if (session->phase == HANDSHAKE && kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE)
        return -1; /* the reason is still to be told */
    ERR_clear_error();
    if (silent_end) {
        session->truncated = session->peer_eof = true;
        return 1;
    }
    switch (kind) {
    case SSL_ERROR_WANT_READ:
        session->tls_wants |= (uint32_t)EPOLLIN;
        return 0;
    case SSL_ERROR_WANT_WRITE:
        session->tls_wants |= (uint32_t)EPOLLOUT;
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        session->peer_eof = true;
        return 1;
    default:
        return -1;
    }
}

static int read_peer(struct wr_tls_session *session)
{
    size_t want = WR_MIN(wr_buf_room(&session->in), (size_t)PIECE), n = 0;

    if (session->peer_eof || !session->peer_ready || want == 0)
        return 0;
    char *into = wr_buf_reserve(&session->in, want);
    if (!into)
        return -1;
    int r = SSL_read_ex(session->ssl, into, want, &n);
    wr_buf_commit(&session->in, n);
    /* What comes later is an event of the socket. */
    session->peer_ready = r == 1 && (n == want || SSL_has_pending(session->ssl));
    return r == 1 ? 1 : tls_failure(session, r);
}

static int write_local(struct wr_tls_session *session)
{
    struct wr_buf *in = &session->in;

    if (in->len == 0) {
        if (!session->peer_eof || session->eof_passed)
            return 0;
        session->eof_passed = true;
        (void)shutdown(session->pair, SHUT_WR);
        return 1;
    }
    ssize_t n = send(session->pair, wr_buf_ptr(in), in->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    /* A local side that listens no more may still have something to say. */
    wr_buf_consume(in, n < 0 ? in->len : (size_t)n);
    return 1;
}

static int read_local(struct wr_tls_session *session)
{
    size_t want = WR_MIN(wr_buf_room(&session->out), (size_t)PIECE);

    if (session->local_eof || !session->local_ready || want == 0)
        return 0;
    char *into = wr_buf_reserve(&session->out, want);
    if (!into)
        return -1;
    ssize_t n = recv(session->pair, into, want, MSG_DONTWAIT);
    /* What comes later is an event, except behind a hang-up. */
    session->local_ready = n == (ssize_t)want || session->local_gone;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    session->local_eof = n <= 0;
    wr_buf_commit(&session->out, n > 0 ? (size_t)n : 0);
    return 1;
}

static int write_peer(struct wr_tls_session *session)
{
    size_t n = 0;

    if (session->out.len == 0)
        return 0;
    int r = SSL_write_ex(session->ssl, wr_buf_ptr(&session->out), session->out.len, &n);
    if (r != 1)
        return tls_failure(session, r);
    wr_buf_consume(&session->out, n);
    /* A timer that watches over a peer that takes nothing starts anew. */
    wr_timer_stop(&session->timer);
    return 1;
}

/* ---- the end ---- */

/* Whether the local side's last word was its last: it has ended its stream before it closed its
 * socket, which it does at least one round of the loop later. A peer that has ended its own stream
 * hears the rest, whatever it is. */
static bool ended_cleanly(struct wr_tls_session *session)
{
    struct pollfd state = {.fd = session->pair, .events = POLLIN};

    if (!session->local_ended && !session->local_gone)
        session->local_ended = poll(&state, 1, 0) == 1 && !(state.revents & POLLHUP);
    return session->local_ended;
}

/* Says goodbye. The session may be freed afterwards. */
static void start_closing(struct wr_tls_session *session)
{
    int r = SSL_shutdown(session->ssl);

    if (r < 0 && tls_failure(session, r) == 0 && (session->tls_wants & (uint32_t)EPOLLOUT)) {
        /* Again once there is room. */
        wr_source_set_events(&session->peer_source, EPOLLOUT);
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
    /* Closed at once, the end of a Unix socket could not be told from a cut. */
    if (shutdown(session->fd, SHUT_WR) < 0 || arm(session, LINGER_MS, on_linger_over) < 0)
        over(session, NULL);
    else
        wr_source_set_events(&session->peer_source, session->peer_eof ? 0u : (uint32_t)EPOLLIN);
}

/* The local side has said everything and the peer has got it. */
static void end(struct wr_tls_session *session)
{
    if (ended_cleanly(session))
        start_closing(session);
    else if (session->peer_eof)
        over(session, NULL);
    else
        cut(session);
}

struct wr_tls_session *wr_tls_session_end(struct wr_tls_session *session)
{
    if (!session)
        return NULL;
    session->opts.on_end = NULL;
    if (session->phase == OPEN)
        start_closing(session);
    else if (session->phase == HANDSHAKE)
        free_session(session);
    return NULL;
}

static void read_away(struct wr_tls_session *session)
{
    char junk[4096];
    ssize_t n = recv(session->fd, junk, sizeof junk, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    session->dropped += (size_t)WR_MAX(n, 0);
    if (n <= 0 || session->dropped > LINGER_MAX)
        over(session, NULL);
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

    session->local_ready = true;
    if (events & (EPOLLHUP | EPOLLERR)) {
        session->local_gone = true;
        wr_source_remove(source); /* it would be reported without end */
        if (!session->local_ended && !session->peer_eof) {
            cut(session);
            return;
        }
    } else if (events & EPOLLRDHUP) {
        session->local_ended = true;
    }
    run(session);
}

/* The handshake is done: the local side gets its end of a socket pair. */
static int open_pair(struct wr_tls_session *session, struct wr_error *err)
{
    int pair[2] = {-1, -1};

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "socket pair for TLS");
    session->pair = pair[0];
    int r = session->opts.on_open(session, pair[1], session->opts.data, err);
    if (r == 0)
        r = wr_source_add(session->opts.loop, &session->pair_source, session->pair,
                          EPOLLIN | EPOLLRDHUP, on_pair, session, err);
    if (r < 0)
        return r;
    wr_timer_stop(&session->timer);
    session->phase = OPEN;
    return 0;
}

/* Why the handshake failed, in words for the one who wanted it. */
static void say_failure(const struct wr_tls_session *session, struct wr_error *err)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    long verified = SSL_get_verify_result(session->ssl);
    const char *name = wr_tls_session_said(session);

    if (!SSL_is_server(session->ssl) && verified != X509_V_OK)
        (void)wr_fail(err, WR_E_UNAVAILABLE, 0, "the certificate is not valid for %.100s: %s",
                      name ? name : "this address", X509_verify_cert_error_string(verified));
    else
        (void)wr_fail(err, WR_E_UNAVAILABLE, 0, "the TLS handshake failed: %.100s",
                      reason ? reason : "the connection was closed");
    ERR_clear_error();
}

/* False when the session is over. */
static bool shake_hands(struct wr_tls_session *session)
{
    struct wr_error error = {0};
    int r = SSL_do_handshake(session->ssl);
    bool failed = r == 1 ? open_pair(session, &error) < 0 : tls_failure(session, r) != 0;

    if (!failed)
        return true;
    if (r != 1)
        say_failure(session, &error);
    over(session, &error);
    return false;
}

/* Whether more could move at once; -1 when the connection is broken. */
static int move(struct wr_tls_session *session)
{
    static int (*const moves[])(struct wr_tls_session *) = {read_peer, write_local, read_local,
                                                            write_peer};
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
    uint32_t tcp = session->tls_wants, pair = session->local_ended ? 0u : (uint32_t)EPOLLRDHUP;

    if (!session->peer_eof && wr_buf_room(&session->in) > 0)
        tcp |= (uint32_t)EPOLLIN;
    if (!session->local_eof && wr_buf_room(&session->out) > 0)
        pair |= (uint32_t)EPOLLIN;
    if (session->in.len > 0)
        pair |= (uint32_t)EPOLLOUT;
    wr_source_set_events(&session->peer_source, tcp);
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
        wr_source_set_events(&session->peer_source, session->tls_wants);
        return;
    }
    int moved = move(session);
    if (moved < 0) {
        cut(session);
        return;
    }
    if (session->local_eof && session->out.len == 0) {
        end(session);
        return;
    }
    if (moved &&
        wr_timer_start(session->opts.loop, &session->kick, 0, on_kick, session, &error) < 0) {
        cut(session);
        return;
    }
    /* While the local side is there, it is the one that watches over the peer. */
    if (session->local_eof && !session->timer.loop &&
        arm(session, WR_HTTP_STALL_TIMEOUT_MS, on_timer) < 0) {
        cut(session);
        return;
    }
    update_events(session);
}

static void on_peer(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_tls_session *session = data;

    (void)source;
    session->peer_ready = true;
    if (session->phase == CLOSING)
        read_away(session);
    /* In the handshake the peer's last word may be an alert, which is the reason. */
    else if ((events & (EPOLLERR | EPOLLHUP)) && session->phase != HANDSHAKE)
        cut(session);
    else
        run(session);
}

static bool use_socket(struct wr_tls_session *session)
{
    session->ssl = SSL_new(session->opts.context);
    session->socket = wr_socket_bio_method_new();
    BIO *bio = session->socket ? wr_socket_bio_new(session->socket, session->fd) : NULL;
    if (!session->ssl || !bio) {
        BIO_free(bio);
        return false;
    }
    SSL_set_bio(session->ssl, bio, bio); /* both ways are one holder */
    return true;
}

/* What is said before anything is heard: which side this is, and who the other one has to be. */
static bool choose_role(struct wr_tls_session *session)
{
    const char *name = session->opts.server_name;
    struct in6_addr address;

    if (!name) {
        SSL_set_accept_state(session->ssl);
        return true;
    }
    SSL_set_connect_state(session->ssl);
    /* An address is no server name: it is in the certificate, but it is not said. */
    if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session->ssl), name) == 1;
    SSL_set_hostflags(session->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(session->ssl, name) == 1 &&
           SSL_set1_host(session->ssl, name) == 1;
}

static int start(struct wr_tls_session *session, struct wr_error *err)
{
    const struct wr_tls_session_opts *opts = &session->opts;
    uint32_t events = opts->server_name ? EPOLLIN | EPOLLOUT : EPOLLIN;

    if (!use_socket(session) || !choose_role(session)) {
        ERR_clear_error();
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "new TLS session");
    }
    int r = wr_source_add(opts->loop, &session->peer_source, session->fd, events, on_peer, session,
                          err);
    if (r == 0)
        r = wr_timer_start(opts->loop, &session->timer, opts->handshake_timeout_ms, on_timer,
                           session, err);
    return r;
}

int wr_tls_session_new(const struct wr_tls_session_opts *opts, int fd, struct wr_tls_session **ret,
                       struct wr_error *err)
{
    struct wr_tls_session *session = wr_calloc(1, sizeof *session);
    const int on = 1;

    if (!session) {
        (void)wr_close(fd);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "new TLS connection");
    }
    /* Fails on what is not TCP, which has no such delay. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    session->opts = *opts;
    session->fd = fd;
    session->pair = -1;
    wr_buf_init(&session->in, BUFFER_MAX);
    wr_buf_init(&session->out, BUFFER_MAX);
    session->out.wipe = opts->wipe;
    int r = start(session, err);
    if (r < 0) {
        free_session(session);
        return r;
    }
    session->opts.server_name = NULL; /* the TLS library has copied it */
    wr_list_append(&opts->group->sessions, &session->link);
    opts->group->count++;
    *ret = session;
    return 0;
}
