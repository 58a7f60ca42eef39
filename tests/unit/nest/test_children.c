#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "nest/children.h"
#include "test.h"

static struct wr_children children;
static struct wr_error err;

/* A shell may have as few as 1024 open files, and a table for that has no place. */
static void init(void)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK_INT(wr_children_init(&children, &err), 0);
}

static struct wr_child make(unsigned number, pid_t pid)
{
    struct wr_child child = WR_CHILD_NONE;
    child.slot = number;
    child.pid = pid;
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
    init();
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
    init();
    CHECK_INT(add(1, 1000000), 0);
    CHECK_INT(add(1, 1000001), -WR_E_ALREADY_EXISTS);
    CHECK_INT(wr_children_check_free(&children, make(1, 0).id, &err), -WR_E_ALREADY_EXISTS);
    CHECK_INT(wr_children_check_free(&children, make(2, 0).id, &err), 0);
}

TEST(full)
{
    init();
    children.max = WR_NEST_MAX_CHILDREN; /* whatever limit this test has */
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

TEST(closing_closes_descriptors_and_frees_the_place)
{
    const struct wr_child *page[2];
    int more = 0, go[2];
    init();
    CHECK(pipe2(go, O_CLOEXEC) == 0);
    struct wr_child child = make(1, 1000001);
    int *fds[] = {&child.pidfd,    &child.ns_fd,    &child.context_fd,
                  &child.tasks[0], &child.tasks[1], &child.v2_dir};
    for (size_t i = 0; i < WR_ARRAY_SIZE(fds); i++)
        *fds[i] = dup(go[0]);
    child.v1_count = 2;
    CHECK_INT(wr_children_add(&children, &child, &err), 0);
    CHECK_INT(add(2, 1000002), 0);
    CHECK(!wr_children_find_pid(&children, 1000003) && !wr_children_find(&children, ""));
    CHECK(wr_children_find_pid(&children, 1000002) == &children.table[1]);
    CHECK(wr_children_find(&children, child.id) == &children.table[0]);
    wr_child_close(&children.table[0]);
    for (size_t i = 0; i < WR_ARRAY_SIZE(fds); i++)
        CHECK(fcntl(*fds[i], F_GETFD) < 0);
    CHECK(fcntl(go[0], F_GETFD) >= 0);
    CHECK_INT(wr_children_page(&children, "", page, 2, &more), 1);
    CHECK_INT(page[0]->pid, 1000002);
    CHECK(!wr_children_find_pid(&children, 1000001));
    CHECK_INT(add(1, 1000000), 0); /* id and place are free again */
    CHECK_INT(children.used, 2);
}

TEST(as_many_as_there_can_be_open_files)
{
    const struct rlimit limit = {1100, 1100};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK_INT(wr_children_init(&children, &err), 0);
    CHECK(children.max > 0 && children.max < 100);
    for (unsigned i = 0; i < children.max; i++)
        CHECK_INT(add(i, (pid_t)(1000000 + i)), 0);
    CHECK_INT(add(1000, 999999), -WR_E_RESOURCE_EXHAUSTED);
    CHECK(strstr(err.msg, "open files"));
}

TEST(a_fork_cannot_read_the_table)
{
    init();
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
