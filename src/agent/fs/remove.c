#include "agent/fs/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fs/path.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"

#define SLICE          256 /* entries per turn of the loop */
#define MAX_LEVELS     32  /* open directories; what is deeper moves up to the top first */
#define MOVED_NAME_LEN 24
/* Passes over one directory or another that removed something but not all. Somebody who adds
 * entries as fast as they are removed does not keep this going forever. */
#define PASSES_MAX     100000

struct level {
    DIR *dir;
    char name[NAME_MAX + 1]; /* in the level above; unused for the top */
    bool progress;           /* this pass removed or moved something */
};

struct removal {
    struct wr_list link;
    struct wr_filesystem *fs;
    struct wr_loop *loop;
    struct wr_connect_out out;
    bool has_client;
    struct wr_idle again;
    struct level levels[MAX_LEVELS];
    size_t depth; /* open levels */
    size_t passes;
    uint32_t dev_major, dev_minor;
    int result; /* the first failure, -errno */
    int parent; /* where the tree's own entry is; owned */
    char name[NAME_MAX + 1];
    char path[PATH_MAX]; /* for messages */
};

static void free_removal(struct removal *r)
{
    while (r->depth > 0)
        (void)closedir(r->levels[--r->depth].dir);
    wr_idle_cancel(&r->again);
    wr_list_remove(&r->link);
    r->fs->removal_count--;
    r->parent = wr_close(r->parent);
    free(r);
}

static void note(struct removal *r, int negative_errno)
{
    if (r->result == 0)
        r->result = negative_errno;
}

/* st_dev tells file systems apart, the attribute also tells bind mounts. */
static int check_mount(struct removal *r, int fd, bool is_top)
{
    struct statx stx;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) < 0)
        return -errno;
    if (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
        return -EBUSY;
    if (is_top) {
        r->dev_major = stx.stx_dev_major;
        r->dev_minor = stx.stx_dev_minor;
    }
    return stx.stx_dev_major == r->dev_major && stx.stx_dev_minor == r->dev_minor ? 0 : -EXDEV;
}

static int push(struct removal *r, int *fd, const char *name)
{
    struct level *level = &r->levels[r->depth];

    if (!wr_strcopy(level->name, sizeof(level->name), name))
        return -ENAMETOOLONG;
    level->dir = fdopendir(*fd);
    if (!level->dir)
        return -errno;
    (void)wr_steal_fd(fd); /* the stream owns it now */
    level->progress = false;
    r->depth++;
    return 0;
}

/* A directory below the last level moves into the top: every move shortens its path, so that the
 * walk ends. */
static int move_to_top(struct removal *r, int parent, const char *name)
{
    char moved[MOVED_NAME_LEN + 1];

    wr_random_id(moved, MOVED_NAME_LEN);
    if (renameat(parent, name, dirfd(r->levels[0].dir), moved) < 0)
        return -errno;
    r->levels[0].progress = true;
    r->levels[r->depth - 1].progress = true;
    return 0;
}

static int enter_dir(struct removal *r, int parent, const char *name)
{
    wr_auto_close int fd =
        openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    int rc = check_mount(r, fd, r->depth == 0);
    if (rc < 0)
        return rc;
    return r->depth < MAX_LEVELS ? push(r, &fd, name) : move_to_top(r, parent, name);
}

static void visit(struct removal *r, const struct dirent *entry)
{
    struct level *level = &r->levels[r->depth - 1];
    int parent = dirfd(level->dir);

    if (wr_streq(entry->d_name, ".") || wr_streq(entry->d_name, ".."))
        return;
    int rc = -EISDIR;
    if (entry->d_type != DT_DIR)
        rc = unlinkat(parent, entry->d_name, 0) < 0 ? -errno : 0;
    if (rc == -EISDIR)
        rc = enter_dir(r, parent, entry->d_name);
    else if (rc == 0)
        level->progress = true;
    if (rc < 0 && rc != -ENOENT)
        note(r, rc);
}

/* At the end of a pass: removes the directory, or starts another pass if entries may have been
 * added or skipped. */
static void leave_dir(struct removal *r)
{
    struct level *level = &r->levels[r->depth - 1];

    if (level->progress && r->passes < PASSES_MAX) {
        r->passes++;
        level->progress = false;
        rewinddir(level->dir);
        return;
    }
    (void)closedir(level->dir);
    r->depth--;
    if (r->depth == 0)
        return;
    struct level *above = &r->levels[r->depth - 1];
    if (unlinkat(dirfd(above->dir), level->name, AT_REMOVEDIR) == 0)
        above->progress = true;
    else if (errno != ENOENT)
        note(r, -errno);
}

static int removal_error(struct wr_error *err, int negative_errno, const char *path)
{
    return wr_fail(err, WR_E_INTERNAL, -negative_errno, "error removing file or directory '%.140s'",
                   path);
}

static void finish(struct removal *r)
{
    struct wr_error err;

    if (unlinkat(r->parent, r->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        note(r, -errno);
    if (r->has_client && r->result < 0) {
        (void)removal_error(&err, r->result, r->path);
        wr_connect_fail(&r->out, &err);
    } else if (r->has_client) {
        wr_connect_reply(&r->out, NULL, 0);
    }
    if (r->has_client) {
        static const struct wr_exchange_ops no_ops;
        wr_exchange_set_ops(r->out.ex, &no_ops, NULL);
    }
    free_removal(r);
}

static void go_on(struct removal *r)
{
    for (int i = 0; i < SLICE; i++) {
        if (r->depth == 0) {
            finish(r);
            return;
        }
        errno = 0;
        const struct dirent *entry = readdir(r->levels[r->depth - 1].dir);
        if (entry) {
            visit(r, entry);
            continue;
        }
        if (errno != 0)
            note(r, -errno);
        leave_dir(r);
    }
    wr_idle_queue(r->loop, &r->again);
}

static void on_idle(struct wr_idle *idle, void *data)
{
    (void)idle;
    go_on(data);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct removal *r = data;

    (void)ex;
    (void)aborted;
    r->has_client = false;
}

/* Opens the directory that `path` is in, and splits off its last component. 0 or -errno. */
static int open_parent(const char *path, int *ret_fd, char name[static NAME_MAX + 1])
{
    char parent[PATH_MAX];
    size_t len = 0;
    const char *base = wr_path_base(path, &len);

    if (wr_streq(base, "/"))
        return -EBUSY;
    if (len > NAME_MAX)
        return -ENAMETOOLONG;
    if ((len == 1 && base[0] == '.') || (len == 2 && base[0] == '.' && base[1] == '.'))
        return -EINVAL;
    memcpy(name, base, len);
    name[len] = '\0';
    memcpy(parent, path, (size_t)(base - path));
    parent[base - path] = '\0';
    *ret_fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd < 0 ? -errno : 0;
}

/* The directory itself as the walk's top. 0, or -errno; -ENOTDIR for what is removed by one call.
 */
static int open_top(struct removal *r)
{
    struct stat st;

    if (fstatat(r->parent, r->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? enter_dir(r, r->parent, r->name) : -ENOTDIR;
}

static int start(struct removal *r, const char *path, struct wr_error *err)
{
    static const struct wr_exchange_ops ops = {.on_close = on_close};

    int rc = open_parent(path, &r->parent, r->name);
    if (rc == 0) {
        rc = open_top(r);
        if (rc == -ENOTDIR)
            rc = unlinkat(r->parent, r->name, 0) < 0 ? -errno : 0;
    }
    if (rc < 0 && rc != -ENOENT)
        return removal_error(err, rc, path);
    if (r->depth == 0) {
        wr_connect_reply(&r->out, NULL, 0);
        free_removal(r);
        return 0;
    }
    wr_exchange_set_ops(r->out.ex, &ops, r);
    r->has_client = true;
    go_on(r);
    return 0;
}

int wr_remove(struct wr_filesystem *fs, const struct wr_connect_out *out, const char *path,
              struct wr_error *err)
{
    if (fs->removal_count >= WR_REMOVE_MAX_AT_ONCE)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "%d removals are under way; wait for one to end", WR_REMOVE_MAX_AT_ONCE);
    struct removal *r = wr_calloc(1, sizeof(*r));
    if (!r || !wr_strcopy(r->path, sizeof(r->path), path)) {
        free(r);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the removal");
    }
    r->fs = fs;
    r->loop = wr_exchange_loop(out->ex);
    r->out = *out;
    r->parent = -1;
    r->again = (struct wr_idle){.fn = on_idle, .data = r};
    wr_list_append(&fs->removals, &r->link);
    fs->removal_count++;
    int rc = start(r, path, err);
    if (rc < 0)
        free_removal(r);
    return rc;
}

void wr_remove_cancel_all(struct wr_filesystem *fs)
{
    wr_list_foreach(it, &fs->removals)
        free_removal(wr_list_entry(it, struct removal, link));
}
