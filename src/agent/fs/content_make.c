#include "agent/fs/content_make.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/fs/content_reply.h"
#include "base/fd.h"
#include "base/str.h"

/* By descriptor, and never through a link: a sandbox may put something else in its place
 * meanwhile. */
static int give(const struct wr_content_place *place, const struct wr_content_query *query,
                mode_t mode)
{
    wr_auto_close int fd = openat(place->parent, place->name,
                                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    return fd < 0 || fchown(fd, query->uid, query->gid) < 0 || fchmod(fd, mode) < 0 ? -errno : 0;
}

static int make_one(const struct wr_content_place *place, const struct wr_content_query *query,
                    mode_t mode)
{
    if (mkdirat(place->parent, place->name, 0700) < 0)
        return -errno;
    return give(place, query, mode);
}

/* The directory at `path`, or at what a link there leads to. */
static int make_if_missing(int root, const char *path, const struct wr_content_query *query)
{
    WR_CLEANUP(wr_content_place_done) struct wr_content_place place = WR_CONTENT_NOWHERE;
    wr_auto_close int there = wr_content_open(root, path, O_PATH | O_DIRECTORY);

    if (there != -ENOENT)
        return there < 0 ? there : 0;
    int rc = wr_content_place(root, path, &place);
    if (rc == 0)
        rc = make_one(&place, query, WR_CONTENT_DIR_MODE);
    return rc == -EEXIST ? 0 : rc; /* made by somebody else meanwhile is as good */
}

int wr_content_make_parents(int root, const struct wr_content_query *query)
{
    char path[PATH_MAX];
    int rc = 0;

    memcpy(path, query->path, strlen(query->path) + 1);
    for (char *slash = strchr(path + 1, '/'); rc == 0 && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        rc = make_if_missing(root, path, query);
        *slash = '/';
    }
    return rc;
}

/* 0 or -errno; *ret_place is the directory. */
static int make(int root, const struct wr_content_query *query, struct wr_content_place *ret_place)
{
    int rc = query->force ? wr_content_make_parents(root, query) : 0;

    if (rc == 0)
        rc = wr_content_place(root, query->path, ret_place);
    if (rc == 0 && ret_place->name[0] == '\0')
        rc = -EEXIST;
    if (rc == 0)
        rc = make_one(ret_place, query, query->has_mode ? query->mode : WR_CONTENT_DIR_MODE);
    if (rc != -EEXIST || !query->force)
        return rc;
    wr_auto_close int there = wr_content_open(root, query->path, O_PATH | O_DIRECTORY);
    return there < 0 ? there : 0;
}

void wr_content_make_dir(struct wr_exchange *ex, int root, const struct wr_content_query *query)
{
    WR_CLEANUP(wr_content_place_done) struct wr_content_place place = WR_CONTENT_NOWHERE;
    struct stat st;
    int rc = make(root, query, &place);

    if (rc == 0)
        rc = wr_content_place_stat(&place, &st);
    if (rc < 0)
        wr_content_fail_errno(ex, -rc, "make directory", query->path);
    else
        wr_content_entry_reply(ex, 201, place.parent, place.name, query->path, &st);
}
