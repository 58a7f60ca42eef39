#include "base/str.h"
#include "server/store/database.h"

static const char event_insert[] =
    "INSERT INTO events (at_ms, sandbox_id, team_id, level, type, message, fields, about) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
static const char event_team[] = "SELECT team_id FROM events WHERE sandbox_id = ?1 AND team_id IS "
                                 "NOT NULL ORDER BY at_ms DESC LIMIT 1";

#define LOG_COLUMNS                                                                              \
    "SELECT at_ms, level, message, fields, type FROM events WHERE sandbox_id = ?1 AND level >= " \
    "?3 AND (?4 IS NULL OR instr(message, ?4) > 0) "

static const char log_forward[] = LOG_COLUMNS "AND at_ms >= ?2 ORDER BY at_ms, id LIMIT ?5";
static const char log_backward[] =
    LOG_COLUMNS "AND at_ms <= ?2 ORDER BY at_ms DESC, id DESC LIMIT ?5";

/* What people read in the log; other types stand for themselves. */
static const struct {
    const char *type, *message;
} lifecycle_messages[] = {
    {"sandbox.lifecycle.created", "Sandbox created"},
    {"sandbox.lifecycle.killed", "Sandbox killed"},
    {"sandbox.lifecycle.paused", "Sandbox paused"},
    {"sandbox.lifecycle.resumed", "Sandbox resumed"},
    {"sandbox.lifecycle.updated", "Sandbox updated"},
    {"sandbox.lifecycle.checkpointed", "Sandbox checkpointed"},
};

static const char *message_of(const char *type)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(lifecycle_messages); i++)
        if (wr_streq(lifecycle_messages[i].type, type))
            return lifecycle_messages[i].message;
    return type;
}

static int add_event(struct wr_store *store, const struct wr_store_event *event,
                     struct wr_error *err)
{
    return wr_db_run(store, event_insert,
                     WR_VALUES(WR_INT(event->at_ms), WR_TEXT(event->sandbox_id),
                               WR_TEXT(event->team_id), WR_INT(WR_LEVEL_INFO), WR_TEXT(event->type),
                               WR_TEXT(message_of(event->type)),
                               WR_TEXT(event->detail ? event->detail : "{}"),
                               WR_TEXT(event->about ? event->about : "{}")),
                     NULL, err);
}

int wr_store_events_add(struct wr_store *store, const struct wr_store_event *events, size_t count,
                        struct wr_error *err)
{
    /* One statement is a transaction by itself. */
    if (count == 1)
        return add_event(store, events, err);
    int r = wr_db_begin(store, err);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = add_event(store, &events[i], err);
    return wr_db_end(store, r, err);
}

int wr_store_event_team(struct wr_store *store, const char *sandbox_id,
                        char ret_team_id[static WR_UUID_LEN + 1], struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, event_team, WR_VALUES(WR_TEXT(sandbox_id)), &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r == 0)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "sandbox '%.40s' is not recorded", sandbox_id);
    if (r < 0)
        return r;
    wr_db_copy(stmt, 0, ret_team_id, WR_UUID_LEN + 1);
    return 0;
}

int wr_store_log_add(struct wr_store *store, const char *sandbox_id,
                     const struct wr_log_entry *entry, struct wr_error *err)
{
    return wr_db_run(store, event_insert,
                     WR_VALUES(WR_INT(entry->at_ms), WR_TEXT(sandbox_id), WR_TEXT(NULL),
                               WR_INT(entry->level), WR_TEXT(entry->type), WR_TEXT(entry->message),
                               WR_TEXT(entry->fields), WR_TEXT("{}")),
                     NULL, err);
}

int wr_store_log_read(struct wr_store *store, const struct wr_log_query *query,
                      void (*fn)(const struct wr_log_entry *entry, void *data), void *data,
                      struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r =
        wr_db_start(store, query->backward ? log_backward : log_forward,
                    WR_VALUES(WR_TEXT(query->sandbox_id), WR_INT(query->cursor_ms),
                              WR_INT(query->level), WR_TEXT(query->search), WR_INT(query->limit)),
                    &stmt, err);
    while (r == 0 && (r = wr_db_step(store, stmt, err)) > 0) {
        const char *type = wr_db_text(stmt, 4);
        const struct wr_log_entry entry = {
            .at_ms = wr_db_u64(stmt, 0),
            .level = (enum wr_level)WR_MIN(wr_db_u64(stmt, 1), (uint64_t)WR_LEVEL_ERROR),
            .message = wr_db_text(stmt, 2),
            .fields = wr_db_text(stmt, 3),
            .type = *type ? type : NULL,
        };
        fn(&entry, data);
        r = 0;
    }
    return r;
}
