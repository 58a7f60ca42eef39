/* Lives: told apart by the clocks' offsets, as a restore leaves them. Needs root. */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "interpreter/life.h"
#include "test.h"

#ifndef CLONE_NEWTIME
#    define CLONE_NEWTIME 0x00000080
#endif
#define OFFSETS "/proc/self/timens_offsets"

/* Runs it in a process of its own. */
static void apart(void (*fn)(void))
{
    pid_t pid = fork();
    int status = 0;

    CHECK(pid >= 0);
    if (pid == 0) {
        fn();
        _exit(0);
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
}

TEST(one_goes_on_by_itself)
{
    struct wr_life life;
    wr_life_now(&life);
    CHECK(strstr(life.offsets, "monotonic") && strstr(life.offsets, "boottime"));
    CHECK(wr_life_goes_on(&life));
}

static void be_restored(void)
{
    struct wr_life before, after;

    wr_life_now(&before);
    CHECK_INT(unshare(CLONE_NEWTIME), 0);
    CHECK(wr_life_goes_on(&before));
    CHECK_INT(wr_file_write_str(AT_FDCWD, OFFSETS, "monotonic 0 1\n"), 0);
    CHECK(!wr_life_goes_on(&before));
    wr_life_now(&after);
    CHECK(wr_life_goes_on(&after));
}

TEST(a_restore_begins_another)
{
    apart(be_restored);
}

/* Neither blocks nor ends the agent. */
static void meet_a_pipe(void)
{
    struct wr_life before, after;
    char path[] = "/tmp/test-life-XXXXXX";

    wr_life_now(&before);
    CHECK(mkdtemp(path));
    char pipe_path[64];
    CHECK(wr_strformat(pipe_path, sizeof(pipe_path), "%s/pipe", path));
    CHECK_INT(mkfifo(pipe_path, 0600), 0);
    CHECK_INT(unshare(CLONE_NEWNS), 0);
    CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    CHECK_INT(mount(pipe_path, OFFSETS, NULL, MS_BIND, NULL), 0);
    wr_life_now(&after);
    CHECK_STR(after.offsets, "");
    CHECK(wr_life_goes_on(&after) && !wr_life_goes_on(&before));
    CHECK_INT(umount2(OFFSETS, MNT_DETACH), 0);
    CHECK(unlink(pipe_path) == 0 && rmdir(path) == 0);
}

TEST(what_cannot_be_read_is_unknown)
{
    apart(meet_a_pipe);
}
