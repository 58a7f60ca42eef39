/*
 * Starting one program as a user of the sandbox.
 *
 * vfork(2): the child borrows the agent's memory until execve, so a start copies no page tables and
 * needs no pipe to report a failure. That memory cannot be reached from the sandbox meanwhile:
 * changing the uid makes it non-dumpable. (clone3 is not available: the sandbox's seccomp filter
 * answers ENOSYS.)
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "agent/user.h"
#include "base/error.h"

struct wr_spawn_opts {
    const char *cmd; /* a path, or a name that is looked up in `path` */
    char **argv;     /* NULL-terminated; argv[0] is `cmd`; argv[-1] is a writable spare element (for
                        scripts without "#!") */
    char **envp;     /* NULL-terminated */
    const char *path; /* directories separated by ':' */
    const char *cwd;
    const struct wr_user *user;
    int stdio[3];  /* borrowed; each above 2 */
    int extra_fd;  /* borrowed; becomes descriptor 3 of the program. 0: none */
    bool terminal; /* stdio[0] becomes the controlling terminal */
    bool root_cwd; /* `cwd` is entered before the ids are given up, also where the user may not */
};

/*
 * The child leads its own session and process group. A program that does not exist or may not be
 * executed counts as started: the child itself says so on its stderr and exits with 127 or 126,
 * like a shell. Everything else that goes wrong before the program runs is an error:
 * WR_E_INVALID_ARGUMENT with the cause, or WR_E_RESOURCE_EXHAUSTED when no process could be
 * created.
 */
int wr_spawn(const struct wr_spawn_opts *opts, pid_t *ret_pid, struct wr_error *err) WR_MUST_CHECK;

/* Makes a process go before the agent when memory is short. wr_spawn() does it already. */
void wr_spawn_oom_victim(pid_t pid);
