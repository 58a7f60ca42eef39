#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "primitives/sessions/owner.h"
#include "test.h"

/* What a child of the test says about itself. */
static pid_t child_owner(char ret[static WR_OWNER_MAX])
{
    int fds[2];

    CHECK_INT(pipe(fds), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char owner[WR_OWNER_MAX] = "";
        wr_owner_self(owner);
        (void)!write(fds[1], owner, sizeof owner);
        for (;;)
            pause();
    }
    CHECK_INT(read(fds[0], ret, WR_OWNER_MAX), WR_OWNER_MAX);
    close(fds[0]);
    close(fds[1]);
    return pid;
}

TEST(this_process_is_alive)
{
    char owner[WR_OWNER_MAX];

    wr_owner_self(owner);
    CHECK(owner[0]);
    CHECK_INT(wr_owner_look(owner), WR_OWNER_ALIVE);
}

TEST(a_process_that_was_killed_is_gone_before_and_after_its_parent_knows)
{
    char owner[WR_OWNER_MAX];
    pid_t pid = child_owner(owner);
    siginfo_t info;

    CHECK_INT(wr_owner_look(owner), WR_OWNER_ALIVE);
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK_INT(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    CHECK_INT(wr_owner_look(owner), WR_OWNER_GONE);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
    CHECK_INT(wr_owner_look(owner), WR_OWNER_GONE);
}

TEST(another_process_with_the_same_pid_is_not_the_owner)
{
    char owner[WR_OWNER_MAX];

    wr_owner_self(owner);
    owner[strlen(owner) - 1] = owner[strlen(owner) - 1] == '1' ? '2' : '1';
    CHECK_INT(wr_owner_look(owner), WR_OWNER_GONE);
}

TEST(of_another_boot_nothing_is_known)
{
    char owner[WR_OWNER_MAX];

    wr_owner_self(owner);
    owner[0] = owner[0] == '0' ? '1' : '0';
    CHECK_INT(wr_owner_look(owner), WR_OWNER_UNKNOWN);
    CHECK_INT(wr_owner_look(""), WR_OWNER_UNKNOWN);
    CHECK_INT(wr_owner_look("nonsense"), WR_OWNER_UNKNOWN);
}

TEST(damaged_text_is_nobody)
{
    char owner[WR_OWNER_MAX];

    wr_owner_self(owner);
    *strrchr(owner, ':') = '\0'; /* without the start */
    CHECK_INT(wr_owner_look(owner), WR_OWNER_UNKNOWN);
    *(strrchr(owner, ':') + 1) = '\0'; /* without the pid */
    CHECK_INT(wr_owner_look(owner), WR_OWNER_UNKNOWN);
}
