#include "engine/driver/native/workdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "engine/driver/native/native.h"
#include "engine/job.h"
#include "log/log.h"

#define PATH_CAP 320

/* At an engine's start, for each job: none of these does harm when it is cut off. */
#define PATIENCE_MS 10000
#define END_MS      5000

int wr_workdir_path(const struct wr_driver *driver, const char *name, char *out, size_t cap,
                    struct wr_error *err)
{
    if (!wr_strformat(out, cap, "%s/jobs%s%s", driver->run_dir, *name ? "/" : "", name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the path %s is too long", driver->run_dir);
    return 0;
}

static int open_dir(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Of an earlier job of that name. */
static int clear(const char *path, struct wr_error *err)
{
    wr_auto_close int old = open_dir(path);

    if (old < 0 && errno == ENOENT)
        return 0;
    int rc =
        old < 0 ? wr_fail_errno(err, WR_E_INTERNAL, "open %s", path) : wr_job_wait(old, 0, err);
    if (rc == -WR_E_DEADLINE_EXCEEDED)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "a job still works in %s: try again", path);
    if (rc < 0)
        return rc;
    rc = wr_remove_tree(AT_FDCWD, path);
    return rc < 0 ? wr_fail(err, WR_E_INTERNAL, -rc, "remove %s", path) : 0;
}

int wr_workdir_make(struct wr_driver *driver, const char *name, int *ret_dirfd,
                    struct wr_error *err)
{
    char path[PATH_CAP];
    int rc = wr_workdir_path(driver, name, path, sizeof(path), err);

    if (rc == 0)
        rc = clear(path, err);
    if (rc < 0)
        return rc;
    rc = wr_mkdir_parents(AT_FDCWD, path, 0700);
    int fd = rc < 0 ? -1 : open_dir(path);
    if (fd < 0)
        return wr_fail(err, WR_E_INTERNAL, rc < 0 ? -rc : errno, "make %s", path);
    *ret_dirfd = fd;
    return 0;
}

void wr_workdir_remove(struct wr_driver *driver, const char *name)
{
    char path[PATH_CAP];
    struct wr_error err;

    if (wr_workdir_path(driver, name, path, sizeof(path), &err) == 0)
        (void)!wr_remove_tree(AT_FDCWD, path);
}

/* Half a sandbox, whose job and CRIU were killed, can have the lock for ever; and one that only
 * takes long is hibernated as before when it is ended. */
static void end_restore(struct wr_driver *driver, const char *name)
{
    struct wr_cgroup *group = NULL;
    struct wr_error err;

    if (!wr_id_valid(name) || wr_cgroup_open(driver->cgroups, name, &group, &err) < 0)
        return;
    if (wr_cgroup_kill(group, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, "sandbox", name, NULL);
    wr_cgroup_free(group);
}

static void settle(struct wr_driver *driver, const char *name)
{
    char path[PATH_CAP];
    struct wr_error err;

    if (wr_workdir_path(driver, name, path, sizeof(path), &err) < 0)
        return;
    wr_auto_close int fd = open_dir(path);
    if (fd >= 0 && wr_job_wait(fd, PATIENCE_MS, &err) < 0) {
        wr_log(WR_LOG_WARN, "a restore takes too long and is ended", "job", name, NULL);
        end_restore(driver, name);
        if (wr_job_wait(fd, END_MS, &err) < 0) {
            wr_log(WR_LOG_WARN, err.msg, "job", name, NULL);
            return; /* what it works on is found half-made and removed; the directory stays */
        }
    }
    (void)!wr_remove_tree(AT_FDCWD, path);
}

void wr_workdirs_settle(struct wr_driver *driver)
{
    char path[PATH_CAP];
    struct wr_error err;
    struct dirent *entry;

    if (wr_workdir_path(driver, "", path, sizeof(path), &err) < 0)
        return;
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            settle(driver, entry->d_name);
    if (dir)
        closedir(dir);
}
