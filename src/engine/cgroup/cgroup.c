#include "engine/cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/cgroup/root.h"

/* Freezing takes 0.2 ms; a process in an uninterruptible wait delays it. */
#define FREEZE_POLL_NS 200000
#define FREEZE_MS      20

struct wr_cgroup {
    const struct wr_cgroup_root *root; /* borrowed */
    char name[WR_CGROUP_NAME_MAX + 1];
    int join[WR_CGROUP_HIERARCHIES_MAX]; /* one per hierarchy of root, in that order */
};

struct wr_cgroup *wr_cgroup_free(struct wr_cgroup *cgroup)
{
    for (size_t i = 0; cgroup && i < WR_ARRAY_SIZE(cgroup->join); i++)
        wr_close(cgroup->join[i]);
    free(cgroup);
    return NULL;
}

static void free_cgroup_ptr(struct wr_cgroup **cgroup)
{
    *cgroup = wr_cgroup_free(*cgroup);
}

/* NULL with `err` filled. */
static struct wr_cgroup *make_handle(const struct wr_cgroup_root *root, const char *name,
                                     struct wr_error *err)
{
    struct wr_cgroup *cgroup = wr_calloc(1, sizeof(*cgroup));
    if (!cgroup) {
        wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cgroup %.70s", name);
        return NULL;
    }
    cgroup->root = root;
    for (size_t i = 0; i < WR_ARRAY_SIZE(cgroup->join); i++)
        cgroup->join[i] = -1;
    if (!wr_cgroup_name_valid(name) || !wr_strcopy(cgroup->name, sizeof(cgroup->name), name)) {
        wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                "cgroup name '%.70s': use 1 to %d of a-z, 0-9, '.', '_', '-'", name,
                WR_CGROUP_NAME_MAX);
        return wr_cgroup_free(cgroup);
    }
    return cgroup;
}

static int open_join_fds(struct wr_cgroup *cgroup, struct wr_error *err)
{
    for (size_t i = 0; i < cgroup->root->count; i++) {
        const struct wr_hierarchy *h = &cgroup->root->hierarchies[i];
        int fd = h->ops->join_fd(h, cgroup->name);
        if (fd < 0) {
            return wr_fail(err, wr_code_from_errno(-fd), -fd, "open cgroup %s in %.96s",
                           cgroup->name, h->label);
        }
        cgroup->join[i] = fd;
    }
    return 0;
}

/* What CLONE_INTO_CGROUP asks for, when a nest that is not root makes the member. */
static int own_procs_file(const struct wr_cgroup_root *root, const char *name, struct wr_error *err)
{
    const struct wr_hierarchy *v2 = &root->hierarchies[root->count - 1];
    char path[WR_CGROUP_NAME_MAX + 16];
    snprintf(path, sizeof(path), "%s/cgroup.procs", name);
    if (fchownat(v2->fd, path, root->member_uid, root->member_gid, 0) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "chown %s in %.96s", path, v2->label);
    return 0;
}

int wr_cgroup_new(struct wr_cgroup_root *root, const char *name,
                  const struct wr_cgroup_limits *limits, struct wr_cgroup **ret,
                  struct wr_error *err)
{
    WR_CLEANUP(free_cgroup_ptr) struct wr_cgroup *cgroup = make_handle(root, name, err);
    bool made[WR_CGROUP_HIERARCHIES_MAX] = {false};
    int r = 0;
    if (!cgroup)
        return -err->code;
    for (size_t i = 0; r == 0 && i < root->count; i++) {
        const struct wr_hierarchy *h = &root->hierarchies[i];
        made[i] = mkdirat(h->fd, name, 0755) == 0;
        if (!made[i] && errno != EEXIST) {
            r = wr_fail_errno(err, wr_code_from_errno(errno), "make cgroup %s in %.96s", name,
                              h->label);
        } else {
            r = wr_hierarchy_set_limits(h, name, limits, made[i], err);
        }
    }
    if (r == 0)
        r = own_procs_file(root, name, err);
    if (r == 0)
        r = open_join_fds(cgroup, err);
    if (r < 0) {
        for (size_t i = 0; i < root->count; i++) {
            if (made[i])
                (void)unlinkat(root->hierarchies[i].fd, name, AT_REMOVEDIR);
        }
        return r;
    }
    *ret = wr_steal_ptr(&cgroup);
    return 0;
}

int wr_cgroup_open(struct wr_cgroup_root *root, const char *name, struct wr_cgroup **ret,
                   struct wr_error *err)
{
    WR_CLEANUP(free_cgroup_ptr) struct wr_cgroup *cgroup = make_handle(root, name, err);
    if (!cgroup)
        return -err->code;
    int r = open_join_fds(cgroup, err);
    if (r == 0)
        *ret = wr_steal_ptr(&cgroup);
    return r;
}

int wr_cgroup_set_limits(struct wr_cgroup *cgroup, const struct wr_cgroup_limits *limits,
                         struct wr_error *err)
{
    struct wr_error later;
    int r = 0;
    for (size_t i = 0; i < cgroup->root->count; i++) {
        const struct wr_hierarchy *h = &cgroup->root->hierarchies[i];
        int one = wr_hierarchy_set_limits(h, cgroup->name, limits, false, r < 0 ? &later : err);
        r = r < 0 ? r : one;
    }
    return r;
}

/* The descriptor of the leaf's v2 directory: the last hierarchy is always v2. */
static int v2_dir(const struct wr_cgroup *cgroup)
{
    return cgroup->join[cgroup->root->count - 1];
}

struct wr_cgroup_join wr_cgroup_join(const struct wr_cgroup *cgroup)
{
    struct wr_cgroup_join join = {.v1_tasks = {-1, -1, -1, -1}, .v2_dir = v2_dir(cgroup)};
    for (size_t i = 0; i + 1 < cgroup->root->count; i++)
        join.v1_tasks[join.v1_count++] = cgroup->join[i];
    return join;
}

int wr_cgroup_top_fd(const struct wr_cgroup *cgroup)
{
    return cgroup->root->hierarchies[cgroup->root->count - 1].parent_fd;
}

int wr_cgroup_expel(const struct wr_cgroup *cgroup, pid_t pid, struct wr_error *err)
{
    char path[WR_CGROUP_PATH_MAX + 24], number[16];
    int r = -ENAMETOOLONG;

    if (wr_strformat(path, sizeof(path), ".%s/cgroup.procs", cgroup->root->own) &&
        wr_strformat(number, sizeof(number), "%d", pid))
        r = wr_file_write_str(wr_cgroup_top_fd(cgroup), path, number);
    return r < 0 ? wr_fail(err, wr_code_from_errno(-r), -r, "move process %d out of cgroup %s", pid,
                           cgroup->name)
                 : 0;
}

int wr_cgroup_kill(struct wr_cgroup *cgroup, struct wr_error *err)
{
    int r = wr_file_write_str(v2_dir(cgroup), "cgroup.kill", "1");
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "kill cgroup %s", cgroup->name);
    return 0;
}

bool wr_cgroup_is_freezing(const struct wr_cgroup *cgroup)
{
    char text[8];
    return wr_file_read_line(v2_dir(cgroup), "cgroup.freeze", text, sizeof(text)) > 0 &&
           text[0] == '1';
}

static bool is_frozen(const struct wr_cgroup *cgroup)
{
    wr_auto_buf text = WR_BUF(4096);
    char *content = NULL;
    if (wr_file_read(v2_dir(cgroup), "cgroup.events", &text) == 0)
        content = wr_buf_cstr(&text);
    return content && strstr(content, "frozen 1");
}

static int fail_freezing(const struct wr_cgroup *cgroup, struct wr_error *err)
{
    return wr_fail(err, WR_E_UNAVAILABLE, 0,
                   "cgroup %s is still freezing: a process waits in the kernel; ask again",
                   cgroup->name);
}

int wr_cgroup_freeze(struct wr_cgroup *cgroup, bool frozen, struct wr_error *err)
{
    int r = wr_file_write_str(v2_dir(cgroup), "cgroup.freeze", frozen ? "1" : "0");
    if (r < 0) {
        return wr_fail(err, wr_code_from_errno(-r), -r, "%s cgroup %s", frozen ? "freeze" : "thaw",
                       cgroup->name);
    }
    return frozen ? wr_cgroup_wait_frozen(cgroup, FREEZE_MS, err) : 0;
}

int wr_cgroup_wait_frozen(const struct wr_cgroup *cgroup, uint64_t timeout_ms, struct wr_error *err)
{
    const uint64_t end_ms = wr_mono_end_ms(timeout_ms);
    while (!is_frozen(cgroup)) {
        if (wr_mono_ms() >= end_ms)
            return fail_freezing(cgroup, err);
        nanosleep(&(struct timespec){.tv_nsec = FREEZE_POLL_NS}, NULL);
    }
    return 0;
}

int wr_cgroup_set_swap(struct wr_cgroup *cgroup, uint64_t max_bytes, struct wr_error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < cgroup->root->count; i++) {
        const struct wr_hierarchy *h = &cgroup->root->hierarchies[i];
        if ((h->controllers & WR_CONTROLLER_MEMORY) && h->ops->set_swap)
            r = h->ops->set_swap(h, cgroup->name, max_bytes, err);
    }
    return r;
}

int wr_cgroup_remove(struct wr_cgroup_root *root, const char *name, struct wr_error *err)
{
    if (!wr_cgroup_name_valid(name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "cgroup name '%.70s'", name);
    int r = 0;
    for (size_t i = 0; i < root->count; i++) {
        const struct wr_hierarchy *h = &root->hierarchies[i];
        if (unlinkat(h->fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            continue;
        enum wr_code code = errno == EBUSY ? WR_E_UNAVAILABLE : WR_E_INTERNAL;
        r = wr_fail_errno(err, code, "remove cgroup %s in %.96s", name, h->label);
    }
    return r;
}

int wr_cgroup_stats(struct wr_cgroup *cgroup, struct wr_cgroup_stats *ret, struct wr_error *err)
{
    struct wr_cgroup_stats stats = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < cgroup->root->count; i++) {
        const struct wr_hierarchy *h = &cgroup->root->hierarchies[i];
        r = h->ops->stats(h, cgroup->name, &stats, err);
    }
    if (r == 0)
        *ret = stats;
    return r;
}

int wr_cgroup_cache_bytes(struct wr_cgroup *cgroup, uint64_t *ret, struct wr_error *err)
{
    for (size_t i = 0; i < cgroup->root->count; i++) {
        const struct wr_hierarchy *h = &cgroup->root->hierarchies[i];
        if (!(h->controllers & WR_CONTROLLER_MEMORY))
            continue;
        struct wr_hierarchy_key keys[] = {{.name = h->ops->cache_key}, {.name = h->ops->shmem_key}};
        int r =
            wr_hierarchy_read_keys(h, cgroup->name, "memory.stat", keys, WR_ARRAY_SIZE(keys), err);
        if (r < 0)
            return r;
        *ret = keys[0].value > keys[1].value ? keys[0].value - keys[1].value : 0;
        return 0;
    }
    return wr_fail(err, WR_E_INTERNAL, 0, "no memory controller for cgroup %s", cgroup->name);
}
