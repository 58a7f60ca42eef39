#include <sys/stat.h>

#include "template/entry.h"
#include "test.h"

static int judge(const char *path, mode_t type, struct wr_error *err)
{
    enum wr_entry_verdict verdict = WR_ENTRY_TAKE;
    int rc = wr_entry_judge(path, type, &verdict, err);
    return rc < 0 ? rc : (int)verdict;
}

TEST(ordinary_entries_are_taken)
{
    static const char *const paths[] = {".",     "./",   "etc",     "./etc/passwd", "a..b/..c/d..",
                                        "..a/b", "dev",  "./dev/",  "device/x",     "usr/dev/null",
                                        "proc",  "sys/", "a//b/./c"};
    struct wr_error err = {0};
    for (size_t i = 0; i < WR_ARRAY_SIZE(paths); i++) {
        CHECK_INT(judge(paths[i], S_IFREG, &err), WR_ENTRY_TAKE);
        CHECK_INT(judge(paths[i], S_IFDIR, &err), WR_ENTRY_TAKE);
        CHECK_INT(judge(paths[i], S_IFLNK, &err), WR_ENTRY_TAKE);
    }
}

TEST(paths_that_leave_are_refused_by_name)
{
    static const char *const paths[] = {"/etc/passwd", "//x",      "..",     "../x",
                                        "a/../b",      "a/..",     "./../x", "a//..//b",
                                        "dev/../x",    "/dev/null"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(paths); i++) {
        struct wr_error err = {0};
        CHECK_INT(judge(paths[i], S_IFREG, &err), -WR_E_INVALID_ARGUMENT);
        CHECK(strstr(err.msg, paths[i]));
    }
}

TEST(device_nodes_are_refused_outside_dev)
{
    struct wr_error err = {0};
    CHECK_INT(judge("home/sda", S_IFBLK, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "home/sda"));
    CHECK_INT(judge("usr/dev/null", S_IFCHR, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(judge("./dev/null", S_IFCHR, &err), WR_ENTRY_SKIP);
    CHECK_INT(judge("dev", S_IFCHR, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(judge("run/x.sock", S_IFSOCK, &err), WR_ENTRY_SKIP);
    CHECK_INT(judge("run/fifo", S_IFIFO, &err), WR_ENTRY_TAKE);
    CHECK_INT(judge("x", 0, &err), -WR_E_INVALID_ARGUMENT);
}

TEST(only_portable_attributes)
{
    CHECK(wr_entry_xattr_allowed("user.x"));
    CHECK(wr_entry_xattr_allowed("security.capability"));
    CHECK(!wr_entry_xattr_allowed("security.selinux"));
    CHECK(!wr_entry_xattr_allowed("user.overlay.redirect"));
    CHECK(!wr_entry_xattr_allowed("trusted.overlay.opaque"));
    CHECK(!wr_entry_xattr_allowed("system.posix_acl_access"));
}
