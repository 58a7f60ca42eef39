/* What the tasks of one execution share: a volume, a blackboard, or nothing. */
#pragma once

#include "primitives/orchestrate/board_copy.h"
#include "warren/orchestrator.h"

struct wr_task_share {
    enum wr_share kind;
    const char *path;            /* borrowed: where it is in sandboxes */
    struct wr_client *client;    /* borrowed */
    struct wr_blackboard *board; /* owned; NULL */
    char volume_id[64];          /* "": none */
    char volume_mount[256];      /* "name:/path" for wr_sandbox_opts */
};

/* Borrowed; `opts` with its defaults. Makes the volume or opens the directory. */
int wr_task_share_open(const struct wr_orchestrator_opts *opts, struct wr_client *client,
                       struct wr_workflow *workflow, struct wr_task_share *ret,
                       struct wr_error *err) WR_MUST_CHECK;
/* Removes the volume; the sandboxes that had it are gone by now. An error of that goes to the log
 * of the workflow. Accepts a zeroed one. */
void wr_task_share_close(struct wr_task_share *share, struct wr_workflow *workflow);
/* INVALID_ARGUMENT for a path that cannot be one. */
int wr_task_share_check_path(const char *path, struct wr_error *err) WR_MUST_CHECK;

/* A sandbox that was leased becomes one with the share: its directory, and for Python the module
 * warren_board. */
int wr_task_share_enter(const struct wr_task_share *share, struct wr_sandbox *sandbox, bool python,
                        struct wr_workflow *workflow, struct wr_board_copy *copy,
                        struct wr_error *err) WR_MUST_CHECK;
/* After the task. */
int wr_task_share_leave(const struct wr_task_share *share, struct wr_sandbox *sandbox,
                        struct wr_workflow *workflow, const struct wr_board_copy *copy,
                        struct wr_error *err) WR_MUST_CHECK;
