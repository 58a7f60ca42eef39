/* Heads between the two sides of the proxy: which fields pass, and what is written anew. */
#pragma once

#include "http/client.h"
#include "http/server.h"

/* The target in origin-form: a proxy's absolute-form loses its authority, which Host repeats. In a
 * buffer that `ret` keeps. NULL without memory. */
char *wr_forward_target(const struct wr_h1_head *head) WR_MUST_CHECK;
/* Fields of a request: hop-by-hop and routing fields, the traffic token and Expect stay outside.
 * With `host` non-NULL it replaces Host, and X-Forwarded-Host tells the one that the client sent.
 * With `token` non-NULL it is the X-Access-Token, and what the client shows of itself stays outside
 * too. */
void wr_forward_request(struct wr_http_call *call, const struct wr_h1_head *head, const char *host,
                        const char *token);
/* Fields of a response; those of an upgrade with Connection and Upgrade. */
void wr_forward_response(struct wr_exchange *ex, const struct wr_h1_head *head, bool upgrade);
/* The length of a response's body as the client is told: -1 is unknown. The answer to a HEAD has
 * the length of a body that does not come. */
int64_t wr_forward_length(const struct wr_h1_head *head, bool head_request);
/* `mask` with ${PORT} replaced. False when it does not fit. */
bool wr_forward_mask(const char *mask, uint16_t port, char *out, size_t cap);
