#include "server/store/store.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"
#include "server/store/database.h"
#include "server/store/schema.h"

int wr_store_open(const char *dir, struct wr_store **ret, struct wr_error *err)
{
    struct wr_store *store = wr_calloc(1, sizeof *store);

    if (!store)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "store");
    int r = 0;
    if (!wr_strformat(store->path, sizeof store->path, "%s/warren.db", dir))
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, ENAMETOOLONG, "%.120s", dir);
    if (r == 0)
        r = wr_db_open(store, err);
    if (r == 0)
        r = wr_schema_migrate(store, wr_schema_newest(), err);
    if (r < 0) {
        wr_store_free(store);
        return r;
    }
    *ret = store;
    return 0;
}

/* At most this many rows go in one statement: about 10 ms. */
#define EXPIRE_ROWS 2000

/*
 * ?1 is the oldest time that stays, ?2 the end of time: a row from beyond was written while the
 * clock was wrong. Events are taken in the order of their ids, which needs no index on the time.
 */
struct expiry {
    const char *sql;
    uint64_t keep_ms;
};
#define MINUTE_MS ((uint64_t)60 * 1000)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

#define EXPIRE_METRICS(step)                                                                   \
    "DELETE FROM metrics WHERE (sandbox_id, at_ms) IN (SELECT sandbox_id, at_ms FROM metrics " \
    "WHERE step_s = " #step " AND (at_ms < ?1 OR at_ms > ?2) LIMIT ?3)"

static const char expire_events[] =
    "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?3) "
    "AND (at_ms < ?1 OR at_ms > ?2)";
static const char expire_fine[] = EXPIRE_METRICS(5);
static const char expire_medium[] = EXPIRE_METRICS(30);
static const char expire_coarse[] = EXPIRE_METRICS(300);
static const char expire_teams[] =
    "DELETE FROM team_metrics WHERE (team_id, at_ms) IN (SELECT team_id, at_ms FROM team_metrics "
    "WHERE at_ms < ?1 OR at_ms > ?2 LIMIT ?3)";

static const struct expiry expiries[] = {
    {expire_events, 7 * DAY_MS}, {expire_fine, HOUR_MS},     {expire_medium, 6 * HOUR_MS},
    {expire_coarse, DAY_MS},     {expire_teams, 7 * DAY_MS},
};

int wr_store_expire(struct wr_store *store, uint64_t now_ms, struct wr_error *err)
{
    bool more = false;

    for (size_t i = 0; i < WR_ARRAY_SIZE(expiries); i++) {
        uint64_t keep_ms = expiries[i].keep_ms, removed = 0;
        int r = wr_db_run(store, expiries[i].sql,
                          WR_VALUES(WR_INT(now_ms > keep_ms ? now_ms - keep_ms : 0),
                                    WR_INT(now_ms + HOUR_MS), WR_INT(EXPIRE_ROWS)),
                          &removed, err);
        if (r < 0)
            return r;
        more = more || removed == EXPIRE_ROWS;
    }
    if (!more)
        wr_checkpointer_ask(store->checkpointer);
    return more ? 1 : 0;
}

uint64_t wr_store_sync(struct wr_store *store)
{
    return wr_checkpointer_sync(store->checkpointer);
}

int wr_store_synced(struct wr_store *store, uint64_t number)
{
    return wr_checkpointer_synced(store->checkpointer, number);
}

int wr_store_sync_fd(const struct wr_store *store)
{
    return wr_checkpointer_sync_fd(store->checkpointer);
}

struct wr_store *wr_store_free(struct wr_store *store)
{
    if (!store)
        return NULL;
    wr_db_close(store);
    free(store);
    return NULL;
}
