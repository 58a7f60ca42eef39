/*
 * The ingress: a request that names a sandbox and a port, by its host or by E2b-Sandbox-* headers,
 * goes to that port of the sandbox's loopback. Bodies stream both ways and a slow side stops the
 * other; what is buffered per request is bounded by the HTTP layer.
 */
#pragma once

#include "server/server.h"

/* Takes the exchange over and answers it. */
void wr_proxy_handle(const struct wr_listener *listener, struct wr_exchange *ex);

/* Why a sandbox has not answered. */
struct wr_proxy_failure {
    struct wr_server *server;
    const char *id;
    uint16_t port;
    const struct wr_error *error; /* NULL: there is no such sandbox */
};
/* Who sends requests through the proxy. Constant tables. */
struct wr_proxy_rules {
    /* NULL when it is gone or about to go. */
    struct wr_sandbox *(*find)(const struct wr_server *server, const char *id);
    /* What is asked for, in a buffer that the proxy frees; NULL without memory. Without this
     * function the client's own target. */
    char *(*target)(const struct wr_h1_head *head);
    /* Answers the client, to whom nothing was said. */
    void (*fail)(struct wr_exchange *ex, const struct wr_proxy_failure *failure);
    /* The server asks the agent in its own name: what shows who the client is stays outside, the
     * sandbox's access token is added, and the connection does not leave HTTP. */
    bool own_credentials;
    /* A pause that begins while the connection is made is ended, where traffic may do that
     * (waking.h). */
    bool wakes;
};
/* Passes on one request, to whichever sandbox the caller has chosen. Takes the exchange over; its
 * operations so far get no further call. */
void wr_proxy_start(struct wr_server *server, struct wr_exchange *ex,
                    const struct wr_proxy_rules *rules, const char *id, uint16_t port);
