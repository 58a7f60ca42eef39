#include "agent/fs/path.h"

#include "base/str.h"

/* Appends the components of `part` to the clean absolute path in `out`; ".." never leaves the root.
 */
static bool append_clean(char *out, const char *part)
{
    size_t len = strlen(out);
    while (*part) {
        size_t n = strcspn(part, "/");
        if (n == 2 && part[0] == '.' && part[1] == '.') {
            while (len > 0 && out[len - 1] != '/')
                len--;
            len -= len > 0;
        } else if (n > 0 && !(n == 1 && part[0] == '.')) {
            if (len + 1 + n >= PATH_MAX)
                return false;
            out[len++] = '/';
            memcpy(out + len, part, n);
            len += n;
        }
        out[len] = '\0';
        part += n;
        part += strspn(part, "/");
    }
    return true;
}

int wr_path_resolve(const char *path, const struct wr_user *user, const char *default_workdir,
                    char out[static PATH_MAX], struct wr_error *err)
{
    char resolved[PATH_MAX] = "";
    const char *rest = path;
    bool fits = true;

    if (path[0] == '\0' && default_workdir && default_workdir[0] == '/')
        path = default_workdir;
    if (path[0] == '/') {
        fits = wr_strcopy(resolved, sizeof(resolved), path);
    } else {
        if (path[0] == '~') {
            if (path[1] != '\0' && path[1] != '/') {
                return wr_fail(
                    err, WR_E_INVALID_ARGUMENT, 0,
                    "error expanding and resolving path '%.100s': cannot expand user-specific home dir",
                    path);
            }
            rest = path + 1;
        }
        fits = append_clean(resolved, user->home) && append_clean(resolved, rest);
        if (fits && resolved[0] == '\0')
            fits = wr_strcopy(resolved, sizeof(resolved), "/");
    }
    if (!fits) {
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "error expanding and resolving path '%.100s': longer than %d bytes", path,
                       PATH_MAX - 1);
    }
    memcpy(out, resolved, strlen(resolved) + 1);
    return 0;
}

const char *wr_path_base(const char *path, size_t *ret_len)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    if (start == end && end > 0) /* "/" */
        start--;
    *ret_len = end - start;
    return path + start;
}

bool wr_path_clean(const char *path, char out[static PATH_MAX])
{
    out[0] = '\0';
    if (!append_clean(out, path))
        return false;
    return out[0] != '\0' || wr_strcopy(out, PATH_MAX, "/");
}
