/* The engine's core: the table of sandboxes, one request at a time from one server, events back. */
#pragma once

#include "base/list.h"
#include "engine/driver/driver.h"

enum wr_sandbox_state {
    WR_SANDBOX_STARTING = 0,
    WR_SANDBOX_RUNNING = 1,
    WR_SANDBOX_STOPPING = 2,
};

#define WR_ENGINE_MAX_KILLS 8 /* clients that may wait for the end of one sandbox */

struct wr_engine_sandbox {
    struct wr_list link; /* engine->sandboxes, ordered by id */
    struct wr_engine *engine;
    struct wr_spec spec;
    struct wr_instance *instance;
    enum wr_sandbox_state state;
    uint32_t start_sequence;                      /* the CREATE that waits for an answer; 0: none */
    uint32_t kill_sequences[WR_ENGINE_MAX_KILLS]; /* KILLs that wait */
    size_t kill_count;
};

struct wr_engine {
    struct wr_loop *loop;
    int sock; /* to the server; owned */
    struct wr_source source;
    const struct wr_driver_ops *ops;
    struct wr_driver *driver;
    struct wr_list sandboxes;
    size_t sandbox_count;
    uint32_t shutdown_sequence; /* the SHUTDOWN that waits until all sandboxes are gone; 0: none */
};

/* Runs until the server's end of `sock` is closed or a SHUTDOWN is done. `ready_fd` (owned) gets
 * one struct wr_error: code 0 when the engine serves. Returns the exit status of the process. */
int wr_engine_run(const struct wr_engine_opts *opts, int sock, int ready_fd);

/* engine/dispatch.c: one message of the server. */
struct wr_action_header;
void wr_engine_dispatch(struct wr_engine *engine, const struct wr_action_header *header,
                        const char *payload);

/* engine/table.c */
/* engine/engine.c: stops the loop once a SHUTDOWN was asked for and no sandbox is left. The rest is
 * done outside of all callbacks. */
void wr_engine_check_shutdown(struct wr_engine *engine);

struct wr_engine_sandbox *wr_engine_find(struct wr_engine *engine, const char *id);
/* Allocates a sandbox that takes over the contents of `spec`; not in the table yet. NULL without
 * memory. */
struct wr_engine_sandbox *wr_engine_sandbox_new(struct wr_engine *engine, struct wr_spec *spec);
/* Puts it into the table, by id. */
void wr_engine_insert(struct wr_engine_sandbox *sandbox);
/* Takes it out of the table, if it is there, and frees it. */
void wr_engine_drop(struct wr_engine_sandbox *sandbox);

/* engine/reply.c. `fds` stay the caller's. */
void wr_engine_reply(struct wr_engine *engine, uint32_t kind, uint32_t sequence, const char *json,
                     const int *fds, size_t fd_count);
void wr_engine_reply_error(struct wr_engine *engine, uint32_t kind, uint32_t sequence,
                           const struct wr_error *error);
void wr_engine_event_gone(struct wr_engine *engine, const char *id, const char *reason);
void wr_engine_event_ready(struct wr_engine *engine, int pid);
