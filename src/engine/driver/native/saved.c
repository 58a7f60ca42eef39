#include "engine/driver/native/saved.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "engine/driver/native/damaged.h"
#include "engine/driver/native/instance.h"
#include "engine/driver/native/leftovers.h"
#include "engine/driver/native/native.h"
#include "log/log.h"

void wr_saved_describe(const struct wr_manifest *manifest, uint64_t bytes, struct wr_saved *ret)
{
    *ret = (struct wr_saved){.spec = &manifest->spec,
                             .memory = manifest->memory,
                             .bytes = bytes,
                             .created_ms = manifest->created_ms,
                             .frozen_us = manifest->frozen_us};
    memcpy(ret->id, manifest->id, sizeof(ret->id));
    memcpy(ret->source, manifest->source, sizeof(ret->source));
}

bool wr_saved_is_hibernated(const struct wr_manifest *manifest)
{
    return wr_streq(manifest->id, manifest->spec.id);
}

int wr_saved_mounts(const struct wr_spec *spec, const char *directory, struct wr_criu_mount *ret,
                    struct wr_error *err)
{
    _Static_assert(WR_ACTION_MAX_VOLUMES <= WR_CRIU_MAX_MOUNTS, "one mount for each volume");

    for (size_t i = 0; i < spec->share_count; i++) {
        ret[i] = (struct wr_criu_mount){.host = ""};
        if (!wr_strcopy(ret[i].inside, sizeof(ret[i].inside), spec->shares[i].path) ||
            !wr_strformat(ret[i].name, sizeof(ret[i].name), "vol%zu", i) ||
            (directory &&
             !wr_strformat(ret[i].host, sizeof(ret[i].host), "%s/vol%zu", directory, i)))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the path of a volume is too long");
    }
    return 0;
}

int wr_saved_drop_older(struct wr_driver *driver, const char *id, uint64_t generation,
                        struct wr_error *err)
{
    WR_CLEANUP(wr_manifest_done) struct wr_manifest manifest = {.files = NULL};
    int rc = wr_snapshot_load(driver->snapshots, id, &manifest, NULL, err);

    if (rc == -WR_E_NOT_FOUND)
        return 0;
    if (rc == 0 && manifest.spec.generation >= generation)
        return wr_fail(err, WR_E_INTERNAL, 0, "sandbox %s is hibernated already", id);
    /* One that cannot be read is older, too: this one lives. */
    if (rc == 0 || rc == -WR_E_DATA_LOSS)
        rc = wr_snapshot_remove(driver->snapshots, id, err);
    return rc;
}

/* Of the sandbox as it lives or was saved, whichever is higher. */
static uint64_t generation_of(struct wr_driver *driver, const struct wr_spec *spec,
                              struct wr_manifest *scratch)
{
    uint64_t generation = spec->generation;
    struct wr_error err;

    if (wr_snapshot_load(driver->snapshots, spec->id, scratch, NULL, &err) == 0) {
        generation = WR_MAX(generation, scratch->spec.generation);
        wr_manifest_done(scratch);
    }
    wr_list_foreach(it, &driver->instances) {
        const struct wr_instance *instance = wr_list_entry(it, struct wr_instance, link);
        WR_CLEANUP(wr_spec_done) struct wr_spec record = {0};
        if (wr_streq(instance->kit->id, spec->id) &&
            wr_kit_load_record(instance->kit, &record, &err) == 0)
            generation = WR_MAX(generation, record.generation);
    }
    return generation;
}

/* A manifest without anything else that says: as in that snapshot. */
static int commit_rebased(struct wr_driver *driver, struct wr_manifest *manifest,
                          struct wr_error *err)
{
    wr_auto_close int dir = -1;
    struct wr_error ignored;
    int rc = wr_snapshot_begin_over(driver->snapshots, manifest->id, WR_MIB, &dir, err);

    if (rc == 0)
        rc = wr_snapshot_commit(driver->snapshots, dir, manifest, err);
    if (rc < 0)
        (void)!wr_snapshot_abandon(driver->snapshots, manifest->id, &ignored);
    return rc;
}

int wr_saved_rebase(struct wr_driver *driver, const struct wr_spec *spec, const char *snapshot_id,
                    struct wr_saved *ret, struct wr_error *err)
{
    WR_CLEANUP(wr_manifest_done) struct wr_manifest manifest = {.files = NULL};
    const uint64_t generation = generation_of(driver, spec, &manifest);
    int rc = wr_snapshot_load(driver->snapshots, snapshot_id, &manifest, NULL, err);

    if (rc == 0 && !manifest.own_files)
        rc = wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "%s is not a snapshot", snapshot_id);
    if (rc == 0 &&
        wr_snapshot_check_limit(driver->snapshots, manifest.files_bytes, spec->disk_bytes, err) < 0)
        rc = wr_wrap(err, "snapshot %s", snapshot_id);
    if (rc < 0)
        return rc;
    memcpy(manifest.id, spec->id, sizeof(manifest.id));
    memcpy(manifest.spec.id, spec->id, sizeof(manifest.spec.id));
    memcpy(manifest.source, snapshot_id, sizeof(manifest.source));
    manifest.spec.created_ms = spec->created_ms;
    manifest.spec.generation = generation;
    manifest.spec.paused_ms = wr_wall_ms();
    manifest.own_files = false;
    wr_free_ptr(&manifest.files); /* those stay the snapshot's */
    manifest.files = NULL;
    manifest.file_count = 0;
    manifest.memory_files.count = 0;
    manifest.image_bytes = manifest.files_bytes = 0;
    rc = commit_rebased(driver, &manifest, err);
    if (rc < 0)
        return rc;
    wr_leftovers_collect(driver);
    wr_saved_describe(&manifest, 0, ret);
    ret->spec = NULL;
    return 0;
}

int wr_saved_remove(struct wr_driver *driver, const char *id, struct wr_error *err)
{
    WR_CLEANUP(wr_manifest_done) struct wr_manifest manifest = {.files = NULL};
    int rc = wr_snapshot_load(driver->snapshots, id, &manifest, NULL, err);

    if (rc < 0 && rc != -WR_E_DATA_LOSS)
        return rc;
    const bool hibernated = rc < 0 || wr_saved_is_hibernated(&manifest);
    /* In this order: files without a manifest are removed by whoever finds them. */
    rc = wr_snapshot_remove(driver->snapshots, id, err);
    if (rc == 0 && hibernated)
        rc = wr_volume_upper_remove(driver->volume, id, err);
    wr_leftovers_collect(driver);
    return rc;
}

/* ---- Lists ---- */

struct walk {
    struct wr_driver *driver;
    const char *after;
    size_t max, count;
    bool more;
    void (*fn)(const struct wr_saved *saved, void *data);
    void *data;
};

static uint64_t bytes_of(struct wr_driver *driver, const struct wr_manifest *manifest)
{
    uint64_t bytes = 0;
    struct wr_error err;

    if (wr_snapshot_usage(driver->snapshots, manifest->id, &bytes, &err) < 0)
        bytes = manifest->image_bytes;
    return manifest->own_files ? bytes : bytes + manifest->files_bytes;
}

/* One whose manifest cannot be read is listed, too: what is not listed is taken for lost. */
static bool read_snapshot(struct wr_driver *driver, const char *id, struct wr_manifest *ret)
{
    static struct wr_log_limit limit;
    struct wr_error err, ignored;

    if (wr_snapshot_load(driver->snapshots, id, ret, NULL, &err) == 0)
        return !wr_saved_is_hibernated(ret);
    if (wr_damaged_load(driver, id, ret, &ignored) != -WR_E_NOT_FOUND)
        return false;
    wr_log_limited(&limit, WR_LOG_WARN, err.msg, "snapshot", id, NULL);
    return wr_strcopy(ret->id, sizeof(ret->id), id);
}

static void on_snapshot(const char *id, void *data)
{
    WR_CLEANUP(wr_manifest_done) struct wr_manifest manifest = {.files = NULL};
    struct walk *walk = data;
    struct wr_saved saved;

    if (walk->more || strcmp(id, walk->after) <= 0 || !read_snapshot(walk->driver, id, &manifest))
        return;
    if (walk->count == walk->max) {
        walk->more = true;
        return;
    }
    walk->count++;
    wr_saved_describe(&manifest, bytes_of(walk->driver, &manifest), &saved);
    walk->fn(&saved, walk->data);
}

int wr_saved_list(struct wr_driver *driver, const char *after, size_t max,
                  void (*fn)(const struct wr_saved *saved, void *data), void *data, bool *ret_more,
                  struct wr_error *err)
{
    struct walk walk = {.driver = driver, .after = after, .max = max, .fn = fn, .data = data};
    int rc = wr_snapshots_list(driver->snapshots, false, on_snapshot, &walk, err);

    if (rc == 0)
        *ret_more = walk.more;
    return rc;
}

static bool lives(const struct wr_driver *driver, const char *id)
{
    wr_list_foreach(it, &driver->instances) {
        if (wr_streq(wr_list_entry(it, struct wr_instance, link)->kit->id, id))
            return true;
    }
    return false;
}

static bool has_files(struct wr_driver *driver, const struct wr_manifest *manifest)
{
    struct wr_error err;
    wr_auto_close int fd = -1;

    return manifest->source[0] ||
           wr_volume_upper_open(driver->volume, manifest->id, &fd, &err) == 0;
}

static void report(const char *id, void *data)
{
    WR_CLEANUP(wr_manifest_done) struct wr_manifest manifest = {.files = NULL};
    struct wr_driver *driver = data;
    struct wr_saved saved;
    struct wr_error err, ignored;

    if (lives(driver, id))
        return;
    int rc = wr_snapshot_load(driver->snapshots, id, &manifest, NULL, &err);
    if (rc == 0 && !wr_saved_is_hibernated(&manifest))
        return;
    if (rc == 0 && !has_files(driver, &manifest))
        rc = wr_fail(&err, WR_E_DATA_LOSS, 0, "the files of a hibernated sandbox are missing");
    if (rc < 0) {
        wr_log(WR_LOG_ERROR, err.msg, "snapshot", id, NULL);
        if (wr_damaged_load(driver, id, &manifest, &ignored) < 0)
            return;
        manifest.memory = true; /* who wants less than that has to say so */
    }
    wr_saved_describe(&manifest, bytes_of(driver, &manifest), &saved);
    driver->callbacks.on_found_saved(driver->callbacks.data, &saved);
}

int wr_saved_report(struct wr_driver *driver, struct wr_error *err)
{
    return wr_snapshots_list(driver->snapshots, false, report, driver, err);
}
