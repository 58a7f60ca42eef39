#include "engine/driver/native/native.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "engine/driver/native/instance.h"
#include "engine/driver/native/kit.h"
#include "engine/driver/native/nest_link.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void wr_native_template_free(struct wr_native_template *t)
{
    wr_list_remove(&t->link);
    wr_nest_link_free(t->nest);
    for (size_t i = 0; i < t->layer_count; i++)
        wr_close(t->layer_fds[i]);
    wr_template_done(&t->t);
    free(t);
}

static int open_layers(struct wr_driver *driver, struct wr_native_template *t, struct wr_error *err)
{
    int fd = fcntl(driver->device_layer_fd, F_DUPFD_CLOEXEC, 3);

    if (fd < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "open the device layer");
    t->layer_fds[t->layer_count++] = fd;
    for (size_t i = t->t.layer_count; i-- > 0;) {
        int rc = wr_template_layer_open(driver->data_dirfd, t->t.layers[i], &fd, err);
        if (rc < 0)
            return wr_wrap(err, "template %s", t->t.name);
        t->layer_fds[t->layer_count++] = fd;
    }
    return 0;
}

static int load(struct wr_driver *driver, const char *name, struct wr_native_template **ret, struct wr_error *err)
{
    struct wr_native_template *t = wr_calloc(1, sizeof(*t));

    if (!t)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "load a template");
    t->driver = driver;
    wr_list_init(&t->kits);
    int rc = wr_template_load(driver->data_dirfd, name, &t->t, err);
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

int wr_native_template_keep(struct wr_driver *driver, const char *name, struct wr_nest_link *nest,
                            struct wr_native_template **ret, struct wr_error *err)
{
    struct wr_native_template *t = wr_calloc(1, sizeof(*t));

    if (!t || !wr_strcopy(t->t.name, sizeof(t->t.name), name)) {
        free(t);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "keep a template");
    }
    t->driver = driver;
    t->nest = nest;
    wr_list_init(&t->kits);
    wr_list_append(&driver->templates, &t->link);
    *ret = t;
    return 0;
}

/* A manifest is replaced by rename, so inode and time of change tell whether it is the one that was read. 0: unreadable. */
static uint64_t manifest_version(const struct wr_driver *driver, const char *name)
{
    char path[96];
    struct stat st;

    if (!wr_strformat(path, sizeof(path), "templates/%s.json", name) ||
        fstatat(driver->data_dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return (uint64_t)st.st_ino * 1000000007u + (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec;
}

static bool same_layers(const struct wr_template *a, const struct wr_template *b)
{
    if (a->layer_count != b->layer_count || !a->env_json)
        return false;
    for (size_t i = 0; i < a->layer_count; i++)
        if (!wr_streq(a->layers[i], b->layers[i]))
            return false;
    return wr_streq(a->env_json, b->env_json) && wr_streq(a->user, b->user) && wr_streq(a->workdir, b->workdir);
}

/* A template that was made again since: its kits are of the old layers. The nest has nothing of the template and stays. */
static int refresh(struct wr_native_template *t, struct wr_error *err)
{
    struct wr_template now = {0};
    uint64_t version = manifest_version(t->driver, t->t.name);

    if (version != 0 && version == t->manifest_version)
        return 0;
    int rc = wr_template_load(t->driver->data_dirfd, t->t.name, &now, err);

    if (rc < 0)
        return rc;
    t->manifest_version = version;
    if (same_layers(&t->t, &now)) {
        wr_template_done(&now);
        return 0;
    }
    wr_list_foreach(it, &t->kits) wr_leftovers_add(t->driver, wr_list_entry(it, struct wr_kit, link));
    t->kit_count = 0;
    while (t->layer_count > 0)
        wr_close(t->layer_fds[--t->layer_count]);
    wr_template_done(&t->t);
    t->t = now;
    return open_layers(t->driver, t, err);
}

static struct wr_native_template *find(struct wr_driver *driver, const char *name)
{
    wr_list_foreach(it, &driver->templates)
    {
        struct wr_native_template *t = wr_list_entry(it, struct wr_native_template, link);
        if (wr_streq(t->t.name, name))
            return t;
    }
    return NULL;
}

int wr_native_template_get(struct wr_driver *driver, const char *name, struct wr_native_template **ret,
                           struct wr_error *err)
{
    struct wr_native_template *t = find(driver, name);
    int rc = t ? refresh(t, err) : load(driver, name, &t, err);

    if (rc < 0)
        return rc;
    if (!wr_nest_link_alive(t->nest)) {
        t->nest = wr_nest_link_free(t->nest);
        rc = wr_nest_link_open(driver, name, &t->nest, err);
        if (rc < 0)
            return rc;
    }
    *ret = t;
    return 0;
}
