#include "template/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "template/kept.h"
#include "template/layer.h"
#include "template/manifest.h"

#define SUFFIX        ".json"
#define TEMPLATES_MAX 1024
#define PATH_CAP      96 /* "templates/" + name + ".json" */

void wr_template_done(struct wr_template *t)
{
    free(t->env_json);
    t->env_json = NULL;
}

/* An open directory that is empty or holds templates. A slip such as --data-dir /tmp must not close
 * a directory of the host to everybody else. */
static bool may_be_data_dir(int fd)
{
    if (faccessat(fd, "templates", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return true;
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    size_t entries = 0;
    if (!dir) {
        wr_close(copy);
        return false;
    }
    while (entries <= 2 && readdir(dir))
        entries++;
    closedir(dir);
    return entries <= 2; /* "." and ".." */
}

/* Opens a directory of ours, or makes it, with this mode. */
static int own_dir(int dirfd, const char *path, mode_t mode, int *ret_fd, struct wr_error *err)
{
    int rc = wr_mkdir_parents(dirfd, path, mode);
    if (rc < 0)
        return wr_fail(err, wr_code_from_errno(-rc), -rc, "cannot make the directory %s", path);
    wr_auto_close int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "cannot open the directory %s", path);
    if (st.st_uid != geteuid())
        return wr_fail(err, WR_E_PERMISSION_DENIED, 0,
                       "the directory %s belongs to uid %u, not to uid %u", path, st.st_uid,
                       geteuid());
    mode_t found = st.st_mode & 07777;
    if (found != mode && found != 0700 && dirfd == AT_FDCWD && !may_be_data_dir(fd))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "the directory %s holds other files and has mode %04o; a data directory is "
                       "new, empty, 0700 or %04o",
                       path, found, mode);
    if (found != mode && fchmod(fd, mode) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot set the mode of %s to %04o", path, mode);
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

int wr_data_dir_open(const char *path, int *ret_dirfd, struct wr_error *err)
{
    static const char *const parts[] = {"layers", "templates"};
    wr_auto_close int data = -1;
    /* The server, which is not root, goes through it to its own directory; everything in it is 0700
     * or 0600, so nobody sees more than that. */
    int rc = own_dir(AT_FDCWD, path, 0711, &data, err);
    for (size_t i = 0; rc == 0 && i < WR_ARRAY_SIZE(parts); i++) {
        wr_auto_close int part = -1;
        rc = own_dir(data, parts[i], 0700, &part, err);
    }
    if (rc < 0)
        return rc;
    *ret_dirfd = wr_steal_fd(&data);
    return 0;
}

struct names {
    char (*list)[64]; /* owned, sorted */
    size_t count;
};

static void names_done(struct names *n)
{
    free(n->list);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Copies the template's name out of a file name; false for files that are none. */
static bool template_name(const char *file, char out[static 64])
{
    size_t len = strlen(file);
    if (!wr_ends_with(file, SUFFIX) || len - strlen(SUFFIX) >= 64)
        return false;
    memcpy(out, file, len - strlen(SUFFIX));
    out[len - strlen(SUFFIX)] = '\0';
    return wr_template_name_valid(out);
}

static int read_names(int data_dirfd, struct names *n, struct wr_error *err)
{
    int fd = openat(data_dirfd, "templates", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        (void)wr_close(fd);
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot open templates/ in the data directory");
    }
    n->list = wr_calloc(TEMPLATES_MAX, sizeof(n->list[0]));
    int rc = n->list
                 ? 0
                 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "not enough memory to list templates");
    for (struct dirent *e = readdir(dir); e && rc == 0; e = readdir(dir)) {
        char name[64];
        if (!template_name(e->d_name, name))
            continue;
        if (n->count == TEMPLATES_MAX)
            rc = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "there are more than %d templates",
                         TEMPLATES_MAX);
        else
            memcpy(n->list[n->count++], name, sizeof(name));
    }
    (void)closedir(dir);
    if (rc == 0)
        qsort(n->list, n->count, sizeof(n->list[0]), compare_names);
    return rc;
}

static int not_found(int data_dirfd, const char *name, struct wr_error *err)
{
    WR_CLEANUP(names_done) struct names n = {0};
    int rc = read_names(data_dirfd, &n, err);
    if (rc < 0)
        return rc;
    if (n.count == 0)
        return wr_fail(
            err, WR_E_NOT_FOUND, 0,
            "there is no template \"%s\" and no other: make one with 'warren template make-base'",
            name);
    wr_auto_buf list = WR_BUF(120);
    for (size_t i = 0; i < n.count; i++)
        if (wr_buf_printf(&list, "%s%s", i ? ", " : "", n.list[i]) < 0)
            break; /* enough names for a sentence */
    return wr_fail(
        err, WR_E_NOT_FOUND, 0,
        "there is no template \"%s\": there is %.*s; 'warren template make-base' makes another",
        name, (int)list.len, list.len ? wr_buf_ptr(&list) : "");
}

static int manifest_path(const char *name, char out[static PATH_CAP], struct wr_error *err)
{
    if (!wr_template_name_valid(name) || !wr_strformat(out, PATH_CAP, "templates/%s" SUFFIX, name))
        return wr_fail(
            err, WR_E_INVALID_ARGUMENT, 0,
            "\"%.64s\" is no template name: use a-z, 0-9, '.', '_' and '-', at most 63 characters",
            name);
    return 0;
}

int wr_template_load(int data_dirfd, const char *name, struct wr_template *ret,
                     struct wr_error *err)
{
    char path[PATH_CAP];
    int rc = manifest_path(name, path, err);
    if (rc < 0)
        return rc;
    wr_auto_buf text = WR_BUF(WR_MANIFEST_MAX);
    rc = wr_file_read(data_dirfd, path, &text);
    if (rc == -ENOENT)
        return not_found(data_dirfd, name, err);
    if (rc < 0)
        return wr_fail(err, WR_E_DATA_LOSS, -rc, "cannot read %s", path);
    return wr_template_manifest_read(wr_buf_ptr(&text), text.len, name, ret, err);
}

static bool has_alias(const struct wr_template *t, const char *alias)
{
    for (size_t i = 0; i < t->alias_count; i++)
        if (wr_streq(t->aliases[i], alias))
            return true;
    return false;
}

static int check_names(const struct wr_template *t, const struct wr_template *other,
                       struct wr_error *err)
{
    if (has_alias(other, t->name))
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0,
                       "\"%s\" is an alias of template %s: choose another name, or remove %s",
                       t->name, other->name, other->name);
    for (size_t i = 0; i < t->alias_count; i++) {
        bool name = wr_streq(t->aliases[i], other->name);
        if (name || has_alias(other, t->aliases[i]))
            return wr_fail(err, WR_E_ALREADY_EXISTS, 0,
                           "template %s has the alias \"%s\", which is %s template %s: remove %s",
                           t->name, t->aliases[i], name ? "the name of" : "an alias of",
                           other->name, other->name);
    }
    return 0;
}

int wr_template_check_names(int data_dirfd, const struct wr_template *t, struct wr_error *err)
{
    WR_CLEANUP(names_done) struct names n = {0};
    int rc = read_names(data_dirfd, &n, err);
    for (size_t i = 0; rc == 0 && i < n.count; i++) {
        wr_auto_template other = {0};
        struct wr_error ignored = {0};
        if (wr_streq(n.list[i], t->name))
            continue;
        /* One that cannot be read must not keep others from being written; its name is known. */
        if (wr_template_load(data_dirfd, n.list[i], &other, &ignored) < 0 &&
            !wr_strcopy(other.name, sizeof(other.name), n.list[i]))
            continue;
        rc = check_names(t, &other, err);
    }
    return rc;
}

int wr_template_save(int data_dirfd, const struct wr_template *t, struct wr_error *err)
{
    char path[PATH_CAP];
    int rc = manifest_path(t->name, path, err);
    if (rc == 0)
        rc = wr_template_check_names(data_dirfd, t, err);
    if (rc < 0)
        return rc;
    wr_auto_buf text = WR_BUF(WR_MANIFEST_MAX);
    rc = wr_template_manifest_write(t, &text, err);
    if (rc < 0)
        return rc;
    rc = wr_file_replace(data_dirfd, path, wr_buf_ptr(&text), text.len, 0600, WR_DURABLE);
    if (rc < 0)
        return wr_fail(err, wr_code_from_errno(-rc), -rc, "cannot write %s", path);
    return 0;
}

int wr_template_list(int data_dirfd, void (*fn)(const struct wr_template *t, void *data),
                     void *data, struct wr_error *err)
{
    WR_CLEANUP(names_done) struct names n = {0};
    int rc = read_names(data_dirfd, &n, err);
    for (size_t i = 0; rc == 0 && i < n.count; i++) {
        wr_auto_template t = {0};
        rc = wr_template_load(data_dirfd, n.list[i], &t, err);
        if (rc == 0)
            fn(&t, data);
    }
    return rc;
}

struct uses {
    const struct wr_template *removed;
    bool used[WR_TEMPLATE_MAX_LAYERS]; /* by another template */
};

static void note_uses(const struct wr_template *t, void *data)
{
    struct uses *u = data;
    if (wr_streq(t->name, u->removed->name))
        return;
    for (size_t i = 0; i < u->removed->layer_count; i++)
        for (size_t k = 0; k < t->layer_count; k++)
            u->used[i] |= wr_streq(u->removed->layers[i], t->layers[k]);
}

int wr_template_remove(int data_dirfd, const char *name, struct wr_error *err)
{
    char path[PATH_CAP];
    wr_auto_template t = {0};
    int rc = manifest_path(name, path, err);
    if (rc == 0)
        rc = wr_template_load(data_dirfd, name, &t, err);
    if (rc < 0)
        return rc;
    /* First, so that a manifest that cannot be read changes nothing: its layers are not known. */
    struct uses uses = {.removed = &t};
    rc = wr_template_list(data_dirfd, note_uses, &uses, err);
    if (rc < 0)
        return rc;
    if (unlinkat(data_dirfd, path, 0) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot remove %s", path);
    for (size_t i = 0; rc == 0 && i < t.layer_count; i++)
        if (!uses.used[i] && !wr_layer_is_kept(data_dirfd, t.layers[i]))
            rc = wr_layer_remove(data_dirfd, t.layers[i], err);
    return rc;
}

int wr_template_layer_open(int data_dirfd, const char *hash, int *ret_fd, struct wr_error *err)
{
    char path[80];
    if (!wr_layer_hash_valid(hash) || !wr_strformat(path, sizeof(path), "layers/%s", hash))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "a layer's name must be 64 lower-case hex digits");
    int fd = openat(data_dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return wr_fail_errno(err, errno == ENOENT ? WR_E_DATA_LOSS : WR_E_INTERNAL,
                             "cannot open %s", path);
    *ret_fd = fd;
    return 0;
}
