/*
 * An HTTP server that misbehaves as it is told, on the loop of the transport that is tested: all
 * happens in one thread.
 */
#pragma once

#include "client/request.h"
#include "tls/session.h"

#define FAKE_OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

enum {
    FAKE_CONNECTIONS = 64,
    FAKE_REQUEST_MAX = 16 * 1024,
};

struct fake_peer {
    struct fake_server *server;
    struct wr_source source;
    int fd;
    const char *script; /* what is still to come */
    char in[FAKE_REQUEST_MAX];
    size_t len;
};

struct fake_server {
    struct wr_loop *loop;
    int port;
    /*
     * Of each connection in the order of their coming: 'A' answers a request, 'C' closes instead,
     * 'H' sends half a status line and closes, '|' closes at once. The last one stands for all that
     * follow.
     */
    const char *const *scripts;
    const char *answer; /* NULL: FAKE_OK */
    SSL_CTX *tls;       /* NULL: plain */
    unsigned connections, requests, open;
    char last[FAKE_REQUEST_MAX]; /* request, whole */
    /* private: */
    int fd;
    struct wr_source source;
    struct wr_tls_group sessions;
    struct fake_peer peers[FAKE_CONNECTIONS];
};

/* On 127.0.0.1; call it once there is the transport whose loop it is. */
void fake_listen(struct fake_server *server);
void fake_serve(struct fake_server *server, struct wr_loop *loop);
void fake_close(struct fake_server *server);
/* A transport for http(s)://<host>:<port of the server>, API and sandboxes alike, with the key
 * FAKE_KEY; the server serves it. */
#define FAKE_KEY "e2b_0123456789abcdef"
struct wr_transport *fake_transport(struct fake_server *server, const char *host,
                                    uint64_t connect_timeout_ms);
/* One blocking request; the result. */
int fake_request(struct wr_transport *transport, const char *method, struct wr_error *err);
