/*
 * What the server knows about each sandbox: id -> record. The engine has the truth about which
 * exist (LIST), the store about whose they are; this table is rebuilt from both at each start.
 */
#pragma once

#include <jansson.h>

#include "engine/action.h"
#include "loop/loop.h"
#include "server/pause_level.h"
#include "server/store/store.h"
#include "template/template_id.h"

#define WR_SERVER_MAX_SANDBOXES 16384 /* that are not paused */
#define WR_SERVER_MAX_PAUSED    65536
#define WR_TEMPLATE_NAME_LEN    63
#define WR_PAUSE_REASON_LEN     255

/* pausing.h has the transitions. */
enum wr_sandbox_state {
    WR_SANDBOX_RUNNING = 0,
    WR_SANDBOX_KILLING = 1, /* hidden from clients: gone as soon as the engine says so */
    WR_SANDBOX_PAUSING = 2,
    WR_SANDBOX_PAUSED = 3,
    WR_SANDBOX_RESUMING = 4,
};

struct wr_sandbox_limits {
    uint64_t cpu_millis;
    uint64_t memory_bytes;
    uint64_t disk_bytes;
    uint64_t pids;
    uint64_t open_files;
};

/* What one team has at the moment. Lives as long as the table. */
struct wr_team_use {
    struct wr_list link;
    char team_id[WR_UUID_LEN + 1];
    size_t sandboxes; /* with a record and not paused, those that are being killed included */
    size_t paused;
    size_t creating; /* asked from the engine, without an answer */
};

struct wr_sandbox {
    struct wr_list bucket_link;
    struct wr_list link; /* of the table, in order of insertion */
    struct wr_team_use *use;
    char team_id[WR_UUID_LEN + 1];
    char envd_token[WR_TOKEN_LEN + 1];    /* "" when the sandbox is not secure */
    char traffic_token[WR_TOKEN_LEN + 1]; /* "" when its ports are public */
    char control_token[WR_TOKEN_LEN + 1]; /* that its agent demands for /init; never shown */
    json_t *settings;                     /* owned; see server/settings.h; NULL: none */
    char id[WR_ID_LEN + 1];
    char template_name[WR_TEMPLATE_NAME_LEN + 1];
    enum wr_sandbox_state state; /* see wr_sandbox_set_state() */
    bool counts_as_paused;       /* in `use` and in the table */
    uint64_t created_ms;         /* wall clock: of its start, or of the last resume */
    uint64_t timeout_ms;         /* lifetime that it was created with */
    uint64_t deadline_ms;        /* wall clock */
    struct wr_timer deadline;
    const char *ending; /* why it is being killed, a static string; NULL before */
    struct wr_sandbox_limits limits;

    /* Pausing (pausing.h). Level and the others are those of the PAUSED one. */
    enum wr_pause_level level;
    bool memory;        /* its memory is kept too */
    bool saving;        /* a snapshot of it is being taken */
    bool unresponsive;  /* its agent did not answer when it was paused */
    uint64_t paused_ms; /* wall clock */
    uint64_t saved_bytes;
    char pause_reason[WR_PAUSE_REASON_LEN + 1]; /* why it is not at the level asked for; "" */
    bool unpaged;                     /* that is only about swap: it can still go to the disk */
    struct wr_transition *transition; /* of pausing.c: what goes on, or NULL */
    uint64_t deepen_after_ms; /* of pause_policy.c; monotonic: not before, after a failure */
    unsigned end_failed;      /* of pause_policy.c: the end in which it could not be hibernated */
    bool resume_at_start;     /* it ran when the server before ended for the host's shutdown */

    /* Of one that was made from a snapshot (snapshots.h): public template ID and alias; else "". */
    char snapshot_template[WR_TEMPLATE_ID_LEN + 1];
    char snapshot_name[WR_STORE_NAME_MAX + 1];

    bool seen;        /* by the LIST that is running */
    unsigned updates; /* events of that kind that were recorded for it by this server */

    /* Metrics (sampler.h): when the next sample is due (monotonic; 0: not known yet), and the CPU
     * use at the last one, for the percentage since then. */
    uint64_t sample_due_ms, cpu_usec, cpu_usec_at_us;

    /* Ingress: sockets inside the sandbox's network namespace that are not connected yet, and
     * connections. */
    int sockets[WR_ACTION_MAX_SOCKETS];
    size_t socket_count;
    bool sockets_requested;
    struct wr_list waiters;     /* struct wr_dial, until a socket is there */
    struct wr_list retrying;    /* struct wr_dial, until the next attempt */
    struct wr_list connections; /* struct wr_upstream, busy and idle */
    size_t connection_count;    /* connections and dials */
    uint16_t v6_ports[4];       /* ports that were found on ::1 and not on 127.0.0.1; 0: none */
    uint8_t v6_next;            /* the place for the next one */

    /* Egress: the listening sockets of its namespace until the egress takes them (-1: none). */
    int egress_fds[WR_ACTION_EGRESS_SOCKETS];
    struct wr_egress_sandbox *egress; /* owned; NULL before its start */
    /* Made by the server for itself (the content of a volume): clients do not see it, it counts for
     * no team, and it has no row in the store. */
    bool internal;
};

struct wr_sandbox_table;

/* NULL without memory. */
struct wr_sandbox_table *wr_sandbox_table_new(void) WR_MUST_CHECK;
/* The records must be removed before. Accepts NULL, returns NULL. */
struct wr_sandbox_table *wr_sandbox_table_free(struct wr_sandbox_table *table);

/* A record in no table, else zeroed; INVALID_ARGUMENT. The caller's. */
int wr_sandbox_record_new(const char *id, struct wr_sandbox **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Of a record in no table; its connections and waiters must be gone, its egress stopped. The tokens
 * are wiped. Accepts NULL, returns NULL. */
struct wr_sandbox *wr_sandbox_record_free(struct wr_sandbox *sandbox);
/* Takes over such a record, RUNNING or PAUSED, for a team: ALREADY_EXISTS, RESOURCE_EXHAUSTED, upon
 * which it stays the caller's. */
int wr_sandbox_table_insert(struct wr_sandbox_table *table, struct wr_sandbox *sandbox,
                            const char *team_id, struct wr_error *err) WR_MUST_CHECK;
/* A new record, else zeroed, that the table owns. */
int wr_sandbox_table_add(struct wr_sandbox_table *table, const char *id, const char *team_id,
                         struct wr_sandbox **ret, struct wr_error *err) WR_MUST_CHECK;
/* NULL when there is none; `id` may be any string. */
struct wr_sandbox *wr_sandbox_table_find(const struct wr_sandbox_table *table, const char *id);
/* Removes the record and frees it as wr_sandbox_record_free() does. */
void wr_sandbox_table_remove(struct wr_sandbox_table *table, struct wr_sandbox *sandbox);
size_t wr_sandbox_table_count(const struct wr_sandbox_table *table);
/* Those of them that are paused. */
size_t wr_sandbox_table_paused(const struct wr_sandbox_table *table);
/* The only way to change the state of one in the table: the figures of its team go with it. */
void wr_sandbox_set_state(struct wr_sandbox_table *table, struct wr_sandbox *sandbox,
                          enum wr_sandbox_state state);
/* What a team has; made at the first call for it. NULL without memory. */
struct wr_team_use *wr_sandbox_table_use(struct wr_sandbox_table *table, const char *team_id)
    WR_MUST_CHECK;
/* Head of the list of all records (struct wr_sandbox.link). */
struct wr_list *wr_sandbox_table_all(struct wr_sandbox_table *table);

/* Keeps up to WR_ACTION_MAX_SOCKETS of the descriptors and sets them to -1; the others stay the
 * caller's. */
void wr_sandbox_keep_sockets(struct wr_sandbox *sandbox, int *fds, size_t count);
/* Closes the spare sockets: each holds its network namespace. */
void wr_sandbox_drop_sockets(struct wr_sandbox *sandbox);
/* A spare socket, owned by the caller, or -1. */
int wr_sandbox_take_socket(struct wr_sandbox *sandbox);
/* Keeps the sockets of the reply of EGRESS, in their order, and sets them to -1. */
void wr_sandbox_keep_egress(struct wr_sandbox *sandbox, int *fds, size_t count);
