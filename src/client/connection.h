/*
 * The connections of one transport: found again for the same host, port and kind when they wait,
 * and made otherwise: to a socket at once, to a host by TCP and, for https, TLS to a server whose
 * certificate is valid for it.
 */
#pragma once

#include "client/endpoint.h"
#include "client/tcp.h"
#include "http/client.h"
#include "tls/session.h"

#define WR_CONNECTION_IDLE_MAX 16 /* kept per transport; the one that has waited longest goes */
#define WR_CONNECTION_IDLE_MS                                          \
    60000 /* of one over TCP: servers and what lies between close them \
           */

struct wr_connections {
    struct wr_loop *loop;         /* borrowed */
    struct wr_endpoint *endpoint; /* borrowed */
    struct wr_list all;
    struct wr_tls_group sessions;
};

struct wr_connection;
/* `error` NULL: connection->http is there. Else the connection is freed when this returns. */
typedef void (*wr_connection_fn)(struct wr_connection *connection, const struct wr_error *error,
                                 void *data);

struct wr_connection {
    struct wr_http_conn *http; /* owned; NULL while it connects */
    bool waited;               /* between calls: the server may have closed it meanwhile */
    /* private: */
    struct wr_list link;
    struct wr_connections *all;
    struct wr_url url;
    struct wr_tcp tcp;
    struct wr_tls_session *tls; /* NULL: none, or it has ended */
    struct wr_timer told;
    int fd;      /* of the peer; borrowed from `tls` or `http` */
    int pair_fd; /* with TLS: what `http` has; borrowed; else -1 */
    bool truncated;
    bool busy;
    uint64_t end_ms, idle_since_ms;
    wr_connection_fn fn;
    void *data;
};

void wr_connections_init(struct wr_connections *all, struct wr_loop *loop,
                         struct wr_endpoint *endpoint);
/* Closes all; running calls must be over. Accepts a zeroed struct. */
void wr_connections_done(struct wr_connections *all);

/* One for `url`, which is busy until it is released or freed. `fresh`: never one that has waited.
 * Without `http` it connects: fn is called once, later. UNAVAILABLE, PERMISSION_DENIED for a
 * socket, at once. */
int wr_connection_take(struct wr_connections *all, const struct wr_url *url, bool fresh,
                       wr_connection_fn fn, void *data, struct wr_connection **ret,
                       struct wr_error *err) WR_MUST_CHECK;
/* It waits for a call, or for another one, if it can; else it is freed. */
void wr_connection_release(struct wr_connection *connection);
/* Closes it, whatever it does. Accepts NULL, returns NULL. */
struct wr_connection *wr_connection_free(struct wr_connection *connection);
/* The same in a forked child: without a word to the peer, which is its parent's. */
struct wr_connection *wr_connection_abandon(struct wr_connection *connection);
/* Its socket was taken over: what is left is freed, and a TLS session goes on for the socket. */
void wr_connection_hand_over(struct wr_connection *connection);
/* Whether the peer's stream has ended without TLS saying so: a body that ends with it may not be
 * whole. */
bool wr_connection_truncated(const struct wr_connection *connection);
