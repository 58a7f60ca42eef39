#include "engine/driver/native/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/rand.h"
#include "engine/driver/native/damaged.h"
#include "engine/driver/native/instance.h"
#include "engine/driver/native/layers.h"
#include "engine/driver/native/leftovers.h"
#include "engine/driver/native/members.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/restore_job.h"
#include "engine/driver/native/saved.h"
#include "engine/driver/native/workdir.h"
#include "engine/job.h"
#include "log/log.h"

#define NETNS_TIMEOUT_MS      10000
#define SMALL_DIRECTORY_BYTES 4096
/* What a new work directory and a mount need of an upper that is full. */
#define ROOM_BYTES            (2 * WR_MIB)

struct wr_restore {
    struct wr_instance *instance;
    struct wr_job *job; /* owned */
    struct wr_restore_work work;
    bool memory;
    bool new_files;               /* its upper is to be made from the snapshot's files */
    char saved_id[WR_ID_LEN + 1]; /* what has to go once it runs; "" for none */
};

struct wr_restore *wr_restore_free(struct wr_restore *restore)
{
    if (!restore)
        return NULL;
    wr_job_forget(restore->job);
    wr_share_mounts_close(&restore->work.shares);
    wr_close(restore->work.image_fd);
    wr_close(restore->work.snapshot_fd);
    wr_manifest_done(&restore->work.manifest);
    wr_spec_done(&restore->work.spec);
    free(restore);
    return NULL;
}

static void free_restore_ptr(struct wr_restore **restore)
{
    *restore = wr_restore_free(*restore);
}

/* Of what was saved in place, which may have no byte left, and of a copy, which has been given a
 * little more. It is taken back before anything runs there that is not ours. */
static int limit_files(const struct wr_restore *r, uint64_t more_bytes, struct wr_error *err)
{
    return wr_snapshot_upper_set_limit(r->instance->driver->snapshots, r->instance->kit->upper_fd,
                                       r->work.spec.disk_bytes, more_bytes, err);
}

void wr_restore_runs(const struct wr_restore *restore)
{
    struct wr_error err;

    if (restore && limit_files(restore, 0, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, "sandbox", restore->work.spec.id, NULL);
}

void wr_restore_started(struct wr_driver *driver, struct wr_restore *restore)
{
    struct wr_error err;

    if (!restore)
        return;
    if (restore->saved_id[0] && wr_snapshot_remove(driver->snapshots, restore->saved_id, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, "sandbox", restore->saved_id, NULL);
    wr_leftovers_collect(driver);
    wr_restore_free(restore);
}

/* ---- What it is made from ---- */

/* Of what is damaged the memory alone may be lost. */
static void offer_files(const struct wr_restore *r, struct wr_error *err)
{
    const struct wr_error was = *err;

    if (was.code == WR_E_DATA_LOSS && r->saved_id[0])
        (void)wr_fail(err, WR_E_DATA_LOSS, 0,
                      "%.200s; {\"memory\": false} resumes it from its files only", was.msg);
}

/* For a rollback the manifest leads to another one; its generation is that of the sandbox. */
static int load(struct wr_driver *driver, const char *id, enum wr_origin origin,
                struct wr_restore *r, uint64_t *ret_generation, struct wr_error *err)
{
    struct wr_manifest *manifest = &r->work.manifest;
    struct wr_error ignored;
    char source[WR_ID_LEN + 1];
    int rc = wr_snapshot_load(driver->snapshots, id, manifest, &r->work.snapshot_fd, err);

    if (rc == -WR_E_DATA_LOSS && origin == WR_FROM_SAVED_FILES &&
        wr_damaged_load(driver, id, manifest, &ignored) == 0)
        rc = 0;
    if (rc < 0)
        return rc;
    *ret_generation = manifest->spec.generation;
    if (!manifest->source[0])
        return 0;
    memcpy(source, manifest->source, sizeof(source));
    wr_manifest_done(manifest);
    *manifest = (struct wr_manifest){.files = NULL};
    r->work.snapshot_fd = wr_close(r->work.snapshot_fd);
    return wr_snapshot_load(driver->snapshots, source, manifest, &r->work.snapshot_fd, err);
}

static int check(const struct wr_driver *driver, const struct wr_restore *r, enum wr_origin origin,
                 struct wr_error *err)
{
    const struct wr_manifest *manifest = &r->work.manifest;

    if (origin == WR_FROM_SNAPSHOT && !manifest->own_files)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "there is no snapshot %s", manifest->id);
    if (!r->memory)
        return 0;
    int rc = wr_host_fits(&manifest->host, &driver->host, err);
    return rc ? rc : wr_native_checkpoint_check(driver, err);
}

/* What was not asked for is as it was. */
static int complete(struct wr_spec *spec, const struct wr_restore *r, enum wr_origin origin,
                    uint64_t generation, struct wr_error *err)
{
    const struct wr_spec *was = &r->work.manifest.spec;
    const struct wr_template limits = {.cpu_millis = was->cpu_millis,
                                       .memory_bytes = was->memory_bytes,
                                       .disk_bytes = was->disk_bytes};

    if (spec->pids == 0)
        spec->pids = was->pids;
    if (spec->open_files == 0)
        spec->open_files = was->open_files;
    int rc = wr_spec_complete(spec, &limits, err);
    if (rc < 0)
        return rc;
    if (!spec->id[0])
        wr_random_id(spec->id, WR_ID_LEN);
    memcpy(spec->template_name, was->template_name, sizeof(spec->template_name));
    memcpy(spec->shares, was->shares, sizeof(spec->shares));
    spec->share_count = was->share_count;
    spec->created_ms = origin == WR_FROM_SNAPSHOT ? wr_wall_ms() : was->created_ms;
    spec->generation = origin == WR_FROM_SNAPSHOT ? 0 : generation + 1;
    spec->level = WR_LEVEL_RUNNING;
    spec->paused_ms = 0;
    spec->restored = r->memory;
    spec->redirect = 0;
    spec->blank = false;
    return 0;
}

/* ---- Steps; each leads to the next ---- */

static void fail(struct wr_restore *r, const struct wr_error *error)
{
    struct wr_driver *driver = r->instance->driver;
    char id[WR_ID_LEN + 1];

    struct wr_error why = *error;

    memcpy(id, r->work.spec.id, sizeof(id));
    if (r->memory)
        offer_files(r, &why);
    wr_instance_fail_start(r->instance, &why); /* and `r` with it */
    wr_workdir_remove(driver, id);
}

/* The processes are there, and frozen until everything is in force. A limit that cannot be set now
 * (a sandbox that uses more memory than it may) is no reason to end them. */
static int adopt(struct wr_restore *r, struct wr_error *err)
{
    struct wr_instance *instance = r->instance;
    struct wr_error limits;
    struct stat wanted, found;
    int ns_fd = -1;
    int rc = wr_members_open_first(instance->kit, &instance->pidfd, &ns_fd, err);

    if (rc < 0)
        return rc;
    bool same = fstat(instance->ns_fd, &wanted) == 0 && fstat(ns_fd, &found) == 0 &&
                wanted.st_ino == found.st_ino && wanted.st_dev == found.st_dev;
    wr_close(ns_fd);
    if (!same)
        return wr_fail(err, WR_E_INTERNAL, 0,
                       "sandbox %s was not restored in its network namespace", instance->kit->id);
    rc = wr_instance_watch(instance, err);
    if (rc == 0 && wr_kit_apply(instance->driver, instance->kit, &r->work.spec, &limits) < 0)
        wr_log(WR_LOG_WARN, limits.msg, "sandbox", instance->kit->id, NULL);
    return rc ? rc : wr_cgroup_freeze(instance->kit->cgroup, false, err);
}

static void log_times(const struct wr_restore *r, const struct wr_restore_result *times)
{
    char text[128];

    (void)!wr_strformat(text, sizeof(text),
                        "check %.1f ms, prepare %.1f ms, criu %.1f ms, finish %.1f ms",
                        (double)times->check_us / 1000.0, (double)times->prepare_us / 1000.0,
                        (double)times->criu_us / 1000.0, (double)times->finish_us / 1000.0);
    wr_log(WR_LOG_INFO, "restored", "sandbox", r->work.spec.id, "times", text, NULL);
}

static void on_restored(void *data, const void *result, const struct wr_error *error)
{
    struct wr_restore *r = data;
    struct wr_instance *instance = r->instance;
    struct wr_error err;

    r->job = NULL;
    int rc = 0;
    if (error) {
        err = *error;
        rc = -err.code;
    }
    if (rc == 0) {
        log_times(r, result);
        wr_memory_learn(instance->driver->memory,
                        &((const struct wr_restore_result *)result)->news);
        instance->kit->overlay_fd = wr_close(instance->kit->overlay_fd);
        rc = adopt(r, &err);
    }
    if (rc < 0) {
        fail(r, &err);
        return;
    }
    wr_workdir_remove(instance->driver, r->work.spec.id);
    wr_instance_started(instance);
}

static int start_job(struct wr_restore *r,
                     int (*run)(const void *arg, void *result, struct wr_error *err),
                     void (*done)(void *data, const void *result, const struct wr_error *err),
                     struct wr_error *err)
{
    struct wr_driver *driver = r->instance->driver;
    struct wr_restore_fds fds;
    wr_auto_close int dir = -1;
    int rc = wr_workdir_make(driver, r->work.spec.id, &dir, err);

    if (rc == 0)
        rc = wr_workdir_path(driver, r->work.spec.id, r->work.path, sizeof(r->work.path), err);
    if (rc < 0)
        return rc;
    wr_restore_fds(&r->work, &fds);
    rc = wr_job_start(driver->loop,
                      &(struct wr_job_spec){.run = run,
                                            .arg = &r->work,
                                            .result_size = sizeof(struct wr_restore_result),
                                            .fds = fds.fds,
                                            .fd_count = fds.count,
                                            .lock_fd = dir,
                                            .name = "wr-restore",
                                            .done = done,
                                            .data = r},
                      &r->job, err);
    if (rc < 0)
        wr_workdir_remove(driver, r->work.spec.id);
    return rc;
}

/* Those that it was made of, with its own device layer: programs that run are mapped from them. */
static void saved_layers(const struct wr_manifest *manifest, struct wr_layer_names *ret)
{
    memcpy(ret->names, manifest->layers, sizeof(ret->names));
    ret->count = manifest->layer_count;
}

static int launch(struct wr_restore *r, struct wr_error *err)
{
    struct wr_driver *driver = r->instance->driver;
    struct wr_layer_names layers;

    saved_layers(&r->work.manifest, &layers);
    r->work.ns_fd = r->instance->ns_fd;
    r->work.image_fd =
        openat(r->work.snapshot_fd, "image", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (r->work.image_fd < 0)
        return wr_fail_errno(err, WR_E_DATA_LOSS, "open the image of %s", r->work.manifest.id);
    int rc = wr_kit_mount(driver, r->instance->kit, &layers, err);
    if (rc == 0)
        rc = limit_files(r, 0, err); /* the job ends when everything runs */
    if (rc == 0)
        rc = wr_share_mounts_make(driver, r->instance->kit, &r->work.spec, &r->work.shares, err);
    return rc ? rc : start_job(r, wr_restore_run, on_restored, err);
}

static void on_netns(void *data, const struct wr_nest_sandbox *sandbox,
                     const struct wr_error *error)
{
    struct wr_instance *instance = data;
    struct wr_restore *r = instance->restore;
    struct wr_error err;
    int rc = 0;

    wr_timer_stop(&instance->deadline);
    instance->nest = NULL;
    if (error) {
        err = *error;
        rc = -err.code;
    } else {
        instance->ns_fd = sandbox->ns_fd;
        instance->redirect = sandbox->redirect;
        r->work.spec.redirect = (uint64_t)sandbox->redirect;
        rc = wr_instance_check_netns(instance->ns_fd, &err);
    }
    if (rc == 0)
        rc = launch(r, &err);
    if (rc < 0)
        fail(r, &err);
}

static void on_netns_deadline(struct wr_timer *timer, void *data)
{
    struct wr_restore *r = data;
    struct wr_error err;

    (void)timer;
    (void)wr_fail(&err, WR_E_DEADLINE_EXCEEDED, 0, "the nest did not answer within %d s",
                  NETNS_TIMEOUT_MS / 1000);
    fail(r, &err);
}

static int ask_for_netns(struct wr_restore *r, struct wr_error *err)
{
    struct wr_instance *instance = r->instance;
    struct wr_nest_link *nest = NULL;
    int rc = wr_native_template_nest(instance->driver, r->work.spec.template_name, &nest, err);

    if (rc == 0)
        rc = wr_timer_start(instance->driver->loop, &instance->deadline, NETNS_TIMEOUT_MS,
                            on_netns_deadline, r, err);
    if (rc == 0)
        rc = wr_nest_link_netns(nest, on_netns, instance, err);
    if (rc == 0)
        instance->nest = nest;
    return rc;
}

/* As from a template, with other layers and files: with the device layer of now, because the agent
 * is that of the nest. */
static int boot(struct wr_restore *r, struct wr_error *err)
{
    struct wr_instance *instance = r->instance;
    struct wr_driver *driver = instance->driver;
    struct wr_native_template *t = NULL;
    struct wr_layer_names layers;

    saved_layers(&r->work.manifest, &layers);
    (void)!wr_strcopy(layers.names[layers.count - 1], sizeof(layers.names[0]),
                      driver->device_layer_name);
    int rc = wr_native_template_get(driver, r->work.spec.template_name, &t, err);
    if (rc == 0)
        rc = wr_kit_mount(driver, instance->kit, &layers, err);
    if (rc < 0)
        return rc;
    instance->state = WR_INSTANCE_SPAWNING;
    return wr_instance_start(t, instance, &r->work.spec, wr_layer_names_id(&layers), err);
}

static int with_files(struct wr_restore *r, struct wr_error *err)
{
    return r->memory ? ask_for_netns(r, err) : boot(r, err);
}

static void on_copied(void *data, const void *result, const struct wr_error *error)
{
    struct wr_restore *r = data;
    struct wr_kit *kit = r->instance->kit;
    struct wr_error err;
    int rc = 0;

    (void)result;
    r->job = NULL;
    if (error) {
        err = *error;
        rc = -err.code;
    } else {
        rc = wr_volume_upper_open(r->instance->driver->volume, kit->id, &kit->upper_fd, &err);
    }
    if (rc == 0)
        rc = with_files(r, &err);
    if (rc < 0)
        fail(r, &err);
}

/* Where a copy shares its blocks it takes no time worth a process. */
static bool copies_at_once(const struct wr_driver *driver)
{
    return wr_starts_with(wr_volume_kind(driver->volume), "btrfs");
}

static int make_files(struct wr_restore *r, struct wr_error *err)
{
    struct wr_driver *driver = r->instance->driver;
    struct wr_kit *kit = r->instance->kit;
    int rc = 0;

    /* After a rollback: what it was before. A sandbox of that name that lives is refused before. */
    if (r->saved_id[0])
        rc = wr_volume_upper_remove(driver->volume, kit->id, err);
    if (rc < 0)
        return rc;
    kit->has_upper = true;
    if (!copies_at_once(driver))
        return start_job(r, wr_restore_copy, on_copied, err);
    rc = wr_snapshot_upper_new(driver->snapshots, r->work.snapshot_fd, &r->work.manifest, kit->id,
                               r->work.spec.disk_bytes, &kit->upper_fd, err);
    return rc ? rc : with_files(r, err);
}

static void on_renewed(void *data, const void *result, const struct wr_error *error)
{
    struct wr_restore *r = data;
    struct wr_error err;

    (void)result;
    r->job = NULL;
    if (error)
        fail(r, error);
    else if (with_files(r, &err) < 0)
        fail(r, &err);
}

/* The work directory has an entry for each file that was copied up and had several names. */
static bool work_is_small(int upper_fd)
{
    struct stat st;

    return fstatat(upper_fd, "w/index", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
           st.st_size <= SMALL_DIRECTORY_BYTES;
}

static int use_files(struct wr_restore *r, struct wr_error *err)
{
    struct wr_kit *kit = r->instance->kit;
    int rc = wr_volume_upper_open(r->instance->driver->volume, kit->id, &kit->upper_fd, err);

    if (rc == 0)
        rc = limit_files(r, ROOM_BYTES, err);
    if (rc < 0)
        return rc;
    if (!work_is_small(kit->upper_fd))
        return start_job(r, wr_restore_renew, on_renewed, err);
    rc = wr_snapshot_upper_renew(kit->upper_fd, err);
    return rc ? rc : with_files(r, err);
}

static bool is_taken(const struct wr_driver *driver, const char *id)
{
    wr_list_foreach(it, &driver->instances) {
        if (wr_streq(wr_list_entry(it, struct wr_instance, link)->kit->id, id))
            return true;
    }
    return false;
}

static int begin(struct wr_driver *driver, struct wr_restore *r, struct wr_spec *spec, void *owner,
                 struct wr_instance **ret, struct wr_error *err)
{
    struct wr_kit *kit = NULL;

    int rc = is_taken(driver, spec->id)
                 ? wr_fail(err, WR_E_ALREADY_EXISTS, 0, "there is a sandbox %s", spec->id)
                 : wr_leftovers_settle(driver, spec->id, err);
    if (rc == 0)
        rc = wr_kit_for_saved(driver, spec, r->memory, &kit, err);
    if (rc < 0) {
        wr_restore_free(r);
        return rc;
    }
    struct wr_instance *instance = wr_instance_new(driver, kit, owner);
    if (!instance) {
        wr_restore_free(r);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "restore a sandbox");
    }
    spec->slot = kit->slot;
    wr_spec_copy(spec, &r->work.spec);
    r->work.kit = kit;
    r->instance = instance;
    instance->restore = r;
    instance->state = WR_INSTANCE_RESTORING;
    if (r->memory)
        rc = wr_memory_hold(driver->memory, &r->work.manifest.memory_files, spec->id, err);
    if (rc == 0)
        rc = r->new_files ? make_files(r, err) : use_files(r, err);
    if (rc < 0)
        wr_instance_release(instance);
    else
        *ret = instance;
    return rc;
}

int wr_restore_start(struct wr_driver *driver, enum wr_origin origin, struct wr_spec *spec,
                     void *owner, struct wr_instance **ret, bool *ret_booted, struct wr_error *err)
{
    WR_CLEANUP(free_restore_ptr) struct wr_restore *r = wr_calloc(1, sizeof(*r));
    const bool copy = origin == WR_FROM_SNAPSHOT;
    uint64_t generation = 0;

    if (!r)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "restore a sandbox");
    r->work =
        (struct wr_restore_work){.driver = driver, .snapshot_fd = -1, .image_fd = -1, .ns_fd = -1};
    if (!copy)
        memcpy(r->saved_id, spec->id, sizeof(r->saved_id));
    int rc = load(driver, copy ? spec->snapshot : spec->id, origin, r, &generation, err);
    if (rc < 0) {
        if (origin == WR_FROM_SAVED)
            offer_files(r, err);
        return rc;
    }
    r->memory = origin != WR_FROM_SAVED_FILES && r->work.manifest.memory;
    r->new_files = r->work.manifest.own_files;
    rc = check(driver, r, origin, err);
    if (rc == 0)
        rc = complete(spec, r, origin, generation, err);
    if (rc == 0)
        rc = begin(driver, wr_steal_ptr(&r), spec, owner, ret, err);
    if (rc == 0)
        *ret_booted = !spec->restored;
    return rc;
}
