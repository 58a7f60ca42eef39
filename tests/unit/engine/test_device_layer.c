#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/isolate/device_layer.h"
#include "test.h"

static char top[64];
static int top_fd = -1;
static struct wr_error err;

static void start(void)
{
    NEEDS_ROOT();
    snprintf(top, sizeof(top), "/tmp/test_device_layer.XXXXXX");
    CHECK(mkdtemp(top));
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(top_fd >= 0);
    umask(077);
}

static void done(void)
{
    CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
}

static const struct wr_device_file files[] = {
    {"runners/bash/main.bash", "echo", 4},
    {"runners/python/lib/deep.py", "deep", 4},
    {"runners/python/main.py", "", 0},
};

static int make_with(const char *program, size_t file_count)
{
    const struct wr_device_contents contents = {program, strlen(program), files, file_count};
    int fd = -1;
    if (wr_device_layer_open(top_fd, &contents, &fd, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
    return fd;
}

static int make(const char *program)
{
    return make_with(program, 0);
}

static void check_node(int fd, const char *path, unsigned major_number, unsigned minor_number)
{
    struct stat st;
    CHECK(fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK_INT(st.st_mode, S_IFCHR | 0666);
    CHECK_INT(major(st.st_rdev), major_number);
    CHECK_INT(minor(st.st_rdev), minor_number);
}

static void check_dir(int fd, const char *path, mode_t mode)
{
    struct stat st;
    CHECK(fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK_INT(st.st_mode, S_IFDIR | mode);
}

static size_t entries(int dirfd, const char *path)
{
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    size_t count = 0;
    const struct dirent *e;
    CHECK(dir);
    while ((e = readdir(dir)))
        count += e->d_name[0] != '.' || wr_starts_with(e->d_name, ".warren");
    closedir(dir);
    return count;
}

TEST(contents)
{
    char text[64];
    start();
    int fd = make("the program");
    check_dir(fd, ".", 0755);
    check_dir(fd, "dev", 0755);
    check_dir(fd, "dev/shm", 01777);
    check_dir(fd, "proc", 0555);
    check_dir(fd, ".warren", 0755);
    check_node(fd, "dev/null", 1, 3);
    check_node(fd, "dev/zero", 1, 5);
    check_node(fd, "dev/full", 1, 7);
    check_node(fd, "dev/random", 1, 8);
    check_node(fd, "dev/urandom", 1, 9);
    check_node(fd, "dev/tty", 5, 0);
    CHECK_INT(entries(fd, "dev"), 13); /* and nothing else */
    ssize_t len = readlinkat(fd, "dev/ptmx", text, sizeof(text) - 1);
    CHECK(len == 8 && memcmp(text, "pts/ptmx", 8) == 0);
    CHECK_INT(entries(fd, "etc"), 1);
    CHECK(wr_file_read_line(fd, "etc/resolv.conf", text, sizeof(text)) > 0);
    CHECK(wr_starts_with(text, "nameserver 192.0.0.1\n"));
    struct stat st;
    CHECK(fstatat(fd, "etc/resolv.conf", &st, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK_INT(st.st_mode, S_IFREG | 0644);
    CHECK(fstatat(fd, ".warren/agent", &st, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK_INT(st.st_mode, S_IFREG | 0755);
    CHECK_INT(wr_file_read_line(fd, ".warren/agent", text, sizeof(text)), 11);
    CHECK_STR(text, "the program");
    done();
}

static void check_file(int fd, const char *path, const char *content)
{
    char text[64];
    struct stat st;
    CHECK(fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK_INT(st.st_mode, S_IFREG | 0644);
    CHECK_INT(st.st_uid, 0);
    CHECK_INT(st.st_size, strlen(content));
    CHECK_INT(wr_file_read_line(fd, path, text, sizeof(text)), strlen(content));
    CHECK_STR(text, content);
}

TEST(files_and_their_directories)
{
    start();
    int fd = make_with("the program", 3);
    check_file(fd, ".warren/runners/bash/main.bash", "echo");
    check_file(fd, ".warren/runners/python/lib/deep.py", "deep");
    check_file(fd, ".warren/runners/python/main.py", "");
    check_dir(fd, ".warren/runners", 0755);
    check_dir(fd, ".warren/runners/python/lib", 0755);
    done();
}

TEST(made_once_per_set_of_files)
{
    struct stat a, b, c;
    start();
    CHECK(fstat(make_with("one", 3), &a) == 0 && fstat(make_with("one", 3), &b) == 0 &&
          fstat(make_with("one", 2), &c) == 0);
    CHECK(a.st_ino == b.st_ino && a.st_ino != c.st_ino);
    done();
}

TEST(made_once_per_program)
{
    struct stat a, b, c;
    start();
    CHECK(fstat(make("one"), &a) == 0 && fstat(make("one"), &b) == 0 &&
          fstat(make("two"), &c) == 0);
    CHECK(a.st_ino == b.st_ino && a.st_ino != c.st_ino);
    CHECK_INT(entries(top_fd, "layers"), 2);
    check_dir(top_fd, "layers", 0700);
    done();
}

/* The one that a sandbox needs, by the name that `data` points to. */
static bool is_needed(const char *name, void *data)
{
    return strcmp(name, data) == 0;
}

/* The name of the layer that is open. */
static void name_of(int fd, char *out, size_t cap)
{
    char path[64], target[512];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(path, target, sizeof(target) - 1);
    CHECK(len > 0);
    target[len] = '\0';
    CHECK(wr_strcopy(out, cap, strrchr(target, '/') + 1));
}

TEST(layers_of_other_versions_are_removed)
{
    char needed[128] = "";
    start();
    int old = make("an older program"), now = make("the program");
    CHECK(mkdirat(top_fd, "layers/0123", 0755) == 0); /* a template's */
    CHECK_INT(entries(top_fd, "layers"), 3);
    name_of(old, needed, sizeof(needed));
    wr_device_layer_collect(top_fd, now, is_needed, needed);
    CHECK_INT(entries(top_fd, "layers"), 3);
    needed[0] = '\0';
    wr_device_layer_collect(top_fd, now, is_needed, needed);
    CHECK_INT(entries(top_fd, "layers"), 2);
    check_node(now, "dev/null", 1, 3);
    CHECK(faccessat(old, "dev/null", F_OK, 0) < 0);
    close(old);
    close(now);
    done();
}

TEST(a_crashed_attempt_is_replaced)
{
    char name[256] = "", temp[300];
    start();
    /* Find the name, then pretend that its making was cut off. */
    close(make("one"));
    int layers = openat(top_fd, "layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(layers);
    const struct dirent *e;
    while ((e = readdir(dir)))
        if (wr_starts_with(e->d_name, ".warren"))
            snprintf(name, sizeof(name), "%s", e->d_name);
    CHECK(name[0]);
    snprintf(temp, sizeof(temp), "%s.tmp", name);
    CHECK(renameat(layers, name, layers, temp) == 0);
    CHECK(unlinkat(layers, temp, AT_REMOVEDIR) < 0 && errno == ENOTEMPTY);
    int inside = openat(layers, temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(unlinkat(inside, "dev/null", 0) == 0);
    int fd = make("one");
    check_node(fd, "dev/null", 1, 3);
    CHECK(faccessat(layers, temp, F_OK, 0) < 0 && errno == ENOENT);
    CHECK_INT(entries(top_fd, "layers"), 1);
    closedir(dir);
    done();
}

TEST(a_link_in_its_place_is_not_followed)
{
    start();
    CHECK(mkdirat(top_fd, "elsewhere", 0755) == 0 && symlinkat("elsewhere", top_fd, "layers") == 0);
    int fd = -7;
    CHECK(wr_device_layer_open(top_fd, &(struct wr_device_contents){"p", 1, NULL, 0}, &fd, &err) <
          0);
    CHECK_INT(fd, -7);
    CHECK_INT(entries(top_fd, "elsewhere"), 0);
    done();
}
