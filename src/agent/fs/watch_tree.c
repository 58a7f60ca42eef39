#include "agent/fs/watch_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"

#define CHANGES                                                                    \
    (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_MODIFY | IN_ATTRIB | IN_DELETE | \
     IN_DELETE_SELF | IN_MOVE_SELF)

/* A watched directory. Its path is the chain of names up to the root, so that a directory that
 * moves takes everything below it along. */
struct wr_watch_dir {
    struct wr_list bucket;
    struct wr_list sibling;
    struct wr_list children;
    struct wr_list state;        /* in one of the tree's lists: unread, read, or moved */
    struct wr_watch_dir *parent; /* NULL: the root */
    char *name;                  /* owned; in the parent */
    json_t *found; /* names that reading found and whose events may still be in the queue */
    int wd;
    bool has_moved;
};

static struct wr_list *bucket_of(struct wr_watch_tree *tree, int wd)
{
    return &tree->buckets[(unsigned)wd % WR_WATCH_BUCKETS];
}

static struct wr_watch_dir *find_dir(struct wr_watch_tree *tree, int wd)
{
    wr_list_foreach(it, bucket_of(tree, wd)) {
        struct wr_watch_dir *dir = wr_list_entry(it, struct wr_watch_dir, bucket);
        if (dir->wd == wd)
            return dir;
    }
    return NULL;
}

static struct wr_watch_dir *find_child(const struct wr_watch_dir *dir, const char *name)
{
    wr_list_foreach(it, &dir->children) {
        struct wr_watch_dir *child = wr_list_entry(it, struct wr_watch_dir, sibling);
        if (wr_streq(child->name, name))
            return child;
    }
    return NULL;
}

/* Puts `part` in front of the text that begins at *at in `buffer`. */
static bool prepend(char *buffer, size_t *at, const char *part)
{
    size_t len = strlen(part);
    bool slash = buffer[*at] != '\0' && (len == 0 || part[len - 1] != '/');

    if (*at < len + slash)
        return false;
    if (slash)
        buffer[--*at] = '/';
    *at -= len;
    memcpy(buffer + *at, part, len);
    return true;
}

/* The path of `name` in `dir` ("" for the directory itself), relative to the root or absolute. NULL
 * when it is too long to be used. */
static const char *make_path(const struct wr_watch_tree *tree, const struct wr_watch_dir *dir,
                             const char *name, bool absolute, char buffer[static PATH_MAX])
{
    size_t at = PATH_MAX - 1;
    bool fits = true;

    buffer[at] = '\0';
    if (name[0] != '\0')
        fits = prepend(buffer, &at, name);
    for (; fits && dir->parent; dir = dir->parent)
        fits = prepend(buffer, &at, dir->name);
    if (fits && absolute)
        fits = prepend(buffer, &at, tree->path);
    if (!fits)
        return NULL;
    return buffer[at] != '\0' ? buffer + at : ".";
}

static void report(struct wr_watch_tree *tree, const struct wr_watch_dir *dir, const char *name,
                   enum wr_watch_type type)
{
    char buffer[PATH_MAX];
    const char *relative = make_path(tree, dir, name, false, buffer);

    if (relative)
        tree->fn(type, relative, tree->data);
}

static void stop_reading(struct wr_watch_tree *tree)
{
    if (tree->reading)
        (void)closedir(tree->reading);
    tree->reading = NULL;
    tree->reading_dir = NULL;
}

static void forget_found(struct wr_watch_tree *tree, struct wr_watch_dir *dir)
{
    tree->found_count -= json_object_size(dir->found);
    json_decref(dir->found);
    dir->found = NULL;
}

static void free_dir(struct wr_watch_tree *tree, struct wr_watch_dir *dir)
{
    if (tree->reading_dir == dir)
        stop_reading(tree);
    if (tree->root == dir)
        tree->root = NULL;
    wr_list_remove(&dir->bucket);
    wr_list_remove(&dir->sibling);
    wr_list_remove(&dir->state);
    forget_found(tree, dir);
    free(dir->name);
    free(dir);
    tree->dir_count--;
}

/* Forgets a directory and all below it; deepest first, without recursion. */
static void drop_dirs(struct wr_watch_tree *tree, struct wr_watch_dir *top)
{
    struct wr_watch_dir *dir = top;

    for (;;) {
        if (!wr_list_empty(&dir->children)) {
            dir = wr_list_entry(dir->children.next, struct wr_watch_dir, sibling);
            continue;
        }
        struct wr_watch_dir *parent = dir->parent;
        bool last = dir == top;
        (void)inotify_rm_watch(tree->fd,
                               dir->wd); /* fails when the kernel has dropped it already */
        free_dir(tree, dir);
        if (last)
            return;
        dir = parent;
    }
}

static int no_memory(struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for watching directories");
}

static void set_state(struct wr_list *list, struct wr_watch_dir *dir)
{
    wr_list_remove(&dir->state);
    wr_list_append(list, &dir->state);
}

static bool is_below(const struct wr_watch_dir *dir, const struct wr_watch_dir *top)
{
    while (dir && dir != top)
        dir = dir->parent;
    return dir == top;
}

/* A directory that is watched already has a new place. */
static int move_dir(struct wr_watch_tree *tree, struct wr_watch_dir *dir,
                    struct wr_watch_dir *parent, const char *name, struct wr_error *err)
{
    /* Bind mounts can show a directory below itself. */
    if (!dir->parent || is_below(parent, dir))
        return 0;
    char *copy = wr_strdup(name);
    if (!copy)
        return no_memory(err);
    free(dir->name);
    dir->name = copy;
    dir->parent = parent;
    wr_list_remove(&dir->sibling);
    wr_list_append(&parent->children, &dir->sibling);
    if (dir->has_moved) {
        dir->has_moved = false;
        wr_list_remove(&dir->state);
        if (dir->found)
            set_state(&tree->read, dir);
    }
    return 0;
}

static int new_dir(struct wr_watch_tree *tree, struct wr_watch_dir *parent, const char *name,
                   int wd, struct wr_error *err)
{
    struct wr_watch_dir *dir = wr_calloc(1, sizeof(*dir));
    char *copy = wr_strdup(name);

    if (!dir || !copy) {
        free(dir);
        free(copy);
        (void)inotify_rm_watch(tree->fd, wd);
        return no_memory(err);
    }
    dir->wd = wd;
    dir->name = copy;
    dir->parent = parent;
    wr_list_init(&dir->children);
    wr_list_append(bucket_of(tree, wd), &dir->bucket);
    if (parent)
        wr_list_append(&parent->children, &dir->sibling);
    else
        tree->root = dir;
    tree->dir_count++;
    if (tree->recursive)
        set_state(&tree->unread, dir);
    return 0;
}

static int watch_failure(struct wr_error *err, int os_errno, const char *path)
{
    if (os_errno == ENOSPC)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "no inotify watch is left in this sandbox for '%.120s'", path);
    return wr_fail(err, WR_E_INTERNAL, os_errno, "error adding path %.140s to watcher", path);
}

/* Starts watching `name` in `parent` (NULL: the root itself). What is gone again, or is no
 * directory any more, is passed over. */
static int add_dir(struct wr_watch_tree *tree, struct wr_watch_dir *parent, const char *name,
                   struct wr_error *err)
{
    char buffer[PATH_MAX];
    const char *path = parent ? make_path(tree, parent, name, true, buffer) : tree->path;
    uint32_t mask = CHANGES | IN_ONLYDIR | (parent ? IN_DONT_FOLLOW : 0);

    if (!path)
        return 0;
    if (tree->dir_count >= WR_WATCH_MAX_DIRS)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "'%.120s' has more than %d directories; watch a smaller one", tree->path,
                       WR_WATCH_MAX_DIRS);
    int wd = inotify_add_watch(tree->fd, path, mask);
    if (wd < 0) {
        bool gone = errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EACCES;
        return parent && gone ? 0 : watch_failure(err, errno, path);
    }
    struct wr_watch_dir *known = find_dir(tree, wd);
    if (!known)
        return new_dir(tree, parent, name, wd, err);
    return parent ? move_dir(tree, known, parent, name, err) : 0;
}

/* ---- reading directories ---- */

/* Opens the next directory that was not read. False when there is none. */
static bool start_reading(struct wr_watch_tree *tree)
{
    char buffer[PATH_MAX];

    while (!tree->reading && !wr_list_empty(&tree->unread)) {
        struct wr_watch_dir *dir = wr_list_entry(tree->unread.next, struct wr_watch_dir, state);
        wr_list_remove(&dir->state);
        const char *path = make_path(tree, dir, "", true, buffer);
        int nofollow = dir->parent ? O_NOFOLLOW : 0;
        int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC | nofollow) : -1;
        tree->reading = fd >= 0 ? fdopendir(fd) : NULL;
        if (!tree->reading) {
            (void)wr_close(fd); /* gone: its events tell the rest */
            continue;
        }
        tree->reading_dir = dir;
    }
    return tree->reading != NULL;
}

/* What was there when reading came: created, and perhaps written, before the watch could see it. */
static int report_found(struct wr_watch_tree *tree, const char *name, struct wr_error *err)
{
    struct wr_watch_dir *dir = tree->reading_dir;
    struct stat st;

    if (tree->found_count >= WR_WATCH_MAX_FOUND)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "more than %d new entries in '%.120s' at once; start watching again",
                       WR_WATCH_MAX_FOUND, tree->path);
    const size_t before = json_object_size(dir->found);
    if (!dir->found)
        dir->found = json_object();
    if (!dir->found || json_object_set_new_nocheck(dir->found, name, json_true()) < 0)
        return no_memory(err);
    tree->found_count += json_object_size(dir->found) - before;
    if (!wr_list_linked(&dir->state))
        set_state(&tree->read, dir);
    report(tree, dir, name, WR_WATCH_CREATE);
    if (fstatat(dirfd(tree->reading), name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        st.st_size > 0)
        report(tree, dir, name, WR_WATCH_WRITE);
    return 0;
}

/* One entry of the directory that is being read. */
static int read_entry(struct wr_watch_tree *tree, struct wr_error *err)
{
    struct stat st;
    const struct dirent *e = readdir(tree->reading);

    if (!e) {
        stop_reading(tree);
        return 0;
    }
    if (wr_streq(e->d_name, ".") || wr_streq(e->d_name, ".."))
        return 0;
    int rc = tree->reading_reports ? report_found(tree, e->d_name, err) : 0;
    bool is_dir = e->d_type == DT_DIR;
    if (e->d_type == DT_UNKNOWN)
        is_dir = fstatat(dirfd(tree->reading), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                 S_ISDIR(st.st_mode);
    return rc == 0 && is_dir ? add_dir(tree, tree->reading_dir, e->d_name, err) : rc;
}

/* ---- events ---- */

/* Nothing is left in the queue: what reading found is known to be told once, and a directory whose
 * new place did not come is outside. */
static void settle(struct wr_watch_tree *tree)
{
    while (!wr_list_empty(&tree->read)) {
        struct wr_watch_dir *dir = wr_list_entry(tree->read.next, struct wr_watch_dir, state);
        wr_list_remove(&dir->state);
        forget_found(tree, dir);
    }
    while (!wr_list_empty(&tree->moved))
        drop_dirs(tree, wr_list_entry(tree->moved.next, struct wr_watch_dir, state));
}

static void report_all(struct wr_watch_tree *tree, const struct wr_watch_dir *dir, const char *name,
                       uint32_t mask)
{
    static const struct {
        uint32_t mask;
        enum wr_watch_type type;
    } types[] = {
        {IN_CREATE | IN_MOVED_TO, WR_WATCH_CREATE},
        {IN_MOVED_FROM | IN_MOVE_SELF, WR_WATCH_RENAME},
        {IN_ATTRIB, WR_WATCH_CHMOD},
        {IN_MODIFY, WR_WATCH_WRITE},
        {IN_DELETE | IN_DELETE_SELF, WR_WATCH_REMOVE},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(types); i++) {
        if (mask & types[i].mask)
            report(tree, dir, name, types[i].type);
    }
}

static int handle_event(struct wr_watch_tree *tree, const struct inotify_event *e,
                        struct wr_error *err)
{
    const char *name = e->len > 0 ? e->name : "";

    if (e->mask & IN_Q_OVERFLOW)
        return wr_fail(err, WR_E_INTERNAL, 0,
                       "too many changes at once: some were lost; start watching again");
    struct wr_watch_dir *dir = find_dir(tree, e->wd);
    if (!dir)
        return 0;
    if (e->mask & IN_IGNORED) {
        drop_dirs(tree, dir);
        return 0;
    }
    /* What happens to a directory itself is told by the one that it is in. */
    if (name[0] == '\0' && dir->parent)
        return 0;
    if ((e->mask & (IN_CREATE | IN_MOVED_TO)) && dir->found &&
        json_object_del(dir->found, name) == 0) {
        tree->found_count--;
        return 0;
    }
    report_all(tree, dir, name, e->mask);
    if (!tree->recursive || !(e->mask & IN_ISDIR) || name[0] == '\0')
        return 0;
    if (e->mask & (IN_CREATE | IN_MOVED_TO))
        return add_dir(tree, dir, name, err);
    struct wr_watch_dir *child = e->mask & IN_MOVED_FROM ? find_child(dir, name) : NULL;
    if (child) {
        child->has_moved = true;
        set_state(&tree->moved, child);
    }
    return 0;
}

/* The next event, with one read of the queue when none is buffered. */
static int next_event(struct wr_watch_tree *tree, struct wr_error *err)
{
    if (tree->at == tree->len) {
        ssize_t n = read(tree->fd, tree->buffer, sizeof(tree->buffer));
        if (n < 0 && errno == EINTR)
            return 1;
        if (n <= 0) {
            settle(tree);
            return 0;
        }
        tree->at = 0;
        tree->len = (size_t)n;
    }
    /* The kernel hands out whole events, aligned. */
    const struct inotify_event *e = (const void *)(tree->buffer + tree->at);
    tree->at += sizeof(*e) + e->len;
    int rc = handle_event(tree, e, err);
    return rc < 0 ? rc : 1;
}

int wr_watch_tree_step(struct wr_watch_tree *tree, struct wr_error *err)
{
    if (start_reading(tree)) {
        int rc = read_entry(tree, err);
        return rc < 0 ? rc : 1;
    }
    return next_event(tree, err);
}

/* ---- open and close ---- */

/* Before the first event everything that is there is watched. */
static int read_initial(struct wr_watch_tree *tree, struct wr_error *err)
{
    size_t entries = 0;

    while (start_reading(tree)) {
        int rc = read_entry(tree, err);
        if (rc < 0)
            return rc;
        if (++entries > WR_WATCH_MAX_INITIAL)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                           "'%.120s' has more than %d entries; watch a smaller one", tree->path,
                           WR_WATCH_MAX_INITIAL);
    }
    tree->reading_reports = true;
    return 0;
}

int wr_watch_tree_open(struct wr_watch_tree *tree, const char *path, bool recursive, wr_watch_fn fn,
                       void *data, struct wr_error *err)
{
    *tree = (struct wr_watch_tree){.fd = -1, .recursive = recursive, .fn = fn, .data = data};
    wr_list_init(&tree->unread);
    wr_list_init(&tree->read);
    wr_list_init(&tree->moved);
    for (size_t i = 0; i < WR_WATCH_BUCKETS; i++)
        wr_list_init(&tree->buckets[i]);
    tree->path = wr_strdup(path);
    if (!tree->path)
        return no_memory(err);
    int rc = 0;
    tree->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (tree->fd < 0)
        rc = wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "no inotify instance for '%.120s'", path);
    if (rc == 0)
        rc = add_dir(tree, NULL, "", err);
    if (rc == 0)
        rc = read_initial(tree, err);
    if (rc < 0)
        wr_watch_tree_close(tree);
    return rc;
}

void wr_watch_tree_close(struct wr_watch_tree *tree)
{
    if (tree->path) {
        stop_reading(tree);
        if (tree->root)
            drop_dirs(tree, tree->root);
    }
    tree->fd = wr_close(tree->fd);
    free(tree->path);
    tree->path = NULL;
}
