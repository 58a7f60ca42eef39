/* /events/webhooks: those of the own team, or of all teams for the operator. Secrets are taken and
 * never shown, but for one that the server has made, by the answer that tells of the creation. */
#pragma once

#include "http/router.h"

void wr_api_webhooks_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_webhooks_create(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_webhooks_get(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_webhooks_change(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_webhooks_remove(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
/* Sends an event of its own and answers with the outcome. */
void wr_api_webhooks_test(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
