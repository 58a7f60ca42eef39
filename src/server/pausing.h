/*
 * Pausing and resuming: one operation at a time for each sandbox, and who waits for it. The engine
 * has the truth; after an operation that failed it is asked for it, so that a sandbox is never
 * taken for something that it is not.
 *
 *             wr_pause                       wr_resume
 *   RUNNING ------------> PAUSING -> PAUSED -----------> RESUMING -> RUNNING
 *
 * Who asks for the same joins what is going on; who asks for the opposite waits and has his turn
 * afterwards. A pause waits for a snapshot that is being taken. A kill hides the sandbox at once
 * and fails whoever waits.
 */
#pragma once

#include "server/lifecycle.h"
#include "server/pause_level.h"

struct wr_pause_wish {
    enum wr_pause_level level; /* FROZEN, PAGED or HIBERNATED */
    bool memory;               /* false: only its files are kept; only with HIBERNATED */
    bool healthy;              /* UNAVAILABLE when its agent does not answer; without memory always
                                  so. Else sandbox->unresponsive notes it */
    bool unasked;              /* for the host's sake: its agent does not matter, so that it can be
                                  resumed as it was */
    struct wr_cause cause;
};

/*
 * `fn` is called once, later, unless this function fails: when the sandbox is at that level or
 * deeper, or is frozen because it cannot be saved (sandbox->pause_reason says why). A paused one is
 * deepened. On failure it goes on as before. The error is ABORTED when the sandbox is being killed.
 */
int wr_pause(struct wr_server *server, struct wr_sandbox *sandbox, const struct wr_pause_wish *wish,
             wr_done_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;

struct wr_resume_wish {
    uint64_t timeout_ms; /* the deadline, from the moment that it runs on; one that runs already
                            gets no earlier one */
    bool memory;         /* false: a boot from its files even if its memory was kept */
    struct wr_cause cause;
};

/* `fn` as above, when it runs and its agent knows. RESOURCE_EXHAUSTED when its team has as many as
 * it may. On failure it stays paused. */
int wr_resume(struct wr_server *server, struct wr_sandbox *sandbox,
              const struct wr_resume_wish *wish, wr_done_fn fn, void *data, struct wr_error *err)
    WR_MUST_CHECK;

/*
 * The sandbox, running or paused, ends and goes on as it was when the snapshot was taken. `fn` as
 * that of wr_resume(). ABORTED (409) while something else goes on. `agent_token` is the control
 * token that the agent in the snapshot has, "" when it is the sandbox's own; it is copied. After a
 * failure the sandbox may be paused, at the old or at the new state.
 */
struct wr_rollback_wish {
    const char *snapshot_id; /* the engine's */
    const char *agent_token;
    uint64_t timeout_ms;
    struct wr_cause cause;
};
int wr_rollback(struct wr_server *server, struct wr_sandbox *sandbox,
                const struct wr_rollback_wish *wish, wr_done_fn fn, void *data,
                struct wr_error *err) WR_MUST_CHECK;

/*
 * A snapshot of it is being taken from here to wr_pausing_save_end(): pauses wait. The sandbox
 * stays RUNNING with sandbox->saving (a frozen one PAUSED). ABORTED (409) when it is already being
 * saved or something else goes on, FAILED_PRECONDITION when it is hibernated.
 */
int wr_pausing_save_begin(struct wr_sandbox *sandbox, struct wr_error *err) WR_MUST_CHECK;
/* Who has waited has his turn. Sandboxes that are gone meanwhile are ignored. */
void wr_pausing_save_end(struct wr_server *server, const char *id);

/* Whether something goes on: it is neither RUNNING nor PAUSED, or is being saved. */
bool wr_pausing_busy(const struct wr_sandbox *sandbox);
/* Fails, ABORTED, with what goes on or that it is paused, and what helps: of one that is busy or
 * does not run. */
int wr_pausing_refuse(const struct wr_sandbox *sandbox, struct wr_error *err);
/* Whether it can be resumed without its memory only. What is still in memory just goes on. */
bool wr_pausing_is_unresponsive(const struct wr_sandbox *sandbox);
/* Whether its memory is, or is going to be, kept: of one that does not run. */
bool wr_pausing_keeps_memory(const struct wr_sandbox *sandbox);
/* The sandbox is being killed: fails whoever waits. Idempotent. */
void wr_pausing_end(struct wr_sandbox *sandbox);
/* resync.h found it at another level than the table has it, while no operation goes on. */
struct wr_record;
void wr_pausing_found(struct wr_server *server, struct wr_sandbox *sandbox,
                      const struct wr_record *seen);

/* Numbers since the start, for GET /metrics. */
struct wr_pausing_counts {
    uint64_t pauses[WR_PAUSE_LEVELS], pause_us[WR_PAUSE_LEVELS];   /* by the level reached */
    uint64_t resumes[WR_PAUSE_LEVELS], resume_us[WR_PAUSE_LEVELS]; /* by the level before */
    uint64_t pauses_failed, resumes_failed;
};
