#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "primitives/ledger/state_dir.h"
#include "test.h"

static char dir[] = "/tmp/warren-state-XXXXXX";

/* The three variables; NULL: not set. "%" in front stands for the test's directory. */
static void set(const char *name, const char *value)
{
    char text[256];

    if (!value) {
        CHECK(unsetenv(name) == 0);
        return;
    }
    CHECK(wr_strformat(text, sizeof text, "%s%s", *value == '%' ? dir : "",
                       *value == '%' ? value + 1 : value));
    CHECK(setenv(name, text, 1) == 0);
}

static void check(const char *own, const char *xdg, const char *home, const char *expected)
{
    char path[PATH_MAX] = "", wanted[256];
    struct wr_error err = {0};
    struct stat st;

    set("WARREN_STATE_DIR", own);
    set("XDG_STATE_HOME", xdg);
    set("HOME", home);
    CHECK_INT(wr_state_path("a.db", path, sizeof path, &err), 0);
    CHECK(wr_strformat(wanted, sizeof wanted, "%s%s/a.db", dir, expected));
    CHECK_STR(path, wanted);
    *strrchr(path, '/') = '\0';
    CHECK(stat(path, &st) == 0 && S_ISDIR(st.st_mode));
    CHECK_INT(st.st_mode & 07777, 0700);
}

TEST(the_nearest_wins)
{
    CHECK(mkdtemp(dir));
    check("%/own/deep", "%/xdg", "%/home", "/own/deep");
    check("", "%/xdg", "%/home", "/xdg/warren");
    check(NULL, "relative", "%/home", "/home/.local/state/warren");
    check(NULL, NULL, "%/home", "/home/.local/state/warren");
    CHECK(wr_remove_tree(AT_FDCWD, dir) == 0);
}

TEST(links_are_resolved)
{
    char link_path[64];

    CHECK(mkdtemp(dir));
    CHECK(wr_strformat(link_path, sizeof link_path, "%s/link", dir));
    CHECK(symlink("real", link_path) == 0);
    CHECK(wr_strformat(link_path, sizeof link_path, "%s/real", dir));
    CHECK(mkdir(link_path, 0700) == 0);
    check("%/link/state", NULL, NULL, "/real/state");
    CHECK(wr_remove_tree(AT_FDCWD, dir) == 0);
}

TEST(what_cannot_be_made_is_named)
{
    char path[PATH_MAX] = "before", small[8];
    struct wr_error err = {0};

    CHECK(setenv("WARREN_STATE_DIR", "/proc/nothing", 1) == 0);
    CHECK(wr_state_path("a.db", path, sizeof path, &err) < 0);
    CHECK(strstr(err.msg, "/proc/nothing") && strstr(err.msg, "WARREN_STATE_DIR"));
    CHECK_STR(path, "before");
    CHECK(setenv("WARREN_STATE_DIR", "/tmp", 1) == 0);
    CHECK_INT(wr_state_path("a.db", small, sizeof small, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_state_path("a.db", path, sizeof path, &err), 0);
    CHECK_STR(path, "/tmp/a.db");
}
