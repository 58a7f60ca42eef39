#include <string.h>

#include "base/str.h"
#include "server/store/database.h"

/* What clients call a snapshot; `s` and `t` are names of tables. */
#define REF(s, t)                                                                   \
    "CASE WHEN " s ".name = '' THEN " s ".template_id ELSE " t ".slug || '/' || " s \
    ".name END || ':' || " s ".tag"
#define COLUMNS                                                                                 \
    "SELECT s.id, s.team_id, s.template_id, s.name, s.tag, s.state, s.template, s.sandbox_id, " \
    "s.parent_id, s.created_ms, s.bytes, s.memory, s.secure, s.private_traffic, "               \
    "s.control_token, " REF("s", "t") ", coalesce(" REF(                                        \
        "p", "t") ", ''), "                                                                     \
                  "CASE WHEN s.name = '' THEN '' ELSE t.slug || '/' || s.name END "             \
                  "FROM snapshots AS s JOIN teams AS t ON t.id = s.team_id "                    \
                  "LEFT JOIN snapshots AS p ON p.id = s.parent_id AND p.state = 1 "

static const char snapshot_insert[] =
    "INSERT INTO snapshots (id, team_id, template_id, name, tag, state, template, sandbox_id, "
    "parent_id, created_ms, bytes, memory, secure, private_traffic, control_token, settings, env) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
static const char snapshot_get[] = COLUMNS "WHERE s.id = ?1";
/* A name that looks like an ID comes before the ID. */
static const char snapshot_find[] =
    COLUMNS "WHERE s.team_id = ?1 AND s.state = 1 AND (s.name = ?2 OR s.template_id = ?2) AND "
            "(?3 = '' OR s.tag = ?3) ORDER BY s.name = ?2 DESC, s.created_ms DESC, s.id DESC "
            "LIMIT 1";
static const char snapshot_page[] =
    COLUMNS "WHERE s.state = 1 AND (?1 = '' OR s.team_id = ?1) AND "
            "(?2 = '' OR s.sandbox_id = ?2) AND "
            "(?3 = '' OR s.name = ?3 OR s.template_id = ?3) AND (?4 = '' OR s.tag = ?4) AND "
            "(s.created_ms < ?5 OR (s.created_ms = ?5 AND s.id < ?6)) "
            "ORDER BY s.created_ms DESC, s.id DESC LIMIT ?7";
static const char snapshot_each[] = COLUMNS "WHERE s.state = ?1 ORDER BY s.id";
static const char snapshot_family[] =
    "WITH RECURSIVE up (id) AS (SELECT ?1 UNION SELECT a.parent_id FROM snapshots AS a "
    "JOIN up ON up.id = a.id WHERE a.parent_id <> ''), "
    "down (id) AS (SELECT b.id FROM snapshots AS b JOIN up ON up.id = b.id "
    "WHERE b.parent_id = '' UNION "
    "SELECT c.id FROM snapshots AS c JOIN down ON down.id = c.parent_id) " COLUMNS
    "WHERE s.state = 1 AND s.id IN down ORDER BY s.created_ms, s.id LIMIT ?2";
static const char snapshot_origin[] = "SELECT settings, env FROM snapshots WHERE id = ?1";
static const char snapshot_count[] =
    "SELECT count(*), coalesce(sum(bytes), 0) FROM snapshots WHERE team_id = ?1 AND state <> 2";
static const char snapshot_mark[] = "UPDATE snapshots SET state = ?2 WHERE id = ?1";
static const char snapshot_same_tag[] =
    "SELECT o.id, s.sandbox_id FROM snapshots AS s LEFT JOIN snapshots AS o "
    "ON o.team_id = s.team_id AND o.template_id = s.template_id AND o.tag = s.tag AND o.state = 1 "
    "WHERE s.id = ?1 AND s.state = 0";
static const char snapshot_ready[] =
    "UPDATE snapshots SET state = 1, memory = ?2, bytes = ?3, created_ms = ?4 WHERE id = ?1";
static const char snapshot_relink[] =
    "UPDATE snapshots SET parent_id = (SELECT o.parent_id FROM snapshots AS o WHERE o.id = ?1) "
    "WHERE parent_id = ?1 AND EXISTS (SELECT 1 FROM snapshots AS o WHERE o.id = ?1)";
static const char sandbox_relink[] =
    "UPDATE sandboxes SET parent_snapshot = "
    "(SELECT o.parent_id FROM snapshots AS o WHERE o.id = ?1) "
    "WHERE parent_snapshot = ?1 AND EXISTS (SELECT 1 FROM snapshots AS o WHERE o.id = ?1)";
static const char snapshot_delete[] = "DELETE FROM snapshots WHERE id = ?1";
static const char snapshot_sandboxes[] =
    "SELECT id FROM sandboxes WHERE parent_snapshot = ?1 ORDER BY id";
static const char sandbox_parent[] = "UPDATE sandboxes SET parent_snapshot = ?2 WHERE id = ?1";

static int not_found(struct wr_error *err)
{
    return wr_fail(err, WR_E_NOT_FOUND, 0, "Snapshot not found");
}

static void read_snapshot(sqlite3_stmt *stmt, struct wr_store_snapshot *out)
{
    const struct {
        char *to;
        size_t cap;
        int column;
    } texts[] = {
        {out->id, sizeof out->id, 0},
        {out->team_id, sizeof out->team_id, 1},
        {out->template_id, sizeof out->template_id, 2},
        {out->name, sizeof out->name, 3},
        {out->tag, sizeof out->tag, 4},
        {out->template_name, sizeof out->template_name, 6},
        {out->sandbox_id, sizeof out->sandbox_id, 7},
        {out->parent_id, sizeof out->parent_id, 8},
        {out->control_token, sizeof out->control_token, 14},
        {out->ref, sizeof out->ref, 15},
        {out->parent_ref, sizeof out->parent_ref, 16},
        {out->full_name, sizeof out->full_name, 17},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(texts); i++)
        wr_db_copy(stmt, texts[i].column, texts[i].to, texts[i].cap);
    out->state = (enum wr_snapshot_state)wr_db_u64(stmt, 5);
    out->created_ms = wr_db_u64(stmt, 9);
    out->bytes = wr_db_u64(stmt, 10);
    out->memory = wr_db_u64(stmt, 11) != 0;
    out->secure = wr_db_u64(stmt, 12) != 0;
    out->private_traffic = wr_db_u64(stmt, 13) != 0;
}

int wr_store_snapshot_add(struct wr_store *store, const struct wr_store_snapshot *snapshot,
                          const struct wr_store_snapshot_origin *origin, struct wr_error *err)
{
    int r = wr_db_run(
        store, snapshot_insert,
        WR_VALUES(WR_TEXT(snapshot->id), WR_TEXT(snapshot->team_id), WR_TEXT(snapshot->template_id),
                  WR_TEXT(snapshot->name), WR_TEXT(snapshot->tag), WR_INT(snapshot->state),
                  WR_TEXT(snapshot->template_name), WR_TEXT(snapshot->sandbox_id),
                  WR_TEXT(snapshot->parent_id), WR_INT(snapshot->created_ms),
                  WR_INT(snapshot->bytes), WR_INT(snapshot->memory), WR_INT(snapshot->secure),
                  WR_INT(snapshot->private_traffic), WR_TEXT(snapshot->control_token),
                  WR_TEXT(origin->settings), WR_TEXT(origin->env)),
        NULL, err);

    if (r == -WR_E_NOT_FOUND)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "team '%.40s' not found", snapshot->team_id);
    return r;
}

/* ---- one ---- */

/* The only row of a query; NOT_FOUND without one. */
static int read_one(struct wr_store *store, const char *sql, struct wr_values values,
                    struct wr_store_snapshot *ret, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, sql, values, &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r == 0)
        return not_found(err);
    if (r < 0)
        return r;
    read_snapshot(stmt, ret);
    return 0;
}

int wr_store_snapshot_get(struct wr_store *store, const char *id, struct wr_store_snapshot *ret,
                          struct wr_error *err)
{
    return read_one(store, snapshot_get, WR_VALUES(WR_TEXT(id)), ret, err);
}

int wr_store_snapshot_find(struct wr_store *store, const char *team_id, const char *name_or_id,
                           const char *tag, struct wr_store_snapshot *ret, struct wr_error *err)
{
    return read_one(store, snapshot_find,
                    WR_VALUES(WR_TEXT(team_id), WR_TEXT(name_or_id), WR_TEXT(tag)), ret, err);
}

int wr_store_snapshot_origin(struct wr_store *store, const char *id,
                             void (*fn)(const struct wr_store_snapshot_origin *origin, void *data),
                             void *data, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, snapshot_origin, WR_VALUES(WR_TEXT(id)), &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r == 0)
        return not_found(err);
    if (r < 0)
        return r;
    const struct wr_store_snapshot_origin origin = {.settings = wr_db_text(stmt, 0),
                                                    .env = wr_db_text(stmt, 1)};
    fn(&origin, data);
    return 0;
}

int wr_store_snapshot_count(struct wr_store *store, const char *team_id, uint64_t *ret_count,
                            uint64_t *ret_bytes, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, snapshot_count, WR_VALUES(WR_TEXT(team_id)), &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r < 0)
        return r;
    *ret_count = wr_db_u64(stmt, 0);
    *ret_bytes = wr_db_u64(stmt, 1);
    return 0;
}

/* ---- several ---- */

static int read_all(struct wr_store *store, const char *sql, struct wr_values values,
                    wr_store_snapshot_fn fn, void *data, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;
    struct wr_store_snapshot snapshot;

    int r = wr_db_start(store, sql, values, &stmt, err);
    while (r == 0 && (r = wr_db_step(store, stmt, err)) > 0) {
        read_snapshot(stmt, &snapshot);
        r = 0;
        if (!fn(&snapshot, data))
            break;
    }
    explicit_bzero(snapshot.control_token, sizeof snapshot.control_token);
    return r;
}

int wr_store_snapshot_page(struct wr_store *store, const struct wr_store_snapshot_query *query,
                           wr_store_snapshot_fn fn, void *data, struct wr_error *err)
{
    return read_all(store, snapshot_page,
                    WR_VALUES(WR_TEXT(query->team_id), WR_TEXT(query->sandbox_id),
                              WR_TEXT(query->name_or_id), WR_TEXT(query->tag),
                              WR_INT(query->before_ms), WR_TEXT(query->before_id),
                              WR_INT(query->limit)),
                    fn, data, err);
}

int wr_store_snapshot_each(struct wr_store *store, enum wr_snapshot_state state,
                           wr_store_snapshot_fn fn, void *data, struct wr_error *err)
{
    return read_all(store, snapshot_each, WR_VALUES(WR_INT(state)), fn, data, err);
}

int wr_store_snapshot_family(struct wr_store *store, const char *id, uint32_t limit,
                             wr_store_snapshot_fn fn, void *data, struct wr_error *err)
{
    return read_all(store, snapshot_family, WR_VALUES(WR_TEXT(id), WR_INT(limit)), fn, data, err);
}

int wr_store_snapshot_sandboxes(struct wr_store *store, const char *id,
                                void (*fn)(const char *sandbox_id, void *data), void *data,
                                struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, snapshot_sandboxes, WR_VALUES(WR_TEXT(id)), &stmt, err);
    while (r == 0 && (r = wr_db_step(store, stmt, err)) > 0) {
        fn(wr_db_text(stmt, 0), data);
        r = 0;
    }
    return r;
}

/* ---- changes ---- */

int wr_store_snapshot_mark(struct wr_store *store, const char *id, enum wr_snapshot_state state,
                           struct wr_error *err)
{
    uint64_t changed = 0;

    int r = wr_db_run(store, snapshot_mark, WR_VALUES(WR_TEXT(id), WR_INT(state)), &changed, err);
    return r == 0 && changed == 0 ? not_found(err) : r;
}

/* Who has the tag of one that is being made, and what that is made of. */
static int read_same_tag(struct wr_store *store, const char *id, char replaced[WR_ID_LEN + 1],
                         char sandbox_id[WR_ID_LEN + 1], struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, snapshot_same_tag, WR_VALUES(WR_TEXT(id)), &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r == 0)
        return not_found(err);
    if (r < 0)
        return r;
    wr_db_copy(stmt, 0, replaced, WR_ID_LEN + 1);
    wr_db_copy(stmt, 1, sandbox_id, WR_ID_LEN + 1);
    return 0;
}

int wr_store_snapshot_finish(struct wr_store *store, const struct wr_store_snapshot_result *result,
                             char ret_replaced[static WR_ID_LEN + 1], struct wr_error *err)
{
    char replaced[WR_ID_LEN + 1] = "", sandbox_id[WR_ID_LEN + 1] = "";

    int r = wr_db_begin(store, err);
    if (r < 0)
        return r;
    r = read_same_tag(store, result->id, replaced, sandbox_id, err);
    if (r == 0 && replaced[0])
        r = wr_store_snapshot_mark(store, replaced, WR_SNAPSHOT_REMOVING, err);
    if (r == 0)
        r = wr_db_run(store, snapshot_ready,
                      WR_VALUES(WR_TEXT(result->id), WR_INT(result->memory), WR_INT(result->bytes),
                                WR_INT(result->created_ms)),
                      NULL, err);
    /* The sandbox may have ended meanwhile. */
    if (r == 0)
        r = wr_db_run(store, sandbox_parent, WR_VALUES(WR_TEXT(sandbox_id), WR_TEXT(result->id)),
                      NULL, err);
    r = wr_db_end(store, r, err);
    if (r == 0)
        memcpy(ret_replaced, replaced, sizeof replaced);
    return r;
}

int wr_store_snapshot_remove(struct wr_store *store, const char *id, struct wr_error *err)
{
    static const char *const steps[] = {snapshot_relink, sandbox_relink, snapshot_delete};

    int r = wr_db_begin(store, err);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < WR_ARRAY_SIZE(steps); i++)
        r = wr_db_run(store, steps[i], WR_VALUES(WR_TEXT(id)), NULL, err);
    return wr_db_end(store, r, err);
}

int wr_store_sandbox_set_parent(struct wr_store *store, const char *sandbox_id,
                                const char *snapshot_id, struct wr_error *err)
{
    uint64_t changed = 0;

    int r = wr_db_run(store, sandbox_parent, WR_VALUES(WR_TEXT(sandbox_id), WR_TEXT(snapshot_id)),
                      &changed, err);
    return r == 0 && changed == 0
               ? wr_fail(err, WR_E_NOT_FOUND, 0, "sandbox '%.40s' is not recorded", sandbox_id)
               : r;
}
