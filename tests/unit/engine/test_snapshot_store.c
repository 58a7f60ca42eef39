/* Snapshots in a real data volume, of the kind that this host gets. Needs root and mkfs, and fails
 * without: a skipped test proves nothing. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/snapshot/image.h"
#include "engine/snapshot/store.h"
#include "engine/storage/loopdev.h"
#include "engine/storage/quota.h"
#include "sys/tool.h"
#include "test.h"

#define A    "aaaaaaaaaaaaaaaaaaaa"
#define B    "bbbbbbbbbbbbbbbbbbbb"
#define C    "cccccccccccccccccccc"
#define DISK (64 * WR_MIB)

static char top[64];
static int top_fd = -1;
static struct wr_error err;
static struct wr_volume *volume;
static struct wr_snapshots *snapshots;

static void run_tool(const char *const *argv)
{
    static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
    const struct wr_tool tool = {.argv = argv, .env = env, .cancel_fd = -1};
    int status = -1;
    CHECK_INT(wr_tool_run(&tool, &status), 0);
    CHECK_INT(status, 0);
}

/* A volume as older kernels get it when they have no project quotas, mounted as wr_volume_open()
 * finds it. */
static void mount_classic(void)
{
    struct btrfs_ioctl_quota_ctl_args classic = {.cmd = BTRFS_QUOTA_CTL_ENABLE};
    char image[96], path[96], device[WR_LOOP_PATH_MAX];
    const char *const mkfs[] = {"mkfs.btrfs", "-q", "-m", "single", "-d", "single", image, NULL};
    int loop_fd = -1;
    snprintf(image, sizeof(image), "%s/volume.img", top);
    snprintf(path, sizeof(path), "%s/volume", top);
    int image_fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(image_fd >= 0 && ftruncate(image_fd, 768 << 20) == 0);
    run_tool(mkfs);
    CHECK_INT(wr_loop_open(image_fd, device, &loop_fd, &err), 0);
    CHECK(mkdir(path, 0700) == 0 && mount(device, path, "btrfs", 0, NULL) == 0);
    wr_close(loop_fd);
    wr_close(image_fd);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_INT(ioctl(fd, BTRFS_IOC_QUOTA_CTL, &classic), 0);
    wr_close(fd);
}

static void open_all(void)
{
    const struct wr_volume_opts opts = {
        .data_dirfd = top_fd, .data_dir = top, .size_bytes = 768 * WR_MIB};
    if (wr_volume_open(&opts, &volume, &err) < 0 || wr_snapshots_open(volume, &snapshots, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
}

static void close_all(void)
{
    snapshots = wr_snapshots_free(snapshots);
    volume = wr_volume_free(volume);
}

/* CHECK ends a failed test by _exit(), so the cleaning is done by a parent that waits for it. */
static void with(void (*prepare)(void), void (*test)(void))
{
    int status = -1;
    NEEDS_ROOT();
    CHECK_INT(unshare(CLONE_NEWNS), 0);
    CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    snprintf(top, sizeof(top), "/tmp/test_snapshots.XXXXXX");
    CHECK(mkdtemp(top));
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(top_fd >= 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (prepare)
            prepare();
        open_all();
        test();
        close_all();
        fflush(stdout);
        _exit(0);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    int unmounted = wr_volume_unmount(top, &err);
    if (unmounted == 0)
        CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
    CHECK_INT(status, 0);
    CHECK_INT(unmounted, 0);
}

static void with_snapshots(void (*test)(void))
{
    with(NULL, test);
}

#define OK(call)                                                        \
    do {                                                                \
        if ((call) < 0)                                                 \
            wr_test_fail(__FILE__, __LINE__, "%s: %s", #call, err.msg); \
    } while (0)

static void write_file(int dirfd, const char *path, size_t bytes)
{
    static char block[65536];
    memset(block, 0x5a, sizeof(block));
    int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    for (size_t done = 0; done < bytes; done += sizeof(block))
        CHECK_INT(wr_write_all(fd, block, WR_MIN(sizeof(block), bytes - done)), 0);
    CHECK_INT(fsync(fd), 0);
    wr_close(fd);
}

/* An upper as a sandbox leaves it. */
static int make_upper(const char *name, size_t bytes)
{
    int fd = -1;
    OK(wr_volume_upper_new(volume, name, DISK, &fd, &err));
    write_file(fd, "u/data", bytes);
    CHECK_INT(mkdirat(fd, "w/work", 0000), 0);
    write_file(fd, "state.json", 10);
    return fd;
}

static struct wr_manifest manifest_of(const char *id, int image_fd)
{
    struct wr_manifest m = {.created_ms = 1700000000000, .layer_count = 1};
    CHECK(wr_strcopy(m.id, sizeof(m.id), id));
    CHECK(wr_strcopy(m.spec.id, sizeof(m.spec.id), A));
    CHECK(wr_strcopy(m.spec.template_name, sizeof(m.spec.template_name), "base"));
    m.spec.disk_bytes = DISK;
    CHECK(wr_strcopy(m.layers[0], sizeof(m.layers[0]), "layer"));
    if (image_fd >= 0) {
        OK(wr_image_measure(image_fd, &m, &err));
        m.memory = true;
    }
    return m;
}

/* Begins one with an image of `bytes`; the caller commits. */
static int begin(const char *id, size_t bytes)
{
    int fd = -1;
    OK(wr_snapshot_begin(snapshots, id, 32 * WR_MIB, &fd, &err));
    write_file(fd, "image/pages-1.img", bytes);
    return fd;
}

static void commit(const char *id, int fd, int upper, uint64_t generation)
{
    int image = openat(fd, "image", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct wr_manifest m = manifest_of(id, image);
    m.spec.generation = generation;
    if (upper >= 0) {
        OK(wr_snapshot_copy_files(snapshots, upper, fd, &err));
        OK(wr_snapshot_upper_usage(snapshots, upper, &m.files_bytes, &err));
        m.own_files = true;
    }
    OK(wr_snapshot_commit(snapshots, fd, &m, &err));
    wr_manifest_done(&m);
    wr_close(image);
    wr_close(fd);
}

static void take(const char *id, int upper)
{
    commit(id, begin(id, 100000), upper, 0);
}

static struct wr_manifest load(const char *id, int *ret_fd)
{
    struct wr_manifest m = {.file_count = 0};
    OK(wr_snapshot_load(snapshots, id, &m, ret_fd, &err));
    return m;
}

struct listed {
    char text[256];
};
static void on_id(const char *id, void *data)
{
    struct listed *l = data;
    strncat(l->text, id, 1);
    CHECK(strlen(id) == WR_ID_LEN);
}
/* First letters of the ids. */
static struct listed list(bool making)
{
    struct listed l = {.text = ""};
    OK(wr_snapshots_list(snapshots, making, on_id, &l, &err));
    return l;
}

static bool exists(const char *path)
{
    return faccessat(top_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static size_t count_entries(const char *path)
{
    int fd = openat(top_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    size_t count = 0;
    CHECK(dir);
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
        count += !wr_streq(e->d_name, ".") && !wr_streq(e->d_name, "..");
    closedir(dir);
    return count;
}

static void collect_all(void)
{
    int rounds = 0;
    while (wr_snapshots_collect(snapshots) && rounds < 100)
        rounds++;
    CHECK(rounds < 100);
    while (wr_volume_collect(volume) && rounds < 10000)
        rounds++;
    CHECK(rounds < 10000);
}

static void check_life(void)
{
    static struct wr_manifest m;
    uint64_t bytes = 0;
    struct stat st;
    int other = -1, dirfd = -1, upper = make_upper(A, 3 * WR_MIB);
    umask(0077);
    CHECK_INT(wr_snapshot_load(snapshots, B, &m, NULL, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_snapshot_usage(snapshots, B, &bytes, &err), -WR_E_NOT_FOUND);
    int fd = begin(B, 2 * WR_MIB);
    /* Not there before it is complete. */
    CHECK_STR(list(false).text, "");
    CHECK_STR(list(true).text, "b");
    CHECK_INT(wr_snapshot_load(snapshots, B, &m, NULL, &err), -WR_E_NOT_FOUND);
    commit(B, fd, upper, 7);
    CHECK_STR(list(false).text, "b");
    CHECK_STR(list(true).text, "");
    m = load(B, &dirfd);
    CHECK_INT(m.spec.generation, 7);
    CHECK(m.own_files && m.memory && m.files_bytes >= 3 * WR_MIB);
    CHECK(fstatat(dirfd, "manifest.json", &st, 0) == 0 && (st.st_mode & 07777) == 0600);
    CHECK(fstat(dirfd, &st) == 0 && (st.st_mode & 07777) == 0700 && st.st_uid == 0);
    CHECK(fstatat(top_fd, "volume/snapshots", &st, 0) == 0 && (st.st_mode & 07777) == 0700);
    /* Of the upper only "u". */
    CHECK_INT(count_entries("volume/snapshots/" B "/files"), 1);
    CHECK(fstatat(dirfd, "files/u/data", &st, 0) == 0 && st.st_size == 3 * 1024 * 1024);
    OK(wr_snapshot_usage(snapshots, B, &bytes, &err));
    CHECK(bytes >= 5 * WR_MIB && bytes < 7 * WR_MIB);
    wr_manifest_done(&m);

    CHECK_INT(wr_snapshot_begin(snapshots, B, WR_MIB, &other, &err), -WR_E_ALREADY_EXISTS);
    CHECK_INT(wr_snapshot_begin(snapshots, "short", WR_MIB, &other, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_snapshot_remove(snapshots, "../sandboxes/aaaaaaa", &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(other, -1);
    take(C, -1);
    CHECK_STR(list(false).text, "bc");
    wr_close(dirfd);
    OK(wr_snapshot_remove(snapshots, B, &err));
    OK(wr_snapshot_remove(snapshots, B, &err));
    CHECK_STR(list(false).text, "c");
    OK(wr_snapshot_remove(snapshots, C, &err));
    collect_all();
    CHECK_INT(count_entries("volume/snapshots"), 0);
    CHECK(!wr_snapshots_collect(snapshots));
    /* The sandbox has not noticed. */
    CHECK(fstatat(upper, "u/data", &st, 0) == 0 && exists("volume/sandboxes/" A "/state.json"));
    wr_close(upper);
}
TEST(snapshots_are_made_listed_and_removed)
{
    with_snapshots(check_life);
}

static void check_fork(void)
{
    char text[16] = "";
    struct stat st;
    int dirfd = -1, one = -1, two = -1, upper = make_upper(A, WR_MIB);
    CHECK_INT(wr_file_replace(upper, "u/note", "before", 6, 0640, WR_VOLATILE), 0);
    take(B, upper);
    /* The original goes on. */
    CHECK_INT(wr_file_replace(upper, "u/note", "after", 5, 0600, WR_VOLATILE), 0);
    struct wr_manifest m = load(B, &dirfd);
    OK(wr_snapshot_upper_new(snapshots, dirfd, &m, "one", DISK, &one, &err));
    OK(wr_snapshot_upper_new(snapshots, dirfd, &m, "two", DISK, &two, &err));
    CHECK_INT(wr_snapshot_upper_new(snapshots, dirfd, &m, "two", DISK, &two, &err),
              -WR_E_ALREADY_EXISTS);
    CHECK_INT(count_entries("volume/sandboxes/one"), 2);
    CHECK_INT(count_entries("volume/sandboxes/one/w"), 0);
    CHECK(fstatat(one, "w", &st, 0) == 0 && st.st_mode == (S_IFDIR | 0755));
    CHECK_INT(wr_file_read_line(one, "u/note", text, sizeof(text)), 6);
    CHECK_STR(text, "before");
    /* Neither sees the other, nor does the snapshot. */
    CHECK_INT(wr_file_replace(one, "u/note", "one", 3, 0600, WR_VOLATILE), 0);
    write_file(one, "u/data", 2 * WR_MIB);
    CHECK_INT(wr_file_read_line(two, "u/note", text, sizeof(text)), 6);
    CHECK_INT(wr_file_read_line(dirfd, "files/u/note", text, sizeof(text)), 6);
    CHECK(fstatat(dirfd, "files/u/data", &st, 0) == 0 && st.st_size == 1024 * 1024);
    /* What was cloned outlives what it was cloned from. */
    wr_close(dirfd);
    wr_close(upper);
    OK(wr_snapshot_remove(snapshots, B, &err));
    OK(wr_volume_upper_remove(volume, A, &err));
    collect_all();
    CHECK(fstatat(two, "u/data", &st, 0) == 0 && st.st_size == 1024 * 1024);
    /* Without files of its own there is nothing to clone. */
    m.own_files = false;
    CHECK_INT(wr_snapshot_upper_new(snapshots, two, &m, "three", DISK, &one, &err),
              -WR_E_FAILED_PRECONDITION);
    wr_manifest_done(&m);
    wr_close(one);
    wr_close(two);
}
TEST(sandboxes_are_made_from_snapshots)
{
    with_snapshots(check_fork);
}

/* How much more fits into an upper; XFS refuses even an empty file in one that is full. */
static uint64_t fill(int upper, const char *name)
{
    static char block[65536];
    uint64_t written = 0;
    ssize_t n = 0;
    int fd = openat(upper, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        CHECK(errno == EDQUOT || errno == ENOSPC);
        return 0;
    }
    while (written < 4 * DISK && (n = write(fd, block, sizeof(block))) > 0)
        written += (uint64_t)n;
    CHECK(n < 0 && (errno == EDQUOT || errno == ENOSPC));
    (void)fsync(fd);
    wr_close(fd);
    return written;
}

static void check_limits(void)
{
    struct wr_manifest m = {.file_count = 0};
    uint64_t used = 0;
    int dirfd = -1, fd = -1, upper = make_upper(A, 40 * WR_MIB);
    /* The image is limited too. */
    int snapshot = begin(C, 1000);
    int file = openat(snapshot, "image/pages-2.img", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(posix_fallocate(file, 0, 40 * WR_MIB) != 0);
    wr_close(file);
    wr_close(snapshot);
    OK(wr_snapshot_abandon(snapshots, C, &err));

    take(B, upper);
    m = load(B, &dirfd);
    OK(wr_snapshot_upper_new(snapshots, dirfd, &m, "one", DISK, &fd, &err));
    OK(wr_snapshot_upper_set_limit(snapshots, fd, DISK, 0, &err));
    OK(wr_snapshot_upper_usage(snapshots, fd, &used, &err));
    CHECK(used >= 40 * WR_MIB && used < 44 * WR_MIB);
    /* What it has and what it may add are together what it may have. */
    uint64_t added = fill(fd, "u/filler");
    CHECK(added > 20 * WR_MIB && added <= 24 * WR_MIB);
    wr_close(fd);
    OK(wr_volume_upper_remove(volume, "one", &err));
    wr_manifest_done(&m);
    wr_close(dirfd);
    wr_close(upper);
}
TEST(disk_limits_hold_for_clones)
{
    with_snapshots(check_limits);
}

/* To the last byte. The copy may have no room for more, but it is whole. */
static void check_brim(void)
{
    struct wr_manifest m = {.file_count = 0};
    struct stat st;
    uint64_t used = 0;
    int dirfd = -1, fd = -1, upper = make_upper(A, 8 * WR_MIB);
    const uint64_t filled = fill(upper, "u/filler");
    take(B, upper);
    m = load(B, &dirfd);
    OK(wr_snapshot_upper_new(snapshots, dirfd, &m, "one", DISK, &fd, &err));
    CHECK_INT(fstatat(fd, "u/filler", &st, 0), 0);
    CHECK_INT(st.st_size, filled);
    OK(wr_snapshot_upper_usage(snapshots, fd, &used, &err));
    CHECK(used <= DISK + 16 * WR_MIB);
    OK(wr_snapshot_upper_set_limit(snapshots, fd, DISK, 0, &err));
    CHECK(fill(fd, "u/more") <= 16 * WR_MIB);
    wr_close(fd);
    wr_manifest_done(&m);
    wr_close(dirfd);
    wr_close(upper);
}
TEST(what_is_full_is_copied)
{
    with_snapshots(check_brim);
}

#define LINKS 10

/* Bytes that the whole volume has given away. */
static uint64_t taken(void)
{
    uint64_t total = 0, left = 0;
    CHECK_INT(syncfs(wr_volume_fd(volume)), 0);
    OK(wr_volume_space(volume, &total, &left, &err));
    return total - left;
}

/* Each link is a copy of the one before and writes until it is refused. `first`: what the first one
 * has. Returns how many links there were. */
static int make_chain(size_t first, uint64_t *ret_used)
{
    int links = 0, upper = make_upper(A, first);
    for (; links < LINKS; links++) {
        struct wr_manifest m = {.file_count = 0};
        char id[WR_ID_LEN + 1], name[16];
        int dirfd = -1, next = -1;
        memset(id, 'b' + links, WR_ID_LEN);
        id[WR_ID_LEN] = '\0';
        snprintf(name, sizeof(name), "link%d", links);
        take(id, upper);
        m = load(id, &dirfd);
        int rc = wr_snapshot_upper_new(snapshots, dirfd, &m, name, DISK, &next, &err);
        CHECK_INT(rc, wr_snapshot_check_limit(snapshots, m.files_bytes, DISK, &err));
        wr_manifest_done(&m);
        wr_close(dirfd);
        if (rc < 0)
            break;
        wr_close(upper);
        upper = next;
        /* A name of its own each time: it adds, and replaces nothing. */
        snprintf(name, sizeof(name), "u/filler%d", links);
        CHECK(fill(upper, name) > 0);
    }
    OK(wr_snapshot_upper_usage(snapshots, upper, ret_used, &err));
    wr_close(upper);
    return links;
}

/* However long, a chain holds what one sandbox may, and 16 MiB once. With other quotas each copy is
 * charged with all that it has. */
static void check_chain(void)
{
    uint64_t used = 0, before = taken();
    if (!wr_streq(wr_volume_kind(volume), "btrfs-squota"))
        return;
    int links = make_chain(40 * WR_MIB, &used);
    CHECK(links >= 2 && links < LINKS);
    CHECK(strstr(err.msg, "disk limit"));
    CHECK(used > DISK && used <= DISK + 16 * WR_MIB);
    /* The images of the links, and the file system's own. */
    CHECK(taken() - before <= DISK + 16 * WR_MIB + 8 * WR_MIB);
    /* A higher limit is all that it takes. */
    struct wr_manifest m = {.file_count = 0};
    int dirfd = -1, fd = -1;
    char id[WR_ID_LEN + 1];
    memset(id, 'b' + links, WR_ID_LEN);
    id[WR_ID_LEN] = '\0';
    m = load(id, &dirfd);
    OK(wr_snapshot_upper_new(snapshots, dirfd, &m, "higher", 2 * DISK, &fd, &err));
    CHECK(fill(fd, "u/filler") <= 2 * DISK - m.files_bytes);
    wr_manifest_done(&m);
    wr_close(fd);
    wr_close(dirfd);
}
TEST(disk_limits_hold_for_chains_of_clones)
{
    with_snapshots(check_chain);
}

/* There what is shared is charged to each of those who have it. */
static void check_classic(void)
{
    CHECK_STR(wr_volume_kind(volume), "btrfs-qgroup");
    check_limits();
}
TEST(disk_limits_hold_with_classic_qgroups)
{
    with(mount_classic, check_classic);
}

/* What kill -9 can leave at each step. */
static void check_interrupted(void)
{
    struct wr_manifest m = {.file_count = 0};
    int again = -1, upper = make_upper(A, WR_MIB);
    /* After begin(): the next one begins anew. */
    int fd = begin(B, 1000);
    wr_close(fd);
    OK(wr_snapshot_begin(snapshots, B, 32 * WR_MIB, &fd, &err));
    CHECK_INT(count_entries("volume/snapshots/.new-" B "/image"), 0);
    /* While its job still runs. */
    CHECK_INT(flock(fd, LOCK_EX), 0);
    CHECK_INT(wr_snapshot_begin(snapshots, B, WR_MIB, &again, &err), -WR_E_ALREADY_EXISTS);
    CHECK_INT(flock(fd, LOCK_UN), 0);
    /* After the files, by another engine. */
    OK(wr_snapshot_copy_files(snapshots, upper, fd, &err));
    wr_close(fd);
    close_all();
    open_all();
    CHECK_STR(list(true).text, "b");
    OK(wr_snapshot_abandon(snapshots, B, &err));
    OK(wr_snapshot_abandon(snapshots, B, &err));
    CHECK_STR(list(true).text, "");
    CHECK_STR(list(false).text, "");
    /* Between remove() and collect(): the next engine's. */
    take(C, upper);
    OK(wr_snapshot_remove(snapshots, C, &err));
    close_all();
    open_all();
    CHECK_STR(list(false).text, "");
    CHECK_INT(count_entries("volume/snapshots"), 3);
    collect_all();
    CHECK_INT(count_entries("volume/snapshots"), 0);
    /* In the middle of collect(): files/ is gone already. */
    take(C, upper);
    fd = openat(top_fd, "volume/snapshots/" C, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    OK(wr_snapshot_remove(snapshots, C, &err));
    struct wr_quota *quota = wr_volume_quota(volume);
    OK(quota->ops->remove(quota, fd, "files", &err));
    wr_close(fd);
    collect_all();
    CHECK_INT(count_entries("volume/snapshots"), 0);
    /* The manifest belongs to another one, is cut, or missing. */
    take(C, -1);
    CHECK_INT(renameat(top_fd, "volume/snapshots/" C, top_fd, "volume/snapshots/" B), 0);
    CHECK_INT(wr_snapshot_load(snapshots, B, &m, NULL, &err), -WR_E_DATA_LOSS);
    fd = openat(top_fd, "volume/snapshots/" B "/manifest.json", O_WRONLY | O_CLOEXEC);
    CHECK_INT(ftruncate(fd, 20), 0);
    wr_close(fd);
    CHECK_INT(wr_snapshot_load(snapshots, B, &m, NULL, &err), -WR_E_DATA_LOSS);
    CHECK_INT(unlinkat(top_fd, "volume/snapshots/" B "/manifest.json", 0), 0);
    CHECK_INT(wr_snapshot_load(snapshots, B, &m, NULL, &err), -WR_E_DATA_LOSS);
    OK(wr_snapshot_remove(snapshots, B, &err));
    wr_close(upper);
}
TEST(every_step_can_be_interrupted)
{
    with_snapshots(check_interrupted);
}

/* A hibernated sandbox that is rolled back: always one of both is there. */
static void check_over(void)
{
    int fd = -1;
    take(B, -1);
    OK(wr_snapshot_begin_over(snapshots, B, 32 * WR_MIB, &fd, &err));
    struct wr_manifest m = load(B, NULL);
    CHECK_INT(m.spec.generation, 0);
    wr_manifest_done(&m);
    write_file(fd, "image/pages-1.img", 1000);
    commit(B, fd, -1, 9);
    m = load(B, NULL);
    CHECK_INT(m.spec.generation, 9);
    CHECK_STR(list(false).text, "b");
    CHECK_STR(list(true).text, "");
    CHECK_INT(count_entries("volume/snapshots"), 2); /* the old one is on its way out */
    collect_all();
    CHECK_INT(count_entries("volume/snapshots"), 1);
    wr_manifest_done(&m);
}
TEST(one_takes_the_place_of_another_at_once)
{
    with_snapshots(check_over);
}

/* A copy of the mounted volume's image is what a power cut leaves. */
static void check_power_cut(void)
{
    char from[96], to[96];
    const char *const copy[] = {"cp", "--sparse=always", from, to, NULL};
    int dirfd = -1, upper = make_upper(A, WR_MIB);
    snprintf(from, sizeof(from), "%s/volume.img", top);
    snprintf(to, sizeof(to), "%s/copy", top);
    /* Not synced by anybody but commit(). */
    int fd = openat(upper, "u/late", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(wr_write_all(fd, "late", 4), 0);
    wr_close(fd);
    take(B, upper);
    take(C, upper);
    OK(wr_snapshot_remove(snapshots, C, &err));
    wr_close(begin(C, 5000));
    run_tool(copy);
    wr_close(upper);
    close_all();
    OK(wr_volume_unmount(top, &err));
    CHECK_INT(rename(to, from), 0);
    open_all();
    CHECK_STR(list(false).text, "b");
    struct wr_manifest m = load(B, &dirfd);
    int image = openat(dirfd, "image", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    OK(wr_image_check(image, &m, WR_IMAGE_ALL, &err));
    char text[16] = "";
    CHECK_INT(wr_file_read_line(dirfd, "files/u/late", text, sizeof(text)), 4);
    CHECK(exists("volume/sandboxes/" A "/u/late"));
    wr_manifest_done(&m);
    wr_close(image);
    wr_close(dirfd);
    OK(wr_snapshot_abandon(snapshots, C, &err));
    collect_all();
    CHECK_INT(count_entries("volume/snapshots"), 1);
}
TEST(a_power_cut_leaves_all_or_nothing)
{
    with_snapshots(check_power_cut);
}

static size_t count_groups(void)
{
    struct btrfs_ioctl_fs_info_args info = {0};
    const unsigned char *u = info.fsid;
    char path[128];
    size_t count = 0;
    CHECK_INT(ioctl(wr_volume_fd(volume), BTRFS_IOC_FS_INFO, &info), 0);
    snprintf(path, sizeof(path),
             "/sys/fs/btrfs/"
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x/qgroups",
             u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
             u[14], u[15]);
    DIR *dir = opendir(path);
    CHECK(dir);
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
        count += wr_starts_with(e->d_name, "0_");
    closedir(dir);
    return count;
}

/* Collects until so many quota groups are left. */
static void settle(size_t wanted)
{
    for (int i = 0; i < 3000 && count_groups() != wanted; i++) {
        CHECK_INT(ioctl(wr_volume_fd(volume), BTRFS_IOC_SYNC), 0); /* wakes the cleaner */
        collect_all();
        usleep(20000);
    }
    CHECK_INT(count_groups(), wanted);
}

/* With simple quotas what a clone shares is paid for by whoever wrote it, dead or alive. */
static void check_groups(void)
{
    struct wr_manifest m = {.file_count = 0};
    int dirfd = -1, fd = -1;
    if (!wr_starts_with(wr_volume_kind(volume), "btrfs"))
        return;
    size_t before = count_groups();
    int upper = make_upper(A, 8 * WR_MIB);
    take(B, upper);
    wr_close(upper);
    OK(wr_volume_upper_remove(volume, A, &err));
    m = load(B, &dirfd);
    OK(wr_snapshot_upper_new(snapshots, dirfd, &m, "one", DISK, &fd, &err));
    wr_manifest_done(&m);
    wr_close(dirfd);
    OK(wr_snapshot_remove(snapshots, B, &err));
    for (int i = 0; i < 20; i++) {
        CHECK_INT(ioctl(wr_volume_fd(volume), BTRFS_IOC_SYNC), 0);
        collect_all();
    }
    /* The clone goes, and with it what nobody else pays for. */
    write_file(fd, "u/data", WR_MIB);
    wr_close(fd);
    OK(wr_volume_upper_remove(volume, "one", &err));
    settle(before);
    /* The file system has survived its accounts. */
    wr_close(make_upper(A, WR_MIB));
    CHECK_INT(syncfs(wr_volume_fd(volume)), 0);
}
TEST(quota_groups_follow_what_is_shared)
{
    with_snapshots(check_groups);
}

/* A file system without room for a new name: whoever makes room must be able to. */
static void check_full(void)
{
    int upper = make_upper(A, WR_MIB), filler = -1, entries = 0;
    char name[32];
    take(B, upper);
    OK(wr_volume_upper_new(volume, "filler", 4096 * WR_MIB, &filler, &err));
    int fd = openat(filler, "u/data", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    static char block[65536];
    while (write(fd, block, sizeof(block)) > 0)
        ;
    wr_close(fd);
    /* Until there is no room for names either. */
    for (fd = 0; fd >= 0 && entries < 100000; entries++) {
        snprintf(name, sizeof(name), "u/%d", entries);
        fd = openat(filler, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0) {
            (void)!write(fd, block, 1500);
            wr_close(fd);
        }
    }
    CHECK(errno == ENOSPC);
    OK(wr_snapshot_remove(snapshots, B, &err));
    CHECK_STR(list(false).text, "");
    wr_close(filler);
    wr_close(upper);
    collect_all();
}
TEST(what_is_full_can_be_made_emptier)
{
    with_snapshots(check_full);
}

static void check_renew(void)
{
    struct stat st;
    int upper = make_upper(A, 1000);
    CHECK(mkdirat(upper, "w/index", 0700) == 0 && symlinkat("../u", upper, "w/index/out") == 0);
    CHECK_INT(linkat(upper, "u/data", upper, "w/index/link", 0), 0);
    CHECK_INT(mkdirat(upper, "w/work/incompat", 0000), 0);
    umask(0077);
    OK(wr_snapshot_upper_renew(upper, &err));
    CHECK_INT(count_entries("volume/sandboxes/" A "/w"), 0);
    CHECK(fstatat(upper, "w", &st, 0) == 0 && st.st_mode == (S_IFDIR | 0755) && st.st_uid == 0);
    CHECK(fstatat(upper, "u/data", &st, 0) == 0 && st.st_nlink == 1);
    OK(wr_snapshot_upper_renew(upper, &err));
    /* Interrupted between removing and making. */
    CHECK_INT(unlinkat(upper, "w", AT_REMOVEDIR), 0);
    OK(wr_snapshot_upper_renew(upper, &err));
    CHECK(exists("volume/sandboxes/" A "/w"));
    wr_close(upper);
}
TEST(work_directories_are_renewed)
{
    with_snapshots(check_renew);
}

static void check_descriptors(void)
{
    int fds[WR_SNAPSHOTS_FDS];
    size_t open = 0;
    wr_snapshots_fds(snapshots, fds);
    for (size_t i = 0; i < WR_ARRAY_SIZE(fds); i++)
        open += fds[i] >= 0 && fcntl(fds[i], F_GETFD) >= 0;
    /* A process with these only can do everything. */
    CHECK_INT(open, WR_SNAPSHOTS_FDS);
    int kept[WR_SNAPSHOTS_FDS], upper = make_upper(A, 1000);
    memcpy(kept, fds, sizeof(fds));
    for (int fd = 3; fd < 1024; fd++) {
        bool keep = fd == upper;
        for (size_t i = 0; i < WR_ARRAY_SIZE(kept); i++)
            keep |= kept[i] == fd;
        if (!keep)
            (void)close(fd);
    }
    take(B, upper);
    OK(wr_snapshot_remove(snapshots, B, &err));
    collect_all();
    CHECK_STR(list(false).text, "");
    wr_close(upper);
}
TEST(jobs_need_few_descriptors)
{
    with_snapshots(check_descriptors);
}
