#include "agent/fs/path.h"
#include "test.h"

static const struct wr_user user = {.name = "user", .home = "/home/user"};

static const char *resolve(const char *path, const char *workdir)
{
    static char out[PATH_MAX];
    struct wr_error err;
    return wr_path_resolve(path, &user, workdir, out, &err) == 0 ? out : NULL;
}

TEST(empty_is_the_workdir_or_else_the_home)
{
    CHECK_STR(resolve("", "/code"), "/code");
    CHECK_STR(resolve("", ""), "/home/user");
    CHECK_STR(resolve("", NULL), "/home/user");
}

TEST(tilde_is_the_home)
{
    CHECK_STR(resolve("~", "/code"), "/home/user");
    CHECK_STR(resolve("~/", "/code"), "/home/user");
    CHECK_STR(resolve("~/a/b", "/code"), "/home/user/a/b");
    CHECK_STR(resolve("a~", ""), "/home/user/a~");
}

TEST(tilde_of_somebody_else_is_refused)
{
    char out[PATH_MAX] = "untouched";
    struct wr_error err;
    CHECK_INT(wr_path_resolve("~root/x", &user, "", out, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "cannot expand user-specific home dir") != NULL);
    CHECK_STR(out, "untouched");
}

TEST(absolute_stays_as_it_is)
{
    CHECK_STR(resolve("/a//b/../c", "/code"), "/a//b/../c");
    CHECK_STR(resolve("/", "/code"), "/");
}

TEST(relative_is_joined_to_the_home_and_cleaned)
{
    CHECK_STR(resolve("a.txt", "/code"), "/home/user/a.txt");
    CHECK_STR(resolve("./a//b/./c/", ""), "/home/user/a/b/c");
    CHECK_STR(resolve("../x", ""), "/home/x");
    CHECK_STR(resolve("../../../../x", ""), "/x");
    CHECK_STR(resolve("../..", ""), "/");
    CHECK_STR(resolve("..a/...", ""), "/home/user/..a/...");
}

TEST(length_is_bounded)
{
    char path[PATH_MAX + 2] = "/";
    memset(path + 1, 'a', sizeof(path) - 2);
    path[PATH_MAX] = '\0';
    CHECK(resolve(path, "") == NULL);
    path[PATH_MAX - 1] = '\0';
    CHECK(resolve(path, "") != NULL);
    CHECK(resolve(path + 1, "") == NULL); /* with the home in front */
}

static const char *base(const char *path)
{
    static char out[64];
    size_t len = 0;
    const char *at = wr_path_base(path, &len);
    snprintf(out, sizeof(out), "%.*s", (int)len, at);
    return out;
}

TEST(base_names)
{
    CHECK_STR(base("/a/b.txt"), "b.txt");
    CHECK_STR(base("/a/b//"), "b");
    CHECK_STR(base("/"), "/");
    CHECK_STR(base("//"), "/");
    CHECK_STR(base("a"), "a");
    CHECK_STR(base(""), "");
}

TEST(clean_paths)
{
    static const struct {
        const char *path, *clean;
    } rows[] = {
        {"/", "/"},        {"//", "/"},          {"/..", "/"},      {"/a/", "/a"},
        {"/a//b", "/a/b"}, {"/a/./b/.", "/a/b"}, {"/a/../b", "/b"}, {"/a/b/../../..", "/"},
        {"/...", "/..."},
    };
    char out[PATH_MAX];
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        CHECK(wr_path_clean(rows[i].path, out));
        CHECK_STR(out, rows[i].clean);
    }
    static char longest[PATH_MAX + 1];
    memset(longest, 'x', PATH_MAX);
    longest[0] = '/';
    CHECK(!wr_path_clean(longest, out));
    longest[PATH_MAX - 1] = '\0';
    CHECK(wr_path_clean(longest, out));
}
