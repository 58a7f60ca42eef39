#include "agent/fs/list_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fs/dir_names.h"
#include "agent/fs/entry.h"
#include "agent/fs/path.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"

#define SLICE       256            /* entries per turn of the loop */
#define MAX_LEVELS  (PATH_MAX / 2) /* a path has no more components */
#define LARGE_NAMES 4096           /* above it the memory goes back to the kernel at once */

/* One directory that is being listed, with the names that are still to come. */
struct level {
    struct wr_dir_names names;
    size_t path_len; /* of the directory's own path in listing.path */
};

struct listing {
    struct wr_filesystem *fs;
    struct wr_connect_out out;
    struct wr_buf json;
    struct wr_jw w;
    struct wr_id_names owners;
    struct wr_idle again;
    struct level *levels; /* owned */
    size_t level_count, level_cap;
    size_t name_count; /* of all levels */
    bool large;
    uint32_t depth;
    size_t root_len;      /* of the resolved root in `path` */
    char path[PATH_MAX];  /* of the entry that is looked at */
    char shown[PATH_MAX]; /* the root as the client named it */
};

static void free_level(struct listing *l)
{
    struct level *level = &l->levels[--l->level_count];

    l->name_count -= level->names.count;
    wr_dir_names_free(&level->names);
}

static void free_listing(struct listing *l)
{
    const bool large = l->large;

    while (l->level_count > 0)
        free_level(l);
    free(l->levels);
    wr_buf_done(&l->json);
    wr_id_names_done(&l->owners);
    wr_idle_cancel(&l->again);
    l->fs->list_count--;
    free(l);
    if (large)
        malloc_trim(0);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    (void)ex;
    (void)aborted;
    free_listing(data);
}

static int no_memory(struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the listing");
}

static int grow_levels(struct listing *l, struct wr_error *err)
{
    if (l->level_count < l->level_cap)
        return 0;
    size_t cap = l->level_cap > 0 ? l->level_cap * 2 : 8;
    struct level *grown =
        l->level_count < MAX_LEVELS ? realloc(l->levels, cap * sizeof(*grown)) : NULL;
    if (!grown)
        return no_memory(err);
    l->levels = grown;
    l->level_cap = cap;
    return 0;
}

/* Reads the names of the directory at listing.path. 1: it is not there (any more). */
static int push_level(struct listing *l, int flags, struct wr_error *err)
{
    wr_auto_close int fd = open(l->path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC | flags);

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return 1;
    if (fd < 0)
        return wr_fail(err, WR_E_INTERNAL, errno, "error reading directory '%.160s'", l->path);
    int rc = grow_levels(l, err);
    if (rc < 0)
        return rc;
    struct level *level = &l->levels[l->level_count++];
    *level = (struct level){.path_len = strlen(l->path)};
    rc = wr_dir_names_read(wr_steal_fd(&fd), WR_LIST_MAX_NAMES - l->name_count, &level->names, err);
    l->name_count += level->names.count;
    l->large = l->large || l->name_count > LARGE_NAMES;
    return rc;
}

/* Puts the entry's own path into listing.path; false when it is too long to be looked at. */
static bool enter(struct listing *l, const struct level *level, const char *name)
{
    size_t len = level->path_len;
    size_t name_len = strlen(name);
    bool slash = l->path[len - 1] != '/';

    if (len + slash + name_len >= sizeof(l->path))
        return false;
    if (slash)
        l->path[len++] = '/';
    memcpy(l->path + len, name, name_len + 1);
    return true;
}

/* What the client is told: its own name for the root, and what is behind the root. */
static void write_entry(struct listing *l, const struct stat *st)
{
    char shown[PATH_MAX];
    const char *rest = l->path + l->root_len;
    const char *base = wr_streq(l->shown, "/") ? "" : l->shown;

    if (wr_strformat(shown, sizeof(shown), "%s%s%s", base, *rest == '/' ? "" : "/", rest))
        wr_entry_write(&l->w, l->path, shown, st, &l->owners);
}

static int visit(struct listing *l, const char *name, struct wr_error *err)
{
    struct stat st;

    if (!enter(l, &l->levels[l->level_count - 1], name) || lstat(l->path, &st) < 0)
        return 0; /* gone meanwhile, or out of reach */
    write_entry(l, &st);
    if (l->w.error < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "the listing is over the limit of %zu MiB; list a smaller directory or "
                       "less depth",
                       (size_t)(WR_LIST_MAX_BYTES / WR_MIB));
    if (!S_ISDIR(st.st_mode) || l->level_count >= l->depth)
        return 0;
    int rc = push_level(l, O_NOFOLLOW, err);
    return rc < 0 ? rc : 0;
}

static void answer(struct listing *l, int rc, const struct wr_error *err)
{
    const struct wr_connect_out out = l->out;

    if (rc == 0) {
        wr_jw_end(&l->w);
        wr_jw_end(&l->w);
        if (wr_jw_finish(&l->w) == 0) {
            wr_connect_reply(&out, wr_buf_ptr(&l->json), l->json.len);
            wr_buf_done(&l->json);
            return;
        }
    }
    struct wr_error no_room;
    (void)no_memory(&no_room);
    wr_connect_fail(&out, rc < 0 ? err : &no_room);
}

static void go_on(struct listing *l)
{
    struct wr_error err = {0};
    int rc = 0;

    for (int i = 0; i < SLICE && rc == 0; i++) {
        if (l->level_count == 0) {
            answer(l, 0, &err);
            return;
        }
        struct level *level = &l->levels[l->level_count - 1];
        if (level->names.next == level->names.count)
            free_level(l);
        else
            rc = visit(l, level->names.names[level->names.next++], &err);
    }
    if (rc < 0)
        answer(l, rc, &err);
    else
        wr_idle_queue(wr_exchange_loop(l->out.ex), &l->again);
}

static void on_idle(struct wr_idle *idle, void *data)
{
    (void)idle;
    go_on(data);
}

static int resolve(const char *path, char out[static PATH_MAX], struct wr_error *err)
{
    struct stat st;

    if (!realpath(path, out)) {
        switch (errno) {
        case ENOENT:
            return wr_fail(err, WR_E_NOT_FOUND, errno, "path not found: %.180s", path);
        case ELOOP:
            return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                           "cyclic symlink or too many links at \"%.160s\"", path);
        default:
            return wr_fail(err, WR_E_INTERNAL, errno, "error resolving path '%.160s'", path);
        }
    }
    if (stat(out, &st) < 0)
        return wr_fail(err, WR_E_NOT_FOUND, errno, "path not found: %.180s", path);
    if (!S_ISDIR(st.st_mode))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "path is not a directory: %.180s", path);
    return 0;
}

static int prepare(struct listing *l, const char *path, struct wr_error *err)
{
    int rc = resolve(path, l->path, err);

    if (rc == 0 && !wr_path_clean(path, l->shown))
        rc = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "path is too long");
    if (rc < 0)
        return rc;
    l->root_len = wr_streq(l->path, "/") ? 0 : strlen(l->path);
    rc = push_level(l, 0, err);
    if (rc == 1)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "path not found: %.180s", path);
    return rc;
}

int wr_list_dir(struct wr_filesystem *fs, const struct wr_connect_out *out, const char *path,
                uint32_t depth, struct wr_error *err)
{
    static const struct wr_exchange_ops ops = {.on_close = on_close};

    if (fs->list_count >= WR_LIST_MAX_AT_ONCE)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "%d listings are under way; wait for one to end", WR_LIST_MAX_AT_ONCE);
    struct listing *l = wr_calloc(1, sizeof(*l));
    if (!l)
        return no_memory(err);
    fs->list_count++;
    l->fs = fs;
    l->out = *out;
    l->depth = depth > 0 ? depth : 1;
    l->again = (struct wr_idle){.fn = on_idle, .data = l};
    wr_buf_init(&l->json, WR_LIST_MAX_BYTES);
    wr_jw_init(&l->w, &l->json);
    wr_jw_object(&l->w);
    wr_jw_key(&l->w, "entries");
    wr_jw_array(&l->w);
    int rc = prepare(l, path, err);
    if (rc < 0) {
        free_listing(l);
        return rc;
    }
    wr_exchange_set_ops(out->ex, &ops, l);
    go_on(l);
    return 0;
}
