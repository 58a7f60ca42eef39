/*
 * TLS in front of an HTTP server: accepts, does the handshake, and hands the HTTP server one end of
 * a socket pair per connection; bytes are carried between the other end and the TLS session with
 * bounded buffers. So the HTTP codec and everything above it stay without TLS, tunnels included. A
 * connection that HTTP ends cleanly ends with close_notify; one that it cuts ends without, and
 * with a reset, so that a cut body never looks complete.
 */
#pragma once

#include "http/server.h"

struct wr_tls_terminator;

/* A client that names this protocol (ALPN) wants the bytes of its connection as they are. */
#define WR_TLS_RAW_PROTOCOL "warren-tcp"

/* Connections that need not speak HTTP. */
struct wr_tls_raw {
    /* Whether one for this server name may be something else. Asked in each handshake. */
    bool (*allows)(const char *server_name, void *data);
    /* Such a connection whose handshake is done; `fd`, the end of a socket pair, is the callee's in
     * any case. `asked`: the client has named a protocol, and it is not HTTP; else it has named
     * none, and what it says first may show that it speaks HTTP. A failure ends the connection. */
    int (*open)(const char *server_name, bool asked, int fd, void *data, struct wr_error *err);
    void *data;
};

struct wr_tls_opts {
    const char *cert_pem; /* leaf first, then intermediates */
    const char *key_pem;
    size_t max_connections;
    uint64_t handshake_timeout_ms;
    const struct wr_tls_raw *raw; /* copied; NULL: all speak HTTP */
};

/* `listen_fd` becomes owned (also on failure); `http` is borrowed and must outlive this. ALPN
 * chooses http/1.1, or for what may be raw WR_TLS_RAW_PROTOCOL before it, and else what the client
 * wants most if it does not offer HTTP at all (h2 is HTTP too); TLS 1.2 and 1.3. */
int wr_tls_terminator_new(struct wr_loop *loop, int listen_fd, struct wr_http_server *http,
                          const struct wr_tls_opts *opts, struct wr_tls_terminator **ret,
                          struct wr_error *err) WR_MUST_CHECK;
/* Closes the listener; connections go on. Accepts NULL. */
void wr_tls_terminator_stop_accepting(struct wr_tls_terminator *terminator);
/* Cuts every connection. Accepts NULL, returns NULL. */
struct wr_tls_terminator *wr_tls_terminator_free(struct wr_tls_terminator *terminator);
