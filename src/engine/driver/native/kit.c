#include "engine/driver/native/kit.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/rand.h"
#include "engine/action.h"
#include "engine/driver/native/layers.h"
#include "engine/driver/native/leftovers.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/slots.h"
#include "json/jread.h"
#include "log/log.h"

#define MAX_RECORD_BYTES (128 * 1024)

/* While a sandbox is dumped or restored: CRIU works in its processes, or is one of its group. */
#define EXTRA_MEMORY_BYTES (64 * WR_MIB)
#define EXTRA_PIDS         16

/* For a record, where the sandbox has left no room. */
#define RECORD_ROOM_BYTES (1 * WR_MIB)

static int make_upper(struct wr_driver *driver, struct wr_kit *kit, struct wr_error *err)
{
    kit->disk_bytes = WR_DISK_BYTES_DEFAULT;
    int rc = wr_volume_upper_new(driver->volume, kit->id, kit->disk_bytes, &kit->upper_fd, err);

    kit->has_upper = rc == 0; /* one that exists already belongs to somebody else */
    return rc;
}

static int take_slot(struct wr_driver *driver, struct wr_kit *kit, struct wr_error *err)
{
    int userns_fd = -1; /* the slots keep it */
    int rc = wr_slots_take(&driver->slots, &kit->slot, &userns_fd, err);

    kit->has_slot = rc == 0;
    return rc;
}

static int make_overlay(struct wr_driver *driver, struct wr_kit *kit, const int *layer_fds,
                        size_t layer_count, struct wr_error *err)
{
    const struct wr_overlay_opts opts = {.layer_fds = layer_fds,
                                         .layer_count = layer_count,
                                         .upper_parent_fd = kit->upper_fd,
                                         .userns_fd = driver->slots.userns_fds[kit->slot],
                                         .host_base = wr_slot_host_base(kit->slot)};

    return wr_overlay_mount(&driver->stage, &opts, &kit->overlay_fd, err);
}

static int make_cgroup(struct wr_driver *driver, struct wr_kit *kit, struct wr_error *err)
{
    kit->limits = (struct wr_cgroup_limits){.memory_max_bytes = WR_MEMORY_BYTES_DEFAULT,
                                            .cpu_millis = WR_CPU_MILLIS_DEFAULT,
                                            .pids_max = WR_PIDS_DEFAULT};
    return wr_cgroup_new(driver->cgroups, kit->id, &kit->limits, &kit->cgroup, err);
}

static struct wr_cgroup_limits limits_of(const struct wr_spec *spec)
{
    return (struct wr_cgroup_limits){.memory_max_bytes = spec->memory_bytes,
                                     .cpu_millis = (uint32_t)spec->cpu_millis,
                                     .pids_max = (uint32_t)spec->pids};
}

/* None of the processor: it would only make it take longer, and nothing of the sandbox runs. */
static struct wr_cgroup_limits loose_limits(const struct wr_spec *spec)
{
    return (struct wr_cgroup_limits){.memory_max_bytes = spec->memory_bytes + EXTRA_MEMORY_BYTES,
                                     .pids_max = (uint32_t)spec->pids + EXTRA_PIDS};
}

static struct wr_kit *alloc(const char *id, struct wr_error *err)
{
    struct wr_kit *kit = wr_calloc(1, sizeof(*kit));

    if (!kit) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "prepare a sandbox");
        return NULL;
    }
    kit->upper_fd = kit->overlay_fd = -1;
    if (id)
        memcpy(kit->id, id, sizeof(kit->id));
    else
        wr_random_id(kit->id, WR_ID_LEN);
    return kit;
}

int wr_kit_new(struct wr_native_template *t, const char *id, struct wr_kit **ret,
               struct wr_error *err)
{
    struct wr_layer_names layers;
    struct wr_kit *kit = alloc(id, err);

    if (!kit)
        return -err->code;
    wr_layer_names_of(t, &layers);
    int rc = make_upper(t->driver, kit, err);
    if (rc == 0)
        rc = wr_layer_names_write(kit->upper_fd, &layers, err);
    if (rc == 0)
        rc = take_slot(t->driver, kit, err);
    if (rc == 0)
        rc = make_overlay(t->driver, kit, t->layer_fds, t->layer_count, err);
    if (rc == 0)
        rc = make_cgroup(t->driver, kit, err);
    if (rc < 0) {
        wr_leftovers_add(t->driver, kit);
        return rc;
    }
    *ret = kit;
    return 0;
}

int wr_kit_for_saved(struct wr_driver *driver, const struct wr_spec *spec, bool restored,
                     struct wr_kit **ret, struct wr_error *err)
{
    struct wr_kit *kit = alloc(spec->id, err);

    if (!kit)
        return -err->code;
    kit->disk_bytes = spec->disk_bytes;
    kit->limits = restored ? loose_limits(spec) : limits_of(spec);
    int rc = take_slot(driver, kit, err);
    if (rc == 0)
        rc = wr_cgroup_new(driver->cgroups, kit->id, &kit->limits, &kit->cgroup, err);
    if (rc < 0) {
        wr_leftovers_add(driver, kit);
        return rc;
    }
    *ret = kit;
    return 0;
}

int wr_kit_mount(struct wr_driver *driver, struct wr_kit *kit, const struct wr_layer_names *layers,
                 struct wr_error *err)
{
    WR_CLEANUP(wr_layer_fds_close) struct wr_layer_fds fds = {.count = 0};
    int rc = wr_layer_fds_open(driver, layers, &fds, err);

    if (rc == 0)
        rc = make_overlay(driver, kit, fds.fds, fds.count, err);
    return rc ? rc : wr_layer_names_write(kit->upper_fd, layers, err);
}

int wr_kit_apply(struct wr_driver *driver, struct wr_kit *kit, const struct wr_spec *spec,
                 struct wr_error *err)
{
    const struct wr_cgroup_limits wanted = limits_of(spec);
    int rc = 0;

    if (wanted.memory_max_bytes != kit->limits.memory_max_bytes ||
        wanted.cpu_millis != kit->limits.cpu_millis || wanted.pids_max != kit->limits.pids_max)
        rc = wr_cgroup_set_limits(kit->cgroup, &wanted, err);
    if (rc == 0 && spec->disk_bytes != kit->disk_bytes)
        rc = wr_volume_upper_set_limit(driver->volume, kit->upper_fd, spec->disk_bytes, err);
    if (rc < 0)
        return rc;
    kit->limits = wanted;
    kit->disk_bytes = spec->disk_bytes;
    return 0;
}

int wr_kit_loosen(struct wr_kit *kit, const struct wr_spec *spec, struct wr_error *err)
{
    const struct wr_cgroup_limits wanted = loose_limits(spec);
    int rc = wr_cgroup_set_limits(kit->cgroup, &wanted, err);

    if (rc == 0)
        kit->limits = wanted;
    return rc;
}

/* Not durable on purpose: a running sandbox does not survive a power cut, its record need not
 * either. */
static int replace_record(const struct wr_kit *kit, const struct wr_buf *text)
{
    return wr_file_replace(kit->upper_fd, "state.json", wr_buf_ptr(text), text->len, 0600,
                           WR_VOLATILE);
}

int wr_kit_save_record(const struct wr_driver *driver, const struct wr_kit *kit,
                       const struct wr_spec *spec, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(MAX_RECORD_BYTES);
    uint64_t used = 0, limit = 0;
    struct wr_error ignored;
    int rc = wr_spec_write_record(spec, &text);

    if (rc == 0)
        rc = replace_record(kit, &text);
    if ((rc == -EDQUOT || rc == -ENOSPC) &&
        wr_volume_upper_usage(driver->volume, kit->upper_fd, &used, &limit, &ignored) == 0 &&
        wr_volume_upper_set_limit(driver->volume, kit->upper_fd,
                                  WR_MAX(used, limit) + RECORD_ROOM_BYTES, &ignored) == 0) {
        rc = replace_record(kit, &text);
        (void)!wr_volume_upper_set_limit(driver->volume, kit->upper_fd, limit, &ignored);
    }
    return rc < 0 ? wr_fail(err, wr_code_from_errno(-rc), -rc, "write the record of sandbox %s",
                            spec->id)
                  : 0;
}

int wr_kit_load_record(const struct wr_kit *kit, struct wr_spec *ret, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(MAX_RECORD_BYTES);
    wr_auto_json *json = NULL;
    int rc = wr_file_read(kit->upper_fd, "state.json", &text);

    if (rc < 0)
        return wr_fail(err, WR_E_NOT_FOUND, -rc, "read state.json");
    rc = wr_json_parse(wr_buf_ptr(&text), text.len, &json, err);
    return rc ? rc : wr_spec_read_record(json, ret, err);
}

bool wr_kit_release(struct wr_driver *driver, struct wr_kit *kit)
{
    struct wr_error err;

    kit->overlay_fd = wr_close(kit->overlay_fd);
    if (kit->cgroup) {
        if (wr_cgroup_remove(driver->cgroups, kit->id, &err) < 0) {
            (void)!wr_cgroup_kill(kit->cgroup, &err); /* whoever is in there came late */
            return false;
        }
        kit->cgroup = wr_cgroup_free(kit->cgroup);
    }
    kit->upper_fd = wr_close(kit->upper_fd);
    if (kit->has_upper && wr_volume_upper_remove(driver->volume, kit->id, &err) < 0) {
        static struct wr_log_limit limit;
        wr_log_limited(&limit, WR_LOG_WARN, err.msg, "sandbox", kit->id, NULL);
        return false;
    }
    if (kit->has_slot)
        wr_slots_release(&driver->slots, kit->slot);
    wr_list_remove(&kit->link);
    free(kit);
    return true;
}
