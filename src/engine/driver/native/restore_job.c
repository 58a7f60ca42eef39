#include "engine/driver/native/restore_job.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "engine/driver/native/freeze.h"
#include "engine/driver/native/kit.h"
#include "engine/driver/native/members.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/saved.h"
#include "engine/snapshot/criu.h"
#include "engine/snapshot/image.h"
#include "engine/snapshot/page_check.h"
#include "nest/userns_limits.h"

#define RESTORE_TIMEOUT_MS 540000 /* a little less than a job may take */

/* Any directory that every host has; what it holds is covered in this mount namespace only. Root of
 * the sandbox, as which CRIU opens the volumes, must be able to get there. */
#define STAGING "/tmp"
#define PROGRAM "criu"

void wr_restore_fds(const struct wr_restore_work *work, struct wr_restore_fds *ret)
{
    const struct wr_cgroup_join join = wr_cgroup_join(work->kit->cgroup);
    int snapshots[WR_SNAPSHOTS_FDS];
    size_t count = 0;

    wr_snapshots_fds(work->driver->snapshots, snapshots);
    for (size_t i = 0; i < WR_ARRAY_SIZE(snapshots); i++)
        ret->fds[count++] = snapshots[i];
    for (size_t i = 0; i < join.v1_count; i++)
        ret->fds[count++] = join.v1_tasks[i];
    for (size_t i = 0; i < work->shares.count; i++)
        ret->fds[count++] = work->shares.fds[i];
    ret->fds[count++] = wr_memory_fd(work->driver->memory);
    ret->fds[count++] = join.v2_dir;
    ret->fds[count++] = wr_cgroup_top_fd(work->kit->cgroup);
    ret->fds[count++] = work->kit->upper_fd;
    ret->fds[count++] = work->kit->overlay_fd;
    ret->fds[count++] = work->snapshot_fd;
    ret->fds[count++] = work->image_fd;
    ret->fds[count++] = work->ns_fd;
    ret->count = count;
}

int wr_restore_copy(const void *arg, void *result, struct wr_error *err)
{
    const struct wr_restore_work *work = arg;
    wr_auto_close int upper = -1;

    (void)result;
    return wr_snapshot_upper_new(work->driver->snapshots, work->snapshot_fd, &work->manifest,
                                 work->kit->id, work->spec.disk_bytes, &upper, err);
}

int wr_restore_renew(const void *arg, void *result, struct wr_error *err)
{
    (void)result;
    return wr_snapshot_upper_renew(((const struct wr_restore_work *)arg)->kit->upper_fd, err);
}

/* Mounts of this process and of what it starts only: they end with it. */
static int enter_mounts(struct wr_error *err)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make a mount namespace to restore in");
    return 0;
}

static int make_dir(int dirfd, const char *name, int *ret_fd, struct wr_error *err)
{
    int fd = -1;

    if (mkdirat(dirfd, name, 0700) == 0)
        fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make the directory %s to restore in", name);
    *ret_fd = fd;
    return 0;
}

static int attach(int mount_fd, int dirfd, const char *name, struct wr_error *err)
{
    wr_auto_close int fd = -1;
    int rc = make_dir(dirfd, name, &fd, err);

    if (rc == 0 && move_mount(mount_fd, "", dirfd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        rc = wr_fail_errno(err, WR_E_INTERNAL, "attach %s", name);
    return rc;
}

/* It may be somewhere that is covered here. */
static int attach_program(int mount_fd, int dirfd, struct wr_error *err)
{
    wr_auto_close int fd =
        openat(dirfd, PROGRAM, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    return fd < 0 || move_mount(mount_fd, "", dirfd, PROGRAM, MOVE_MOUNT_F_EMPTY_PATH) < 0
               ? wr_fail_errno(err, WR_E_INTERNAL, "attach criu")
               : 0;
}

/* Root file system, volumes, and CRIU. */
static int attach_all(const struct wr_restore_work *work, int criu_fd, struct wr_error *err)
{
    char name[16];

    if (mount("tmpfs", STAGING, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64k,nr_inodes=32") <
        0)
        return wr_fail_errno(err, WR_E_INTERNAL, "mount a tmpfs on %s", STAGING);
    wr_auto_close int dirfd = open(STAGING, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open %s", STAGING);
    int rc = attach(work->kit->overlay_fd, dirfd, "root", err);
    if (rc == 0)
        rc = attach_program(criu_fd, dirfd, err);

    for (size_t i = 0; rc == 0 && i < work->shares.count; i++)
        rc = wr_strformat(name, sizeof(name), "vol%zu", i)
                 ? attach(work->shares.fds[i], dirfd, name, err)
                 : wr_fail(err, WR_E_INTERNAL, 0, "name a volume");
    return rc;
}

/* What CRIU reads and writes. */
struct places {
    int image_fd, work_fd;
    int memory_fds[WR_MEMORY_MAX_FILES];
    size_t memory_count;
};

static void places_close(struct places *p)
{
    while (p->memory_count > 0)
        wr_close(p->memory_fds[--p->memory_count]);
    wr_close(p->image_fd);
    wr_close(p->work_fd);
}

/* Before the mount namespace of the volume is left. */
static int open_memory(const struct wr_restore_work *work, struct places *ret, struct wr_error *err)
{
    const struct wr_memory_files *files = &work->manifest.memory_files;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < files->count; i++) {
        rc = wr_memory_map(work->driver->memory, &files->list[i], &ret->memory_fds[i], err);
        ret->memory_count += rc == 0;
    }
    return rc;
}

static int prepare(const struct wr_restore_work *work, struct places *ret, struct wr_error *err)
{
    struct wr_criu criu;
    wr_auto_close int program = -1;
    wr_auto_close int scratch = -1;
    wr_auto_close int dir = -1;
    int rc = wr_native_checkpoint_criu(work->driver, &criu, err);

    if (rc == 0)
        rc = enter_mounts(err);
    if (rc < 0)
        return rc;
    program = open_tree(AT_FDCWD, criu.path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (program < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "criu: %.150s", criu.path);
    /* Anew: what was opened before is in the mount namespace that was left. */
    dir = open(work->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open %s", work->path);
    rc = make_dir(dir, "work", &ret->work_fd, err);
    if (rc == 0)
        rc = make_dir(dir, "image", &scratch, err);
    if (rc == 0)
        rc = wr_image_for_slot(work->image_fd, &work->manifest, wr_slot_host_base(work->kit->slot),
                               scratch, &ret->image_fd, err);
    return rc ? rc : attach_all(work, program, err); /* last: it may cover where all this is */
}

struct restoring {
    const struct wr_restore_work *work;
    struct wr_page_check *pages;
};

/* CRIU holds the processes before their next instruction, which they get to with the memory that
 * was written and no other. What it lets go of now stands still in the frozen group until the
 * engine has set the limits. Whoever is in there too, CRIU itself, must not. */
static int hold(void *data, struct wr_error *err)
{
    const struct restoring *restoring = data;
    const struct wr_restore_work *work = restoring->work;
    int rc = wr_page_check_wait(restoring->pages, err);

    if (rc == 0)
        rc = wr_members_expel_ours(work->kit, err);
    return rc ? rc : wr_freeze_group(work->kit->cgroup, err);
}

/* As soon as there is somebody who was born into the group, CRIU can leave it. Who leaves waits for
 * an RCU grace period, some 8 ms: now there is other work to do. */
static pid_t early(void *data)
{
    const struct restoring *restoring = data;
    struct wr_error ignored;
    pid_t pid = 0;

    return wr_members_first(restoring->work->kit, &pid, &ignored) == 0 &&
                   wr_members_expel_ours(restoring->work->kit, &ignored) == 0
               ? pid
               : 0;
}

static int run_criu(const struct restoring *restoring, const struct places *places,
                    struct wr_error *err)
{
    const struct wr_restore_work *work = restoring->work;
    const struct wr_cgroup_join join = wr_cgroup_join(work->kit->cgroup);
    struct wr_criu_mount mounts[WR_CRIU_MAX_MOUNTS];
    struct wr_criu criu = {.path = STAGING "/" PROGRAM};
    pid_t pid = 0;

    memcpy(criu.facts, work->driver->checkpoint.facts, sizeof(criu.facts));
    int rc = wr_saved_mounts(&work->manifest.spec, STAGING, mounts, err);

    if (rc < 0)
        return rc;
    return wr_criu_restore(&criu,
                           &(struct wr_criu_restore){.image_dirfd = places->image_fd,
                                                     .work_dirfd = places->work_fd,
                                                     .root = STAGING "/root",
                                                     .netns_fd = work->ns_fd,
                                                     .cgroup = &join,
                                                     .mounts = mounts,
                                                     .mount_count = work->manifest.spec.share_count,
                                                     .memory = work->manifest.memory_files.list,
                                                     .memory_fds = places->memory_fds,
                                                     .memory_count = places->memory_count,
                                                     .hold = hold,
                                                     .early = early,
                                                     .hold_data = (void *)(uintptr_t)restoring,
                                                     .timeout_ms = RESTORE_TIMEOUT_MS},
                           &pid, err);
}

/*
 * Who has entered a sandbox's user namespace cannot come back. The initial namespace, whose child
 * it is now, has all project ids, and whoever finds the map of a namespace empty may fill it: here
 * with one id that nobody uses. When somebody inside was faster that is no error, because the
 * kernel lets nobody in there change the project of a file anyway.
 */
static int set_user_limits(int pidfd, struct wr_error *err)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        struct wr_error ignored;
        if (setns(pidfd, CLONE_NEWUSER) < 0)
            _exit(1);
        (void)!wr_file_write_str(AT_FDCWD, "/proc/self/projid_map", "0 4294967294 1");
        _exit(wr_userns_limits_apply(&ignored) < 0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return wr_fail(err, WR_E_INTERNAL, pid < 0 ? errno : 0,
                       "set the limits of the restored sandbox's user namespace");
    return 0;
}

static int set_host_name(const char *id, int pidfd, struct wr_error *err)
{
    if (setns(pidfd, CLONE_NEWUTS) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "enter the restored sandbox's host name");
    return sethostname(id, WR_ID_LEN) < 0 ? wr_fail_errno(err, WR_E_INTERNAL, "set the host name")
                                          : 0;
}

/* What CRIU does not restore, and what makes a copy another sandbox. The record comes last: with it
 * the sandbox counts, and what it was resumed from no longer does. The processes stand still and
 * may be killed; the number of one that was is not to lead to somebody else's namespaces. */
static int finish(const struct wr_restore_work *work, struct wr_error *err)
{
    wr_auto_close int pidfd = -1;
    wr_auto_close int ns = -1;
    int rc = wr_members_open_first(work->kit, &pidfd, &ns, err);

    if (rc == 0)
        rc = set_user_limits(pidfd, err);
    if (rc == 0 && !wr_streq(work->spec.id, work->manifest.spec.id))
        rc = set_host_name(work->spec.id, pidfd, err);
    return rc ? rc : wr_kit_save_record(work->driver, work->kit, &work->spec, err);
}

int wr_restore_run(const void *arg, void *result, struct wr_error *err)
{
    const struct wr_restore_work *work = arg;
    struct wr_restore_result *r = result;
    WR_CLEANUP(places_close) struct places places = {.image_fd = -1, .work_fd = -1};
    uint64_t at[5] = {wr_mono_us()};
    WR_CLEANUP(wr_page_check_done) struct wr_page_check pages = {.result_fd = -1};
    const struct restoring restoring = {work, &pages};
    struct wr_error damage;
    int rc = wr_page_check_begin(work->image_fd, &work->manifest, &pages, err);

    if (rc == 0)
        rc = wr_image_check(work->image_fd, &work->manifest, WR_IMAGE_REST, err);
    if (rc == 0)
        rc = open_memory(work, &places, err);
    at[1] = wr_mono_us();
    if (rc == 0)
        rc = prepare(work, &places, err);
    at[2] = wr_mono_us();
    if (rc == 0)
        rc = run_criu(&restoring, &places, err);
    /* Then that is why, whatever CRIU made of it. */
    if (rc < 0 && wr_page_check_wait(&pages, &damage) < 0) {
        *err = damage;
        rc = -damage.code;
    }
    at[3] = wr_mono_us();
    if (rc == 0)
        rc = finish(work, err);
    at[4] = wr_mono_us();
    *r = (struct wr_restore_result){.check_us = at[1] - at[0],
                                    .prepare_us = at[2] - at[1],
                                    .criu_us = at[3] - at[2],
                                    .finish_us = at[4] - at[3]};
    wr_memory_news(work->driver->memory, &r->news);
    return rc;
}
