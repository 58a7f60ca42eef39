/* Starting the engine: the only privileged process. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct wr_engine_opts {
    const char *data_dir;       /* absolute; made if missing */
    const char *run_dir;        /* absolute; must exist and belong to root */
    const char *volume_path;    /* operator's directory for writable layers, or NULL */
    uint64_t volume_size_bytes; /* of the sparse file when it is made; 0: chosen */
    const char *criu;           /* operator's program, or NULL: looked for */
    bool fake;                  /* no isolation, no root: for tests of everything around it */
};

/*
 * Forks a keeper that forks the engine and forks it again when it dies by a signal; both end
 * when the other end of the socket is closed. Waits until the engine is ready or has failed (then
 * `err` says why, in one sentence). *ret_sock: SOCK_SEQPACKET, non-blocking, close-on-exec, the
 * caller's. *ret_pid: the keeper, a child of the caller.
 */
int wr_engine_start(const struct wr_engine_opts *opts, int *ret_sock, pid_t *ret_pid,
                    struct wr_error *err) WR_MUST_CHECK;
