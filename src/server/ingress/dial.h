/*
 * Getting a connection to a port of a sandbox: an idle one, or a new one over a socket that the
 * engine opened in the sandbox's network namespace. Services may listen on 127.0.0.1 or on ::1, and
 * may be about to start: a refused connection is tried again for a second.
 */
#pragma once

#include "server/ingress/upstream.h"

#define WR_DIAL_ROUNDS    5   /* a port that refuses that often is closed */
#define WR_DIAL_PAUSE_MS  100 /* after the first refusal; one more of it after each further one */
#define WR_DIAL_REFILL    4   /* sockets asked from the engine at once, besides those waited for */
#define WR_DIAL_ADDRESSES 2   /* 127.0.0.1, ::1 */

/* A wish for a connection; embedded in its user's struct, zeroed before the first use. */
struct wr_dial {
    uint16_t port;
    /* Called once. Exactly one of `upstream` (busy, the caller's until wr_upstream_release(), or
     * wr_upstream_close() when it is a plain socket) and `error` is non-NULL; the error of a closed
     * port has os_errno ECONNREFUSED, that of too many connections RESOURCE_EXHAUSTED. */
    void (*fn)(struct wr_dial *dial, struct wr_upstream *upstream, const struct wr_error *error);
    /* private: */
    struct wr_list link; /* sandbox->waiters or sandbox->retrying */
    struct wr_server *server;
    struct wr_sandbox *sandbox; /* NULL before and after */
    struct wr_timer retry;
    int fds[WR_DIAL_ADDRESSES]; /* owned; per address; -1 until it was needed */
    unsigned tried;             /* addresses in this round */
    unsigned rounds;
    int failure; /* -errno of 127.0.0.1 in this round */
    bool plain;
};

/* `fn` is called at once or later. `fresh`: never a connection that was used before. */
void wr_dial_start(struct wr_dial *dial, struct wr_server *server, struct wr_sandbox *sandbox,
                   bool fresh);
/* The same for a socket without HTTP on it, always a new one: fn gets an upstream without `conn`,
 * whose `fd` (connected or about to be, non-blocking) is the caller's. In fn the caller sets its
 * on_drop; it gives the place among the sandbox's connections back with wr_upstream_close(). */
void wr_dial_socket(struct wr_dial *dial, struct wr_server *server, struct wr_sandbox *sandbox);
/* Gives up a wish whose fn was not called yet; idempotent. */
void wr_dial_cancel(struct wr_dial *dial);
/* The sandbox goes away: fails its wishes, then cuts its connections. */
void wr_dial_drop_all(struct wr_sandbox *sandbox);
