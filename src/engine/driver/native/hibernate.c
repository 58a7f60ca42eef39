#include "engine/driver/native/hibernate.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "engine/driver/native/freeze.h"
#include "engine/driver/native/instance.h"
#include "engine/driver/native/leftovers.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/saved.h"
#include "engine/driver/native/saving_job.h"
#include "engine/job.h"
#include "log/log.h"

#define RELEASE_RETRY_MS 2

/* What an image may take beside all that the sandbox may have in memory and on its disk, deleted
 * files that are open. Memory that forks share is written once for each: an image that does not fit
 * is an error like a full disk. */
#define IMAGE_EXTRA_BYTES (64 * WR_MIB)

struct wr_saving {
    struct wr_instance *instance;
    struct wr_job *job; /* owned */
    struct wr_saving_work work;
    bool thaw; /* a snapshot of one that ran */
    uint64_t frozen_since_us;
    struct wr_timer release; /* of one that is LEAVING */
    struct wr_saving_result times;
    uint64_t end_since_us; /* when it was killed */
};

struct wr_saving *wr_saving_free(struct wr_saving *saving)
{
    if (!saving)
        return NULL;
    wr_job_forget(saving->job);
    wr_timer_stop(&saving->release);
    wr_close(saving->work.snapshot_fd);
    wr_manifest_done(&saving->work.manifest);
    free(saving);
    return NULL;
}

static void free_saving_ptr(struct wr_saving **saving)
{
    *saving = wr_saving_free(*saving);
}

/* What is known before: everything but the image's files, and how long it took. */
static int describe(const struct wr_instance *instance, struct wr_manifest *manifest,
                    struct wr_error *err)
{
    const struct wr_driver *driver = instance->driver;
    struct wr_layer_names layers = {.count = 0};
    int rc = wr_kit_load_record(instance->kit, &manifest->spec, err);

    if (rc == 0)
        rc = wr_layer_names_read(instance->kit->upper_fd, &layers, err);
    if (rc == 0)
        rc = wr_snapshot_upper_usage(driver->snapshots, instance->kit->upper_fd,
                                     &manifest->files_bytes, err);
    if (rc < 0)
        return rc;
    manifest->spec.level = WR_LEVEL_RUNNING; /* as it will be when it goes on */
    manifest->spec.pause_reason[0] = '\0';
    manifest->created_ms = wr_wall_ms();
    manifest->host = driver->host;
    memcpy(manifest->layers, layers.names, sizeof(manifest->layers));
    manifest->layer_count = layers.count;
    return 0;
}

static int prepare(struct wr_instance *instance, const char *id, bool memory,
                   struct wr_saving **ret, struct wr_error *err)
{
    struct wr_driver *driver = instance->driver;
    WR_CLEANUP(free_saving_ptr) struct wr_saving *saving = wr_calloc(1, sizeof(*saving));

    if (!saving)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "save a sandbox");
    if (instance->state != WR_INSTANCE_RUNNING || instance->saving)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "sandbox %s is not in a state to be saved now",
                       instance->kit->id);
    saving->instance = instance;
    saving->work = (struct wr_saving_work){
        .driver = driver, .kit = instance->kit, .ns_fd = instance->ns_fd, .snapshot_fd = -1};
    struct wr_manifest *manifest = &saving->work.manifest;
    int rc = memory ? wr_native_checkpoint_check(driver, err) : 0;
    if (rc == 0)
        rc = describe(instance, manifest, err);
    if (rc < 0)
        return rc;
    memcpy(manifest->id, id, sizeof(manifest->id));
    manifest->memory = memory;
    manifest->own_files = !wr_streq(id, manifest->spec.id);
    if (manifest->own_files && wr_snapshot_check_limit(driver->snapshots, manifest->files_bytes,
                                                       manifest->spec.disk_bytes, err) < 0)
        rc = wr_wrap(err, "sandbox %s", manifest->spec.id);
    if (!manifest->own_files) /* what it may itself have been resumed from a moment ago */
        rc = wr_saved_drop_older(driver, id, manifest->spec.generation, err);
    if (rc == 0)
        rc = wr_snapshot_begin(driver->snapshots, id,
                               manifest->spec.memory_bytes + manifest->spec.disk_bytes +
                                   IMAGE_EXTRA_BYTES,
                               &saving->work.snapshot_fd, err);
    if (rc == 0)
        *ret = wr_steal_ptr(&saving);
    return rc;
}

/* ---- Jobs ---- */

struct job {
    const char *name;
    int (*run)(const void *arg, void *result, struct wr_error *err);
    void (*done)(void *data, const void *result, const struct wr_error *err);
    int lock_fd;
};

static int start_job(struct wr_saving *saving, const struct job *job, struct wr_error *err)
{
    struct wr_saving_fds fds;

    wr_saving_fds(&saving->work, &fds);
    return wr_job_start(saving->instance->driver->loop,
                        &(struct wr_job_spec){.run = job->run,
                                              .arg = &saving->work,
                                              .result_size = sizeof(struct wr_saving_result),
                                              .fds = fds.fds,
                                              .fd_count = fds.count,
                                              .lock_fd = job->lock_fd,
                                              .name = job->name,
                                              .done = job->done,
                                              .data = saving},
                        &saving->job, err);
}

/* After wr_kit_loosen(). */
static void tighten(const struct wr_saving *saving)
{
    struct wr_error err;

    if (wr_kit_apply(saving->instance->driver, saving->instance->kit, &saving->work.manifest.spec,
                     &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, "sandbox", saving->instance->kit->id, NULL);
}

static void abandon(const struct wr_saving *saving)
{
    struct wr_error err;

    tighten(saving);

    if (wr_snapshot_abandon(saving->instance->driver->snapshots, saving->work.manifest.id, &err) <
        0)
        wr_log(WR_LOG_WARN, err.msg, "snapshot", saving->work.manifest.id, NULL);
    wr_leftovers_collect(saving->instance->driver);
}

static void log_times(const struct wr_saving *saving, const char *what)
{
    const struct wr_saving_result *r = &saving->times;
    const struct {
        const char *name;
        uint64_t us;
    } rows[] = {{"dump", r->dump_us},
                {"copy", r->copy_us},
                {"hash", r->hash_us},
                {"commit", r->commit_us},
                {"frozen", saving->work.manifest.frozen_us},
                {"end", saving->end_since_us ? wr_mono_us() - saving->end_since_us : 0}};
    char text[160] = "";
    size_t used = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++)
        if (rows[i].us > 0 && used < sizeof(text))
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %llu.%llu ms",
                                     used ? ", " : "", rows[i].name,
                                     (unsigned long long)rows[i].us / 1000,
                                     (unsigned long long)rows[i].us / 100 % 10);
    wr_log(WR_LOG_INFO, what, "sandbox", saving->work.manifest.spec.id, "times", text, NULL);
}

/* ---- Hibernation ---- */

static void forget_saving(struct wr_instance *instance)
{
    instance->saving = wr_saving_free(instance->saving);
}

/* Its control group may take a moment; another sandbox of its name needs a new one. */
static void on_release(struct wr_timer *timer, void *data)
{
    (void)timer;
    wr_hibernation_end(data);
}

void wr_hibernation_end(struct wr_instance *instance)
{
    struct wr_saving *saving = instance->saving;
    struct wr_driver *driver = instance->driver;
    struct wr_error err;

    wr_source_remove(&instance->exit_source);
    wr_timer_stop(&instance->deadline);
    if (instance->kit) {
        wr_paging_forget(instance);
        instance->kit->has_upper = false; /* that is what stays */
        if (!wr_kit_release(driver, instance->kit)) {
            if (wr_timer_start(driver->loop, &saving->release, RELEASE_RETRY_MS, on_release,
                               instance, &err) < 0)
                wr_log(WR_LOG_ERROR, err.msg, NULL);
            return;
        }
        instance->kit = NULL;
    }
    saving = wr_steal_ptr(&instance->saving);
    const bool killed = instance->kill_wanted;
    void *owner = instance->owner;
    wr_instance_detach(instance);
    wr_leftovers_collect(driver);
    if (killed) {
        if (wr_saved_remove(driver, saving->work.manifest.id, &err) < 0)
            wr_log(WR_LOG_WARN, err.msg, "sandbox", saving->work.manifest.id, NULL);
        driver->callbacks.on_gone(owner, WR_GONE_KILLED);
    } else {
        struct wr_saved saved;
        log_times(saving, "hibernated");
        wr_saved_describe(&saving->work.manifest, saving->work.bytes, &saved);
        driver->callbacks.on_hibernated(owner, &saved, NULL);
    }
    wr_saving_free(saving);
}

static void on_hibernated(void *data, const void *result, const struct wr_error *error)
{
    struct wr_saving *saving = data;
    struct wr_instance *instance = saving->instance;

    saving->job = NULL;
    if (error) {
        abandon(saving);
        struct wr_error copy = *error;
        forget_saving(instance);
        if (wr_instance_lives(instance))
            instance->driver->callbacks.on_hibernated(instance->owner, NULL, &copy);
        else
            wr_instance_saving_over(instance);
        return;
    }
    const struct wr_saving_result *r = result;
    saving->work.bytes = r->bytes;
    saving->times = *r;
    wr_memory_learn(instance->driver->memory, &r->news);
    saving->end_since_us = wr_mono_us();
    instance->state = WR_INSTANCE_LEAVING;
    if (instance->exited)
        wr_hibernation_end(instance);
    else
        wr_instance_end(instance);
}

int wr_instance_hibernate(struct wr_instance *instance, bool memory, struct wr_error *err)
{
    struct wr_saving *saving = NULL;
    int rc = prepare(instance, instance->kit->id, memory, &saving, err);

    if (rc < 0)
        return rc;
    instance->saving = saving;
    rc = wr_kit_loosen(instance->kit, &saving->work.manifest.spec, err);
    if (rc == 0)
        rc = start_job(saving,
                       &(struct job){"wr-hibernate", wr_saving_hibernate, on_hibernated,
                                     instance->kit->upper_fd},
                       err);
    if (rc < 0) {
        abandon(saving);
        forget_saving(instance);
    }
    return rc;
}

/* ---- Snapshots ---- */

static void thaw(struct wr_saving *saving)
{
    struct wr_instance *instance = saving->instance;
    struct wr_error err;

    if (!saving->thaw)
        return;
    saving->thaw = false;
    if (wr_cgroup_freeze(instance->kit->cgroup, false, &err) < 0)
        wr_log(WR_LOG_ERROR, err.msg, "sandbox", instance->kit->id, NULL);
    saving->work.manifest.frozen_us = wr_mono_us() - saving->frozen_since_us;
}

static void snapshot_failed(struct wr_saving *saving, const struct wr_error *error)
{
    struct wr_instance *instance = saving->instance;
    struct wr_error copy = *error;

    abandon(saving);
    thaw(saving);
    forget_saving(instance);
    if (wr_instance_lives(instance))
        instance->driver->callbacks.on_snapshot(instance->owner, NULL, &copy);
    else
        wr_instance_saving_over(instance);
}

static void on_sealed(void *data, const void *result, const struct wr_error *error)
{
    struct wr_saving *saving = data;
    struct wr_instance *instance = saving->instance;
    struct wr_saved saved;

    saving->job = NULL;
    if (error) {
        snapshot_failed(saving, error);
        return;
    }
    const struct wr_saving_result *r = result;
    saving->times = *r;
    log_times(saving, "snapshot");
    (void)wr_steal_ptr(&instance->saving);
    wr_saved_describe(&saving->work.manifest, r->bytes, &saved);
    if (!instance->exited && !instance->kill_wanted)
        instance->driver->callbacks.on_snapshot(instance->owner, &saved, NULL);
    else
        wr_instance_saving_over(instance);
    wr_saving_free(saving);
}

/* The sandbox goes on; the rest is between the disk and us. */
static void on_captured(void *data, const void *result, const struct wr_error *error)
{
    struct wr_saving *saving = data;
    struct wr_error err;

    saving->job = NULL;
    if (error) {
        snapshot_failed(saving, error);
        return;
    }
    const struct wr_saving_result *r = result;
    saving->work.before = *r;
    wr_memory_learn(saving->instance->driver->memory, &r->news);
    saving->work.manifest.files_bytes = r->files_bytes;
    tighten(saving);
    thaw(saving);
    if (start_job(saving,
                  &(struct job){"wr-snapshot", wr_saving_seal, on_sealed, saving->work.snapshot_fd},
                  &err) < 0)
        snapshot_failed(saving, &err);
}

int wr_instance_snapshot(struct wr_instance *instance, const char *snapshot_id, bool memory,
                         struct wr_error *err)
{
    struct wr_saving *saving = NULL;
    struct wr_error ignored;
    int rc = prepare(instance, snapshot_id, memory, &saving, err);

    if (rc < 0)
        return rc;
    instance->saving = saving;
    /* Without a word in the record: whoever finds it frozen after a crash thaws it. One that is
     * paused stays so; but a record may be late, if the volume was full. */
    saving->thaw = !wr_cgroup_is_freezing(instance->kit->cgroup);
    saving->work.manifest.spec.paused_ms = 0;
    saving->frozen_since_us = wr_mono_us();
    if (saving->thaw)
        rc = wr_freeze_group(instance->kit->cgroup, err);
    if (rc == 0)
        rc = wr_kit_loosen(instance->kit, &saving->work.manifest.spec, err);
    if (rc == 0)
        rc = start_job(
            saving,
            &(struct job){"wr-capture", wr_saving_capture, on_captured, instance->kit->upper_fd},
            err);
    if (rc < 0) {
        abandon(saving);
        if (saving->thaw)
            (void)!wr_cgroup_freeze(instance->kit->cgroup, false, &ignored);
        forget_saving(instance);
    }
    return rc;
}
