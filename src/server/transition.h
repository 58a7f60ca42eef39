/*
 * What goes on with one sandbox that is being paused, resumed or rolled back: shared by pausing.c
 * (who waits, whose turn it is), transition_pause.c and transition_resume.c (the operations), and
 * transition.c (what follows when one fails).
 */
#pragma once

#include "server/agent_call.h"
#include "server/job_turns.h"
#include "server/pausing.h"

enum wr_transition_kind { WR_TO_PAUSE = 0, WR_TO_RESUME = 1, WR_TO_ROLLBACK = 2 };

struct wr_transition_wish {
    enum wr_transition_kind kind;
    struct wr_cause cause;
    bool memory;
    enum wr_pause_level level; /* of a pause, as the following */
    bool healthy, unasked;
    uint64_t timeout_ms;             /* of the others */
    char snapshot_id[WR_ID_LEN + 1]; /* of a rollback, as the following */
    char agent_token[WR_TOKEN_LEN + 1];
};

struct wr_transition_waiter {
    struct wr_list link;
    struct wr_transition_wish wish;
    wr_done_fn fn;
    void *data;
};

/* There is one as long as somebody waits, or the engine owes an answer. */
struct wr_transition {
    struct wr_server *server;
    struct wr_sandbox *sandbox; /* NULL once it is being killed: only an answer is awaited */
    struct wr_list waiters;
    struct wr_timer timer;   /* the next waiter */
    struct wr_job_turn turn; /* among the sandboxes, for the next one or for `wish` */
    bool busy;               /* something is under way, for `wish` */
    bool probing;            /* `probe` is */
    bool retried, booted;
    struct wr_transition_wish wish;
    enum wr_pause_level from;
    uint64_t began_us; /* monotonic */
    struct wr_agent_call probe;
    struct wr_error failure;
};

/* pausing.c */
/* Whether somebody waits for that. */
bool wr_transition_wants(const struct wr_transition *t, enum wr_transition_kind kind);
void wr_transition_free(struct wr_transition *t);
/* The end of `kind`, for everybody who asked for that; then others have their turn. */
void wr_transition_over(struct wr_transition *t, enum wr_transition_kind kind,
                        const struct wr_error *error);
/* The same for the pauses that want no more than what was reached. */
void wr_transition_paused(struct wr_transition *t);

/* transition.c: carries out t->wish. */
void wr_transition_begin(struct wr_transition *t, const struct wr_transition_wish *wish);
/* It goes on as it was, after something that failed. */
void wr_transition_run_on(struct wr_server *server, struct wr_sandbox *sandbox);
/* It failed, or its outcome is not known: finishes as the engine says that it is. */
void wr_transition_look(struct wr_transition *t, const struct wr_error *why);
/* It failed before the engine was asked for anything. */
void wr_transition_refuse(struct wr_transition *t, const struct wr_error *why);
/* The sandbox is gone meanwhile, and whoever waited has been told: `t` is freed. */
bool wr_transition_orphaned(struct wr_transition *t);
void wr_transition_log_row(const struct wr_sandbox *sandbox, const struct wr_error *error);
