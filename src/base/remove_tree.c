/*
 * The walk keeps a stack of at most MAX_LEVELS open directories. A directory below the last level
 * is moved up into the top directory and removed from there: every move shortens its path, so the
 * walk ends. Every step names one entry relative to an open directory and follows no link.
 */
#include "base/remove_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/rand.h"
#include "base/str.h"

#define MAX_LEVELS     32
#define MOVED_NAME_LEN 24
/* Further passes over one directory or another, because the one before removed something. Somebody
 * who adds entries as fast as they are removed does not keep this going forever. */
#define PASSES_MAX     1000000

struct level {
    DIR *dir;
    char name[NAME_MAX + 1]; /* in the level above; unused for the top */
    bool progress;           /* this pass over the directory removed or moved something */
};

struct wr_removal {
    struct level levels[MAX_LEVELS];
    size_t depth; /* open levels */
    size_t passes;
    uint32_t dev_major, dev_minor;
    int result; /* the first failure */
    bool ended;
    int dirfd;  /* borrowed */
    char *path; /* owned, relative to dirfd */
};

static void note(struct wr_removal *r, int negative_errno)
{
    if (r->result == 0)
        r->result = negative_errno;
}

/* st_dev tells file systems and btrfs subvolumes apart, the attribute also tells bind mounts. */
static int check_mount(int fd, struct wr_removal *r, bool is_top)
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

static int push(struct wr_removal *r, int *fd, const char *name)
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

static int move_to_top(struct wr_removal *r, int parent, const char *name)
{
    char moved[MOVED_NAME_LEN + 1];
    wr_random_id(moved, MOVED_NAME_LEN);
    if (renameat(parent, name, dirfd(r->levels[0].dir), moved) < 0)
        return -errno;
    r->levels[0].progress = true;
    r->levels[r->depth - 1].progress = true;
    return 0;
}

static int enter_dir(struct wr_removal *r, int parent, const char *name)
{
    wr_auto_close int fd =
        openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = check_mount(fd, r, false);
    if (rc < 0)
        return rc;
    return r->depth < MAX_LEVELS ? push(r, &fd, name) : move_to_top(r, parent, name);
}

static void visit(struct wr_removal *r, const struct dirent *entry)
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
static void leave_dir(struct wr_removal *r)
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

static void finish(struct wr_removal *r)
{
    r->ended = true;
    /* What failed in between was made good by a later pass when the tree is gone. */
    if (unlinkat(r->dirfd, r->path, AT_REMOVEDIR) == 0 || errno == ENOENT)
        r->result = 0;
    else
        note(r, -errno);
}

bool wr_removal_step(struct wr_removal *r, size_t entries)
{
    for (size_t i = 0; i < entries && r->depth > 0; i++) {
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
    if (r->depth == 0 && !r->ended)
        finish(r);
    return !r->ended;
}

int wr_removal_end(struct wr_removal *r)
{
    int rc = r->ended ? r->result : -ECANCELED;

    while (r->depth > 0)
        (void)closedir(r->levels[--r->depth].dir);
    free(r->path);
    free(r);
    return rc;
}

int wr_removal_begin(int dirfd, const char *path, struct wr_removal **ret)
{
    wr_auto_close int fd =
        openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int rc = fd < 0 ? -errno : 0;

    *ret = NULL;
    if (rc == -ENOTDIR || rc == -ELOOP)
        rc = unlinkat(dirfd, path, 0) < 0 ? -errno : 0;
    if (fd < 0)
        return rc == -ENOENT ? 0 : rc;

    struct wr_removal *r = wr_calloc(1, sizeof(*r));
    char *copy = wr_strdup(path);
    if (!r || !copy) {
        free(r);
        free(copy);
        return -ENOMEM;
    }
    r->dirfd = dirfd;
    r->path = copy;
    rc = check_mount(fd, r, true);
    if (rc == 0)
        rc = push(r, &fd, "");
    if (rc < 0)
        (void)wr_removal_end(r);
    else
        *ret = r;
    return rc;
}

int wr_remove_tree(int dirfd, const char *path)
{
    struct wr_removal *r = NULL;

    int rc = wr_removal_begin(dirfd, path, &r);
    if (!r)
        return rc;
    while (wr_removal_step(r, SIZE_MAX)) {
    }
    return wr_removal_end(r);
}
