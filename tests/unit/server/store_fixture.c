#include "store_fixture.h"

#include <fcntl.h>
#include <sqlite3.h>

#include "base/file.h"
#include "base/str.h"
#include "test.h"

struct store_fixture store_start(void)
{
    struct store_fixture f = {.dir = "/tmp/wr-store-XXXXXX"};
    struct wr_error err = {0};

    CHECK(mkdtemp(f.dir));
    CHECK(wr_strformat(f.path, sizeof f.path, "%s/warren.db", f.dir));
    if (wr_store_open(f.dir, &f.store, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return f;
}

void store_reopen(struct store_fixture *f)
{
    struct wr_error err = {0};

    f->store = wr_store_free(f->store);
    if (wr_store_open(f->dir, &f->store, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
}

void store_stop(struct store_fixture *f)
{
    f->store = wr_store_free(f->store);
    CHECK_INT(wr_remove_tree(AT_FDCWD, f->dir), 0);
}

long long store_number(const struct store_fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;

    CHECK(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        wr_test_fail(__FILE__, __LINE__, "%s", sqlite3_errmsg(db));
    CHECK(sqlite3_step(stmt) == SQLITE_ROW);
    long long number = sqlite3_column_int64(stmt, 0);
    CHECK(sqlite3_finalize(stmt) == SQLITE_OK && sqlite3_close(db) == SQLITE_OK);
    return number;
}

int store_add_sandbox(struct wr_store *store, const char *id, struct wr_error *err)
{
    struct wr_team team;

    int r = wr_store_default_team(store, &team, err);
    if (r < 0)
        return r;
    const struct wr_store_sandbox sandbox = {.id = id,
                                             .team_id = team.id,
                                             .envd_token = "e",
                                             .traffic_token = "t",
                                             .deadline_ms = 1000,
                                             .settings = "{\"k\":\"v\"}"};
    return wr_store_sandbox_add(store, &sandbox, err);
}

int store_add_event(struct wr_store *store, const char *sandbox_id, const char *team_id,
                    const char *type, const char *detail, uint64_t at_ms, struct wr_error *err)
{
    const struct wr_store_event event = {sandbox_id, team_id, type, detail, at_ms};

    return wr_store_events_add(store, &event, 1, err);
}

void store_id(unsigned number, char out[static 21])
{
    CHECK(wr_strformat(out, 21, "s%019u", number));
}
