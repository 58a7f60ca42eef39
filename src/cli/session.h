/*
 * One program in a sandbox with this process's standard streams: input is pumped with
 * back-pressure, output written as it comes, signals and the terminal's size passed on. Used by run
 * and exec.
 */
#pragma once

#include "base/buf.h"
#include "client/process.h"

#define WR_SESSION_CAPTURE_MAX ((size_t)16 * 1024 * 1024) /* per stream, bytes */

struct wr_session_opts {
    struct wr_process_opts process;
    bool forward_input; /* standard input goes to the program */
    bool capture;       /* output is collected instead of written */
    bool keep_alive;    /* the sandbox's deadline is moved on while this lasts */
};

struct wr_session_result {
    int exit_status;    /* the program's, or 128 + signal */
    int signal;         /* that killed the program; 0: none */
    int interrupted_by; /* signal that this process got and that ends the command (second SIGINT,
                           SIGTERM, SIGHUP); 0: none */
    bool timed_out;     /* the program was killed at process.timeout_ms */
    uint64_t first_output_us; /* monotonic; 0: none */
    struct wr_buf out, err;   /* with `capture` */
    bool truncated;           /* capture: more came than was kept */
};

struct wr_session;

/* Takes SIGINT, SIGTERM, SIGHUP (and SIGWINCH) for the client's loop from here on: blocking
 * requests end with CANCELED. */
int wr_session_new(struct wr_transport *client, struct wr_session **ret, struct wr_error *err)
    WR_MUST_CHECK;
struct wr_session *wr_session_free(struct wr_session *session);
/* The signal that interrupted, 0: none. */
int wr_session_signal(const struct wr_session *session);

/* Runs the program to its end. `ret` is initialised here; free it with wr_session_result_done(). */
int wr_session_run(struct wr_session *session, const struct wr_session_opts *opts,
                   struct wr_session_result *ret, struct wr_error *err) WR_MUST_CHECK;
void wr_session_result_done(struct wr_session_result *result);
