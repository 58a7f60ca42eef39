/*
 * Runs an external program without a shell: its output arrives line by line, its processes form one
 * group, and none of them outlives the caller. A small supervisor process leads the group and kills
 * it when the caller closes its end of a pipe, dies included.
 */
#pragma once

#include <stdbool.h>

#include "base/base.h"

#define WR_TOOL_LINE_MAX 4096

struct wr_tool {
    const char *const *argv; /* NULL-terminated; argv[0] is searched in the PATH of env */
    const char *const *env;  /* NULL-terminated: the whole environment */
    bool private_mounts;     /* in a mount namespace of its own: what it leaves mounted goes with it
                                (needs root) */
    int cancel_fd;           /* borrowed; the program is ended when it becomes readable; -1: none */
    unsigned timeout_ms;     /* 0: none */
    /* Optional. One line of stdout or stderr without its end, control characters replaced by
     * blanks; longer lines arrive in pieces of WR_TOOL_LINE_MAX - 1 bytes. */
    void (*line)(const char *line, void *data);
    void (*tick)(void *data); /* optional: at least twice per second */
    void *data;
};

/*
 * Runs the program to its end and gives its exit status (128 + number for a signal). It starts with
 * /dev/null as input, an empty signal mask and no descriptor that is close-on-exec.
 *
 * 0 or a negative errno: -ENOENT when it is not installed, another error of execve (-EACCES),
 * -ECANCELED after cancel_fd, -ETIMEDOUT, -EPIPE when the supervisor was killed. In every case the
 * group is dead when this returns.
 */
int wr_tool_run(const struct wr_tool *tool, int *ret_status) WR_MUST_CHECK;
