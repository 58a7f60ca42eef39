/*
 * One blank sandbox, and what blanks.c (pools), blank.c (making, the end) and assignment.c share.
 */
#pragma once

#include "server/agent_call.h"
#include "server/assignment.h"
#include "server/config.h"

enum wr_blank_state {
    WR_BLANK_CREATING = 0,  /* the engine was asked */
    WR_BLANK_PREPARING = 1, /* its agent runs the first cell */
    WR_BLANK_READY = 2,
    WR_BLANK_ASSIGNING = 3, /* its agent and the engine were told */
    WR_BLANK_ENDED = 4,     /* only waits for the engine's answer */
};

struct wr_blank_pool {
    struct wr_blanks *blanks;
    const char *template_name; /* borrowed from the configuration */
    size_t target, count;      /* `count`: those that are not ENDED or ASSIGNING */
    uint64_t short_since_ms;   /* monotonic; 0 while it is full */
    uint64_t retry_at_ms;      /* monotonic */
    uint64_t retry_ms;         /* 0: the last attempt was good */
    bool was_full;
};

struct wr_blank {
    struct wr_list link; /* blanks->all */
    struct wr_blank_pool *pool;
    enum wr_blank_state state;
    struct wr_sandbox *sandbox;     /* owned; NULL before the engine has answered */
    char token[WR_TOKEN_LEN + 1];   /* without which its agent answers nobody */
    char control[WR_TOKEN_LEN + 1]; /* and /init only with this one as well */
    bool engine_asked;              /* its answer comes, whatever happens */
    struct wr_agent_call agent;
    struct wr_timer timer; /* PREPARING: until the agent is asked again */
    uint64_t began_ms, ask_ms;
    /* ASSIGNING */
    wr_assigned_fn fn;
    void *data;
    bool agent_done, engine_done;
};

struct wr_blanks {
    struct wr_server *server;
    struct wr_list all;
    struct wr_blank_pool pools[WR_MAX_BLANK_POOLS];
    size_t pool_count;
    struct wr_blank *making; /* CREATING or PREPARING: one at a time */
    size_t ending;
    uint64_t busy_ms; /* monotonic: of the last creation */
    struct wr_timer timer;
    bool running;
};

/* Makes one for the pool, which is short of one, while no other is being made. */
void wr_blank_make(struct wr_blank_pool *pool);
/* Whether it counts for its pool: not lost, and nobody's. */
bool wr_blank_counts(const struct wr_blank *blank);
void wr_blank_set_state(struct wr_blank *blank, enum wr_blank_state state);
/* Takes it out of everything without touching the sandbox; its memory stays as long as the engine
 * owes an answer. */
void wr_blank_let_go(struct wr_blank *blank);
/* The same, and kills the sandbox. */
void wr_blank_discard(struct wr_blank *blank);
/* It could not be made, or prepared: the pool tries again later. */
void wr_blank_failed(struct wr_blank *blank, const struct wr_error *error);
/* The two halves of that: by the engine, and what this server has of it (may be NULL). */
void wr_blanks_kill(struct wr_blanks *blanks, const char *id);
void wr_blank_free_record(struct wr_sandbox *sandbox);
/* blanks.c: looks for what has to be made, that much later. */
void wr_blanks_plan(struct wr_blanks *blanks, uint64_t delay_ms);
