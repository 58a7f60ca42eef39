/* The engine's core: the table of sandboxes, one request at a time from one server, events back. */
#pragma once

#include "engine/driver/driver.h"

/* docs/internals/engine.md; what each allows is a table in states.c. */
enum wr_sandbox_state {
    WR_SANDBOX_STARTING = 0, /* of a CREATE */
    WR_SANDBOX_RUNNING = 1,
    WR_SANDBOX_FROZEN = 2,
    WR_SANDBOX_PAGED = 3,
    WR_SANDBOX_HIBERNATED = 4,   /* on the disk: there is no instance */
    WR_SANDBOX_HIBERNATING = 5,  /* frozen, and on its way there */
    WR_SANDBOX_RESUMING = 6,     /* and back */
    WR_SANDBOX_SNAPSHOTTING = 7, /* runs or is frozen, and is copied to the disk */
    WR_SANDBOX_ROLLING_BACK = 8, /* ends, to be resumed as it was saved earlier */
    WR_SANDBOX_STOPPING = 9,
};

#define WR_ENGINE_MAX_KILLS 8 /* clients that may wait for the end of one sandbox */

/* What is under way: one operation per sandbox. */
struct wr_engine_op {
    enum wr_action action;
    uint32_t sequence;            /* the request that waits for its outcome; 0: nobody waits */
    enum wr_sandbox_state before; /* where it goes back to on failure; what LIST shows meanwhile */
    char snapshot[WR_ID_LEN + 1]; /* that it makes or uses; "" else */
};

/* Of one that does not run. */
struct wr_engine_pause {
    uint64_t paused_ms; /* wall clock */
    uint64_t bytes;     /* on the volume, when it is hibernated */
    bool memory;
    char reason[WR_SPEC_MAX_REASON + 1]; /* why it is only at this level; "" else */
    char source[WR_ID_LEN + 1];          /* the snapshot that stands for what was saved, or "" */
};

struct wr_engine_sandbox {
    struct wr_engine *engine;
    struct wr_spec spec;
    struct wr_instance *instance; /* NULL when HIBERNATED */
    enum wr_sandbox_state state;  /* changed by wr_engine_enter() only */
    bool listed;                  /* in the table */
    bool booted;                  /* its start began without memory */
    struct wr_engine_op op;       /* of states that have one */
    struct wr_engine_pause pause;
    uint32_t kill_sequences[WR_ENGINE_MAX_KILLS]; /* KILLs that wait */
    size_t kill_count;
};

struct wr_engine {
    struct wr_loop *loop;
    int sock; /* to the server; owned */
    struct wr_source source;
    const struct wr_driver_ops *ops;
    struct wr_driver *driver;
    struct wr_engine_sandbox **sandboxes; /* ids ascend */
    size_t sandbox_count, sandbox_capacity;
    size_t live_count;          /* of them, those that are not HIBERNATED */
    uint32_t shutdown_sequence; /* the SHUTDOWN that waits until none is alive; 0: none */
};

/* Runs until the server's end of `sock` is closed or a SHUTDOWN is done. `ready_fd` (owned) gets
 * one struct wr_error: code 0 when the engine serves. Returns the exit status of the process. */
int wr_engine_run(const struct wr_engine_opts *opts, int sock, int ready_fd);
/* The same with a driver of the caller's, for tests. */
int wr_engine_run_driver(const struct wr_driver_ops *ops, const struct wr_engine_opts *opts,
                         int sock, int ready_fd);

/* engine/dispatch.c: one message of the server. */
struct wr_action_header;
void wr_engine_dispatch(struct wr_engine *engine, const struct wr_action_header *header,
                        const char *payload);

/* engine/table.c */
struct wr_engine_sandbox *wr_engine_find(const struct wr_engine *engine, const char *id);
/* Index of the first sandbox behind `after`; sandbox_count when there is none. */
size_t wr_engine_behind(const struct wr_engine *engine, const char *after);
/* Allocates a sandbox that takes over the contents of `spec`; not in the table yet, but sure to
 * find room there (for one at a time). NULL without memory. */
struct wr_engine_sandbox *wr_engine_sandbox_new(struct wr_engine *engine, struct wr_spec *spec);
/* Puts it into the table, by id. */
void wr_engine_insert(struct wr_engine_sandbox *sandbox);
/* Takes it out of the table, if it is there, and frees it. */
void wr_engine_drop(struct wr_engine_sandbox *sandbox);
void wr_engine_enter(struct wr_engine_sandbox *sandbox, enum wr_sandbox_state state);
/* Drops all and frees the table. */
void wr_engine_table_done(struct wr_engine *engine);

/* engine/reply.c. `fds` stay the caller's. */
void wr_engine_reply(struct wr_engine *engine, uint32_t kind, uint32_t sequence, const char *json,
                     const int *fds, size_t fd_count);
void wr_engine_reply_error(struct wr_engine *engine, uint32_t kind, uint32_t sequence,
                           const struct wr_error *error);
void wr_engine_event_gone(struct wr_engine *engine, const char *id, const char *reason);
void wr_engine_event_ready(struct wr_engine *engine, int pid);
