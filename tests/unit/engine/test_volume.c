/* A real volume in a small sparse file. Needs root and mkfs, and fails without: a skipped test
 * proves nothing. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "engine/storage/image.h"
#include "engine/storage/loopdev.h"
#include "engine/storage/quota.h"
#include "engine/storage/volume.h"
#include "sys/tool.h"
#include "test.h"

static char top[64];
static int top_fd = -1;
static struct wr_error err;

static void run_tool(const char *const *argv)
{
    static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
    const struct wr_tool tool = {.argv = argv, .env = env, .cancel_fd = -1};
    int status = -1;
    CHECK_INT(wr_tool_run(&tool, &status), 0);
    CHECK_INT(status, 0);
}

static struct wr_volume_opts opts(void)
{
    return (struct wr_volume_opts){
        .data_dirfd = top_fd, .data_dir = top, .size_bytes = 512 * WR_MIB};
}

static struct wr_volume *open_volume(void)
{
    struct wr_volume *volume = NULL;
    struct wr_volume_opts o = opts();
    if (wr_volume_open(&o, &volume, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "wr_volume_open: %s", err.msg);
    return volume;
}

static bool image_is_attached(const struct stat *image)
{
    for (int i = 0; i < 64; i++) {
        char path[WR_LOOP_PATH_MAX];
        snprintf(path, sizeof(path), "/dev/loop%d", i);
        if (wr_loop_backs(path, image))
            return true;
    }
    return false;
}

/* CHECK ends a failed test by _exit(), so the cleaning is done by a parent that waits for it. */
static void with_data_dir(void (*test)(void))
{
    CHECK_INT(geteuid(), 0);
    /* Mounts of our own: a failure leaves none behind, and no process elsewhere can inherit them
     * and keep the device. */
    CHECK_INT(unshare(CLONE_NEWNS), 0);
    CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    snprintf(top, sizeof(top), "/tmp/test_volume.XXXXXX");
    CHECK(mkdtemp(top));
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(top_fd >= 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        test();
        fflush(stdout);
        _exit(0);
    }
    int status = -1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    struct stat image;
    bool made = fstatat(top_fd, WR_VOLUME_IMAGE, &image, 0) == 0;
    int unmounted = wr_volume_unmount(top, &err);
    bool attached = false;
    /* The device goes when the last reference to the file system does. */
    for (int i = 0; made && i < 3000 && (attached = image_is_attached(&image)); i++)
        usleep(10000);
    if (unmounted == 0)
        CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
    CHECK_INT(status, 0);
    CHECK_INT(unmounted, 0);
    CHECK(!attached);
}

/* Writes until it fails; the errno, and how much fitted. */
static int fill(int dirfd, const char *name, uint64_t at_most, uint64_t *ret_written)
{
    static char block[65536];
    memset(block, 0x5a, sizeof(block));
    int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    int cause = fd < 0 ? errno : 0;
    *ret_written = 0;
    while (!cause && *ret_written < at_most) {
        ssize_t n = write(fd, block, sizeof(block));
        if (n < 0)
            cause = errno;
        else
            *ret_written += (uint64_t)n;
    }
    if (fd >= 0 && fsync(fd) < 0 && !cause)
        cause = errno;
    wr_close(fd);
    return cause;
}

static void check_limit(void)
{
    struct wr_volume *volume = open_volume();
    uint64_t written = 0, used = 0, max = 0;
    int a = -1, b = -1;
    CHECK_INT(wr_volume_upper_new(volume, "a", 32 * WR_MIB, &a, &err), 0);
    CHECK_INT(wr_volume_upper_new(volume, "b", 32 * WR_MIB, &b, &err), 0);
    int cause = fill(a, "u/file", 64 * WR_MIB, &written);
    CHECK(cause == EDQUOT || cause == ENOSPC);
    CHECK(written > 30 * WR_MIB && written <= 32 * WR_MIB);
    /* The neighbour has his own. */
    CHECK_INT(fill(b, "u/file", 16 * WR_MIB, &written), 0);
    CHECK_INT(wr_volume_upper_usage(volume, a, &used, &max, &err), 0);
    CHECK(used > 30 * WR_MIB && used <= 32 * WR_MIB);
    CHECK_INT(max, 32 * WR_MIB);
    CHECK_INT(wr_volume_upper_usage(volume, b, &used, &max, &err), 0);
    CHECK(used >= 16 * WR_MIB && used < 20 * WR_MIB);

    /* Whoever is at the limit can make room. */
    CHECK_INT(unlinkat(a, "u/file", 0), 0);
    CHECK_INT(fill(a, "u/again", 24 * WR_MIB, &written), 0);
    /* Existing data can be changed without room for a copy. */
    CHECK_INT(fill(a, "u/again", 24 * WR_MIB, &written), 0);

    CHECK_INT(wr_volume_upper_set_limit(volume, a, 64 * WR_MIB, &err), 0);
    CHECK_INT(fill(a, "u/more", 16 * WR_MIB, &written), 0);
    CHECK_INT(wr_volume_upper_usage(volume, a, &used, &max, &err), 0);
    CHECK_INT(max, 64 * WR_MIB);
    wr_volume_free(volume);
}
TEST(limit_is_kept)
{
    with_data_dir(check_limit);
}

/* What is full is named, in the message as well as by the code. */
static void check_explanation(void)
{
    static const struct {
        int os_errno;
        enum wr_code code;
    } rows[] = {{ENOSPC, WR_E_RESOURCE_EXHAUSTED},
                {EDQUOT, WR_E_RESOURCE_EXHAUSTED},
                {EIO, WR_E_INTERNAL},
                {0, WR_E_INTERNAL}};
    struct wr_volume *volume = open_volume();
    uint64_t written = 0;
    int a = -1;
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        (void)wr_fail(&err, WR_E_INTERNAL, rows[i].os_errno, "write");
        CHECK_INT(wr_volume_explain(volume, &err), -(int)rows[i].code);
        CHECK_INT(err.code, rows[i].code);
        CHECK((strstr(err.msg, "perhaps the volume") != NULL) == (rows[i].os_errno == ENOSPC));
    }
    CHECK_INT(wr_volume_upper_new(volume, "a", 4096 * WR_MIB, &a, &err), 0);
    CHECK_INT(fill(a, "u/file", 4096 * WR_MIB, &written), ENOSPC);
    (void)wr_fail(&err, WR_E_INTERNAL, ENOSPC, "write");
    CHECK_INT(wr_volume_explain(volume, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK(strstr(err.msg, "the volume is full (") && strstr(err.msg, ": write: No space"));
    wr_close(a);
    wr_volume_free(volume);
}
TEST(what_is_full_is_named)
{
    with_data_dir(check_explanation);
}

/* Many tiny files are bytes too. */
static void check_small_files(void)
{
    struct wr_volume *volume = open_volume();
    int fd = -1, cause = 0;
    CHECK_INT(wr_volume_upper_new(volume, "small", 4 * WR_MIB, &fd, &err), 0);
    for (int i = 0; i < 200000 && !cause; i++) {
        char name[32];
        snprintf(name, sizeof(name), "u/%d", i);
        int file = openat(fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (file < 0 || write(file, "x", 1) < 0)
            cause = errno;
        wr_close(file);
    }
    CHECK(cause == EDQUOT || cause == ENOSPC);
    CHECK_INT(wr_volume_upper_remove(volume, "small", &err), 0);
    wr_volume_free(volume);
}
TEST(many_small_files_hit_the_limit)
{
    with_data_dir(check_small_files);
}

static void count_names(const char *name, void *data)
{
    size_t *counts = data;
    counts[strcmp(name, "a") == 0 ? 0 : strcmp(name, "b") == 0 ? 1 : 2]++;
}
static void check_life(void)
{
    struct wr_volume *volume = open_volume();
    size_t counts[3] = {0};
    struct stat st;
    int fd = -1, other = -1;
    umask(0077);
    CHECK_INT(wr_volume_upper_open(volume, "a", &fd, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_volume_upper_new(volume, "a", WR_MIB, &fd, &err), 0);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK(fstatat(fd, "u", &st, 0) == 0 && st.st_mode == (S_IFDIR | 0755) && st.st_uid == 0);
    CHECK(fstatat(fd, "w", &st, 0) == 0 && st.st_mode == (S_IFDIR | 0755) && st.st_gid == 0);
    CHECK_INT(wr_volume_upper_new(volume, "a", WR_MIB, &other, &err), -WR_E_ALREADY_EXISTS);
    CHECK_INT(other, -1);
    CHECK_INT(wr_volume_upper_new(volume, "b", WR_MIB, &other, &err), 0);
    CHECK_INT(wr_volume_upper_list(volume, count_names, counts, &err), 0);
    CHECK(counts[0] == 1 && counts[1] == 1 && counts[2] == 0);

    CHECK_INT(wr_volume_upper_new(volume, "c", WR_MIB - 1, &other, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_volume_upper_new(volume, "c", UINT64_MAX, &other, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_volume_upper_set_limit(volume, fd, 0, &err), -WR_E_INVALID_ARGUMENT);
    static const char *const bad[] = {"", ".", "..", "a/b", "A", ".x", "a b"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        CHECK_INT(wr_volume_upper_new(volume, bad[i], WR_MIB, &other, &err),
                  -WR_E_INVALID_ARGUMENT);
        CHECK_INT(wr_volume_upper_remove(volume, bad[i], &err), -WR_E_INVALID_ARGUMENT);
        CHECK_INT(wr_volume_upper_open(volume, bad[i], &other, &err), -WR_E_INVALID_ARGUMENT);
    }
    CHECK_INT(wr_volume_upper_remove(volume, "a", &err), 0);
    CHECK_INT(wr_volume_upper_remove(volume, "a", &err), 0);
    memset(counts, 0, sizeof(counts));
    CHECK_INT(wr_volume_upper_list(volume, count_names, counts, &err), 0);
    CHECK(counts[0] == 0 && counts[1] == 1 && counts[2] == 0);
    CHECK_INT(wr_volume_upper_open(volume, "a", &other, &err), -WR_E_NOT_FOUND);
    /* The name is free again at once. */
    CHECK_INT(wr_volume_upper_new(volume, "a", WR_MIB, &other, &err), 0);
    wr_volume_free(volume);
}
TEST(uppers_are_made_listed_and_removed)
{
    with_data_dir(check_life);
}

static void check_mount(void)
{
    struct wr_volume *volume = open_volume(), *second = open_volume();
    char path[128];
    struct statvfs fs;
    struct stat st;
    uint64_t total = 0, available = 0;
    int fd = -1;
    snprintf(path, sizeof(path), "%s/volume", top);
    CHECK_INT(statvfs(path, &fs), 0);
    CHECK((fs.f_flag & ST_NOSUID) && (fs.f_flag & ST_NODEV));
    CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0700);
    CHECK(fstatat(top_fd, "volume/sandboxes", &st, 0) == 0 && (st.st_mode & 07777) == 0700);
    CHECK(fstatat(top_fd, WR_VOLUME_IMAGE, &st, 0) == 0 && (st.st_mode & 07777) == 0600);
    CHECK_INT(st.st_size, 512 * WR_MIB);
    CHECK((uint64_t)st.st_blocks * 512 < 128 * WR_MIB); /* sparse; the log of XFS takes 64 MiB */
    CHECK_INT(wr_volume_space(volume, &total, &available, &err), 0);
    CHECK(total > 400 * WR_MIB && total <= 512 * WR_MIB && available > 300 * WR_MIB);
    CHECK(strcmp(wr_volume_kind(volume), wr_volume_kind(second)) == 0);
    wr_volume_free(second);

    /* What was written is there after an unmount; a used volume stays. */
    CHECK_INT(wr_volume_upper_new(volume, "kept", 8 * WR_MIB, &fd, &err), 0);
    CHECK_INT(wr_volume_unmount(top, &err), -WR_E_FAILED_PRECONDITION);
    wr_close(fd);
    wr_volume_free(volume);
    CHECK_INT(wr_volume_unmount(top, &err), 0);
    CHECK_INT(wr_volume_unmount(top, &err), 0);
    volume = open_volume();
    CHECK_INT(wr_volume_upper_open(volume, "kept", &fd, &err), 0);
    CHECK_INT(wr_volume_upper_usage(volume, fd, &total, &available, &err), 0);
    CHECK_INT(available, 8 * WR_MIB); /* its limit */
    wr_volume_free(volume);
}
TEST(opening_is_idempotent)
{
    with_data_dir(check_mount);
}

/* A clone of the mount keeps the file system in use when the mount point is gone: the same device
 * has to be taken again. */
static void check_clone(void)
{
    struct wr_volume *volume = open_volume();
    struct stat before, after;
    char path[128];
    int fd = -1;
    snprintf(path, sizeof(path), "%s/volume", top);
    CHECK_INT(wr_volume_upper_new(volume, "a", WR_MIB, &fd, &err), 0);
    CHECK_INT(fstat(fd, &before), 0);
    int clone = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    CHECK(clone >= 0);
    wr_close(fd);
    wr_volume_free(volume);
    CHECK_INT(wr_volume_unmount(top, &err), 0);
    volume = open_volume();
    CHECK_INT(wr_volume_upper_open(volume, "a", &fd, &err), 0);
    CHECK_INT(fstat(fd, &after), 0);
    CHECK_INT(before.st_dev,
              after.st_dev); /* the same super block, not a second one over the same bytes */
    wr_close(clone);
    wr_volume_free(volume);
}
TEST(a_file_system_still_in_use_is_mounted_again)
{
    with_data_dir(check_clone);
}

static void put(const char *name, const char *content)
{
    CHECK_INT(wr_file_replace(top_fd, name, content, strlen(content), 0600, WR_VOLATILE), 0);
}

static void check_refused(void)
{
    struct wr_volume *volume = NULL;
    struct wr_volume_opts o = opts();
    char path[128];
    put(WR_VOLUME_IMAGE, "this is no file system");
    CHECK_INT(wr_volume_open(&o, &volume, &err), -WR_E_DATA_LOSS);
    CHECK(strstr(err.msg, "move it away"));
    CHECK_INT(unlinkat(top_fd, WR_VOLUME_IMAGE, 0), 0);

    o.size_bytes = WR_VOLUME_MIN_BYTES - 1;
    CHECK_INT(wr_volume_open(&o, &volume, &err), -WR_E_RESOURCE_EXHAUSTED);

    /* Something foreign at the mount point stays untouched. */
    o = opts();
    snprintf(path, sizeof(path), "%s/volume", top);
    CHECK_INT(mount("none", path, "tmpfs", 0, "size=1m"), 0);
    CHECK_INT(wr_volume_open(&o, &volume, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "unmount it"));
    CHECK_INT(umount(path), 0);

    /* An operator's directory on a file system without limits. */
    snprintf(path, sizeof(path), "%s/tmpfs", top);
    CHECK(mkdir(path, 0755) == 0 && mount("none", path, "tmpfs", 0, "size=1m") == 0);
    o.path = path;
    int r = wr_volume_open(&o, &volume, &err);
    int undone = wr_volume_unmount(top, &err);
    CHECK_INT(umount(path), 0);
    CHECK_INT(r, -WR_E_FAILED_PRECONDITION);
    CHECK_INT(undone, 0);
    CHECK(!volume);
}
TEST(what_cannot_work_is_refused)
{
    with_data_dir(check_refused);
}

/* A copy of the image of a mounted volume is what a power cut leaves. */
static void check_crash(void)
{
    struct wr_volume *volume = open_volume();
    char from[96], to[96];
    const char *const copy[] = {"cp", "--sparse=always", from, to, NULL};
    struct stat st;
    uint64_t written = 0, used = 0, max = 0;
    int fd = -1;
    snprintf(from, sizeof(from), "%s/%s", top, WR_VOLUME_IMAGE);
    snprintf(to, sizeof(to), "%s/copy", top);
    CHECK_INT(wr_volume_upper_new(volume, "a", 32 * WR_MIB, &fd, &err), 0);
    CHECK_INT(fill(fd, "u/synced", 4 * WR_MIB, &written), 0);
    CHECK_INT(mkdirat(fd, "u/unsynced", 0755), 0);
    run_tool(copy);
    wr_close(fd);
    wr_volume_free(volume);
    CHECK_INT(wr_volume_unmount(top, &err), 0);
    CHECK_INT(rename(to, from), 0);

    volume = open_volume();
    CHECK_INT(wr_volume_upper_open(volume, "a", &fd, &err), 0);
    CHECK(fstatat(fd, "u/synced", &st, 0) == 0 && st.st_size == (off_t)(4 * WR_MIB));
    CHECK_INT(wr_volume_upper_usage(volume, fd, &used, &max, &err), 0);
    CHECK_INT(max, 32 * WR_MIB);
    CHECK(fill(fd, "u/more", 64 * WR_MIB, &written) != 0); /* the limit still holds */
    wr_volume_free(volume);
}
TEST(a_crash_needs_no_repair)
{
    with_data_dir(check_crash);
}

/* The leftover of a crash while the image was made. */
static void check_unfinished(void)
{
    put(WR_VOLUME_IMAGE ".new", "half");
    struct wr_volume *volume = open_volume();
    CHECK(faccessat(top_fd, WR_VOLUME_IMAGE ".new", F_OK, 0) < 0);
    wr_volume_free(volume);
    CHECK_INT(wr_volume_unmount(top, &err), 0);
    /* Also when the crash came after the mount. */
    CHECK_INT(renameat(top_fd, WR_VOLUME_IMAGE, top_fd, "x"), 0);
    CHECK_INT(renameat(top_fd, "x", top_fd, WR_VOLUME_IMAGE), 0);
    volume = open_volume();
    wr_volume_free(volume);
    CHECK_INT(renameat(top_fd, WR_VOLUME_IMAGE, top_fd, WR_VOLUME_IMAGE ".new"), 0);
    volume = open_volume();
    CHECK(faccessat(top_fd, WR_VOLUME_IMAGE ".new", F_OK, 0) < 0);
    wr_volume_free(volume);
}
TEST(an_unfinished_image_is_replaced)
{
    with_data_dir(check_unfinished);
}

/* An operator's btrfs: here the one inside our own image, mounted elsewhere. */
static void check_operator_directory(void)
{
    struct wr_volume *volume = open_volume();
    char path[128], data[128];
    int fd = -1;
    snprintf(path, sizeof(path), "%s/volume/theirs", top);
    snprintf(data, sizeof(data), "%s/data", top);
    CHECK(mkdir(path, 0755) == 0 && mkdir(data, 0755) == 0);
    int data_fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct wr_volume_opts o = {.data_dirfd = data_fd, .data_dir = data, .path = path};
    struct wr_volume *theirs = NULL;
    int r = wr_volume_open(&o, &theirs, &err);
    if (r == 0)
        r = wr_volume_upper_new(theirs, "a", 8 * WR_MIB, &fd, &err);
    struct stat st;
    int seen = fstatat(top_fd, "volume/theirs/sandboxes/a/u", &st, 0);
    struct statvfs fs = {0};
    int flags = fstatvfs(fd, &fs);
    if (r == 0)
        r = wr_volume_upper_remove(theirs, "a", &err);
    wr_close(fd);
    wr_volume_free(theirs);
    theirs = NULL;
    if (r == 0)
        r = wr_volume_open(&o, &theirs, &err); /* bound already */
    wr_volume_free(theirs);
    int undone = wr_volume_unmount(data, &err);
    wr_volume_free(volume);
    CHECK_INT(r, 0);
    CHECK_INT(seen, 0);
    CHECK(flags == 0 && (fs.f_flag & ST_NODEV));
    CHECK_INT(undone, 0);
}
TEST(an_operators_directory_works)
{
    with_data_dir(check_operator_directory);
}

static size_t count_qgroups(int volume_fd)
{
    struct btrfs_ioctl_fs_info_args info = {0};
    const unsigned char *u = info.fsid;
    char path[128];
    size_t count = 0;
    CHECK_INT(ioctl(volume_fd, BTRFS_IOC_FS_INFO, &info), 0);
    snprintf(path, sizeof(path),
             "/sys/fs/btrfs/"
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x/qgroups",
             u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
             u[14], u[15]);
    DIR *dir = opendir(path);
    CHECK(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        count += strncmp(e->d_name, "0_", 2) == 0;
    closedir(dir);
    return count;
}

/* A btrfs image without quotas, mounted at <top>/volume as wr_volume_open() would find it after a
 * manual mkfs. */
static int mount_plain_btrfs(void)
{
    char image[96], path[96], device[WR_LOOP_PATH_MAX];
    const char *const mkfs[] = {"mkfs.btrfs", "-q", "-m", "single", "-d", "single", image, NULL};
    int loop_fd = -1;
    snprintf(image, sizeof(image), "%s/%s", top, WR_VOLUME_IMAGE);
    snprintf(path, sizeof(path), "%s/volume", top);
    int image_fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(image_fd >= 0 && ftruncate(image_fd, 512 << 20) == 0);
    run_tool(mkfs);
    CHECK_INT(wr_loop_open(image_fd, device, &loop_fd, &err), 0);
    CHECK(mkdir(path, 0700) == 0 && mount(device, path, "btrfs", 0, NULL) == 0);
    wr_close(loop_fd);
    wr_close(image_fd);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static void check_qgroups(void)
{
    struct btrfs_ioctl_quota_ctl_args classic = {.cmd = BTRFS_QUOTA_CTL_ENABLE};
    uint64_t written = 0, used = 0, max = 0;
    int fd = mount_plain_btrfs(), upper = -1;
    CHECK_INT(ioctl(fd, BTRFS_IOC_QUOTA_CTL, &classic), 0);
    size_t before = count_qgroups(fd);
    struct wr_volume *volume = open_volume();
    CHECK_STR(wr_volume_kind(volume), "btrfs-qgroup");
    CHECK_INT(wr_volume_upper_new(volume, "a", 16 * WR_MIB, &upper, &err), 0);
    CHECK_INT(fill(upper, "u/file", 64 * WR_MIB, &written), EDQUOT);
    CHECK(written <= 16 * WR_MIB);
    CHECK_INT(wr_volume_upper_usage(volume, upper, &used, &max, &err), 0);
    CHECK(used > 14 * WR_MIB && max == 16 * WR_MIB);
    wr_close(upper);
    CHECK_INT(wr_volume_upper_remove(volume, "a", &err), 0);
    size_t left = 0;
    for (int i = 0; i < 2000 && (i == 0 || left != before); i++) {
        CHECK_INT(ioctl(fd, BTRFS_IOC_SYNC), 0);
        while (wr_volume_collect(volume))
            ;
        left = count_qgroups(fd);
        usleep(20000);
    }
    CHECK_INT(left, before);
    wr_close(fd);
    wr_volume_free(volume);
}
TEST(classic_qgroups_work_too)
{
    with_data_dir(check_qgroups);
}

static void check_no_quota(void)
{
    char data[96], theirs[96];
    int fd = mount_plain_btrfs();
    snprintf(data, sizeof(data), "%s/data", top);
    snprintf(theirs, sizeof(theirs), "%s/volume", top);
    CHECK(mkdir(data, 0700) == 0);
    struct wr_volume_opts o = {
        .data_dirfd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        .data_dir = data,
        .path = theirs,
    };
    struct wr_volume *volume = NULL;
    /* An operator's file system is not changed without being asked. */
    int r = wr_volume_open(&o, &volume, &err);
    struct wr_error undo_err;
    CHECK_INT(wr_volume_unmount(data, &undo_err), 0);
    CHECK_INT(r, -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "btrfs quota enable --simple"));
    wr_close(fd);
    /* Our own image is: quotas are switched on. */
    volume = open_volume();
    CHECK(strncmp(wr_volume_kind(volume), "btrfs", 5) == 0);
    wr_volume_free(volume);
}
TEST(quotas_are_switched_on_in_our_image_only)
{
    with_data_dir(check_no_quota);
}

/* Subvolumes would survive the removal of an upper, so it matters that a sandbox, which sees the
 * overlay only, cannot make them. */
static void check_overlay(void)
{
    struct wr_volume *volume = open_volume();
    struct btrfs_ioctl_vol_args args = {.name = "nested"};
    char overlay[128], options[512];
    int fd = -1;
    CHECK_INT(wr_volume_upper_new(volume, "a", 8 * WR_MIB, &fd, &err), 0);
    snprintf(overlay, sizeof(overlay), "%s/o", top);
    CHECK(mkdir(overlay, 0755) == 0 && mkdirat(top_fd, "lower", 0755) == 0);
    snprintf(options, sizeof(options),
             "lowerdir=%s/lower,upperdir=%s/volume/sandboxes/a/u,"
             "workdir=%s/volume/sandboxes/a/w",
             top, top, top);
    CHECK_INT(mount("overlay", overlay, "overlay", 0, options), 0);
    int dir = open(overlay, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = ioctl(dir, BTRFS_IOC_SUBVOL_CREATE, &args);
    CHECK(r < 0 && errno == ENOTTY);
    uint64_t written = 0;
    int cause = fill(dir, "file", 16 * WR_MIB, &written);
    CHECK(cause == EDQUOT || cause == ENOSPC);
    /* Removing works below a live overlay. */
    CHECK_INT(wr_volume_upper_remove(volume, "a", &err), 0);
    CHECK(faccessat(top_fd, "volume/sandboxes/a", F_OK, 0) < 0);
    wr_close(dir);
    wr_close(fd);
    CHECK_INT(umount(overlay), 0);
    wr_volume_free(volume);
}
TEST(a_sandbox_cannot_make_subvolumes)
{
    with_data_dir(check_overlay);
}

static void check_collect(void)
{
    struct wr_volume *volume = open_volume();
    if (strncmp(wr_volume_kind(volume), "btrfs", 5) != 0) {
        wr_volume_free(volume);
        return;
    }
    int volume_fd = openat(top_fd, "volume", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t before = count_qgroups(volume_fd);
    for (int i = 0; i < 40; i++) {
        char name[16];
        int fd = -1;
        uint64_t written = 0;
        snprintf(name, sizeof(name), "s%d", i);
        CHECK_INT(wr_volume_upper_new(volume, name, 4 * WR_MIB, &fd, &err), 0);
        CHECK_INT(fill(fd, "u/x", 65536, &written), 0);
        wr_close(fd);
        CHECK_INT(wr_volume_upper_remove(volume, name, &err), 0);
    }
    /* Uppers that live keep their limits. */
    int fd = -1;
    CHECK_INT(wr_volume_upper_new(volume, "kept", 4 * WR_MIB, &fd, &err), 0);
    size_t left = 0;
    for (int i = 0; i < 1200; i++) {
        CHECK_INT(ioctl(volume_fd, BTRFS_IOC_SYNC),
                  0); /* wakes the kernel's cleaner, otherwise 30 s */
        for (int j = 0; j < 10 && wr_volume_collect(volume); j++)
            ;
        left = count_qgroups(volume_fd);
        if (left == before + 1)
            break;
        usleep(50000);
    }
    CHECK_INT(left, before + 1);
    uint64_t used = 0, max = 0;
    CHECK_INT(wr_volume_upper_usage(volume, fd, &used, &max, &err), 0);
    CHECK_INT(max, 4 * WR_MIB);
    CHECK(!wr_volume_collect(volume));
    wr_volume_free(volume);
}
TEST(quota_groups_do_not_accumulate)
{
    with_data_dir(check_collect);
}

/* The other half of removal where there are no subvolumes; plain directories are enough for it. */
static void check_trash(void)
{
    CHECK(mkdirat(top_fd, "trash", 0700) == 0 && mkdirat(top_fd, "outside", 0700) == 0);
    int outside = openat(top_fd, "outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_INT(wr_close(openat(outside, "kept", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), -1);
    int trash = openat(top_fd, "trash", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(mkdirat(trash, "one", 0700) == 0);
    CHECK(symlinkat("../../outside", trash, "one/link") == 0);
    CHECK(symlinkat("../outside", trash, "link") == 0);
    /* Deeper than descriptors or a stack would allow, and wide. */
    int at = openat(trash, "one", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 2000; i++) {
        CHECK(mkdirat(at, "d", 0000) == 0);
        int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(next >= 0);
        wr_close(at);
        at = next;
    }
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof(name), "f%d", i);
        wr_close(openat(at, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0000));
    }
    wr_close(at);
    int rounds = 0;
    while (wr_quota_empty_trash(trash, 64) && rounds < 10000)
        rounds++;
    CHECK(rounds > 10 && rounds < 10000);
    CHECK_INT(unlinkat(top_fd, "trash", AT_REMOVEDIR), 0);
    CHECK(faccessat(outside, "kept", F_OK, 0) == 0);
}
TEST(trash_is_emptied_in_bounded_steps)
{
    with_data_dir(check_trash);
}

TEST(project_limits)
{
    uint64_t blocks = 0, inodes = 0;
    wr_quota_project_limits(WR_GIB, &blocks, &inodes);
    CHECK_INT(blocks, 2097152);
    CHECK_INT(inodes, 131072);
    wr_quota_project_limits(1, &blocks, &inodes);
    CHECK_INT(blocks, 1);
    CHECK_INT(inodes, 1024);
    wr_quota_project_limits(8 * WR_MIB + 8192, &blocks, &inodes);
    CHECK_INT(blocks, 16400);
    CHECK_INT(inodes, 1025);
}

TEST(image_sizes)
{
    CHECK_INT(wr_image_size(0, 4 * WR_GIB), 3 * WR_GIB);
    CHECK_INT(wr_image_size(0, 1024 * WR_GIB), 256 * WR_GIB);
    CHECK_INT(wr_image_size(0, 511 * WR_MIB), 0);
    CHECK_INT(wr_image_size(0, 512 * WR_MIB), 384 * WR_MIB);
    CHECK_INT(wr_image_size(400 * WR_GIB + 5, WR_GIB), 400 * WR_GIB);
    CHECK_INT(wr_image_size(WR_VOLUME_MIN_BYTES - 1, WR_GIB), 0);
}
