/*
 * Work that takes longer than a request may wait: a process of its own, forked from the engine,
 * whose outcome arrives by the loop. It is in a session of its own and lives on when the engine is
 * killed; it then finishes what it began. Until it ends it holds a lock on a directory, for which
 * an engine that starts waits (wr_job_wait()).
 */
#pragma once

#include "loop/loop.h"

#define WR_JOB_RESULT_MAX  4096   /* bytes */
#define WR_JOB_TIMEOUT_MAX 600000 /* ms */
#define WR_JOB_MAX_FDS     64

struct wr_job;

struct wr_job_spec {
    /* Runs in the child, which has the engine's memory and, of its descriptors, stdio, `fds` and
     * what it opens. Programs that it starts stay in its process group or are run by sys/tool.h,
     * and it waits for them. Fills `result`. 0, or negative with `err` filled. */
    int (*run)(const void *arg, void *result, struct wr_error *err);
    const void *arg;    /* borrowed: the child has a copy of the engine's memory */
    size_t result_size; /* at most WR_JOB_RESULT_MAX */
    /* Borrowed; open in the child under the same numbers, in any order, negative ones ignored. At
     * most WR_JOB_MAX_FDS. Everything else is closed there: a socket, lock or mount of an engine
     * must not live on in what the engine leaves behind. */
    const int *fds;
    size_t fd_count;
    int lock_fd;      /* directory; borrowed. UNAVAILABLE when another job holds it */
    const char *name; /* static, for ps: at most 15 bytes */
    /* Once, from the loop; the job is freed afterwards. `result` is NULL with `err`. A job that was
     * killed or took longer than `timeout_ms` ends with INTERNAL or DEADLINE_EXCEEDED. */
    void (*done)(void *data, const void *result, const struct wr_error *err);
    void *data;
    uint64_t timeout_ms; /* its processes are killed then; 0: WR_JOB_TIMEOUT_MAX */
};

int wr_job_start(struct wr_loop *loop, const struct wr_job_spec *spec, struct wr_job **ret,
                 struct wr_error *err) WR_MUST_CHECK;
/* In a job: the descriptor of its lock, close-on-exec. A program that has it open goes on with the
 * work, and holds the lock, when the job is killed. -1 anywhere else. */
int wr_job_lock_fd(void);
/* Nobody waits any more: the process goes on, `done` is not called. Accepts NULL, returns NULL. */
struct wr_job *wr_job_forget(struct wr_job *job);
/* Blocks until no job holds the lock of the directory; DEADLINE_EXCEEDED after `timeout_ms`. */
int wr_job_wait(int dirfd, uint64_t timeout_ms, struct wr_error *err) WR_MUST_CHECK;
