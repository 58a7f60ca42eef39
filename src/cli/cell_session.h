/*
 * One sandbox whose interpreter a command uses: its connection, signals, time limit, and what cells
 * write. Used by `run` for notebooks and by `repl`.
 */
#pragma once

#include "cli/cell_output.h"
#include "cli/keep_alive.h"

struct wr_cell_session;

/* Takes SIGINT, SIGTERM and SIGHUP for the client's loop from here on: blocking requests end with
 * CANCELED. `client` is borrowed. */
int wr_cell_session_new(struct wr_transport *client, struct wr_cell_session **ret,
                        struct wr_error *err) WR_MUST_CHECK;
/* Writes what is left. Accepts NULL, returns NULL. */
struct wr_cell_session *wr_cell_session_free(struct wr_cell_session *session);

/* From here on cells can run; the sandbox is kept alive. `timeout_ms`: all of them together, 0: any
 * time. */
int wr_cell_session_open(struct wr_cell_session *session, const char *sandbox_id,
                         uint64_t timeout_ms, struct wr_error *err) WR_MUST_CHECK;
const struct wr_interpreter *wr_cell_session_interpreter(const struct wr_cell_session *session);
struct wr_cell_output *wr_cell_session_output(struct wr_cell_session *session);

/* wr_interpreter_execute() with a text for the line that tells of a long run. ABORTED when the
 * sandbox ended meanwhile. */
int wr_cell_session_execute(struct wr_cell_session *session, const struct wr_cell_request *request,
                            const char *what, wr_cell_fn fn, void *data, struct wr_error *err)
    WR_MUST_CHECK;

/* Why requests end with CANCELED: the signal (SIGPIPE: nobody reads the output); 0: none. */
int wr_cell_session_signal(const struct wr_cell_session *session);
bool wr_cell_session_timed_out(const struct wr_cell_session *session);
/* SIGINT was for the cell that ran: requests work again. Other signals stay. */
void wr_cell_session_resume(struct wr_cell_session *session);
/* Requests work again, for the last ones. */
void wr_cell_session_finish(struct wr_cell_session *session);
