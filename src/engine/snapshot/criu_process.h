/* Runs CRIU to its end. Blocks: for jobs, which have one thread. */
#pragma once

#include <sys/types.h>

#include "base/buf.h"
#include "engine/cgroup/cgroup.h"

struct wr_criu_process {
    const char *const *argv; /* NULL-terminated; argv[0] is an absolute path */
    const int *keep_fds;     /* of the caller, above 2: the program has them under these numbers,
                                and no others besides stdio and the job's lock */
    size_t keep_count;
    const char *facts;                   /* wr_criu.facts */
    int netns_fd;                        /* that it runs in */
    const struct wr_cgroup_join *cgroup; /* that it runs in, with a cgroup namespace whose root that
                                            is and a session keyring of its own; NULL: as we are */
    pid_t subject; /* first process of the sandbox that is dumped, whose end ends the program; 0 */
    /* Called once, when the program asks by a byte on the other end of `hold_fd`, a socket, and
     * goes on only if this is 0. NULL: it does not ask. */
    int (*hold)(void *data, struct wr_error *err);
    /* Called every few milliseconds, and perhaps never before hold(), until it says which process
     * is the first of the sandbox that is restored, whose end ends the program. It may take its
     * time while the program works. NULL: not. */
    pid_t (*early)(void *data);
    void *hold_data; /* of both */
    int hold_fd;     /* borrowed */
    uint64_t timeout_ms;
    /* It is killed at the end of the time, and ends with this process. Else it is asked to give up
     * first, because it has code in other processes, and goes on when this process is killed. */
    bool may_kill;
};

/* *ret_status is what waitpid(2) gives; `said` gets what it printed. DEADLINE_EXCEEDED when it had
 * to be ended; it has ended then. */
int wr_criu_process_run(const struct wr_criu_process *process, int *ret_status, struct wr_buf *said,
                        struct wr_error *err) WR_MUST_CHECK;
