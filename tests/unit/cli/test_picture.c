#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/picture_draw.h"
#include "json/jread.h"
#include "test.h"

/* The smallest PNG, one pixel. */
#define PNG                                                                                        \
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJg" \
    "gg=="

static const struct wr_picture_format *format(const char *member)
{
    const struct wr_picture_format *found = wr_picture_formats;
    while (!wr_streq(found->member, member))
        found++;
    return found;
}

static int read_member(const char *member, const char *value, struct wr_buf *out)
{
    wr_auto_json *result = json_pack("{s:s}", member, value);
    struct wr_error err = {0};
    return wr_picture_read(format(member), result, out, &err);
}

TEST(bytes_of_results)
{
    wr_auto_buf png = WR_BUF(4096), svg = WR_BUF(4096), none = WR_BUF(4096), wrapped = WR_BUF(4096);

    CHECK_INT(read_member("png", PNG, &png), 1);
    CHECK(memcmp(wr_buf_ptr(&png), "\x89PNG", 4) == 0);
    CHECK_INT(read_member("png", "aGVs\nbG8=\n", &wrapped), 1);
    CHECK_STR(wr_buf_cstr(&wrapped), "hello");
    CHECK_INT(read_member("svg", "<svg/>", &svg), 1);
    CHECK_STR(wr_buf_cstr(&svg), "<svg/>");
    CHECK_INT(read_member("png", "", &none), 0);
    CHECK_INT(read_member("png", "\033[2J", &none), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(none.len, 0);
}

static void save(const char *dir, const char *content, char path[static PATH_MAX])
{
    const struct wr_picture_place place = {dir, "n", 3, 1};
    wr_auto_buf bytes = WR_BUF(64);
    struct wr_error err = {0};

    CHECK_INT(wr_buf_append_str(&bytes, content), 0);
    CHECK_INT(wr_picture_save(&place, format("png"), &bytes, path, &err), 0);
}

static void check_file(const char *path, const char *content)
{
    char text[64];
    CHECK(wr_file_read_line(AT_FDCWD, path, text, sizeof text) >= 0);
    CHECK_STR(text, content);
}

TEST(only_own_files_are_replaced)
{
    char dir[] = "wr-picture-XXXXXX", path[PATH_MAX], other[64];

    /* Where the tests run: a file system of the tests' own could lack extended attributes. */
    CHECK(mkdtemp(dir));
    save(dir, "first", path);
    CHECK(wr_ends_with(path, "/n-cell3-1.png"));
    save(dir, "second", path);
    CHECK(wr_ends_with(path, "/n-cell3-1.png"));
    check_file(path, "second");
    /* Somebody edits the file with a program that writes it anew. */
    CHECK(unlink(path) == 0);
    CHECK_INT(wr_file_replace(AT_FDCWD, path, "theirs", 6, 0644, WR_VOLATILE), 0);
    CHECK(wr_strcopy(other, sizeof other, path));
    save(dir, "third", path);
    CHECK(wr_ends_with(path, "/n-cell3-1-2.png"));
    check_file(other, "theirs");
    save(dir, "fourth", path);
    CHECK(wr_ends_with(path, "/n-cell3-1-2.png"));
    check_file(path, "fourth");
    CHECK_INT(wr_remove_tree(AT_FDCWD, dir), 0);
}

TEST(a_link_is_not_followed)
{
    char dir[] = "wr-picture-XXXXXX", path[PATH_MAX], name[64];

    CHECK(mkdtemp(dir));
    CHECK(wr_strformat(name, sizeof name, "%s/n-cell3-1.png", dir));
    CHECK(symlink("/nonexistent/target", name) == 0);
    save(dir, "x", path);
    CHECK(wr_ends_with(path, "/n-cell3-1-2.png"));
    CHECK_INT(wr_remove_tree(AT_FDCWD, dir), 0);
}

static char *draw(enum wr_picture_protocol protocol, const char *member, struct wr_buf *out)
{
    wr_auto_buf bytes = WR_BUF(4096);
    struct wr_error err = {0};

    wr_buf_clear(out);
    CHECK_INT(read_member(member, PNG, &bytes), 1);
    int r = wr_picture_draw(protocol, format(member), &bytes, out, &err);
    CHECK(r >= 0);
    return r ? wr_buf_cstr(out) : NULL;
}

TEST(sequences_hold_nothing_but_base64)
{
    wr_auto_buf out = WR_BUF(65536);

    CHECK_STR(draw(WR_PICTURE_KITTY, "png", &out), "\033_Ga=T,f=100,q=2,m=0;" PNG "\033\\\n");
    CHECK_STR(draw(WR_PICTURE_ITERM, "png", &out), "\033]1337;File=inline=1;size=70:" PNG "\a\n");
    CHECK(!draw(WR_PICTURE_KITTY, "jpeg", &out));
    CHECK(!draw(WR_PICTURE_NONE, "png", &out));
}

TEST(what_is_no_png_is_not_drawn_by_kitty)
{
    wr_auto_buf bytes = WR_BUF(64), out = WR_BUF(4096);
    struct wr_error err = {0};

    CHECK_INT(wr_buf_append_str(&bytes, "not a picture, but long enough for a header"), 0);
    CHECK_INT(wr_picture_draw(WR_PICTURE_KITTY, format("png"), &bytes, &out, &err), 0);
}

TEST(without_a_terminal_nothing_is_drawn)
{
    /* The tests' output is a pipe. */
    CHECK_INT(wr_picture_protocol_choose(0), WR_PICTURE_NONE);
    CHECK_INT(wr_picture_protocol_choose(1), WR_PICTURE_NONE);
}
