#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/state_dir.h"
#include "test.h"

#define UID   54321
#define OTHER 54322

static struct wr_error err;
static char data[] = "/tmp/warren-state-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];

    CHECK(wr_strformat(path, sizeof path, "%s/server/%s", data, name));
    return path;
}

static void make(uid_t uid)
{
    char *path = NULL;

    CHECK_INT(wr_state_dir_make(data, uid, uid, &path, &err), 0);
    CHECK(strstr(path, "/server"));
    free(path);
}

static uid_t owner(const char *name)
{
    struct stat st;

    CHECK(lstat(path_of(name), &st) == 0);
    CHECK_INT(st.st_gid, st.st_uid);
    return st.st_uid;
}

TEST(made_and_given)
{
    struct stat st;

    NEEDS_ROOT();
    CHECK(mkdtemp(data) && chmod(data, 0711) == 0);
    make(UID);
    CHECK(stat(path_of("."), &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0700);
    CHECK_INT(st.st_uid, UID);
    CHECK(chmod(path_of("."), 0755) == 0);
    make(UID);
    CHECK(stat(path_of("."), &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0700);
    CHECK_INT(wr_remove_tree(AT_FDCWD, data), 0);
}

TEST(another_user_gets_the_files_and_nothing_else)
{
    NEEDS_ROOT();
    CHECK(mkdtemp(data) && chmod(data, 0711) == 0);
    make(UID);
    CHECK_INT(wr_file_replace(AT_FDCWD, path_of("warren.db"), "x", 1, 0600, WR_VOLATILE), 0);
    CHECK_INT(wr_file_replace(AT_FDCWD, path_of("twice"), "x", 1, 0600, WR_VOLATILE), 0);
    char second[128];
    CHECK(wr_strcopy(second, sizeof second, path_of("second")));
    CHECK(link(path_of("twice"), second) == 0);
    CHECK(symlink("/nonexistent", path_of("symlink")) == 0);
    CHECK(mkfifo(path_of("pipe"), 0600) == 0);
    make(OTHER);
    CHECK_INT(owner("."), OTHER);
    CHECK_INT(owner("warren.db"), OTHER);
    CHECK_INT(owner("twice"), 0); /* who knows where its other name is */
    CHECK_INT(owner("symlink"), 0);
    CHECK_INT(owner("pipe"), 0);
    CHECK_INT(wr_remove_tree(AT_FDCWD, data), 0);
}

TEST(a_link_is_not_followed)
{
    char *path = NULL;

    NEEDS_ROOT();
    CHECK(mkdtemp(data));
    char link_path[128];
    CHECK(wr_strformat(link_path, sizeof link_path, "%s/server", data));
    CHECK(symlink("/etc", link_path) == 0);
    CHECK(wr_state_dir_make(data, UID, UID, &path, &err) < 0);
    CHECK(!path);
    CHECK_INT(wr_remove_tree(AT_FDCWD, data), 0);
}

TEST(a_directory_that_its_owner_cannot_reach)
{
    char *path = NULL;

    NEEDS_ROOT();
    CHECK(mkdtemp(data)); /* 0700 */
    CHECK_INT(wr_state_dir_make(data, UID, UID, &path, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "chmod o+x") && !path);
    CHECK_INT(geteuid(), 0);
    CHECK_INT(getegid(), 0);
    CHECK_INT(wr_remove_tree(AT_FDCWD, data), 0);
}
