/*
 * Connections from the server to services inside sandboxes: dialled over sockets that the engine
 * opens in the sandbox's network namespace, kept alive, and reused only for the same sandbox and
 * port.
 */
#pragma once

#include "http/client.h"
#include "server/sandbox_table.h"

#define WR_UPSTREAM_MAX_PER_SANDBOX 256   /* connections of one sandbox, busy and idle; 429 above */
#define WR_UPSTREAM_MAX_IDLE        8     /* kept for reuse per sandbox and port */
#define WR_UPSTREAM_IDLE_MS         60000 /* an idle connection is closed after that, ms */
#define WR_UPSTREAM_MAX_WAITERS     64    /* dials of one sandbox that wait for a socket */
#define WR_UPSTREAM_REFILL          4     /* sockets asked from the engine at once */

struct wr_server;

struct wr_upstream {
    struct wr_list link; /* sandbox->connections */
    struct wr_server *server;
    struct wr_sandbox *sandbox; /* NULL once the sandbox is gone: the user of the connection ends */
    uint16_t port;
    bool busy;
    bool reused;               /* had a call before: the service may have closed it meanwhile */
    int fd;                    /* of `conn`, borrowed */
    struct wr_http_conn *conn; /* NULL when the socket was taken over by a tunnel */
    struct wr_timer idle;
    /* Set by a tunnel: called instead when the sandbox goes away; it closes the upstream. */
    void (*on_drop)(struct wr_upstream *upstream);
    void *drop_data;
};

/* A wish for a connection; embedded in its user's struct. */
struct wr_dial {
    struct wr_list link; /* sandbox->waiters while a socket is awaited */
    uint16_t port;
    /* Exactly one of `upstream` (busy, the caller's until wr_upstream_release) and `error` is
     * non-NULL. */
    void (*fn)(struct wr_dial *dial, struct wr_upstream *upstream, const struct wr_error *error);
};

/* An idle connection, or a new one; `dial->fn` is called once, at once or later. `fresh`: never one
 * that was used before. */
void wr_upstream_dial(struct wr_server *server, struct wr_sandbox *sandbox, struct wr_dial *dial,
                      bool fresh);
/* Gives up a wish whose fn was not called yet; idempotent. */
void wr_dial_cancel(struct wr_dial *dial);
/* Acknowledges what has arrived: a service that writes head and body separately (Nagle) otherwise
 * waits 40 ms for a delayed one. */
void wr_upstream_ack_now(const struct wr_upstream *upstream);
/* The call is over: keeps the connection if it can carry another one, else closes it. */
void wr_upstream_release(struct wr_upstream *upstream);
/* Closes it whatever its state (a cancelled call, a hijacked socket with conn == NULL). */
void wr_upstream_close(struct wr_upstream *upstream);
/* The sandbox goes away: fails its waiters and cuts all connections; running calls end with an
 * error. */
void wr_upstream_drop_all(struct wr_server *server, struct wr_sandbox *sandbox);
