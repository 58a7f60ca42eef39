/** @file
 * Many tasks over few sandboxes, and how their agents talk.
 */
#pragma once

#include "warren/primitive.h"
#include "warren/supply.h"

WR_BEGIN_DECLS

/** How tasks share files. */
enum wr_share {
    WR_SHARE_NONE = 0,
    /** A volume of the server, mounted at `share_path` in all sandboxes. Made for one execution and
     * removed after it. Warren only. */
    WR_SHARE_VOLUME = 1,
    /** A directory on the caller's side: its files are copied into `share_path` before a task, and
     * those that the task made or changed are copied back after it. Works with every server. */
    WR_SHARE_BLACKBOARD = 2,
};

/** Options of wr_orchestrator_new(). Borrowed during the call, what is needed later is copied. */
struct wr_orchestrator_opts {
    size_t struct_size;
    unsigned max_concurrent; /**< sandboxes at once; 0: 5 */
    struct wr_supply
        *supply; /**< where they come from, one more holder; NULL: a new sandbox per task */
    const struct wr_supply_opts *supply_opts; /**< of the new ones; NULL: defaults */
    uint64_t task_timeout_ms; /**< of the code of a task without a time of its own; 0: 60,000 */
    bool
        stop_on_failure; /**< the first task that fails cancels those that run and skips the rest */
    enum wr_share share; /**< how tasks share files */
    const char *share_path;        /**< NULL: "/board" */
    const char *blackboard_dir;    /**< of WR_SHARE_BLACKBOARD; NULL: a temporary one */
    uint64_t max_blackboard_bytes; /**< 0: 64 MiB */
    /** Called when a task ends, one at a time. */
    void (*on_result)(size_t index, const struct wr_value *result, void *data);
    void *on_result_data;
    unsigned max_retries; /**< of a task that failed by the service (wr_retry_new()); 0: none */
    /** Where the executors of the tasks write down what was used (ledger.h); NULL: nowhere */
    const char *ledger_path;
};
/**
 * SandboxOrchestrator. Input: {"tasks": [an executor's input each, and "id" if wanted]}. Output:
 * {"results": [in the order of the tasks: an executor's output, or {"success": false, "error":
 * text, "error_code": name of the code}; each with "id" and "index"], "succeeded", "failed",
 * "skipped", "wall_ms", "max_running"}. Tasks beyond `max_concurrent` wait for their turn. A task
 * that fails is a result; the call itself fails only for a wrong input and when it is cancelled,
 * after everything has been cleaned up.
 *
 * Each task finds in its environment WARREN_TASK_INDEX, WARREN_TASK_COUNT, WARREN_TASK_ID and, with
 * a share, WARREN_BOARD, the directory; Python tasks can `import warren_board` there (Barrier,
 * Channel, Lease: docs/guides/orchestrator.md).
 */
WR_PUBLIC struct wr_primitive *wr_orchestrator_new(struct wr_client *client,
                                                   const struct wr_orchestrator_opts *opts,
                                                   struct wr_error *err);

WR_END_DECLS
