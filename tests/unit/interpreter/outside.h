/* Sockets of the nest, which is outside of the sandbox's pid namespace. */
#pragma once

#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* The test goes on in a new pid namespace, in which whoever made `listen_fd` listen has no number;
 * it is the only one that has the socket. */
static inline void go_inside(int listen_fd)
{
    int status = -1;

    CHECK_INT(unshare(CLONE_NEWPID), 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        return;
    close(listen_fd);
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}
