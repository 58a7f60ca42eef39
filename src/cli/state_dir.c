#include "cli/state_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

/* A plain file with one name only: a link that the former owner left could lead anywhere. */
static int give_file(int dirfd, const char *name, uid_t uid, gid_t gid, struct wr_error *err)
{
    wr_auto_close int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "open %s", name);
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
        return 0;
    if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "give %s to the server's user", name);
    return 0;
}

static int give_files(int dirfd, uid_t uid, gid_t gid, struct wr_error *err)
{
    int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    int r = 0;

    if (!dir) {
        (void)wr_close(copy);
        return wr_fail_errno(err, WR_E_INTERNAL, "list the server's directory");
    }
    for (struct dirent *entry = readdir(dir); entry && r == 0; entry = readdir(dir))
        if (entry->d_name[0] != '.')
            r = give_file(dirfd, entry->d_name, uid, gid, err);
    closedir(dir);
    return r;
}

/* As that user, since access depends on more than the modes of the directories above. */
static int check_reach(const char *path, uid_t uid, gid_t gid, struct wr_error *err)
{
    int fd = -1, reason = 0;

    if (geteuid() != 0)
        return 0;
    if (setegid(gid) == 0 && seteuid(uid) == 0) {
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        reason = errno;
    }
    if (seteuid(0) < 0 || setegid(0) < 0) {
        (void)wr_close(fd);
        return wr_fail_errno(err, WR_E_INTERNAL, "become root again");
    }
    if (fd < 0)
        return wr_fail(
            err, WR_E_FAILED_PRECONDITION, reason,
            "%.100s: the server's user (uid %u) cannot go through the directories above; "
            "`chmod o+x` them, or choose another --data-dir",
            path, (unsigned)uid);
    (void)wr_close(fd);
    return 0;
}

int wr_state_dir_make(const char *data_dir, uid_t uid, gid_t gid, char **ret_path,
                      struct wr_error *err)
{
    wr_auto_free char *path = wr_asprintf("%s/server", data_dir);
    struct stat st;

    int r = path ? wr_mkdir_parents(AT_FDCWD, path, 0700) : -ENOMEM;
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "make directory %s/server", data_dir);
    wr_auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "open %s", path);
    /* Files first: when this is cut short, the next start sees the old owner and does it again. */
    if (st.st_uid != uid || st.st_gid != gid) {
        r = give_files(fd, uid, gid, err);
        if (r < 0)
            return wr_wrap(err, "%s", path);
        if (fchown(fd, uid, gid) < 0)
            return wr_fail_errno(
                err, errno == EPERM || errno == EINVAL ? WR_E_PERMISSION_DENIED : WR_E_INTERNAL,
                "%.100s cannot be given to the server's user (uid %u): the server "
                "has to be started by the host's own root",
                path, (unsigned)uid);
    }
    if ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "set the mode of %s", path);
    r = check_reach(path, uid, gid, err);
    if (r == 0)
        *ret_path = wr_steal_ptr(&path);
    return r;
}
