#include "template/entry.h"

#include <sys/stat.h>

#include "base/str.h"

/* Skips "./" and repeated slashes. */
static const char *skip_dots(const char *path)
{
    while (path[0] == '.' && (path[1] == '/' || path[1] == '\0'))
        for (path++; *path == '/'; path++)
            continue;
    return path;
}

static bool has_dotdot(const char *path)
{
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 2 && p[0] == '.' && p[1] == '.')
            return true;
        p += len;
        p += strspn(p, "/");
    }
    return false;
}

/* Below (not equal to) a directory of the root. */
static bool below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && path[len] == '/' && path[len + 1] != '\0';
}

int wr_entry_judge(const char *path, mode_t type, enum wr_entry_verdict *ret, struct wr_error *err)
{
    if (path[0] == '/')
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "entry \"%.150s\" has an absolute path",
                       path);
    if (has_dotdot(path))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "entry \"%.150s\" leaves the tree by \"..\"",
                       path);
    const char *inner = skip_dots(path);
    if (below(inner, "dev") || below(inner, "proc") || below(inner, "sys")) {
        *ret = WR_ENTRY_SKIP;
        return 0;
    }
    if (S_ISSOCK(type)) {
        *ret = WR_ENTRY_SKIP;
        return 0;
    }
    if (S_ISBLK(type) || S_ISCHR(type))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "entry \"%.150s\" is a device node", path);
    if (!S_ISREG(type) && !S_ISDIR(type) && !S_ISLNK(type) && !S_ISFIFO(type))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "entry \"%.150s\" is neither a file, directory, link nor FIFO", path);
    *ret = WR_ENTRY_TAKE;
    return 0;
}

bool wr_entry_xattr_allowed(const char *name)
{
    return wr_streq(name, "security.capability") ||
           (wr_starts_with(name, "user.") && !wr_starts_with(name, "user.overlay."));
}
