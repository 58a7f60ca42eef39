#include "engine/driver/native/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "engine/driver/native/instance.h"
#include "engine/driver/native/leftovers.h"
#include "engine/driver/native/native.h"
#include "json/jread.h"
#include "log/log.h"
#include "sys/syscall.h"

#define MAX_RECORD_BYTES (128 * 1024)
#define NEST_PREFIX      "nest-" /* wr_nest_cgroup_name() */

static int read_record(int upper_fd, struct wr_spec *spec, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(MAX_RECORD_BYTES);
    wr_auto_json *json = NULL;
    int rc = wr_file_read(upper_fd, "state.json", &text);

    if (rc < 0)
        return wr_fail(err, WR_E_NOT_FOUND, -rc, "read state.json");
    rc = wr_json_parse(wr_buf_ptr(&text), text.len, &json, err);
    return rc ? rc : wr_spec_read_record(json, spec, err);
}

/* Whose list is read. */
struct adoption {
    struct wr_driver *driver;
    struct wr_nest_link *nest;
    const char *nest_name;
};

/* A nest answers for sandboxes of its own template only. */
static bool is_nest_of(const char *nest_name, const char *template_name)
{
    size_t len = strlen(template_name);

    return strncmp(nest_name, template_name, len) == 0 && nest_name[len] == '.' &&
           !strchr(nest_name + len + 1, '.');
}

/* The kit of a sandbox that lives. The record decides, not what the nest says. */
static int rebuild_kit(const struct adoption *adoption, const char *id, uint32_t slot,
                       struct wr_kit *kit, struct wr_spec *spec, struct wr_error *err)
{
    struct wr_driver *driver = adoption->driver;
    int rc = wr_volume_upper_open(driver->volume, id, &kit->upper_fd, err);

    if (rc == 0)
        rc = read_record(kit->upper_fd, spec, err);
    if (rc == 0 && (!wr_streq(spec->id, id) || spec->slot != slot ||
                    !is_nest_of(adoption->nest_name, spec->template_name)))
        rc = wr_fail(err, WR_E_DATA_LOSS, 0, "the record of sandbox %s does not fit it", id);
    if (rc == 0 && !wr_slots_claim(&driver->slots, slot))
        rc = wr_fail(err, WR_E_DATA_LOSS, 0, "slot %u of sandbox %s is taken", slot, id);
    if (rc < 0)
        return rc;
    kit->has_slot = kit->has_upper = true;
    kit->slot = slot;
    kit->disk_bytes = spec->disk_bytes;
    kit->limits = (struct wr_cgroup_limits){spec->memory_bytes, (uint32_t)spec->cpu_millis,
                                            (uint32_t)spec->pids};
    return wr_cgroup_open(driver->cgroups, id, &kit->cgroup, err);
}

static void on_listed(const char *id, uint32_t slot, const struct wr_nest_sandbox *sandbox,
                      void *data)
{
    const struct adoption *adoption = data;
    struct wr_driver *driver = adoption->driver;
    struct wr_error err = {0};
    struct wr_spec spec = {0};
    struct wr_instance *instance = NULL;
    struct wr_kit *kit = wr_calloc(1, sizeof(*kit));
    int rc = -WR_E_RESOURCE_EXHAUSTED;

    if (kit) {
        kit->upper_fd = kit->overlay_fd = -1;
        (void)!wr_strcopy(kit->id, sizeof(kit->id), id);
        rc = rebuild_kit(adoption, id, slot, kit, &spec, &err);
    }
    if (rc < 0) {
        wr_log(WR_LOG_WARN, "a sandbox cannot be adopted and is killed", "sandbox", id, "reason",
               err.msg, NULL);
        wr_close(sandbox->pidfd);
        wr_close(sandbox->ns_fd);
        if (kit && kit->has_slot)
            wr_slots_release(&driver->slots, kit->slot);
        if (kit) {
            wr_close(kit->upper_fd);
            wr_cgroup_free(kit->cgroup);
        }
        free(kit);
        wr_spec_done(&spec);
        return;
    }
    if (wr_instance_adopt(driver, kit, sandbox, &instance, &err) == 0) {
        instance->nest = adoption->nest;
        instance->owner = driver->callbacks.on_found(driver->callbacks.data, &spec, instance);
        if (!instance->owner)
            wr_instance_kill(instance);
    } else {
        wr_log(WR_LOG_WARN, "a sandbox cannot be adopted and is killed", "sandbox", id, "reason",
               err.msg, NULL);
        /* Its kit is gone; as a leftover it claims the slot again. */
        wr_slots_release(&driver->slots, slot);
    }
    wr_spec_done(&spec);
}

static bool is_adopted(const struct wr_driver *driver, const char *name)
{
    wr_list_foreach(it, &driver->instances) {
        if (wr_streq(wr_list_entry(it, struct wr_instance, link)->kit->id, name))
            return true;
    }
    return false;
}

static bool is_leftover(const struct wr_driver *driver, const char *name)
{
    wr_list_foreach(it, &driver->leftovers) {
        if (wr_streq(wr_list_entry(it, struct wr_kit, link)->id, name))
            return true;
    }
    return false;
}

/* Its sandboxes are adopted; the nest is kept for new ones of its template, or until its last one
 * ends (another version's). */
static void adopt_nest(struct wr_driver *driver, const char *name)
{
    struct wr_error err = {0};
    struct wr_nest_link *nest = NULL;
    int rc = wr_nest_link_connect(driver, name, &nest, &err);

    if (rc == 0)
        rc = wr_nest_link_list(nest, on_listed, &(struct adoption){driver, nest, name}, &err);
    if (rc == 0)
        rc = wr_native_template_keep(driver, name, nest, &err);
    if (rc < 0) {
        wr_log(WR_LOG_INFO, "a nest is gone and is cleaned up", "nest", name, "reason", err.msg,
               NULL);
        wr_instances_forget_nest(driver, nest);
        wr_nest_link_free(nest);
        wr_nest_kill(driver, name);
    }
}

static void adopt_nests(struct wr_driver *driver)
{
    wr_auto_free char *path = wr_asprintf("%s/nests", driver->run_dir);
    DIR *dir = path ? opendir(path) : NULL;
    struct dirent *entry;
    char name[WR_NEST_NAME_MAX];

    while (dir && (entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);
        if (len <= 5 || len - 5 >= sizeof(name) || !wr_ends_with(entry->d_name, ".sock"))
            continue;
        memcpy(name, entry->d_name, len - 5);
        name[len - 5] = '\0';
        adopt_nest(driver, name);
    }
    if (dir)
        closedir(dir);
}

static bool nest_is_adopted(const struct wr_driver *driver, const char *nest_name)
{
    wr_list_foreach(it, &driver->templates) {
        if (wr_streq(wr_list_entry(it, struct wr_native_template, link)->nest_name, nest_name))
            return true;
    }
    return false;
}

/* The group of a nest that was not adopted, with what is in it. */
static void remove_nest(struct wr_driver *driver, const char *group)
{
    const char *nest_name = group + strlen(NEST_PREFIX);
    struct wr_error err;

    if (nest_is_adopted(driver, nest_name))
        return;
    wr_log(WR_LOG_INFO, "removing a leftover nest", "nest", nest_name, NULL);
    if (wr_nest_bury(driver, nest_name, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, NULL);
}

/* Its slot rests until its last process and file are gone, like everybody's. */
static void claim_slot(struct wr_driver *driver, struct wr_kit *kit)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0};
    struct wr_error err;

    if (wr_volume_upper_open(driver->volume, kit->id, &kit->upper_fd, &err) == 0 &&
        read_record(kit->upper_fd, &spec, &err) == 0 &&
        wr_slots_claim(&driver->slots, (uint32_t)spec.slot)) {
        kit->has_slot = true;
        kit->slot = (uint32_t)spec.slot;
    }
}

/* A leftover is removed like a kit: group, then upper directory. */
static void remove_leftover(const char *name, void *data)
{
    struct wr_driver *driver = data;
    struct wr_error err;

    if (wr_starts_with(name, NEST_PREFIX))
        remove_nest(driver, name);
    if (!wr_id_valid(name) || is_adopted(driver, name) || is_leftover(driver, name))
        return;
    struct wr_kit *kit = wr_calloc(1, sizeof(*kit));
    if (!kit)
        return; /* the next start removes it */
    kit->upper_fd = kit->overlay_fd = -1;
    kit->has_upper = true;
    (void)!wr_strcopy(kit->id, sizeof(kit->id), name);
    claim_slot(driver, kit);
    if (wr_cgroup_open(driver->cgroups, name, &kit->cgroup, &err) == 0)
        (void)!wr_cgroup_kill(kit->cgroup, &err);
    else
        (void)!wr_cgroup_remove(driver->cgroups, name,
                                &err); /* one that only some hierarchies have */
    wr_log(WR_LOG_INFO, "removing a leftover", "sandbox", name, NULL);
    wr_leftovers_add(driver, kit);
}

int wr_native_recover(struct wr_driver *driver, struct wr_error *err)
{
    adopt_nests(driver);
    int rc = wr_cgroup_root_list(driver->cgroups, remove_leftover, driver, err);
    if (rc == 0)
        rc = wr_volume_upper_list(driver->volume, remove_leftover, driver, err);
    wr_leftovers_collect(driver); /* nests of another version that have no sandbox */
    return rc;
}
