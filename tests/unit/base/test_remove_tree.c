#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/remove_tree.h"
#include "test.h"

static char dir_path[] = "/tmp/wr-test-tree-XXXXXX";

static void remove_dir(void)
{
    (void)!wr_remove_tree(AT_FDCWD, dir_path);
}

static int open_dir(void)
{
    CHECK(mkdtemp(dir_path));
    CHECK_INT(atexit(remove_dir), 0);
    int fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static void touch(int dir, const char *path)
{
    int fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    (void)close(fd);
}

TEST(missing_file_link_and_empty)
{
    wr_auto_close int dir = open_dir();
    CHECK_INT(wr_remove_tree(dir, "none"), 0);
    CHECK_INT(wr_remove_tree(dir, "none/below"), 0);
    touch(dir, "f");
    CHECK_INT(wr_remove_tree(dir, "f"), 0);
    CHECK_INT(mkdirat(dir, "d", 0700), 0);
    CHECK_INT(wr_remove_tree(dir, "d"), 0);
    CHECK_INT(faccessat(dir, "f", F_OK, 0), -1);
    CHECK_INT(faccessat(dir, "d", F_OK, 0), -1);
}

TEST(links_to_outside_are_not_followed)
{
    wr_auto_close int dir = open_dir();
    CHECK_INT(mkdirat(dir, "outside", 0700), 0);
    touch(dir, "outside/keep");
    CHECK_INT(mkdirat(dir, "tree", 0700), 0);
    CHECK_INT(symlinkat("../outside", dir, "tree/to-dir"), 0);
    CHECK_INT(symlinkat("../outside/keep", dir, "tree/to-file"), 0);
    CHECK_INT(symlinkat("nowhere", dir, "tree/dangling"), 0);
    CHECK_INT(symlinkat("outside", dir, "top-link"), 0);
    CHECK_INT(mkfifoat(dir, "tree/fifo", 0600), 0);
    CHECK_INT(wr_remove_tree(dir, "tree"), 0);
    CHECK_INT(wr_remove_tree(dir, "top-link"), 0);
    CHECK_INT(faccessat(dir, "tree", F_OK, 0), -1);
    CHECK_INT(faccessat(dir, "top-link", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    CHECK_INT(faccessat(dir, "outside/keep", F_OK, 0), 0);
}

TEST(wide)
{
    wr_auto_close int dir = open_dir();
    CHECK_INT(mkdirat(dir, "tree", 0700), 0);
    for (int i = 0; i < 3000; i++) {
        char name[32];
        CHECK(snprintf(name, sizeof(name), "tree/%s%d", i % 3 ? "f" : "d", i) > 0);
        if (i % 3)
            touch(dir, name);
        else
            CHECK_INT(mkdirat(dir, name, 0700), 0);
    }
    CHECK_INT(wr_remove_tree(dir, "tree"), 0);
    CHECK_INT(faccessat(dir, "tree", F_OK, 0), -1);
}

/* Deeper than any path could name, with far fewer descriptors than levels. */
TEST(deep_with_few_descriptors)
{
    wr_auto_close int dir = open_dir();
    int at = dup(dir);
    CHECK_INT(mkdirat(dir, "tree", 0700), 0);
    const char *name = "tree";
    for (int i = 0; i < 3000; i++) {
        int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(next >= 0);
        (void)close(at);
        at = next;
        touch(at, "file");
        CHECK_INT(mkdirat(at, "branch", 0700), 0);
        CHECK_INT(mkdirat(at, "deeper", 0700), 0);
        name = "deeper";
    }
    (void)close(at);
    struct rlimit limit = {.rlim_cur = 64, .rlim_max = 64};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_INT(wr_remove_tree(dir, "tree"), 0);
    CHECK_INT(faccessat(dir, "tree", F_OK, 0), -1);
}

/* Both a file system of its own and a bind mount of the same one: content stays, the rest goes, the
 * error says so. */
TEST(mounts_are_not_crossed)
{
    if (unshare(CLONE_NEWNS) < 0) {
        CHECK_INT(errno, EPERM);
        return;
    }
    CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    wr_auto_close int dir = open_dir(); /* only now: it must be of the new namespace */
    CHECK_INT(fchdir(dir), 0);
    CHECK_INT(wr_mkdir_parents(dir, "tree/a/bind", 0700), 0);
    CHECK_INT(wr_mkdir_parents(dir, "tree/a/tmpfs", 0700), 0);
    CHECK_INT(wr_mkdir_parents(dir, "tree/b", 0700), 0);
    CHECK_INT(wr_mkdir_parents(dir, "outside", 0700), 0);
    touch(dir, "outside/keep");
    CHECK_INT(mount("outside", "tree/a/bind", NULL, MS_BIND, NULL), 0);
    CHECK_INT(mount("none", "tree/a/tmpfs", "tmpfs", 0, NULL), 0);
    touch(dir, "tree/a/tmpfs/keep");
    int r = wr_remove_tree(dir, "tree");
    CHECK(r == -EBUSY || r == -EXDEV);
    CHECK_INT(wr_remove_tree(dir, "tree/a/tmpfs"), -EBUSY);
    CHECK_INT(faccessat(dir, "outside/keep", F_OK, 0), 0);
    CHECK_INT(faccessat(dir, "tree/a/tmpfs/keep", F_OK, 0), 0);
    CHECK_INT(faccessat(dir, "tree/b", F_OK, 0), -1);
    CHECK_INT(umount2("tree/a/bind", 0), 0);
    CHECK_INT(umount2("tree/a/tmpfs", 0), 0);
    CHECK_INT(wr_remove_tree(dir, "tree"), 0);
}

TEST(what_cannot_go_is_reported_and_the_rest_goes)
{
    wr_auto_close int dir = open_dir();
    CHECK_INT(wr_mkdir_parents(dir, "tree/open", 0755), 0);
    CHECK_INT(wr_mkdir_parents(dir, "tree/closed", 0755), 0);
    touch(dir, "tree/open/f");
    touch(dir, "tree/closed/f");
    CHECK_INT(fchmodat(dir, "tree/closed", 0555, 0), 0);
    if (geteuid() == 0) {
        CHECK_INT(fchmodat(AT_FDCWD, dir_path, 0777, 0), 0);
        CHECK_INT(fchownat(dir, "tree", 65534, 65534, 0), 0);
        CHECK_INT(fchownat(dir, "tree/open", 65534, 65534, 0), 0);
        CHECK_INT(seteuid(65534), 0);
    }
    CHECK_INT(wr_remove_tree(dir, "tree"), -EACCES);
    CHECK_INT(faccessat(dir, "tree/open", F_OK, AT_EACCESS), -1);
    CHECK_INT(faccessat(dir, "tree/closed/f", F_OK, AT_EACCESS), 0);
    if (getuid() == 0)
        CHECK_INT(seteuid(0), 0);
    CHECK_INT(fchmodat(dir, "tree/closed", 0755, 0), 0);
}

TEST(in_steps)
{
    wr_auto_close int dir = open_dir();
    struct wr_removal *r = NULL;
    int steps = 1;

    CHECK_INT(wr_removal_begin(dir, "none", &r), 0);
    CHECK(!r);
    for (int whole = 0; whole < 2; whole++) {
        CHECK_INT(wr_mkdir_parents(dir, "tree/a/b", 0700), 0);
        for (int i = 0; i < 20; i++) {
            char name[32];
            CHECK(snprintf(name, sizeof(name), "tree/a/%d", i) > 0);
            touch(dir, name);
        }
        CHECK_INT(wr_removal_begin(dir, "tree", &r), 0);
        CHECK(wr_removal_step(r, 4));
        if (!whole) {
            CHECK_INT(wr_removal_end(r), -ECANCELED);
            CHECK_INT(wr_remove_tree(dir, "tree/a"), 0);
            continue;
        }
        while (wr_removal_step(r, 4))
            steps++;
        CHECK(steps > 4);
        CHECK_INT(wr_removal_end(r), 0);
    }
    CHECK_INT(faccessat(dir, "tree", F_OK, 0), -1);
}
