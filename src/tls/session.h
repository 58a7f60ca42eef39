/*
 * One TLS connection: the peer's socket, its TLS session, and a socket pair whose other end carries
 * the plain bytes. Bytes under way are bounded per direction. A local side that ends its stream
 * cleanly ends the session with close_notify; one that just goes away ends it without, and with a
 * reset, so that what was cut never looks complete.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/list.h"
#include "loop/loop.h"

struct wr_tls_session;

/* Sessions that belong together. */
struct wr_tls_group {
    struct wr_list sessions;
    size_t count;
};

struct wr_tls_session_opts {
    struct wr_loop *loop;
    SSL_CTX *context;        /* held by the session as long as it needs it */
    const char *server_name; /* NULL: this side is the server. Else it is the client, says the name
                                (unless it is an address), and the server's certificate must be
                                valid for it */
    uint64_t handshake_timeout_ms;
    bool wipe;                  /* what the local side says is wiped from memory once it is sent */
    struct wr_tls_group *group; /* borrowed */
    /* The handshake is done; `fd` is the local side's end of the socket pair, the callee's in any
     * case. The session must not be cut inside; a negative result ends it. */
    int (*on_open)(struct wr_tls_session *session, int fd, void *data, struct wr_error *err);
    /* Called once, unless the session is cut: it is over and freed afterwards. `error` (may be
     * NULL) says why the handshake failed. May be NULL. */
    void (*on_end)(struct wr_tls_session *session, const struct wr_error *error, void *data);
    void *data;
};

/* `fd`, a stream socket, becomes owned in any case; it has to be non-blocking. */
int wr_tls_session_new(const struct wr_tls_session_opts *opts, int fd, struct wr_tls_session **ret,
                       struct wr_error *err) WR_MUST_CHECK;
/* Cuts the session that has waited longest in its handshake; false when there is none. */
bool wr_tls_session_make_room(struct wr_tls_group *group);
/* The session whose node in `group->sessions` this is: cut and freed. */
void wr_tls_session_cut_node(struct wr_list *node);
/* With a reset, unless both sides are through. Accepts NULL, returns NULL. */
struct wr_tls_session *wr_tls_session_cut(struct wr_tls_session *session);
/* A forked child's copy: nothing is said to the peer, and nothing changes for the parent. Accepts
 * NULL, returns NULL. */
struct wr_tls_session *wr_tls_session_drop(struct wr_tls_session *session);
/* The local side is done with a session whose peer waits for nothing: says goodbye and frees.
 * Accepts NULL, returns NULL. */
struct wr_tls_session *wr_tls_session_end(struct wr_tls_session *session);
/* on_end is not called any more: the session lives as long as its two sides do. */
void wr_tls_session_forget(struct wr_tls_session *session);
/* The server name that the client has said, or NULL. Borrowed. */
const char *wr_tls_session_said(const struct wr_tls_session *session);
/* The protocol that both sides have agreed on (ALPN), `*ret_len` bytes; NULL: none was offered.
 * Borrowed. */
const unsigned char *wr_tls_session_protocol(const struct wr_tls_session *session,
                                             unsigned *ret_len);
/* Whether the peer's stream ended without close_notify: what has only that end for its length is
 * not known to be whole. */
bool wr_tls_session_truncated(const struct wr_tls_session *session);
