#include "server/webhook_delivery.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rand.h"
#include "base/str.h"
#include "log/log.h"
#include "server/event_about.h"
#include "server/event_json.h"
#include "server/server.h"

#define SAVE_DELAY_MS 250
#define FILL_ROUNDS   16 /* of a window each; then others have their turn */
#define BODY_MAX      (WR_EVENT_ABOUT_MAX + 4096)

/* ---- progress ---- */

void wr_webhooks_save(struct wr_webhooks *webhooks)
{
    wr_timer_stop(&webhooks->save_timer);
    wr_list_foreach(it, &webhooks->all) {
        struct wr_webhook *webhook = wr_list_entry(it, struct wr_webhook, link);
        struct wr_error error = {0};
        if (!webhook->unsaved)
            continue;
        webhook->unsaved = false;
        webhook->row.cursor = wr_webhook_queue_cursor(&webhook->queue);
        /* What is not written is sent once more by the next server. */
        if (wr_store_webhook_progress(webhooks->server->store, webhook->row.id, webhook->row.cursor,
                                      &webhook->row.counts, &error) < 0)
            wr_log(WR_LOG_WARN, "the progress of a webhook was not recorded", "webhook",
                   webhook->row.id, "error", error.msg, NULL);
    }
}

static void on_save(struct wr_timer *timer, void *data)
{
    (void)timer;
    wr_webhooks_save(data);
}

void wr_webhook_save_later(struct wr_webhook *webhook)
{
    struct wr_webhooks *webhooks = webhook->owner;
    struct wr_error ignored = {0};

    webhook->unsaved = true;
    if (!webhooks->save_timer.loop &&
        wr_timer_start(webhooks->server->loop, &webhooks->save_timer, SAVE_DELAY_MS, on_save,
                       webhooks, &ignored) < 0)
        wr_webhooks_save(webhooks);
}

/* ---- the window ---- */

static bool look_at(const struct wr_store_event *event, void *data)
{
    struct wr_webhook *webhook = data;

    if (!(wr_event_type_bit(event->type) & webhook->row.types)) {
        wr_webhook_queue_skip(&webhook->queue, event->id);
        return true;
    }
    if (wr_webhook_queue_room(&webhook->queue) == 0)
        return false;
    wr_webhook_queue_add(&webhook->queue, event->id, event->sandbox_id, event->at_ms);
    return true;
}

/* When there is more to be looked at: in so many ms; UINT64_MAX: there is no more. */
static uint64_t fill(struct wr_webhook *webhook)
{
    struct wr_webhook_queue *queue = &webhook->queue;
    struct wr_store_event_query query = {
        .team_id = webhook->row.team_id, .sandbox_id = "", .limit = WR_WEBHOOK_WINDOW};
    struct wr_error error = {0};

    for (int i = 0; i < FILL_ROUNDS; i++) {
        query.after = queue->seen;
        if (wr_webhook_queue_room(queue) == 0)
            return UINT64_MAX;
        if (wr_store_events_read(webhook->owner->server->store, &query, look_at, webhook, &error) <
            0) {
            wr_log(WR_LOG_WARN, "events for a webhook were not read", "webhook", webhook->row.id,
                   "error", error.msg, NULL);
            return WR_WEBHOOK_RETRY_MS;
        }
        if (queue->seen == query.after)
            return UINT64_MAX;
        wr_webhook_save_later(webhook);
    }
    return 0;
}

/* ---- one delivery ---- */

static bool write_body(const struct wr_store_event *event, void *data)
{
    struct wr_jw w;

    wr_jw_init(&w, data);
    wr_event_write_payload(&w, event);
    if (wr_jw_finish(&w) < 0)
        wr_buf_clear(data);
    return false;
}

int wr_webhook_send(struct wr_webhook_flight *flight, struct wr_buf *body, wr_webhook_call_fn fn,
                    struct wr_error *err)
{
    struct wr_webhook *webhook = flight->webhook;
    struct wr_webhooks *webhooks = webhook->owner;
    wr_auto_buf secret = WR_BUF(WR_WEBHOOK_SECRET_MAX + 1);

    secret.wipe = true;
    int r = wr_store_webhook_secret(webhooks->server->store, webhook->row.id, &secret, err);
    if (r == 0 && !wr_buf_cstr(&secret))
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "webhook");
    if (r < 0)
        return r;
    const struct wr_webhook_message message = {
        .guard = wr_webhook_reach_guard(&webhooks->reach, webhook->row.local),
        .url = &webhook->url,
        .webhook_id = webhook->row.id,
        .body = body,
        .secret = wr_buf_ptr(&secret),
    };
    flight->call.fn = fn;
    return wr_webhook_call_start(&flight->call, &webhooks->reach.way, &message, err);
}

static void note_success(struct wr_webhook *webhook, uint64_t event_id)
{
    struct wr_webhook_counts *counts = &webhook->row.counts;

    wr_webhook_queue_done(&webhook->queue, event_id, wr_loop_now_ms(webhook->owner->server->loop));
    counts->delivered++;
    counts->delivered_ms = wr_wall_ms();
    counts->failure[0] = '\0';
}

static void note_failure(struct wr_webhook *webhook, uint64_t event_id, const char *why)
{
    static struct wr_log_limit limit;
    struct wr_webhook_counts *counts = &webhook->row.counts;
    uint64_t now_ms = wr_loop_now_ms(webhook->owner->server->loop);
    uint32_t spread = 0;

    wr_random_bytes(&spread, sizeof spread);
    counts->failed_ms = wr_wall_ms();
    (void)!wr_strformat(counts->failure, sizeof counts->failure, "%.*s",
                        (int)wr_utf8_prefix(why, WR_WEBHOOK_FAILURE_MAX), why);
    bool given_up =
        wr_webhook_queue_failed(&webhook->queue, event_id, now_ms, counts->failed_ms, spread);
    counts->dropped += given_up;
    wr_log_limited(&limit, given_up ? WR_LOG_WARN : WR_LOG_INFO,
                   given_up ? "an event for a webhook was given up"
                            : "a webhook was not delivered, trying again",
                   "webhook", webhook->row.id, "error", counts->failure, NULL);
}

/* Those that could not start because too much was under way. */
static void pump_starved(struct wr_webhooks *webhooks)
{
    wr_list_foreach(it, &webhooks->all) {
        struct wr_webhook *webhook = wr_list_entry(it, struct wr_webhook, link);
        if (webhook->starved)
            wr_webhook_pump(webhook);
    }
}

static void on_delivered(struct wr_webhook_call *call, int status, const struct wr_error *error)
{
    struct wr_webhook_flight *flight = wr_container_of(call, struct wr_webhook_flight, call);
    struct wr_webhook *webhook = flight->webhook;
    struct wr_webhooks *webhooks = webhook->owner;
    char text[64];

    webhooks->flying--;
    wr_server_touch(webhooks->server);
    if (!error && status >= 200 && status < 300) {
        note_success(webhook, flight->event_id);
    } else {
        if (!wr_strformat(text, sizeof text, "the receiver answered with status %d", status))
            text[0] = '\0';
        note_failure(webhook, flight->event_id, error ? error->msg : text);
    }
    wr_webhook_save_later(webhook);
    wr_webhook_pump(webhook);
    pump_starved(webhooks);
}

static struct wr_webhook_flight *free_flight(struct wr_webhook *webhook)
{
    for (size_t i = 0; i < WR_WEBHOOK_FLIGHTS; i++)
        if (!wr_webhook_call_busy(&webhook->flights[i].call))
            return &webhook->flights[i];
    return NULL;
}

static void launch(struct wr_webhook *webhook, struct wr_webhook_flight *flight, uint64_t event_id)
{
    struct wr_webhooks *webhooks = webhook->owner;
    wr_auto_buf body = WR_BUF(BODY_MAX);
    struct wr_error error = {0};

    int r = wr_store_event_get(webhooks->server->store, event_id, write_body, &body, &error);
    if (r == -WR_E_NOT_FOUND) {
        /* It has become older than events are kept. */
        wr_webhook_queue_done(&webhook->queue, event_id, wr_loop_now_ms(webhooks->server->loop));
        webhook->row.counts.dropped++;
        wr_webhook_save_later(webhook);
        return;
    }
    if (r == 0 && body.len == 0)
        r = wr_fail(&error, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "webhook");
    flight->webhook = webhook;
    flight->event_id = event_id;
    if (r == 0)
        r = wr_webhook_send(flight, &body, on_delivered, &error);
    if (r < 0)
        note_failure(webhook, event_id, error.msg);
    else
        webhooks->flying++;
}

/* ---- what comes next ---- */

static void on_timer(struct wr_timer *timer, void *data)
{
    (void)timer;
    wr_webhook_pump(data);
}

static void start_timer(struct wr_webhook *webhook, uint64_t delay_ms)
{
    struct wr_error error = {0};

    if (wr_timer_start(webhook->owner->server->loop, &webhook->timer, delay_ms, on_timer, webhook,
                       &error) < 0)
        wr_log(WR_LOG_WARN, "a webhook waits for the next event", "webhook", webhook->row.id,
               "error", error.msg, NULL);
}

static bool crowded(const struct wr_webhook *webhook)
{
    const struct wr_webhooks *webhooks = webhook->owner;
    size_t count = 0;

    wr_list_foreach(it, (struct wr_list *)(uintptr_t)&webhooks->all) {
        const struct wr_webhook *other = wr_list_entry(it, struct wr_webhook, link);
        if (wr_streq(other->row.team_id, webhook->row.team_id))
            count += other->queue.flying;
    }
    return webhooks->flying >= WR_WEBHOOKS_FLYING || count >= WR_WEBHOOKS_TEAM;
}

void wr_webhook_pump(struct wr_webhook *webhook)
{
    uint64_t now_ms = wr_loop_now_ms(webhook->owner->server->loop), due_ms = UINT64_MAX, id = 0;

    if (!webhook->row.enabled)
        return;
    wr_timer_stop(&webhook->timer);
    uint64_t more_ms = fill(webhook);
    for (;;) {
        struct wr_webhook_flight *flight = free_flight(webhook);
        webhook->starved = crowded(webhook);
        if (!flight || webhook->starved)
            return;
        id = wr_webhook_queue_take(&webhook->queue, now_ms, &due_ms);
        if (!id)
            break;
        launch(webhook, flight, id);
    }
    if (due_ms != UINT64_MAX)
        more_ms = WR_MIN(more_ms, due_ms - now_ms);
    if (more_ms != UINT64_MAX)
        start_timer(webhook, more_ms);
}

void wr_webhook_halt(struct wr_webhook *webhook)
{
    wr_timer_stop(&webhook->timer);
    for (size_t i = 0; i < WR_WEBHOOK_FLIGHTS; i++) {
        struct wr_webhook_flight *flight = &webhook->flights[i];
        if (wr_webhook_call_busy(&flight->call)) {
            webhook->owner->flying--;
            wr_webhook_queue_land(&webhook->queue, flight->event_id);
        }
        wr_webhook_call_cancel(&flight->call);
    }
}
