#include "template/kept.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "template/layer.h"
#include "template/store.h"

#define DIRECTORY "kept"
#define PATH_CAP  112

static int path_of(const char *name, char out[static PATH_CAP], struct wr_error *err)
{
    if (!name[0] || strchr(name, '/') || wr_streq(name, ".") || wr_streq(name, "..") ||
        !wr_strformat(out, PATH_CAP, DIRECTORY "/%s", name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "\"%.80s\" is not the name of a layer", name);
    return 0;
}

int wr_layer_keep(int data_dirfd, const char *name, struct wr_error *err)
{
    char path[PATH_CAP];
    int rc = path_of(name, path, err);

    if (rc < 0)
        return rc;
    if (faccessat(data_dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    rc = wr_mkdir_parents(data_dirfd, DIRECTORY, 0700);
    if (rc == 0)
        rc = wr_file_replace(data_dirfd, path, "", 0, 0600, WR_DURABLE);
    return rc < 0 ? wr_fail(err, WR_E_INTERNAL, -rc, "keep the layer %s", name) : 0;
}

bool wr_layer_is_kept(int data_dirfd, const char *name)
{
    char path[PATH_CAP];
    struct wr_error err;

    return path_of(name, path, &err) < 0 ||
           faccessat(data_dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

struct search {
    const char *name;
    bool found;
};

static void look(const struct wr_template *t, void *data)
{
    struct search *search = data;

    for (size_t i = 0; i < t->layer_count; i++)
        search->found |= wr_streq(t->layers[i], search->name);
}

/* Device layers (".warren-...") have a collector of their own. */
static int release(int data_dirfd, const char *name, struct wr_error *err)
{
    char path[PATH_CAP];
    struct search search = {.name = name};
    int rc = path_of(name, path, err);

    if (rc == 0)
        rc = wr_template_list(data_dirfd, look, &search, err);
    if (rc < 0)
        return rc;
    /* First: once the layer is gone nothing may say that it is kept. */
    if (unlinkat(data_dirfd, path, 0) < 0 && errno != ENOENT)
        return wr_fail_errno(err, WR_E_INTERNAL, "remove %s", path);
    return search.found || !wr_layer_hash_valid(name) ? 0 : wr_layer_remove(data_dirfd, name, err);
}

int wr_kept_layers_collect(int data_dirfd, bool (*used)(const char *name, void *data), void *data,
                           struct wr_error *err)
{
    int fd = openat(data_dirfd, DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    int rc = 0;

    if (!dir && fd < 0 && errno == ENOENT)
        return 0;
    if (!dir) {
        rc = wr_fail_errno(err, WR_E_INTERNAL, "read %s/", DIRECTORY);
        wr_close(fd);
        return rc;
    }
    while (rc == 0 && (entry = readdir(dir)))
        if (entry->d_type == DT_REG && !used(entry->d_name, data))
            rc = release(data_dirfd, entry->d_name, err);
    closedir(dir);
    return rc;
}
