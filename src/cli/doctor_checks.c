#include "cli/doctor_checks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/str.h"
#include "cli/criu_check.h"
#include "cli/doctor_network.h"
#include "cli/doctor_resolvers.h"
#include "cli/doctor_zygotes.h"
#include "client/start.h"

#define KERNEL_MAJOR 5u
#define KERNEL_MINOR 19u

static void say(struct wr_finding *f, enum wr_health health, const char *cost, const char *mend)
{
    f->health = health;
    f->cost = cost;
    f->mend = mend;
}

#define FOUND(f, ...) ((void)snprintf((f)->found, sizeof(f)->found, __VA_ARGS__))

static void check_root(const struct wr_doctor_place *place, struct wr_finding *f)
{
    (void)place;
    FOUND(f, "user id %u", (unsigned)geteuid());
    if (geteuid() != 0)
        say(f, WR_HEALTH_FAIL, "the server cannot be started by this user", "run warren as root");
}

bool wr_kernel_version(const char *release, unsigned *ret_major, unsigned *ret_minor)
{
    return sscanf(release, "%u.%u", ret_major, ret_minor) == 2;
}

static void check_kernel(const struct wr_doctor_place *place, struct wr_finding *f)
{
    struct utsname name;
    unsigned major = 0, minor = 0;

    (void)place;
    if (uname(&name) < 0 || !wr_kernel_version(name.release, &major, &minor)) {
        FOUND(f, "unknown version");
        say(f, WR_HEALTH_WARN, NULL, NULL);
        return;
    }
    FOUND(f, "Linux %.80s", name.release);
    if (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR))
        say(f, WR_HEALTH_FAIL, "no overlay of id-mapped layers", "boot Linux 5.19 or newer");
}

int wr_doctor_enter_userns(void)
{
    char uids[48], gids[48];
    (void)snprintf(uids, sizeof uids, "0 %u 1", (unsigned)geteuid());
    (void)snprintf(gids, sizeof gids, "0 %u 1", (unsigned)getegid());

    int r = unshare(CLONE_NEWUSER) < 0 ? -errno : 0;
    if (r == 0)
        r = wr_file_write_str(AT_FDCWD, "/proc/self/uid_map", uids);
    if (r == 0)
        r = wr_file_write_str(AT_FDCWD, "/proc/self/setgroups", "deny");
    return r ? r : wr_file_write_str(AT_FDCWD, "/proc/self/gid_map", gids);
}

/*
 * What the nest does for each sandbox: a second namespace from inside the first, hence without any
 * right on the host, and a mount in it. Runs in a child; returns the status that it ends with.
 */
static int try_userns(void)
{
    int r = wr_doctor_enter_userns();

    if (r == 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        r = -errno;
    if (r == 0 && mount("tmpfs", "/", "tmpfs", MS_NOSUID | MS_NODEV, "size=4k") < 0)
        r = -errno;
    return -r & 0x7f;
}

/* Tries it in a child, as a host may forbid it in several ways. */
static void check_userns(const struct wr_doctor_place *place, struct wr_finding *f)
{
    int status = 0;

    (void)place;
    pid_t pid = fork();
    if (pid == 0)
        _exit(try_userns());
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        FOUND(f, "could not be tried");
        say(f, WR_HEALTH_WARN, NULL, NULL);
        return;
    }
    if (WEXITSTATUS(status) == 0) {
        FOUND(f, "can be made and nested");
        return;
    }
    FOUND(f, "refused: %s", wr_errno_text(WEXITSTATUS(status)));
    say(f, WR_HEALTH_FAIL, "no sandbox can be made",
        "`sysctl user.max_user_namespaces=65536`; on Ubuntu `sysctl "
        "kernel.apparmor_restrict_unprivileged_userns=0`; inside a container: let it make "
        "namespaces");
}

/* The engine is root when it makes a nest, but the nest is not when it makes sandboxes. */
static void check_unpriv_userns(const struct wr_doctor_place *place, struct wr_finding *f)
{
    static const char debian[] = "/proc/sys/kernel/unprivileged_userns_clone";
    static const char ubuntu[] = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
    char value[16];

    (void)place;
    if (wr_file_read_line(AT_FDCWD, debian, value, sizeof value) > 0 && wr_streq(value, "0")) {
        FOUND(f, "%s = 0", debian);
        say(f, WR_HEALTH_FAIL, "no sandbox can be made",
            "`sysctl kernel.unprivileged_userns_clone=1`");
    } else if (wr_file_read_line(AT_FDCWD, ubuntu, value, sizeof value) > 0 &&
               wr_streq(value, "1")) {
        /* What it restricts differs between kernels; the check above sees whether it hurts. */
        FOUND(f, "%s = 1", ubuntu);
    } else {
        FOUND(f, "not restricted");
    }
}

/* A module that is not loaded yet is no lack: the kernel loads it when somebody mounts. */
static bool has_filesystem(const char *name)
{
    wr_auto_buf text = WR_BUF(64 * 1024);
    wr_auto_close int context = fsopen(name, FSOPEN_CLOEXEC);

    if (context >= 0)
        return true; /* root only */

    if (wr_file_read(AT_FDCWD, "/proc/filesystems", &text) < 0)
        return false;
    const char *all = wr_buf_cstr(&text);
    char pattern[40];
    return all && wr_strformat(pattern, sizeof pattern, "\t%s\n", name) && strstr(all, pattern);
}

static void check_overlay(const struct wr_doctor_place *place, struct wr_finding *f)
{
    (void)place;
    if (has_filesystem("overlay")) {
        FOUND(f, "there");
        return;
    }
    FOUND(f, "cannot be opened");
    say(f, WR_HEALTH_FAIL, "no root file system for sandboxes",
        "`modprobe overlay`, or a kernel with CONFIG_OVERLAY_FS");
}

static void check_cgroup(const struct wr_doctor_place *place, struct wr_finding *f)
{
    bool v1_memory = access("/sys/fs/cgroup/memory/memory.limit_in_bytes", F_OK) == 0;
    char controllers[256] = "";

    (void)place;
    bool v2 = wr_file_read_line(AT_FDCWD, "/sys/fs/cgroup/cgroup.controllers", controllers,
                                sizeof controllers) >= 0;
    if (v2 && strstr(controllers, "memory") && strstr(controllers, "pids") &&
        strstr(controllers, "cpu")) {
        FOUND(f, "version 2 (%.100s)", controllers);
        return;
    }
    bool v1_pids = access("/sys/fs/cgroup/pids", F_OK) == 0;
    bool v1_cpu = access("/sys/fs/cgroup/cpu", F_OK) == 0;
    if (v1_memory && v1_pids && v1_cpu) {
        bool hybrid = access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) == 0;
        FOUND(f, "version 1 controllers%s", hybrid ? " (hybrid)" : "");
        return;
    }
    FOUND(f, "memory, pids or cpu controller is missing");
    say(f, WR_HEALTH_FAIL, "limits cannot be enforced, so no sandbox is made",
        "mount cgroup2 on /sys/fs/cgroup with these controllers");
}

static void check_seccomp(const struct wr_doctor_place *place, struct wr_finding *f)
{
    unsigned action = SECCOMP_RET_ERRNO;

    (void)place;
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0) {
        FOUND(f, "filters can be set");
        return;
    }
    FOUND(f, "not available: %s", wr_errno_text(errno));
    say(f, WR_HEALTH_FAIL, "system calls of sandboxes cannot be filtered",
        "a kernel with CONFIG_SECCOMP_FILTER");
}

/* In PATH, or where tools of root live. */
static bool have_tool(const char *name)
{
    static const char *const dirs[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                       "/usr/bin",        "/sbin",          "/bin"};
    char path[128];

    for (size_t i = 0; i < WR_ARRAY_SIZE(dirs); i++)
        if (wr_strformat(path, sizeof path, "%s/%s", dirs[i], name) && access(path, X_OK) == 0)
            return true;
    return false;
}

static void need_tool(struct wr_finding *f, const char *name, const char *cost, const char *mend)
{
    bool there = have_tool(name);

    FOUND(f, "%s %s", name, there ? "is installed" : "is missing");
    if (!there)
        say(f, WR_HEALTH_WARN, cost, mend);
}

static void check_mmdebstrap(const struct wr_doctor_place *place, struct wr_finding *f)
{
    (void)place;
    need_tool(f, "mmdebstrap", "`warren template make-base` needs --from DIR|TAR",
              "apt-get install mmdebstrap");
}

static void check_volume_tool(const struct wr_doctor_place *place, struct wr_finding *f)
{
    bool btrfs = have_tool("mkfs.btrfs"), xfs = have_tool("mkfs.xfs");

    (void)place;
    FOUND(f, "%s",
          btrfs ? "mkfs.btrfs is installed"
          : xfs ? "mkfs.xfs is installed"
                : "neither mkfs.btrfs nor mkfs.xfs is installed");
    if (!btrfs && !xfs)
        say(f, WR_HEALTH_WARN, "no volume with disk quotas can be made",
            "apt-get install btrfs-progs");
}

static void check_quota(const struct wr_doctor_place *place, struct wr_finding *f)
{
    bool btrfs = has_filesystem("btrfs"), xfs = has_filesystem("xfs");

    (void)place;
    FOUND(f, "kernel has %s",
          btrfs && xfs ? "btrfs and xfs"
          : btrfs      ? "btrfs"
          : xfs        ? "xfs"
                       : "neither btrfs nor xfs");
    if (!btrfs && !xfs)
        say(f, WR_HEALTH_WARN, "the disk space of a sandbox cannot be limited",
            "`modprobe btrfs`, or a kernel with CONFIG_BTRFS_FS");
}

static void check_criu(const struct wr_doctor_place *place, struct wr_finding *f)
{
    struct wr_criu_check check;

    wr_criu_check(place->criu, &check);
    if (check.works || (*check.criu.path && !check.tested)) {
        FOUND(f, "criu %s (%.90s) %s", check.criu.version, check.criu.path,
              check.works ? "works" : "is there; root can test it");
        return;
    }
    FOUND(f, "%.150s", check.why.msg);
    say(f, WR_HEALTH_WARN,
        "sandboxes can be paused in memory and saved without memory, but neither hibernated nor "
        "forked with it",
        *check.criu.path ? "`warren criu check` says more" : "`warren criu install`");
}

/* Bit 24 of the bounding set: a container, or a hardened host, may withhold it from root. */
static void check_limits(const struct wr_doctor_place *place, struct wr_finding *f)
{
    (void)place;
    if (prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE, 0, 0, 0) == 1) {
        FOUND(f, "the engine can raise its own");
        return;
    }
    FOUND(f, "the engine cannot raise its own");
    say(f, WR_HEALTH_WARN,
        "all sandboxes share one pool of timers, queued signals and message queues, and one can use "
        "it up",
        "start Warren with CAP_SYS_RESOURCE");
}

static void check_inotify(const struct wr_doctor_place *place, struct wr_finding *f)
{
    char text[32] = "0";
    uint64_t instances = 0;

    (void)place;
    if (wr_file_read_line(AT_FDCWD, "/proc/sys/fs/inotify/max_user_instances", text, sizeof text) <
            0 ||
        wr_parse_u64(text, 0, UINT64_MAX, &instances) < 0) {
        FOUND(f, "unknown");
        return;
    }
    FOUND(f, "%s instances per user", text);
    if (instances < 512)
        say(f, WR_HEALTH_WARN, "programs in many sandboxes may fail to watch files",
            "`sysctl fs.inotify.max_user_instances=8192`");
}

static void check_disk(const struct wr_doctor_place *place, struct wr_finding *f)
{
    struct statvfs st;
    const char *dir = place->data_dir;
    char size[32];

    if (statvfs(dir, &st) < 0 && statvfs("/var/lib", &st) < 0 && statvfs("/", &st) < 0) {
        FOUND(f, "unknown");
        return;
    }
    uint64_t free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    wr_format_size(free_bytes, size, sizeof size);
    FOUND(f, "%s free for %.80s", size, dir);
    if (free_bytes < 2 * WR_GIB)
        say(f, WR_HEALTH_WARN, "the base template takes about 1 GiB, sandboxes what they write",
            "free some space, or give --data-dir another file system");
}

static void check_server(const struct wr_doctor_place *place, struct wr_finding *f)
{
    struct wr_transport *client = NULL;
    struct wr_error error = {0};

    int r = wr_transport_open_socket(place->socket_path, &client, &error);
    wr_transport_free(client);
    if (r == 0)
        FOUND(f, "a server listens on %.120s", place->socket_path);
    else if (error.code == WR_E_PERMISSION_DENIED) {
        FOUND(f, "%.150s", error.msg);
        say(f, WR_HEALTH_FAIL, "this user cannot reach the server", "run warren as root");
    } else
        FOUND(f, "no server runs; the first command starts one");
}

static void check_template(const struct wr_doctor_place *place, struct wr_finding *f)
{
    char path[4096];
    bool there = wr_strformat(path, sizeof path, "%s/templates/base.json", place->data_dir) &&
                 access(path, F_OK) == 0;

    FOUND(f, "the template \"base\" %s", there ? "is there" : "is missing or not visible");
    if (!there)
        say(f, WR_HEALTH_WARN, "`warren run` has no default template",
            "`warren template make-base`");
}

const struct wr_doctor_check wr_doctor_checks[] = {
    {"root", check_root},
    {"kernel", check_kernel},
    {"user namespaces", check_userns},
    {"unprivileged user namespaces", check_unpriv_userns},
    {"overlay", check_overlay},
    {"cgroups", check_cgroup},
    {"seccomp", check_seccomp},
    {"disk quotas", check_quota},
    {"volume tool", check_volume_tool},
    {"template tool", check_mmdebstrap},
    {"base template", check_template},
    {"checkpoints", check_criu},
    {"way out", wr_doctor_check_redirect},
    {"name servers", wr_doctor_check_resolvers},
    {"resource limits", check_limits},
    {"inotify", check_inotify},
    {"disk space", check_disk},
    {"server", check_server},
    {"forked interpreters", wr_doctor_check_zygotes},
};
const size_t wr_doctor_check_count = WR_ARRAY_SIZE(wr_doctor_checks);
