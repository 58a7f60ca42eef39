#include "primitives/ledger/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

/* Of a service without HOME, as the system's list of users has it. */
static bool home_of_user(char *out, size_t cap)
{
    char text[4096];
    struct passwd entry, *found = NULL;

    return getpwuid_r(geteuid(), &entry, text, sizeof text, &found) == 0 && found &&
           found->pw_dir && found->pw_dir[0] == '/' && wr_strcopy(out, cap, found->pw_dir);
}

static int choose(char *out, size_t cap, struct wr_error *err)
{
    const char *own = variable("WARREN_STATE_DIR"), *xdg = variable("XDG_STATE_HOME");
    const char *home = variable("HOME");
    char found[PATH_MAX];
    bool fits = false;

    /* A relative one is not valid (XDG Base Directory Specification). */
    if (xdg && xdg[0] != '/')
        xdg = NULL;
    if (!own && !xdg && !home && home_of_user(found, sizeof found))
        home = found;
    if (own)
        fits = wr_strcopy(out, cap, own);
    else if (xdg)
        fits = wr_strformat(out, cap, "%s/warren", xdg);
    else if (home)
        fits = wr_strformat(out, cap, "%s/.local/state/warren", home);
    else
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "there is no home directory to keep state in; set WARREN_STATE_DIR");
    return fits ? 0 : wr_fail(err, WR_E_INVALID_ARGUMENT, ENAMETOOLONG, "the state directory");
}

int wr_state_path(const char *file, char *ret, size_t cap, struct wr_error *err)
{
    char chosen[PATH_MAX];

    int r = choose(chosen, sizeof chosen, err);
    if (r < 0)
        return r;
    r = wr_mkdir_parents(AT_FDCWD, chosen, 0700);
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r,
                       "make the state directory %.120s; WARREN_STATE_DIR chooses another one",
                       chosen);
    /* SQLite follows no links when it is told so, those of directories included. */
    wr_auto_free char *real = realpath(chosen, NULL);
    if (!real)
        return wr_fail_errno(err, wr_code_from_errno(errno), "the state directory %.120s", chosen);
    if (strlen(real) + 1 + strlen(file) >= cap || !wr_strformat(ret, cap, "%s/%s", real, file))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, ENAMETOOLONG, "%.120s/%.60s", real, file);
    return 0;
}
