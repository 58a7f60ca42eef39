#include <errno.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/str.h"
#include "server/store/database.h"

#define HASH_HEX_LEN 64

/* ---- teams ---- */

#define TEAM_COLUMNS "SELECT id, name, slug, created_ms FROM teams "

static const char team_default[] = TEAM_COLUMNS "WHERE is_default = 1";
static const char team_by_id[] = TEAM_COLUMNS "WHERE id = ?1";
static const char team_by_name[] =
    TEAM_COLUMNS "WHERE name = ?1 OR slug = ?1 ORDER BY name <> ?1 LIMIT 1";
static const char team_all[] = TEAM_COLUMNS "ORDER BY is_default DESC, created_ms, id";
static const char team_insert[] =
    "INSERT INTO teams (id, name, slug, is_default, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)";

static void read_team(sqlite3_stmt *stmt, struct wr_team *out)
{
    wr_db_copy(stmt, 0, out->id, sizeof out->id);
    wr_db_copy(stmt, 1, out->name, sizeof out->name);
    wr_db_copy(stmt, 2, out->slug, sizeof out->slug);
    out->created_ms = wr_db_u64(stmt, 3);
}

/* 1 found, 0 not. */
static int find_team(struct wr_store *store, const char *sql, const char *value,
                     struct wr_team *ret, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;

    int r = wr_db_start(store, sql, value ? WR_VALUES(WR_TEXT(value)) : WR_NO_VALUES, &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r > 0)
        read_team(stmt, ret);
    return r;
}

static int insert_team(struct wr_store *store, const struct wr_team *team, bool is_default,
                       struct wr_error *err)
{
    return wr_db_run(store, team_insert,
                     WR_VALUES(WR_TEXT(team->id), WR_TEXT(team->name), WR_TEXT(team->slug),
                               WR_INT(is_default), WR_INT(team->created_ms)),
                     NULL, err);
}

int wr_store_default_team(struct wr_store *store, struct wr_team *ret, struct wr_error *err)
{
    struct wr_team team = {.name = "default", .slug = "default", .created_ms = wr_wall_ms()};

    int r = find_team(store, team_default, NULL, ret, err);
    if (r != 0)
        return r < 0 ? r : 0;
    wr_uuid_new(team.id);
    r = insert_team(store, &team, true, err);
    if (r == 0)
        *ret = team;
    return r;
}

int wr_store_team_get(struct wr_store *store, const char *id, struct wr_team *ret,
                      struct wr_error *err)
{
    int r = find_team(store, team_by_id, id, ret, err);

    if (r == 0)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "team '%.40s' not found", id);
    return r < 0 ? r : 0;
}

int wr_store_team_find(struct wr_store *store, const char *name_or_slug, struct wr_team *ret,
                       struct wr_error *err)
{
    int r = find_team(store, team_by_name, name_or_slug, ret, err);

    if (r == 0)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "team '%.128s' not found", name_or_slug);
    return r < 0 ? r : 0;
}

int wr_store_team_add(struct wr_store *store, const struct wr_team *team, struct wr_error *err)
{
    int r = insert_team(store, team, false, err);

    if (r == -WR_E_ALREADY_EXISTS)
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "a team '%.128s' exists already", team->name);
    return r;
}

int wr_store_team_each(struct wr_store *store, bool (*fn)(const struct wr_team *team, void *data),
                       void *data, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;
    struct wr_team team;

    int r = wr_db_start(store, team_all, WR_NO_VALUES, &stmt, err);
    while (r == 0 && (r = wr_db_step(store, stmt, err)) > 0) {
        read_team(stmt, &team);
        r = 0;
        if (!fn(&team, data))
            break;
    }
    return r;
}

/* ---- keys ---- */

#define KEY_COLUMNS                                                                     \
    "SELECT id, team_id, name, hash, mask_prefix, mask_suffix, value_len, created_ms, " \
    "last_used_ms FROM api_keys "

static const char key_by_hash[] = KEY_COLUMNS "WHERE hash = ?1";
static const char key_by_id[] = KEY_COLUMNS "WHERE id = ?1";
static const char key_by_team[] = KEY_COLUMNS "WHERE team_id = ?1 ORDER BY created_ms, id";
static const char key_all[] = KEY_COLUMNS "ORDER BY team_id, created_ms, id";
static const char key_insert[] =
    "INSERT INTO api_keys (id, team_id, name, hash, mask_prefix, mask_suffix, value_len, "
    "created_ms, last_used_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
static const char key_rename[] =
    "UPDATE api_keys SET name = ?3 WHERE id = ?1 AND (?2 IS NULL OR team_id = ?2)";
static const char key_delete[] =
    "DELETE FROM api_keys WHERE id = ?1 AND (?2 IS NULL OR team_id = ?2)";
static const char key_touch[] = "UPDATE api_keys SET last_used_ms = ?2 WHERE id = ?1";

static int read_key(const struct wr_store *store, sqlite3_stmt *stmt, struct wr_api_key *out,
                    struct wr_error *err)
{
    const char *hex = wr_db_text(stmt, 3);

    if (strlen(hex) != HASH_HEX_LEN)
        return wr_fail(err, WR_E_DATA_LOSS, 0, "%.120s: an API key has a hash of a wrong length",
                       store->path);
    for (size_t i = 0; i < sizeof out->hash; i++)
        out->hash[i] =
            (uint8_t)(wr_hex_value(hex[2 * i]) << 4 | (wr_hex_value(hex[2 * i + 1]) & 0xf));
    wr_db_copy(stmt, 0, out->id, sizeof out->id);
    wr_db_copy(stmt, 1, out->team_id, sizeof out->team_id);
    wr_db_copy(stmt, 2, out->name, sizeof out->name);
    wr_db_copy(stmt, 4, out->mask_prefix, sizeof out->mask_prefix);
    wr_db_copy(stmt, 5, out->mask_suffix, sizeof out->mask_suffix);
    out->value_len = (uint32_t)wr_db_u64(stmt, 6);
    out->created_ms = wr_db_u64(stmt, 7);
    out->last_used_ms = wr_db_u64(stmt, 8);
    return 0;
}

int wr_store_key_add(struct wr_store *store, const struct wr_api_key *key, struct wr_error *err)
{
    char hex[HASH_HEX_LEN + 1];

    wr_hex_encode(key->hash, sizeof key->hash, hex);
    int r = wr_db_run(store, key_insert,
                      WR_VALUES(WR_TEXT(key->id), WR_TEXT(key->team_id), WR_TEXT(key->name),
                                WR_TEXT(hex), WR_TEXT(key->mask_prefix), WR_TEXT(key->mask_suffix),
                                WR_INT(key->value_len), WR_INT(key->created_ms),
                                WR_INT(key->last_used_ms)),
                      NULL, err);
    if (r == -WR_E_NOT_FOUND)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "team '%.40s' not found", key->team_id);
    return r;
}

static int find_key(struct wr_store *store, const char *sql, const char *value,
                    struct wr_api_key *ret, struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;
    struct wr_api_key key = {0};

    int r = wr_db_start(store, sql, WR_VALUES(WR_TEXT(value)), &stmt, err);
    if (r == 0)
        r = wr_db_step(store, stmt, err);
    if (r == 0)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "there is no such API key");
    if (r > 0)
        r = read_key(store, stmt, &key, err);
    if (r == 0)
        *ret = key;
    return r;
}

int wr_store_key_find(struct wr_store *store, const uint8_t hash[static 32], struct wr_api_key *ret,
                      struct wr_error *err)
{
    char hex[HASH_HEX_LEN + 1];

    wr_hex_encode(hash, HASH_HEX_LEN / 2, hex);
    return find_key(store, key_by_hash, hex, ret, err);
}

int wr_store_key_get(struct wr_store *store, const char *id, struct wr_api_key *ret,
                     struct wr_error *err)
{
    return find_key(store, key_by_id, id, ret, err);
}

int wr_store_key_each(struct wr_store *store, const char *team_id,
                      bool (*fn)(const struct wr_api_key *key, void *data), void *data,
                      struct wr_error *err)
{
    wr_auto_stmt *stmt = NULL;
    struct wr_api_key key = {0};

    int r = team_id ? wr_db_start(store, key_by_team, WR_VALUES(WR_TEXT(team_id)), &stmt, err)
                    : wr_db_start(store, key_all, WR_NO_VALUES, &stmt, err);
    while (r == 0 && (r = wr_db_step(store, stmt, err)) > 0) {
        r = read_key(store, stmt, &key, err);
        if (r == 0 && !fn(&key, data))
            break;
    }
    return r;
}

/* A statement that has to touch one row. */
static int change_key(struct wr_store *store, const char *sql, struct wr_values values,
                      const char *key_id, struct wr_error *err)
{
    uint64_t changed = 0;

    int r = wr_db_run(store, sql, values, &changed, err);
    if (r == 0 && changed == 0)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "API key '%.40s' not found", key_id);
    return r;
}

int wr_store_key_rename(struct wr_store *store, const char *team_id, const char *key_id,
                        const char *name, struct wr_error *err)
{
    return change_key(store, key_rename,
                      WR_VALUES(WR_TEXT(key_id), WR_TEXT(team_id), WR_TEXT(name)), key_id, err);
}

int wr_store_key_remove(struct wr_store *store, const char *team_id, const char *key_id,
                        struct wr_error *err)
{
    return change_key(store, key_delete, WR_VALUES(WR_TEXT(key_id), WR_TEXT(team_id)), key_id, err);
}

int wr_store_key_used(struct wr_store *store, const char *key_id, uint64_t now_ms,
                      struct wr_error *err)
{
    return wr_db_run(store, key_touch, WR_VALUES(WR_TEXT(key_id), WR_INT(now_ms)), NULL, err);
}
