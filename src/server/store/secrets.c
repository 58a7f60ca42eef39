#include <string.h>

#include "base/str.h"
#include "server/store/database.h"

#define SECRET_COLUMNS \
    "SELECT id, team_id, name, version, metadata, created_ms, updated_ms FROM secrets "
#define SECRET_OF_TEAM "WHERE team_id = ?1 AND (id = ?2 OR name = ?2)"

/* The column holds bytes, values are bound as text. */
static const char secret_insert[] =
    "INSERT INTO secrets (id, team_id, name, value, version, metadata, created_ms, updated_ms) "
    "VALUES (?1, ?2, ?3, CAST(?4 AS BLOB), ?5, ?6, ?7, ?8)";
static const char secret_get[] = SECRET_COLUMNS SECRET_OF_TEAM;
static const char secret_page[] =
    SECRET_COLUMNS "WHERE team_id = ?1 AND name > ?2 ORDER BY name LIMIT ?3";
static const char secret_count[] = "SELECT count(*) FROM secrets WHERE team_id = ?1";
static const char secret_value[] = "SELECT value FROM secrets WHERE team_id = ?1 AND name = ?2";
static const char secret_update[] =
    "UPDATE secrets SET value = CAST(?3 AS BLOB), metadata = coalesce(?4, metadata), "
    "version = version + 1, updated_ms = ?5 " SECRET_OF_TEAM;
static const char secret_delete[] = "DELETE FROM secrets " SECRET_OF_TEAM;

static void tell(sqlite3_stmt *stmt, wr_store_secret_fn fn, void *data)
{
    struct wr_store_secret secret = {.version = wr_db_u64(stmt, 3),
                                     .metadata = wr_db_text(stmt, 4),
                                     .created_ms = wr_db_u64(stmt, 5),
                                     .updated_ms = wr_db_u64(stmt, 6)};

    wr_db_copy(stmt, 0, secret.id, sizeof secret.id);
    wr_db_copy(stmt, 1, secret.team_id, sizeof secret.team_id);
    wr_db_copy(stmt, 2, secret.name, sizeof secret.name);
    fn(&secret, data);
}

static int not_found(struct wr_error *err)
{
    return wr_fail(err, WR_E_NOT_FOUND, 0, "Secret not found");
}

int wr_store_secret_add(struct wr_store *store, const struct wr_store_secret *secret,
                        const char *value, struct wr_error *err)
{
    int r =
        wr_db_run(store, secret_insert,
                  WR_VALUES(WR_TEXT(secret->id), WR_TEXT(secret->team_id), WR_TEXT(secret->name),
                            WR_TEXT(value), WR_INT(secret->version), WR_TEXT(secret->metadata),
                            WR_INT(secret->created_ms), WR_INT(secret->updated_ms)),
                  NULL, err);

    if (r == -WR_E_NOT_FOUND)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "team '%.40s' not found", secret->team_id);
    if (r == -WR_E_ALREADY_EXISTS)
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "a secret '%.128s' exists already",
                       secret->name);
    return r;
}

int wr_store_secret_get(struct wr_store *store, const char *team_id, const char *id_or_name,
                        wr_store_secret_fn fn, void *data, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, secret_get, WR_VALUES(WR_TEXT(team_id), WR_TEXT(id_or_name)), &stmt,
                        err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r == 0)
        return not_found(err);
    if (r > 0)
        tell(stmt, fn, data);
    return WR_MIN(r, 0);
}

int wr_store_secret_page(struct wr_store *store, const char *team_id, const char *after,
                         uint32_t limit, wr_store_secret_fn fn, void *data, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, secret_page,
                        WR_VALUES(WR_TEXT(team_id), WR_TEXT(after), WR_INT(limit)), &stmt, err);
    while (r == 0 && (r = wr_db_step(store, stmt, err)) > 0) {
        tell(stmt, fn, data);
        r = 0;
    }
    return r;
}

int wr_store_secret_count(struct wr_store *store, const char *team_id, uint64_t *ret,
                          struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, secret_count, WR_VALUES(WR_TEXT(team_id)), &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r > 0)
        *ret = wr_db_u64(stmt, 0);
    return WR_MIN(r, 0);
}

int wr_store_secret_value(struct wr_store *store, const char *team_id, const char *name,
                          struct wr_buf *out, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r =
        wr_db_start(store, secret_value, WR_VALUES(WR_TEXT(team_id), WR_TEXT(name)), &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r == 0)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "the secret '%.128s' does not exist", name);
    if (r < 0)
        return r;
    const void *bytes = sqlite3_column_blob(stmt, 0);
    size_t len = (size_t)sqlite3_column_bytes(stmt, 0);
    if (len > 0 && wr_buf_append(out, bytes, len) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "the secret '%.128s' is too long for this",
                       name);
    return 0;
}

static int change(struct wr_store *store, const char *sql, struct wr_values values,
                  struct wr_error *err)
{
    uint64_t changed = 0;

    int r = wr_db_run_erasing(store, sql, values, &changed, err);
    return r == 0 && changed == 0 ? not_found(err) : r;
}

int wr_store_secret_update(struct wr_store *store, const struct wr_store_secret_change *update,
                           struct wr_error *err)
{
    return change(store, secret_update,
                  WR_VALUES(WR_TEXT(update->team_id), WR_TEXT(update->id_or_name),
                            WR_TEXT(update->value), WR_TEXT(update->metadata),
                            WR_INT(update->now_ms)),
                  err);
}

int wr_store_secret_remove(struct wr_store *store, const char *team_id, const char *id_or_name,
                           struct wr_error *err)
{
    return change(store, secret_delete, WR_VALUES(WR_TEXT(team_id), WR_TEXT(id_or_name)), err);
}
