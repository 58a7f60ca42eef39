#include "server/webhooks.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "server/events.h"
#include "server/server.h"
#include "server/webhook_delivery.h"

#define TEST_TYPE "warren.webhook.test"

/* ---- the list ---- */

static struct wr_webhook *webhook_free(struct wr_webhook *webhook)
{
    if (webhook) {
        wr_webhook_halt(webhook);
        wr_webhook_call_cancel(&webhook->test.call);
    }
    free(webhook);
    return NULL;
}

static int set_url(struct wr_webhook *webhook, const char *text, struct wr_error *err)
{
    int r = wr_webhook_url_parse(text, &webhook->url, err);

    if (r < 0)
        return r;
    /* The parser has bounded it. */
    if (!wr_strcopy(webhook->url_text, sizeof webhook->url_text, text))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "url: it is too long");
    webhook->row.url = webhook->url_text;
    return 0;
}

static struct wr_webhook *webhook_new(struct wr_webhooks *webhooks,
                                      const struct wr_store_webhook *row, struct wr_error *err)
{
    struct wr_webhook *webhook = wr_calloc(1, sizeof *webhook);

    if (!webhook) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "webhook");
        return NULL;
    }
    webhook->owner = webhooks;
    webhook->row = *row;
    webhook->test.webhook = webhook;
    if (set_url(webhook, row->url, err) < 0)
        return webhook_free(webhook);
    wr_webhook_queue_reset(&webhook->queue, row->cursor);
    return webhook;
}

static void enlist(struct wr_webhook *webhook)
{
    wr_list_append(&webhook->owner->all, &webhook->link);
    webhook->owner->count++;
}

static void load(const struct wr_store_webhook *row, void *data)
{
    struct wr_webhooks *webhooks = data;
    struct wr_error error = {0};
    struct wr_webhook *webhook =
        webhooks->count < WR_WEBHOOKS_MAX ? webhook_new(webhooks, row, &error) : NULL;

    if (webhook)
        enlist(webhook);
    else
        wr_log(WR_LOG_ERROR, "a webhook is not served", "webhook", row->id, "error", error.msg,
               NULL);
}

/* In the first round: what was left is sent once the server runs. */
static void on_started(struct wr_timer *timer, void *data)
{
    struct wr_webhooks *webhooks = data;

    (void)timer;
    wr_list_foreach(it, &webhooks->all)
        wr_webhook_pump(wr_list_entry(it, struct wr_webhook, link));
}

int wr_webhooks_new(struct wr_server *server, struct wr_webhooks **ret, struct wr_error *err)
{
    struct wr_webhooks *webhooks = wr_calloc(1, sizeof *webhooks);

    if (!webhooks)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "webhooks");
    webhooks->server = server;
    wr_list_init(&webhooks->all);
    int r = wr_webhook_reach_init(&webhooks->reach, server, err);
    if (r == 0)
        r = wr_store_webhook_each(server->store, load, webhooks, err);
    if (r == 0)
        r = wr_timer_start(server->loop, &webhooks->save_timer, 0, on_started, webhooks, err);
    if (r < 0)
        (void)wr_webhooks_free(webhooks);
    else
        *ret = webhooks;
    return r;
}

static void tell_test(struct wr_webhook *webhook, int status, const struct wr_error *error);

/* Its connection is of an address that may be another one now. */
static void end_test(struct wr_webhook *webhook)
{
    struct wr_error error = {0};

    wr_webhook_call_cancel(&webhook->test.call);
    if (!webhook->test_fn)
        return;
    (void)wr_fail(&error, WR_E_ABORTED, 0,
                  "the webhook was changed, or the server ended, meanwhile");
    tell_test(webhook, 0, &error);
}

struct wr_webhooks *wr_webhooks_free(struct wr_webhooks *webhooks)
{
    if (!webhooks)
        return NULL;
    wr_webhooks_save(webhooks);
    while (!wr_list_empty(&webhooks->all)) {
        struct wr_webhook *webhook = wr_list_entry(webhooks->all.next, struct wr_webhook, link);
        wr_list_remove(&webhook->link);
        end_test(webhook);
        webhook_free(webhook);
    }
    wr_webhook_reach_done(&webhooks->reach);
    free(webhooks);
    return NULL;
}

struct wr_webhook *wr_webhooks_find(const struct wr_webhooks *webhooks, const char *id)
{
    wr_list_foreach(it, (struct wr_list *)(uintptr_t)&webhooks->all) {
        struct wr_webhook *webhook = wr_list_entry(it, struct wr_webhook, link);
        if (wr_streq(webhook->row.id, id))
            return webhook;
    }
    return NULL;
}

/* ---- changes ---- */

static int check_room(const struct wr_webhooks *webhooks, const char *team_id, struct wr_error *err)
{
    size_t count = 0;

    wr_list_foreach(it, (struct wr_list *)(uintptr_t)&webhooks->all)
        count += wr_streq(wr_list_entry(it, struct wr_webhook, link)->row.team_id, team_id);
    if (count >= WR_WEBHOOKS_OF_TEAM)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "the team has %d webhooks; remove one",
                       WR_WEBHOOKS_OF_TEAM);
    if (webhooks->count >= WR_WEBHOOKS_MAX)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "the server has %d webhooks; remove one",
                       WR_WEBHOOKS_MAX);
    return 0;
}

/* Events that wait for the store count as having happened before. */
static int newest(struct wr_server *server, uint64_t *ret, struct wr_error *err)
{
    wr_events_flush(server);
    return wr_store_event_newest(server->store, ret, err);
}

int wr_webhook_add(struct wr_webhooks *webhooks, const char *team_id,
                   const struct wr_webhook_wish *wish, struct wr_webhook **ret,
                   struct wr_error *err)
{
    struct wr_store_webhook row = {.url = wish->url,
                                   .types = wish->types,
                                   .enabled = wish->enabled,
                                   .local = wish->by_operator,
                                   .created_ms = wr_wall_ms()};

    wr_uuid_new(row.id);
    if (!wr_strcopy(row.team_id, sizeof row.team_id, team_id) ||
        !wr_strcopy(row.name, sizeof row.name, wish->name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "name: it is too long");
    int r = check_room(webhooks, team_id, err);
    if (r == 0)
        r = newest(webhooks->server, &row.cursor, err);
    if (r < 0)
        return r;
    struct wr_webhook *webhook = webhook_new(webhooks, &row, err);
    if (!webhook)
        return -err->code;
    r = wr_store_webhook_add(webhooks->server->store, &webhook->row, wish->secret, err);
    if (r < 0) {
        webhook_free(webhook);
        return r;
    }
    enlist(webhook);
    *ret = webhook;
    return 0;
}

/* What the wish makes of the row; its URL is checked and borrowed. */
static int changed_row(const struct wr_webhook *webhook, const struct wr_webhook_wish *wish,
                       struct wr_store_webhook *row, struct wr_error *err)
{
    struct wr_server *server = webhook->owner->server;

    *row = webhook->row;
    row->cursor = wr_webhook_queue_cursor(&webhook->queue);
    row->enabled = wish->enabled;
    if (wish->types)
        row->types = wish->types;
    if (wish->name && !wr_strcopy(row->name, sizeof row->name, wish->name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "name: it is too long");
    if (wish->url) {
        struct wr_webhook_url url;
        int r = wr_webhook_url_parse(wish->url, &url, err);
        if (r < 0)
            return r;
        row->url = wish->url;
        row->local = wish->by_operator;
    }
    return row->enabled && !webhook->row.enabled ? newest(server, &row->cursor, err) : 0;
}

int wr_webhook_change(struct wr_webhook *webhook, const struct wr_webhook_wish *wish,
                      struct wr_error *err)
{
    struct wr_store_webhook row;

    int r = changed_row(webhook, wish, &row, err);
    if (r == 0)
        r = wr_store_webhook_change(webhook->owner->server->store, &row, wish->secret, err);
    if (r < 0)
        return r;
    /* It was checked already. */
    if (row.url != webhook->url_text && set_url(webhook, row.url, err) < 0)
        return -err->code;
    wr_webhook_halt(webhook);
    end_test(webhook);
    if (row.types != webhook->row.types || row.cursor > wr_webhook_queue_cursor(&webhook->queue))
        wr_webhook_queue_reset(&webhook->queue, row.cursor);
    else
        wr_webhook_queue_hurry(&webhook->queue);
    row.url = webhook->url_text;
    webhook->row = row;
    wr_webhook_pump(webhook);
    return 0;
}

int wr_webhook_remove(struct wr_webhook *webhook, struct wr_error *err)
{
    struct wr_webhooks *webhooks = webhook->owner;

    int r = wr_store_webhook_remove(webhooks->server->store, webhook->row.id, err);
    if (r < 0 && r != -WR_E_NOT_FOUND)
        return r;
    end_test(webhook);
    wr_list_remove(&webhook->link);
    webhooks->count--;
    webhook_free(webhook);
    return 0;
}

void wr_webhooks_wake(struct wr_webhooks *webhooks, const char *team_id)
{
    if (!webhooks)
        return;
    wr_list_foreach(it, &webhooks->all) {
        struct wr_webhook *webhook = wr_list_entry(it, struct wr_webhook, link);
        if (wr_streq(webhook->row.team_id, team_id))
            wr_webhook_pump(webhook);
    }
}

size_t wr_webhooks_flying(const struct wr_webhooks *webhooks)
{
    return webhooks->flying;
}

/* ---- a test ---- */

static void tell_test(struct wr_webhook *webhook, int status, const struct wr_error *error)
{
    const struct wr_webhook_outcome outcome = {.status = status,
                                               .error = error,
                                               .delivery_id = webhook->test.call.delivery_id,
                                               .took_ms = wr_mono_ms() - webhook->test_ms};
    wr_webhook_test_fn fn = webhook->test_fn;

    webhook->test_fn = NULL;
    fn(&outcome, webhook->test_data);
}

static void on_tested(struct wr_webhook_call *call, int status, const struct wr_error *error)
{
    struct wr_webhook_flight *flight = wr_container_of(call, struct wr_webhook_flight, call);

    tell_test(flight->webhook, status, error);
}

static int write_test(const struct wr_webhook *webhook, struct wr_buf *out)
{
    char id[WR_UUID_LEN + 1], time[25];
    struct wr_jw w;

    wr_uuid_new(id);
    wr_format_rfc3339(wr_wall_ms(), time);
    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "id", id);
    wr_jw_kstr(&w, "version", "v2");
    wr_jw_kstr(&w, "type", TEST_TYPE);
    wr_jw_kstr(&w, "timestamp", time);
    wr_jw_key(&w, "event_data");
    wr_jw_null(&w);
    wr_jw_kstr(&w, "sandbox_team_id", webhook->row.team_id);
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}

int wr_webhook_test(struct wr_webhook *webhook, wr_webhook_test_fn fn, void *data,
                    struct wr_error *err)
{
    wr_auto_buf body = WR_BUF(4096);

    if (webhook->test_fn)
        return wr_fail(err, WR_E_ABORTED, 0, "a test of this webhook is under way");
    if (write_test(webhook, &body) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "webhook");
    int r = wr_webhook_send(&webhook->test, &body, on_tested, err);
    if (r < 0)
        return r;
    webhook->test_fn = fn;
    webhook->test_data = data;
    webhook->test_ms = wr_mono_ms();
    return 0;
}
