#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "test.h"

static char dir_path[] = "/tmp/wr-test-file-XXXXXX";

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

static int count_entries(void)
{
    int count = -2; /* "." and ".." */
    DIR *d = opendir(dir_path);
    CHECK(d);
    while (readdir(d))
        count++;
    (void)closedir(d);
    return count;
}

TEST(replace_and_read)
{
    wr_auto_close int dir = open_dir();
    (void)umask(077);
    CHECK_INT(wr_file_replace(dir, "f", "one", 3, 0644, WR_VOLATILE), 0);
    CHECK_INT(wr_file_replace(dir, "f", "second", 6, 0664, WR_DURABLE), 0);
    struct stat st;
    CHECK_INT(fstatat(dir, "f", &st, 0), 0);
    CHECK_INT(st.st_mode & 07777, 0664);
    CHECK_INT(count_entries(), 1);
    wr_auto_buf b = WR_BUF(6);
    CHECK_INT(wr_file_read(dir, "f", &b), 0);
    CHECK_STR(wr_buf_cstr(&b), "second");
}

/* A reader that holds the old file keeps the old content: the inode is replaced, not rewritten. */
TEST(replace_is_atomic)
{
    wr_auto_close int dir = open_dir();
    CHECK_INT(wr_file_replace(dir, "f", "old", 3, 0600, WR_VOLATILE), 0);
    wr_auto_close int old = openat(dir, "f", O_RDONLY | O_CLOEXEC);
    CHECK(old >= 0);
    CHECK_INT(wr_file_replace(dir, "f", "newer", 5, 0600, WR_VOLATILE), 0);
    char text[8] = {0};
    CHECK_INT(wr_read_full(old, text, sizeof(text)), 3);
    CHECK_STR(text, "old");
}

TEST(replace_of_a_link_replaces_the_link)
{
    wr_auto_close int dir = open_dir();
    CHECK_INT(wr_file_replace(dir, "target", "t", 1, 0600, WR_VOLATILE), 0);
    CHECK_INT(symlinkat("target", dir, "link"), 0);
    CHECK_INT(wr_file_replace(dir, "link", "new", 3, 0600, WR_VOLATILE), 0);
    char text[8];
    CHECK_INT(wr_file_read_line(dir, "target", text, sizeof(text)), 1);
    CHECK_STR(text, "t");
}

TEST(failed_replace_leaves_nothing)
{
    wr_auto_close int dir = open_dir();
    CHECK_INT(mkdirat(dir, "d", 0700), 0);
    CHECK_INT(wr_file_replace(dir, "d", "x", 1, 0600, WR_DURABLE), -EISDIR);
    CHECK_INT(wr_file_replace(dir, "missing/f", "x", 1, 0600, WR_VOLATILE), -ENOENT);
    char name[NAME_MAX + 2];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    CHECK_INT(wr_file_replace(dir, name, "x", 1, 0600, WR_VOLATILE), -ENAMETOOLONG);
    CHECK_INT(count_entries(), 1);
    name[NAME_MAX] = '\0';
    CHECK_INT(wr_file_replace(dir, name, "x", 1, 0600, WR_VOLATILE), 0);
    char path[PATH_MAX + 1];
    memset(path, '/', PATH_MAX);
    path[PATH_MAX] = '\0';
    CHECK_INT(wr_file_replace(dir, path, "x", 1, 0600, WR_VOLATILE), -ENAMETOOLONG);
    CHECK_INT(count_entries(), 2);
}

TEST(replace_in_a_subdirectory_durably)
{
    wr_auto_close int dir = open_dir();
    CHECK_INT(wr_mkdir_parents(dir, "a/b", 0700), 0);
    CHECK_INT(wr_file_replace(dir, "a/b/f", "x", 1, 0600, WR_DURABLE), 0);
    CHECK_INT(faccessat(dir, "a/b/f", F_OK, 0), 0);
}

TEST(read_is_bounded)
{
    wr_auto_close int dir = open_dir();
    static char data[100000];
    memset(data, 'd', sizeof(data));
    CHECK_INT(wr_file_replace(dir, "f", data, sizeof(data), 0600, WR_VOLATILE), 0);
    wr_auto_buf exact = WR_BUF(sizeof(data) + 3);
    CHECK_INT(wr_buf_append(&exact, "abc", 3), 0);
    CHECK_INT(wr_file_read(dir, "f", &exact), 0);
    CHECK_INT(exact.len, sizeof(data) + 3);
    CHECK(memcmp(wr_buf_ptr(&exact) + 3, data, sizeof(data)) == 0);
    wr_auto_buf less = WR_BUF(sizeof(data) + 2);
    CHECK_INT(wr_buf_append(&less, "abc", 3), 0);
    CHECK_INT(wr_file_read(dir, "f", &less), -EFBIG);
    CHECK_STR(wr_buf_cstr(&less), "abc");
    CHECK_INT(wr_file_read(dir, "none", &less), -ENOENT);
}

TEST(proc_files_have_no_size)
{
    wr_auto_buf b = WR_BUF(1 << 20);
    CHECK_INT(wr_file_read(AT_FDCWD, "/proc/self/status", &b), 0);
    CHECK(b.len > 100);
}

TEST(read_line)
{
    wr_auto_close int dir = open_dir();
    CHECK_INT(wr_file_replace(dir, "f", "value\n", 6, 0600, WR_VOLATILE), 0);
    char out[7];
    CHECK_INT(wr_file_read_line(dir, "f", out, 7), 5);
    CHECK_STR(out, "value");
    CHECK_INT(wr_file_read_line(dir, "f", out, 4), 3);
    CHECK_STR(out, "val");
    CHECK_INT(wr_file_read_line(dir, "f", out, 0), -EINVAL);
    CHECK_INT(wr_file_replace(dir, "e", "", 0, 0600, WR_VOLATILE), 0);
    CHECK_INT(wr_file_read_line(dir, "e", out, sizeof(out)), 0);
    CHECK_STR(out, "");
}

TEST(write_str_needs_an_existing_file)
{
    wr_auto_close int dir = open_dir();
    CHECK_INT(wr_file_write_str(dir, "f", "x"), -ENOENT);
    CHECK_INT(wr_file_replace(dir, "f", "", 0, 0600, WR_VOLATILE), 0);
    CHECK_INT(wr_file_write_str(dir, "f", "max"), 0);
    char out[8];
    CHECK_INT(wr_file_read_line(dir, "f", out, sizeof(out)), 3);
    CHECK_INT(wr_file_write_str(AT_FDCWD, "/dev/full", "x"), -ENOSPC);
}

TEST(mkdir_parents)
{
    wr_auto_close int dir = open_dir();
    (void)umask(0);
    CHECK_INT(wr_mkdir_parents(dir, "a//b/c/", 0750), 0);
    CHECK_INT(wr_mkdir_parents(dir, "a/b/c", 0700), 0);
    struct stat st;
    CHECK_INT(fstatat(dir, "a/b/c", &st, 0), 0);
    CHECK_INT(st.st_mode & 07777, 0750);
    CHECK_INT(fstatat(dir, "a", &st, 0), 0);
    CHECK_INT(st.st_mode & 07777, 0750);
    CHECK_INT(wr_mkdir_parents(AT_FDCWD, dir_path, 0700), 0);
    CHECK_INT(wr_mkdir_parents(AT_FDCWD, "/", 0700), 0);
    CHECK_INT(wr_mkdir_parents(dir, "", 0700), -ENOENT);
    CHECK_INT(wr_file_replace(dir, "f", "", 0, 0600, WR_VOLATILE), 0);
    CHECK_INT(wr_mkdir_parents(dir, "f", 0700), -ENOTDIR);
    CHECK_INT(wr_mkdir_parents(dir, "f/x", 0700), -ENOTDIR);
}
