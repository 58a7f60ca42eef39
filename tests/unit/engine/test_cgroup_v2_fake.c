/* File names and values of the v2 implementation, against plain files: this needs neither root nor
 * free controllers. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "engine/cgroup/root.h"
#include "test.h"

static char top[64];
static struct wr_error err;

static void put(const char *file, const char *content)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", top, file);
    FILE *f = fopen(path, "we");
    CHECK(f);
    CHECK(fputs(content, f) >= 0);
    CHECK(fclose(f) == 0);
}

static const char *get(const char *file)
{
    static char text[256];
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", top, file);
    CHECK(wr_file_read_line(AT_FDCWD, path, text, sizeof(text)) >= 0);
    return text;
}

static void make_dir(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", top, name);
    CHECK(mkdir(path, 0755) == 0);
}

static void remove_top(void)
{
    CHECK(wr_remove_tree(AT_FDCWD, top) == 0);
}

/* A mount root with these controllers, an instance "i" and a leaf "leaf" as the kernel would fill
 * them. */
static void make_tree(const char *controllers)
{
    snprintf(top, sizeof(top), "/tmp/test_cgroup_v2_fake.XXXXXX");
    CHECK(mkdtemp(top));
    atexit(remove_top);
    put("cgroup.controllers", controllers);
    put("cgroup.subtree_control", "");
    make_dir("warren-i");
    put("warren-i/cgroup.procs", "");
    put("warren-i/cgroup.subtree_control", "cpu memory pids\n");
    make_dir("warren-i/leaf");
    static const char *const files[] = {"cgroup.procs", "cgroup.kill", "cgroup.freeze",
                                        "memory.max",   "cpu.max",     "pids.max"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(files); i++) {
        char path[64];
        snprintf(path, sizeof(path), "warren-i/leaf/%s", files[i]);
        put(path, "");
    }
    put("warren-i/leaf/memory.swap.max", "");
    put("warren-i/leaf/cgroup.events", "populated 1\nfrozen 1\n");
}

static int attach(const char *instance, struct wr_cgroup_root **root)
{
    static struct wr_cgroup_layout layout = {.has_v2 = true};
    snprintf(layout.v2.mount, sizeof(layout.v2.mount), "%s", top);
    return wr_cgroup_root_attach(&layout, instance, getuid(), getgid(), root, &err);
}

static const struct wr_cgroup_limits limits = {
    .memory_max_bytes = 512 * WR_MIB,
    .cpu_millis = 1500,
    .pids_max = 256,
};

TEST(limits_are_written)
{
    struct wr_cgroup_root *root = NULL;
    struct wr_cgroup *cgroup = NULL;
    make_tree("cpuset cpu io memory pids\n");
    CHECK_INT(attach("i", &root), 0);
    CHECK_STR(wr_cgroup_root_kind(root), "v2");
    CHECK_INT(wr_cgroup_new(root, "leaf", &limits, &cgroup, &err), 0);
    CHECK_STR(get("warren-i/leaf/memory.max"), "536870912");
    CHECK_STR(get("warren-i/leaf/memory.swap.max"), "0");
    CHECK_STR(get("warren-i/leaf/cpu.max"), "30000 20000");
    CHECK_STR(get("warren-i/leaf/pids.max"), "256");

    struct wr_cgroup_join join = wr_cgroup_join(cgroup);
    CHECK_INT(join.v1_count, 0);
    CHECK(join.v2_dir >= 0);
    CHECK(fcntl(join.v2_dir, F_GETFD) & FD_CLOEXEC);
    CHECK_INT(wr_cgroup_kill(cgroup, &err), 0);
    CHECK_STR(get("warren-i/leaf/cgroup.kill"), "1");
    CHECK_INT(wr_cgroup_freeze(cgroup, true, &err), 0);
    CHECK_STR(get("warren-i/leaf/cgroup.freeze"), "1");
    CHECK_INT(wr_cgroup_freeze(cgroup, false, &err), 0);
    CHECK_STR(get("warren-i/leaf/cgroup.freeze"), "0");
    wr_cgroup_free(cgroup);
    wr_cgroup_root_free(root);
}

TEST(no_limit_is_max_on_a_leaf_that_exists)
{
    struct wr_cgroup_root *root = NULL;
    struct wr_cgroup *cgroup = NULL;
    make_tree("cpu memory pids\n");
    CHECK_INT(attach("i", &root), 0);
    CHECK_INT(wr_cgroup_new(root, "leaf", &(struct wr_cgroup_limits){0}, &cgroup, &err), 0);
    CHECK_STR(get("warren-i/leaf/memory.max"), "max");
    CHECK_STR(get("warren-i/leaf/memory.swap.max"), "max");
    CHECK_STR(get("warren-i/leaf/cpu.max"), "max");
    CHECK_STR(get("warren-i/leaf/pids.max"), "max");
    wr_cgroup_free(cgroup);
    wr_cgroup_root_free(root);
}

/* As v1 does when a sandbox uses more memory than it shall have. */
TEST(a_refused_limit_leaves_no_other_loose)
{
    struct wr_cgroup_root *root = NULL;
    struct wr_cgroup *cgroup = NULL;
    char path[128];
    make_tree("cpu memory pids\n");
    CHECK_INT(attach("i", &root), 0);
    CHECK_INT(wr_cgroup_new(root, "leaf", &(struct wr_cgroup_limits){0}, &cgroup, &err), 0);
    snprintf(path, sizeof(path), "%s/warren-i/leaf/memory.max", top);
    CHECK(unlink(path) == 0);
    make_dir("warren-i/leaf/memory.max");
    CHECK(wr_cgroup_set_limits(cgroup, &limits, &err) < 0);
    CHECK(strstr(err.msg, "memory.max"));
    CHECK_STR(get("warren-i/leaf/cpu.max"), "30000 20000");
    CHECK_STR(get("warren-i/leaf/pids.max"), "256");
    wr_cgroup_free(cgroup);
    wr_cgroup_root_free(root);
}

TEST(a_kernel_without_swap_is_fine)
{
    struct wr_cgroup_root *root = NULL;
    struct wr_cgroup *cgroup = NULL;
    char path[128];
    make_tree("cpu memory pids\n");
    snprintf(path, sizeof(path), "%s/warren-i/leaf/memory.swap.max", top);
    CHECK(unlink(path) == 0);
    CHECK_INT(attach("i", &root), 0);
    CHECK_INT(wr_cgroup_new(root, "leaf", &limits, &cgroup, &err), 0);
    wr_cgroup_free(cgroup);
    wr_cgroup_root_free(root);
}

TEST(controllers_are_enabled_from_the_mount_down)
{
    struct wr_cgroup_root *root = NULL;
    make_tree("cpu memory pids\n");
    put("cgroup.subtree_control", "cpu memory\n");
    put("warren-i/cgroup.subtree_control", "");
    CHECK_INT(attach("i", &root), 0);
    /* Only what was missing; plain files keep what follows the written text. */
    CHECK(strncmp(get("cgroup.subtree_control"), "+pids", 5) == 0);
    CHECK(strncmp(get("warren-i/cgroup.subtree_control"), "+pids", 5) == 0);
    wr_cgroup_root_free(root);
}

TEST(a_missing_controller_is_named)
{
    struct wr_cgroup_root *root = NULL;
    make_tree("cpu pids\n");
    CHECK_INT(attach("i", &root), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "controller memory"));
    CHECK(strstr(err.msg, "cgroup_enable=memory"));
    CHECK(!root);
}

TEST(a_failed_leaf_leaves_nothing)
{
    struct wr_cgroup_root *root = NULL;
    struct wr_cgroup *cgroup = NULL;
    char path[128];
    make_tree("cpu memory pids\n");
    CHECK_INT(attach("i", &root), 0);
    /* In a plain directory the new leaf has no control files, so that its limits cannot be written.
     */
    CHECK(wr_cgroup_new(root, "new", &limits, &cgroup, &err) < 0);
    CHECK(strstr(err.msg, "memory.max"));
    snprintf(path, sizeof(path), "%s/warren-i/new", top);
    CHECK(access(path, F_OK) < 0);
    CHECK(!cgroup);
    wr_cgroup_root_free(root);
}

TEST(names_are_checked)
{
    static const char *const bad[] = {
        "",    ".",    "..",
        "a/b", "../x", "-a",
        "A",   "a b",  "aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaa"};
    struct wr_cgroup_root *root = NULL;
    struct wr_cgroup *cgroup = NULL;
    make_tree("cpu memory pids\n");
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        CHECK_INT(attach(bad[i], &root), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(attach("i", &root), 0);
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        CHECK_INT(wr_cgroup_new(root, bad[i], &limits, &cgroup, &err), -WR_E_INVALID_ARGUMENT);
        CHECK_INT(wr_cgroup_open(root, bad[i], &cgroup, &err), -WR_E_INVALID_ARGUMENT);
        CHECK_INT(wr_cgroup_remove(root, bad[i], &err), -WR_E_INVALID_ARGUMENT);
    }
    CHECK_INT(wr_cgroup_open(root, "nobody", &cgroup, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_cgroup_remove(root, "nobody", &err), 0);
    CHECK(wr_cgroup_name_valid("aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaa"));
    wr_cgroup_root_free(root);
}

TEST(statistics)
{
    struct wr_cgroup_root *root = NULL;
    struct wr_cgroup *cgroup = NULL;
    struct wr_cgroup_stats stats = {.pids = 7};
    make_tree("cpu memory pids\n");
    put("warren-i/leaf/memory.current", "1048576\n");
    put("warren-i/leaf/memory.peak", "2097152\n");
    put("warren-i/leaf/memory.events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\n");
    put("warren-i/leaf/cpu.stat", "usage_usec 1234\nuser_usec 1000\n");
    CHECK_INT(attach("i", &root), 0);
    CHECK_INT(wr_cgroup_open(root, "leaf", &cgroup, &err), 0);
    CHECK(wr_cgroup_stats(cgroup, &stats, &err) < 0);
    CHECK_INT(stats.pids, 7); /* untouched */

    put("warren-i/leaf/memory.max", "max\n");
    put("warren-i/leaf/pids.current", "4\n");
    CHECK_INT(wr_cgroup_stats(cgroup, &stats, &err), 0);
    CHECK_INT(stats.memory_bytes, 1048576);
    CHECK_INT(stats.memory_peak_bytes, 2097152);
    CHECK_INT(stats.memory_limit_bytes, 0);
    CHECK_INT(stats.cpu_usec, 1234);
    CHECK_INT(stats.pids, 4);
    CHECK_INT(stats.oom_kills, 2);
    put("warren-i/leaf/memory.max", "4096\n");
    CHECK_INT(wr_cgroup_stats(cgroup, &stats, &err), 0);
    CHECK_INT(stats.memory_limit_bytes, 4096);

    uint64_t cache = 7;
    put("warren-i/leaf/memory.stat", "anon 900\nfile 500\nfile_mapped 100\n");
    CHECK(wr_cgroup_cache_bytes(cgroup, &cache, &err) < 0);
    CHECK(strstr(err.msg, "shmem"));
    CHECK_INT(cache, 7);
    put("warren-i/leaf/memory.stat", "anon 900\nfile 500\nfile_mapped 100\nshmem 200\n");
    CHECK_INT(wr_cgroup_cache_bytes(cgroup, &cache, &err), 0);
    CHECK_INT(cache, 300);
    wr_cgroup_free(cgroup);
    wr_cgroup_root_free(root);
}
