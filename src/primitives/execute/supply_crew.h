/*
 * A crew: the threads of a supply, for what nobody waits for in his own thread (killing, filling).
 * Jobs begin in the order in which they came, as many at a time as there may be threads; threads
 * are started when there is something to do for them.
 */
#pragma once

#include <pthread.h>

#include "base/error.h"
#include "base/list.h"

/* Part of what the job is about; whoever submits it keeps it until `run` has begun, which may free
 * it. */
struct wr_job {
    struct wr_list link;
    void (*run)(struct wr_job *job);
};

struct wr_crew;

/* With its first thread, so that a job always runs. `name`: of the threads, at most 15 bytes. */
struct wr_crew *wr_crew_new(const char *name, unsigned max_threads, struct wr_error *err);
/* Waits for all jobs, also for those that they submit. Accepts NULL, returns NULL. */
struct wr_crew *wr_crew_free(struct wr_crew *crew);
/* Any thread; a job is not submitted again before it has begun. */
void wr_crew_submit(struct wr_crew *crew, struct wr_job *job);

/* A thread with all signals blocked: they are the program's own. 0 or a positive errno. */
int wr_crew_thread(void *(*run)(void *arg), void *arg, const char *name, pthread_t *ret)
    WR_MUST_CHECK;
