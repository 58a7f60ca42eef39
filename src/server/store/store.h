/*
 * What the server remembers, behind an interface without SQL: teams, API keys, sandboxes, events,
 * logs, metrics. One database file, one writer (the server's loop); every call is one transaction.
 * A call that returns 0 survives a kill -9 of the server; a power cut may lose the last seconds.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "engine/action.h"
#include "server/store/uuid.h"

#define WR_TOKEN_LEN      64 /* hex characters of an envd or traffic token */
#define WR_STORE_NAME_MAX 128

struct wr_store;

/* Opens or makes <dir>/warren.db and brings it to the newest version (PRAGMA user_version).
 * FAILED_PRECONDITION when the file was written by a newer Warren. */
int wr_store_open(const char *dir, struct wr_store **ret, struct wr_error *err) WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_store *wr_store_free(struct wr_store *store);
/* Drops what is too old: metrics 24 h (and sooner what is denser than GET .../metrics shows), logs,
 * events and figures of teams 7 d. Bounded work per call: 1 when some is left, else 0, and then
 * what was written since the last time is on the disk. */
int wr_store_expire(struct wr_store *store, uint64_t now_ms, struct wr_error *err) WR_MUST_CHECK;

/* ---- teams and keys ---- */

struct wr_team {
    char id[WR_UUID_LEN + 1];
    char name[WR_STORE_NAME_MAX + 1];
    char slug[WR_STORE_NAME_MAX + 1]; /* namespace of its templates */
    uint64_t created_ms;
};
struct wr_api_key {
    char id[WR_UUID_LEN + 1];
    char team_id[WR_UUID_LEN + 1];
    char name[WR_STORE_NAME_MAX + 1];
    uint8_t hash[32];    /* SHA-256 of the key's 20 bytes; the key itself is not kept */
    char mask_prefix[3]; /* first 2 hex characters after "e2b_" */
    char mask_suffix[5]; /* last 4 */
    uint32_t value_len;  /* hex characters */
    uint64_t created_ms, last_used_ms; /* 0: never */
};

/* The team that owns what the operator makes; made at the first call. */
int wr_store_default_team(struct wr_store *store, struct wr_team *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* NOT_FOUND. */
int wr_store_team_get(struct wr_store *store, const char *id, struct wr_team *ret,
                      struct wr_error *err) WR_MUST_CHECK;
int wr_store_team_find(struct wr_store *store, const char *name_or_slug, struct wr_team *ret,
                       struct wr_error *err) WR_MUST_CHECK;
/* The default team first, then by age. `fn` returns false to stop. */
int wr_store_team_each(struct wr_store *store, bool (*fn)(const struct wr_team *team, void *data),
                       void *data, struct wr_error *err) WR_MUST_CHECK;
/* ALREADY_EXISTS. */
int wr_store_team_add(struct wr_store *store, const struct wr_team *team, struct wr_error *err)
    WR_MUST_CHECK;
int wr_store_key_add(struct wr_store *store, const struct wr_api_key *key, struct wr_error *err)
    WR_MUST_CHECK;
/* By hash; NOT_FOUND. */
int wr_store_key_find(struct wr_store *store, const uint8_t hash[static 32], struct wr_api_key *ret,
                      struct wr_error *err) WR_MUST_CHECK;
/* By id, of any team; NOT_FOUND. */
int wr_store_key_get(struct wr_store *store, const char *id, struct wr_api_key *ret,
                     struct wr_error *err) WR_MUST_CHECK;
/* NULL as team_id: of all teams. `fn` returns false to stop. */
int wr_store_key_each(struct wr_store *store, const char *team_id,
                      bool (*fn)(const struct wr_api_key *key, void *data), void *data,
                      struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND; NULL as team_id: of any team. */
int wr_store_key_rename(struct wr_store *store, const char *team_id, const char *key_id,
                        const char *name, struct wr_error *err) WR_MUST_CHECK;
int wr_store_key_remove(struct wr_store *store, const char *team_id, const char *key_id,
                        struct wr_error *err) WR_MUST_CHECK;
int wr_store_key_used(struct wr_store *store, const char *key_id, uint64_t now_ms,
                      struct wr_error *err) WR_MUST_CHECK;

/* ---- sandboxes ---- */

/* The server's half of a sandbox; the engine has the other one. A row without a sandbox in the
 * engine is removed at the next start, a sandbox without a row is killed. */
struct wr_store_sandbox {
    const char *id;
    const char *team_id;
    const char *envd_token;    /* "" when the sandbox is not secure */
    const char *traffic_token; /* "" when its ports are public */
    uint64_t deadline_ms;      /* wall clock */
    const char *settings;      /* a JSON object (server/settings.h): metadata, network, lifecycle */
};
int wr_store_sandbox_add(struct wr_store *store, const struct wr_store_sandbox *sandbox,
                         struct wr_error *err) WR_MUST_CHECK;
int wr_store_sandbox_set_deadline(struct wr_store *store, const char *id, uint64_t deadline_ms,
                                  struct wr_error *err) WR_MUST_CHECK;
int wr_store_sandbox_set_settings(struct wr_store *store, const char *id, const char *settings,
                                  struct wr_error *err) WR_MUST_CHECK;
/* Its metrics go too; logs and events stay until they are too old. Idempotent. */
int wr_store_sandbox_remove(struct wr_store *store, const char *id, struct wr_error *err)
    WR_MUST_CHECK;
/* NOT_FOUND. `fn` is called once; the strings are borrowed during the call. */
int wr_store_sandbox_get(struct wr_store *store, const char *id,
                         void (*fn)(const struct wr_store_sandbox *sandbox, void *data), void *data,
                         struct wr_error *err) WR_MUST_CHECK;
/* Ids of all rows; the caller may remove rows after the call, not during it. */
int wr_store_sandbox_each_id(struct wr_store *store, void (*fn)(const char *id, void *data),
                             void *data, struct wr_error *err) WR_MUST_CHECK;

/* ---- volumes ---- */

/* The server's half of a volume; the engine has its data. A row is marked `removing` while the
 * engine makes or removes the volume: nobody may use it, and the next start removes it. */
struct wr_store_volume {
    char id[WR_UUID_LEN + 1];
    char team_id[WR_UUID_LEN + 1];
    char name[WR_STORE_NAME_MAX + 1]; /* unique in its team */
    uint64_t size_bytes;              /* limit */
    uint64_t created_ms;
    bool removing;
};
/* ALREADY_EXISTS when the team has the name, NOT_FOUND without the team. */
int wr_store_volume_add(struct wr_store *store, const struct wr_store_volume *volume,
                        struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND; finds marked ones too, as the following. */
int wr_store_volume_get(struct wr_store *store, const char *id, struct wr_store_volume *ret,
                        struct wr_error *err) WR_MUST_CHECK;
int wr_store_volume_find(struct wr_store *store, const char *team_id, const char *name,
                         struct wr_store_volume *ret, struct wr_error *err) WR_MUST_CHECK;
/* By age; NULL as team_id: of all teams. `fn` returns false to stop. */
int wr_store_volume_each(struct wr_store *store, const char *team_id,
                         bool (*fn)(const struct wr_store_volume *volume, void *data), void *data,
                         struct wr_error *err) WR_MUST_CHECK;
int wr_store_volume_count(struct wr_store *store, const char *team_id, uint64_t *ret,
                          struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND. */
int wr_store_volume_mark(struct wr_store *store, const char *id, bool removing,
                         struct wr_error *err) WR_MUST_CHECK;
/* Idempotent. */
int wr_store_volume_remove(struct wr_store *store, const char *id, struct wr_error *err)
    WR_MUST_CHECK;

/* ---- secrets ---- */

#define WR_SECRET_ID_LEN    24 /* "sec_" and 20 of [a-z0-9] */
#define WR_SECRET_VALUE_MAX 8192

/* All of a secret but its value. */
struct wr_store_secret {
    char id[WR_SECRET_ID_LEN + 1];
    char team_id[WR_UUID_LEN + 1];
    char name[WR_STORE_NAME_MAX + 1]; /* unique in its team; never begins with "sec_" */
    uint64_t version;                 /* 1, and one more with each change */
    const char *metadata;             /* a JSON object of strings; borrowed */
    uint64_t created_ms, updated_ms;
};
/* Borrowed during the call. */
typedef void (*wr_store_secret_fn)(const struct wr_store_secret *secret, void *data);

/* ALREADY_EXISTS when the team has the name. */
int wr_store_secret_add(struct wr_store *store, const struct wr_store_secret *secret,
                        const char *value, struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND. `fn` is called once. */
int wr_store_secret_get(struct wr_store *store, const char *team_id, const char *id_or_name,
                        wr_store_secret_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;
/* By name, those behind `after` ("": from the first). */
int wr_store_secret_page(struct wr_store *store, const char *team_id, const char *after,
                         uint32_t limit, wr_store_secret_fn fn, void *data, struct wr_error *err)
    WR_MUST_CHECK;
int wr_store_secret_count(struct wr_store *store, const char *team_id, uint64_t *ret,
                          struct wr_error *err) WR_MUST_CHECK;
/* Appends the value to `out`, which should wipe. NOT_FOUND with a text that names the secret. */
int wr_store_secret_value(struct wr_store *store, const char *team_id, const char *name,
                          struct wr_buf *out, struct wr_error *err) WR_MUST_CHECK;
struct wr_store_secret_change {
    const char *team_id, *id_or_name;
    const char *value;
    const char *metadata; /* NULL: as before */
    uint64_t now_ms;
};
/* A new version. NOT_FOUND. */
int wr_store_secret_update(struct wr_store *store, const struct wr_store_secret_change *update,
                           struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND. */
int wr_store_secret_remove(struct wr_store *store, const char *team_id, const char *id_or_name,
                           struct wr_error *err) WR_MUST_CHECK;

/* ---- events and logs ---- */

/* Also a line of GET /sandboxes/{id}/logs. */
struct wr_store_event {
    const char *sandbox_id, *team_id;
    const char *type;   /* "sandbox.lifecycle.created" | "killed" | ... */
    const char *detail; /* a JSON object, or NULL */
    uint64_t at_ms;
};
/* All in one transaction. */
int wr_store_events_add(struct wr_store *store, const struct wr_store_event *events, size_t count,
                        struct wr_error *err) WR_MUST_CHECK;

/* The team of a sandbox that may be gone; NOT_FOUND. */
int wr_store_event_team(struct wr_store *store, const char *sandbox_id,
                        char ret_team_id[static WR_UUID_LEN + 1], struct wr_error *err)
    WR_MUST_CHECK;

enum wr_level { WR_LEVEL_DEBUG = 0, WR_LEVEL_INFO = 1, WR_LEVEL_WARN = 2, WR_LEVEL_ERROR = 3 };
struct wr_log_entry {
    uint64_t at_ms;
    enum wr_level level;
    const char *message;
    const char *fields; /* a JSON object: of strings for a line, the `detail` of an event */
    const char *type;   /* of an event; NULL for a line */
};
struct wr_log_query {
    const char *sandbox_id;
    uint64_t cursor_ms; /* first (forward) or last (backward) time, inclusive */
    bool backward;
    enum wr_level level; /* at least */
    const char *search;  /* substring of the message, or NULL */
    uint32_t limit;
};
int wr_store_log_add(struct wr_store *store, const char *sandbox_id,
                     const struct wr_log_entry *entry, struct wr_error *err) WR_MUST_CHECK;
int wr_store_log_read(struct wr_store *store, const struct wr_log_query *query,
                      void (*fn)(const struct wr_log_entry *entry, void *data), void *data,
                      struct wr_error *err) WR_MUST_CHECK;

/* ---- metrics ---- */

struct wr_metric {
    char sandbox_id[WR_ID_LEN + 1];
    uint64_t at_ms;
    double cpu_used_pct; /* of one CPU */
    uint32_t cpu_count;
    uint64_t mem_used, mem_total, mem_cache, disk_used, disk_total; /* bytes */
};
/* All samples of one round, in one transaction; those of sandboxes without a row are left out. */
int wr_store_metrics_add(struct wr_store *store, const struct wr_metric *samples, size_t count,
                         struct wr_error *err) WR_MUST_CHECK;
struct wr_metrics_query {
    const char *of_id;         /* a sandbox, or a team */
    uint64_t start_ms, end_ms; /* inclusive */
    uint32_t step_s;           /* one sample, the first, of each step of the clock */
};
/* Ascending. */
int wr_store_metrics_read(struct wr_store *store, const struct wr_metrics_query *query,
                          void (*fn)(const struct wr_metric *metric, void *data), void *data,
                          struct wr_error *err) WR_MUST_CHECK;
/* 1 found, 0 none yet. */
int wr_store_metrics_latest(struct wr_store *store, const char *sandbox_id, struct wr_metric *ret,
                            struct wr_error *err) WR_MUST_CHECK;

struct wr_team_metric {
    uint64_t at_ms;
    uint64_t sandboxes;
    double starts_per_s;
};
/* One sample for each team with sandboxes, or with events "sandbox.lifecycle.created" since the
 * last call, and a last one when a team has no sandbox any more. The first call only starts to
 * count. */
int wr_store_team_metrics_sample(struct wr_store *store, uint64_t now_ms, struct wr_error *err)
    WR_MUST_CHECK;
/* Ascending. */
int wr_store_team_metrics_read(struct wr_store *store, const struct wr_metrics_query *query,
                               void (*fn)(const struct wr_team_metric *metric, void *data),
                               void *data, struct wr_error *err) WR_MUST_CHECK;
