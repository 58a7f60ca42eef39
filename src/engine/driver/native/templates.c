#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "engine/driver/native/instance.h"
#include "engine/driver/native/kit.h"
#include "engine/driver/native/layers.h"
#include "engine/driver/native/leftovers.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/nest_link.h"
#include "engine/driver/native/nest_start.h"
#include "log/log.h"
#include "template/kept.h"

static void drop_nest(struct wr_native_template *t)
{
    wr_native_zygote_drop(t);
    wr_instances_forget_nest(t->driver, t->nest);
    t->nest = wr_nest_link_free(t->nest);
}

void wr_native_template_free(struct wr_native_template *t)
{
    wr_list_remove(&t->link);
    drop_nest(t);
    for (size_t i = 0; i < t->layer_count; i++)
        wr_close(t->layer_fds[i]);
    wr_template_done(&t->t);
    free(t);
}

/* Kept first and looked at then, so that whoever removes the template meanwhile either sees that
 * they are kept or is seen here. */
static int keep_layers(struct wr_driver *driver, const struct wr_layer_names *names,
                       const char *template_name, struct wr_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < names->count; i++)
        rc = wr_layer_keep(driver->data_dirfd, names->names[i], err);
    if (rc == 0 && wr_native_manifest_version(driver, template_name) == 0)
        rc = wr_fail(err, WR_E_NOT_FOUND, 0, "template %s was removed", template_name);
    return rc;
}

static int open_layers(struct wr_driver *driver, struct wr_native_template *t, struct wr_error *err)
{
    struct wr_layer_names names;
    struct wr_layer_fds fds;

    wr_layer_names_of(t, &names);
    int rc = keep_layers(driver, &names, t->t.name, err);
    if (rc == 0)
        rc = wr_layer_fds_open(driver, &names, &fds, err);
    if (rc < 0)
        return wr_wrap(err, "template %s", t->t.name);
    memcpy(t->layer_fds, fds.fds, fds.count * sizeof(fds.fds[0]));
    t->layer_count = fds.count;
    t->layers_id = wr_layer_names_id(&names);
    return 0;
}

static int load(struct wr_driver *driver, const char *name, struct wr_native_template **ret,
                struct wr_error *err)
{
    struct wr_native_template *t = wr_calloc(1, sizeof(*t));

    if (!t)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "load a template");
    t->driver = driver;
    wr_list_init(&t->kits);
    int rc = wr_template_load(driver->data_dirfd, name, &t->t, err);
    if (rc == 0 &&
        !wr_strformat(t->nest_name, sizeof(t->nest_name), "%s.%s", name, driver->program_hash))
        rc = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the template name %s is too long", name);
    if (rc == 0)
        rc = open_layers(driver, t, err);
    if (rc < 0) {
        wr_native_template_free(t);
        return rc;
    }
    wr_list_append(&driver->templates, &t->link);
    *ret = t;
    return 0;
}

/* Cuts ".<hash>" off; false when there is none. */
static bool split_nest_name(const char *nest_name, char *name, size_t cap, const char **ret_hash)
{
    const char *dot = strrchr(nest_name, '.');
    size_t len = dot ? (size_t)(dot - nest_name) : 0;

    if (len == 0 || len >= cap || strlen(dot + 1) != WR_NEST_HASH_LEN)
        return false;
    memcpy(name, nest_name, len);
    name[len] = '\0';
    *ret_hash = dot + 1;
    return true;
}

int wr_native_template_keep(struct wr_driver *driver, const char *nest_name,
                            struct wr_nest_link *nest, struct wr_error *err)
{
    struct wr_native_template *t = wr_calloc(1, sizeof(*t));
    const char *hash = NULL;

    if (!t || !wr_strcopy(t->nest_name, sizeof(t->nest_name), nest_name) ||
        !split_nest_name(nest_name, t->t.name, sizeof(t->t.name), &hash)) {
        free(t);
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "\"%s\" is not the name of a nest",
                       nest_name);
    }
    t->driver = driver;
    t->nest = nest;
    t->retired = !wr_streq(hash, driver->program_hash);
    /* Its old zygote is removed like everything that is not known, and it gets no other. */
    int rc = t->retired ? wr_nest_link_no_zygote(nest, err) : 0;
    if (rc < 0) {
        free(t);
        return rc;
    }
    wr_list_init(&t->kits);
    wr_list_append(&driver->templates, &t->link);
    return 0;
}

static bool has_instances(const struct wr_native_template *t)
{
    wr_list_foreach(it, &t->driver->instances) {
        if (wr_list_entry(it, struct wr_instance, link)->nest == t->nest)
            return true;
    }
    return false;
}

bool wr_native_retired_collect(struct wr_driver *driver)
{
    char group[96];
    struct wr_error err;
    bool more = false;

    wr_list_foreach(it, &driver->templates) {
        struct wr_native_template *t = wr_list_entry(it, struct wr_native_template, link);
        if (!t->retired || (t->nest && has_instances(t)))
            continue;
        if (t->nest) {
            drop_nest(t);
            wr_nest_kill(driver, t->nest_name);
        }
        if (wr_nest_cgroup_name(t->nest_name, group, sizeof(group), &err) == 0 &&
            wr_cgroup_remove(driver->cgroups, group, &err) < 0)
            more = true;
        else
            wr_native_template_free(t);
    }
    return more;
}

/* A manifest is replaced by rename, so inode and time of writing tell whether it is the one that
 * was read. */
uint64_t wr_native_manifest_version(const struct wr_driver *driver, const char *name)
{
    char path[96];
    struct stat st;

    if (!wr_strformat(path, sizeof(path), "templates/%s.json", name) ||
        fstatat(driver->data_dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return (uint64_t)st.st_ino * 1000000007u + (uint64_t)st.st_mtim.tv_sec * 1000000000u +
           (uint64_t)st.st_mtim.tv_nsec;
}

static bool same_layers(const struct wr_template *a, const struct wr_template *b)
{
    if (a->layer_count != b->layer_count)
        return false;
    for (size_t i = 0; i < a->layer_count; i++)
        if (!wr_streq(a->layers[i], b->layers[i]))
            return false;
    return true;
}

/* Ready kits, zygote and open layers, for a template that was removed or made of others. */
static void drop_layers(struct wr_native_template *t)
{
    wr_native_zygote_drop(t);
    wr_list_foreach(it, &t->kits)
        wr_leftovers_add(t->driver, wr_list_entry(it, struct wr_kit, link));
    t->kit_count = 0;
    while (t->layer_count > 0)
        wr_close(t->layer_fds[--t->layer_count]);
    t->manifest_version = 0;
}

/* A template that was made again since: its kits are of the old layers. The nest has nothing of the
 * template and stays. */
static int refresh(struct wr_native_template *t, struct wr_error *err)
{
    struct wr_template now = {0};
    uint64_t version = wr_native_manifest_version(t->driver, t->t.name);

    if (version != 0 && version == t->manifest_version)
        return 0;
    int rc = wr_template_load(t->driver->data_dirfd, t->t.name, &now, err);

    if (rc < 0) {
        drop_layers(t);
        return rc;
    }
    /* Only the layers are in the kits; the rest is read at each start. */
    if (t->layer_count == 0 || !same_layers(&t->t, &now))
        drop_layers(t);
    wr_template_done(&t->t);
    t->t = now;
    rc = t->layer_count == 0 ? open_layers(t->driver, t, err) : 0;
    if (rc < 0)
        drop_layers(t);
    else
        t->manifest_version = version;
    return rc;
}

static struct wr_native_template *find(struct wr_driver *driver, const char *name)
{
    wr_list_foreach(it, &driver->templates) {
        struct wr_native_template *t = wr_list_entry(it, struct wr_native_template, link);
        if (!t->retired && wr_streq(t->t.name, name))
            return t;
    }
    return NULL;
}

static int nest_of(struct wr_driver *driver, struct wr_native_template *t, struct wr_error *err)
{
    if (wr_nest_link_check(t->nest))
        return 0;
    drop_nest(t);
    return wr_nest_link_open(driver, t->nest_name, &t->nest, err);
}

int wr_native_template_get(struct wr_driver *driver, const char *name,
                           struct wr_native_template **ret, struct wr_error *err)
{
    struct wr_native_template *t = find(driver, name);
    int rc = t ? refresh(t, err) : load(driver, name, &t, err);

    if (rc < 0)
        return rc;
    rc = nest_of(driver, t, err);
    if (rc == 0)
        *ret = t;
    return rc;
}

/* As after a restart: an entry for a nest, whose layers are opened when the template is asked for.
 */
static int add_bare(struct wr_driver *driver, const char *name, struct wr_native_template **ret,
                    struct wr_error *err)
{
    struct wr_native_template *t = wr_calloc(1, sizeof(*t));

    if (!t || !wr_strcopy(t->t.name, sizeof(t->t.name), name) ||
        !wr_strformat(t->nest_name, sizeof(t->nest_name), "%s.%s", name, driver->program_hash)) {
        free(t);
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the template name %s is too long", name);
    }
    t->driver = driver;
    wr_list_init(&t->kits);
    wr_list_append(&driver->templates, &t->link);
    *ret = t;
    return 0;
}

int wr_native_template_nest(struct wr_driver *driver, const char *name, struct wr_nest_link **ret,
                            struct wr_error *err)
{
    struct wr_native_template *t = find(driver, name);
    int rc = t ? 0 : add_bare(driver, name, &t, err);

    if (rc == 0)
        rc = nest_of(driver, t, err);
    if (rc == 0)
        *ret = t->nest;
    return rc;
}

void wr_native_templates_prepare(struct wr_driver *driver)
{
    struct wr_error err;

    wr_list_foreach(it, &driver->templates) {
        struct wr_native_template *t = wr_list_entry(it, struct wr_native_template, link);
        if (!t->retired && refresh(t, &err) < 0)
            wr_log(WR_LOG_INFO, err.msg, "template", t->t.name, NULL);
    }
    wr_native_refill(driver);
}
