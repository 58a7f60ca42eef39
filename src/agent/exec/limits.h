/* Every limit of process execution, in one place. */
#pragma once

#include <stddef.h>

#define WR_EXEC_MAX_LIVE        1024  /* processes tracked at once */
#define WR_EXEC_MAX_EXITED      256   /* recently ended ones that are remembered */
#define WR_EXEC_LINGER_MS       30000 /* how long an ended process can still be connected to */
#define WR_EXEC_REST_MS         1000  /* without a process: memory is given back */
#define WR_EXEC_REAP_ROUND      256   /* zombies per turn of the loop */
#define WR_EXEC_MAX_ARGS        16384
#define WR_EXEC_MAX_CMD         4095  /* bytes */
#define WR_EXEC_MAX_TAG         255   /* bytes */
#define WR_EXEC_MAX_SUBSCRIBERS 64    /* of one process */
#define WR_EXEC_OOM_SCORE_ADJ   "500" /* of started processes; see docs/internals/agent.md */

/* One read of a pipe or a pty, and the most that one message carries. */
#define WR_EXEC_CHUNK        ((size_t)32 * 1024)
#define WR_EXEC_PTY_CHUNK    ((size_t)16 * 1024)
#define WR_EXEC_MESSAGE_MAX  ((size_t)64 * 1024) /* one event as JSON */
#define WR_EXEC_DRAIN_CHUNKS 2 /* reads after a kill before the pipe is given up */

/* Bytes of input: accepted and not yet in the pipe, per process; of unanswered SendInput calls, all
 * processes together. */
#define WR_EXEC_INPUT_QUEUE   ((size_t)1024 * 1024)
#define WR_EXEC_INPUT_WAITING ((size_t)16 * 1024 * 1024)
