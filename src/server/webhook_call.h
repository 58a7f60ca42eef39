/*
 * One delivery: a POST to a webhook's address, over a connection that is kept for the next one. The
 * receiver is a stranger: its answer is bounded in size and time, only its status counts, and a
 * redirection is a failure like another.
 */
#pragma once

#include "server/egress/intercept_upstream.h"
#include "server/webhook_url.h"

#define WR_WEBHOOK_CALL_MS    10000               /* of everything together */
#define WR_WEBHOOK_KEEP_MS    30000               /* a connection without a call */
#define WR_WEBHOOK_ANSWER_MAX ((size_t)64 * 1024) /* of the answer's body, which nobody reads */
#define WR_WEBHOOK_SIGNATURE  43                  /* characters */

struct wr_webhook_call;

/* Called once, later. `status` is that of the answer; 0 with `error`: there is none. */
typedef void (*wr_webhook_call_fn)(struct wr_webhook_call *call, int status,
                                   const struct wr_error *error);

/* How this server reaches receivers; borrowed by all calls. */
struct wr_webhook_way {
    struct wr_loop *loop;
    struct wr_resolver *resolver;
    struct wr_net_policy *policy; /* that allows everything: the guard decides */
    struct wr_tls_group tls_group;
    SSL_CTX *tls; /* owned; NULL until it is needed */
    const char *ca_pem;
};

/* Embedded in its user's struct, zeroed before the first use; may be used again from its fn on. */
struct wr_webhook_call {
    wr_webhook_call_fn fn;
    /* private: */
    struct wr_webhook_way *way;
    const struct wr_net_guard *guard;
    const struct wr_webhook_url *url;
    struct wr_intercept_upstream upstream;
    struct wr_http_call *http; /* NULL: none is running */
    struct wr_timer timer;     /* of the call, or of a connection that is kept */
    struct wr_buf body;
    const char *webhook_id;
    char delivery_id[WR_UUID_LEN + 1];
    char signature[WR_WEBHOOK_SIGNATURE + 1]; /* "": none */
    int status;
    size_t answered; /* bytes of the body */
    bool busy;
    struct wr_error failure;
};

struct wr_webhook_message {
    const struct wr_net_guard *guard; /* borrowed, as the following, until the end of the call */
    const struct wr_webhook_url *url;
    const char *webhook_id;
    struct wr_buf *body; /* moved */
    const char *secret;  /* only during the start */
};

/* "e2b-signature" of version v1: the base64 of SHA-256 of the secret and the body, without padding.
 */
void wr_webhook_sign(const char *secret, const void *body, size_t len,
                     char out[static WR_WEBHOOK_SIGNATURE + 1]);
/* On failure nothing is under way, and the body is gone too. */
int wr_webhook_call_start(struct wr_webhook_call *call, struct wr_webhook_way *way,
                          const struct wr_webhook_message *message, struct wr_error *err)
    WR_MUST_CHECK;
bool wr_webhook_call_busy(const struct wr_webhook_call *call);
/* Without a call of fn; the connection is closed. Idempotent; needed before its memory goes. */
void wr_webhook_call_cancel(struct wr_webhook_call *call);
