#include "client/executable.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"

#define PATH_ENTRIES_MAX 256

static bool can_run(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* "<dir>/warren" when that can be run; the caller's. */
static char *in_dir(const char *dir, size_t len)
{
    char *path = wr_asprintf("%.*s/warren", (int)len, dir);

    if (path && !can_run(path)) {
        free(path);
        path = NULL;
    }
    return path;
}

/* In the directory of what this code was linked into: a shared library, or `warren` itself. */
static char *beside(void)
{
    Dl_info info = {0};

    if (!dladdr((const void *)(uintptr_t)&wr_executable_find, &info) || !info.dli_fname)
        return NULL;
    /* A program that was found on PATH has its bare name here. */
    wr_auto_free char *whole =
        realpath(info.dli_fname[0] == '/' ? info.dli_fname : "/proc/self/exe", NULL);
    const char *slash = whole ? strrchr(whole, '/') : NULL;
    return slash ? in_dir(whole, (size_t)(slash - whole)) : NULL;
}

static char *on_path(void)
{
    const char *at = getenv("PATH");

    for (int i = 0; at && *at && i < PATH_ENTRIES_MAX; i++) {
        size_t len = strcspn(at, ":");
        /* A relative entry would start whatever lies in the working directory, as root. */
        char *found = len > 0 && *at == '/' ? in_dir(at, len) : NULL;
        if (found)
            return found;
        at += len + (at[len] == ':');
    }
    return NULL;
}

int wr_executable_find(const char *given, char **ret, struct wr_error *err)
{
    if (!given || !*given)
        given = getenv("WARREN_EXECUTABLE");
    if (given && *given) {
        if (!can_run(given))
            return wr_fail(err, WR_E_NOT_FOUND, 0, "%.120s is not a program that can be run",
                           given);
        *ret = wr_strdup(given);
        return *ret ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "path of warren");
    }
    char *found = beside();
    if (!found)
        found = on_path();
    if (!found)
        return wr_fail(err, WR_E_NOT_FOUND, 0,
                       "the program `warren` is neither beside libwarren nor on PATH; set "
                       "WARREN_EXECUTABLE, or E2B_API_KEY for a server elsewhere");
    *ret = found;
    return 0;
}
