/* Needs root, as importing does: an archive's owners and modes are part of a template. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "fixture.h"
#include "template/import.h"
#include "template/store.h"
#include "test.h"

struct item {
    const char *path;
    mode_t mode;      /* with type */
    const char *link; /* symbolic: target; S_IFREG: hard link */
    const char *data;
    uid_t uid;
};

#define SHELL                                   \
    {                                           \
        "bin/sh", S_IFREG | 0755, NULL, "#!", 0 \
    }

static void write_tar(struct archive *a, const struct item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct item *it = &items[i];
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, it->path);
        archive_entry_set_mode(e, it->mode);
        archive_entry_set_uid(e, it->uid);
        archive_entry_set_gid(e, it->uid);
        if (S_ISLNK(it->mode))
            archive_entry_set_symlink(e, it->link);
        else if (it->link)
            archive_entry_set_hardlink(e, it->link);
        if (S_ISCHR(it->mode) || S_ISBLK(it->mode))
            archive_entry_set_rdev(e, makedev(1, 3));
        if (it->data)
            archive_entry_set_size(e, (la_int64_t)strlen(it->data));
        if (strcmp(it->path, "bin/xattr") == 0) {
            archive_entry_xattr_add_entry(e, "user.kept", "1", 1);
            archive_entry_xattr_add_entry(e, "trusted.overlay.opaque", "y", 1);
        }
        CHECK(archive_write_header(a, e) == ARCHIVE_OK);
        if (it->data)
            CHECK(archive_write_data(a, it->data, strlen(it->data)) >= 0);
        archive_entry_free(e);
    }
}

/* Writes an archive into the temporary directory and imports it under the name "t". */
static int import_items(int data, const struct item *items, size_t count, int filter,
                        struct wr_error *err)
{
    char path[128];
    struct archive *a = archive_write_new();
    snprintf(path, sizeof(path), "%s/x.tar", fixture_path());
    CHECK(archive_write_set_format_pax_restricted(a) == ARCHIVE_OK);
    CHECK(archive_write_add_filter(a, filter) == ARCHIVE_OK);
    CHECK(archive_write_open_filename(a, path) == ARCHIVE_OK);
    write_tar(a, items, count);
    CHECK(archive_write_free(a) == ARCHIVE_OK);
    return wr_template_import(data, "t", path, NULL, err);
}

static int layer_of(int data, struct wr_template *t)
{
    struct wr_error err = {0};
    int fd = -1;
    CHECK_INT(wr_template_load(data, "t", t, &err), 0);
    CHECK_INT(wr_template_layer_open(data, t->layers[0], &fd, &err), 0);
    return fd;
}

TEST(archives_keep_what_matters)
{
    static const struct item items[] = {
        {"./", S_IFDIR | 0700, NULL, NULL, 5},
        {"./bin", S_IFDIR | 0755, NULL, NULL, 0},
        {"./bin/real", S_IFREG | 04755, NULL, "body", 0},
        {"./bin/sh", S_IFLNK | 0777, "/bin/real", NULL, 0},
        {"./bin/second", S_IFREG | 04755, "./bin/real", NULL, 0},
        {"bin/xattr", S_IFREG | 0600, NULL, "x", 1000},
        {"./dev/null", S_IFCHR | 0666, NULL, NULL, 0},
        {"./proc/1/x", S_IFREG | 0666, NULL, "x", 0},
        {"./etc/passwd", S_IFREG | 0644, NULL,
         "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n", 0},
    };
    static const int filters[] = {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_XZ,
                                  ARCHIVE_FILTER_ZSTD};
    int data = fixture_data_dir();
    for (size_t i = 0; i < WR_ARRAY_SIZE(filters); i++) {
        struct wr_error err = {0};
        if (import_items(data, items, WR_ARRAY_SIZE(items), filters[i], &err) != 0)
            wr_test_fail(__FILE__, __LINE__, "filter %zu: %s", i, err.msg);
        wr_auto_template t = {0};
        wr_auto_close int root = layer_of(data, &t);
        struct stat st, other;
        char value[8];
        CHECK_STR(t.user, "user");
        CHECK(t.size_bytes > 0);
        CHECK(fstat(root, &st) == 0 && (st.st_mode & 07777) == 0755 && st.st_uid == 0);
        CHECK(fstatat(root, "bin/real", &st, 0) == 0 && st.st_mode == (S_IFREG | 04755));
        CHECK(fstatat(root, "bin/second", &other, 0) == 0 && st.st_ino == other.st_ino);
        CHECK(fstatat(root, "bin/xattr", &st, 0) == 0 && st.st_uid == 1000 && st.st_gid == 1000);
        CHECK(fstatat(root, "tmp", &st, 0) == 0 && st.st_mode == (S_IFDIR | 01777));
        CHECK(fstatat(root, "dev/null", &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT);
        CHECK(fstatat(root, "proc/1", &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT);
        wr_auto_close int file = openat(root, "bin/xattr", O_RDONLY | O_CLOEXEC);
        CHECK(fgetxattr(file, "trusted.overlay.opaque", value, sizeof(value)) < 0);
        CHECK(fgetxattr(file, "user.kept", value, sizeof(value)) == 1);
        CHECK_INT(wr_template_remove(data, "t", &err), 0);
    }
}

TEST(hostile_entries_are_refused_by_name)
{
    static const struct {
        struct item item;
        const char *named;
    } cases[] = {
        {{"/etc/cron.d/evil", S_IFREG | 0644, NULL, "x", 0}, "/etc/cron.d/evil"},
        {{"../evil", S_IFREG | 0644, NULL, "x", 0}, "../evil"},
        {{"a/../../evil", S_IFREG | 0644, NULL, "x", 0}, "a/../../evil"},
        {{"home/disk", S_IFBLK | 0666, NULL, NULL, 0}, "home/disk"},
        {{"home/null", S_IFCHR | 0666, NULL, NULL, 0}, "home/null"},
        {{"stolen", S_IFREG | 0644, "/etc/shadow", NULL, 0}, "/etc/shadow"},
        {{"stolen", S_IFREG | 0644, "../../etc/shadow", NULL, 0}, "../../etc/shadow"},
        {{"stolen", S_IFREG | 0644, "dir/none", NULL, 0}, "stolen"},
        {{"out/evil", S_IFREG | 0644, NULL, "x", 0}, "out/evil"},
        {{"up/evil", S_IFREG | 0644, NULL, "x", 0}, "up/evil"},
    };
    int data = fixture_data_dir();
    char outside[96];
    snprintf(outside, sizeof(outside), "%s/outside", fixture_path());
    CHECK(mkdir(outside, 0777) == 0);
    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        struct wr_error err = {0};
        const struct item items[] = {
            SHELL,
            {"out", S_IFLNK | 0777, outside, NULL, 0},
            {"up", S_IFLNK | 0777, "../../..", NULL, 0},
            cases[i].item,
        };
        int rc = import_items(data, items, WR_ARRAY_SIZE(items), ARCHIVE_FILTER_NONE, &err);
        if (rc != -WR_E_INVALID_ARGUMENT || !strstr(err.msg, cases[i].named))
            wr_test_fail(__FILE__, __LINE__, "case %zu: %d \"%s\"", i, rc, err.msg);
        CHECK_INT(fixture_count(data, "layers"), 0);
        CHECK_INT(fixture_count(data, "templates"), 0);
        CHECK(rmdir(outside) == 0 && mkdir(outside, 0777) == 0); /* still empty */
    }
}

TEST(mount_points_must_be_directories)
{
    static const struct item items[] = {SHELL, {"proc", S_IFLNK | 0777, "/etc", NULL, 0}};
    struct wr_error err = {0};
    int data = fixture_data_dir();
    CHECK_INT(import_items(data, items, WR_ARRAY_SIZE(items), ARCHIVE_FILTER_NONE, &err),
              -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "/proc"));
}

TEST(tree_without_a_shell_is_refused)
{
    static const struct item no_shell[] = {{"bin/ls", S_IFREG | 0755, NULL, "x", 0}};
    static const struct item no_right[] = {{"bin/sh", S_IFREG | 0644, NULL, "x", 0}};
    static const struct item dangling[] = {{"bin/sh", S_IFLNK | 0777, "/usr/bin/env", NULL, 0}};
    static const struct item *const all[] = {no_shell, no_right, dangling};
    int data = fixture_data_dir();
    for (size_t i = 0; i < WR_ARRAY_SIZE(all); i++) {
        struct wr_error err = {0};
        CHECK_INT(import_items(data, all[i], 1, ARCHIVE_FILTER_NONE, &err),
                  -WR_E_FAILED_PRECONDITION);
        CHECK(strstr(err.msg, "no /bin/sh"));
        CHECK_INT(fixture_count(data, "layers"), 0);
    }
}

TEST(things_that_are_no_archive_are_refused)
{
    int data = fixture_data_dir();
    struct wr_error err = {0};
    CHECK_INT(
        wr_template_import(data, "t", fixture_file("text", "this is no archive\n"), NULL, &err),
        -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_template_import(data, "t", fixture_file("empty", ""), NULL, &err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_template_import(data, "t", "/dev/null", NULL, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_template_import(data, "t", "/nowhere/at/all", NULL, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_template_import(data, "../t", "/nowhere", NULL, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(fixture_count(data, "layers"), 0);
}

TEST(cut_archive_leaves_nothing)
{
    static const struct item items[] = {SHELL, {"big", S_IFREG | 0644, NULL, "0123456789", 0}};
    struct wr_error err = {0};
    char path[128];
    int data = fixture_data_dir();
    CHECK_INT(import_items(data, items, WR_ARRAY_SIZE(items), ARCHIVE_FILTER_GZIP, &err), 0);
    CHECK_INT(wr_template_remove(data, "t", &err), 0);
    snprintf(path, sizeof(path), "%s/x.tar", fixture_path());
    struct stat st;
    CHECK(stat(path, &st) == 0 && truncate(path, st.st_size / 2) == 0);
    CHECK_INT(wr_template_import(data, "t", path, NULL, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(fixture_count(data, "layers"), 0);
}

TEST(name_that_is_taken_is_refused)
{
    static const struct item items[] = {SHELL};
    struct wr_error err = {0};
    int data = fixture_data_dir();
    CHECK_INT(import_items(data, items, 1, ARCHIVE_FILTER_NONE, &err), 0);
    CHECK_INT(import_items(data, items, 1, ARCHIVE_FILTER_NONE, &err), -WR_E_ALREADY_EXISTS);
    CHECK_INT(fixture_count(data, "layers"), 1);
}

/* A small tree with one of each kind below <tmp>/tree. */
static const char *make_tree(void)
{
    static char path[96];
    snprintf(path, sizeof(path), "%s/tree", fixture_path());
    CHECK(mkdir(path, 0700) == 0 && chdir(path) == 0);
    CHECK(mkdir("bin", 0755) == 0 && mkdir("dev", 0755) == 0 && mkdir("etc", 0750) == 0);
    fixture_file("tree/bin/sh", "shell");
    fixture_file("tree/dev/secret", "x");
    fixture_file("tree/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    CHECK(chown("bin/sh", 7, 8) == 0 && chmod("bin/sh", 06755) == 0);
    CHECK(link("bin/sh", "bin/bash") == 0 && symlink("/etc/shadow", "etc/link") == 0);
    CHECK(lchown("etc/link", 9, 9) == 0 && mkfifo("etc/fifo", 0620) == 0);
    CHECK(setxattr("etc/passwd", "user.note", "n", 1, 0) == 0);
    CHECK(setxattr("etc/passwd", "trusted.overlay.redirect", "/x", 2, 0) == 0);
    return path;
}

TEST(directories_are_copied_whole)
{
    struct wr_error err = {0};
    struct stat st, other;
    char text[64];
    int data = fixture_data_dir();
    if (wr_template_import(data, "t", make_tree(), NULL, &err) != 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    wr_auto_template t = {0};
    wr_auto_close int root = layer_of(data, &t);
    CHECK_STR(t.user, "root");
    CHECK(fstatat(root, "bin/sh", &st, 0) == 0);
    CHECK_INT(st.st_mode, S_IFREG | 06755);
    CHECK(st.st_uid == 7 && st.st_gid == 8 && st.st_size == 5);
    CHECK(fstatat(root, "bin/bash", &other, 0) == 0 && other.st_ino == st.st_ino);
    CHECK(fstatat(root, "etc", &st, 0) == 0 && (st.st_mode & 07777) == 0750);
    CHECK(fstatat(root, "etc/link", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) &&
          st.st_uid == 9);
    CHECK(readlinkat(root, "etc/link", text, sizeof(text)) == (ssize_t)strlen("/etc/shadow"));
    CHECK(fstatat(root, "etc/fifo", &st, 0) == 0 && S_ISFIFO(st.st_mode));
    CHECK(fstatat(root, "dev/secret", &st, 0) < 0);
    wr_auto_close int passwd = openat(root, "etc/passwd", O_RDONLY | O_CLOEXEC);
    CHECK(fgetxattr(passwd, "user.note", text, sizeof(text)) == 1);
    CHECK(fgetxattr(passwd, "trusted.overlay.redirect", text, sizeof(text)) < 0);
}

TEST(directory_with_a_device_node_is_refused)
{
    struct wr_error err = {0};
    int data = fixture_data_dir();
    const char *tree = make_tree();
    CHECK(mknod("etc/disk", S_IFBLK | 0600, makedev(7, 200)) == 0);
    CHECK_INT(wr_template_import(data, "t", tree, NULL, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "etc/disk"));
    CHECK_INT(fixture_count(data, "layers"), 0);
}

TEST(importing_what_contains_the_data_directory_ends)
{
    struct wr_error err = {0};
    int data = fixture_data_dir();
    (void)make_tree();
    char path[96];
    snprintf(path, sizeof(path), "%s/bin", fixture_path());
    CHECK(symlink("tree/bin", path) == 0);
    CHECK_INT(wr_template_import(data, "t", fixture_path(), NULL, &err), 0);
    wr_auto_template t = {0};
    wr_auto_close int root = layer_of(data, &t);
    wr_auto_close int copied = openat(root, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_INT(fixture_count(copied, "layers"), 0);
}

TEST(interrupted_import_leaves_nothing)
{
    int data = fixture_data_dir();
    pid_t pid = fork();
    if (pid == 0) {
        /* The signal waits already when the worker starts. */
        struct wr_error err = {0};
        static const struct item items[] = {SHELL};
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, NULL);
        kill(getpid(), SIGTERM);
        int rc = import_items(data, items, 1, ARCHIVE_FILTER_NONE, &err);
        _exit(rc == -WR_E_CANCELED ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_INT(fixture_count(data, "layers"), 0);
    CHECK_INT(fixture_count(data, "templates"), 0);
}
