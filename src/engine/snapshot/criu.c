#include "engine/snapshot/criu.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/str.h"
#include "engine/snapshot/criu_log.h"
#include "engine/snapshot/criu_process.h"
#include "engine/snapshot/criu_tracers.h"

#define LOG_MAX      ((size_t)64 * 1024)
#define MAX_ARGS     64
#define EXTERNAL_MAX 600
#define END_MS       5000 /* of killed processes */
#define RESTORE_LOG  "restore.log"
#define PID_FILE     "pid"

struct command {
    const char *argv[MAX_ARGS];
    size_t count;
    char image[32], work[32], pid[16], hold[16];
    char external[WR_CRIU_MAX_MOUNTS][EXTERNAL_MAX];
    char inherit[WR_MEMORY_MAX_FILES][80];
};

static void add(struct command *c, const char *arg)
{
    assert(c->count < MAX_ARGS - 1);
    c->argv[c->count++] = arg;
}

static void add_all(struct command *c, const char *const *args, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add(c, args[i]);
}

/* The number of a descriptor is the same where CRIU runs. */
static bool fd_path(char *out, size_t cap, int fd)
{
    return wr_strformat(out, cap, "/proc/self/fd/%d", fd);
}

static int too_long(struct wr_error *err)
{
    return wr_fail(err, WR_E_INTERNAL, 0, "the command line of criu is too long");
}

static int check_mounts(const struct wr_criu_mount *mounts, size_t count, struct wr_error *err)
{
    if (count > WR_CRIU_MAX_MOUNTS)
        return wr_fail(err, WR_E_INTERNAL, 0, "more than %d mounts", WR_CRIU_MAX_MOUNTS);
    /* CRIU would take it for the end of a shorter path. */
    for (size_t i = 0; i < count; i++)
        if (strstr(mounts[i].inside, "]:"))
            return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                           "a volume at a path with \"]:\" in it cannot be saved: %.150s",
                           mounts[i].inside);
    return 0;
}

/* `restore`: mnt[NAME]:HOST, else mnt[INSIDE]:NAME. */
static int add_mounts(struct command *c, const struct wr_criu_mount *mounts, size_t count,
                      bool restore, struct wr_error *err)
{
    const int rc = check_mounts(mounts, count, err);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct wr_criu_mount *m = &mounts[i];
        if (!wr_strformat(c->external[i], EXTERNAL_MAX, "mnt[%s]:%s", restore ? m->name : m->inside,
                          restore ? m->host : m->name))
            return too_long(err);
        add(c, "--external");
        add(c, c->external[i]);
    }
    return rc;
}

/* `fds`: of a restore, NULL for a dump. */
static int add_memory(struct command *c, const struct wr_memory_file *memory, const int *fds,
                      size_t count, struct wr_error *err)
{
    if (count > WR_MEMORY_MAX_FILES)
        return wr_fail(err, WR_E_INTERNAL, 0, "more than %d files of memory", WR_MEMORY_MAX_FILES);
    for (size_t i = 0; i < count; i++) {
        if (fds &&
            !wr_strformat(c->inherit[i], sizeof(c->inherit[i]), "fd[%d]:%s", fds[i], memory[i].key))
            return too_long(err);
        add(c, fds ? "--inherit-fd" : "--external");
        add(c, fds ? c->inherit[i] : memory[i].key);
    }
    return 0;
}

/* The first LOG_MAX bytes of the log; without one what CRIU printed before it had one. */
static void read_log(int dirfd, const char *name, struct wr_buf *said)
{
    wr_auto_close int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char *room = wr_buf_reserve(said, wr_buf_room(said));
    const ssize_t len = fd >= 0 && room ? wr_read_full(fd, room, wr_buf_room(said)) : -1;

    if (len > 0)
        wr_buf_commit(said, (size_t)len);
}

static int explain(enum wr_criu_action action, struct wr_buf *said, struct wr_error *err)
{
    const char *text = wr_buf_cstr(said);
    return wr_criu_explain(action, text ? text : "", err);
}

int wr_criu_dump(const struct wr_criu *criu, const struct wr_criu_dump *dump, struct wr_error *err)
{
    static const char *const options[] = {"-v1",
                                          "--no-default-config",
                                          "--leave-running",
                                          "--manage-cgroups=ignore",
                                          "--tcp-close",
                                          "--skip-in-flight",
                                          "--network-lock",
                                          "skip",
                                          "--file-locks",
                                          "--ghost-limit",
                                          "1G",
                                          "--link-remap"};
    struct command c = {.count = 0};
    wr_auto_buf said = WR_BUF(LOG_MAX);
    int status = 0;

    if (!fd_path(c.image, sizeof(c.image), dump->image_dirfd) ||
        !wr_strformat(c.pid, sizeof(c.pid), "%d", dump->pid))
        return too_long(err);
    add_all(&c, (const char *const[]){criu->path, "dump", "-t", c.pid, "-D", c.image}, 6);
    add_all(&c, options, WR_ARRAY_SIZE(options));
    if (dump->freeze_cgroup)
        add_all(&c, (const char *const[]){"--freeze-cgroup", dump->freeze_cgroup}, 2);
    int rc = add_mounts(&c, dump->mounts, dump->mount_count, false, err);
    if (rc == 0)
        rc = add_memory(&c, dump->memory, NULL, dump->memory_count, err);
    if (rc == 0 && dump->freeze_cgroup)
        rc = wr_criu_check_tracers(dump->freeze_cgroup, err);
    if (rc == 0)
        rc = wr_criu_process_run(&(struct wr_criu_process){.argv = c.argv,
                                                           .facts = criu->facts,
                                                           .keep_fds = &dump->image_dirfd,
                                                           .keep_count = 1,
                                                           .netns_fd = dump->netns_fd,
                                                           .subject = dump->pid,
                                                           .timeout_ms = dump->timeout_ms},
                                 &status, &said, err);
    if (rc == -WR_E_DEADLINE_EXCEEDED)
        err->code = WR_E_INTERNAL;
    if (rc < 0)
        return -err->code;
    if (status != 0)
        return explain(WR_CRIU_DUMP, &said, err); /* a log in the image might find no room */
    return 0;
}

static int read_pid(int work_dirfd, pid_t *ret, struct wr_error *err)
{
    char text[16];
    uint64_t pid = 0;

    if (wr_file_read_line(work_dirfd, PID_FILE, text, sizeof(text)) < 0 ||
        wr_parse_u64(text, 1, INT32_MAX, &pid) < 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "criu wrote no process number");
    *ret = (pid_t)pid;
    return 0;
}

/* Whatever CRIU made before it failed was born into the group. */
static void end_all(const struct wr_cgroup_join *cgroup)
{
    const uint64_t end_ms = wr_mono_ms() + END_MS;
    char events[128];

    if (!cgroup || cgroup->v2_dir < 0 || wr_file_write_str(cgroup->v2_dir, "cgroup.kill", "1") < 0)
        return;
    while (wr_mono_ms() < end_ms &&
           wr_file_read_line(cgroup->v2_dir, "cgroup.events", events, sizeof(events)) > 0 &&
           strstr(events, "populated 1"))
        (void)usleep(1000);
}

/* The other end is the program's: it asks there before it lets go of the processes. */
static int add_hold(struct command *c, int *ret_ours, int *ret_its, struct wr_error *err)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "prepare criu");
    *ret_ours = fds[0];
    *ret_its = fds[1];
    if (!wr_strformat(c->hold, sizeof(c->hold), "%d", fds[1]))
        return too_long(err);
    add_all(c, (const char *const[]){"--status-fd", c->hold}, 2);
    return 0;
}

int wr_criu_restore(const struct wr_criu *criu, const struct wr_criu_restore *restore,
                    pid_t *ret_pid, struct wr_error *err)
{
    static const char *const options[] = {"-o",
                                          RESTORE_LOG,
                                          "-v1",
                                          "--no-default-config",
                                          "--manage-cgroups=ignore",
                                          "--tcp-close",
                                          "-d",
                                          "--file-locks",
                                          "--pidfile",
                                          PID_FILE};
    int keep[3 + WR_MEMORY_MAX_FILES] = {restore->image_dirfd, restore->work_dirfd};
    size_t keep_count = 2;
    struct command c = {.count = 0};
    wr_auto_buf said = WR_BUF(LOG_MAX);
    wr_auto_close int ours = -1;
    wr_auto_close int its = -1;
    int status = 0;

    if (!fd_path(c.image, sizeof(c.image), restore->image_dirfd) ||
        !fd_path(c.work, sizeof(c.work), restore->work_dirfd))
        return too_long(err);
    add_all(&c,
            (const char *const[]){criu->path, "restore", "-D", c.image, "-W", c.work, "--root",
                                  restore->root},
            8);
    add_all(&c, options, WR_ARRAY_SIZE(options));
    int rc = add_mounts(&c, restore->mounts, restore->mount_count, true, err);
    if (rc == 0)
        rc = add_memory(&c, restore->memory, restore->memory_fds, restore->memory_count, err);
    if (rc == 0 && restore->hold) {
        rc = add_hold(&c, &ours, &its, err);
        keep[keep_count++] = its;
    }
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < restore->memory_count; i++)
        keep[keep_count++] = restore->memory_fds[i];
    rc = wr_criu_process_run(&(struct wr_criu_process){.argv = c.argv,
                                                       .facts = criu->facts,
                                                       .keep_fds = keep,
                                                       .keep_count = keep_count,
                                                       .netns_fd = restore->netns_fd,
                                                       .cgroup = restore->cgroup,
                                                       .hold = restore->hold,
                                                       .early = restore->early,
                                                       .hold_data = restore->hold_data,
                                                       .hold_fd = ours,
                                                       .timeout_ms = restore->timeout_ms,
                                                       .may_kill = true},
                             &status, &said, err);
    if (rc == 0 && status != 0) {
        read_log(restore->work_dirfd, RESTORE_LOG, &said);
        rc = explain(WR_CRIU_RESTORE, &said, err);
    }
    if (rc == 0)
        rc = read_pid(restore->work_dirfd, ret_pid, err);
    if (rc < 0)
        end_all(restore->cgroup);
    return rc;
}
