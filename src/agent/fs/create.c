#include "agent/fs/create.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fs/make_dirs.h"
#include "base/fd.h"

int wr_file_fail(struct wr_error *err, int os_errno, const char *what, const char *path)
{
    bool full = os_errno == ENOSPC || os_errno == EDQUOT;
    return wr_fail(err, full ? WR_E_RESOURCE_EXHAUSTED : WR_E_INTERNAL, os_errno,
                   "error %s '%.160s'", what, path);
}

int wr_file_create(const char *path, const struct wr_user *user, int *ret_fd, struct wr_error *err)
{
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    struct stat st;

    wr_auto_close int fd = open(path, flags, 0666);
    if (fd < 0 && errno == ENOENT) {
        int rc = wr_make_parent_dirs(path, user, err);
        if (rc < 0)
            return rc;
        fd = open(path, flags, 0666);
    }
    if (fd < 0 && errno == EISDIR)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "path is a directory: %.200s", path);
    if (fd < 0 && errno == ENXIO)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "path is not a regular file: %.200s", path);
    if (fd < 0 || fstat(fd, &st) < 0)
        return wr_file_fail(err, errno, "opening file", path);
    if (!S_ISREG(st.st_mode))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "path is not a regular file: %.200s", path);
    if (fchown(fd, user->uid, user->gid) < 0)
        return wr_file_fail(err, errno, "changing the owner of file", path);
    if (st.st_size > 0 && ftruncate(fd, 0) < 0)
        return wr_file_fail(err, errno, "truncating file", path);
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}
