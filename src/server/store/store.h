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
#include "server/event_type.h"
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

/* What was written before is to be on the disk: returns at once, with a number. Without it that
 * happens within a minute (store.md). */
uint64_t wr_store_sync(struct wr_store *store);
/* 1 when it is, 0 not yet, or a negative errno. The descriptor, the store's, becomes readable when
 * there is something new; whoever waits reads it. */
int wr_store_synced(struct wr_store *store, uint64_t number);
int wr_store_sync_fd(const struct wr_store *store);

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

/* The server's half of a sandbox; the engine has the other one, and knows which are paused. A row
 * without a sandbox in the engine is removed at the next start, a sandbox without a row is killed.
 */
struct wr_store_sandbox {
    const char *id;
    const char *team_id;
    const char *envd_token;    /* "" when the sandbox is not secure */
    const char *traffic_token; /* "" when its ports are public */
    const char *control_token; /* that its agent demands for /init; NULL as "" */
    uint64_t deadline_ms;      /* wall clock; of a paused one without meaning */
    uint64_t timeout_ms;       /* lifetime that it was created with */
    uint64_t started_ms;       /* wall clock: of the last resume, 0 before */
    const char *settings;      /* a JSON object (server/settings.h): metadata, network, lifecycle */
    const char *env;           /* a JSON object of strings, for a boot from its files; NULL: {} */
    bool paused;               /* as far as the server knew; not written by _add() */
    bool unresponsive;         /* its agent did not answer when it was paused */
    bool resume_at_start;      /* it ran when the server ended for the host's shutdown */
    /* The engine's id of the snapshot that it was made from, was rolled back to, or that was last
     * taken of it; of a fork the public template ID and alias. NULL as "": none. */
    const char *parent_snapshot, *snapshot_template, *snapshot_name;
};
int wr_store_sandbox_add(struct wr_store *store, const struct wr_store_sandbox *sandbox,
                         struct wr_error *err) WR_MUST_CHECK;
int wr_store_sandbox_set_deadline(struct wr_store *store, const char *id, uint64_t deadline_ms,
                                  struct wr_error *err) WR_MUST_CHECK;
int wr_store_sandbox_set_settings(struct wr_store *store, const char *id, const char *settings,
                                  struct wr_error *err) WR_MUST_CHECK;
/* It is paused from now on. */
int wr_store_sandbox_paused(struct wr_store *store, const char *id, bool unresponsive,
                            struct wr_error *err) WR_MUST_CHECK;
/* It runs again; nothing is to be done at the next start. */
int wr_store_sandbox_resumed(struct wr_store *store, const char *id, uint64_t started_ms,
                             uint64_t deadline_ms, struct wr_error *err) WR_MUST_CHECK;
int wr_store_sandbox_resume_at_start(struct wr_store *store, const char *id, bool resume,
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

/* ---- snapshots ---- */

enum wr_snapshot_state {
    WR_SNAPSHOT_MAKING = 0,   /* the engine was asked: nobody was told of it yet */
    WR_SNAPSHOT_READY = 1,    /* the only one that clients see */
    WR_SNAPSHOT_REMOVING = 2, /* its data is going */
};
#define WR_SNAPSHOT_NAME_LEN 63
#define WR_SNAPSHOT_REF_MAX  328 /* bytes of what clients call it */

/* The server's half of a snapshot; the engine has its data. */
struct wr_store_snapshot {
    char id[WR_ID_LEN + 1]; /* the engine's */
    char team_id[WR_UUID_LEN + 1];
    char template_id[WR_ID_LEN + 1];     /* for clients: all of one name share it */
    char name[WR_SNAPSHOT_NAME_LEN + 1]; /* "" for none */
    char tag[WR_STORE_NAME_MAX + 1];     /* one READY snapshot of a template has it */
    enum wr_snapshot_state state;
    char template_name[64];         /* of the sandbox */
    char sandbox_id[WR_ID_LEN + 1]; /* that it was taken of */
    char parent_id[WR_ID_LEN + 1];  /* the snapshot before it, the engine's id; "" for none */
    uint64_t created_ms, bytes;
    uint64_t frozen_us;                   /* of one just taken: how long its sandbox stood still */
    bool memory;                          /* not only the files */
    bool secure, private_traffic;         /* of the sandbox */
    char control_token[WR_TOKEN_LEN + 1]; /* that the agent in it demands; secret */
    /* Filled by reading: "<slug>/<name>:<tag>", or "<template_id>:<tag>" without a name; the same
     * of the parent, "" without one that is READY; "<slug>/<name>", "" without a name. */
    char ref[WR_SNAPSHOT_REF_MAX], parent_ref[WR_SNAPSHOT_REF_MAX], full_name[WR_SNAPSHOT_REF_MAX];
};
/* Borrowed during the call; false to stop. */
typedef bool (*wr_store_snapshot_fn)(const struct wr_store_snapshot *snapshot, void *data);

/* What a sandbox that is made from it has from there: JSON objects. The environment may hold
 * secrets of its owner. */
struct wr_store_snapshot_origin {
    const char *settings; /* see server/settings.h; of these the volumes */
    const char *env;
};

/* NOT_FOUND without the team. */
int wr_store_snapshot_add(struct wr_store *store, const struct wr_store_snapshot *snapshot,
                          const struct wr_store_snapshot_origin *origin, struct wr_error *err)
    WR_MUST_CHECK;
/* It is READY; the one that had its tag is REMOVING from now on, and its id in `ret_replaced` (""
 * for none). It becomes the parent of the sandbox that it was taken of. */
struct wr_store_snapshot_result {
    const char *id;
    bool memory;
    uint64_t bytes, created_ms;
};
int wr_store_snapshot_finish(struct wr_store *store, const struct wr_store_snapshot_result *result,
                             char ret_replaced[static WR_ID_LEN + 1], struct wr_error *err)
    WR_MUST_CHECK;
/* By the engine's id, in any state; NOT_FOUND. */
int wr_store_snapshot_get(struct wr_store *store, const char *id, struct wr_store_snapshot *ret,
                          struct wr_error *err) WR_MUST_CHECK;
/* A READY one by name or template ID; "" as `tag`: the newest. NOT_FOUND. */
int wr_store_snapshot_find(struct wr_store *store, const char *team_id, const char *name_or_id,
                           const char *tag, struct wr_store_snapshot *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* NOT_FOUND. `fn` is called once; the strings are borrowed during the call. */
int wr_store_snapshot_origin(struct wr_store *store, const char *id,
                             void (*fn)(const struct wr_store_snapshot_origin *origin, void *data),
                             void *data, struct wr_error *err) WR_MUST_CHECK;
struct wr_store_snapshot_query {
    const char *team_id;    /* "": of all teams, as with the following */
    const char *sandbox_id; /* that they were taken of */
    const char *name_or_id, *tag;
    uint64_t before_ms;    /* behind the last one of the page before; UINT64_MAX: from the first */
    const char *before_id; /* among those of that time; "" */
    uint32_t limit;
};
/* READY ones, the newest first. */
int wr_store_snapshot_page(struct wr_store *store, const struct wr_store_snapshot_query *query,
                           wr_store_snapshot_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;
/* All that are in that state, by id. */
int wr_store_snapshot_each(struct wr_store *store, enum wr_snapshot_state state,
                           wr_store_snapshot_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;
/* READY and MAKING ones. */
int wr_store_snapshot_count(struct wr_store *store, const char *team_id, uint64_t *ret_count,
                            uint64_t *ret_bytes, struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND. */
int wr_store_snapshot_mark(struct wr_store *store, const char *id, enum wr_snapshot_state state,
                           struct wr_error *err) WR_MUST_CHECK;
/* What came from it comes from its parent then. Idempotent. */
int wr_store_snapshot_remove(struct wr_store *store, const char *id, struct wr_error *err)
    WR_MUST_CHECK;
/* READY ones that the snapshot `id` descends from, or that descend from the first of these; by age.
 * At most `limit`. */
int wr_store_snapshot_family(struct wr_store *store, const char *id, uint32_t limit,
                             wr_store_snapshot_fn fn, void *data, struct wr_error *err)
    WR_MUST_CHECK;
/* Ids of the sandboxes that go on from that snapshot; borrowed during the call. */
int wr_store_snapshot_sandboxes(struct wr_store *store, const char *id,
                                void (*fn)(const char *sandbox_id, void *data), void *data,
                                struct wr_error *err) WR_MUST_CHECK;
/* The sandbox goes on from that snapshot (the engine's id; "" for none). NOT_FOUND. */
int wr_store_sandbox_set_parent(struct wr_store *store, const char *sandbox_id,
                                const char *snapshot_id, struct wr_error *err) WR_MUST_CHECK;

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

/* ---- events ---- */

/* Also a line of GET /sandboxes/{id}/logs. */
struct wr_store_event {
    const char *sandbox_id, *team_id;
    const char *type;   /* "sandbox.lifecycle.created" | "killed" | ... */
    const char *detail; /* a JSON object, or NULL */
    uint64_t at_ms;
    const char *about; /* see server/event_about.h; NULL: {} */
    uint64_t id;       /* filled by reading: ascends as events are added */
};
/* All in one transaction. */
int wr_store_events_add(struct wr_store *store, const struct wr_store_event *events, size_t count,
                        struct wr_error *err) WR_MUST_CHECK;

/* The team of a sandbox that may be gone; NOT_FOUND. */
int wr_store_event_team(struct wr_store *store, const char *sandbox_id,
                        char ret_team_id[static WR_UUID_LEN + 1], struct wr_error *err)
    WR_MUST_CHECK;

struct wr_store_event_query {
    const char *team_id, *sandbox_id; /* "": of all */
    wr_event_set types;               /* 0: all */
    uint64_t after;                   /* the last event that is not meant; 0: from the first */
    bool descending;                  /* the newest first */
    uint64_t offset;
    uint32_t limit;
};
/* Borrowed during the call; false to stop. */
typedef bool (*wr_store_event_fn)(const struct wr_store_event *event, void *data);
/* By id. */
int wr_store_events_read(struct wr_store *store, const struct wr_store_event_query *query,
                         wr_store_event_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND: it is older than events are kept. `fn` is called once. */
int wr_store_event_get(struct wr_store *store, uint64_t id, wr_store_event_fn fn, void *data,
                       struct wr_error *err) WR_MUST_CHECK;
/* The id of the newest one; 0: there is none. */
int wr_store_event_newest(struct wr_store *store, uint64_t *ret, struct wr_error *err)
    WR_MUST_CHECK;

/* ---- webhooks ---- */

#define WR_WEBHOOK_URL_MAX     2048 /* bytes */
#define WR_WEBHOOK_FAILURE_MAX 255

struct wr_store_webhook {
    char id[WR_UUID_LEN + 1];
    char team_id[WR_UUID_LEN + 1];
    char name[WR_STORE_NAME_MAX + 1];
    const char *url; /* borrowed */
    wr_event_set types;
    bool enabled;
    bool local; /* its address was given by the operator (webhook_reach.h) */
    uint64_t created_ms;
    uint64_t cursor; /* the last event of which nothing is left to be done */
    struct wr_webhook_counts {
        uint64_t delivered, dropped;
        uint64_t delivered_ms, failed_ms;         /* wall clock, of the last; 0: never */
        char failure[WR_WEBHOOK_FAILURE_MAX + 1]; /* the last one's text; "" for none */
    } counts;
};
typedef void (*wr_store_webhook_fn)(const struct wr_store_webhook *webhook, void *data);

/* NOT_FOUND without the team. */
int wr_store_webhook_add(struct wr_store *store, const struct wr_store_webhook *webhook,
                         const char *secret, struct wr_error *err) WR_MUST_CHECK;
/* All, by age. */
int wr_store_webhook_each(struct wr_store *store, wr_store_webhook_fn fn, void *data,
                          struct wr_error *err) WR_MUST_CHECK;
/* Everything that a client can change, and the cursor. `secret` NULL: as before. NOT_FOUND. */
int wr_store_webhook_change(struct wr_store *store, const struct wr_store_webhook *webhook,
                            const char *secret, struct wr_error *err) WR_MUST_CHECK;
/* How far it is. NOT_FOUND. */
int wr_store_webhook_progress(struct wr_store *store, const char *id, uint64_t cursor,
                              const struct wr_webhook_counts *counts, struct wr_error *err)
    WR_MUST_CHECK;
/* Appends the secret to `out`, which should wipe. NOT_FOUND. */
int wr_store_webhook_secret(struct wr_store *store, const char *id, struct wr_buf *out,
                            struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND. */
int wr_store_webhook_remove(struct wr_store *store, const char *id, struct wr_error *err)
    WR_MUST_CHECK;

/* ---- logs ---- */

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
