/* One execution of an orchestrator: its threads, and what comes of each task. */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "primitives/orchestrate/share.h"
#include "primitives/orchestrate/task_queue.h"

/* All borrowed but `results`. */
struct wr_orchestration {
    const struct wr_orchestrator_opts *opts; /* with their defaults */
    struct wr_client *client;
    struct wr_supply *supply;
    struct wr_task_share share;
    struct wr_workflow *workflow; /* of this execution; cancelled when a failure stops it */
    const json_t *tasks;
    struct wr_task_queue queue;
    pthread_mutex_t result_lock; /* of the callback */
    pthread_mutex_t event_lock;  /* of who listens */
    json_t **results;            /* owned: one for each task */
};

/* Checks what concerns the call as a whole. INVALID_ARGUMENT names the task. */
int wr_orchestration_check(const json_t *tasks, struct wr_error *err) WR_MUST_CHECK;
/* Runs all tasks, to the end of the last one. Fails only when threads cannot be had. */
int wr_orchestration_run(struct wr_orchestration *run, struct wr_error *err) WR_MUST_CHECK;
