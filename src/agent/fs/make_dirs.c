#include "agent/fs/make_dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fs/create.h"
#include "base/fd.h"
#include "base/str.h"

/* A new directory becomes the user's. By descriptor: in a directory of theirs the user may put
 * something else in its place meanwhile, and only a directory must be given away. */
static int give(const char *path, const struct wr_user *user)
{
    wr_auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 || fchown(fd, user->uid, user->gid) < 0 ? -errno : 0;
}

static int make_one(const char *path, const struct wr_user *user, struct wr_error *err)
{
    struct stat st;

    if (mkdir(path, 0755) == 0) {
        int rc = give(path, user);
        return rc < 0 ? wr_file_fail(err, -rc, "changing the owner of directory", path) : 0;
    }
    /* Made by somebody else meanwhile is as good. */
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    return wr_file_fail(err, errno == EEXIST ? ENOTDIR : errno, "creating directory", path);
}

int wr_make_dirs(const char *path, const struct wr_user *user, struct wr_error *err)
{
    char prefix[PATH_MAX];
    int rc = 0;

    if (!wr_strcopy(prefix, sizeof(prefix), path))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "path is longer than %d bytes", PATH_MAX - 1);
    for (char *slash = strchr(prefix + 1, '/'); rc == 0 && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        rc = make_one(prefix, user, err);
        *slash = '/';
    }
    if (rc == 0 && !wr_ends_with(prefix, "/"))
        rc = make_one(prefix, user, err);
    return rc;
}

int wr_make_parent_dirs(const char *path, const struct wr_user *user, struct wr_error *err)
{
    char parent[PATH_MAX];

    if (!wr_strcopy(parent, sizeof(parent), path))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "path is longer than %d bytes", PATH_MAX - 1);
    size_t len = strlen(parent);
    while (len > 1 && parent[len - 1] == '/')
        len--;
    while (len > 1 && parent[len - 1] != '/')
        len--;
    parent[len] = '\0';
    return wr_make_dirs(parent, user, err);
}
