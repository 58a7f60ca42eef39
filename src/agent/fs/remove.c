#include "agent/fs/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "agent/fs/path.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/remove_tree.h"
#include "base/str.h"

#define SLICE 256 /* entries per turn of the loop */

struct removal {
    struct wr_list link;
    struct wr_filesystem *fs;
    struct wr_loop *loop;
    struct wr_remove_client client;
    bool has_client;
    struct wr_idle again;
    struct wr_removal *walk; /* owned; NULL: nothing to do */
    int parent;              /* where the tree's own entry is; owned */
    char path[PATH_MAX];     /* for messages */
};

static void free_removal(struct removal *r)
{
    if (r->walk)
        (void)wr_removal_end(r->walk);
    wr_idle_cancel(&r->again);
    wr_list_remove(&r->link);
    r->fs->removal_count--;
    r->parent = wr_close(r->parent);
    free(r);
}

static int removal_error(struct wr_error *err, int negative_errno, const char *path)
{
    return wr_fail(err, WR_E_INTERNAL, -negative_errno, "error removing file or directory '%.140s'",
                   path);
}

static void finish(struct removal *r)
{
    static const struct wr_exchange_ops no_ops;

    int rc = wr_removal_end(wr_steal_ptr(&r->walk));
    if (r->has_client) {
        r->client.answer(&r->client, rc, r->path);
        wr_exchange_set_ops(r->client.ex, &no_ops, NULL);
    }
    free_removal(r);
}

static void go_on(struct removal *r)
{
    if (wr_removal_step(r->walk, SLICE))
        wr_idle_queue(r->loop, &r->again);
    else
        finish(r);
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

static int start(struct removal *r, const char *name)
{
    static const struct wr_exchange_ops ops = {.on_close = on_close};

    int rc = wr_removal_begin(r->parent, name, &r->walk);
    if (rc < 0 && rc != -ENOENT)
        return rc;
    if (!r->walk) {
        r->client.answer(&r->client, 0, r->path);
        free_removal(r);
        return 0;
    }
    wr_exchange_set_ops(r->client.ex, &ops, r);
    r->has_client = true;
    go_on(r);
    return 0;
}

int wr_remove_at(struct wr_filesystem *fs, const struct wr_remove_client *client, int parent,
                 const char *name, const char *path)
{
    struct removal *r = fs->removal_count < WR_REMOVE_MAX_AT_ONCE ? wr_calloc(1, sizeof(*r)) : NULL;

    if (!r || !wr_strcopy(r->path, sizeof(r->path), path)) {
        free(r);
        wr_close(parent);
        return fs->removal_count < WR_REMOVE_MAX_AT_ONCE ? -ENOMEM : -EBUSY;
    }
    r->fs = fs;
    r->loop = wr_exchange_loop(client->ex);
    r->client = *client;
    r->parent = parent;
    r->again = (struct wr_idle){.fn = on_idle, .data = r};
    wr_list_append(&fs->removals, &r->link);
    fs->removal_count++;
    int rc = start(r, name);
    if (rc < 0)
        free_removal(r);
    return rc;
}

static void answer_rpc(const struct wr_remove_client *client, int rc, const char *path)
{
    struct wr_error err;

    if (rc < 0) {
        (void)removal_error(&err, rc, path);
        wr_connect_fail(&client->out, &err);
    } else {
        wr_connect_reply(&client->out, NULL, 0);
    }
}

int wr_remove(struct wr_filesystem *fs, const struct wr_connect_out *out, const char *path,
              struct wr_error *err)
{
    const struct wr_remove_client client = {.ex = out->ex, .answer = answer_rpc, .out = *out};
    char name[NAME_MAX + 1];
    int parent = -1;

    if (fs->removal_count >= WR_REMOVE_MAX_AT_ONCE)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "%d removals are under way; wait for one to end", WR_REMOVE_MAX_AT_ONCE);
    int rc = open_parent(path, &parent, name);
    if (rc == -ENOENT) {
        wr_connect_reply(out, NULL, 0);
        return 0;
    }
    if (rc == 0)
        rc = wr_remove_at(fs, &client, parent, name, path);
    if (rc == -ENOMEM)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the removal");
    return rc < 0 ? removal_error(err, rc, path) : 0;
}

void wr_remove_cancel_all(struct wr_filesystem *fs)
{
    wr_list_foreach(it, &fs->removals)
        free_removal(wr_list_entry(it, struct removal, link));
}
