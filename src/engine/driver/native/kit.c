#include "engine/driver/native/kit.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/rand.h"
#include "engine/action.h"
#include "engine/driver/native/leftovers.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/slots.h"
#include "log/log.h"

#define MAX_RECORD_BYTES (128 * 1024)

static int make_upper(struct wr_driver *driver, struct wr_kit *kit, struct wr_error *err)
{
    kit->disk_bytes = WR_DISK_BYTES_DEFAULT;
    int rc = wr_volume_upper_new(driver->volume, kit->id, kit->disk_bytes, &kit->upper_fd, err);

    kit->has_upper = rc == 0; /* one that exists already belongs to somebody else */
    return rc;
}

static int make_overlay(struct wr_native_template *t, struct wr_kit *kit, struct wr_error *err)
{
    struct wr_driver *driver = t->driver;
    struct wr_overlay_opts opts = {
        .layer_fds = t->layer_fds, .layer_count = t->layer_count, .upper_parent_fd = kit->upper_fd};
    int rc = wr_slots_take(&driver->slots, &kit->slot, &opts.userns_fd, err);

    if (rc < 0)
        return rc;
    kit->has_slot = true;
    opts.host_base = wr_slot_host_base(kit->slot);
    return wr_overlay_mount(&driver->stage, &opts, &kit->overlay_fd, err);
}

static int make_cgroup(struct wr_driver *driver, struct wr_kit *kit, struct wr_error *err)
{
    kit->limits = (struct wr_cgroup_limits){.memory_max_bytes = WR_MEMORY_BYTES_DEFAULT,
                                            .cpu_millis = WR_CPU_MILLIS_DEFAULT,
                                            .pids_max = WR_PIDS_DEFAULT};
    return wr_cgroup_new(driver->cgroups, kit->id, &kit->limits, &kit->cgroup, err);
}

int wr_kit_new(struct wr_native_template *t, const char *id, struct wr_kit **ret,
               struct wr_error *err)
{
    struct wr_kit *kit = wr_calloc(1, sizeof(*kit));

    if (!kit)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "prepare a sandbox");
    kit->upper_fd = kit->overlay_fd = -1;
    if (id)
        memcpy(kit->id, id, sizeof(kit->id));
    else
        wr_random_id(kit->id, WR_ID_LEN);
    int rc = make_upper(t->driver, kit, err);
    if (rc == 0)
        rc = make_overlay(t, kit, err);
    if (rc == 0)
        rc = make_cgroup(t->driver, kit, err);
    if (rc < 0) {
        wr_leftovers_add(t->driver, kit);
        return rc;
    }
    *ret = kit;
    return 0;
}

int wr_kit_apply(struct wr_driver *driver, struct wr_kit *kit, const struct wr_spec *spec,
                 struct wr_error *err)
{
    const struct wr_cgroup_limits wanted = {.memory_max_bytes = spec->memory_bytes,
                                            .cpu_millis = (uint32_t)spec->cpu_millis,
                                            .pids_max = (uint32_t)spec->pids};
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

int wr_kit_save_record(const struct wr_kit *kit, const struct wr_spec *spec, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(MAX_RECORD_BYTES);
    int rc = wr_spec_write_record(spec, &text);

    /* Not durable on purpose: a running sandbox does not survive a power cut, its record need not
     * either. */
    if (rc == 0)
        rc = wr_file_replace(kit->upper_fd, "state.json", wr_buf_ptr(&text), text.len, 0600,
                             WR_VOLATILE);
    return rc < 0 ? wr_fail(err, WR_E_INTERNAL, -rc, "write the record of sandbox %s", spec->id)
                  : 0;
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
