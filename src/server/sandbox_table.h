/*
 * What the server knows about each sandbox: id -> record. The engine has the truth (LIST); this
 * table is rebuilt from it at each start of either process.
 */
#pragma once

#include <jansson.h>

#include "engine/action.h"
#include "loop/loop.h"

#define WR_SERVER_MAX_SANDBOXES 16384
#define WR_TEMPLATE_NAME_LEN    63

enum wr_sandbox_state {
    WR_SANDBOX_RUNNING = 0,
    WR_SANDBOX_KILLING = 1, /* hidden from clients: gone as soon as the engine says so */
};

struct wr_sandbox_limits {
    uint64_t cpu_millis;
    uint64_t memory_bytes;
    uint64_t disk_bytes;
    uint64_t pids;
    uint64_t open_files;
};

struct wr_sandbox {
    struct wr_list bucket_link;
    struct wr_list link; /* of the table, in order of insertion */
    char id[WR_ID_LEN + 1];
    char template_name[WR_TEMPLATE_NAME_LEN + 1];
    enum wr_sandbox_state state;
    uint64_t created_ms;  /* wall clock */
    uint64_t deadline_ms; /* wall clock */
    struct wr_timer deadline;
    json_t *metadata; /* owned; an object of strings, or NULL */
    struct wr_sandbox_limits limits;
    bool seen; /* by the LIST that is running */

    /* CPU use at the last look at the metrics, for the percentage since then. */
    uint64_t cpu_usec, cpu_usec_at_us;

    /* Ingress: sockets inside the sandbox's network namespace that are not connected yet, and
     * connections. */
    int sockets[WR_ACTION_MAX_SOCKETS];
    size_t socket_count;
    bool sockets_requested;
    struct wr_list waiters;     /* struct wr_dial, until a socket is there */
    struct wr_list connections; /* struct wr_upstream, busy and idle */
    size_t connection_count;
};

struct wr_sandbox_table;

/* NULL without memory. */
struct wr_sandbox_table *wr_sandbox_table_new(void) WR_MUST_CHECK;
/* The records must be removed before. Accepts NULL, returns NULL. */
struct wr_sandbox_table *wr_sandbox_table_free(struct wr_sandbox_table *table);

/* A zeroed record under `id` (valid and not in the table): ALREADY_EXISTS, RESOURCE_EXHAUSTED.
 * Owned by the table. */
int wr_sandbox_table_add(struct wr_sandbox_table *table, const char *id, struct wr_sandbox **ret,
                         struct wr_error *err) WR_MUST_CHECK;
/* NULL when there is none; `id` may be any string. */
struct wr_sandbox *wr_sandbox_table_find(const struct wr_sandbox_table *table, const char *id);
/* Removes and frees the record with its timer, metadata and spare sockets; its connections and
 * waiters must be gone. */
void wr_sandbox_table_remove(struct wr_sandbox_table *table, struct wr_sandbox *sandbox);
size_t wr_sandbox_table_count(const struct wr_sandbox_table *table);
/* Head of the list of all records (struct wr_sandbox.link). */
struct wr_list *wr_sandbox_table_all(struct wr_sandbox_table *table);

/* Keeps up to WR_ACTION_MAX_SOCKETS of the descriptors and sets them to -1; the others stay the
 * caller's. */
void wr_sandbox_keep_sockets(struct wr_sandbox *sandbox, int *fds, size_t count);
/* A spare socket, owned by the caller, or -1. */
int wr_sandbox_take_socket(struct wr_sandbox *sandbox);
