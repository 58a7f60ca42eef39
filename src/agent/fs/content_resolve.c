#include "agent/fs/content_resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <unistd.h>

#include "agent/fs/path.h"
#include "base/fd.h"
#include "base/str.h"
#include "sys/syscall.h"

#define RESOLVE  (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)
/* Something was renamed while ".." of a link was looked at. Whoever does that all the time gets an
 * error. */
#define ATTEMPTS 64

int wr_content_root(const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int wr_content_open(int root, const char *path, int flags)
{
    const char *relative = path[1] ? path + 1 : ".";
    int fd = -EAGAIN;

    for (int i = 0; fd == -EAGAIN && i < ATTEMPTS; i++)
        fd = wr_openat2(root, relative, (uint64_t)flags | O_CLOEXEC, 0, RESOLVE);
    return fd;
}

int wr_content_place(int root, const char *path, struct wr_content_place *ret)
{
    char parent[PATH_MAX];
    size_t len = 0;
    const char *base = wr_path_base(path, &len);
    const bool is_root = path[1] == '\0';

    if (!is_root && len > NAME_MAX)
        return -ENAMETOOLONG;
    const size_t parent_len = is_root || base == path + 1 ? 1 : (size_t)(base - path) - 1;
    memcpy(parent, path, parent_len);
    parent[parent_len] = '\0';
    int fd = wr_content_open(root, parent, O_PATH | O_DIRECTORY);
    if (fd < 0)
        return fd;
    ret->parent = fd;
    if (is_root)
        len = 0;
    memcpy(ret->name, base, len);
    ret->name[len] = '\0';
    return 0;
}

void wr_content_place_done(struct wr_content_place *place)
{
    place->parent = wr_close(place->parent);
}

int wr_content_place_stat(const struct wr_content_place *place, struct stat *ret)
{
    return fstatat(place->parent, place->name, ret, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0
               ? -errno
               : 0;
}
