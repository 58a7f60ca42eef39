#include <string.h>

#include "server/store/database.h"

static const char webhook_insert[] =
    "INSERT INTO webhooks (id, team_id, name, url, secret, types, enabled, local, created_ms, "
    "cursor) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
static const char webhook_all[] =
    "SELECT id, team_id, name, url, types, enabled, local, created_ms, cursor, delivered, dropped, "
    "delivered_ms, failed_ms, failure FROM webhooks ORDER BY created_ms, id";
static const char webhook_update[] =
    "UPDATE webhooks SET name = ?2, url = ?3, secret = coalesce(?4, secret), types = ?5, "
    "enabled = ?6, local = ?7, cursor = ?8 WHERE id = ?1";
static const char webhook_progress[] =
    "UPDATE webhooks SET cursor = ?2, delivered = ?3, dropped = ?4, delivered_ms = ?5, "
    "failed_ms = ?6, failure = ?7 WHERE id = ?1";
static const char webhook_secret[] = "SELECT secret FROM webhooks WHERE id = ?1";
static const char webhook_delete[] = "DELETE FROM webhooks WHERE id = ?1";

static int no_webhook(struct wr_error *err, const char *id)
{
    return wr_fail(err, WR_E_NOT_FOUND, 0, "webhook '%.40s' doesn't exist", id);
}

/* The old secret goes. */
static int erase(struct wr_store *store, const char *sql, struct wr_values values,
                 struct wr_error *err)
{
    uint64_t changed = 0;

    int r = wr_db_run_erasing(store, sql, values, &changed, err);
    return r == 0 && changed == 0 ? no_webhook(err, values.items[0].text) : r;
}

int wr_store_webhook_add(struct wr_store *store, const struct wr_store_webhook *webhook,
                         const char *secret, struct wr_error *err)
{
    return wr_db_run(store, webhook_insert,
                     WR_VALUES(WR_TEXT(webhook->id), WR_TEXT(webhook->team_id),
                               WR_TEXT(webhook->name), WR_TEXT(webhook->url), WR_TEXT(secret),
                               WR_INT(webhook->types), WR_INT(webhook->enabled),
                               WR_INT(webhook->local), WR_INT(webhook->created_ms),
                               WR_INT(webhook->cursor)),
                     NULL, err);
}

static void tell(sqlite3_stmt *stmt, wr_store_webhook_fn fn, void *data)
{
    struct wr_store_webhook webhook = {.url = wr_db_text(stmt, 3),
                                       .types = (wr_event_set)wr_db_u64(stmt, 4),
                                       .enabled = wr_db_u64(stmt, 5) != 0,
                                       .local = wr_db_u64(stmt, 6) != 0,
                                       .created_ms = wr_db_u64(stmt, 7),
                                       .cursor = wr_db_u64(stmt, 8),
                                       .counts = {.delivered = wr_db_u64(stmt, 9),
                                                  .dropped = wr_db_u64(stmt, 10),
                                                  .delivered_ms = wr_db_u64(stmt, 11),
                                                  .failed_ms = wr_db_u64(stmt, 12)}};

    wr_db_copy(stmt, 0, webhook.id, sizeof webhook.id);
    wr_db_copy(stmt, 1, webhook.team_id, sizeof webhook.team_id);
    wr_db_copy(stmt, 2, webhook.name, sizeof webhook.name);
    wr_db_copy(stmt, 13, webhook.counts.failure, sizeof webhook.counts.failure);
    fn(&webhook, data);
}

int wr_store_webhook_each(struct wr_store *store, wr_store_webhook_fn fn, void *data,
                          struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, webhook_all, WR_NO_VALUES, &stmt, err);
    while (r == 0 && (r = wr_db_step(store, stmt, err)) > 0) {
        tell(stmt, fn, data);
        r = 0;
    }
    return r;
}

int wr_store_webhook_change(struct wr_store *store, const struct wr_store_webhook *webhook,
                            const char *secret, struct wr_error *err)
{
    return erase(store, webhook_update,
                 WR_VALUES(WR_TEXT(webhook->id), WR_TEXT(webhook->name), WR_TEXT(webhook->url),
                           WR_TEXT(secret), WR_INT(webhook->types), WR_INT(webhook->enabled),
                           WR_INT(webhook->local), WR_INT(webhook->cursor)),
                 err);
}

int wr_store_webhook_progress(struct wr_store *store, const char *id, uint64_t cursor,
                              const struct wr_webhook_counts *counts, struct wr_error *err)
{
    uint64_t changed = 0;

    int r = wr_db_run(store, webhook_progress,
                      WR_VALUES(WR_TEXT(id), WR_INT(cursor), WR_INT(counts->delivered),
                                WR_INT(counts->dropped), WR_INT(counts->delivered_ms),
                                WR_INT(counts->failed_ms), WR_TEXT(counts->failure)),
                      &changed, err);
    return r == 0 && changed == 0 ? no_webhook(err, id) : r;
}

int wr_store_webhook_secret(struct wr_store *store, const char *id, struct wr_buf *out,
                            struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, webhook_secret, WR_VALUES(WR_TEXT(id)), &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r == 0)
        return no_webhook(err, id);
    if (r < 0)
        return r;
    return wr_buf_append_str(out, wr_db_text(stmt, 0)) < 0
               ? wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "secret of a webhook")
               : 0;
}

int wr_store_webhook_remove(struct wr_store *store, const char *id, struct wr_error *err)
{
    return erase(store, webhook_delete, WR_VALUES(WR_TEXT(id)), err);
}
