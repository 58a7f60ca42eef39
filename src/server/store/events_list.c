#include "server/event_type.h"
#include "server/store/database.h"

#define EVENT_COLUMNS "SELECT id, at_ms, sandbox_id, team_id, type, fields, about FROM events "
#define EVENT_TYPES   "AND type IS NOT NULL AND (?4 IS NULL OR type IN (?4, ?5, ?6, ?7, ?8, ?9)) "
#define EVENT_UP      "ORDER BY id LIMIT ?10 OFFSET ?11"
#define EVENT_DOWN    "ORDER BY id DESC LIMIT ?10 OFFSET ?11"
/* Each with the index that fits. */
#define EVENT_OF_ALL  "WHERE id > ?3 " EVENT_TYPES
#define EVENT_OF_TEAM "WHERE team_id = ?1 AND id > ?3 " EVENT_TYPES
#define EVENT_OF_SANDBOX \
    "WHERE sandbox_id = ?2 AND (?1 = '' OR team_id = ?1) AND id > ?3 " EVENT_TYPES

static const char of_all_up[] = EVENT_COLUMNS EVENT_OF_ALL EVENT_UP;
static const char of_all_down[] = EVENT_COLUMNS EVENT_OF_ALL EVENT_DOWN;
static const char of_team_up[] = EVENT_COLUMNS EVENT_OF_TEAM EVENT_UP;
static const char of_team_down[] = EVENT_COLUMNS EVENT_OF_TEAM EVENT_DOWN;
static const char of_sandbox_up[] = EVENT_COLUMNS EVENT_OF_SANDBOX EVENT_UP;
static const char of_sandbox_down[] = EVENT_COLUMNS EVENT_OF_SANDBOX EVENT_DOWN;

static const char *read_sql(const struct wr_store_event_query *query)
{
    static const char *const sql[3][2] = {
        {of_all_up, of_all_down}, {of_team_up, of_team_down}, {of_sandbox_up, of_sandbox_down}};

    return sql[query->sandbox_id[0] ? 2 : query->team_id[0] ? 1 : 0][query->descending];
}

static const char event_get[] = EVENT_COLUMNS "WHERE id = ?1 AND type IS NOT NULL";
static const char event_newest[] = "SELECT coalesce(max(id), 0) FROM events";

static bool tell(sqlite3_stmt *stmt, wr_store_event_fn fn, void *data)
{
    const struct wr_store_event event = {.id = wr_db_u64(stmt, 0),
                                         .at_ms = wr_db_u64(stmt, 1),
                                         .sandbox_id = wr_db_text(stmt, 2),
                                         .team_id = wr_db_text(stmt, 3),
                                         .type = wr_db_text(stmt, 4),
                                         .detail = wr_db_text(stmt, 5),
                                         .about = wr_db_text(stmt, 6)};
    return fn(&event, data);
}

int wr_store_events_read(struct wr_store *store, const struct wr_store_event_query *query,
                         wr_store_event_fn fn, void *data, struct wr_error *err)
{
    const char *types[WR_EVENT_TYPES] = {NULL};
    wr_auto_stmt *stmt = NULL;
    size_t count = 0;

    for (size_t i = 0; i < WR_EVENT_TYPES; i++)
        if (query->types & ((wr_event_set)1 << i))
            types[count++] = wr_event_type_name(i);
    int r = wr_db_start(store, read_sql(query),
                        WR_VALUES(WR_TEXT(query->team_id), WR_TEXT(query->sandbox_id),
                                  WR_INT(query->after), WR_TEXT(types[0]), WR_TEXT(types[1]),
                                  WR_TEXT(types[2]), WR_TEXT(types[3]), WR_TEXT(types[4]),
                                  WR_TEXT(types[5]), WR_INT(query->limit), WR_INT(query->offset)),
                        &stmt, err);
    while (r == 0 && (r = wr_db_step(store, stmt, err)) > 0)
        r = tell(stmt, fn, data) ? 0 : 1;
    return WR_MIN(r, 0);
}

int wr_store_event_get(struct wr_store *store, uint64_t id, wr_store_event_fn fn, void *data,
                       struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, event_get, WR_VALUES(WR_INT(id)), &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r == 0)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "event %llu", (unsigned long long)id);
    if (r < 0)
        return r;
    (void)tell(stmt, fn, data);
    return 0;
}

int wr_store_event_newest(struct wr_store *store, uint64_t *ret, struct wr_error *err)
{
    return wr_db_number(store, event_newest, ret, err);
}
