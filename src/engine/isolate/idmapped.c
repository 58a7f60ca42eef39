#include "engine/isolate/idmapped.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "base/fd.h"

int wr_idmapped_clone(int dirfd, int userns_fd, uint64_t extra_attr, const char *what, int *ret_fd,
                      struct wr_error *err)
{
    struct mount_attr attr = {.attr_set =
                                  (uint64_t)(MOUNT_ATTR_IDMAP | MOUNT_ATTR_NODEV) | extra_attr,
                              .propagation = MS_PRIVATE,
                              .userns_fd = (unsigned)userns_fd};
    wr_auto_close int fd =
        open_tree(dirfd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    if (fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "clone the mount of %s", what);
    if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return wr_fail_errno(
            err, WR_E_FAILED_PRECONDITION,
            "map ids of %s (its file system must support idmapped mounts: ext4, xfs, btrfs, tmpfs)",
            what);
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}
