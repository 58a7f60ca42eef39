#include "engine/isolate/userns.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "sys/syscall.h"

int wr_userns_write_maps(pid_t pid, uid_t host_base, uint32_t count, struct wr_error *err)
{
    static const char *const files[] = {"uid_map", "gid_map"};
    char path[64], map[64];

    for (size_t i = 0; i < WR_ARRAY_SIZE(files); i++) {
        if (!wr_strformat(path, sizeof(path), "/proc/%d/%s", pid, files[i]) ||
            !wr_strformat(map, sizeof(map), "0 %u %u", host_base, count))
            return wr_fail(err, WR_E_INTERNAL, 0, "id map is too long");
        int rc = wr_file_write_str(AT_FDCWD, path, map);
        if (rc < 0)
            return wr_fail(err, WR_E_FAILED_PRECONDITION, -rc,
                           "map ids %u..%u into a user namespace", host_base,
                           host_base + count - 1);
    }
    return 0;
}

int wr_userns_new(uid_t host_base, uint32_t count, int *ret_fd, struct wr_error *err)
{
    struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    char path[64];
    const pid_t self = getpid();
    pid_t pid = wr_clone3(&args);

    if (pid == 0) {
        /* It holds copies of all our descriptors, the lock of the data directory too: it must not
         * outlive us. */
        while (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == self)
            pause();
        _exit(1);
    }
    if (pid < 0)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, -pid,
                       "make a user namespace (see user.max_user_namespaces)");
    int rc = wr_userns_write_maps(pid, host_base, count, err);
    if (rc == 0 && !wr_strformat(path, sizeof(path), "/proc/%d/ns/user", pid))
        rc = wr_fail(err, WR_E_INTERNAL, 0, "path is too long");
    int fd = rc == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (rc == 0 && fd < 0)
        rc = wr_fail_errno(err, WR_E_INTERNAL, "open %s", path);
    kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    if (rc == 0)
        *ret_fd = fd;
    return rc;
}
