#include "engine/driver/native/recover.h"

#include <dirent.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "engine/driver/native/instance.h"
#include "engine/driver/native/leftovers.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/recover_saved.h"
#include "log/log.h"

#define NEST_PREFIX "nest-" /* wr_nest_cgroup_name() */

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

static void on_listed(const char *id, uint32_t slot, const struct wr_nest_sandbox *sandbox,
                      void *data)
{
    const struct adoption *adoption = data;
    struct wr_driver *driver = adoption->driver;
    struct wr_found found = {.id = id};
    struct wr_error err = {0};
    int rc = wr_found_load(driver, &found, &err);

    if (rc == 0 &&
        (found.spec.slot != slot || !is_nest_of(adoption->nest_name, found.spec.template_name)))
        rc = wr_fail(&err, WR_E_DATA_LOSS, 0, "the record of sandbox %s does not fit it", id);
    if (rc == 0)
        rc = wr_found_adopt(driver, &found, sandbox, adoption->nest, &err);
    else
        wr_found_close(sandbox);
    if (rc < 0)
        wr_log(WR_LOG_WARN, "a sandbox cannot be adopted and is killed", "sandbox", id, "reason",
               err.msg, NULL);
    wr_found_done(driver, &found);
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
        wr_kit_load_record(kit, &spec, &err) == 0 &&
        wr_slots_claim(&driver->slots, (uint32_t)spec.slot)) {
        kit->has_slot = true;
        kit->slot = (uint32_t)spec.slot;
    }
}

/* A leftover is removed like a kit: group, then upper directory; except for what a hibernated
 * sandbox has on the disk. */
static void remove_leftover(const char *name, void *data)
{
    struct wr_driver *driver = data;
    struct wr_cgroup *group = NULL;
    struct wr_error err;

    if (wr_starts_with(name, NEST_PREFIX))
        remove_nest(driver, name);
    if (!wr_id_valid(name) || is_adopted(driver, name) || is_leftover(driver, name))
        return;
    const bool hibernated = wr_saved_keeps_files(driver, name);
    if (hibernated && wr_cgroup_open(driver->cgroups, name, &group, &err) < 0) {
        (void)!wr_cgroup_remove(driver->cgroups, name, &err);
        return; /* no process, no slot */
    }
    wr_cgroup_free(group);
    struct wr_kit *kit = wr_calloc(1, sizeof(*kit));
    if (!kit)
        return; /* the next start removes it */
    kit->upper_fd = kit->overlay_fd = -1;
    kit->has_upper = !hibernated;
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
    wr_recover_jobs(driver);
    adopt_nests(driver);
    int rc = wr_cgroup_root_list(driver->cgroups, wr_recover_restored, driver, err);
    if (rc == 0)
        rc = wr_cgroup_root_list(driver->cgroups, remove_leftover, driver, err);
    if (rc == 0)
        rc = wr_volume_upper_list(driver->volume, remove_leftover, driver, err);
    if (rc == 0)
        rc = wr_recover_saved(driver, err);
    wr_leftovers_collect(driver); /* nests of another version that have no sandbox */
    return rc;
}
