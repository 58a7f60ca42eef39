#include "engine/driver/native/saving_job.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "engine/driver/native/kit.h"
#include "engine/driver/native/members.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/saved.h"
#include "engine/driver/native/shared_memory.h"
#include "engine/snapshot/criu.h"
#include "engine/snapshot/head_start.h"
#include "engine/snapshot/image.h"

#define DUMP_TIMEOUT_MS   540000 /* a little less than a job may take */
#define FREEZE_TIMEOUT_MS 10000

void wr_saving_fds(const struct wr_saving_work *work, struct wr_saving_fds *ret)
{
    const struct wr_driver *driver = work->driver;
    int snapshots[WR_SNAPSHOTS_FDS];
    size_t count = 0;

    wr_snapshots_fds(driver->snapshots, snapshots);
    for (size_t i = 0; i < WR_ARRAY_SIZE(snapshots); i++)
        ret->fds[count++] = snapshots[i];
    ret->fds[count++] = wr_memory_fd(driver->memory);
    ret->fds[count++] = work->kit->upper_fd;
    ret->fds[count++] = work->ns_fd;
    ret->fds[count++] = work->snapshot_fd;
    ret->fds[count++] = wr_cgroup_join(work->kit->cgroup).v2_dir;
    ret->count = count;
}

/* Where a descriptor of ours leads to, for a program that wants a path. */
static int path_of(int fd, char *out, size_t cap, struct wr_error *err)
{
    return wr_strformat(out, cap, "/proc/%d/fd/%d", getpid(), fd)
               ? 0
               : wr_fail(err, WR_E_INTERNAL, 0, "a path is too long");
}

static int open_image(const struct wr_saving_work *work, int *ret_fd, struct wr_error *err)
{
    *ret_fd = openat(work->snapshot_fd, "image", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *ret_fd < 0 ? wr_fail_errno(err, WR_E_INTERNAL, "open the image's directory") : 0;
}

static int dump(const struct wr_saving_work *work, struct wr_saving_result *ret,
                struct wr_error *err)
{
    struct wr_criu_mount mounts[WR_CRIU_MAX_MOUNTS];
    struct wr_head_start head_start = {.stop_fd = -1};
    struct wr_criu criu;
    char group[64];
    pid_t pid = 0;
    wr_auto_close int image = -1;
    const uint64_t start_us = wr_mono_us();
    int rc = wr_native_checkpoint_criu(work->driver, &criu, err);

    (void)umask(022); /* root of a sandbox, which opens them for CRIU, has no right to them else */
    if (rc == 0)
        rc = open_image(work, &image, err);
    if (rc == 0)
        rc = wr_members_first(work->kit, &pid, err);
    if (rc == 0)
        rc = path_of(wr_cgroup_join(work->kit->cgroup).v2_dir, group, sizeof(group), err);
    if (rc == 0)
        rc = wr_saved_mounts(&work->manifest.spec, NULL, mounts, err);
    if (rc == 0) {
        wr_shared_memory_keep(work->driver, work->kit, work->manifest.id, &ret->memory);
        wr_memory_news(work->driver->memory, &ret->news);
    }
    if (rc == 0)
        wr_head_start_begin(image, &head_start);
    if (rc == 0)
        rc = wr_criu_dump(&criu,
                          &(struct wr_criu_dump){.pid = pid,
                                                 .netns_fd = work->ns_fd,
                                                 .image_dirfd = image,
                                                 .freeze_cgroup = group,
                                                 .mounts = mounts,
                                                 .mount_count = work->manifest.spec.share_count,
                                                 .memory = ret->memory.list,
                                                 .memory_count = ret->memory.count,
                                                 .timeout_ms = DUMP_TIMEOUT_MS},
                          err);
    wr_head_start_end(&head_start);
    ret->dump_us = wr_mono_us() - start_us;
    return rc;
}

/* Names that CRIU gave to open files that had lost theirs. They belong to what was saved; of a
 * sandbox that goes on they are taken away before it runs. What is left is harmless, if odd. */
static void drop_links(const struct wr_saving_work *work)
{
    struct wr_error ignored;
    wr_auto_close int image = -1;
    pid_t pid = 0;

    if (open_image(work, &image, &ignored) == 0 && wr_members_first(work->kit, &pid, &ignored) == 0)
        (void)!wr_criu_drop_links(image, pid, &ignored);
}

int wr_saving_capture(const void *arg, void *result, struct wr_error *err)
{
    const struct wr_saving_work *work = arg;
    struct wr_saving_result *r = result;
    int rc = wr_cgroup_wait_frozen(work->kit->cgroup, FREEZE_TIMEOUT_MS, err);

    if (rc == 0 && work->manifest.memory)
        rc = dump(work, r, err);
    const bool dumped = rc == 0 && work->manifest.memory;
    const uint64_t start_us = wr_mono_us();

    if (rc == 0 && work->manifest.own_files)
        rc = wr_snapshot_copy_files(work->driver->snapshots, work->kit->upper_fd, work->snapshot_fd,
                                    err);
    if (dumped && work->manifest.own_files)
        drop_links(work);
    r->copy_us = work->manifest.own_files ? wr_mono_us() - start_us : 0;
    /* Not before: it may have written until the moment that everything stood still. */
    if (rc == 0)
        rc = wr_snapshot_upper_usage(work->driver->snapshots, work->kit->upper_fd, &r->files_bytes,
                                     err);
    return rc;
}

int wr_saving_seal(const void *arg, void *result, struct wr_error *err)
{
    const struct wr_saving_work *work = arg;
    struct wr_saving_result *r = result;
    struct wr_manifest manifest = work->manifest; /* in this process, which frees nothing */
    struct wr_criu criu;
    wr_auto_close int image = -1;
    const uint64_t start_us = wr_mono_us();
    int rc = 0;

    manifest.memory_files = work->before.memory;
    if (manifest.memory) {
        rc = wr_native_checkpoint_criu(work->driver, &criu, err);
        if (rc == 0)
            rc = open_image(work, &image, err);
        if (rc == 0)
            rc = wr_image_measure(image, &manifest, err);
        if (rc == 0)
            memcpy(manifest.host.criu, criu.version, sizeof(manifest.host.criu));
    }
    const uint64_t hashed_us = wr_mono_us();
    if (rc == 0)
        rc = wr_snapshot_commit(work->driver->snapshots, work->snapshot_fd, &manifest, err);
    if (rc == 0 && wr_snapshot_usage(work->driver->snapshots, manifest.id, &r->bytes, err) < 0)
        r->bytes = manifest.image_bytes;
    if (!manifest.own_files)
        r->bytes += manifest.files_bytes;
    r->dump_us = work->before.dump_us;
    r->copy_us = work->before.copy_us;
    r->memory = work->before.memory;
    r->news = work->before.news;
    r->hash_us = hashed_us - start_us;
    r->commit_us = wr_mono_us() - hashed_us;
    return rc;
}

int wr_saving_hibernate(const void *arg, void *result, struct wr_error *err)
{
    struct wr_saving_result captured = {0};
    struct wr_saving_work work = *(const struct wr_saving_work *)arg;
    int rc = wr_saving_capture(arg, &captured, err);

    if (rc < 0)
        return rc;
    work.before = captured;
    work.manifest.files_bytes = captured.files_bytes;
    rc = wr_saving_seal(&work, result, err);
    if (rc < 0 && work.manifest.memory)
        drop_links(&work);
    return rc;
}
