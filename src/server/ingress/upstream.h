/*
 * Connections from the server to services inside sandboxes: kept alive, and reused only for the
 * same sandbox and port. New ones come from dial.h.
 */
#pragma once

#include "http/client.h"
#include "server/sandbox_table.h"

/* Connections of one sandbox, busy, idle and being dialled; 429 above. Unless the operator says
 * otherwise. */
#define WR_UPSTREAM_DEFAULT_MAX 1024
#define WR_UPSTREAM_MAX_IDLE    64    /* kept for reuse per sandbox and port */
#define WR_UPSTREAM_IDLE_MS     60000 /* an idle connection is closed after that, ms */

struct wr_server;

struct wr_upstream {
    struct wr_list link; /* sandbox->connections: the idle ones first */
    struct wr_server *server;
    struct wr_sandbox *sandbox; /* NULL once the sandbox is gone: the user of the connection ends */
    uint16_t port;
    bool busy;
    bool reused;               /* had a call before: the service may have closed it meanwhile */
    int fd;                    /* of `conn`, borrowed */
    struct wr_http_conn *conn; /* NULL: a plain socket (`fd`), or one that a tunnel has taken over;
                                  then the descriptor is the user's */
    struct wr_timer idle;
    /* Set by the user of a plain socket: called when the sandbox goes away; it closes the upstream.
     */
    void (*on_drop)(struct wr_upstream *upstream);
    void *drop_data;
};

unsigned wr_upstream_limit(const struct wr_server *server);
/* An idle connection to that port, now busy and the caller's until wr_upstream_release(), or NULL.
 */
struct wr_upstream *wr_upstream_take_idle(struct wr_sandbox *sandbox, uint16_t port);
/* Takes a place below the limit: that of an idle connection, if there is no other. False without.
 * It is given back by wr_upstream_close(), or without a connection by wr_upstream_unreserve(). */
bool wr_upstream_reserve(struct wr_server *server, struct wr_sandbox *sandbox);
void wr_upstream_unreserve(struct wr_sandbox *sandbox);
/* A busy connection in a place that was reserved. `fd`, connected or connecting, becomes owned
 * (also on failure); on failure the place stays reserved. */
int wr_upstream_new(struct wr_server *server, struct wr_sandbox *sandbox, uint16_t port, int fd,
                    struct wr_upstream **ret, struct wr_error *err) WR_MUST_CHECK;
/* The same without HTTP on it: `fd` is the user's, who sets on_drop at once; the place is given
 * back by wr_upstream_close(). */
int wr_upstream_new_plain(struct wr_server *server, struct wr_sandbox *sandbox, uint16_t port,
                          int fd, struct wr_upstream **ret, struct wr_error *err) WR_MUST_CHECK;
/* Acknowledges what has arrived: a service that writes head and body separately (Nagle) otherwise
 * waits 40 ms for a delayed one. */
void wr_upstream_ack_now(const struct wr_upstream *upstream);
/* The call is over: keeps the connection if it can carry another one, else closes it. */
void wr_upstream_release(struct wr_upstream *upstream);
/* Closes it whatever its state (a cancelled call, a hijacked socket with conn == NULL). */
void wr_upstream_close(struct wr_upstream *upstream);
/* Whether a request to that port is under way. */
bool wr_upstream_in_use(const struct wr_sandbox *sandbox, uint16_t port) WR_MUST_CHECK;
/* The sandbox goes away: cuts all connections; running calls end with an error. */
void wr_upstream_drop_all(struct wr_sandbox *sandbox);
