/* What is left of a dump in the files of a sandbox that goes on. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/snapshot/criu.h"
#include "sys/syscall.h"

#define LIST     "link-remaps" /* written by our build of CRIU: paths, each ended by NUL */
#define LIST_MAX ((size_t)4 * 1024 * 1024)
#define PREFIX   "link_remap."

/* `path` ("./tmp/link_remap.N") is cut at its last slash. The directories were named by the
 * sandbox; what is gone, or beyond a link by now, is not ours. */
static int drop(int root_fd, char *path, struct wr_error *err)
{
    char *slash = strrchr(path, '/');

    if (!slash || !wr_starts_with(slash + 1, PREFIX))
        return wr_fail(err, WR_E_DATA_LOSS, 0, "the list of criu's links names something else");
    *slash = '\0';
    wr_auto_close int dir =
        wr_openat2(root_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0,
                   RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    if (dir >= 0 && unlinkat(dir, slash + 1, 0) < 0 && errno != ENOENT)
        return wr_fail_errno(err, WR_E_INTERNAL, "remove a link that criu made");
    return 0;
}

int wr_criu_drop_links(int image_dirfd, pid_t pid, struct wr_error *err)
{
    wr_auto_buf list = WR_BUF(LIST_MAX);
    char root[32];
    int rc = wr_file_read(image_dirfd, LIST, &list);

    if (rc == -ENOENT)
        return 0;
    char *text = rc < 0 ? NULL : wr_buf_cstr(&list);
    if (!text || !wr_strformat(root, sizeof(root), "/proc/%d/root", pid))
        return wr_fail(err, WR_E_INTERNAL, rc < 0 ? -rc : ENOMEM, "read the list of criu's links");
    wr_auto_close int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open the sandbox's root file system");
    rc = 0;
    for (char *at = text; at < text + list.len && rc == 0;) {
        char *next = at + strlen(at) + 1;
        rc = drop(root_fd, at, err);
        at = next;
    }
    return rc;
}
