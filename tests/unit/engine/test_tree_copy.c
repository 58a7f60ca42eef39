/* Trees as sandboxes leave them, copied on a file system with and one without shared blocks. Needs
 * root: devices, owners, trusted attributes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/storage/tree_copy.h"
#include "engine/storage/volume.h"
#include "test.h"

static char top[64];
static int top_fd = -1;
static struct wr_error err;

/* Where the trees are: the directory of the test itself, or a volume in it. */
static int src_fd = -1, dst_fd = -1;

static void open_places(int dirfd)
{
    CHECK(mkdirat(dirfd, "src", 0755) == 0 && mkdirat(dirfd, "dst", 0755) == 0);
    src_fd = openat(dirfd, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dst_fd = openat(dirfd, "dst", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(src_fd >= 0 && dst_fd >= 0 && mkdirat(src_fd, "u", 0755) == 0);
}

/* CHECK ends a failed test by _exit(), so the cleaning is done by a parent that waits for it. */
static void with_places(void (*test)(void), bool volume)
{
    int status = -1;
    NEEDS_ROOT();
    CHECK_INT(unshare(CLONE_NEWNS), 0);
    CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    snprintf(top, sizeof(top), "/tmp/test_tree_copy.XXXXXX");
    CHECK(mkdtemp(top));
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        const struct wr_volume_opts opts = {
            .data_dirfd = top_fd, .data_dir = top, .size_bytes = 512 * WR_MIB};
        struct wr_volume *v = NULL;
        if (volume && wr_volume_open(&opts, &v, &err) < 0)
            wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
        open_places(v ? wr_volume_fd(v) : top_fd);
        test();
        wr_close(src_fd);
        wr_close(dst_fd);
        wr_volume_free(v);
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

static struct stat stat_of(int dirfd, const char *path)
{
    struct stat st;
    if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        wr_test_fail(__FILE__, __LINE__, "no %s", path);
    return st;
}

static void check_same(const char *path)
{
    struct stat a = stat_of(src_fd, path), b = stat_of(dst_fd, path);
    CHECK_INT(b.st_mode, a.st_mode);
    CHECK_INT(b.st_uid, a.st_uid);
    CHECK_INT(b.st_gid, a.st_gid);
    CHECK_INT(b.st_rdev, a.st_rdev);
    CHECK_INT(b.st_mtim.tv_sec, a.st_mtim.tv_sec);
    CHECK_INT(b.st_mtim.tv_nsec, a.st_mtim.tv_nsec);
    if (!S_ISDIR(a.st_mode)) {
        CHECK_INT(b.st_size, a.st_size);
        CHECK_INT(b.st_nlink, a.st_nlink);
    }
}

static void put_file(const char *path, const char *text)
{
    int fd = openat(src_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && wr_write_all(fd, text, strlen(text)) == 0);
    wr_close(fd);
}

static void set_xattr(const char *path, const char *name, const char *value)
{
    char full[512];
    snprintf(full, sizeof(full), "/proc/self/fd/%d/%s", src_fd, path);
    if (lsetxattr(full, name, value, strlen(value), 0) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s on %s: %s", name, path, strerror(errno));
}

static void check_xattr(const char *path, const char *name, const char *value)
{
    char full[512], found[64] = "";
    snprintf(full, sizeof(full), "/proc/self/fd/%d/%s", dst_fd, path);
    CHECK_INT(lgetxattr(full, name, found, sizeof(found) - 1), strlen(value));
    CHECK_STR(found, value);
}

static void make_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", src_fd, path);
    CHECK(sock >= 0 && bind(sock, (struct sockaddr *)&address, sizeof(address)) == 0);
    wr_close(sock);
}

static void age(const char *path)
{
    const struct timespec times[2] = {{.tv_sec = 1000000, .tv_nsec = 7},
                                      {.tv_sec = 2000000, .tv_nsec = 123456789}};
    CHECK_INT(utimensat(src_fd, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void check_kinds(void)
{
    static const char *const paths[] = {
        "u/file",   "u/dir",  "u/dir/inner", "u/link",  "u/gone",   "u/null", "u/fifo",
        "u/socket", "u/suid", "u/empty",     "u/other", "u/\xff\n", "u"};
    /* XATTR values as the kernel has them: capabilities of revision 2, and cap_net_raw. */
    static const char caps[20] = {1, 0, 0, 2, 0, 32};
    char text[64] = "", path[64];
    put_file("u/file", "content");
    put_file("u/empty", "");
    put_file("u/suid", "program");
    put_file("u/\xff\n", "odd name");
    CHECK_INT(mkdirat(src_fd, "u/dir", 0755), 0);
    put_file("u/dir/inner", "inner");
    CHECK_INT(symlinkat("/etc/passwd", src_fd, "u/link"), 0);
    CHECK_INT(linkat(src_fd, "u/file", src_fd, "u/other", 0), 0);
    CHECK_INT(mknodat(src_fd, "u/gone", S_IFCHR | 0600, makedev(0, 0)), 0); /* overlay's mark */
    CHECK_INT(mknodat(src_fd, "u/null", S_IFCHR | 0666, makedev(1, 3)), 0);
    CHECK_INT(mknodat(src_fd, "u/fifo", S_IFIFO | 0640, 0), 0);
    make_socket("u/socket");
    CHECK_INT(fchownat(src_fd, "u/suid", 0, 5, 0), 0);
    CHECK_INT(fchownat(src_fd, "u/link", 1000, 1001, AT_SYMLINK_NOFOLLOW), 0);
    CHECK_INT(fchownat(src_fd, "u/dir", 65533, 65533, 0), 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d/u/suid", src_fd);
    CHECK_INT(setxattr(path, "security.capability", caps, sizeof(caps), 0), 0);
    CHECK_INT(fchmodat(src_fd, "u/suid", 06755, 0), 0);
    CHECK_INT(fchmodat(src_fd, "u/dir", 03000, 0), 0);
    set_xattr("u", "trusted.overlay.origin", "root");
    set_xattr("u/dir", "trusted.overlay.opaque", "y");
    set_xattr("u/file", "user.note", "");
    set_xattr("u/file", "trusted.overlay.metacopy", "m");
    set_xattr("u/gone", "trusted.overlay.whiteout", "w");
    set_xattr("u/link", "trusted.overlay.origin", "l");
    for (size_t i = 0; i < WR_ARRAY_SIZE(paths); i++)
        age(paths[i]);

    CHECK_INT(wr_tree_copy(src_fd, dst_fd, "u"), 0);
    for (size_t i = 0; i < WR_ARRAY_SIZE(paths); i++) {
        check_same(paths[i]);
        /* Reading a link has changed that of the original. */
        CHECK_INT(stat_of(dst_fd, paths[i]).st_atim.tv_sec, 1000000);
    }
    check_xattr("u", "trusted.overlay.origin", "root");
    check_xattr("u/dir", "trusted.overlay.opaque", "y");
    check_xattr("u/file", "user.note", "");
    check_xattr("u/file", "trusted.overlay.metacopy", "m");
    check_xattr("u/gone", "trusted.overlay.whiteout", "w");
    check_xattr("u/link", "trusted.overlay.origin", "l");
    snprintf(path, sizeof(path), "/proc/self/fd/%d/u/suid", dst_fd);
    CHECK_INT(getxattr(path, "security.capability", text, sizeof(text)), sizeof(caps));
    CHECK(memcmp(text, caps, sizeof(caps)) == 0);
    CHECK_INT(stat_of(dst_fd, "u/file").st_ino, stat_of(dst_fd, "u/other").st_ino);
    CHECK_INT(wr_file_read_line(dst_fd, "u/dir/inner", text, sizeof(text)), 5);
    CHECK_INT(readlinkat(dst_fd, "u/link", text, sizeof(text)), 11);
    /* Nothing else is beside it. */
    CHECK(faccessat(dst_fd, ".links", F_OK, 0) < 0 && errno == ENOENT);
    /* A copy is a copy. */
    int fd = openat(dst_fd, "u/file", O_WRONLY | O_CLOEXEC);
    CHECK_INT(wr_write_all(fd, "CHANGED", 7), 0);
    wr_close(fd);
    CHECK_INT(wr_file_read_line(src_fd, "u/file", text, sizeof(text)), 7);
    CHECK_STR(text, "content");
}
TEST(every_kind_of_entry_is_copied)
{
    with_places(check_kinds, false);
}
TEST(every_kind_of_entry_is_copied_with_shared_blocks)
{
    with_places(check_kinds, true);
}

static void check_sparse(void)
{
    static char block[65536];
    memset(block, 'x', sizeof(block));
    int fd = openat(src_fd, "u/sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(pwrite(fd, block, sizeof(block), 8 << 20), sizeof(block));
    CHECK_INT(pwrite(fd, "end", 3, (96 << 20) + 1), 3);
    CHECK_INT(ftruncate(fd, 128 << 20), 0);
    wr_close(fd);
    fd = openat(src_fd, "u/hole", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(ftruncate(fd, 1 << 30), 0);
    wr_close(fd);
    CHECK_INT(wr_tree_copy(src_fd, dst_fd, "u"), 0);
    struct stat st = stat_of(dst_fd, "u/sparse");
    CHECK_INT(st.st_size, 128 << 20);
    CHECK(st.st_blocks * 512 < 1 << 20);
    st = stat_of(dst_fd, "u/hole");
    CHECK(st.st_size == 1 << 30 && st.st_blocks == 0);
    fd = openat(dst_fd, "u/sparse", O_RDONLY | O_CLOEXEC);
    static char found[sizeof(block)];
    CHECK_INT(pread(fd, found, sizeof(found), 8 << 20), sizeof(found));
    CHECK(memcmp(found, block, sizeof(block)) == 0);
    CHECK_INT(pread(fd, found, 4, 96 << 20), 4);
    CHECK(memcmp(found, "\0end", 4) == 0);
    wr_close(fd);
}
TEST(holes_stay_holes)
{
    with_places(check_sparse, false);
}

/* Deeper than descriptors, a stack or a path would allow, and with more to do at every level when
 * the walk comes back. */
static void check_deep(void)
{
    enum { DEPTH = 3000 };
    int at = openat(src_fd, "u", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < DEPTH; i++) {
        static const char *const names[] = {"a", "z"};
        for (size_t n = 0; n < WR_ARRAY_SIZE(names); n++)
            CHECK_INT(wr_close(openat(at, names[n], O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), -1);
        CHECK(mkdirat(at, "m", 0700) == 0);
        int next = openat(at, "m", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(next >= 0);
        wr_close(at);
        at = next;
    }
    wr_close(at);
    CHECK_INT(wr_tree_copy(src_fd, dst_fd, "u"), 0);
    at = openat(dst_fd, "u", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < DEPTH; i++) {
        CHECK(faccessat(at, "a", F_OK, 0) == 0 && faccessat(at, "z", F_OK, 0) == 0);
        int next = openat(at, "m", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(next >= 0);
        wr_close(at);
        at = next;
    }
    wr_close(at);
}
TEST(depth_is_no_matter)
{
    with_places(check_deep, false);
}

/* More entries than one read of a directory has, with directories among them. */
static void check_wide(void)
{
    enum { COUNT = 3000 };
    char name[300];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "u/%0200d", i);
        if (i % 3 == 0)
            CHECK_INT(mkdirat(src_fd, name, 0700), 0);
        else
            put_file(name, "x");
    }
    CHECK_INT(wr_tree_copy(src_fd, dst_fd, "u"), 0);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "u/%0200d", i);
        CHECK_INT(S_ISDIR(stat_of(dst_fd, name).st_mode), i % 3 == 0);
    }
}
TEST(wide_directories_are_complete)
{
    with_places(check_wide, false);
}

/* What a sandbox could leave to lead the copier elsewhere. */
static void check_hostile(void)
{
    char longest[260] = "u/";
    memset(longest + 2, 'n', 255);
    put_file(longest, "x");
    CHECK_INT(symlinkat("/proc/self/fd", src_fd, "u/.links"), 0);
    CHECK_INT(symlinkat("..", src_fd, "u/up"), 0);
    CHECK_INT(mknodat(src_fd, "u/fifo", S_IFIFO | 0600, 0), 0); /* opening it would hang */
    put_file("secret", "outside");
    CHECK_INT(linkat(src_fd, "secret", src_fd, "u/outside", 0), 0);
    CHECK_INT(wr_tree_copy(src_fd, dst_fd, "u"), 0);
    check_same(longest);
    CHECK(S_ISLNK(stat_of(dst_fd, "u/.links").st_mode));
    CHECK(S_ISLNK(stat_of(dst_fd, "u/up").st_mode));
    /* The other link was not part of the tree. */
    CHECK_INT(stat_of(dst_fd, "u/outside").st_nlink, 1);
    CHECK(faccessat(dst_fd, "secret", F_OK, 0) < 0);
    /* What is no directory is not copied. */
    CHECK_INT(wr_tree_copy(src_fd, dst_fd, "secret"), -ENOTDIR);
    CHECK_INT(wr_tree_copy(src_fd, dst_fd, "none"), -ENOENT);
    CHECK_INT(wr_tree_copy(src_fd, dst_fd, "u"), -EEXIST);
    CHECK(faccessat(dst_fd, ".links", F_OK, 0) < 0);
}
TEST(a_hostile_tree_leads_nowhere)
{
    with_places(check_hostile, false);
}
