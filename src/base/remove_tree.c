/*
 * Removal of whole trees, of any depth, with a fixed number of descriptors and no recursion.
 *
 * The walk keeps a stack of at most MAX_LEVELS open directories. A directory below the last level
 * is moved up into the top directory and removed from there: every move shortens its path, so the
 * walk ends. Every step names one entry relative to an open directory and follows no link.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
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

struct level {
    DIR *dir;
    char name[NAME_MAX + 1]; /* in the level above; unused for the top */
    bool progress;           /* this pass over the directory removed or moved something */
};

struct walk {
    struct level levels[MAX_LEVELS];
    size_t depth; /* open levels */
    uint32_t dev_major, dev_minor;
    int result; /* the first failure */
};

static void note(struct walk *w, int negative_errno)
{
    if (w->result == 0)
        w->result = negative_errno;
}

/* st_dev tells file systems and btrfs subvolumes apart, the attribute also tells bind mounts. */
static int check_mount(int fd, struct walk *w, bool is_top)
{
    struct statx stx;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) < 0)
        return -errno;
    if (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
        return -EBUSY;
    if (is_top) {
        w->dev_major = stx.stx_dev_major;
        w->dev_minor = stx.stx_dev_minor;
    }
    return stx.stx_dev_major == w->dev_major && stx.stx_dev_minor == w->dev_minor ? 0 : -EXDEV;
}

static int push(struct walk *w, int *fd, const char *name)
{
    struct level *level = &w->levels[w->depth];
    if (!wr_strcopy(level->name, sizeof(level->name), name))
        return -ENAMETOOLONG;
    level->dir = fdopendir(*fd);
    if (!level->dir)
        return -errno;
    (void)wr_steal_fd(fd); /* the stream owns it now */
    level->progress = false;
    w->depth++;
    return 0;
}

static int move_to_top(struct walk *w, int parent, const char *name)
{
    char moved[MOVED_NAME_LEN + 1];
    wr_random_id(moved, MOVED_NAME_LEN);
    if (renameat(parent, name, dirfd(w->levels[0].dir), moved) < 0)
        return -errno;
    w->levels[0].progress = true;
    w->levels[w->depth - 1].progress = true;
    return 0;
}

static int enter_dir(struct walk *w, int parent, const char *name)
{
    wr_auto_close int fd =
        openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = check_mount(fd, w, false);
    if (r < 0)
        return r;
    return w->depth < MAX_LEVELS ? push(w, &fd, name) : move_to_top(w, parent, name);
}

static void visit(struct walk *w, const struct dirent *entry)
{
    struct level *level = &w->levels[w->depth - 1];
    int parent = dirfd(level->dir);
    if (wr_streq(entry->d_name, ".") || wr_streq(entry->d_name, ".."))
        return;
    int r = -EISDIR;
    if (entry->d_type != DT_DIR)
        r = unlinkat(parent, entry->d_name, 0) < 0 ? -errno : 0;
    if (r == -EISDIR)
        r = enter_dir(w, parent, entry->d_name);
    else if (r == 0)
        level->progress = true;
    if (r < 0 && r != -ENOENT)
        note(w, r);
}

/* At the end of a pass: removes the directory, or starts another pass if entries may have been
 * added or skipped. */
static void leave_dir(struct walk *w)
{
    struct level *level = &w->levels[w->depth - 1];
    if (level->progress) {
        level->progress = false;
        rewinddir(level->dir);
        return;
    }
    (void)closedir(level->dir);
    w->depth--;
    if (w->depth == 0)
        return;
    struct level *above = &w->levels[w->depth - 1];
    if (unlinkat(dirfd(above->dir), level->name, AT_REMOVEDIR) == 0)
        above->progress = true;
    else if (errno != ENOENT)
        note(w, -errno);
}

static void empty_tree(struct walk *w)
{
    while (w->depth > 0) {
        errno = 0;
        const struct dirent *entry = readdir(w->levels[w->depth - 1].dir);
        if (entry) {
            visit(w, entry);
            continue;
        }
        if (errno != 0)
            note(w, -errno);
        leave_dir(w);
    }
}

int wr_remove_tree(int dirfd, const char *path)
{
    wr_auto_close int fd =
        openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return unlinkat(dirfd, path, 0) < 0 && errno != ENOENT ? -errno : 0;
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;

    wr_auto_free struct walk *w = wr_calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    int r = check_mount(fd, w, true);
    if (r == 0)
        r = push(w, &fd, "");
    if (r < 0)
        return r;
    empty_tree(w);
    if (unlinkat(dirfd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
        note(w, -errno);
    return w->result;
}
