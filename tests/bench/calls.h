/*
 * The timed calls: each starts something on the client's loop and notes when it ended. Several may
 * run at once; wr_calls_wait() turns the loop until all are over.
 */
#pragma once

#include "base/str.h"
#include "client/transport.h"

#define WR_CALL_TIMEOUT_MS 60000

struct wr_call {
    size_t *running;     /* decremented at the end; borrowed */
    uint64_t started_us; /* CLOCK_MONOTONIC, as all of these */
    uint64_t first_us;   /* first byte of a program's output; 0: none came */
    uint64_t ended_us;
    struct wr_process *process; /* owned; freed by wr_call_check */
    struct wr_buf body;
    struct wr_error error;
    int exit_status;
};

/* Each call struct is zeroed by its starter and must stay where it is until it is over. */
int wr_call_create(struct wr_transport *client, const char *template_name, struct wr_call *call,
                   size_t *running, struct wr_error *err) WR_MUST_CHECK;
/* `cmd` with at most one argument (NULL: none). */
int wr_call_exec(struct wr_transport *client, const char *id, const char *const cmd[2],
                 struct wr_call *call, size_t *running, struct wr_error *err) WR_MUST_CHECK;
int wr_call_kill(struct wr_transport *client, const char *id, struct wr_call *call, size_t *running,
                 struct wr_error *err) WR_MUST_CHECK;
/* GET /health of the server (`id` NULL) or of the agent in a sandbox. */
int wr_call_health(struct wr_transport *client, const char *id, struct wr_call *call,
                   size_t *running, struct wr_error *err) WR_MUST_CHECK;

/* DEADLINE_EXCEEDED after WR_CALL_TIMEOUT_MS. */
int wr_calls_wait(struct wr_transport *client, const size_t *running, struct wr_error *err)
    WR_MUST_CHECK;
/* The outcome of a call that is over, and its end: what it holds is freed. `ret_id`: NULL, or
 * receives the id from the answer to a create. */
int wr_call_check(struct wr_call *call, char ret_id[WR_ID_LEN + 1], struct wr_error *err)
    WR_MUST_CHECK;
