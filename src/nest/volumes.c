#include "nest/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/syscall.h"

#define RESOLVE (RESOLVE_IN_ROOT | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS)

bool wr_volumes_are_sound(const struct wr_nest_request *request)
{
    if (request->volume_count > WR_NEST_MAX_VOLUMES)
        return false;
    for (size_t i = 0; i < request->volume_count; i++) {
        const char *path = request->volumes[i].path;
        if (path[0] != '/' || !memchr(path, '\0', sizeof(request->volumes[i].path)))
            return false;
    }
    return true;
}

bool wr_volumes_forbid_clones(const struct wr_nest_request *request)
{
    return request->volume_count > 1;
}

/* Without the slash: openat2() would resolve from there all the same, but so it is one path for
 * all kernels. -errno. */
static int open_dir(int root, const char *path)
{
    const char *relative = path + strspn(path, "/");

    return wr_openat2(root, *relative ? relative : ".",
                      (uint64_t)(O_PATH | O_DIRECTORY | O_CLOEXEC), 0, RESOLVE);
}

/* `path` up to its component that ends at `end`, which is made if it is not there. */
static int make_one(int root, char *path, char *end)
{
    const char kept = *end;
    char *slash = NULL;

    *end = '\0';
    wr_auto_close int there = open_dir(root, path);
    int rc = there < 0 ? there : 0;
    if (rc == -ENOENT) {
        slash = strrchr(path, '/');
        *slash = '\0';
        wr_auto_close int parent = open_dir(root, path);
        *slash = '/';
        rc = parent < 0 ? parent : mkdirat(parent, slash + 1, 0755) < 0 ? -errno : 0;
    }
    *end = kept;
    return rc;
}

/* -errno, or the directory. */
static int make_path(int root, const char *path)
{
    char copy[sizeof(((struct wr_nest_volume *)0)->path)];
    int rc = 0;

    memcpy(copy, path, strlen(path) + 1);
    for (char *at = copy + 1; rc == 0 && *at;) {
        char *end = at + strcspn(at, "/");
        rc = make_one(root, copy, end);
        at = *end ? end + 1 : end;
    }
    return rc < 0 ? rc : open_dir(root, path);
}

static int attach(int root, const struct wr_nest_volume *volume, int mount_fd, struct wr_error *err)
{
    wr_auto_close int target = make_path(root, volume->path);

    if (target == -EXDEV)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "a volume cannot be mounted at %.120s: links of the template lead into a "
                       "mount of the sandbox's own",
                       volume->path);
    if (target == -ENOTDIR)
        return wr_fail(
            err, WR_E_INVALID_ARGUMENT, 0,
            "a volume cannot be mounted at %.120s: it, or a part of it, is a file of the "
            "template",
            volume->path);
    if (target == -EEXIST || target == -ELOOP)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, -target,
                       "a volume cannot be mounted at %.120s, where a link leads nowhere",
                       volume->path);
    if (target < 0)
        return wr_fail(err, wr_code_from_errno(-target), -target, "make the directory %.120s",
                       volume->path);
    if (move_mount(mount_fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "attach the volume at %.120s", volume->path);
    return 0;
}

int wr_volumes_attach(const struct wr_nest_request *request, const int *fds, struct wr_error *err)
{
    int rc = 0;

    if (request->volume_count == 0)
        return 0;
    wr_auto_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open the root directory");
    for (size_t i = 0; rc == 0 && i < request->volume_count; i++)
        rc = attach(root, &request->volumes[i], fds[i], err);
    return rc;
}
