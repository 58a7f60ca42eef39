/* Sending what a webhook has still to be told. */
#pragma once

#include "server/webhooks.h"

/* Starts what can be started, and the timer for what cannot yet. */
void wr_webhook_pump(struct wr_webhook *webhook);
/* Cuts what is under way; it waits again. */
void wr_webhook_halt(struct wr_webhook *webhook);
/* The store is told within a moment. */
void wr_webhook_save_later(struct wr_webhook *webhook);
/* Now, of all that have something to say. */
void wr_webhooks_save(struct wr_webhooks *webhooks);
/* Sends `body`, which is moved, signed with the webhook's secret. */
int wr_webhook_send(struct wr_webhook_flight *flight, struct wr_buf *body, wr_webhook_call_fn fn,
                    struct wr_error *err) WR_MUST_CHECK;
