/*
 * One intercepted connection, as its two files see it: intercept.c (its life, and what all share)
 * and intercept_request.c (one request after the other). Private to egress/.
 */
#pragma once

#include "http/server.h"
#include "server/egress/authority.h"
#include "server/egress/intercept_upstream.h"
#include "server/relay.h"
#include "server/store/uuid.h"

struct wr_intercept {
    struct wr_loop *loop;
    struct wr_intercept_opts opts;  /* texts are copied */
    struct wr_authority *authority; /* NULL until it is needed */
    SSL_CTX *client;                /* the same */
    struct wr_tls_group sessions;   /* of both sides */
};

/* The request that is under way. */
struct wr_intercept_request {
    struct wr_exchange *ex;    /* NULL: none */
    struct wr_http_call *call; /* NULL before and after */
    bool connecting;
    bool streaming; /* it has a body that is passed on */
    bool done;      /* the body is whole */
    bool answered;  /* the response has begun */
    bool retried;
    bool until_close; /* only the end of the connection is the end of the response */
    int status;
    uint64_t began_ms, bytes_out, bytes_in;
    char said[WR_HTTP_MAX_METHOD + 1]; /* the method */
    char rule[WR_POLICY_RULE_TEXT];
    char problem[64]; /* for the log; "" when all is well */
    bool denied;
};

struct wr_intercepted {
    struct wr_intercept *shared;
    struct wr_intercepted_opts opts;
    char name[WR_POLICY_MAX_DOMAIN + 1];
    char team_id[WR_UUID_LEN + 1];
    struct wr_tls_session *tls;  /* the client's; NULL without TLS, and once it has ended */
    struct wr_http_server *http; /* of this one connection */
    int held_fd;                 /* without TLS: keeps the client's socket open behind `http` */
    struct wr_source held;
    struct wr_timer timer; /* of the end */
    struct wr_intercept_upstream upstream;
    struct wr_intercept_request request;
    struct wr_relay *relay; /* after an upgrade */
    bool upgraded;
    bool cut_short; /* the last response was not sent whole */
    char reason[128];
};

/* The handler of `http`. */
void wr_intercept_request_handle(struct wr_exchange *ex, void *data);
/* The server has refused what could not become a request; its opts.on_refused. */
void wr_intercept_request_refused(int status, const char *why, void *data);
/* Whether the policy allows the address that is connected to; behind a proxy it is the proxy's. */
bool wr_intercepted_allowed(const struct wr_intercepted *it);
/* The client's side is going away: ends what is under way. */
void wr_intercept_request_drop(struct wr_intercepted *it);
/* The connection is over; on_end is called later. Idempotent: the first reason counts. */
void wr_intercepted_over(struct wr_intercepted *it, const char *reason);
