/* One TLS connection: the client's socket, its TLS session, and a socket pair to the HTTP server.
 * Private to tls/. */
#pragma once

#include <openssl/ssl.h>

#include "base/list.h"
#include "http/server.h"

struct wr_tls_terminator {
    struct wr_loop *loop;
    struct wr_http_server *http; /* borrowed */
    SSL_CTX *context;            /* owned */
    int fd;                      /* owned */
    struct wr_source source;
    struct wr_timer retry; /* accept again after the process ran out of descriptors */
    size_t max_connections;
    uint64_t handshake_timeout_ms;
    struct wr_list sessions;
    size_t count;
};

struct wr_tls_session;

/* `fd` becomes owned in any case; it has to be non-blocking. */
int wr_tls_session_new(struct wr_tls_terminator *terminator, int fd, struct wr_error *err)
    WR_MUST_CHECK;
/* Cuts the session that has waited longest in its handshake; false when there is none. */
bool wr_tls_session_make_room(struct wr_tls_terminator *terminator);
/* The session whose node in `terminator->sessions` this is: cut and freed. */
void wr_tls_session_cut(struct wr_list *node);
