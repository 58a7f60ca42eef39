/*
 * A runner: the process that runs the cells of one context, and the agent's side of its socket and
 * pipes. States:
 *
 *   STARTING -> IDLE <-> BUSY -> DRAINING -> IDLE      a cell
 *               IDLE <-> ASSIGNING                      a prepared context gets its user
 *   any -> ENDING -> gone                               killed by wr_runner_end()
 *   any -> gone                                         it died, or broke the protocol
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "interpreter/frame_decoder.h"
#include "interpreter/pipe_reader.h"
#include "interpreter/start.h"

enum wr_runner_state {
    WR_RUNNER_STARTING = 0,
    WR_RUNNER_IDLE = 1,
    WR_RUNNER_BUSY = 2,
    WR_RUNNER_DRAINING = 3, /* DONE was read; what is in the pipes belongs to the cell still */
    WR_RUNNER_ASSIGNING = 4,
    WR_RUNNER_ENDING = 5,
};

/* All are called from the loop. What comes between two cells is dropped and told to nobody. */
struct wr_runner_ops {
    /* It is IDLE: started, or assigned. */
    void (*ready)(void *owner);
    /* The cell has begun. */
    void (*count)(void *owner, uint64_t count);
    /* Text of the cell, whole characters. */
    void (*text)(void *owner, enum wr_stream stream, const char *data, size_t len);
    /* A result or an error, in one or several pieces. */
    void (*line)(void *owner, const struct wr_frame_piece *piece);
    /* The cell has ended and everything of it was told; it is IDLE. */
    void (*done)(void *owner);
    /* Every RENEW was answered. */
    void (*renewed)(void *owner);
    /* Last call: the process has ended or is given up. `why` is empty (code 0) when it simply
     * ended. The owner frees the runner here or later. */
    void (*gone)(void *owner, const struct wr_error *why);
};

struct wr_runner {
    struct wr_loop *loop;
    const struct wr_runner_ops *ops;
    void *owner;
    enum wr_runner_state state;
    struct wr_start *start; /* while the process is being made */
    bool forked;
    bool was_ready;
    bool paused;
    bool silent;    /* the cell under way */
    bool began;     /* its COUNT was read */
    bool interrupt; /* SIGINT is due as soon as it has begun */
    uid_t uid;      /* of its process */
    pid_t pid;      /* leader of its group; 0: not known yet */
    int fd;         /* -1: gone */
    struct wr_source source;
    struct wr_frame_decoder decoder;
    struct wr_buf in, out;
    struct wr_pipe_reader pipes[2];
    struct wr_buf complaint; /* what it wrote to stderr while it started */
    struct wr_timer timer;   /* deadline of READY and ASSIGN, probe of a running cell */
    struct wr_timer resume;
    uint64_t end_by_ms;  /* ENDING: not waited for any longer */
    unsigned renew_open; /* RENEW frames without an answer */
};

/* The process is started in the background; `opts` is copied. Owned by the caller. */
int wr_runner_new(const struct wr_start_opts *opts, const struct wr_runner_ops *ops, void *owner,
                  struct wr_runner **ret, struct wr_error *err) WR_MUST_CHECK;
/* Kills what is left, without a call. Not inside a call of its ops but `gone`. Accepts NULL,
 * returns NULL. */
struct wr_runner *wr_runner_free(struct wr_runner *runner);

/* IDLE only: the bytes of an EXECUTE frame. `silent` as in the frame. */
int wr_runner_execute(struct wr_runner *runner, const struct wr_buf *frame, bool silent,
                      struct wr_error *err) WR_MUST_CHECK;
/* IDLE only: `ready` is called when it is confirmed. */
int wr_runner_assign(struct wr_runner *runner, const struct wr_env *env, uint64_t cpu_millis,
                     struct wr_error *err) WR_MUST_CHECK;
/* In any state: new randomness, and the variables `env` (an object of strings, or NULL). What it
 * does in the middle of a cell goes on. */
int wr_runner_renew(struct wr_runner *runner, const json_t *env, struct wr_error *err)
    WR_MUST_CHECK;
/* SIGINT to the process group of a running cell, once it has begun. */
void wr_runner_interrupt(struct wr_runner *runner);
/* SIGKILL to the process group; `gone` follows, within WR_RUNNER_END_MS. Idempotent. */
void wr_runner_end(struct wr_runner *runner);
/* Stops and restarts reading what the cell writes. */
void wr_runner_pause(struct wr_runner *runner, bool paused);
