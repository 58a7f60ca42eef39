/* Events of sandboxes, and who is told of them, from the operator's side. Blocking. */
#pragma once

#include <jansson.h>

#include "client/transport.h"

struct wr_api_event_query {
    const char *sandbox_id; /* NULL: of all */
    const char *team_id;    /* NULL: of all teams, as below */
    const char *types;      /* names with commas between; NULL: all */
    uint64_t limit;
};
/* An array, the newest first. */
int wr_api_event_list(struct wr_transport *transport, const struct wr_api_event_query *query,
                      json_t **ret, struct wr_error *err) WR_MUST_CHECK;

#define WR_API_WEBHOOK_SECRET_MAX 256

/* Copied into the request. */
struct wr_api_webhook_wish {
    const char *name, *url;
    const char *secret;  /* NULL: the server makes one, which its answer has */
    const char *team_id; /* NULL: the default team */
    const char *const *events;
    size_t event_count;
};
int wr_api_webhook_create(struct wr_transport *transport, const struct wr_api_webhook_wish *wish,
                          json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* An array. */
int wr_api_webhook_list(struct wr_transport *transport, const char *team_id, json_t **ret,
                        struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND. */
int wr_api_webhook_remove(struct wr_transport *transport, const char *id, struct wr_error *err)
    WR_MUST_CHECK;
/* What came of it: an object with "delivered". NOT_FOUND. */
int wr_api_webhook_test(struct wr_transport *transport, const char *id, json_t **ret,
                        struct wr_error *err) WR_MUST_CHECK;
