#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "nest/children.h"
#include "test.h"

static struct wr_children children;
static struct wr_error err;

static struct wr_child make(unsigned number, pid_t pid)
{
    struct wr_child child = {.slot = number, .pid = pid, .pidfd = -1, .ns_fd = -1};
    snprintf(child.id, sizeof(child.id), "%020u", number);
    return child;
}

static int add(unsigned number, pid_t pid)
{
    struct wr_child child = make(number, pid);
    return wr_children_add(&children, &child, &err);
}

TEST(pages_ascend_and_are_complete)
{
    const struct wr_child *page[8];
    char after[WR_ID_LEN + 1] = "";
    unsigned seen = 0;
    int more = 1;
    CHECK_INT(wr_children_init(&children, &err), 0);
    CHECK_INT(wr_children_page(&children, "", page, 8, &more), 0);
    CHECK_INT(more, 0);
    for (unsigned i = 0; i < 100; i++)
        CHECK_INT(add(i * 37 % 100, (pid_t)(1000000 + i)), 0);
    do {
        size_t count = wr_children_page(&children, after, page, 8, &more);
        for (size_t i = 0; i < count; i++)
            CHECK_INT(page[i]->slot, seen++);
        CHECK(count == 8 || (!more && count == 100 % 8));
        memcpy(after, page[count - 1]->id, sizeof(after));
    } while (more);
    CHECK_INT(seen, 100);
    /* Exactly one page left: no more. */
    CHECK_INT(wr_children_page(&children, make(91, 1).id, page, 8, &more), 8);
    CHECK_INT(more, 0);
}

TEST(an_id_lives_once)
{
    CHECK_INT(wr_children_init(&children, &err), 0);
    CHECK_INT(add(1, 1000000), 0);
    CHECK_INT(add(1, 1000001), -WR_E_ALREADY_EXISTS);
    CHECK_INT(wr_children_check_free(&children, make(1, 0).id, &err), -WR_E_ALREADY_EXISTS);
    CHECK_INT(wr_children_check_free(&children, make(2, 0).id, &err), 0);
}

TEST(full)
{
    CHECK_INT(wr_children_init(&children, &err), 0);
    for (size_t i = 0; i < WR_NEST_MAX_CHILDREN; i++) {
        struct wr_child child = make((unsigned)i, (pid_t)(1000000 + i));
        children.table[i] = child;
    }
    children.used = WR_NEST_MAX_CHILDREN;
    CHECK_INT(add(WR_NEST_MAX_CHILDREN, 999999), -WR_E_RESOURCE_EXHAUSTED);
    children.table[77].id[0] = '\0';
    CHECK_INT(add(WR_NEST_MAX_CHILDREN, 999999), 0);
    CHECK_INT(children.table[77].slot, WR_NEST_MAX_CHILDREN);
    CHECK_INT(children.used, WR_NEST_MAX_CHILDREN);
}

TEST(reaping_closes_descriptors_and_frees_the_place)
{
    const struct wr_child *page[2];
    int more = 0, go[2];
    CHECK_INT(wr_children_init(&children, &err), 0);
    CHECK(pipe2(go, O_CLOEXEC) == 0);
    pid_t lives = fork();
    if (lives == 0)
        for (;;)
            pause();
    pid_t ends = fork();
    if (ends == 0)
        _exit(0);
    struct wr_child child = make(1, ends);
    child.pidfd = dup(go[0]);
    child.ns_fd = dup(go[0]);
    CHECK_INT(wr_children_add(&children, &child, &err), 0);
    CHECK_INT(add(2, lives), 0);
    siginfo_t info;
    CHECK(waitid(P_PID, (id_t)ends, &info, WEXITED | WNOWAIT) == 0);
    wr_children_reap(&children);
    CHECK(fcntl(child.pidfd, F_GETFD) < 0);
    CHECK(fcntl(child.ns_fd, F_GETFD) < 0);
    CHECK(waitpid(ends, NULL, WNOHANG) < 0); /* reaped */
    CHECK_INT(wr_children_page(&children, "", page, 2, &more), 1);
    CHECK_INT(page[0]->pid, lives);
    CHECK_INT(add(1, 1000000), 0); /* id and place are free again */
    CHECK_INT(children.used, 2);
    CHECK(kill(lives, SIGKILL) == 0 && waitpid(lives, NULL, 0) == lives);
}

TEST(a_fork_cannot_read_the_table)
{
    CHECK_INT(wr_children_init(&children, &err), 0);
    CHECK_INT(add(1, 1000000), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        _exit(*(volatile char *)children.table == '0' ? 1 : 2);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK(children.table[0].id[0] == '0');
}
