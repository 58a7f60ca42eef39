/* Attaching volumes, in a small root of its own. Needs root, and fails without. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "nest/volumes.h"
#include "test.h"

static struct wr_error err;

static struct wr_nest_request request_for(const char *path)
{
    struct wr_nest_request request = {.volume_count = 1};
    snprintf(request.volumes[0].path, sizeof(request.volumes[0].path), "%s", path);
    return request;
}

TEST(what_a_request_may_say)
{
    struct wr_nest_request request = {.volume_count = 0};
    CHECK(wr_volumes_are_sound(&request));
    request = request_for("/a");
    CHECK(wr_volumes_are_sound(&request));
    CHECK(!wr_volumes_forbid_clones(&request));
    request.volume_count = 2;
    CHECK(!wr_volumes_are_sound(&request)); /* the second has no path */
    CHECK(wr_volumes_forbid_clones(&request));
    request = request_for("a");
    CHECK(!wr_volumes_are_sound(&request));
    memset(request.volumes[0].path, '/', sizeof(request.volumes[0].path));
    CHECK(!wr_volumes_are_sound(&request));
    request = request_for("/a");
    request.volume_count = WR_NEST_MAX_VOLUMES + 1;
    CHECK(!wr_volumes_are_sound(&request));
}

/* A root with a mount of its own at /run, links, and a file. Returns a detached mount that holds a
 * file "mark". */
static int enter_root(void)
{
    NEEDS_ROOT();
    CHECK_INT(unshare(CLONE_NEWNS), 0);
    CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    CHECK_INT(mount("tmpfs", "/mnt", "tmpfs", 0, NULL), 0);
    CHECK_INT(mkdir("/mnt/volume", 0777), 0);
    CHECK_INT(wr_file_replace(AT_FDCWD, "/mnt/volume/mark", "x", 1, 0644, WR_VOLATILE), 0);
    int fd = open_tree(AT_FDCWD, "/mnt/volume", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_INT(mkdir("/mnt/root", 0755), 0);
    CHECK(chdir("/mnt/root") == 0 && mkdir("run", 0755) == 0 && mkdir("usr", 0755) == 0 &&
          mkdir("var", 0755) == 0);
    CHECK_INT(mount("tmpfs", "run", "tmpfs", 0, NULL), 0);
    /* For the sanitizers of such builds. */
    CHECK(mkdir("proc", 0555) == 0 && mount("/proc", "proc", NULL, MS_BIND | MS_REC, NULL) == 0);
    CHECK(symlink("/run", "var/run") == 0 && symlink("usr", "lib") == 0 &&
          symlink("../../../../usr", "up") == 0 && symlink("nowhere", "dangling") == 0 &&
          symlink("loop", "loop") == 0);
    CHECK_INT(wr_file_replace(AT_FDCWD, "file", "x", 1, 0644, WR_VOLATILE), 0);
    CHECK(chroot(".") == 0 && chdir("/") == 0);
    umask(022);
    return fd;
}

static bool has_mark(const char *path)
{
    char name[300];
    snprintf(name, sizeof(name), "%s/mark", path);
    return access(name, F_OK) == 0;
}

static void check_attached(const char *path, const char *where)
{
    struct wr_nest_request request = request_for(path);
    int fd = enter_root();
    if (wr_volumes_attach(&request, &fd, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s: %s", path, err.msg);
    CHECK(has_mark(path) && has_mark(where));
}

TEST(missing_directories_are_made)
{
    struct stat st;
    check_attached("/a/b/c", "/a/b/c");
    CHECK(stat("/a/b", &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0755);
    CHECK(!has_mark("/a/b"));
}

TEST(an_existing_directory)
{
    check_attached("/usr", "/usr");
}

TEST(links_are_followed_inside_the_root)
{
    check_attached("/lib/x", "/usr/x");
}

TEST(also_those_that_climb)
{
    check_attached("/up/x", "/usr/x");
}

static void check_refused(const char *path, const char *word)
{
    struct wr_nest_request request = request_for(path);
    int fd = enter_root();
    CHECK_INT(wr_volumes_attach(&request, &fd, &err), -WR_E_INVALID_ARGUMENT);
    if (!strstr(err.msg, word) || !strstr(err.msg, path))
        wr_test_fail(__FILE__, __LINE__, "%s: %s", path, err.msg);
    CHECK(!has_mark(path));
}

TEST(another_mount)
{
    check_refused("/run/x", "mount of the sandbox's own");
}

TEST(another_mount_by_a_link)
{
    check_refused("/var/run/x", "mount of the sandbox's own");
}

TEST(a_file_on_the_way)
{
    check_refused("/file/x", "is a file");
}

TEST(a_file_at_the_end)
{
    check_refused("/file", "is a file");
}

TEST(a_link_to_nothing)
{
    check_refused("/dangling/x", "a link leads nowhere");
}

TEST(a_loop_of_links)
{
    check_refused("/loop/x", "a link leads nowhere");
}
