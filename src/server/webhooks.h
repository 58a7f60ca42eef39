/*
 * Webhooks: who wants to be told of which events of a team's sandboxes (docs/internals/events.md).
 * Each event is delivered at least once, in order per sandbox, by the server's loop; what is still
 * to be delivered is known from the store, where each webhook has a cursor over the events.
 */
#pragma once

#include "server/webhook_queue.h"
#include "server/webhook_reach.h"

#define WR_WEBHOOKS_OF_TEAM   20
#define WR_WEBHOOKS_MAX       1024
#define WR_WEBHOOKS_FLYING    64 /* deliveries under way, of all webhooks */
#define WR_WEBHOOKS_TEAM      8  /* of these, of one team's: slow receivers are slow for it only */
#define WR_WEBHOOK_SECRET_MAX 256

struct wr_webhook;
struct wr_webhooks; /* server->webhooks */

/* The outcome of a delivery that somebody has asked for. `status` 0: there was no answer, and
 * `error` says why. */
struct wr_webhook_outcome {
    int status;
    const struct wr_error *error;
    const char *delivery_id;
    uint64_t took_ms;
};
typedef void (*wr_webhook_test_fn)(const struct wr_webhook_outcome *outcome, void *data);

struct wr_webhook_flight {
    struct wr_webhook *webhook;
    struct wr_webhook_call call;
    uint64_t event_id;
};

struct wr_webhook {
    struct wr_list link; /* of the list of all, by age */
    struct wr_webhooks *owner;
    struct wr_store_webhook row; /* as it is in the store; cursor and counts a little later there */
    char url_text[WR_WEBHOOK_URL_MAX + 1]; /* row.url */
    struct wr_webhook_url url;
    struct wr_webhook_queue queue;
    struct wr_webhook_flight flights[WR_WEBHOOK_FLIGHTS];
    struct wr_timer timer; /* of the next attempt */
    bool unsaved;          /* the store knows less */
    bool starved;          /* it waits for another webhook's delivery to end */
    struct wr_webhook_flight test;
    wr_webhook_test_fn test_fn;
    void *test_data;
    uint64_t test_ms; /* monotonic: its start */
};

struct wr_webhooks {
    struct wr_server *server;
    struct wr_webhook_reach reach;
    struct wr_list all;
    size_t count, flying;
    struct wr_timer save_timer;
};

/* Reads them from the store and goes on with what is left. */
int wr_webhooks_new(struct wr_server *server, struct wr_webhooks **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* What is under way is cut, and sent again by the next server. Accepts NULL, returns NULL. */
struct wr_webhooks *wr_webhooks_free(struct wr_webhooks *webhooks);

/* NULL when there is none. */
struct wr_webhook *wr_webhooks_find(const struct wr_webhooks *webhooks, const char *id);

/* What a client says of a webhook. */
struct wr_webhook_wish {
    const char *name, *url; /* NULL: as before */
    const char *secret;     /* NULL: as before */
    wr_event_set types;     /* 0: as before */
    bool enabled;
    bool by_operator; /* through the server's own socket */
};
/* For events from now on. RESOURCE_EXHAUSTED when the team, or the server, has too many;
 * INVALID_ARGUMENT for the URL. Everything of `wish` is given. */
int wr_webhook_add(struct wr_webhooks *webhooks, const char *team_id,
                   const struct wr_webhook_wish *wish, struct wr_webhook **ret,
                   struct wr_error *err) WR_MUST_CHECK;
/* One that is enabled again is told of events from then on. What was waiting for an attempt is sent
 * at once. */
int wr_webhook_change(struct wr_webhook *webhook, const struct wr_webhook_wish *wish,
                      struct wr_error *err) WR_MUST_CHECK;
int wr_webhook_remove(struct wr_webhook *webhook, struct wr_error *err) WR_MUST_CHECK;
/* Sends an event of its own, of no sandbox; `fn` is called once, later. ABORTED while one is under
 * way. */
int wr_webhook_test(struct wr_webhook *webhook, wr_webhook_test_fn fn, void *data,
                    struct wr_error *err) WR_MUST_CHECK;

/* There are new events of that team in the store. `webhooks` may be NULL. */
void wr_webhooks_wake(struct wr_webhooks *webhooks, const char *team_id);
/* Deliveries under way. */
size_t wr_webhooks_flying(const struct wr_webhooks *webhooks);
