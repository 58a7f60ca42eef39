/* Against the kernel of this machine, whatever its layout is. Needs root and fails without it: a
 * skipped test proves nothing. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/cgroup/root.h"
#include "engine/storage/mountinfo.h"
#include "sys/syscall.h"
#include "test.h"

static struct wr_error err;
static struct wr_cgroup_root *root;

/* Leaves nothing behind, also when a check fails half-way. */
static void clean_up(void)
{
    static const char *const names[] = {"home", "leaf", "other"};
    if (!root)
        return;
    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++) {
        struct wr_cgroup *cgroup = NULL;
        int r = wr_cgroup_open(root, names[i], &cgroup, &err);
        if (r == 0)
            r = wr_cgroup_kill(cgroup, &err);
        if (r < 0 && r != -WR_E_NOT_FOUND)
            printf("# %s\n", err.msg);
        wr_cgroup_free(cgroup);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        for (int t = 0; t < 4000 && wr_cgroup_remove(root, names[i], &err) < 0; t++)
            usleep(5000);
    }
    wr_cgroup_root_remove(root);
    root = wr_cgroup_root_free(root);
}

/* Whether any member is left. */
static bool populated(const struct wr_cgroup *cgroup)
{
    wr_auto_buf text = WR_BUF(4096);
    CHECK_INT(wr_file_read(wr_cgroup_join(cgroup).v2_dir, "cgroup.events", &text), 0);
    return strstr(wr_buf_cstr(&text), "populated 1") != NULL;
}

/* CHECK ends a failed test by _exit(), so the cleaning is done by a parent that waits for it. */
static void with_instance(void (*test)(void))
{
    char instance[32];
    CHECK_INT(geteuid(), 0);
    snprintf(instance, sizeof(instance), "unittest-%d", (int)getpid());
    CHECK_INT(wr_cgroup_root_open(instance, 12345, 12345, &root, &err), 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        test();
        fflush(stdout);
        _exit(0);
    }
    int status = -1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    char label[WR_CGROUP_PATH_MAX + 80];
    snprintf(label, sizeof(label), "%s", root->hierarchies[0].label);
    clean_up();
    CHECK_INT(status, 0);
    CHECK(access(label, F_OK) < 0);
}

static const struct wr_cgroup_limits limits = {
    .memory_max_bytes = 64 * WR_MIB,
    .cpu_millis = 500,
    .pids_max = 16,
};

/* A child inside the leaf that runs `fn`, made the way a nest does it. */
static pid_t spawn(struct wr_cgroup *home, struct wr_cgroup *leaf, void (*fn)(void))
{
    struct wr_cgroup_join in = wr_cgroup_join(leaf), back = wr_cgroup_join(home);
    struct clone_args args = {.flags = CLONE_INTO_CGROUP,
                              .exit_signal = SIGCHLD,
                              .cgroup = (uint64_t)(unsigned)in.v2_dir};
    for (size_t i = 0; i < in.v1_count; i++)
        CHECK_INT(write(in.v1_tasks[i], "0", 1), 1);
    pid_t pid = wr_clone3(&args);
    if (pid == 0) {
        fn();
        _exit(0);
    }
    CHECK(pid > 0);
    for (size_t i = 0; i < back.v1_count; i++)
        CHECK_INT(write(back.v1_tasks[i], "0", 1), 1);
    return pid;
}

static void wait_forever(void)
{
    for (;;)
        pause();
}
static void fork_until_refused(void)
{
    for (int i = 0; i < 40; i++) {
        pid_t pid = fork();
        if (pid == 0)
            wait_forever();
        if (pid < 0)
            _exit(errno == EAGAIN ? 10 + i : 1);
    }
}
static void use_much_memory(void)
{
    size_t len = 128 * WR_MIB;
    char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED)
        memset(p, 1, len);
    _exit(1);
}
static void burn(void)
{
    uint64_t end = wr_mono_ms() + 300;
    while (wr_mono_ms() < end)
        ;
}

/* A child in a "home" leaf of its own, so that the test process itself never moves. */
static struct wr_cgroup *make_home(void)
{
    struct wr_cgroup *home = NULL;
    CHECK_INT(wr_cgroup_new(root, "home", &(struct wr_cgroup_limits){0}, &home, &err), 0);
    return home;
}

static void check_members(void)
{
    struct wr_cgroup *home = make_home(), *leaf = NULL, *again = NULL;
    struct wr_cgroup_stats stats;
    int status = 0;
    CHECK_INT(wr_cgroup_new(root, "leaf", &limits, &leaf, &err), 0);
    CHECK(!populated(leaf));
    pid_t pid = spawn(home, leaf, wait_forever);
    CHECK(populated(leaf));
    CHECK_INT(wr_cgroup_stats(leaf, &stats, &err), 0);
    CHECK_INT(stats.pids, 1);
    CHECK_INT(stats.memory_limit_bytes, 64 * WR_MIB);
    CHECK_INT(stats.oom_kills, 0);

    CHECK_INT(wr_cgroup_remove(root, "leaf", &err), -WR_E_UNAVAILABLE);
    CHECK_INT(wr_cgroup_open(root, "leaf", &again, &err), 0);
    CHECK_INT(wr_cgroup_freeze(again, true, &err), 0);
    /* A frozen member dies too. */
    CHECK_INT(wr_cgroup_kill(again, &err), 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK(!populated(again));
    int r = -1;
    for (int i = 0; i < 10000 && r < 0; i++, usleep(2000))
        r = wr_cgroup_remove(root, "leaf", &err);
    CHECK_INT(r, 0);
    CHECK_INT(wr_cgroup_open(root, "leaf", &again, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_cgroup_remove(root, "leaf", &err), 0);
}
TEST(members_join_freeze_and_die)
{
    with_instance(check_members);
}

static void check_expelled(void)
{
    struct wr_cgroup *home = make_home(), *leaf = NULL;
    wr_auto_buf ours = WR_BUF(65536);
    wr_auto_buf its = WR_BUF(65536);
    char path[32];

    CHECK_INT(wr_file_read(AT_FDCWD, "/proc/self/cgroup", &ours), 0);
    CHECK_INT(wr_cgroup_new(root, "leaf", &limits, &leaf, &err), 0);
    const pid_t pid = spawn(home, leaf, wait_forever);
    CHECK_INT(wr_cgroup_expel(leaf, pid, &err), 0);
    CHECK(!populated(leaf));
    CHECK(wr_strformat(path, sizeof path, "/proc/%d/cgroup", pid));
    CHECK_INT(wr_file_read(AT_FDCWD, path, &its), 0);
    const char *our_v2 = strstr(wr_buf_cstr(&ours), "0::"),
               *its_v2 = strstr(wr_buf_cstr(&its), "0::");
    CHECK(our_v2 && its_v2);
    CHECK_STR(its_v2, our_v2);
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
    CHECK_INT(wr_cgroup_expel(leaf, pid, &err), -WR_E_NOT_FOUND);
}
TEST(one_that_does_not_belong_is_put_back)
{
    with_instance(check_expelled);
}

static void check_pids(void)
{
    struct wr_cgroup *home = make_home(), *leaf = NULL;
    int status = 0;
    CHECK_INT(wr_cgroup_new(root, "leaf", &limits, &leaf, &err), 0);
    pid_t pid = spawn(home, leaf, fork_until_refused);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    /* Itself and 15 children make 16; the process that made it may not have left yet. */
    CHECK(WEXITSTATUS(status) == 10 + 15 || WEXITSTATUS(status) == 10 + 14);
    CHECK(populated(leaf));
}
TEST(pids_limit_holds)
{
    with_instance(check_pids);
}

static void check_memory(void)
{
    struct wr_cgroup *home = make_home(), *leaf = NULL;
    struct wr_cgroup_stats stats;
    int status = 0;
    CHECK_INT(wr_cgroup_new(root, "leaf", &limits, &leaf, &err), 0);
    pid_t bystander = spawn(home, leaf, wait_forever);
    pid_t pid = spawn(home, leaf, use_much_memory);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK_INT(waitpid(bystander, &status, WNOHANG), 0); /* only the offender died */
    CHECK_INT(wr_cgroup_stats(leaf, &stats, &err), 0);
    CHECK_INT(stats.oom_kills, 1);
    CHECK(stats.memory_peak_bytes > 60 * WR_MIB && stats.memory_peak_bytes <= 64 * WR_MIB);
    uint64_t cache = UINT64_MAX;
    CHECK_INT(wr_cgroup_cache_bytes(leaf, &cache, &err), 0);
    CHECK(cache <= stats.memory_peak_bytes);
}
TEST(memory_limit_kills_the_offender)
{
    with_instance(check_memory);
}

static void check_cpu(void)
{
    struct wr_cgroup *home = make_home(), *leaf = NULL;
    struct wr_cgroup_stats stats;
    CHECK_INT(wr_cgroup_new(root, "leaf", &limits, &leaf, &err), 0);
    pid_t pid = spawn(home, leaf, burn);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
    CHECK_INT(wr_cgroup_stats(leaf, &stats, &err), 0);
    /* Half a CPU for 300 ms. Below that only the machine's load sets a limit. */
    CHECK(stats.cpu_usec > 0);
    CHECK(stats.cpu_usec < 190000);
}
TEST(cpu_limit_holds_and_is_counted)
{
    with_instance(check_cpu);
}

static void check_change(void)
{
    struct wr_cgroup *leaf = NULL, *same = NULL;
    struct wr_cgroup_stats stats;
    struct wr_cgroup_limits changed = {.memory_max_bytes = 128 * WR_MIB};
    CHECK_INT(wr_cgroup_new(root, "leaf", &limits, &leaf, &err), 0);
    CHECK_INT(wr_cgroup_set_limits(leaf, &changed, &err), 0); /* up */
    CHECK_INT(wr_cgroup_stats(leaf, &stats, &err), 0);
    CHECK_INT(stats.memory_limit_bytes, 128 * WR_MIB);
    CHECK_INT(wr_cgroup_new(root, "leaf", &limits, &same, &err), 0); /* down, the leaf exists */
    CHECK_INT(wr_cgroup_stats(leaf, &stats, &err), 0);
    CHECK_INT(stats.memory_limit_bytes, 64 * WR_MIB);
    CHECK_INT(wr_cgroup_set_limits(leaf, &(struct wr_cgroup_limits){0}, &err), 0);
    CHECK_INT(wr_cgroup_stats(leaf, &stats, &err), 0);
    CHECK_INT(stats.memory_limit_bytes, 0);
}
TEST(limits_can_change)
{
    with_instance(check_change);
}

static void count_name(const char *name, void *data)
{
    size_t *counts = data;
    if (strcmp(name, "leaf") == 0)
        counts[0]++;
    else if (strcmp(name, "other") == 0)
        counts[1]++;
    else
        counts[2]++;
}
static void check_list(void)
{
    struct wr_cgroup *leaf = NULL;
    size_t counts[3] = {0};
    CHECK_INT(wr_cgroup_new(root, "leaf", &limits, &leaf, &err), 0);
    CHECK_INT(wr_cgroup_root_list(root, count_name, counts, &err), 0);
    /* Half-made ones count, so that they can be cleaned up. */
    CHECK_INT(mkdirat(root->hierarchies[root->count - 1].fd, "other", 0755), 0);
    CHECK_INT(wr_cgroup_root_list(root, count_name, counts, &err), 0);
    CHECK_INT(counts[0], 2);
    CHECK_INT(counts[1], 1);
    CHECK_INT(counts[2], 0);
    CHECK_INT(wr_cgroup_open(root, "leaf", &leaf, &err), 0);
    if (root->count > 1)
        CHECK_INT(wr_cgroup_open(root, "other", &leaf, &err), -WR_E_NOT_FOUND);
    wr_cgroup_root_remove(root); /* does nothing while leaves are there */
    CHECK_INT(wr_cgroup_open(root, "leaf", &leaf, &err), 0);
}
TEST(leaves_are_listed_once)
{
    with_instance(check_list);
}

static void check_owner(void)
{
    struct wr_cgroup *leaf = NULL;
    struct stat st;
    CHECK_INT(wr_cgroup_new(root, "leaf", &limits, &leaf, &err), 0);
    int v2 = root->hierarchies[root->count - 1].fd;
    CHECK(fstatat(v2, "leaf/cgroup.procs", &st, 0) == 0 && st.st_uid == 12345);
    CHECK(fstatat(v2, "cgroup.procs", &st, 0) == 0 && st.st_uid == 12345);
    CHECK(fstatat(v2, "leaf/cgroup.kill", &st, 0) == 0 && st.st_uid == 0);
    CHECK(fstatat(v2, "leaf", &st, 0) == 0 && st.st_uid == 0);
    for (size_t i = 0; i < root->count; i++) {
        CHECK(fcntl(root->hierarchies[i].fd, F_GETFD) & FD_CLOEXEC);
        CHECK(fcntl(wr_cgroup_join(leaf).v2_dir, F_GETFD) & FD_CLOEXEC);
    }
}
TEST(members_own_what_they_need_and_no_more)
{
    with_instance(check_owner);
}

TEST(a_private_v2_mount_replaces_a_missing_one)
{
    wr_auto_buf text = WR_BUF(WR_MOUNTINFO_MAX);
    wr_auto_buf own = WR_BUF(65536);
    char *mounts = NULL;
    static struct wr_cgroup_layout layout;
    struct wr_cgroup *leaf = NULL;
    char instance[32];

    CHECK_INT(wr_mountinfo_read(&text, &mounts), 0);
    CHECK_INT(wr_file_read(AT_FDCWD, "/proc/self/cgroup", &own), 0);
    CHECK_INT(wr_cgroup_layout_parse(mounts, wr_buf_cstr(&own), &layout, &err), 0);
    layout.has_v2 = false;
    snprintf(instance, sizeof(instance), "unittest-p%d", (int)getpid());
    CHECK_INT(wr_cgroup_root_attach(&layout, instance, 0, 0, &root, &err), 0);
    atexit(clean_up);
    if (layout.v1_count)
        CHECK_STR(wr_cgroup_root_kind(root), "v1");
    CHECK_INT(wr_cgroup_new(root, "leaf", &limits, &leaf, &err), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct wr_cgroup_join in = wr_cgroup_join(leaf);
        struct clone_args args = {.flags = CLONE_INTO_CGROUP,
                                  .exit_signal = SIGCHLD,
                                  .cgroup = (uint64_t)(unsigned)in.v2_dir};
        pid_t member = wr_clone3(&args);
        if (member == 0)
            wait_forever();
        _exit(member > 0 ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(populated(leaf));
    CHECK_INT(wr_cgroup_kill(leaf, &err), 0);
    for (int i = 0; i < 10000 && populated(leaf); i++)
        usleep(2000);
    CHECK(!populated(leaf));
    wr_cgroup_free(leaf);
}

static void check_moved_engine(void)
{
    wr_auto_buf text = WR_BUF(WR_MOUNTINFO_MAX);
    wr_auto_buf own = WR_BUF(65536);
    char *mounts = NULL;
    static struct wr_cgroup_layout layout;
    struct wr_cgroup_root *again = NULL;
    struct wr_cgroup *leaf = NULL;

    CHECK_INT(wr_cgroup_new(root, "leaf", &limits, &leaf, &err), 0);
    CHECK_INT(wr_mountinfo_read(&text, &mounts), 0);
    CHECK_INT(wr_file_read(AT_FDCWD, "/proc/self/cgroup", &own), 0);
    CHECK_INT(wr_cgroup_layout_parse(mounts, wr_buf_cstr(&own), &layout, &err), 0);
    for (size_t i = 0; i < layout.v1_count; i++)
        snprintf(layout.v1[i].own, sizeof(layout.v1[i].own), "%s",
                 layout.v1[i].own[0] ? "" : "/no-such-group");
    CHECK_INT(wr_cgroup_root_attach(&layout, root->directory + strlen("warren-"), 12345, 12345,
                                    &again, &err),
              0);
    for (size_t i = 0; i < root->count; i++)
        CHECK_STR(again->hierarchies[i].label, root->hierarchies[i].label);
    CHECK_INT(wr_cgroup_open(again, "leaf", &leaf, &err), 0);
    wr_cgroup_root_free(again);
}
TEST(an_engine_in_another_group_finds_its_leaves)
{
    with_instance(check_moved_engine);
}

TEST(without_root_the_message_says_so)
{
    CHECK_INT(geteuid(), 0);
    CHECK_INT(wr_set_ids(65534, 65534), 0);
    CHECK_INT(wr_cgroup_root_open("unittest-nobody", 1, 1, &root, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "root"));
}
