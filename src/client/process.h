/* A program in a sandbox: started, fed, signalled and followed through the agent's process service.
 */
#pragma once

#include "client/connect_call.h"

#define WR_PROCESS_INPUT_CHUNK ((size_t)32 * 1024) /* bytes of standard input in one message */

struct wr_process;

enum wr_process_stream {
    WR_PROCESS_STDOUT = 0,
    WR_PROCESS_STDERR = 1,
    WR_PROCESS_PTY = 2,
};

struct wr_process_opts {
    const char *sandbox_id;
    const char *sandbox_domain; /* as its creation told; NULL: the endpoint's */
    const char *access_token;   /* NULL: none; a socket needs none */
    const char *user;           /* NULL: default */
    const char *cwd;            /* NULL: default */
    const char *cmd;
    const char *const *args;
    size_t arg_count;
    const char *const *envs; /* "NAME=value" */
    size_t env_count;
    bool with_stdin; /* else it reads end of file */
    bool pty;
    unsigned cols, rows;
    uint64_t timeout_ms; /* 0: none; the program is killed then (DEADLINE_EXCEEDED) */
};

struct wr_process_end {
    int exit_status; /* as a shell has it: 128 + signal when it was killed by one */
    int signal;      /* 0: it exited by itself */
};

struct wr_process_ops {
    void (*on_start)(struct wr_process *process, uint32_t pid, void *data); /* may be NULL */
    void (*on_output)(struct wr_process *process, enum wr_process_stream stream, const void *bytes,
                      size_t len, void *data);
    /* The bytes of wr_process_input() were taken, or (`error`) nobody reads them any more. May be
     * NULL. */
    void (*on_input_done)(struct wr_process *process, const struct wr_error *error, void *data);
    /* Last callback; exactly one of `end` and `error` is non-NULL. The process is the caller's to
     * free. */
    void (*on_end)(struct wr_process *process, const struct wr_process_end *end,
                   const struct wr_error *error, void *data);
};

int wr_process_start(struct wr_transport *transport, const struct wr_process_opts *opts,
                     const struct wr_process_ops *ops, void *data, struct wr_process **ret,
                     struct wr_error *err) WR_MUST_CHECK;
/* Stops following it (the program goes on). Accepts NULL, returns NULL. */
struct wr_process *wr_process_free(struct wr_process *process);

/* At most WR_PROCESS_INPUT_CHUNK bytes, one call at a time until on_input_done, only after
 * on_start. */
int wr_process_input(struct wr_process *process, const void *bytes, size_t len,
                     struct wr_error *err) WR_MUST_CHECK;
/* End of its standard input. Failures are ignored: it may have ended. */
void wr_process_close_stdin(struct wr_process *process);
/* Only after on_start. A process that ended is not an error. */
int wr_process_signal(struct wr_process *process, int signo, struct wr_error *err) WR_MUST_CHECK;
int wr_process_resize(struct wr_process *process, unsigned cols, unsigned rows,
                      struct wr_error *err) WR_MUST_CHECK;
/* Stops and restarts its output; a paused program blocks when its pipes are full. */
void wr_process_pause(struct wr_process *process, bool paused);
/* 0 before on_start. */
uint32_t wr_process_pid(const struct wr_process *process);

/* "signal: killed" -> 9; 0 when the text names no signal. */
int wr_process_signal_of_status(const char *status);
