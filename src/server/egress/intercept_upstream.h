/*
 * The server's side of an intercepted connection: an outbound connection, TLS to a verified server
 * in front of it where the client spoke TLS, and an HTTP connection, kept for further requests.
 */
#pragma once

#include "http/client.h"
#include "server/egress/intercept.h"
#include "tls/session.h"

#define WR_INTERCEPT_HANDSHAKE_MS 15000

/* Embedded in its user's struct, zeroed before the first use. */
struct wr_intercept_upstream {
    /* Called once per start, later: there is a connection (`error` NULL) or none. */
    void (*fn)(struct wr_intercept_upstream *upstream, const struct wr_error *error);
    struct wr_http_conn *conn; /* NULL: none */
    bool reused;               /* it had a call before: the server may have closed it meanwhile */
    /* private: */
    struct wr_loop *loop;
    struct wr_tls_group *group;
    SSL_CTX *context; /* borrowed; NULL: without TLS */
    char name[WR_POLICY_MAX_DOMAIN + 1];
    struct wr_outbound outbound;
    struct wr_tls_session *tls;
    struct wr_timer told;
    bool truncated; /* the server's stream ended without saying so */
};

struct wr_intercept_target {
    struct wr_loop *loop;
    struct wr_resolver *resolver;
    const struct wr_net_guard *guard;
    struct wr_net_policy *policy;
    struct wr_tls_group *group; /* of its TLS sessions */
    SSL_CTX *context;           /* borrowed; NULL: without TLS */
    const char *name;
    const struct wr_ip *address; /* that the name stands for; NULL: it is resolved */
    uint16_t port;
    const void *asker; /* of struct wr_resolve */
};

/* Without a connection only. */
void wr_intercept_upstream_start(struct wr_intercept_upstream *upstream,
                                 const struct wr_intercept_target *target);
/* Whether a further request may be sent over it. */
bool wr_intercept_upstream_usable(const struct wr_intercept_upstream *upstream);
/* Whether a body that ended with the connection may not be whole. */
bool wr_intercept_upstream_truncated(const struct wr_intercept_upstream *upstream);
/* Cuts whatever there is; no fn is called any more. Idempotent. */
void wr_intercept_upstream_close(struct wr_intercept_upstream *upstream);
/* The same, when nothing is under way: the server hears a proper end. */
void wr_intercept_upstream_finish(struct wr_intercept_upstream *upstream);
