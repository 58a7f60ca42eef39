/*
 * The duties of PID 1: reaping. There is exactly one place in the agent that waits for children, so
 * that no exit status can be taken by the wrong reader; orphans that the kernel hands to PID 1 are
 * reaped in passing.
 */
#pragma once

#include "agent/exec/process.h"
#include "loop/loop.h"

struct wr_pid1 {
    struct wr_loop *loop;
    struct wr_signals signals;
    struct wr_idle again;
    struct wr_process_table *processes; /* borrowed */
};

/* Starts watching SIGCHLD and ignores SIGPIPE. */
int wr_pid1_init(struct wr_pid1 *pid1, struct wr_loop *loop, struct wr_process_table *processes,
                 struct wr_error *err) WR_MUST_CHECK;
void wr_pid1_done(struct wr_pid1 *pid1);
