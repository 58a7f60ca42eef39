/* Every limit of process execution, in one place. */
#pragma once

#define WR_EXEC_MAX_LIVE     1024        /* processes tracked at once */
#define WR_EXEC_MAX_EXITED   256         /* recently exited ones that are remembered */
#define WR_EXEC_LINGER_MS    30000       /* how long an exited process can still be connected to */
#define WR_EXEC_REST_MS      1000        /* without a process: memory is given back */
#define WR_EXEC_CHUNK        (32 * 1024) /* one read of a pipe, and the most that one message carries */
#define WR_EXEC_PTY_CHUNK    (16 * 1024) /* the same of a pty */
#define WR_EXEC_MESSAGE_MAX  (64 * 1024) /* one event as JSON */
#define WR_EXEC_DRAIN_CHUNKS 2           /* reads after a kill before the pipe is given up */
#define WR_EXEC_INPUT_QUEUE \
    (1024 * 1024) /* stdin bytes accepted and not yet in the pipe, per process */
#define WR_EXEC_INPUT_WAITING \
    (16 * 1024 * 1024) /* stdin bytes of unanswered SendInput calls, all processes together */
#define WR_EXEC_MAX_ARGS        16384
#define WR_EXEC_MAX_CMD         4095 /* bytes */
#define WR_EXEC_MAX_TAG         255  /* bytes */
#define WR_EXEC_MAX_SUBSCRIBERS 64   /* of one process */
#define WR_EXEC_KEEPALIVE_MS    90000
#define WR_EXEC_KEEPALIVE_MAX_S 86400
#define WR_EXEC_OOM_SCORE_ADJ   "500"
#define WR_EXEC_REAP_ROUND      256 /* zombies per turn of the loop */
