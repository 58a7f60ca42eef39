/* What requests for a volume's content say. */
#include "agent/fs/content_request.h"
#include "test.h"

static void check_path(const char *raw, const char *clean)
{
    char out[PATH_MAX];
    CHECK(wr_content_path(raw, out));
    CHECK_STR(out, clean);
}

TEST(paths_are_rooted_and_clean)
{
    char longest[PATH_MAX], out[PATH_MAX];
    check_path("/", "/");
    check_path("a", "/a");
    check_path("/a//b/./c/", "/a/b/c");
    check_path("..", "/");
    check_path("../../etc/passwd", "/etc/passwd");
    check_path("a/../../b", "/b");
    check_path("a/...", "/a/...");
    CHECK(!wr_content_path("", out));
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    CHECK(!wr_content_path(longest, out)); /* with its slash it does not fit */
}

static int read_change(const char *body, struct wr_content_change *ret)
{
    struct wr_error err;
    return wr_content_change_read(body, strlen(body), ret, &err);
}

TEST(changes)
{
    struct wr_content_change change = {.uid = 7};
    CHECK_INT(read_change("{}", &change), 0);
    CHECK(!change.has_uid && !change.has_gid && !change.has_mode);
    CHECK_INT(read_change("{\"uid\":0,\"gid\":65535,\"mode\":4095}", &change), 0);
    CHECK(change.has_uid && change.has_gid && change.has_mode);
    CHECK_INT(change.uid, 0);
    CHECK_INT(change.gid, 65535);
    CHECK_INT(change.mode, 07777);
    CHECK_INT(read_change("{\"mode\":null,\"uid\":1}", &change), 0);
    CHECK(change.has_uid && !change.has_mode);
}

TEST(wrong_changes)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "{\"uid\":-1}",
        "{\"uid\":65536}",
        "{\"gid\":65536}",
        "{\"mode\":4096}",
        "{\"mode\":\"0644\"}",
        "{\"mode\":1.5}",
        "{\"colour\":1}",
        "{}{}",
    };
    struct wr_content_change change = {.uid = 7};
    for (size_t i = 0; i < WR_ARRAY_SIZE(wrong); i++)
        CHECK_INT(read_change(wrong[i], &change), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(change.uid, 7);
}
