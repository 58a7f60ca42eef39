#include "base/str.h"
#include "server/store/database.h"

#define VOLUME_COLUMNS "SELECT id, team_id, name, size_bytes, created_ms, removing FROM volumes "

static const char volume_insert[] =
    "INSERT INTO volumes (id, team_id, name, size_bytes, created_ms, removing) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
static const char volume_by_id[] = VOLUME_COLUMNS "WHERE id = ?1";
static const char volume_by_name[] = VOLUME_COLUMNS "WHERE team_id = ?1 AND name = ?2";
static const char volume_by_team[] = VOLUME_COLUMNS "WHERE team_id = ?1 ORDER BY created_ms, id";
static const char volume_all[] = VOLUME_COLUMNS "ORDER BY created_ms, id";
static const char volume_count[] = "SELECT count(*) FROM volumes WHERE team_id = ?1";
static const char volume_mark[] = "UPDATE volumes SET removing = ?2 WHERE id = ?1";
static const char volume_delete[] = "DELETE FROM volumes WHERE id = ?1";

static void read_volume(sqlite3_stmt *stmt, struct wr_store_volume *out)
{
    wr_db_copy(stmt, 0, out->id, sizeof out->id);
    wr_db_copy(stmt, 1, out->team_id, sizeof out->team_id);
    wr_db_copy(stmt, 2, out->name, sizeof out->name);
    out->size_bytes = wr_db_u64(stmt, 3);
    out->created_ms = wr_db_u64(stmt, 4);
    out->removing = wr_db_u64(stmt, 5) != 0;
}

int wr_store_volume_add(struct wr_store *store, const struct wr_store_volume *volume,
                        struct wr_error *err)
{
    int r = wr_db_run(store, volume_insert,
                      WR_VALUES(WR_TEXT(volume->id), WR_TEXT(volume->team_id),
                                WR_TEXT(volume->name), WR_INT(volume->size_bytes),
                                WR_INT(volume->created_ms), WR_INT(volume->removing)),
                      NULL, err);

    if (r == -WR_E_NOT_FOUND)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "team '%.40s' not found", volume->team_id);
    if (r == -WR_E_ALREADY_EXISTS)
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "Volume with name '%.128s' already exists",
                       volume->name);
    return r;
}

/* NOT_FOUND without a row. */
static int find_volume(struct wr_store *store, const char *sql, struct wr_values values,
                       struct wr_store_volume *ret, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, sql, values, &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r == 0)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "Volume not found");
    if (r < 0)
        return r;
    read_volume(stmt, ret);
    return 0;
}

int wr_store_volume_get(struct wr_store *store, const char *id, struct wr_store_volume *ret,
                        struct wr_error *err)
{
    return find_volume(store, volume_by_id, WR_VALUES(WR_TEXT(id)), ret, err);
}

int wr_store_volume_find(struct wr_store *store, const char *team_id, const char *name,
                         struct wr_store_volume *ret, struct wr_error *err)
{
    return find_volume(store, volume_by_name, WR_VALUES(WR_TEXT(team_id), WR_TEXT(name)), ret, err);
}

int wr_store_volume_each(struct wr_store *store, const char *team_id,
                         bool (*fn)(const struct wr_store_volume *volume, void *data), void *data,
                         struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;
    struct wr_store_volume volume;

    int r = team_id ? wr_db_start(store, volume_by_team, WR_VALUES(WR_TEXT(team_id)), &stmt, err)
                    : wr_db_start(store, volume_all, WR_NO_VALUES, &stmt, err);
    while (r == 0 && (r = wr_db_step(store, stmt, err)) > 0) {
        read_volume(stmt, &volume);
        r = 0;
        if (!fn(&volume, data))
            break;
    }
    return r;
}

int wr_store_volume_count(struct wr_store *store, const char *team_id, uint64_t *ret,
                          struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, volume_count, WR_VALUES(WR_TEXT(team_id)), &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r < 0)
        return r;
    *ret = wr_db_u64(stmt, 0);
    return 0;
}

int wr_store_volume_mark(struct wr_store *store, const char *id, bool removing,
                         struct wr_error *err)
{
    uint64_t changed = 0;

    int r = wr_db_run(store, volume_mark, WR_VALUES(WR_TEXT(id), WR_INT(removing)), &changed, err);
    return r == 0 && changed == 0 ? wr_fail(err, WR_E_NOT_FOUND, 0, "Volume not found") : r;
}

int wr_store_volume_remove(struct wr_store *store, const char *id, struct wr_error *err)
{
    return wr_db_run(store, volume_delete, WR_VALUES(WR_TEXT(id)), NULL, err);
}
