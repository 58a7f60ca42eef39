#include "engine/driver/native/recover_saved.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "engine/driver/native/instance.h"
#include "engine/driver/native/leftovers.h"
#include "engine/driver/native/members.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/saved.h"
#include "engine/driver/native/workdir.h"
#include "engine/job.h"
#include "log/log.h"

#define JOBS_TIMEOUT_MS WR_JOB_TIMEOUT_MAX
#define END_ROUNDS      250
#define END_RETRY_US    20000

/* ---- Which one counts ---- */

/* 0 with the manifest of the hibernated sandbox, NOT_FOUND, or DATA_LOSS for a damaged one. */
static int load_hibernated(struct wr_driver *driver, const char *id, struct wr_manifest *ret,
                           struct wr_error *err)
{
    int rc = wr_snapshot_load(driver->snapshots, id, ret, NULL, err);

    return rc == 0 && !wr_saved_is_hibernated(ret)
               ? wr_fail(err, WR_E_NOT_FOUND, 0, "%s is a snapshot", id)
               : rc;
}

bool wr_saved_keeps_files(struct wr_driver *driver, const char *name)
{
    WR_CLEANUP(wr_manifest_done) struct wr_manifest manifest = {.files = NULL};
    struct wr_error err;
    int rc = load_hibernated(driver, name, &manifest, &err);

    /* After a rollback its files are those of the snapshot. A manifest that cannot be read may be
     * readable tomorrow. */
    return rc == 0 ? !manifest.source[0] : rc != -WR_E_NOT_FOUND;
}

static int check_generation(struct wr_driver *driver, const struct wr_spec *spec,
                            struct wr_error *err)
{
    WR_CLEANUP(wr_manifest_done) struct wr_manifest manifest = {.files = NULL};
    struct wr_error ignored;

    if (load_hibernated(driver, spec->id, &manifest, &ignored) < 0)
        return 0;
    if (manifest.spec.generation >= spec->generation)
        return wr_fail(err, WR_E_ABORTED, 0, "sandbox %s is hibernated", spec->id);
    return wr_snapshot_remove(driver->snapshots, spec->id, err);
}

/* ---- Sandboxes that live ---- */

int wr_found_load(struct wr_driver *driver, struct wr_found *found, struct wr_error *err)
{
    struct wr_kit *kit = wr_calloc(1, sizeof(*kit));

    if (!kit)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "adopt a sandbox");
    found->kit = kit;
    kit->upper_fd = kit->overlay_fd = -1;
    (void)!wr_strcopy(kit->id, sizeof(kit->id), found->id);
    int rc = wr_volume_upper_open(driver->volume, found->id, &kit->upper_fd, err);
    if (rc == 0)
        rc = wr_kit_load_record(kit, &found->spec, err);
    if (rc == 0 && !wr_streq(found->spec.id, found->id))
        rc =
            wr_fail(err, WR_E_DATA_LOSS, 0, "the record of sandbox %s is another one's", found->id);
    if (rc == 0)
        rc = wr_cgroup_open(driver->cgroups, found->id, &kit->cgroup, err);
    return rc ? rc : check_generation(driver, &found->spec, err);
}

static void settle_level(const struct wr_kit *kit, const struct wr_spec *spec)
{
    struct wr_error err;

    if (wr_cgroup_freeze(kit->cgroup, spec->level != WR_LEVEL_RUNNING, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, "sandbox", kit->id, NULL);
}

/* The engine may have ended during a dump, or before a restore was over. */
static void settle_limits(struct wr_driver *driver, struct wr_found *found)
{
    struct wr_error err;

    found->kit->limits = (struct wr_cgroup_limits){.memory_max_bytes = 0};
    int rc = wr_kit_apply(driver, found->kit, &found->spec, &err);
    if (rc == 0)
        rc = wr_snapshot_upper_set_limit(driver->snapshots, found->kit->upper_fd,
                                         found->spec.disk_bytes, 0, &err);
    if (rc < 0)
        wr_log(WR_LOG_WARN, err.msg, "sandbox", found->id, NULL);
}

void wr_found_close(const struct wr_nest_sandbox *sandbox)
{
    wr_close(sandbox->pidfd);
    wr_close(sandbox->ns_fd);
    wr_close(sandbox->status_fd);
}

int wr_found_adopt(struct wr_driver *driver, struct wr_found *found,
                   const struct wr_nest_sandbox *sandbox, struct wr_nest_link *nest,
                   struct wr_error *err)
{
    struct wr_instance *instance = NULL;
    struct wr_kit *kit = found->kit;
    const uint32_t slot = (uint32_t)found->spec.slot;

    if (!wr_slots_claim(&driver->slots, slot)) {
        wr_found_close(sandbox);
        return wr_fail(err, WR_E_DATA_LOSS, 0, "slot %u of sandbox %s is taken", slot, found->id);
    }
    kit->has_slot = kit->has_upper = true;
    kit->slot = slot;
    kit->disk_bytes = found->spec.disk_bytes;
    settle_limits(driver, found);
    settle_level(kit, &found->spec);
    found->kit = NULL; /* the instance's, also if it cannot be one */
    int rc = wr_instance_adopt(driver, kit, sandbox, &instance, err);
    if (rc < 0) {
        wr_slots_release(&driver->slots, slot); /* as a leftover it claims it again */
        return rc;
    }
    instance->nest = nest;
    instance->owner = driver->callbacks.on_found(driver->callbacks.data, &found->spec, instance);
    if (!instance->owner)
        wr_instance_kill(instance);
    return 0;
}

void wr_found_done(struct wr_driver *driver, struct wr_found *found)
{
    struct wr_kit *kit = found->kit;

    if (kit) {
        if (kit->has_slot)
            wr_slots_release(&driver->slots, kit->slot);
        wr_close(kit->upper_fd);
        wr_cgroup_free(kit->cgroup);
        free(kit);
    }
    found->kit = NULL;
    wr_spec_done(&found->spec);
}

static bool is_adopted(const struct wr_driver *driver, const char *name)
{
    wr_list_foreach(it, &driver->instances) {
        if (wr_streq(wr_list_entry(it, struct wr_instance, link)->kit->id, name))
            return true;
    }
    return false;
}

void wr_recover_restored(const char *name, void *data)
{
    struct wr_driver *driver = data;
    struct wr_found found = {.id = name};
    struct wr_nest_sandbox sandbox = {.pidfd = -1, .ns_fd = -1, .status_fd = -1};
    struct wr_error err = {0};

    if (!wr_id_valid(name) || is_adopted(driver, name))
        return;
    int rc = wr_found_load(driver, &found, &err);
    const bool restored = rc == 0 && found.spec.restored;
    if (restored)
        rc = wr_members_open_first(found.kit, &sandbox.pidfd, &sandbox.ns_fd, &err);
    if (restored && rc == 0) {
        sandbox.redirect =
            (enum wr_nest_redirect)WR_MIN(found.spec.redirect, (uint64_t)WR_NEST_REDIRECT_BOTH);
        rc = wr_found_adopt(driver, &found, &sandbox, NULL, &err);
    }
    if (rc < 0 && found.spec.id[0]) /* else it is a kit that nobody used */
        wr_log(WR_LOG_INFO, "a sandbox is not adopted", "sandbox", name, "reason", err.msg, NULL);
    wr_found_done(driver, &found);
}

/* ---- Jobs and half-made things ---- */

struct waiting {
    struct wr_driver *driver;
    uint64_t end_ms;
};

static void wait_for(int dirfd, const char *name, const struct waiting *waiting)
{
    const uint64_t now = wr_mono_ms();
    struct wr_error err;

    if (wr_job_wait(dirfd, waiting->end_ms > now ? waiting->end_ms - now : 0, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, "directory", name, NULL);
}

static void wait_for_upper(const char *name, void *data)
{
    const struct waiting *waiting = data;
    struct wr_error err;
    wr_auto_close int fd = -1;

    if (wr_volume_upper_open(waiting->driver->volume, name, &fd, &err) == 0)
        wait_for(fd, name, waiting);
}

static void wait_for_snapshot(const char *id, void *data)
{
    const struct waiting *waiting = data;
    char path[48];

    if (!wr_strformat(path, sizeof(path), "snapshots/.new-%s", id))
        return;
    wr_auto_close int fd = openat(wr_volume_fd(waiting->driver->volume), path,
                                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        wait_for(fd, id, waiting);
}

void wr_recover_jobs(struct wr_driver *driver)
{
    struct waiting waiting = {driver, wr_mono_end_ms(JOBS_TIMEOUT_MS)};
    struct wr_error err;

    if (wr_volume_upper_list(driver->volume, wait_for_upper, &waiting, &err) < 0 ||
        wr_snapshots_list(driver->snapshots, true, wait_for_snapshot, &waiting, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, NULL);
    wr_workdirs_settle(driver);
}

static void abandon(const char *id, void *data)
{
    struct wr_driver *driver = data;
    struct wr_error err;

    wr_log(WR_LOG_INFO, "removing a half-made snapshot", "snapshot", id, NULL);
    if (wr_snapshot_abandon(driver->snapshots, id, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, "snapshot", id, NULL);
}

/* Whoever hears of a hibernated sandbox may resume it at once: no process of it is left then. */
static void wait_for_ends(struct wr_driver *driver)
{
    for (int i = 0; i < END_ROUNDS; i++) {
        bool left = false;
        wr_leftovers_try(driver);
        wr_list_foreach(it, &driver->leftovers)
            left |= !wr_list_entry(it, struct wr_kit, link)->has_upper;
        if (!left)
            return;
        usleep(END_RETRY_US);
    }
}

int wr_recover_saved(struct wr_driver *driver, struct wr_error *err)
{
    int rc = wr_snapshots_list(driver->snapshots, true, abandon, driver, err);

    if (rc < 0)
        return rc;
    wait_for_ends(driver);
    return wr_saved_report(driver, err);
}
