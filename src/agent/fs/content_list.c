#include "agent/fs/content_list.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include "agent/fs/content_reply.h"
#include "agent/fs/content_resolve.h"
#include "agent/fs/dir_names.h"
#include "agent/fs/list_dir.h"
#include "agent/reply.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"

#define SLICE       256  /* entries per turn of the loop */
#define LARGE_NAMES 4096 /* above it the memory goes back to the kernel at once */

/* One directory that is being listed. Its descriptor is used from here on: whatever is renamed
 * meanwhile, it stays this directory. */
struct level {
    int fd;
    struct wr_dir_names names;
    size_t path_len; /* of its own path in listing.path */
};

struct listing {
    struct wr_filesystem *fs;
    struct wr_exchange *ex;
    struct wr_buf json;
    struct wr_jw w;
    struct wr_idle again;
    struct level levels[WR_CONTENT_MAX_DEPTH];
    size_t level_count;
    size_t name_count; /* of all levels */
    bool large;
    uint32_t depth;
    char path[PATH_MAX]; /* of the entry that is looked at */
};

static void pop_level(struct listing *l)
{
    struct level *level = &l->levels[--l->level_count];

    l->name_count -= level->names.count;
    wr_dir_names_free(&level->names);
    wr_close(level->fd);
}

static void free_listing(struct listing *l)
{
    const bool large = l->large;

    while (l->level_count > 0)
        pop_level(l);
    wr_buf_done(&l->json);
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

/* `fd` is taken over. */
static int push_level(struct listing *l, int fd, struct wr_error *err)
{
    struct level *level = &l->levels[l->level_count++];
    int names_fd = -1;

    *level = (struct level){.fd = fd, .path_len = strlen(l->path)};
    /* The stream of names closes its own. */
    names_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (names_fd < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "read a directory");
    int rc = wr_dir_names_read(names_fd, WR_LIST_MAX_NAMES - l->name_count, &level->names, err);
    l->name_count += level->names.count;
    l->large = l->large || l->name_count > LARGE_NAMES;
    return rc;
}

/* Puts the entry's own path into listing.path; false when it is too long for one. */
static bool enter(struct listing *l, const struct level *level, const char *name)
{
    size_t len = level->path_len;
    const bool slash = l->path[len - 1] != '/';

    if (len + slash + strlen(name) >= sizeof(l->path))
        return false;
    if (slash)
        l->path[len++] = '/';
    memcpy(l->path + len, name, strlen(name) + 1);
    return true;
}

static int visit(struct listing *l, const char *name, struct wr_error *err)
{
    const struct level *level = &l->levels[l->level_count - 1];
    struct stat st;

    if (!enter(l, level, name) || fstatat(level->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0; /* gone meanwhile, or out of reach */
    wr_content_entry_write(&l->w, level->fd, name, l->path, &st);
    if (l->w.error < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "the listing is over the limit of %zu MiB; list a smaller directory or "
                       "less depth",
                       (size_t)(WR_LIST_MAX_BYTES / WR_MIB));
    if (!S_ISDIR(st.st_mode) || l->level_count >= l->depth)
        return 0;
    int fd = openat(level->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? 0 : push_level(l, fd, err); /* it is something else meanwhile */
}

/* Frees the listing by on_close. */
static void answer(struct listing *l, int rc, const struct wr_error *err)
{
    if (rc == 0) {
        wr_jw_end(&l->w);
        rc = wr_jw_finish(&l->w);
    }
    if (rc == 0)
        wr_reply_json(l->ex, 200, &l->json);
    else
        wr_content_fail_now(l->ex, 400, "%s", err->code ? err->msg : "the listing is too large");
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
        struct wr_dir_names *names = &l->levels[l->level_count - 1].names;
        if (names->next == names->count)
            pop_level(l);
        else
            rc = visit(l, names->names[names->next++], &err);
    }
    if (rc < 0)
        answer(l, rc, &err);
    else
        wr_idle_queue(wr_exchange_loop(l->ex), &l->again);
}

static void on_idle(struct wr_idle *idle, void *data)
{
    (void)idle;
    go_on(data);
}

void wr_content_list(struct wr_filesystem *fs, struct wr_exchange *ex, int root,
                     const struct wr_content_query *query)
{
    static const struct wr_exchange_ops ops = {.on_close = on_close};
    wr_auto_close int fd = wr_content_open(root, query->path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    struct wr_error err;

    if (fd < 0) {
        wr_content_fail_errno(ex, -fd, "list", query->path);
        return;
    }
    struct listing *l = fs->list_count < WR_LIST_MAX_AT_ONCE ? wr_calloc(1, sizeof(*l)) : NULL;
    if (!l) {
        wr_content_fail(ex, 429, "too many listings are under way; wait for one to end");
        return;
    }
    fs->list_count++;
    l->fs = fs;
    l->ex = ex;
    l->depth = query->depth;
    l->again = (struct wr_idle){.fn = on_idle, .data = l};
    memcpy(l->path, query->path, strlen(query->path) + 1);
    wr_buf_init(&l->json, WR_LIST_MAX_BYTES);
    wr_jw_init(&l->w, &l->json);
    wr_jw_array(&l->w);
    if (push_level(l, wr_steal_fd(&fd), &err) < 0) {
        free_listing(l);
        wr_content_fail(ex, 400, "%s", err.msg);
        return;
    }
    wr_exchange_set_ops(ex, &ops, l);
    go_on(l);
}
