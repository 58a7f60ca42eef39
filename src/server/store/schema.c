#include "server/store/schema.h"

#include "base/buf.h"
#include "base/str.h"

/*
 * Step i leads from version i to i + 1. A step that was released is never changed: what is to be
 * different becomes a further step.
 */
static const char *const steps[] = {
    /* 1: who, and what is running */
    "CREATE TABLE teams ("
    " id TEXT PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " slug TEXT NOT NULL UNIQUE,"
    " is_default INTEGER NOT NULL DEFAULT 0,"
    " created_ms INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE UNIQUE INDEX teams_default ON teams (is_default) WHERE is_default = 1;"
    "CREATE TABLE api_keys ("
    " id TEXT PRIMARY KEY,"
    " team_id TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,"
    " name TEXT NOT NULL,"
    " hash TEXT NOT NULL UNIQUE,"
    " mask_prefix TEXT NOT NULL,"
    " mask_suffix TEXT NOT NULL,"
    " value_len INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " last_used_ms INTEGER NOT NULL DEFAULT 0"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX api_keys_team ON api_keys (team_id, created_ms);"
    "CREATE TABLE sandboxes ("
    " id TEXT PRIMARY KEY,"
    " team_id TEXT NOT NULL REFERENCES teams (id),"
    " envd_token TEXT NOT NULL,"
    " traffic_token TEXT NOT NULL,"
    " deadline_ms INTEGER NOT NULL,"
    " settings TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;",
    /* 2: what happened. One row is an event (with a type) or a line of a log (without); ids ascend
       as rows are added. Rows outlive their sandboxes. */
    "CREATE TABLE events ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " at_ms INTEGER NOT NULL,"
    " sandbox_id TEXT NOT NULL,"
    " team_id TEXT,"
    " level INTEGER NOT NULL,"
    " type TEXT,"
    " message TEXT NOT NULL,"
    " fields TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX events_sandbox ON events (sandbox_id, at_ms);"
    "CREATE INDEX sandboxes_team ON sandboxes (team_id);"
    /* Samples become rarer with age: `step_s` says until when one stays (metrics.c). */
    "CREATE TABLE metrics ("
    " sandbox_id TEXT NOT NULL,"
    " at_ms INTEGER NOT NULL,"
    " step_s INTEGER NOT NULL,"
    " cpu_used_pct REAL NOT NULL,"
    " cpu_count INTEGER NOT NULL,"
    " mem_used INTEGER NOT NULL,"
    " mem_total INTEGER NOT NULL,"
    " mem_cache INTEGER NOT NULL,"
    " disk_used INTEGER NOT NULL,"
    " disk_total INTEGER NOT NULL,"
    " PRIMARY KEY (sandbox_id, at_ms)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX metrics_age ON metrics (step_s, at_ms);"
    "CREATE TABLE team_metrics ("
    " team_id TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,"
    " at_ms INTEGER NOT NULL,"
    " sandboxes INTEGER NOT NULL,"
    " starts_per_s REAL NOT NULL,"
    " PRIMARY KEY (team_id, at_ms)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX team_metrics_age ON team_metrics (at_ms);",
    /* 3: data that outlives sandboxes */
    "CREATE TABLE volumes ("
    " id TEXT PRIMARY KEY,"
    " team_id TEXT NOT NULL REFERENCES teams (id),"
    " name TEXT NOT NULL,"
    " size_bytes INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " removing INTEGER NOT NULL DEFAULT 0,"
    " UNIQUE (team_id, name)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE secrets ("
    " id TEXT PRIMARY KEY,"
    " team_id TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,"
    " name TEXT NOT NULL,"
    " value BLOB NOT NULL,"
    " version INTEGER NOT NULL,"
    " metadata TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " updated_ms INTEGER NOT NULL,"
    " UNIQUE (team_id, name)"
    ") STRICT, WITHOUT ROWID;",
    /* 4: what survives a pause. `env` is needed for a boot from files, and holds what the client
       gave, secrets included. `started_ms` 0: the engine knows. `paused` is what the server
       believes; the engine knows better. */
    "ALTER TABLE sandboxes ADD COLUMN control_token TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE sandboxes ADD COLUMN env TEXT NOT NULL DEFAULT '{}';"
    "ALTER TABLE sandboxes ADD COLUMN timeout_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sandboxes ADD COLUMN started_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sandboxes ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sandboxes ADD COLUMN unresponsive INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sandboxes ADD COLUMN resume_at_start INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sandboxes ADD COLUMN parent_snapshot TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE sandboxes ADD COLUMN snapshot_template TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE sandboxes ADD COLUMN snapshot_name TEXT NOT NULL DEFAULT '';"
    "CREATE INDEX sandboxes_parent ON sandboxes (parent_snapshot);"
    "CREATE TABLE snapshots ("
    " id TEXT PRIMARY KEY,"
    " team_id TEXT NOT NULL REFERENCES teams (id),"
    " template_id TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " tag TEXT NOT NULL,"
    " state INTEGER NOT NULL,"
    " template TEXT NOT NULL,"
    " sandbox_id TEXT NOT NULL,"
    " parent_id TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " memory INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL,"
    " settings TEXT NOT NULL,"
    " control_token TEXT NOT NULL,"
    " env TEXT NOT NULL,"
    " secure INTEGER NOT NULL,"
    " private_traffic INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE UNIQUE INDEX snapshots_tag ON snapshots (team_id, template_id, tag) WHERE state = 1;"
    "CREATE INDEX snapshots_team ON snapshots (team_id, created_ms);"
    "CREATE INDEX snapshots_sandbox ON snapshots (sandbox_id);"
    "CREATE INDEX snapshots_parent ON snapshots (parent_id);",
    /* 5: who is told of events. `about` is what an event says of its sandbox (event_about.h),
       `types` a set (event_type.h), `cursor` the last event of which nothing is left to be done. */
    "ALTER TABLE events ADD COLUMN about TEXT NOT NULL DEFAULT '{}';"
    "CREATE INDEX events_team ON events (team_id, id) WHERE type IS NOT NULL;"
    "CREATE TABLE webhooks ("
    " id TEXT PRIMARY KEY,"
    " team_id TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,"
    " name TEXT NOT NULL,"
    " url TEXT NOT NULL,"
    " secret TEXT NOT NULL,"
    " types INTEGER NOT NULL,"
    " enabled INTEGER NOT NULL,"
    " local INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " cursor INTEGER NOT NULL,"
    " delivered INTEGER NOT NULL DEFAULT 0,"
    " dropped INTEGER NOT NULL DEFAULT 0,"
    " delivered_ms INTEGER NOT NULL DEFAULT 0,"
    " failed_ms INTEGER NOT NULL DEFAULT 0,"
    " failure TEXT NOT NULL DEFAULT ''"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX webhooks_team ON webhooks (team_id, created_ms);",
};

uint64_t wr_schema_newest(void)
{
    return WR_ARRAY_SIZE(steps);
}

static int run_step(struct wr_store *store, uint64_t from, struct wr_error *err)
{
    char mark[96];

    /* Pragmas take no bound values. */
    if (!wr_strformat(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %llu;",
                      WR_STORE_APPLICATION_ID, (unsigned long long)from + 1))
        return wr_fail(err, WR_E_INTERNAL, 0, "version of %.120s", store->path);
    int r = wr_db_begin(store, err);
    if (r < 0)
        return r;
    r = wr_db_script(store, steps[from], err);
    if (r == 0)
        r = wr_db_script(store, mark, err);
    r = wr_db_end(store, r, err);
    return r == 0 ? 0 : wr_wrap(err, "step to version %llu", (unsigned long long)from + 1);
}

int wr_schema_migrate(struct wr_store *store, uint64_t version, struct wr_error *err)
{
    uint64_t have = 0, application = 0, tables = 0;

    int r = wr_db_number(store, "PRAGMA user_version", &have, err);
    if (r == 0)
        r = wr_db_number(store, "PRAGMA application_id", &application, err);
    if (r == 0)
        r = wr_db_number(store, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (r < 0)
        return r;
    if (application != WR_STORE_APPLICATION_ID && (tables > 0 || application != 0 || have != 0))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "%.120s is a database of another program; move it away", store->path);
    if (have > version)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "%.120s was written by a newer Warren (version %llu, this one knows %llu); "
                       "run that one, or restore an older copy",
                       store->path, (unsigned long long)have, (unsigned long long)version);
    while (r == 0 && have < version)
        r = run_step(store, have++, err);
    return r;
}
