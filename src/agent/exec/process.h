/*
 * The process table: what was started through the API, from its start to 30 s after its end.
 *
 *   running --(reaped and both streams at their end; or reaped after a kill through the API or the
 * deadline)--> ended --(30 s)--> gone
 *
 * A process that was reaped while a grandchild still holds its pipes is still running in that
 * sense: its output goes on.
 */
#pragma once

#include <jansson.h>

#include "agent/exec/input.h"
#include "agent/exec/output.h"
#include "agent/log.h"
#include "base/buf.h"
#include "loop/loop.h"

/* As in siginfo_t: CLD_EXITED with a status, or CLD_KILLED / CLD_DUMPED with a signal. */
struct wr_exit {
    int code;
    int status;
};

struct wr_process_table {
    struct wr_loop *loop;
    struct wr_agent_log *log;
    struct wr_list running, ended;
    size_t running_count, ended_count;
    size_t input_waiting_bytes;
    uint64_t last_serial;
    struct wr_buf message; /* scratch for one event */
    struct wr_buf chunk;   /* scratch for one read */
    struct wr_timer rest;  /* gives memory back after the last process has ended */
};

struct wr_process {
    struct wr_list link;
    struct wr_process_table *table;
    uint64_t serial; /* never used again, other than the pid */
    pid_t pid;
    char *tag;      /* owned; NULL: none */
    json_t *config; /* owned: cmd, args, envs, cwd of the request, for List; NULL after the end */
    bool is_pty;
    bool reaped;
    bool end_at_exit; /* do not wait for the end of the streams */
    bool ended;
    struct wr_exit exit;     /* when reaped */
    struct wr_output out[2]; /* stdout (or the pty), stderr */
    struct wr_input input;
    struct wr_list subscribers;
    size_t subscriber_count;
    size_t blocked_count;  /* subscribers that cannot take more */
    struct wr_timer timer; /* the deadline while running, the oblivion after the end */
};

void wr_process_table_init(struct wr_process_table *table, struct wr_loop *loop,
                           struct wr_agent_log *log);
/* Frees every entry; the processes themselves are left alone. */
void wr_process_table_done(struct wr_process_table *table);
/* The reaper's report. Pids that are not in the table are ignored. */
void wr_process_table_reaped(struct wr_process_table *table, pid_t pid,
                             const struct wr_exit *status);

/* What a new entry consists of. Descriptors are non-blocking or -1. */
struct wr_process_opts {
    pid_t pid;
    const char *tag; /* borrowed, may be NULL */
    json_t *config;  /* borrowed: a reference is taken */
    bool is_pty;
    int input_fd;
    int out_fds[2];
    uint64_t timeout_ms; /* 0: none */
};
/* Adds a running process; the descriptors become owned (also on failure). */
int wr_process_new(struct wr_process_table *table, const struct wr_process_opts *opts,
                   struct wr_process **ret, struct wr_error *err) WR_MUST_CHECK;

/* NULL when there is none. A running process goes before an ended one with the same pid or tag. */
struct wr_process *wr_process_by_pid(struct wr_process_table *table, uint32_t pid, bool with_ended);
/* By serial number, for whoever cannot keep a pointer: running ones only. */
struct wr_process *wr_process_by_serial(struct wr_process_table *table, uint64_t serial);
struct wr_process *wr_process_by_tag(struct wr_process_table *table, const char *tag,
                                     bool with_ended);

/* SIGKILL and SIGTERM also end the wait for the streams. Goes to the process group (SIGINT on a
 * pty: to its foreground group). */
int wr_process_signal(struct wr_process *process, int signo, struct wr_error *err) WR_MUST_CHECK;
/* Stops or restarts reading its output, by blocked_count. */
void wr_process_update_flow(struct wr_process *process);
